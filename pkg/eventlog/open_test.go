package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

func TestStateVersions(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	versioned := func(version uint32) *eventlog.Log {
		c := config(t, conn, key)
		c.Folds = toyFolds(version)
		return open(t, c)
	}
	two := versioned(2)
	mustUpdate(t, two, "p", "c1", 1)
	mustUpdate(t, two, "p", "c2", 2)
	if _, err := versioned(1).Load(t.Context(), events.KindSubscriber, "p"); !errors.Is(err, eventlog.ErrNewerState) {
		t.Errorf("an older program took a newer state: %v", err)
	}
	if _, err := versioned(1).Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c3"}, reissue(3)); !errors.Is(err, eventlog.ErrNewerState) {
		t.Errorf("an older program decided on a newer state: %v", err)
	}

	// Version 3 folds differently: it must see the result of its own fold, not what version 2 carried.
	c := config(t, conn, key)
	folds := 0
	fold := toyFold(3)
	fold.Apply = func(state []byte, commit *events.Commit) ([]byte, error) {
		folds++
		next, err := applyToy(bytes.TrimPrefix(state, []byte(" ")), commit)
		return append([]byte(" "), next...), err
	}
	c.Folds = map[string]eventlog.Fold{events.KindSubscriber: fold}
	head, err := open(t, c).Load(t.Context(), events.KindSubscriber, "p")
	if err != nil || folds != 2 || head.State[0] != ' ' || head.Revision != 2 {
		t.Errorf("folded %d commits into %q, %v", folds, head.State, err)
	}
}

func TestStateTooLarge(t *testing.T) {
	s := natstest.Start(t)
	c := config(t, natstest.Connect(t, s.URL()), newKey(t))
	fold := toyFold(1)
	fold.Apply = func([]byte, *events.Commit) ([]byte, error) { return make([]byte, 2049), nil }
	c.Folds[events.KindSubscriber] = fold
	l := open(t, c)
	if _, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c"}, reissue(1)); !errors.Is(err, eventlog.ErrState) {
		t.Errorf("got %v", err)
	}
	count(t, l, 0)
}

func TestOpenRefuses(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	good := config(t, conn, key)
	l := open(t, good)
	mustUpdate(t, l, "p", "c", 1)
	for name, c := range map[string]struct {
		change func(*eventlog.Config)
		want   error
	}{
		"no connection":        {func(c *eventlog.Config) { c.Conn = nil }, eventlog.ErrConfig},
		"writer without marks": {func(c *eventlog.Config) { c.Marks = "" }, eventlog.ErrConfig},
		"marks in use":         {func(c *eventlog.Config) { c.Marks = good.Marks }, eventlog.ErrMarks},
		"other streams":        {func(c *eventlog.Config) { c.Streams = 2 }, eventlog.ErrLayout},
		"too many streams":     {func(c *eventlog.Config) { c.Streams = 4097 }, eventlog.ErrConfig},
		"writer nobody trusts": {func(c *eventlog.Config) { c.Writer = newKey(t) }, eventlog.ErrConfig},
		"unknown role":         {func(c *eventlog.Config) { c.Writers = map[string]eventlog.Role{public(t, key): "king"} }, eventlog.ErrConfig},
		"key that is no key":   {func(c *eventlog.Config) { c.Writers = map[string]eventlog.Role{"UABC": eventlog.RoleRA} }, eventlog.ErrConfig},
		"mark that can't be read": {func(c *eventlog.Config) {
			file := filepath.Join(c.Marks, l.Streams()[0]+".mark")
			if err := os.WriteFile(file, []byte(strings.Repeat("x", 128)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, eventlog.ErrMarks},
	} {
		cfg := config(t, conn, key)
		c.change(&cfg)
		if _, err := eventlog.Open(t.Context(), cfg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadOnlyLog(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	mustUpdate(t, open(t, config(t, conn, key)), "p", "c", 1)
	c := config(t, conn, key)
	c.Writer, c.Marks = nil, ""
	reader := open(t, c)
	if head, err := reader.Load(t.Context(), events.KindSubscriber, "p"); err != nil || head.Revision != 1 {
		t.Errorf("revision %d, %v", head.Revision, err)
	}
	if _, err := reader.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "x"}, reissue(2)); !errors.Is(err, eventlog.ErrConfig) {
		t.Errorf("a reader wrote: %v", err)
	}
}

// A key that is no longer trusted is refused at once, even for heads that were verified before.
func TestWriterIsDistrusted(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	l := open(t, config(t, conn, key))
	mustUpdate(t, l, "p", "c", 1)
	if err := l.SetWriters(t.Context(), map[string]eventlog.Role{public(t, newKey(t)): eventlog.RoleHub}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Load(t.Context(), events.KindSubscriber, "p"); !errors.Is(err, eventlog.ErrForged) {
		t.Errorf("got %v", err)
	}
}

// What an administrator changed about a stream is corrected, and what must not be possible is not.
func TestStreamIsKeptAsItMustBe(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	l := open(t, config(t, conn, key))
	mustUpdate(t, l, "p", "c", 1)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), l.Streams()[0])
	if err != nil {
		t.Fatal(err)
	}
	if stream.Purge(t.Context()) == nil || stream.DeleteMsg(t.Context(), 1) == nil {
		t.Error("the log could be purged or a commit deleted")
	}
	changed := stream.CachedInfo().Config
	changed.AllowDirect, changed.Discard, changed.MaxMsgs = true, jetstream.DiscardOld, 1000
	if _, err := js.UpdateStream(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	open(t, config(t, conn, key))
	info, err := stream.Info(t.Context())
	if err != nil || info.Config.AllowDirect || info.Config.Discard != jetstream.DiscardNew || info.Config.MaxMsgs != -1 ||
		!info.Config.DenyDelete || !info.Config.DenyPurge || info.Config.Storage != jetstream.FileStorage {
		t.Errorf("stream is %+v, %v", info.Config, err)
	}
}

func TestFullStream(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	c := config(t, conn, key)
	c.MaxBytes = 20_000
	l := open(t, c)
	acknowledged := 0
	var err error
	for i := 0; err == nil && i < 100; i++ {
		if _, err = l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: string(rune('a' + i))}, reissue(uint64(i+1))); err == nil {
			acknowledged++
		}
	}
	if !errors.Is(err, eventlog.ErrFull) {
		t.Fatalf("after %d commits: %v", acknowledged, err)
	}
	wantWhole(t, l, []string{"p"}, acknowledged)
	c = config(t, conn, key)
	c.MaxBytes = 40_000
	larger := open(t, c)
	mustUpdate(t, larger, "p", "with space again", 1000)
	wantWhole(t, l, []string{"p"}, acknowledged+1)
}

func TestMarkSurvivesWithoutClose(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	c := config(t, conn, key)
	l := open(t, c)
	mustUpdate(t, l, "p", "c1", 1)
	mustUpdate(t, l, "p", "c2", 2)
	// What kill -9 leaves: the files as they are now, a lock that nobody holds.
	copied := t.TempDir()
	copyTree(t, c.Marks, copied)
	other := natstest.Start(t)
	c.Conn, c.Marks = natstest.Connect(t, other.URL()), copied
	if _, err := eventlog.Open(t.Context(), c); !errors.Is(err, eventlog.ErrBehindMark) {
		t.Errorf("an empty server was taken for ours: %v", err)
	}
}

func TestCancelledWhileServerIsAway(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	mustUpdate(t, l, "p", "c1", 1)
	s.Shutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if _, err := l.Update(ctx, events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c2"}, reissue(2)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
