package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

func TestUpdate(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	env := eventlog.Envelope{
		CommandID: "c1", CausationID: "claim", CorrelationID: "procedure", Office: "12237-main", Counter: "12237-main-1",
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Actor: &events.Actor{
			Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: "o-7",
		},
	}
	outcome, err := l.Update(t.Context(), events.KindSubscriber, "p", env, reissue(1))
	if err != nil || outcome.Commit.GetRevision() != 1 || outcome.Repeated {
		t.Fatalf("first update: %+v, %v", outcome, err)
	}
	second := mustUpdate(t, l, "p", "c2", 2)
	records, err := l.History(t.Context(), events.KindSubscriber, "p")
	if err != nil || len(records) != 2 {
		t.Fatalf("history: %d records, %v", len(records), err)
	}
	c := records[0].Commit
	if c.GetCommandId() != "c1" || c.GetCausationId() != "claim" || c.GetCorrelationId() != "procedure" || c.GetOffice() != "12237-main" ||
		c.GetCounter() != "12237-main-1" || c.GetTraceparent() != env.Traceparent || c.GetActor().GetId() != "o-7" {
		t.Errorf("envelope is not in the commit: %v", c)
	}
	if !bytes.Equal(records[1].Commit.GetPreviousHash(), events.Hash(records[0].Stored)) || second.Commit.GetRevision() != 2 {
		t.Error("the second commit does not continue the first")
	}
	if records[0].Role != eventlog.RoleHub || l.Verify(records[0]) != nil {
		t.Errorf("writer is %s", records[0].Role)
	}
}

func TestUpdateOfNothingAndRefusals(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	mustUpdate(t, l, "p", "c1", 1)
	nothing := func(eventlog.Head) ([]*events.Event, error) { return nil, nil }
	if o, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c2"}, nothing); err != nil || o.Commit != nil || len(o.State) == 0 {
		t.Errorf("nothing decided: %+v, %v", o, err)
	}
	mine := errors.New("mine")
	refuse := func(eventlog.Head) ([]*events.Event, error) { return nil, mine }
	if _, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c3"}, refuse); !errors.Is(err, mine) {
		t.Errorf("error of decide: %v", err)
	}
	for name, call := range map[string]func() error{
		"no command id": func() error {
			_, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{}, reissue(2))
			return err
		},
		"kind without fold": func() error {
			_, err := l.Update(t.Context(), events.KindCard, "p", eventlog.Envelope{CommandID: "c"}, reissue(2))
			return err
		},
		"bad id": func() error {
			_, err := l.Update(t.Context(), events.KindSubscriber, "p.*", eventlog.Envelope{CommandID: "c"}, reissue(2))
			return err
		},
	} {
		if err := call(); !errors.Is(err, eventlog.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	count(t, l, 1)
}

func TestRecordedTimeNeverDecreases(t *testing.T) {
	s := natstest.Start(t)
	now := time.Date(2026, 4, 1, 12, 0, 0, 123_999_999, time.UTC)
	c := config(t, natstest.Connect(t, s.URL()), newKey(t))
	c.Clock = func() time.Time { return now }
	l := open(t, c)
	first := mustUpdate(t, l, "p", "c1", 1)
	now = now.Add(-time.Hour)
	second := mustUpdate(t, l, "p", "c2", 2)
	want := time.Date(2026, 4, 1, 12, 0, 0, 123_000_000, time.UTC).UnixMilli()
	for i, e := range append(first.Commit.GetEvents(), second.Commit.GetEvents()...) {
		if e.GetRecordedMs() != want {
			t.Errorf("event %d is recorded at %d, want %d", i, e.GetRecordedMs(), want)
		}
	}
}

// A repeated command is answered with its first outcome: from the state while it remembers, from the history after.
func TestRepeatedCommand(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	for i := range uint64(40) {
		mustUpdate(t, l, "p", fmt.Sprintf("c%d", i), i+1)
	}
	again := func(command string, redelivered bool) eventlog.Outcome {
		o, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{
			CommandID: command, Redelivered: redelivered,
		}, reissue(99))
		if err != nil {
			t.Fatalf("repeating %s: %v", command, err)
		}
		return o
	}
	for _, c := range []struct {
		command     string
		redelivered bool
	}{{"c39", false}, {"c24", false}, {"c23", true}, {"c0", true}, {"c39", true}} {
		o := again(c.command, c.redelivered)
		if !o.Repeated || "c"+fmt.Sprint(o.Commit.GetRevision()-1) != c.command {
			t.Errorf("%s came back as revision %d, repeated %v", c.command, o.Commit.GetRevision(), o.Repeated)
		}
	}
	count(t, l, 40)
	if o := again("new", true); o.Repeated || o.Commit.GetRevision() != 41 {
		t.Errorf("a new command taken for an old one: %+v", o)
	}
}

