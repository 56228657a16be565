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
	// Lost are the commits that were lost of it.
	Lost []Lost

	over, closed bool
	target       string
	// latest is when it lapses by the time at which it was stored, whatever the operator says who asked.
	latest time.Time
}

// Lost is where a lost commit stood.
type Lost struct {
	Stream   string
	Sequence uint64
}

// Names reports whether the order that closed a history names a lost commit. Any other was lost since.
func (o Order) Names(stream string, sequence uint64) bool {
	return slices.Contains(o.Lost, Lost{stream, sequence})
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
		change(r.Commit.GetRevision(), func(o *Order) {
			o.Act, o.Lapses, o.target = b.Act, time.UnixMilli(b.LapsesMs), b.Target
			for _, l := range b.GetClosing().GetLost() {
				o.Lost = append(o.Lost, Lost{l.Stream, l.Sequence})
			}
			if !r.Time.IsZero() { // of a commit of this process's own it is not known
				o.latest = order.LapseOf(r.Time)
			}
		})
	case *events.OrderApproved:
		change(b.Order, func(o *Order) { o.Approved = true })
	case *events.OrderLapsed:
		change(b.Order, func(o *Order) { o.over = true })
	case *events.OrderCarriedOut:
		change(b.Order, func(o *Order) { o.over, o.closed, o.Revoked = true, b.Refused == "", b.Revoked })
	}
}

// Closed returns the aggregates that two operators have closed because commits of them are lost, as KIND/ID, with the newest order; it
// names the commits and serials of the earlier ones, too.
func (d *Directory) Closed() map[string]Order {
	d.mu.RLock()
	defer d.mu.RUnlock()
	closed := make(map[string]Order)
	for _, o := range d.orders {
		if !o.closed || order.Act(o.Act) != order.Closing {
			continue
		}
		other := closed[o.target]
		lost, revoked := slices.Concat(other.Lost, o.Lost), slices.Concat(other.Revoked, o.Revoked)
		if o.Revision < other.Revision {
			o = other
		}
		o.Lost, o.Revoked = lost, revoked
		closed[o.target] = o
	}
	return closed
}

// Orders returns the orders that the centre has not ended, oldest first.
func (d *Directory) Orders() []Order {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var open []Order
	for _, o := range d.orders {
		if o.over || o.Act == "" {
			continue
		}
		if !d.trial && !o.latest.IsZero() && o.latest.Before(o.Lapses) { // the clock of a trial may be ahead of the server's
			o.Lapses = o.latest
		}
		open = append(open, o)
	}
	slices.SortFunc(open, func(a, b Order) int {
		return cmp.Or(a.Lapses.Compare(b.Lapses), cmp.Compare(a.History, b.History), cmp.Compare(a.Revision, b.Revision))
	})
	return open
}
