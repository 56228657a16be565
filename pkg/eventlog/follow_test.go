package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/encoding/protowire"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// collector is a follower that keeps what it was given.
type collector struct {
	mu      sync.Mutex
	records []eventlog.Record
	parked  []string
}

func (c *collector) handle(_ context.Context, batch []eventlog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, batch...)
	return nil
}

func (c *collector) park(r eventlog.Record, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parked = append(c.parked, r.ID)
}

func (c *collector) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.records)
}

// wantAll checks that n commits came, each at least once, in order for each aggregate; extra repeats are allowed.
func (c *collector) wantAll(t *testing.T, n, extra int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	last := make(map[string]uint64)
	seen := make(map[string]bool)
	for _, r := range c.records {
		revision := r.Commit.GetRevision()
		if revision > last[r.ID]+1 {
			t.Fatalf("%s: revision %d came after %d", r.ID, revision, last[r.ID])
		}
		last[r.ID] = revision
		seen[fmt.Sprintf("%s/%d", r.ID, revision)] = true
	}
	if len(seen) != n || len(c.records) > n+extra {
		t.Fatalf("%d commits came %d times, want %d with at most %d repeats", len(seen), len(c.records), n, extra)
	}
}

// follow runs a follower until the returned function is called, which returns Follow's result.
func follow(t *testing.T, l *eventlog.Log, f eventlog.Follower) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- l.Follow(ctx, f) }()
	return func() error { cancel(); return <-result }
}

