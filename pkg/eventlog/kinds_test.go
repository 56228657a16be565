package eventlog_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// mixed stores commits of several kinds, by this process and another in turns; the last ones are all of one kind.
func mixed(t testing.TB, streams int) (own *eventlog.Log, all []eventlog.Record) {
	t.Helper()
	url, key := natstest.Start(t).URL(), newKey(t)
	var logs []*eventlog.Log
	for range 2 {
		cfg := config(t, natstest.Connect(t, url), key)
		cfg.Streams = streams
		logs = append(logs, open(t, cfg))
	}
	kinds := []string{events.KindSubscriber, events.KindAccess, events.KindSubscriber, events.KindAuthority, events.KindSubscriber}
	for i := range 90 {
		kind := kinds[i%len(kinds)]
		if i >= 70 {
			kind = events.KindSubscriber
		}
		_, err := logs[i/3%2].Update(t.Context(), kind, fmt.Sprintf("a%d", i%12),
			eventlog.Envelope{CommandID: fmt.Sprintf("c%d", i)}, say(kind, uint64(i+1)))
		check(t, err)
	}
	return logs[0], scanned(t, logs[0], nil)
}

// commands returns the command ids of the records of some kinds behind the positions.
func commands(all []eventlog.Record, after eventlog.Positions, kinds []string) (list []string) {
	for _, r := range all {
		if r.Sequence > after[r.Stream] && (len(kinds) == 0 || slices.Contains(kinds, r.Kind)) {
			list = append(list, r.Commit.GetCommandId())
		}
	}
	return list
}

func (c *collector) commands() (list []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.records {
		list = append(list, r.Commit.GetCommandId())
	}
	return list
}

// TestFollowOfKinds: wherever it begins and is stopped, a follower of some kinds gets all their commits, once each, and
// reaches the end, even if the last commits are of other kinds.
func TestFollowOfKinds(t *testing.T) {
	for _, streams := range []int{1, 3} {
		l, all := mixed(t, streams)
		ends := must(l.LastSequences(t.Context()))(t)
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			kinds := rapid.SampledFrom([][]string{
				nil,
				{events.KindAccess},
				{events.KindAuthority},
				{events.KindAccess, events.KindAuthority},
				{events.KindOffice},
				{events.KindSubscriber},
			}).Draw(rt, "kinds")
			after := eventlog.Positions{}
			for _, stream := range l.Streams() {
				after[stream] = rapid.Uint64Range(0, ends[stream]).Draw(rt, stream)
			}
			want := commands(all, after, kinds)
			c, at := new(collector), new(positions)
			f := eventlog.Follower{
				Name: fmt.Sprintf("s%d-f%d", streams, run), Kinds: kinds, From: after, Handle: c.handle, Handled: at.note, Unverified: true,
				Batch: rapid.IntRange(1, 20).Draw(rt, "batch"), Lanes: rapid.IntRange(0, 3).Draw(rt, "lanes"),
			}
			for range rapid.IntRange(0, 2).Draw(rt, "stops") {
				enough := rapid.IntRange(0, len(want)).Draw(rt, "stop after")
				stop := follow(t, l, f)
				natstest.Wait(t, 20*time.Second, "commits before a stop", func() bool { return c.len() >= enough })
				check(t, stop())
				if f.Lanes > 0 {
					c.records = nil // what lies beyond the position may come again
				}
				f.From, after = nil, must(l.Positions(t.Context(), f.Name))(t)
				want = append(c.commands(), commands(all, after, kinds)...)
			}
			stop := follow(t, l, f)
			natstest.Wait(t, 20*time.Second, fmt.Sprintf("the end for %v", kinds), func() bool {
				return !slices.ContainsFunc(l.Streams(), func(s string) bool { return at.of(s) < ends[s] && after[s] < ends[s] })
			})
			check(t, stop())
			got := c.commands()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				rt.Errorf("%v: got %v, want %v", kinds, got, want)
			}
		})
	}
}

// A running follower of some kinds gets what is written meanwhile, by this process and by another, and loses nothing
// when the server restarts.
func TestFollowOfKindsGoesOn(t *testing.T) {
	s := natstest.Start(t)
	key := newKey(t)
	own, other := open(t, config(t, natstest.Connect(t, s.URL()), key)), open(t, config(t, natstest.Connect(t, s.URL()), key))
	c := new(collector)
	stop := follow(t, own, eventlog.Follower{Name: "directory", Kinds: []string{events.KindAccess, events.KindAuthority}, Handle: c.handle})
	wanted := 0
	write := func(l *eventlog.Log, kind, command string) {
		t.Helper()
		_, err := l.Update(t.Context(), kind, "a", eventlog.Envelope{CommandID: command}, say(kind, uint64(wanted+1)))
		check(t, err)
	}
	for round := range 4 {
		if round > 0 { // not at the end: who stops while the server comes up can't save how far it is
			check(t, s.Restart(t.Context()))
		}
		for i := range 30 {
			l := []*eventlog.Log{own, other}[i/5%2]
			write(l, events.KindSubscriber, fmt.Sprintf("r%d-s%d", round, i))
			if i%4 == 0 {
				wanted++
				write(l, events.KindAuthority, fmt.Sprintf("r%d-a%d", round, i))
			}
		}
		natstest.Wait(t, 20*time.Second, fmt.Sprintf("%d commits", wanted), func() bool { return c.len() == wanted })
	}
	check(t, stop())
	c.wantAll(t, wanted, 0)
}

// TestTheFirstCommitOfAKindComesWhileOthersLook: until it is there the stream has none of its kind, and after that it is
// the last; at no time in between is it lost.
func TestTheFirstCommitOfAKindComesWhileOthersLook(t *testing.T) {
	for range 12 {
		l := open(t, config(t, natstest.Connect(t, natstest.Start(t).URL()), newKey(t)))
		mustUpdate(t, l, "p", "first", 1)
		var looking errgroup.Group
		for range 8 {
			looking.Go(func() error {
				for found := 0; found == 0; {
					err := l.Scan(t.Context(), nil, []string{events.KindAccess}, func(_ eventlog.Record, err error) error {
						found++
						return err
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		_, err := l.Update(t.Context(), events.KindAccess, "a", eventlog.Envelope{CommandID: "c"}, say(events.KindAccess, 1))
		check(t, err)
		check(t, looking.Wait())
	}
}
