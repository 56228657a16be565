package counterlink

import (
	"regexp"
	"runtime/debug"
	"sync"
	"time"
)

// Seen is what the hub knows of one counter's link since it started.
type Seen struct {
	Counter string `json:"counter"`
	// Link is up, away, differs (its claims are refused until a person decides) or cut (off because of what it sends).
	Link string `json:"link"`
	// Heard is when the counter last sent anything; zero: not since the hub started.
	Heard time.Time `json:"heard,omitzero"`
	// Version is that of its program at the last link-up, as the counter says it; empty if it says nothing.
	Version string `json:"version,omitempty"`
	// Claims wait to be handled, Commands are on their way to the counter and not acknowledged.
	Claims   int `json:"claims"`
	Commands int `json:"commands"`
}

// Seen returns all admitted counters in the order of their ids.
func (h *Links) Seen() []Seen {
	var all []Seen
	for _, g := range h.allGuards() {
		claims, _ := h.queue(g.counter).waiting()
		s := g.seen()
		s.Claims = claims
		all = append(all, s)
	}
	return all
}

func (g *guard) seen() Seen {
	_, differs := g.hub.Mismatch(g.counter)
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Seen{Counter: g.counter, Link: "away", Heard: g.heard, Version: g.version, Commands: len(g.down.onTheWay)}
	switch {
	case time.Now().Before(g.cutOff):
		s.Link = "cut"
	case differs:
		s.Link = "differs"
	case g.live():
		s.Link = "up"
	}
	return s
}

// versionForm is what a version may look like; anything else that a counter says is left out.
var versionForm = regexp.MustCompile(`^[0-9A-Za-z.+()-]{1,80}$`)

// programVersion returns the version of this program as the linker recorded it.
var programVersion = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !versionForm.MatchString(info.Main.Version) {
		return ""
	}
	return info.Main.Version
})
