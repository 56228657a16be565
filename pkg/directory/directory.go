// Package directory holds, from the log, what everybody at the hub looks up: offices with their calendars, counters
// with their keys, and the generations of each authority. It is a follower that keeps its state in memory; the log
// remains the only truth.
package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/officer"
	"shomei/pkg/regime"
)

// ErrNoOffice: no office of that id is defined for the day.
var ErrNoOffice = errors.New("no such office")

// Directory answers look-ups. It is safe for concurrent use.
type Directory struct {
	mu          sync.RWMutex
	taken       map[commit]struct{}
	offices     map[string][]definition // by revision
	counters    map[string][]enrolment  // by time
	retired     map[string][]retirement
	aside       map[string]Aside
	approvals   map[string]Approval
	orders      map[orderKey]Order
	readers     []FeedReader
	trial       bool                        // simulated, or a demonstration
	opened      uint64                      // the revision that says so
	officers    map[string]*officer.History // by office
	revisions   map[string]uint64           // of offices, the newest up to which all were read
	generations ca.Generations
	positions   eventlog.Positions
	// unreadable holds the offices and authorities with an unreadable commit, by kind and id, and why.
	unreadable map[string]error
}

// commit identifies what was applied already: the same commit comes from the scan, from the follower and from the
// process that wrote it.
type commit struct {
	kind, id string
	revision uint64
}

// definition is an office as one commit defines it.
type definition struct {
	*events.OfficeDefined
	revision uint64
}

// Open reads what the log holds now.
func Open(ctx context.Context, log *eventlog.Log) (*Directory, error) {
	d := &Directory{
		taken: make(map[commit]struct{}), offices: make(map[string][]definition), counters: make(map[string][]enrolment),
		retired: make(map[string][]retirement), aside: make(map[string]Aside), officers: make(map[string]*officer.History), approvals: make(map[string]Approval),
		orders:    make(map[orderKey]Order),
		revisions: make(map[string]uint64), unreadable: make(map[string]error),
	}
	return d, d.Refresh(ctx, log)
}

// kinds lists the aggregates that the directory reads.
var kinds = []string{events.KindOffice, events.KindAuthority, events.KindQuarantine, events.KindApproval}

// Refresh reads what is new in the log, for callers that can't wait for the follower. An office or authority that can't
// be read is recorded as such (Unreadable) and doesn't prevent reading the others.
func (d *Directory) Refresh(ctx context.Context, log *eventlog.Log) error {
	ends, err := log.LastSequences(ctx)
	if err != nil {
		return fmt.Errorf("reading the directory: %w", err)
	}
	err = log.Scan(ctx, d.reached(), kinds, func(r eventlog.Record, err error) error {
		if r.Kind == events.KindQuarantine && (err != nil || log.Verify(r) != nil) {
			return nil // it says nothing about a claim that is held
		}
		if err == nil {
			err = log.Verify(r)
		}
		if err == nil {
			err = d.take(r)
		}
		if err != nil {
			d.setAside(r, err)
		}
		return nil
	})
	if err == nil {
		d.reach(ends)
	}
	return err
}

func (d *Directory) setAside(r eventlog.Record, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unreadable[r.Kind+"/"+r.ID] = err
}

// Unreadable returns the offices and authorities with an unreadable commit, by kind and id, and why. What was read of
// them before remains; nothing can be recorded about them.
func (d *Directory) Unreadable() map[string]error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return maps.Clone(d.unreadable)
}

// Doubtful returns why the enrolments of an office can't be relied on, or nil: a commit of it is lost, which may have
// retired any of its counters.
func (d *Directory) Doubtful(office string) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if err := d.unreadable[events.KindOffice+"/"+office]; errors.Is(err, eventlog.ErrParked) {
		return err
	}
	return nil
}

func (d *Directory) reached() eventlog.Positions {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return maps.Clone(d.positions)
}

// reach advances the known position in the log; it never goes back.
func (d *Directory) reach(at eventlog.Positions) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.positions == nil {
		d.positions = make(eventlog.Positions)
	}
	for stream, sequence := range at {
		d.positions[stream] = max(d.positions[stream], sequence)
	}
}

// Follow keeps the directory up to date until ctx ends, from where Open stopped.
func (d *Directory) Follow(ctx context.Context, log *eventlog.Log, follower string) error {
	return log.Follow(ctx, eventlog.Follower{
		Name: follower, Kinds: kinds, From: d.reached(), Handled: d.reach, Parked: d.setAside,
		Handle: func(_ context.Context, records []eventlog.Record) error {
			for _, r := range records {
				if err := d.take(r); err != nil {
					d.setAside(r, err)
					return &eventlog.ParkError{Kind: r.Kind, ID: r.ID, Err: err}
				}
			}
			return nil
		},
	})
}

// Learn applies the outcome of an Update at once, so that the process that wrote it need not wait for its own follower.
func (d *Directory) Learn(kind, id string, c *events.Commit) error {
	if c == nil {
		return nil
	}
	return d.take(eventlog.Record{Kind: kind, ID: id, Commit: c})
}

