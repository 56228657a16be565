package counterlink_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// The rights that CounterMayPublish and CounterMaySubscribe name are what a counter needs, and no more.
func TestCounterHasExactlyTheRightsItNeeds(t *testing.T) {
	w, box := start(t)
	seal := sealKey(t)
	w.enrol(desk, box.key, seal)
	hub, _ := w.hub()
	violations := make(chan error, 10)
	conn := w.counterConn(desk, box.key, w.url,
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	box.add(t)
	got := make(chan string, 1)
	w.link(counterlink.LinkConfig{
		Conn: conn, Counter: desk, Outbox: box, SealKey: seal,
		Received: func(_ context.Context, d *events.Downlink, _ []byte) error { got <- d.GetId(); return nil },
	})
	w.until("the claim", func() bool { return len(w.handled) == 1 })
	if err := hub.Send(t.Context(), &events.Downlink{Id: "o1", Counter: desk}); err != nil {
		t.Fatal(err)
	}
	if id := <-got; id != "o1" {
		t.Errorf("got %q", id)
	}
	select {
	case err := <-violations:
		t.Fatalf("the counter asked for more than it may: %v", err)
	default:
	}
	for _, subject := range []string{
		counterlink.ClaimSubject("12237-main-2"), counterlink.CommandSubject(desk), events.LogSubject(events.KindOffice, "x"),
		"_INBOX.12237-main-2.x", "$JS.API.INFO", "$JS.API.STREAM.INFO." + counterlink.ClaimStream, "$SYS.REQ.SERVER.PING", "shomei.counter." + desk + ".a.b",
	} {
		if err := conn.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		expectViolation(t, conn, violations, "publishing to "+subject)
	}
	for _, subject := range []string{
		">", "shomei.>", "_INBOX.>", "_INBOX.*.>", "_INBOX.12237-main-2.>", counterlink.CommandSubject("12237-main-2"), "shomei.command.*",
		counterlink.ClaimSubject(desk), "$SYS.>",
	} {
		if _, err := conn.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		expectViolation(t, conn, violations, "subscribing to "+subject)
	}
}

func expectViolation(t *testing.T, conn *nats.Conn, violations chan error, what string) {
	t.Helper()
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-violations:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v", what, err)
		}
	case <-time.After(waitLimit):
		t.Errorf("%s: allowed", what)
	}
}
