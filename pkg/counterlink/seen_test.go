package counterlink_test

import (
	"context"
	"testing"
	"time"

	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
)

// TestTheHubKnowsWhoIsLinkedUp: who has never been heard is away, as is who has left.
func TestTheHubKnowsWhoIsLinkedUp(t *testing.T) {
	w, box := start(t)
	cfg := w.config(w.hubConn(w.url), w.server.As(t, w.server.Accounts.Counters, gateRights()))
	hub, err := counterlink.NewLinks(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Admit([]string{"nobody", desk}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- hub.Claims(ctx, func(context.Context, counterlink.Received) error { return nil })
	}()
	t.Cleanup(func() { cancel(); <-done })
	linkOf := func(counter string) counterlink.Seen {
		for _, s := range hub.Seen() {
			if s.Counter == counter {
				return s
			}
		}
		t.Fatalf("%s is not listed", counter)
		return counterlink.Seen{}
	}
	if before := linkOf(desk); before.Link != "away" || !before.Heard.IsZero() {
		t.Errorf("before it came: %+v", before)
	}
	began := time.Now()
	_, stop := w.link(counterlink.LinkConfig{Conn: w.deskConn(box), Counter: desk, Outbox: box})
	natstest.Wait(t, waitLimit, "the link", func() bool { return linkOf(desk).Link == "up" })
	if up := linkOf(desk); up.Heard.Before(began) || up.Claims != 0 {
		t.Errorf("linked up: %+v", up)
	}
	if other := linkOf("nobody"); other.Link != "away" || !other.Heard.IsZero() || other.Version != "" {
		t.Errorf("who was never there: %+v", other)
	}
	stop()
	natstest.Wait(t, waitLimit, "its leave", func() bool { return linkOf(desk).Link == "away" })
	if left := linkOf(desk); left.Heard.Before(began) {
		t.Errorf("after it left: %+v", left)
	}
}
