package counterlink_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

func asUser(key nkeys.KeyPair) nats.Option {
	public, _ := key.PublicKey()
	return nats.Nkey(public, key.Sign)
}

// The rights that CounterMayPublish and CounterMaySubscribe name are enough for a counter, and for nothing else.
func TestACounterNeedsNoMoreRightsAndHasNone(t *testing.T) {
	hubKey, deskKey := userKey(t), userKey(t)
	hubPublic, _ := hubKey.PublicKey()
	deskPublic, _ := deskKey.PublicKey()
	server := natstest.StartWith(t, hubserver.Config{StoreDir: t.TempDir(), Port: -1, Reserve: -1, Users: []hubserver.User{
		{Key: hubPublic},
		{Key: deskPublic, Publish: counterlink.CounterMayPublish(desk), Subscribe: counterlink.CounterMaySubscribe(desk)},
	}})
	hubConn := natstest.Connect(t, server.URL(), asUser(hubKey))
	js, err := jetstream.New(hubConn)
	if err != nil {
		t.Fatal(err)
	}
	if err := counterlink.EnsureStreams(t.Context(), hubConn, counterlink.StreamLimits{}); err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, writer: hubKey, public: hubPublic, conn: hubConn, js: js,
		enrolled: map[string]counterlink.Enrolment{}, changed: make(chan struct{}),
	}
	seal := sealKey(t)
	w.enrol(desk, deskKey, seal)
	hub, _ := w.hub(hubConn)

	violations := make(chan error, 10)
	options, err := counterlink.ConnectOptions(desk, deskKey)
	if err != nil {
		t.Fatal(err)
	}
	conn := natstest.Connect(t, server.URL(), append(options,
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))...)
	box := newMemory(t, deskKey, desk, "E1")
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
	natstest.Wait(t, waitLimit, "the acknowledgement of the command", func() bool {
		consumer, err := js.Consumer(t.Context(), counterlink.CommandStream, desk)
		return err == nil && consumer.CachedInfo().NumAckPending == 0 && consumer.CachedInfo().AckFloor.Consumer == 1
	})
	select {
	case err := <-violations:
		t.Fatalf("the counter asked for more than it may: %v", err)
	default:
	}

	stranger, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func(ctx context.Context) error{
		"another counter's claims": func(ctx context.Context) error {
			_, err := stranger.Publish(ctx, counterlink.ClaimSubject("12237-main-2"), []byte("x"))
			return err
		},
		"another counter's commands": func(ctx context.Context) error {
			_, err := stranger.CreateConsumer(ctx, counterlink.CommandStream, jetstream.ConsumerConfig{FilterSubject: counterlink.CommandSubject("12237-main-2")})
			return err
		},
		"the log": func(ctx context.Context) error {
			_, err := stranger.Publish(ctx, events.LogSubject(events.KindOffice, "x"), []byte("x"))
			return err
		},
		"the claims of all": func(ctx context.Context) error {
			_, err := stranger.Stream(ctx, counterlink.ClaimStream)
			return err
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := try(ctx); err == nil {
			t.Errorf("%s: allowed", what)
		}
		cancel()
		if err := <-violations; !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
