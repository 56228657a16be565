package directory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/officer"
)

func (d *Directory) takeOfficer(office string, at moment, actor *events.Actor, body events.Body) {
	h := d.officers[office]
	if h == nil {
		h = &officer.History{}
		d.officers[office] = h
	}
	h.Add(officer.Position{Revision: at.revision, Index: at.index}, time.UnixMilli(at.ms), actor, body)
}

// advance notes how far an office's history has been read without a gap: a process learns its own commits before those of others
// that came earlier.
func (d *Directory) advance(r eventlog.Record) {
	if r.Kind != events.KindOffice {
		return
	}
	for {
		next := commit{r.Kind, r.ID, d.revisions[r.ID] + 1}
		if _, known := d.taken[next]; !known {
			return
		}
		d.revisions[r.ID]++
	}
}

// OfficersOf returns an office's officers, and what it demands of them, as of a moment.
func (d *Directory) OfficersOf(office string, at time.Time) officer.Office {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.officersOf(office, at)
}

func (d *Directory) officersOf(office string, at time.Time) officer.Office {
	h := d.officers[office]
	if h == nil {
		h = &officer.History{}
	}
	return h.At(office, at)
}

// Revision returns the newest revision of an office up to which the directory has read everything.
func (d *Directory) Revision(office string) uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.revisions[office]
}

// OfficerAt returns the officer who acts under a code at an office, as of a moment: one of its own, or of another office that
// lets its officer act here. Errors: officer.Unknown, officer.Ambiguous.
func (d *Directory) OfficerAt(office, code string, at time.Time) (officer.Officer, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	found, known := officer.Officer{}, 0
	for home, h := range d.officers { // the nation has thousands of offices
		if !h.Knows(code) || home != office && !h.Reaches(office) {
			continue
		}
		o, err := d.officersOf(home, at).Officer(code)
		if err == nil && (home == office || slices.Contains(o.Offices, office)) {
			found = o
			known++
		}
	}
	switch known {
	case 0:
		return officer.Officer{}, officer.Unknown
	case 1:
		return found, nil
	}
	return officer.Officer{}, officer.Ambiguous
}

// OfficersAt returns all officers who may act at an office, its own and others', as of a moment.
func (d *Directory) OfficersAt(office string, at time.Time) []officer.Officer {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var all []officer.Officer
	for home, h := range d.officers {
		if home != office && !h.Reaches(office) {
			continue
		}
		for _, o := range d.officersOf(home, at).Officers() {
			if home == office || slices.Contains(o.Offices, office) {
				all = append(all, o)
			}
		}
	}
	slices.SortFunc(all, func(a, b officer.Officer) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Home, b.Home))
	})
	return all
}

// CodeTaken reports whether an officer of another office acts under a code at one of some offices, or did: two of one code there
// would be one to everybody who reads the log.
func (d *Directory) CodeTaken(code, home string, offices []string, at time.Time) bool {
	return slices.ContainsFunc(append([]string{home}, offices...), func(office string) bool {
		return slices.ContainsFunc(d.OfficersAt(office, at), func(o officer.Officer) bool { return o.Code == code && o.Home != home })
	})
}

// OfficesOf returns the further offices where an officer of an office may act or ever might.
func (d *Directory) OfficesOf(office, code string) []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if h := d.officers[office]; h != nil {
		return h.Offices(code)
	}
	return nil
}

// OfficersAsOf returns the time of the newest event about officers, of any office.
func (d *Directory) OfficersAsOf() (newest time.Time) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, h := range d.officers {
		if at := h.AsOf(); at.After(newest) {
			newest = at
		}
	}
	return newest
}

// OfficersTime returns a time by which everything that is known about officers has happened: a clock's, unless whoever recorded
// something has one that is ahead.
func (d *Directory) OfficersTime(clock time.Time) time.Time {
	if newest := d.OfficersAsOf(); newest.After(clock) {
		return newest
	}
	return clock
}

// ErrBehind: the directory has not read what a decision about officers must know.
var ErrBehind = errors.New("the directory is behind its office")

// Behind returns ErrBehind if the directory has not read an office's history up to a revision.
func (d *Directory) Behind(office string, revision uint64) error {
	if d.Revision(office) < revision {
		return ErrBehind
	}
	return nil
}

// CaughtUp calls decide, and again once the directory has read what is new if that returns ErrBehind.
func (d *Directory) CaughtUp(ctx context.Context, log *eventlog.Log, decide func() error) (err error) {
	const tries = 3
	for range tries {
		if err = decide(); !errors.Is(err, ErrBehind) {
			return err
		}
		if err := d.Refresh(ctx, log); err != nil {
			return err
		}
	}
	return err
}

// CredentialTaken reports whether a passkey of that credential id is or was ever enrolled, at any office.
func (d *Directory) CredentialTaken(credential []byte) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, h := range d.officers {
		if h.Has(credential) {
			return true
		}
	}
	return false
}

// Trial reports whether the log is a simulation's or a demonstration's, where passkeys in software are believed.
func (d *Directory) Trial() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.trial
}