func TestFollowGoesOnWhereItEnded(t *testing.T) {
	s := natstest.Start(t)
	cfg := config(t, natstest.Connect(t, s.URL()), newKey(t))
	cfg.Streams = 3
	l := open(t, cfg)
	people := ids(9)
	write := func(from, to int) {
		for i := from; i < to; i++ {
			mustUpdate(t, l, people[i%9], fmt.Sprintf("c%d", i), uint64(i+1))
		}
	}
	c := new(collector)
	f := eventlog.Follower{Name: "ra", Batch: 7, Handle: c.handle}
	write(0, 50)
	stop := follow(t, l, f)
	natstest.Wait(t, 10*time.Second, "50 commits", func() bool { return c.len() == 50 })
	write(50, 60)
	natstest.Wait(t, 10*time.Second, "60 commits", func() bool { return c.len() == 60 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	positions, err := l.Positions(t.Context(), "ra")
	ends, err2 := l.LastSequences(t.Context())
	if err != nil || err2 != nil || fmt.Sprint(positions) != fmt.Sprint(ends) {
		t.Errorf("position %v, ends %v (%v, %v)", positions, ends, err, err2)
	}
	write(60, 70)
	stop = follow(t, l, f)
	natstest.Wait(t, 10*time.Second, "70 commits", func() bool { return c.len() == 70 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c.wantAll(t, 70, 0)
}

func TestFollowFromGivenPositionsAndKinds(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	for i := range 10 {
		mustUpdate(t, l, "p", fmt.Sprintf("c%d", i), uint64(i+1))
		if _, err := l.Update(t.Context(), events.KindAuthority, "sign", eventlog.Envelope{CommandID: fmt.Sprintf("a%d", i)}, say(events.KindAuthority, 1)); err != nil {
			t.Fatal(err)
		}
	}
	c := new(collector)
	var reached eventlog.Positions
	stop := follow(t, l, eventlog.Follower{
		Name: "projector", From: eventlog.Positions{l.Streams()[0]: 10}, Kinds: []string{events.KindAuthority},
		Handle: c.handle, Handled: func(p eventlog.Positions) { c.mu.Lock(); reached = p; c.mu.Unlock() },
	})
	natstest.Wait(t, 10*time.Second, "the end", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return reached[l.Streams()[0]] == 20 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if len(c.records) != 5 || c.records[0].Kind != events.KindAuthority || c.records[0].Commit.GetRevision() != 6 {
		t.Errorf("got %d records", len(c.records))
	}
}

func TestFollowRepeatsWhatFailed(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	for i := range 20 {
		mustUpdate(t, l, "p", fmt.Sprintf("c%d", i), uint64(i+1))
	}
	c, failures := new(collector), 0
	stop := follow(t, l, eventlog.Follower{Name: "notifier", Batch: 6, Handle: func(ctx context.Context, batch []eventlog.Record) error {
		if failures++; failures%2 == 1 {
			return errors.New("mail server away")
		}
		return c.handle(ctx, batch)
	}})
	natstest.Wait(t, 20*time.Second, "20 commits", func() bool { return c.len() == 20 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c.wantAll(t, 20, 0)
}

// The server restarts, which also loses the followers' consumers: nothing is missed.
func TestFollowOutlivesTheServer(t *testing.T) {
	s := natstest.Start(t)
	cfg := config(t, natstest.Connect(t, s.URL()), newKey(t))
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil)) // it failed once, in 30 s, on a busy machine
	l := open(t, cfg)
	c := new(collector)
	stop := follow(t, l, eventlog.Follower{Name: "dispatcher", Handle: c.handle})
	for round := range 3 {
		for i := range 10 {
			mustUpdate(t, l, "p", fmt.Sprintf("r%d-c%d", round, i), uint64(i+1))
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	mustUpdate(t, l, "p", "last", 99)
	natstest.Wait(t, time.Minute, "31 commits", func() bool { return c.len() >= 31 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c.wantAll(t, 31, 0)
}

// An unreadable commit parks its aggregate, across restarts of the follower; the others go on.
func TestFollowParks(t *testing.T) {
	s := natstest.Start(t)
	conn, key := natstest.Connect(t, s.URL()), newKey(t)
	l := open(t, config(t, conn, key))
	mustUpdate(t, l, "ok", "c1", 1)
	mustUpdate(t, l, "newer", "c2", 2)
	records, err := l.History(t.Context(), events.KindSubscriber, "newer")
	if err != nil {
		t.Fatal(err)
	}
	inject(t, conn, events.LogSubject(events.KindSubscriber, "newer"), newerCommit(t, next(records[0]), key))
	inject(t, conn, events.LogSubject(events.KindSubscriber, "forged"), []byte("rubbish"))
	inject(t, conn, events.LogSubject(events.KindSubscriber, "newer"), newerCommit(t, next(records[0]), key))
	mustUpdate(t, l, "ok", "c3", 3)

	c := new(collector)
	f := eventlog.Follower{Name: "projector", Handle: c.handle, Parked: c.park}
	for _, want := range []int{3, 4} {
		stop := follow(t, l, f)
		natstest.Wait(t, 10*time.Second, "the readable commits", func() bool { return c.len() == want })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		mustUpdate(t, l, "ok", fmt.Sprintf("after%d", want), 9)
	}
	if fmt.Sprint(c.parked) != "[newer forged]" {
		t.Errorf("parked: %v", c.parked)
	}
}

// Handle itself parks an aggregate; a later follower of the name that can handle it gets everything it missed.
func TestFollowUnparks(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	for i := range 12 {
		mustUpdate(t, l, fmt.Sprintf("p%d", i%3), fmt.Sprintf("c%d", i), uint64(i+1))
	}
	c := new(collector)
	f := eventlog.Follower{Name: "issuer", Parked: c.park, Handle: func(ctx context.Context, batch []eventlog.Record) error {
		for _, r := range batch {
			if r.ID == "p1" && r.Commit.GetRevision() > 1 {
				return &eventlog.ParkError{Kind: r.Kind, ID: r.ID, Err: errors.New("not this one")}
			}
		}
		return c.handle(ctx, batch)
	}}
	f.Batch = 1
	stop := follow(t, l, f)
	natstest.Wait(t, 10*time.Second, "the others", func() bool { return c.len() == 9 })
	if err := stop(); err != nil || fmt.Sprint(c.parked) != "[p1]" {
		t.Fatalf("parked %v, %v", c.parked, err)
	}
	f.Handle = c.handle
	stop = follow(t, l, f)
	natstest.Wait(t, 10*time.Second, "those that were missed", func() bool { return c.len() == 12 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c.wantAll(t, 12, 0)
}

// After PassOver a follower continues behind what there was, and its parked aggregates stay parked.
func TestPassOver(t *testing.T) {
	l := open(t, config(t, natstest.Connect(t, natstest.Start(t).URL()), newKey(t)))
	mustUpdate(t, l, "bad", "c0", 1)
	park := func(_ context.Context, batch []eventlog.Record) error {
		return &eventlog.ParkError{Kind: batch[0].Kind, ID: batch[0].ID, Err: errors.New("not this one")}
	}
	c := new(collector)
	stop := follow(t, l, eventlog.Follower{Name: "issuer", Handle: park, Parked: c.park})
	natstest.Wait(t, 10*time.Second, "one set aside", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.parked) == 1 })
	check(t, stop())
	for i := range 10 {
		mustUpdate(t, l, "p", fmt.Sprintf("p%d", i), uint64(i+1))
	}
	check(t, l.PassOver(t.Context(), "issuer"))
	mustUpdate(t, l, "p", "last", 99)
	stop = follow(t, l, eventlog.Follower{Name: "issuer", Handle: c.handle})
	natstest.Wait(t, 10*time.Second, "what was parked, and the last", func() bool { return c.len() == 2 })
	check(t, stop())
	if got := c.commands(); !slices.Equal(got, []string{"c0", "last"}) {
		t.Errorf("got %v", got)
	}
}

func TestFollowRefusesAnOldStore(t *testing.T) {
	s := natstest.Start(t)
	l := open(t, config(t, natstest.Connect(t, s.URL()), newKey(t)))
	mustUpdate(t, l, "p", "c", 1)
	err := l.Follow(t.Context(), eventlog.Follower{Name: "x", From: eventlog.Positions{l.Streams()[0]: 5}, Handle: new(collector).handle})
	if !errors.Is(err, eventlog.ErrBehindMark) {
		t.Errorf("a follower that saw more than there is: %v", err)
	}
}

func TestScan(t *testing.T) {
	s := natstest.Start(t)
	cfg := config(t, natstest.Connect(t, s.URL()), newKey(t))
	cfg.Streams = 4
	l := open(t, cfg)
	for i := range 40 {
		mustUpdate(t, l, fmt.Sprintf("p%d", i%8), fmt.Sprintf("c%d", i), uint64(i+1))
	}
	c := new(collector)
	err := l.Scan(t.Context(), nil, nil, func(r eventlog.Record, err error) error {
		return errors.Join(err, l.Verify(r), c.handle(t.Context(), []eventlog.Record{r}))
	})
	if err != nil {
		t.Fatal(err)
	}
	c.wantAll(t, 40, 0)
	mine := errors.New("mine")
	if err := l.Scan(t.Context(), nil, nil, func(eventlog.Record, error) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("error of the function: %v", err)
	}
}

// A scan for kinds returns what a scan of everything returns of them, from any position on.
func TestScanOfKinds(t *testing.T) {
	cfg := config(t, natstest.Connect(t, natstest.Start(t).URL()), newKey(t))
	cfg.Streams = 2
	l := open(t, cfg)
	kinds := []string{events.KindSubscriber, events.KindAccess, events.KindSubscriber, events.KindAuthority}
	for i := range 60 {
		_, err := l.Update(t.Context(), kinds[i%len(kinds)], fmt.Sprintf("a%d", i%12),
			eventlog.Envelope{CommandID: fmt.Sprintf("c%d", i)}, say(kinds[i%len(kinds)], uint64(i+1)))
		check(t, err)
	}
	all := scanned(t, l, nil)
	if len(all) != 60 {
		t.Fatalf("%d commits, want 60", len(all))
	}
	for _, wanted := range [][]string{nil, {events.KindAccess}, {events.KindAccess, events.KindAuthority}, {events.KindOffice}} {
		for from := range len(all) + 1 {
			after, want := eventlog.Positions{}, []string(nil)
			for i, r := range all {
				if i < from {
					after[r.Stream] = r.Sequence
				} else if len(wanted) == 0 || slices.Contains(wanted, r.Kind) {
					want = append(want, r.Commit.GetCommandId())
				}
			}
			var got []string
			for _, r := range scanned(t, l, after, wanted...) {
				got = append(got, r.Commit.GetCommandId())
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v after %v: %v, want %v", wanted, after, got, want)
			}
		}
	}
}

// scanned returns the records of a scan.
func scanned(t testing.TB, l *eventlog.Log, after eventlog.Positions, kinds ...string) (all []eventlog.Record) {
	t.Helper()
	check(t, l.Scan(t.Context(), after, kinds, func(r eventlog.Record, err error) error {
		all = append(all, r)
		return err
	}))
	return all
}

// newerCommit is a genuine commit with a kind of event that only a newer version knows.
func newerCommit(t *testing.T, c *events.Commit, key nkeys.KeyPair) []byte {
	t.Helper()
	unknown := protowire.AppendTag(nil, 5000, protowire.BytesType)
	c.Events[0].Body = nil
	c.Events[0].ProtoReflect().SetUnknown(protowire.AppendBytes(unknown, []byte("new")))
	commit := encoded(t, c)
	signature, err := key.Sign(events.SigningInput(commit, nil))
	if err != nil {
		t.Fatal(err)
	}
	return encoded(t, &events.Stored{Commit: commit, Writer: public(t, key), Signature: signature})
}
