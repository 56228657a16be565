package directory

import (
	"cmp"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/order"
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
	// Revoked are the serials that were put on the lists because a history was closed.
	Revoked []uint64

	over, closed bool
	target       string
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
		change(r.Commit.GetRevision(), func(o *Order) { o.Act, o.Lapses, o.target = b.Act, time.UnixMilli(b.LapsesMs), b.Target })
	case *events.OrderApproved:
		change(b.Order, func(o *Order) { o.Approved = true })
	case *events.OrderLapsed:
		change(b.Order, func(o *Order) { o.over = true })
	case *events.OrderCarriedOut:
		change(b.Order, func(o *Order) { o.over, o.closed, o.Revoked = true, b.Refused == "", b.Revoked })
	}
}

// Closed returns the aggregates that two operators have closed because commits of them are lost, as KIND/ID, with the order.
func (d *Directory) Closed() map[string]Order {
	d.mu.RLock()
	defer d.mu.RUnlock()
	closed := make(map[string]Order)
	for _, o := range d.orders {
		if o.closed && order.Act(o.Act) == order.Closing {
			closed[o.target] = o
		}
	}
	return closed
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
