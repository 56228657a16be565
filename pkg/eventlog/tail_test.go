package eventlog_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

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
