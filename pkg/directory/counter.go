package directory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/directory/officefile"
	"shomei/pkg/wait"
)

// Counter is an enrolled counter, or another source of claims.
type Counter struct {
	ID, Office string
	// PublicKey is its public nkey, SealKey its public HPKE key.
	PublicKey string
	SealKey   []byte
	// Role is counter, factory, register, telephone or operator.
	Role string
	// Code is the nine-character counter id of certificate subjects (profile.md 2).
	Code string
	// HostName is the name under which it serves its pages to its office; empty: to its own machine only.
	HostName string
	// Since is when it was first enrolled with this key.
	Since time.Time
}

// enrolment is the time of a counter at an office, with one key. It ends when the office retires the counter, or when
// the counter is enrolled again.
type enrolment struct {
	Counter
	from, until moment
}

// moment orders what offices recorded: by time, and within one office by revision and index.
type moment struct {
	ms              int64
	revision, index uint64
}

func (p moment) compare(q moment) int {
	return cmp.Or(cmp.Compare(p.ms, q.ms), cmp.Compare(p.revision, q.revision), cmp.Compare(p.index, q.index))
}

// enrol takes an enrolment, unless its id can't be one: in subjects and folders such an id would stand for others, and whoever
// signs for operators may write it.
func (d *Directory) enrol(office string, b *events.CounterEnrolled, at moment) {
	if officefile.CheckID(b.Counter) != nil {
		return
	}
	d.counters[b.Counter] = append(d.counters[b.Counter], enrolment{from: at, Counter: Counter{
		ID: b.Counter, Office: office, PublicKey: b.PublicKey, SealKey: b.SealKey, Role: b.Role, Code: b.CounterCode, HostName: b.HostName,
		Since: time.UnixMilli(at.ms),
	}})
	d.order(b.Counter)
}

func (d *Directory) retire(office, counter string, at moment) {
	d.retired[counter] = append(d.retired[counter], retirement{office, at})
	d.order(counter)
}

// retirement records that a counter is no longer an office's own.
type retirement struct {
	office string
	at     moment
}

// order works out when each enrolment of a counter ended, in whatever order the log's events arrived.
func (d *Directory) order(counter string) {
	list := d.counters[counter]
	slices.SortFunc(list, func(a, b enrolment) int { return a.from.compare(b.from) })
	for i := range list {
		e := &list[i]
		e.until = moment{}
		if i+1 < len(list) {
			e.until = list[i+1].from
		}
		for _, r := range d.retired[counter] {
			if r.office == e.Office && r.at.compare(e.from) > 0 && (e.until == moment{} || r.at.compare(e.until) < 0) {
				e.until = r.at
			}
		}
	}
}

// Counter returns an enrolled counter; false if there is none of that id or it was retired.
func (d *Directory) Counter(id string) (Counter, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.current(id)
}

func (d *Directory) current(id string) (Counter, bool) {
	list := d.counters[id]
	if len(list) == 0 || list[len(list)-1].until != (moment{}) {
		return Counter{}, false
	}
	now := list[len(list)-1].Counter
	for _, e := range list {
		if e.PublicKey == now.PublicKey && e.Since.Before(now.Since) {
			now.Since = e.Since
		}
	}
	return now, true
}

// Counters returns every counter that is enrolled and not retired, by id.
func (d *Directory) Counters() []Counter {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var all []Counter
	for _, id := range slices.Sorted(maps.Keys(d.counters)) {
		if c, ok := d.current(id); ok {
			all = append(all, c)
		}
	}
	return all
}

// Retired returns the public keys of formerly enrolled counters.
func (d *Directory) Retired() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	gone, now := make(map[string]bool), make(map[string]bool)
	for id, list := range d.counters {
		for _, e := range list {
			gone[e.PublicKey] = true
		}
		if c, ok := d.current(id); ok {
			now[c.PublicKey] = true
		}
	}
	maps.DeleteFunc(gone, func(key string, _ bool) bool { return now[key] })
	return slices.Sorted(maps.Keys(gone))
}

// HeardWithin is how long what one process has enrolled may take to reach the directory of another.
const HeardWithin = 2 * time.Second

// AwaitCounter is Counter, but waits up to HeardWithin for an id that nobody has heard of yet: it may have been enrolled a moment
// ago.
func (d *Directory) AwaitCounter(ctx context.Context, id string) (Counter, bool) {
	ctx, cancel := context.WithTimeout(ctx, HeardWithin)
	defer cancel()
	_ = wait.Until(ctx, lookEvery, func() (bool, error) { return d.Known(id), nil }) // then it is unknown
	return d.Counter(id)
}

// lookEvery is the time between two looks at what is waited for.
const lookEvery = 20 * time.Millisecond

// Known reports whether a counter of that id is or was ever enrolled.
func (d *Directory) Known(id string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.counters[id]) > 0
}

// Codes returns every counter code ever given, including those of retired counters: they are in certificates.
func (d *Directory) Codes() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	given := make(map[string]bool)
	for _, list := range d.counters {
		for _, e := range list {
			given[e.Code] = true
		}
	}
	delete(given, "")
	return slices.Sorted(maps.Keys(given))
}

// grace is how far the commit on a claim may be from the enrolment under which the claim was accepted: a claim is
// decided a moment later.
const grace = time.Minute

// CounterAt returns what a counter was enrolled as at an instant, newest first: more than one if it was enrolled again
// just then, none if it was not enrolled. Retired counters are found for the time before.
func (d *Directory) CounterAt(id string, at time.Time) []Counter {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var found []Counter
	for _, e := range slices.Backward(d.counters[id]) {
		ended := e.until != (moment{}) && time.UnixMilli(e.until.ms).Add(grace).Before(at)
		if !ended && !time.UnixMilli(e.from.ms).Add(-grace).After(at) {
			found = append(found, e.Counter)
		}
	}
	return found
}

// Belonged reports whether a counter is or was ever enrolled at an office: offices merge, and what a counter queued
// before may arrive after.
func (d *Directory) Belonged(counter, office string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.ContainsFunc(d.counters[counter], func(e enrolment) bool { return e.Office == office })
}
