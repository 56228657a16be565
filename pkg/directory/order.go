package directory

import (
	"cmp"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
)

// Order is an operators' order that the centre has not ended. How it stands, its history says (pkg/order).
type Order struct {
	History  string
	Revision uint64
	// Act is a word of pkg/order.
	Act    string
	Lapses time.Time
	// Approved: somebody says so.
	Approved bool

	over bool
}

type orderKey struct {
	history  string
	revision uint64
}

// takeOrder takes an event of an order, in whatever order they come.
func (d *Directory) takeOrder(r eventlog.Record, e *events.Event) {
	change := func(revision uint64, set func(*Order)) {
		key := orderKey{r.ID, revision}
		o := d.orders[key]
		o.History, o.Revision = r.ID, revision
		set(&o)
		d.orders[key] = o
	}
	switch b := events.BodyOf(e).(type) {
	case *events.OrderAsked:
		change(r.Commit.GetRevision(), func(o *Order) { o.Act, o.Lapses = b.Act, time.UnixMilli(b.LapsesMs) })
	case *events.OrderApproved:
		change(b.Order, func(o *Order) { o.Approved = true })
	case *events.OrderLapsed:
		change(b.Order, func(o *Order) { o.over = true })
	case *events.OrderCarriedOut:
		change(b.Order, func(o *Order) { o.over = true })
	}
}

// Orders returns the orders that the centre has not ended, oldest first.
func (d *Directory) Orders() []Order {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var open []Order
	for _, o := range d.orders {
		if !o.over && o.Act != "" {
			open = append(open, o)
		}
	}
	slices.SortFunc(open, func(a, b Order) int {
		return cmp.Or(a.Lapses.Compare(b.Lapses), cmp.Compare(a.History, b.History), cmp.Compare(a.Revision, b.Revision))
	})
	return open
}
