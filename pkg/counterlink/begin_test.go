package counterlink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// What was begun first is stored first, and once, although nobody waited in between.
func TestBegunMessagesKeepTheirOrder(t *testing.T) {
	w, box := start(t)
	seal := sealKey(t)
	w.enrol(desk, box.key, seal)
	hub, _ := w.hub()
	var want, got []string
	var waits []func(context.Context) error
	for i := range 20 {
		d := &events.Downlink{Id: fmt.Sprintf("o%d", i), Counter: desk}
		want = append(want, d.Id)
		for range 2 {
			stored, err := hub.Begin(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			waits = append(waits, stored)
		}
	}
	for _, stored := range waits {
		if err := stored(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := w.js.Stream(t.Context(), counterlink.CommandStream)
	if err != nil {
		t.Fatal(err)
	}
	for sequence := uint64(1); ; sequence++ {
		raw, err := stream.GetMsg(t.Context(), sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := counterlink.VerifyDownlink([]string{w.public}, seal, desk, raw.Data)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.GetId())
	}
	if !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// If the server goes away nobody waits for ever, and no message counts as stored.
func TestBegunMessagesFailWithTheServer(t *testing.T) {
	w := newWorld(t)
	w.enrol(desk, userKey(t), sealKey(t))
	hub, _ := w.hub()
	w.server.Shutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if stored, err := hub.Begin(ctx, &events.Downlink{Id: "o1", Counter: desk}); err == nil && stored(ctx) == nil {
		t.Error("a message counts as stored by a server that is gone")
	}
}
