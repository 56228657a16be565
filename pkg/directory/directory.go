// Package directory knows, from the log, what everybody at the hub looks up: offices with their calendars, counters
// with their keys, and the generations of each authority. It is a follower that keeps its answers in memory; the log
// stays the only truth.
package directory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/regime"
)

// ErrNoOffice says that no office of that id is defined for the day.
var ErrNoOffice = errors.New("no such office")

// Counter is an enrolled counter, or another source of claims.
type Counter struct {
	ID, Office string
	// PublicKey is its public nkey, SealKey its public HPKE key.
	PublicKey string
	SealKey   []byte
	// Role is counter, factory, register, telephone or operator.
	Role string
	// Code is the nine-character counter id of certificate subjects (domain.md 2.2).
	Code    string
	Retired bool
}

// Directory answers look-ups. Its methods may be called from many goroutines.
type Directory struct {
	mu          sync.RWMutex
	offices     map[string][]*events.OfficeDefined // in the order they were recorded
	counters    map[string]Counter
	generations ca.Generations
}

// Open reads what the log holds now.
func Open(ctx context.Context, log *eventlog.Log) (*Directory, error) {
	d := &Directory{offices: make(map[string][]*events.OfficeDefined), counters: make(map[string]Counter)}
	err := log.Scan(ctx, nil, func(r eventlog.Record, err error) error {
		if r.Kind != events.KindOffice && r.Kind != events.KindAuthority {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the directory at %s/%s: %w", r.Kind, r.ID, err)
		}
		if err := log.Verify(r); err != nil {
			return fmt.Errorf("reading the directory: %w", err)
		}
		return d.take(r)
	})
	return d, err
}

// Follow keeps the directory up to date until ctx ends.
func (d *Directory) Follow(ctx context.Context, log *eventlog.Log, follower string) error {
	return log.Follow(ctx, eventlog.Follower{
		Name: follower, Kinds: []string{events.KindOffice, events.KindAuthority}, From: eventlog.Positions{},
		Handle: func(_ context.Context, records []eventlog.Record) error {
			for _, r := range records {
				if err := d.take(r); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// Learn takes the outcome of an Update at once, so that the process that wrote it need not wait for its own follower.
func (d *Directory) Learn(kind, id string, c *events.Commit) error {
	if c == nil {
		return nil
	}
	return d.take(eventlog.Record{Kind: kind, ID: id, Commit: c})
}

func (d *Directory) take(r eventlog.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range r.Commit.GetEvents() {
		switch b := events.BodyOf(e).(type) {
		case *events.OfficeDefined:
			d.offices[r.ID] = append(d.offices[r.ID], b)
		case *events.CounterEnrolled:
			d.counters[b.Counter] = Counter{
				ID: b.Counter, Office: r.ID, PublicKey: b.PublicKey, SealKey: b.SealKey, Role: b.Role, Code: b.CounterCode,
			}
		case *events.CounterRetired:
			c := d.counters[b.Counter]
			c.Retired = true
			d.counters[b.Counter] = c
		case *events.GenerationActivated:
			if err := d.takeGeneration(r.ID, b); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Directory) takeGeneration(authority string, b *events.GenerationActivated) error {
	if _, err := d.generations.ByKeyID(b.KeyId); err == nil {
		return nil
	}
	kind, prefecture := Authority(authority)
	g, err := ca.ParseGeneration(kind, prefecture, int(b.Number), b.Certificate)
	if err != nil {
		return fmt.Errorf("reading generation %d of authority %s: %w", b.Number, authority, err)
	}
	d.generations = append(d.generations, g)
	return nil
}

// Generations gives every generation known.
func (d *Directory) Generations() ca.Generations {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return append(ca.Generations(nil), d.generations...)
}

// Counter gives an enrolled counter; false when there is none of that id or it was retired.
func (d *Directory) Counter(id string) (Counter, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c, ok := d.counters[id]
	return c, ok && !c.Retired
}

// Counters gives every counter that is enrolled and not retired.
func (d *Directory) Counters() []Counter {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var all []Counter
	for _, c := range d.counters {
		if !c.Retired {
			all = append(all, c)
		}
	}
	return all
}

// Definition gives what is in force of an office on a day: the definition recorded last among those effective by then.
func (d *Directory) Definition(id string, on civil.Date) (*events.OfficeDefined, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var found *events.OfficeDefined
	for _, b := range d.offices[id] {
		from, err := civil.Parse(b.EffectiveFrom)
		if err != nil {
			return nil, fmt.Errorf("office %s: %w", id, err)
		}
		if !from.After(on) {
			found = b
		}
	}
	if found == nil {
		return nil, fmt.Errorf("office %s on %s: %w: define it first", id, on, ErrNoOffice)
	}
	return found, nil
}

// Offices gives the ids of all offices, with the definition recorded last.
func (d *Directory) Offices() map[string]*events.OfficeDefined {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make(map[string]*events.OfficeDefined, len(d.offices))
	for id, list := range d.offices {
		all[id] = list[len(list)-1]
	}
	return all
}

// Office gives the office of a day as the rules read it.
func (d *Directory) Office(id string, on civil.Date) (regime.Office, error) {
	b, err := d.Definition(id, on)
	if err != nil {
		return regime.Office{}, err
	}
	calendar, err := calendar(b)
	if err != nil {
		return regime.Office{}, fmt.Errorf("office %s: %w", id, err)
	}
	return regime.Office{
		Municipality: b.Municipality, Branch: b.Branch, LastAcceptance: instant(b.LastAcceptanceMs), Office: calendar,
	}, nil
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Authority splits the id of an authority aggregate: sign, auth, or juki-<prefecture>.
func Authority(id string) (ca.Kind, string) {
	if len(id) > len(jukiPrefix) && id[:len(jukiPrefix)] == jukiPrefix {
		return ca.Juki, id[len(jukiPrefix):]
	}
	return ca.Kind(id), ""
}

const jukiPrefix = "juki-"

// AuthorityID is the inverse of [Authority].
func AuthorityID(kind ca.Kind, prefecture string) string {
	if kind == ca.Juki {
		return jukiPrefix + prefecture
	}
	return string(kind)
}

// AuthorityOf names the authority that issues a kind of certificate under a regime in a municipality (Act2013: the
// governor of its prefecture; Act2016: one for the nation).
func AuthorityOf(r events.Regime, kind events.CertificateKind, municipality string) (ca.Kind, string) {
	switch {
	case r == events.Regime_REGIME_JUKI && len(municipality) >= 2:
		return ca.Juki, municipality[:2]
	case kind == events.CertificateKind_CERTIFICATE_KIND_AUTH:
		return ca.Auth, ""
	}
	return ca.Sign, ""
}
