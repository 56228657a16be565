package directory

import (
	"cmp"
	"slices"
	"time"

	"shomei/events"
)

// Approval is an act that waits for a second officer.
type Approval struct {
	ID, Office, Counter string
	// Act is a word of pkg/officer, Officer who has asked.
	Act, Officer string
	Procedure    string
	Digest       []byte
	Asked        time.Time
	// Lapses is when nobody may approve any more.
	Lapses time.Time

	over bool
	// console is when it was approved at the console.
	console time.Time
}

// Open returns the act as counters and the console are told of it.
func (a Approval) Open() *events.OpenApproval {
	return &events.OpenApproval{
		Id: a.ID, Act: a.Act, Officer: a.Officer, Counter: a.Counter, AskedMs: a.Asked.UnixMilli(), LapsesMs: a.Lapses.UnixMilli(), Digest: a.Digest,
		Procedure: a.Procedure,
	}
}

// waits takes an act that was asked for, unless its end has come first.
func (d *Directory) waits(id string, b *events.ApprovalAsked, at time.Time) {
	if d.approvals[id].over {
		return
	}
	d.approvals[id] = Approval{
		ID: id, Office: b.Office, Counter: b.Counter, Act: b.Act, Officer: b.Officer, Procedure: b.Procedure, Digest: b.Digest,
		Asked: at, Lapses: time.UnixMilli(b.LapsesMs),
	}
}

// Approvals returns the acts that wait for a second officer, oldest first.
func (d *Directory) Approvals() []Approval {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var open []Approval
	for _, a := range d.approvals {
		if !a.over {
			open = append(open, a)
		}
	}
	slices.SortFunc(open, func(a, b Approval) int { return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(a.ID, b.ID)) })
	return open
}

// GivenAtConsole returns the ids of the acts that were approved at the console since a moment: no counter's claim stands behind that.
func (d *Directory) GivenAtConsole(since time.Time) (ids []string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for id, a := range d.approvals {
		if a.console.After(since) {
			ids = append(ids, id)
		}
	}
	return ids
}
