package eventlog_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// bodies returns an empty event of every kind.
func bodies() []*events.Event {
	fields := (*events.Event)(nil).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	var all []*events.Event
	for i := range fields.Len() {
		e := &events.Event{}
		e.ProtoReflect().Set(fields.Get(i), protoreflect.ValueOfMessage(e.ProtoReflect().NewField(fields.Get(i)).Message()))
		all = append(all, e)
	}
	return all
}

// kindOf returns the kind of aggregate that an event is about.
func kindOf(e *events.Event) string {
	for _, role := range eventlog.Roles() {
		if kind := role.Writable()[events.Name(e)]; kind != "" {
			return kind
		}
	}
	return events.KindAuthority
}

// plainFold has no rules.
var plainFold = eventlog.Fold{
	Version:    1,
	Apply:      func([]byte, *events.Commit) ([]byte, error) { return []byte("{}"), nil },
	Remembered: func([]byte, string) (uint64, bool) { return 0, false },
}

// TestEveryEventHasItsWriters: an event that is in no row could be written by nobody, and one that names a role wrongly
// by the wrong ones.
func TestEveryEventHasItsWriters(t *testing.T) {
	retired := []string{"BlockLeased"}
	for _, e := range bodies() {
		name := events.Name(e)
		var writers []eventlog.Role
		for _, role := range eventlog.Roles() {
			if role != eventlog.RoleHub && role != eventlog.RoleSimulator && role.Writable()[name] != "" {
				writers = append(writers, role)
			}
		}
		if len(writers) == 0 && !slices.Contains(retired, name) {
			t.Errorf("nobody may write %s", name)
		}
	}
	for _, c := range []struct {
		event string
		only  eventlog.Role
	}{
		{"IssueAuthorized", eventlog.RoleRA},
		{"CertificateIssued", eventlog.RoleIssuer},
		{"NoticeSent", eventlog.RoleNotifier},
		{"KeyDestroyed", eventlog.RoleEraser},
		{"CounterEnrolled", eventlog.RoleOperator},
		{"FeedReaderEnrolled", eventlog.RoleOperator},
		{"FeedReaderRetired", eventlog.RoleOperator},
		{"WriterEnrolled", eventlog.RoleRoot},
		{"WriterRetired", eventlog.RoleRoot},
	} {
		for _, role := range eventlog.Roles() {
			may := role.Writable()[c.event] != ""
			past := role == eventlog.RoleHub || role == eventlog.RoleSimulator
			if may && role != c.only && !past {
				t.Errorf("%s may write %s", role, c.event)
			}
		}
	}
}

// TestAKeyIsWorthItsRow tries each role on each event: what is not in its row is refused to its writer and, forged past
// it, believed by nobody.
func TestAKeyIsWorthItsRow(t *testing.T) {
	for _, role := range eventlog.Roles() {
		t.Run(string(role), func(t *testing.T) {
			conn, key := natstest.Connect(t, natstest.Start(t).URL()), newKey(t)
			c := config(t, conn, key)
			c.Writers = map[string]eventlog.Role{public(t, key): role}
			c.Folds = map[string]eventlog.Fold{}
			for _, kind := range events.Kinds {
				c.Folds[kind] = plainFold
			}
			l := open(t, c)
			for _, e := range bodies() {
				for _, kind := range []string{kindOf(e), events.KindAccess} {
					id := rand.Text()
					allowed := role.Writable()[events.Name(e)] == kind
					switch {
					case role == eventlog.RoleRoot && allowed:
						id = events.AuthorityWriters
					case role == eventlog.RoleEraser && kind == events.KindAuthority && allowed:
						id = events.AuthorityLog
					case role == eventlog.RoleOperator && kind == events.KindApproval && allowed:
						id = events.OrdersPrefix + id
					}
					_, err := l.Update(t.Context(), kind, id, eventlog.Envelope{CommandID: rand.Text()}, func(eventlog.Head) ([]*events.Event, error) {
						return []*events.Event{e}, nil
					})
					if allowed != (err == nil) || !allowed && !errors.Is(err, eventlog.ErrConfig) {
						t.Fatalf("%s about %s: %v", events.Name(e), kind, err)
					}
					if allowed {
						continue
					}
					commit := &events.Commit{Kind: kind, Id: id, Revision: 1, Schema: 1, CommandId: "c", Events: []*events.Event{e}}
					inject(t, conn, events.LogSubject(kind, id), signed(t, commit, key))
					if _, err := l.Load(t.Context(), kind, id); !errors.Is(err, eventlog.ErrForged) {
						t.Fatalf("%s about %s, forged: %v", events.Name(e), kind, err)
					}
				}
			}
		})
	}
}

// TestAFollowerParksWhatItMayNotDecide: what a role may not write it never may, so the aggregate is parked, and the others
// go on.
func TestAFollowerParksWhatItMayNotDecide(t *testing.T) {
	conn, key, notifier := natstest.Connect(t, natstest.Start(t).URL()), newKey(t), newKey(t)
	c := config(t, conn, key)
	c.Writers[public(t, notifier)] = eventlog.RoleNotifier
	l := open(t, c)
	as, err := l.As(notifier)
	if err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, l, "a", "first", 1)
	mustUpdate(t, l, "b", "second", 2)
	parked, handled := make(chan string, 2), make(chan string, 2)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- l.Follow(ctx, eventlog.Follower{
			Name: "notifier", Parked: func(r eventlog.Record, _ error) { parked <- r.ID },
			Handle: func(ctx context.Context, records []eventlog.Record) error {
				for _, r := range records {
					if r.ID == "a" {
						_, err := as.Update(ctx, events.KindSubscriber, "a", eventlog.Envelope{CommandID: "third"}, reissue(3))
						return err
					}
					handled <- r.ID
				}
				return nil
			},
		})
	}()
	for _, told := range []chan string{parked, handled} {
		select {
		case <-told:
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(30 * time.Second):
			t.Fatal("nothing was parked, or the other was not handled")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if skipped := l.Skipped()["notifier"]; len(skipped) != 1 || !strings.HasPrefix(skipped[0], "subscriber/a (") {
		t.Errorf("it skips %q", skipped)
	}
}
