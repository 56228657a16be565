package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// A follower gets what this process knows, without asking the server, which may be gone.
func TestSinceNeedsNoServer(t *testing.T) {
	s := natstest.Start(t)
	c := config(t, natstest.Connect(t, s.URL()), newKey(t))
	c.Patience = time.Millisecond
	l := open(t, c)
	for i := range 3 {
		mustUpdate(t, l, "p", fmt.Sprintf("c%d", i), uint64(i+1))
	}
	records, err := l.History(t.Context(), events.KindSubscriber, "p")
	if err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	head, err := l.LoadSince(t.Context(), records[1])
	if err != nil || head.Revision != 3 {
		t.Errorf("revision %d, %v", head.Revision, err)
	}
	history, err := l.HistorySince(t.Context(), records[1])
	if err != nil || len(history) != 3 || history[2].Commit.GetRevision() != 3 || history[2].Role != eventlog.RoleHub {
		t.Errorf("%d commits, %v", len(history), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.Load(ctx, events.KindSubscriber, "p"); err == nil {
		t.Error("Load asked nobody")
	}
}

// A follower in a process other than the writer's gets states at least as new as what it follows, and whole histories.
func TestSinceOfAnotherWriter(t *testing.T) {
	s := natstest.Start(t)
	key := newKey(t)
	writer, reader := open(t, config(t, natstest.Connect(t, s.URL()), key)), open(t, config(t, natstest.Connect(t, s.URL()), key))
	var mu sync.Mutex
	seen := 0
	stop := follow(t, reader, eventlog.Follower{Name: "issuer", Lanes: 4, Handle: func(ctx context.Context, batch []eventlog.Record) error {
		for _, r := range batch {
			head, err := reader.LoadSince(ctx, r)
			if err != nil || head.Revision < r.Commit.GetRevision() {
				t.Errorf("%s: revision %d when %d was followed, %v", r.ID, head.Revision, r.Commit.GetRevision(), err)
			}
			history, err := reader.HistorySince(ctx, r)
			if err != nil || uint64(len(history)) < r.Commit.GetRevision() {
				t.Errorf("%s: %d commits when %d were followed, %v", r.ID, len(history), r.Commit.GetRevision(), err)
			}
			var state []byte
			for i, h := range history {
				if state, err = applyToy(state, h.Commit); err != nil || h.Commit.GetRevision() != uint64(i+1) {
					t.Errorf("%s: revision %d at place %d, %v", r.ID, h.Commit.GetRevision(), i+1, err)
				}
			}
			if uint64(len(history)) == head.Revision && string(state) != string(head.State) {
				t.Errorf("%s: the state is %s, its history makes %s", r.ID, head.State, state)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		seen += len(batch)
		return nil
	}})
	for i := range 60 {
		mustUpdate(t, writer, fmt.Sprintf("p%d", i%3), fmt.Sprintf("c%d", i), uint64(i+1))
	}
	natstest.Wait(t, 20*time.Second, "60 commits", func() bool { mu.Lock(); defer mu.Unlock(); return seen >= 60 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// What an administrator inserts behind the known end is examined, however well this process knows it.
func TestSinceDetectsReplayedCommit(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	l := open(t, config(t, conn, key))
	for i := range 3 {
		mustUpdate(t, l, "old", fmt.Sprintf("c%d", i), uint64(i+1))
		mustUpdate(t, l, "forged", fmt.Sprintf("d%d", i), uint64(i+1))
	}
	for name, data := range map[string]func(eventlog.Record) []byte{
		"old":    func(last eventlog.Record) []byte { return last.Stored },
		"forged": func(last eventlog.Record) []byte { return signed(t, next(last), newKey(t)) },
	} {
		records, err := l.History(t.Context(), events.KindSubscriber, name)
		if err != nil {
			t.Fatal(err)
		}
		last := records[2]
		inject(t, conn, events.LogSubject(events.KindSubscriber, name), data(last))
		put := last
		put.Sequence += 100 // where it stands now: beyond everything known
		if _, err := l.LoadSince(t.Context(), put); !errors.Is(err, eventlog.ErrForged) {
			t.Errorf("%s: LoadSince: %v", name, err)
		}
		if _, err := l.HistorySince(t.Context(), put); err == nil {
			t.Errorf("%s: the history was given", name)
		}
	}
}

// A record that follows the known end but was not verified is not accepted as the new one.
func TestSinceBelievesNoRecordUnverified(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	l := open(t, config(t, conn, key))
	mustUpdate(t, l, "p", "c1", 1)
	records, err := l.History(t.Context(), events.KindSubscriber, "p")
	if err != nil {
		t.Fatal(err)
	}
	inject(t, conn, events.LogSubject(events.KindSubscriber, "p"), signed(t, next(records[0]), newKey(t)))
	c := new(collector)
	stop := follow(t, l, eventlog.Follower{Name: "rebuild", Unverified: true, Handle: c.handle})
	natstest.Wait(t, 10*time.Second, "both", func() bool { return c.len() == 2 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if head, err := l.LoadSince(t.Context(), c.records[1]); !errors.Is(err, eventlog.ErrForged) {
		t.Errorf("revision %d was given, %v", head.Revision, err)
	}
}

// Writers who are no longer trusted are not believed from memory either.
func TestBelievedEndsWithTheTrust(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	c := config(t, conn, key)
	l := open(t, c)
	mustUpdate(t, l, "p", "c1", 1)
	records, err := l.History(t.Context(), events.KindSubscriber, "p")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetWriters(t.Context(), map[string]eventlog.Role{public(t, newKey(t)): eventlog.RoleHub}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.LoadSince(t.Context(), records[0]); !errors.Is(err, eventlog.ErrForged) {
		t.Errorf("LoadSince after the writer was retired: %v", err)
	}
	if _, err := l.HistorySince(t.Context(), records[0]); !errors.Is(err, eventlog.ErrForged) {
		t.Errorf("HistorySince after the writer was retired: %v", err)
	}
	if _, err := l.Load(t.Context(), events.KindSubscriber, "p"); !errors.Is(err, eventlog.ErrForged) {
		t.Errorf("Load after the writer was retired: %v", err)
	}
}
