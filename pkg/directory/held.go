package directory

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"shomei/events"
)

// Held is a claim that waits for officers because its receipt time could not be believed.
type Held struct {
	// ID is the id of its quarantine aggregate.
	ID, Counter string
	Number      uint64
	Receipt     *events.HeldReceipt
	Since       time.Time
}

// hold is called with mu held.
func (d *Directory) hold(id string, b *events.ClaimHeld, at moment) {
	d.held[id] = Held{ID: id, Counter: b.Counter, Number: b.Number, Receipt: b.Receipt, Since: time.UnixMilli(at.ms)}
}

// Held returns every claim that is held and not resolved, oldest first.
func (d *Directory) Held() []Held {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.SortedFunc(maps.Values(d.held), func(a, b Held) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
}
