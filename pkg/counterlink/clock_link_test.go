package counterlink_test

import (
	"context"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
)

// filed appends a claim with nothing but its filing time.
func filed(at time.Time) func(*events.Claim) {
	return func(c *events.Claim) { c.FiledMs = at.UnixMilli() }
}

// A counter learns the hub's time at each link-up, the hub sees the counter's clock, and knows of each claim between
// which contacts it was made.
func TestTheLinkBearsOutTheTime(t *testing.T) {
	w, box := start(t)
	hubNow := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	received := make(chan counterlink.Received, 4)
	cfg := w.config(w.hubConn(w.url), w.server.As(t, w.server.Accounts.Counters, gateRights()))
	cfg.Now = func() time.Time { return hubNow }
	hub, err := counterlink.NewLinks(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Admit([]string{desk}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- hub.Claims(ctx, func(_ context.Context, r counterlink.Received) error { received <- r; return nil })
	}()
	t.Cleanup(func() { cancel(); <-done })

	box.add(t, filed(hubNow)) // made before the first contact
	told := make(chan counterlink.HubTime, 4)
	link, stop := w.link(counterlink.LinkConfig{
		Conn: w.deskConn(box), Counter: desk, Outbox: box, Now: func() time.Time { return hubNow.AddDate(0, 0, -9) },
		Timed: func(at counterlink.HubTime) error { told <- at; return nil },
	})
	if at := <-told; !at.At.Equal(hubNow) || at.Simulated {
		t.Errorf("the hub said that it is %v", at)
	}
	if r := <-received; !r.Link.After.IsZero() || !r.Link.Before.Equal(hubNow) {
		t.Errorf("of a claim that was there at the first contact is known: %+v", r.Link)
	}
	differs := hub.ClockDifferences()
	if len(differs) != 1 || differs[0].Counter != desk || !differs[0].Own.Equal(hubNow.AddDate(0, 0, -9)) || !differs[0].Hub.Equal(hubNow) {
		t.Errorf("clocks that differ: %+v", differs)
	}
	box.add(t, filed(hubNow)) // made after it
	link.Kick()
	if r := <-received; !r.Link.After.Equal(hubNow) || r.Link.Before.Before(hubNow) {
		t.Errorf("of a claim that was made after the contact is known: %+v", r.Link)
	}
	stop()
	w.link(counterlink.LinkConfig{Conn: w.deskConn(box), Counter: desk, Outbox: box, Now: func() time.Time { return hubNow }})
	natstest.Wait(t, waitLimit, "the clock to be right", func() bool { return len(hub.ClockDifferences()) == 0 })
	if len(w.quarantined)+len(w.mismatches) > 0 {
		t.Errorf("quarantined %v, mismatches %v", w.quarantined, w.mismatches)
	}
}