// take applies a commit, once, in whatever order commits come.
func (d *Directory) take(r eventlog.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := commit{r.Kind, r.ID, r.Commit.GetRevision()}
	if _, known := d.taken[key]; known {
		return nil
	}
	defer d.advance(r)
	for i, e := range r.Commit.GetEvents() {
		at := moment{ms: e.RecordedMs, revision: key.revision, index: uint64(i)}
		if r.Kind == events.KindOffice {
			d.takeOfficer(r.ID, at, r.Commit.GetActor(), events.BodyOf(e))
			d.taken[key] = struct{}{}
		}
		switch b := events.BodyOf(e).(type) {
		case *events.OfficeDefined:
			d.define(r.ID, definition{b, key.revision})
		case *events.CounterEnrolled:
			d.enrol(r.ID, b, at)
		case *events.CounterRetired:
			d.retire(r.ID, b.Counter, at)
		case *events.GenerationActivated:
			if err := d.takeGeneration(r.ID, b); err != nil {
				return err
			}
		case *events.LogOpened:
			d.open(r, b)
		case *events.FeedReaderEnrolled:
			d.readers = append(d.readers, FeedReader{Reader: b.Reader, PublicKey: b.PublicKey, Prefectures: b.Prefectures, Since: time.UnixMilli(at.ms)})
		case *events.FeedReaderRetired:
			d.retireReader(b.Reader, time.UnixMilli(at.ms))
		case *events.ClaimHeld:
			d.aside[r.ID] = Aside{ID: r.ID, Counter: b.Counter, Number: b.Number, Receipt: b.Receipt, Since: time.UnixMilli(at.ms)}
		case *events.FactQuarantined:
			d.aside[r.ID] = Aside{ID: r.ID, Counter: b.Counter, Number: b.Number, Why: b.Why, Beyond: b.Beyond, Since: time.UnixMilli(at.ms)}
		case *events.QuarantineResolved:
			delete(d.aside, r.ID)
		case *events.ApprovalAsked:
			d.waits(r.ID, b, time.UnixMilli(at.ms))
		case *events.ApprovalGiven:
			given := Approval{ID: r.ID, over: true}
			if b.Counter == "" {
				given.console = time.UnixMilli(at.ms)
			}
			d.approvals[r.ID] = given
		case *events.ApprovalRefused, *events.ApprovalWithdrawn, *events.ApprovalLapsed:
			d.approvals[r.ID] = Approval{ID: r.ID, over: true}
		case *events.OrderAsked, *events.OrderApproved, *events.OrderLapsed, *events.OrderCarriedOut:
			d.takeOrder(r, e)
		default:
			continue
		}
		d.taken[key] = struct{}{}
	}
	return nil
}

// open takes what kind of log this is. That is said once and for ever: an operator who says it again, of a log in use, would have keys
// in software believed.
func (d *Directory) open(r eventlog.Record, b *events.LogOpened) {
	revision := r.Commit.GetRevision()
	if r.ID != events.AuthorityLog || d.opened != 0 && d.opened < revision {
		return
	}
	d.opened, d.trial = revision, b.Simulated || b.Demonstration
}

func (d *Directory) define(office string, b definition) {
	d.offices[office] = append(d.offices[office], b)
	slices.SortStableFunc(d.offices[office], func(a, b definition) int { return cmp.Compare(a.revision, b.revision) })
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

// Generations returns every known generation.
func (d *Directory) Generations() ca.Generations {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return append(ca.Generations(nil), d.generations...)
}

// Definition returns the definition of an office in force on a day: the last recorded among those effective by then.
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
			found = b.OfficeDefined
		}
	}
	if found == nil {
		return nil, fmt.Errorf("office %s on %s: %w: define it first", id, on, ErrNoOffice)
	}
	return found, nil
}

// Definitions returns all definitions of an office, in the order of recording.
func (d *Directory) Definitions(id string) []*events.OfficeDefined {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var all []*events.OfficeDefined
	for _, b := range d.offices[id] {
		all = append(all, b.OfficeDefined)
	}
	return all
}

// Offices returns the ids of all offices, with the definition recorded last.
func (d *Directory) Offices() map[string]*events.OfficeDefined {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make(map[string]*events.OfficeDefined, len(d.offices))
	for id, list := range d.offices {
		all[id] = list[len(list)-1].OfficeDefined
	}
	return all
}

// Office returns the office of a day as the rules see it.
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

// Law returns the readings of the law that apply at an office on a day: the deployment's, overridden by its own. An
// unknown office, and a setting of a later version, change nothing.
func (d *Directory) Law(id string, on civil.Date, deployment regime.Switches) regime.Switches {
	b, err := d.Definition(id, on)
	if err != nil {
		return deployment
	}
	return LawOf(b, deployment)
}

// LawOf returns the readings of the law that apply at an office with that definition: the deployment's, overridden by
// its own.
func LawOf(b *events.OfficeDefined, deployment regime.Switches) regime.Switches {
	for _, own := range b.Settings {
		setting, ok := regime.SettingNamed(own.Name)
		if law := deployment; ok && setting.ByOffice && setting.Set(&law, own.Value) == nil {
			deployment = law
		}
	}
	return deployment
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

// AuthorityOf returns the authority that issues a kind of certificate under a regime in a municipality (Act2013: the
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
