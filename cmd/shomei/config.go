package main

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/notice"
	"shomei/pkg/officer"
	"shomei/pkg/ops"
	"shomei/pkg/regime"
	"shomei/services/console"
)

// config is the file that `shomei all --config` reads (deploy/shomei.toml is an example); every key may also come from
// the environment, as SHOMEI_HUB_PORT for port of [hub].
type config struct {
	// Hub says where the data are and where counters connect.
	Hub hub.Config `toml:"hub"`
	// SMTP is the server that sends notices; without a host, mails are kept in the data folder.
	SMTP notice.Mailer `toml:"smtp"`
	Log  ops.LogConfig `toml:"log"`
	// Law chooses the readings of the law that its text leaves open.
	Law regime.Switches `toml:"law"`
	// Keys says what unlocks the keys of the data folder.
	Keys hub.Unlocking `toml:"keys"`
	// NATS and ClickHouse say where a service finds them that is a program of its own (shomei nats init).
	NATS       natsConfig   `toml:"nats"`
	ClickHouse tablesConfig `toml:"clickhouse"`
	// Console is the address of the console's page and of the health pages: a loopback address unless officers sign in.
	Console string `toml:"console"`
	// SignIn has officers sign in to the console; without a name they don't.
	SignIn signInConfig `toml:"sign_in"`
	// Validation says where revocation lists and the authorities' certificates are served.
	Validation listening `toml:"validation"`
}

// signInConfig says how officers sign in to the console.
type signInConfig struct {
	// Name is the host name under which browsers reach the console, and to which passkeys belong; not an IP address.
	Name string `toml:"name"`
	// Certificate and Key are files in PEM for that name; what replaces them is shown from then on.
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
	// Passwords is the file with the officers' password accounts, which the console makes; empty: there are none. They count at offices
	// that allow them (shomei officer passwords).
	Passwords string `toml:"passwords"`
	// OIDC lets people sign in to look with an account at an identity provider; without an issuer they can't.
	OIDC oidcConfig `toml:"oidc"`
}

// oidcConfig says where accounts are and what they may look at (OpenID Connect, code flow with PKCE).
type oidcConfig struct {
	// Issuer is the provider's URL, ClientID what it calls the console, whose redirect URI there is https://NAME:PORT/sign-in/callback.
	Issuer   string `toml:"issuer"`
	ClientID string `toml:"client_id"`
	// ClientSecret is the console's secret there, better in a file.
	ClientSecret     string `toml:"client_secret"`
	ClientSecretFile string `toml:"client_secret_file"`
	// GroupsClaim is the claim that lists an account's groups.
	GroupsClaim string `toml:"groups_claim"`
	// Groups are what the members of groups may look at.
	Groups []groupConfig `toml:"groups"`
}

// groupConfig says what the members of a group may look at.
type groupConfig struct {
	Group string   `toml:"group"`
	Roles []string `toml:"roles"`
	// Areas are prefectures of two digits, municipalities of five, or jp.
	Areas []string `toml:"areas"`
}

// url returns where the console is reached that listens at an address.
func (s signInConfig) url(at string) string {
	if s.Name == "" {
		return "http://" + at + "/"
	}
	_, port, _ := net.SplitHostPort(at) // an address that is listened on
	return "https://" + net.JoinHostPort(s.Name, port) + "/"
}

func (s signInConfig) check() error {
	switch {
	case s.Name == "" && s.Certificate == "" && s.Key == "" && s.OIDC.Issuer == "" && s.Passwords == "":
		return nil
	case s.Name == "" || net.ParseIP(s.Name) != nil || strings.ContainsAny(s.Name, ":/ "):
		return fmt.Errorf("%w: name of [sign_in] %q is no host name: passkeys belong to one, and an IP address can't be one", ops.ErrConfig, s.Name)
	case s.Certificate == "" || s.Key == "":
		return fmt.Errorf("%w: [sign_in] needs certificate and key: a console with sign-in is served by TLS only", ops.ErrConfig)
	}
	return s.OIDC.check()
}

