package eventlog_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// A follower beside one of two writers gets what that one stored from memory and the rest from the server: everything,
// once, and in the stream's order.
func TestFollowInterleavesOwnAndOthers(t *testing.T) {
	s := natstest.Start(t)
	key := newKey(t)
	own, other := open(t, config(t, natstest.Connect(t, s.URL()), key)), open(t, config(t, natstest.Connect(t, s.URL()), key))
	c := new(collector)
	stop := follow(t, own, eventlog.Follower{Name: "ra", Batch: 5, Handle: c.handle})
	const each = 200
	var writing sync.WaitGroup
	for w, l := range []*eventlog.Log{own, other, own, other} {
		writing.Go(func() {
			for i := range each {
				mustUpdate(t, l, fmt.Sprintf("w%d-p%d", w, i%3), fmt.Sprintf("w%d-c%d", w, i), uint64(i+1))
			}
		})
	}
	writing.Wait()
	natstest.Wait(t, 20*time.Second, "all commits", func() bool { return c.len() >= 4*each })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c.wantAll(t, 4*each, 0)
	for i, r := range c.records {
		if r.Sequence != uint64(i+1) {
			t.Fatalf("sequence %d came at place %d", r.Sequence, i+1)
		}
	}
}

// sent returns how many commits the server has sent to consumers of a stream.
func sent(t *testing.T, stream jetstream.Stream) (all uint64) {
	t.Helper()
	list := stream.ListConsumers(t.Context())
	for info := range list.Info() {
		all += info.Delivered.Consumer
	}
	check(t, list.Err())
	return all
}

// Followers at the end of the log share what one consumer is sent. One that hangs holds up none of the others, and gets
// everything when it goes on.
func TestFollowersShareAConsumer(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	own, other := open(t, config(t, conn, key)), open(t, config(t, natstest.Connect(t, s.URL()), key))
	all := make([]*collector, 5)
	for i := range all {
		all[i] = new(collector)
		defer follow(t, own, eventlog.Follower{Name: fmt.Sprintf("f%d", i), Handle: all[i].handle})()
	}
	goOn, slow := make(chan struct{}), new(collector)
	defer follow(t, own, eventlog.Follower{Name: "slow", Batch: 1, Handle: func(ctx context.Context, batch []eventlog.Record) error {
		select {
		case <-goOn:
			return slow.handle(ctx, batch)
		case <-ctx.Done():
			return ctx.Err()
		}
	}})()
	got := func(n int, list ...*collector) {
		t.Helper()
		natstest.Wait(t, 20*time.Second, fmt.Sprintf("%d commits", n), func() bool {
			return !slices.ContainsFunc(list, func(c *collector) bool { return c.len() < n })
		})
	}
	mustUpdate(t, other, "p0", "first", 1)
	got(1, all...)
	stream, err := must(jetstream.New(conn))(t).Stream(t.Context(), own.Streams()[0])
	check(t, err)
	before := sent(t, stream)
	const written = 400
	for i := range written {
		mustUpdate(t, []*eventlog.Log{own, other}[i%2], fmt.Sprintf("p%d", i%7), fmt.Sprintf("c%d", i), uint64(i+2))
	}
	got(1+written, all...)
	if n := sent(t, stream) - before; n > written+10 {
		t.Errorf("%d commits were sent %d times", written, n)
	}
	close(goOn)
	got(1+written, slow)
	mustUpdate(t, other, "p0", "last", 1000)
	for _, c := range append(all, slow) {
		got(2+written, c)
		c.wantAll(t, 2+written, 0)
	}
}
