package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// positions records how far a follower has come.
type positions struct {
	mu sync.Mutex
	at eventlog.Positions
}

func (p *positions) note(at eventlog.Positions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
}

func (p *positions) of(stream string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[stream]
}

// distinct returns how many different commits came.
func (c *collector) distinct() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[string]bool)
	for _, r := range c.records {
		seen[fmt.Sprintf("%s/%d", r.ID, r.Commit.GetRevision())] = true
	}
	return len(seen)
}

// An aggregate that can't be handled blocks none of the others, keeps its own order, and holds the position back: a new
// start gets it again.
func TestQueuesPassBlockedAggregates(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	for i := range 40 {
		mustUpdate(t, l, fmt.Sprintf("p%d", i%4), fmt.Sprintf("c%d", i), uint64(i+1))
	}
	c, at := new(collector), new(positions)
	f := eventlog.Follower{Name: "issuer", Lanes: 2, Handled: at.note, Handle: func(ctx context.Context, batch []eventlog.Record) error {
		if batch[0].ID == "p2" {
			return errors.New("the device that signs is away")
		}
		return c.handle(ctx, batch)
	}}
	stop := follow(t, l, f)
	natstest.Wait(t, 10*time.Second, "the others", func() bool { return c.len() == 30 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := at.of(l.Streams()[0]); got != 2 {
		t.Errorf("the position is %d, want 2: what comes third was not handled", got)
	}
	again := new(collector)
	f.Handle = again.handle
	stop = follow(t, l, f)
	natstest.Wait(t, 10*time.Second, "everything from the third on",
		func() bool { return again.len() == 38 && at.of(l.Streams()[0]) == 40 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	again.mu.Lock()
	defer again.mu.Unlock()
	next := map[string]uint64{"p0": 2, "p1": 2, "p2": 1, "p3": 1}
	for _, r := range again.records {
		if r.Commit.GetRevision() != next[r.ID] {
			t.Fatalf("%s: revision %d came, want %d", r.ID, r.Commit.GetRevision(), next[r.ID])
		}
		next[r.ID]++
	}
}

// A queue parks its aggregate, including what waits behind it.
func TestQueuesPark(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	for i := range 12 {
		mustUpdate(t, l, fmt.Sprintf("p%d", i%3), fmt.Sprintf("c%d", i), uint64(i+1))
	}
	c, at := new(collector), new(positions)
	f := eventlog.Follower{Name: "issuer", Lanes: 3, Parked: c.park, Handled: at.note, Handle: func(ctx context.Context, batch []eventlog.Record) error {
		if batch[0].ID == "p1" {
			return &eventlog.ParkError{Kind: batch[0].Kind, ID: "p1", Err: errors.New("not this one")}
		}
		return c.handle(ctx, batch)
	}}
	stop := follow(t, l, f)
	natstest.Wait(t, 10*time.Second, "the end", func() bool { return at.of(l.Streams()[0]) == 12 })
	if err := stop(); err != nil || c.len() != 8 || fmt.Sprint(c.parked) != "[p1]" {
		t.Fatalf("%d handled, parked %v, %v", c.len(), c.parked, err)
	}
	f.Handle = c.handle
	stop = follow(t, l, f)
	natstest.Wait(t, 10*time.Second, "those that were set aside", func() bool { return c.len() == 12 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c.wantAll(t, 12, 0)
}

// However calls fail and followers end, nothing is left out and each aggregate keeps its order.
func TestQueuesLoseNothing(t *testing.T) {
	s := natstest.Start(t)
	cfg := config(t, natstest.Connect(t, s.URL()), newKey(t))
	cfg.Streams = 3
	l := open(t, cfg)
	const people, commits = 7, 60
	for i := range commits {
		mustUpdate(t, l, fmt.Sprintf("p%d", i%people), fmt.Sprintf("c%d", i), uint64(i+1))
	}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		fails := rapid.SliceOfN(rapid.Bool(), 12, 12).Draw(rt, "fails")
		ends := rapid.SliceOfN(rapid.IntRange(1, commits), 2, 2).Draw(rt, "ends after")
		lanes := rapid.IntRange(1, 4).Draw(rt, "lanes")
		c := new(collector)
		var mu sync.Mutex
		calls := 0
		handle := func(ctx context.Context, batch []eventlog.Record) error {
			mu.Lock()
			calls++
			fail := calls < len(fails) && fails[calls]
			mu.Unlock()
			if fail {
				return errors.New("not now")
			}
			return c.handle(ctx, batch)
		}
		for _, enough := range append(ends, commits) {
			stop := follow(t, l, eventlog.Follower{Name: fmt.Sprintf("f%d", run), Lanes: lanes, Handle: handle})
			natstest.Wait(t, 60*time.Second, "the commits", func() bool { return c.distinct() >= enough })
			if err := stop(); err != nil {
				rt.Fatal(err)
			}
		}
		c.wantAll(t, commits, 3*commits)
	})
}
