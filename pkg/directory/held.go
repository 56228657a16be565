package directory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"shomei/events"
)

// Aside is what waits for officers because nothing was decided on it: a claim whose receipt time could not be believed,
// or one that could not be attributed or read.
type Aside struct {
	// ID is the id of its quarantine aggregate.
	ID, Counter string
	Number      uint64
	// Receipt is the time that could not be believed, nil if something else was wrong: Why says what.
	Receipt *events.HeldReceipt
	Why     string
	// Beyond is how many more messages of this counter were only counted.
	Beyond uint64
	Since  time.Time
}

// Aside returns everything that is put aside and not resolved, oldest first.
func (d *Directory) Aside() []Aside {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.SortedFunc(maps.Values(d.aside), func(a, b Aside) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
}

// Held returns the claims among them whose receipt time could not be believed.
func (d *Directory) Held() []Aside {
	return slices.DeleteFunc(d.Aside(), func(a Aside) bool { return a.Receipt == nil })
}

// Quarantined returns the others.
func (d *Directory) Quarantined() []Aside {
	return slices.DeleteFunc(d.Aside(), func(a Aside) bool { return a.Receipt != nil })
}
