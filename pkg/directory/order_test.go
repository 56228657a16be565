package directory

import (
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/order"
)

// TestATombstoneHidesNothingElse: what is lost of a closed history later is named by a second order, and by none before.
func TestATombstoneHidesNothingElse(t *testing.T) {
	d := &Directory{orders: make(map[orderKey]Order)}
	take := func(revision uint64, body events.Body) {
		e := events.New(body)
		d.takeOrder(eventlog.Record{ID: "order-p", Commit: &events.Commit{Revision: revision, Events: []*events.Event{e}}}, e)
	}
	closing := func(revision, sequence uint64) {
		take(revision, &events.OrderAsked{Act: string(order.Closing), Target: "subscriber/p", What: &events.OrderAsked_Closing{
			Closing: &events.AggregateClosed{Lost: []*events.LostCommit{{Stream: "LOG_0", Sequence: sequence}}},
		}})
		take(revision+1, &events.OrderCarriedOut{Order: revision, Revoked: []uint64{sequence}})
	}
	closing(1, 7)
	if by := d.Closed()["subscriber/p"]; !by.Names("LOG_0", 7) || by.Names("LOG_0", 8) || by.Names("LOG_1", 7) {
		t.Errorf("closed by %+v", by)
	}
	closing(3, 8)
	if by := d.Closed()["subscriber/p"]; by.Revision != 3 || !by.Names("LOG_0", 7) || !by.Names("LOG_0", 8) || len(by.Revoked) != 2 {
		t.Errorf("closed anew by %+v", by)
	}
	if by := d.Closed()["subscriber/q"]; by.Names("LOG_0", 7) {
		t.Errorf("never closed: %+v", by)
	}
}

// TestAnOrderLapsesByTheServersTime: who asks for it says when, but not for longer than the rule.
func TestAnOrderLapsesByTheServersTime(t *testing.T) {
	stored := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	asked := events.New(&events.OrderAsked{Act: string(order.Opening), Target: "subscriber/p", LapsesMs: stored.AddDate(900, 0, 0).UnixMilli()})
	for trial, want := range map[bool]time.Time{false: order.LapseOf(stored), true: stored.AddDate(900, 0, 0)} {
		d := &Directory{orders: make(map[orderKey]Order), trial: trial}
		d.takeOrder(eventlog.Record{ID: "order-p", Time: stored, Commit: &events.Commit{Revision: 1, Events: []*events.Event{asked}}}, asked)
		if open := d.Orders(); len(open) != 1 || !open[0].Lapses.Equal(want) {
			t.Errorf("in a trial %v: %+v, want %s", trial, open, want)
		}
	}
}