func (o oidcConfig) check() error {
	if o.Issuer == "" {
		return nil
	}
	at, err := url.Parse(o.Issuer)
	near := err == nil && at.Scheme == "http" && (at.Hostname() == "localhost" || net.ParseIP(at.Hostname()).IsLoopback())
	switch {
	case err != nil || at.Host == "" || at.Scheme != "https" && !near:
		return fmt.Errorf("%w: issuer of [sign_in.oidc] %q is no https URL", ops.ErrConfig, o.Issuer)
	case o.ClientID == "" || o.ClientSecret == "":
		return fmt.Errorf("%w: [sign_in.oidc] needs client_id and client_secret_file", ops.ErrConfig)
	}
	for _, g := range o.Groups {
		if err := g.check(); err != nil {
			return err
		}
	}
	return nil
}

var areaForm = regexp.MustCompile(`^([0-9]{2}|[0-9]{5}|jp)$`)

func (g groupConfig) check() error {
	for _, role := range g.Roles {
		if !officer.Reads([]officer.Role{officer.Role(role)}) {
			return fmt.Errorf("%w: group %q of [sign_in.oidc]: %q is no role that looks at the console: there are analyst, auditor, administrator and operator", ops.ErrConfig, g.Group, role)
		}
	}
	for _, area := range g.Areas {
		if !areaForm.MatchString(area) {
			return fmt.Errorf("%w: group %q of [sign_in.oidc]: %q is no area: write a prefecture of two digits, a municipality of five, or jp", ops.ErrConfig, g.Group, area)
		}
	}
	if g.Group == "" || len(g.Roles) == 0 || len(g.Areas) == 0 {
		return fmt.Errorf("%w: each of groups of [sign_in.oidc] has group, roles and areas", ops.ErrConfig)
	}
	return nil
}

// accounts returns how accounts sign in; nil: they can't.
func (o oidcConfig) accounts() *console.Accounts {
	if o.Issuer == "" {
		return nil
	}
	a := &console.Accounts{
		Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret, GroupsClaim: o.GroupsClaim, Groups: map[string]console.Grant{},
	}
	for _, g := range o.Groups {
		grant := a.Groups[g.Group]
		for _, role := range g.Roles {
			grant.Roles = append(grant.Roles, officer.Role(role))
		}
		grant.Areas = append(grant.Areas, g.Areas...)
		a.Groups[g.Group] = grant
	}
	return a
}

// listening is where a service is reached.
type listening struct {
	// Listen is an address of this machine; empty: any free port that this machine alone reaches.
	Listen string `toml:"listen"`
}

type natsConfig struct {
	// Servers are the URLs of the centre's NATS servers.
	Servers []string `toml:"servers"`
}

type tablesConfig struct {
	// Tables is the host and port of the engine that the projector runs.
	Tables string `toml:"tables"`
}

// defaults returns the configuration of a hub on one machine.
func defaults() config {
	return config{
		Hub: hub.Config{Data: "out/data", Host: "127.0.0.1", Port: 4222, Streams: 1}, Log: ops.LogConfig{Level: "warn"},
		Console: "127.0.0.1:8471",
	}
}

// load reads the file, if one is named, over the defaults, and the environment over both.
func (c *config) load(path string) error {
	if err := ops.Load(path, os.Environ(), c); err != nil {
		return err
	}
	if err := c.SignIn.check(); err != nil {
		return err
	}
	if err := c.Law.Check(); err != nil {
		return fmt.Errorf("%w: [law] %w", ops.ErrConfig, err)
	}
	c.Hub.Mail, c.Hub.Switches, c.Hub.ListsAt = c.SMTP, c.Law, c.Validation.Listen
	c.Hub.Servers, c.Hub.Tables = c.NATS.Servers, c.ClickHouse.Tables
	c.Hub.ConsoleName = cmp.Or(c.SignIn.Name, c.Hub.ConsoleName)
	if strings.EqualFold(c.Hub.ConsoleName, officer.Counters) {
		return fmt.Errorf("%w: the console's name is %q, as counters are called: a passkey of one would count at the other", ops.ErrConfig, c.Hub.ConsoleName)
	}
	return nil
}