// manyWriters lets writers decide about few persons, each with a log (and so a process's worth of state) of its own.
func manyWriters(t *testing.T, conn func(i int) string, logs, writers, decisions, persons, replicas, streams int) {
	key := newKey(t)
	people := ids(persons)
	list := make([]*eventlog.Log, logs)
	for i := range list {
		c := config(t, natstest.Connect(t, conn(i)), key)
		c.Replicas, c.Streams, c.PublishTimeout, c.Patience = replicas, streams, 10*time.Second, 2*time.Minute // three nodes on a busy machine
		list[i] = open(t, c)
	}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for d := range decisions {
				serial := uint64(w*decisions + d + 1)
				_, err := list[w%logs].Update(context.Background(), events.KindSubscriber, people[(w*7+d)%persons],
					eventlog.Envelope{CommandID: fmt.Sprintf("w%d-d%d", w, d)}, reissue(serial))
				if err != nil {
					t.Errorf("writer %d decision %d: %v", w, d, err)
					return
				}
			}
		})
	}
	group.Wait()
	count(t, list[0], uint64(writers*decisions))
	wantWhole(t, list[logs-1], people, writers*decisions)
}

// All on one person, from four processes' worth of logs: nearly every decision conflicts.
func TestSixteenWritersOnOnePerson(t *testing.T) {
	s := natstest.Start(t)
	manyWriters(t, func(int) string { return s.URL() }, 4, 16, 125, 1, 1, 1)
}

func TestSixteenWritersOnOneServer(t *testing.T) {
	s := natstest.Start(t)
	manyWriters(t, func(int) string { return s.URL() }, 4, 16, 500, 200, 1, 3)
}

func TestSixteenWritersOnACluster(t *testing.T) {
	servers := natstest.Cluster(t)
	manyWriters(t, func(i int) string { return servers[i%len(servers)].URL() }, 4, 16, 125, 20, 3, 2)
}

// Leaders step down while writers write: nothing is lost, nothing doubled.
func TestLeaderStepsDown(t *testing.T) {
	servers := natstest.Cluster(t)
	stop := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	defer close(stop)
	group.Go(func() { stepDownUntil(t, servers, stop) })
	manyWriters(t, func(i int) string { return servers[i%len(servers)].URL() }, 2, 8, 100, 4, 3, 1)
}

func stepDownUntil(t *testing.T, servers []*hubserver.Server, stop chan struct{}) {
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	downs := 0
	for {
		select {
		case <-stop:
			if downs == 0 {
				t.Error("no leader ever stepped down")
			}
			return
		case <-ticker.C:
		}
		for _, s := range servers {
			if s.NATS().JetStreamStepdownStream("$G", events.StreamName(0, 1)) == nil {
				downs++
			}
		}
	}
}

// The server is stopped and started again and again while writers write.
func TestServerRestartsDuringUpdates(t *testing.T) {
	s := natstest.Start(t)
	done := make(chan struct{})
	var group sync.WaitGroup
	restarts := 0
	defer func() {
		close(done)
		group.Wait()
		if restarts == 0 {
			t.Error("the server was never restarted")
		}
	}()
	group.Go(func() {
		ticker := time.NewTicker(150 * time.Millisecond)
		defer ticker.Stop()
		for restarts < 10 {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			if err := s.Restart(context.Background()); err != nil {
				t.Errorf("restarting: %v", err)
				return
			}
			restarts++
		}
	})
	manyWriters(t, func(int) string { return s.URL() }, 2, 8, 150, 8, 1, 1)
}
