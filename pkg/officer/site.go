package officer

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
)

// Counters is the relying party of counters on their own machines, where a browser comes by http://localhost.
const Counters = "localhost"

// SiteKind is a kind of site at which officers sign in with a passkey.
type SiteKind int

const (
	// AtCounter is a counter, on its own machine.
	AtCounter SiteKind = iota
	// AtCounterHost is a counter under its host name, from other machines of its office.
	AtCounterHost
	// AtConsole is the console.
	AtConsole
)

// Site returns the kind of site at which the key signs.
func (k Passkey) Site() SiteKind {
	switch {
	case k.RelyingParty == Counters:
		return AtCounter
	case k.CounterHost:
		return AtCounterHost
	}
	return AtConsole
}

// SiteOf reports whether an origin belongs to a relying party: the party's host by https, or localhost by http, on any port.
func SiteOf(origin, relyingParty string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() != relyingParty || relyingParty == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && relyingParty == Counters
}

// hostForm is a host name as browsers write it. Its last part has a letter: one that ends in a number is an IP address to them.
var hostForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*([a-z]|[a-z0-9][a-z0-9-]{0,61}[a-z]|[a-z][a-z0-9-]{0,61}[a-z0-9])$`)

// CheckHost returns why a name can't be that of a site of its own, or nil: a host name in small letters, no IP address, and not
// Counters, or a passkey of one counter would count at every other.
func CheckHost(name string) error {
	const longest = 253
	if len(name) > longest || !hostForm.MatchString(name) || net.ParseIP(name) != nil || name == Counters {
		return fmt.Errorf("%.60q is no host name for a site: write it in small letters, such as madoguchi.city.example.jp; passkeys belong to it, so an IP address or %s can't be one", name, Counters)
	}
	return nil
}
