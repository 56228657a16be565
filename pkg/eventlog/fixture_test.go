package eventlog_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// toy is a state with the most important rule: at most one live certificate.
type toy struct {
	Live     uint64
	Issued   int
	Revision uint64
	Commands []toyCommand
}

type toyCommand struct {
	Digest   []byte
	Revision uint64
}

const remembered = 16

func digest(command string) []byte {
	sum := sha256.Sum256([]byte(command))
	return sum[:12]
}

var errTwoLive = errors.New("two live certificates")

func readToy(state []byte) (toy, error) {
	var s toy
	if len(state) == 0 {
		return s, nil
	}
	return s, json.Unmarshal(state, &s)
}

func applyToy(state []byte, c *events.Commit) ([]byte, error) {
	s, err := readToy(state)
	if err != nil {
		return nil, err
	}
	for _, e := range c.GetEvents() {
		switch body := e.GetBody().(type) {
		case *events.Event_CertificateIssued:
			if s.Live != 0 {
				return nil, errTwoLive
			}
			s.Live = body.CertificateIssued.GetSerial()
			s.Issued++
		case *events.Event_CertificateRevoked:
			s.Live = 0
		}
	}
	s.Revision = c.GetRevision()
	s.Commands = append(s.Commands, toyCommand{digest(c.GetCommandId()), c.GetRevision()})
	s.Commands = s.Commands[max(0, len(s.Commands)-remembered):]
	return json.Marshal(s)
}

func toyFold(version uint32) eventlog.Fold {
	return eventlog.Fold{Version: version, Apply: applyToy, Remembered: func(state []byte, command string) (uint64, bool) {
		s, err := readToy(state)
		i := slices.IndexFunc(s.Commands, func(c toyCommand) bool { return slices.Equal(c.Digest, digest(command)) })
		if err != nil || i < 0 {
			return 0, false
		}
		return s.Commands[i].Revision, true
	}}
}

func toyFolds(version uint32) map[string]eventlog.Fold {
	return map[string]eventlog.Fold{
		events.KindSubscriber: toyFold(version), events.KindAuthority: toyFold(version), events.KindAccess: toyFold(version),
	}
}

func issued(serial uint64) *events.Event {
	return events.New(&events.CertificateIssued{Serial: serial}, "toy.issue")
}

func revoked(serial uint64) *events.Event {
	return events.New(&events.CertificateRevoked{Serial: serial}, "toy.revoke")
}

// reissue ends the live certificate, if there is one, and issues the next.
func reissue(serial uint64) func(eventlog.Head) ([]*events.Event, error) {
	return func(h eventlog.Head) ([]*events.Event, error) {
		s, err := readToy(h.State)
		if err != nil {
			return nil, err
		}
		if s.Live != 0 {
			return []*events.Event{revoked(s.Live), issued(serial)}, nil
		}
		return []*events.Event{issued(serial)}, nil
	}
}

// say returns something that may be said about a kind of aggregate.
func say(kind string, serial uint64) func(eventlog.Head) ([]*events.Event, error) {
	switch kind {
	case events.KindAccess:
		return func(eventlog.Head) ([]*events.Event, error) {
			return []*events.Event{events.New(&events.RecordOpened{})}, nil
		}
	case events.KindAuthority:
		return func(eventlog.Head) ([]*events.Event, error) {
			return []*events.Event{events.New(&events.CrlPublished{Number: serial})}, nil
		}
	}
	return reissue(serial)
}

func newKey(t testing.TB) nkeys.KeyPair {
	t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(t testing.TB, key nkeys.KeyPair) string {
	t.Helper()
	p, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// config returns a log with one writer of its own that is trusted with everything.
func config(t testing.TB, conn *nats.Conn, key nkeys.KeyPair) eventlog.Config {
	return eventlog.Config{
		Conn: conn, Writer: key, Writers: map[string]eventlog.Role{public(t, key): eventlog.RoleHub},
		Folds: toyFolds(1), Marks: t.TempDir(), Logger: natstest.Quiet(),
	}
}

func open(t testing.TB, c eventlog.Config) *eventlog.Log {
	t.Helper()
	l, err := eventlog.Open(t.Context(), c)
	if err != nil {
		t.Fatalf("opening the log: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("closing the log: %v", err)
		}
	})
	return l
}

func mustUpdate(t testing.TB, l *eventlog.Log, id, command string, serial uint64) eventlog.Outcome {
	t.Helper()
	outcome, err := l.Update(t.Context(), events.KindSubscriber, id, eventlog.Envelope{CommandID: command}, reissue(serial))
	if err != nil {
		t.Fatalf("update of %s by %s: %v", id, command, err)
	}
	return outcome
}

// wantWhole checks every aggregate's history, and that exactly the expected commands are in the log, once each.
func wantWhole(t testing.TB, l *eventlog.Log, ids []string, commands int) {
	t.Helper()
	seen := make(map[string]string)
	for _, id := range ids {
		records, err := l.History(context.Background(), events.KindSubscriber, id)
		if err != nil {
			t.Fatalf("history of %s: %v", id, err)
		}
		var state []byte
		for i, r := range records {
			if state, err = applyToy(state, r.Commit); err != nil {
				t.Fatalf("%s revision %d: %v", id, i+1, err)
			}
			if other, ok := seen[r.Commit.GetCommandId()]; ok {
				t.Fatalf("command %s is stored twice: %s and %s", r.Commit.GetCommandId(), other, id)
			}
			seen[r.Commit.GetCommandId()] = id
		}
		if head, err := l.Load(context.Background(), events.KindSubscriber, id); err != nil || string(head.State) != string(state) {
			t.Fatalf("%s: carried state %s, folded %s (%v)", id, head.State, state, err)
		}
	}
	if len(seen) != commands {
		t.Fatalf("%d commands are stored, %d were acknowledged", len(seen), commands)
	}
}

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("person-%d", i)
	}
	return list
}

// count waits until n records are in the log, and fails when there are more.
func count(t testing.TB, l *eventlog.Log, want uint64) {
	t.Helper()
	var got uint64
	natstest.Wait(t, 20*time.Second, fmt.Sprintf("%d records", want), func() bool {
		ends, err := l.LastSequences(context.Background())
		got = 0
		for _, end := range ends {
			got += end
		}
		return err == nil && got >= want
	})
	if got != want {
		t.Fatalf("%d records in the log, want %d", got, want)
	}
}
