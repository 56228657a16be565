package directory

import (
	"cmp"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/officer"
)

func (d *Directory) takeOfficer(office string, at moment, actor *events.Actor, body events.Body) {
	d.revisions[office] = max(d.revisions[office], at.revision)
	h := d.officers[office]
	if h == nil {
		h = &officer.History{}
		d.officers[office] = h
	}
	h.Add(officer.Position{Revision: at.revision, Index: at.index}, time.UnixMilli(at.ms), actor, body)
}

// OfficersOf returns an office's officers, and what it demands of them, as of a moment.
func (d *Directory) OfficersOf(office string, at time.Time) officer.Office {
	d.mu.Lock() // a history sorts itself
	defer d.mu.Unlock()
	return d.officersOf(office, at)
}

func (d *Directory) officersOf(office string, at time.Time) officer.Office {
	h := d.officers[office]
	if h == nil {
		h = &officer.History{}
	}
	return h.At(office, at)
}

// Revision returns the newest revision of an office that the directory has read.
func (d *Directory) Revision(office string) uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.revisions[office]
}

// OfficerAt returns the officer who acts under a code at an office, as of a moment: one of its own, or of another office that
// lets its officer act here. Errors: officer.Unknown, officer.Ambiguous.
func (d *Directory) OfficerAt(office, code string, at time.Time) (officer.Officer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, known := officer.Officer{}, 0
	for home := range d.officers {
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
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []officer.Officer
	for home := range d.officers {
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

// Trial reports whether the log is a simulation's or a demonstration's, where passkeys in software are believed.
func (d *Directory) Trial() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.trial
}
