package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

// world is a log that was written and closed, and can be tampered with on disk before it is reopened.
type world struct {
	store, marks string
	key          nkeys.KeyPair
	// maxBytes of the stream; a small one makes small blocks.
	maxBytes int64
}

func newWorld(t *testing.T) world {
	t.Helper()
	return world{store: t.TempDir(), marks: t.TempDir(), key: newKey(t)}
}

// run opens the world, lets fn use it and closes it again.
func (w world) run(t *testing.T, fn func(*eventlog.Log, *hubserver.Server)) error {
	t.Helper()
	s, err := hubserver.Start(t.Context(), hubserver.Config{StoreDir: w.store, Port: -1, Reserve: -1, Logger: natstest.Quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	conn, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := config(t, conn, w.key)
	c.Marks, c.MaxBytes = w.marks, w.maxBytes
	l, err := eventlog.Open(t.Context(), c)
	if err != nil {
		return err
	}
	fn(l, s)
	return l.Close()
}

func (w world) write(t *testing.T, from, to int) {
	t.Helper()
	err := w.run(t, func(l *eventlog.Log, _ *hubserver.Server) {
		for i := from; i < to; i++ {
			mustUpdate(t, l, fmt.Sprintf("p%d", i%5), fmt.Sprintf("c%d", i), uint64(i+1))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w world) blocks(t *testing.T) []string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(w.store, "jetstream/*/streams/shomei-log-000-fff/msgs/*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no blocks in %s: %v", w.store, err)
	}
	return blocks
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// wantRefused checks that the world is refused, or that reading every aggregate returns only what was written.
func (w world) wantRefused(t *testing.T, want ...error) {
	t.Helper()
	var got []error
	err := w.run(t, func(l *eventlog.Log, _ *hubserver.Server) {
		for i := range 5 {
			if _, err := l.History(t.Context(), events.KindSubscriber, fmt.Sprintf("p%d", i)); err != nil {
				got = append(got, err)
			}
		}
	})
	all := errors.Join(append(got, err)...)
	for _, w := range want {
		if errors.Is(all, w) {
			return
		}
	}
	t.Errorf("damage was not detected: %v", all)
}

func TestUntouchedStoreIsServed(t *testing.T) {
	w := newWorld(t)
	w.write(t, 0, 50)
	w.write(t, 50, 60)
	err := w.run(t, func(l *eventlog.Log, _ *hubserver.Server) {
		count(t, l, 60)
		wantWhole(t, l, []string{"p0", "p1", "p2", "p3", "p4"}, 60)
	})
	if err != nil {
		t.Error(err)
	}
}

// One flipped bit anywhere in a block, with and without the server's index, is never served as if nothing were wrong.
func TestFlippedBits(t *testing.T) {
	w := newWorld(t)
	w.write(t, 0, 60)
	kept := t.TempDir()
	copyTree(t, w.store, kept)
	block, err := os.ReadFile(w.blocks(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		for _, index := range []bool{true, false} {
			at := len(block) * (2*i + 1) / 24
			t.Run(fmt.Sprintf("byte %d of %d, index %v", at, len(block), index), func(t *testing.T) {
				copyTree(t, kept, w.store)
				damaged := bytes.Clone(block)
				damaged[at] ^= 0x10
				w.damage(t, damaged, index)
				w.wantRefused(t, eventlog.ErrBehindMark, eventlog.ErrDamaged, eventlog.ErrForged, events.ErrMalformed)
			})
		}
	}
}

const flippedCommits = 120

// A follower that meets a flipped bit reports it, whether it is sent everything or some kinds: it stops, or parks the
// aggregate, and never skips it silently. So does a scan.
func TestFollowMeetsAFlippedBit(t *testing.T) {
	w := newWorld(t)
	w.maxBytes = logBytes
	check(t, w.run(t, func(l *eventlog.Log, _ *hubserver.Server) {
		for i := range flippedCommits {
			_, err := l.Update(t.Context(), events.KindAccess, fmt.Sprintf("p%d", i%5),
				eventlog.Envelope{CommandID: fmt.Sprintf("c%d", i)}, say(events.KindAccess, uint64(i+1)))
			check(t, err)
		}
	}))
	kept := t.TempDir()
	copyTree(t, w.store, kept)
	block, err := os.ReadFile(w.blocks(t)[0])
	check(t, err)
	at := places(block)
	for _, kinds := range [][]string{nil, {events.KindAccess}, {events.KindAccess, events.KindOffice}, {events.KindAccess, events.KindSubscriber}} {
		for _, i := range []int{0, len(at) / 2, len(at) - 2} {
			for _, name := range []string{"time", "payload", "checksum"} { // whole records: others end the server's own reading
				part := parts(block[at[i]:at[i+1]])[name]
				t.Run(fmt.Sprintf("kinds %v/record %d of %d/%s", kinds, i, len(at), name), func(t *testing.T) {
					copyTree(t, kept, w.store)
					damaged := bytes.Clone(block)
					damaged[at[i]+(part[0]+part[1])/2] ^= 0x10
					check(t, w.run(t, func(l *eventlog.Log, _ *hubserver.Server) {
						w.damage(t, damaged, true)
						wantNoticed(t, l, kinds)
					}))
				})
			}
		}
	}
}

// wantNoticed checks that a follower of a damaged log does not reach its end as if nothing were wrong.
func wantNoticed(t *testing.T, l *eventlog.Log, kinds []string) {
	t.Helper()
	noticed := func(err error) bool {
		return errors.Is(err, eventlog.ErrDamaged) || errors.Is(err, eventlog.ErrBehindMark)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := new(collector)
	err := l.Follow(ctx, eventlog.Follower{
		Name: "x", Kinds: kinds, Handle: c.handle, Parked: func(r eventlog.Record, err error) { c.park(r, err); cancel() },
		Handled: func(at eventlog.Positions) {
			if at[logStream] == flippedCommits {
				cancel()
			}
		},
	})
	if len(c.parked) == 0 && !noticed(err) {
		t.Errorf("%d of %d commits were handled, and then: %v", c.len(), flippedCommits, err)
	}
	scanned, unreadable := 0, false
	limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = l.Scan(limited, nil, kinds, func(_ eventlog.Record, err error) error {
		scanned++
		unreadable = unreadable || err != nil
		return nil
	})
	if !unreadable && !noticed(err) {
		t.Errorf("%d of %d commits were scanned, and then: %v", scanned, flippedCommits, err)
	}
}

func (w world) damage(t *testing.T, block []byte, keepIndex bool) {
	t.Helper()
	if err := os.WriteFile(w.blocks(t)[0], block, 0o600); err != nil {
		t.Fatal(err)
	}
	if keepIndex {
		return
	}
	if err := os.Remove(filepath.Join(filepath.Dir(w.blocks(t)[0]), "index.db")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func TestTruncatedBlock(t *testing.T) {
	w := newWorld(t)
	w.write(t, 0, 60)
	kept := t.TempDir()
	copyTree(t, w.store, kept)
	block, err := os.ReadFile(w.blocks(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{1, 100, len(block) / 2, len(block)} {
		for _, index := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d bytes less, index %v", cut, index), func(t *testing.T) {
				copyTree(t, kept, w.store)
				w.damage(t, block[:len(block)-cut], index)
				w.wantRefused(t, eventlog.ErrBehindMark, eventlog.ErrDamaged)
			})
		}
	}
}

func TestOldCopyOfTheStore(t *testing.T) {
	w := newWorld(t)
	w.write(t, 0, 20)
	old := t.TempDir()
	copyTree(t, w.store, old)
	w.write(t, 20, 30)
	copyTree(t, old, w.store)
	w.wantRefused(t, eventlog.ErrBehindMark)

	// Somebody without our marks writes on to the old copy, until it is as long as the lost one.
	other := world{store: w.store, marks: t.TempDir(), key: w.key}
	other.write(t, 100, 120)
	w.wantRefused(t, eventlog.ErrBehindMark)

	if err := os.RemoveAll(filepath.Join(w.store, "jetstream")); err != nil {
		t.Fatal(err)
	}
	w.wantRefused(t, eventlog.ErrBehindMark)
}

// The server restarts with an old store while the process lives: its content is not served.
func TestOldCopyUnderARunningLog(t *testing.T) {
	w := newWorld(t)
	w.write(t, 0, 10)
	old := t.TempDir()
	copyTree(t, w.store, old)
	s := natstest.StartIn(t, w.store)
	c := config(t, natstest.Connect(t, s.URL()), w.key)
	c.Marks = w.marks
	l := open(t, c)
	mustUpdate(t, l, "p0", "late", 99)
	port := s.NATS().Addr().String()
	s.Shutdown()
	copyTree(t, old, w.store)
	var number int
	if _, err := fmt.Sscanf(port, "127.0.0.1:%d", &number); err != nil {
		t.Fatal(err)
	}
	natstest.StartWith(t, hubserver.Config{StoreDir: w.store, Port: number, Reserve: -1})
	if _, err := l.Update(t.Context(), events.KindSubscriber, "p0", eventlog.Envelope{CommandID: "after"}, reissue(100)); !errors.Is(err, eventlog.ErrBehindMark) {
		t.Errorf("update on an old store: %v", err)
	}
	if _, err := l.Load(t.Context(), events.KindSubscriber, "p1"); !errors.Is(err, eventlog.ErrBehindMark) {
		t.Errorf("load of an untouched aggregate on an old store: %v", err)
	}
}

// An administrator of NATS can put anything into the stream, and none of it is believed.
func TestForgedCommits(t *testing.T) {
	trusted, notifier := newKey(t), newKey(t)
	for name, forge := range map[string]func(t *testing.T, last eventlog.Record) []byte{
		"unsigned": func(t *testing.T, last eventlog.Record) []byte {
			return stored(t, next(last), nil, trusted, nil)
		},
		"signature over something else": func(t *testing.T, last eventlog.Record) []byte {
			return stored(t, next(last), nil, trusted, []byte("something else"))
		},
		"untrusted key": func(t *testing.T, last eventlog.Record) []byte {
			return signed(t, next(last), newKey(t))
		},
		"trusted key of the wrong role": func(t *testing.T, last eventlog.Record) []byte {
			return signed(t, next(last), notifier)
		},
		"genuine commit of another aggregate": func(t *testing.T, last eventlog.Record) []byte {
			other := next(last)
			other.Id = "somebody-else"
			return signed(t, other, trusted)
		},
		"genuine commit once more": func(_ *testing.T, last eventlog.Record) []byte { return last.Stored },
		"rubbish":                  func(*testing.T, eventlog.Record) []byte { return []byte("rubbish") },
		"nothing":                  func(*testing.T, eventlog.Record) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t)
			conn := natstest.Connect(t, s.URL())
			c := config(t, conn, trusted)
			c.Writers = map[string]eventlog.Role{public(t, trusted): eventlog.RoleHub, public(t, notifier): eventlog.RoleNotifier}
			l := open(t, c)
			for i := range 3 {
				mustUpdate(t, l, "p", fmt.Sprintf("c%d", i), uint64(i+1))
			}
			records, err := l.History(t.Context(), events.KindSubscriber, "p")
			if err != nil {
				t.Fatal(err)
			}
			inject(t, conn, events.LogSubject(events.KindSubscriber, "p"), forge(t, records[2]))
			wantNothingServed(t, l)
			c.Marks = t.TempDir()
			wantNothingServed(t, open(t, c))
		})
	}
}

func wantNothingServed(t *testing.T, l *eventlog.Log) {
	t.Helper()
	decided := false
	_, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "new"}, func(h eventlog.Head) ([]*events.Event, error) {
		decided = h.Revision != 3 // it may decide on the head from before the forgery: the server refuses
		return []*events.Event{revoked(3), issued(9)}, nil
	})
	if !errors.Is(err, eventlog.ErrForged) && !errors.Is(err, events.ErrMalformed) {
		t.Errorf("update after a forgery: %v", err)
	}
	if decided {
		t.Error("something was decided on a forged head")
	}
	if _, err := l.Load(t.Context(), events.KindSubscriber, "p"); !errors.Is(err, eventlog.ErrForged) && !errors.Is(err, events.ErrMalformed) {
		t.Errorf("load after a forgery: %v", err)
	}
	if _, err := l.History(t.Context(), events.KindSubscriber, "p"); err == nil {
		t.Error("the history was given with a forgery in it")
	}
	if _, err := l.Update(t.Context(), events.KindSubscriber, "other", eventlog.Envelope{CommandID: "other" + fmt.Sprint(time.Now().UnixNano())}, reissue(1)); err != nil {
		t.Errorf("others suffer from a forgery: %v", err)
	}
}

func next(last eventlog.Record) *events.Commit {
	c := proto.Clone(last.Commit).(*events.Commit)
	c.Revision++
	c.PreviousHash = events.Hash(last.Stored)
	c.CommandId = "forged"
	return c
}

func signed(t *testing.T, c *events.Commit, key nkeys.KeyPair) []byte {
	t.Helper()
	s, err := events.Sign(c, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return encoded(t, s)
}

// stored signs input instead of the commit; input nil leaves 64 zero bytes as the signature.
func stored(t *testing.T, c *events.Commit, state []byte, key nkeys.KeyPair, input []byte) []byte {
	t.Helper()
	signature := make([]byte, 64)
	if input != nil {
		var err error
		if signature, err = key.Sign(input); err != nil {
			t.Fatal(err)
		}
	}
	return encoded(t, &events.Stored{Commit: encoded(t, c), Writer: public(t, key), Signature: signature, State: state})
}

func encoded(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := events.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func inject(t *testing.T, conn *nats.Conn, subject string, data []byte) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), subject, data); err != nil {
		t.Fatal(err)
	}
}
