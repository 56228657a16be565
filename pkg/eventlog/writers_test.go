package eventlog_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// enrol writes as the root.
func enrol(t *testing.T, l *eventlog.Log, root nkeys.KeyPair, command string, bodies ...events.Body) {
	t.Helper()
	as, err := l.As(root)
	if err != nil {
		t.Fatal(err)
	}
	_, err = as.Update(t.Context(), events.KindAuthority, events.AuthorityWriters, eventlog.Envelope{CommandID: command},
		func(eventlog.Head) (list []*events.Event, err error) {
			for _, body := range bodies {
				list = append(list, events.New(body))
			}
			return list, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.LearnWriters(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestAWriterFromEnrolmentToRetirement: nobody believes a key before it is enrolled, everybody what it wrote before it
// was retired, and nobody what it writes after that.
func TestAWriterFromEnrolmentToRetirement(t *testing.T) {
	s := natstest.Start(t)
	conn := natstest.Connect(t, s.URL())
	root, key := newKey(t), newKey(t)
	c := config(t, conn, root)
	c.Writer, c.Writers = nil, map[string]eventlog.Role{public(t, root): eventlog.RoleRoot}
	l := open(t, c)
	if _, err := l.As(key); !errors.Is(err, eventlog.ErrConfig) {
		t.Errorf("an unknown key opened the log: %v", err)
	}
	enrol(t, l, root, "enrol", &events.WriterEnrolled{PublicKey: public(t, key), Role: "issuer"},
		&events.WriterEnrolled{PublicKey: public(t, newKey(t)), Role: "a role of next year"})
	issuer, err := l.As(key)
	if err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, issuer, "p", "c1", 1)
	last, err := l.LastTime(t.Context())
	check(t, err)
	enrol(t, l, root, "retire", &events.WriterRetired{PublicKey: public(t, key), UntilMs: last.Add(time.Millisecond).UnixMilli()})
	enrol(t, l, root, "once more", &events.WriterEnrolled{PublicKey: public(t, key), Role: "issuer"})

	c.Marks = t.TempDir()
	other := open(t, c)
	for _, reader := range []*eventlog.Log{l, other} {
		if head, err := reader.Load(t.Context(), events.KindSubscriber, "p"); err != nil || head.Revision != 1 {
			t.Errorf("what was written before the retirement: %+v, %v", head, err)
		}
		if _, err := reader.As(key); !errors.Is(err, eventlog.ErrConfig) {
			t.Errorf("a retired key opened the log: %v", err)
		}
	}
	if _, err := issuer.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "late"}, reissue(2)); !errors.Is(err, eventlog.ErrConfig) {
		t.Errorf("a retired writer wrote: %v", err)
	}
	history, err := l.History(t.Context(), events.KindSubscriber, "p")
	if err != nil {
		t.Fatal(err)
	}
	inject(t, conn, events.LogSubject(events.KindSubscriber, "p"), signed(t, next(history[0]), key))
	for _, reader := range []*eventlog.Log{l, other} {
		if _, err := reader.Load(t.Context(), events.KindSubscriber, "p"); !errors.Is(err, eventlog.ErrForged) {
			t.Errorf("what was written after the retirement: %v", err)
		}
	}
}

// TestAnOfficersKeySpeaksForThatOfficer: whatever it signs under another name is not written and, forged, not believed.
func TestAnOfficersKeySpeaksForThatOfficer(t *testing.T) {
	conn := natstest.Connect(t, natstest.Start(t).URL())
	root, key := newKey(t), newKey(t)
	c := config(t, conn, root)
	c.Writer, c.Writers = nil, map[string]eventlog.Role{public(t, root): eventlog.RoleRoot}
	l := open(t, c)
	c.Marks = t.TempDir()
	before, all := open(t, c), new(collector) // whoever was there before the enrolment hears of it by what it reads
	stop := follow(t, before, eventlog.Follower{Name: "notifier", Kinds: []string{events.KindSubscriber}, Handle: all.handle})
	enrol(t, l, root, "enrol", &events.WriterEnrolled{PublicKey: public(t, key), Role: "issuer", Holder: "0042"})
	officer, err := l.As(key)
	check(t, err)
	by := func(kind events.ActorKind, id string) *events.Actor { return &events.Actor{Kind: kind, Id: id} }
	others := []*events.Actor{
		nil,
		{},
		by(events.ActorKind_ACTOR_KIND_OPERATOR, "0043"), by(events.ActorKind_ACTOR_KIND_OPERATOR, "hub"),
		by(events.ActorKind_ACTOR_KIND_SERVICE, "0042"),
	}
	for _, other := range others {
		env := eventlog.Envelope{CommandID: "as " + other.GetId(), Actor: other}
		if _, err := officer.Update(t.Context(), events.KindSubscriber, "p", env, reissue(1)); !errors.Is(err, eventlog.ErrConfig) {
			t.Errorf("as %v: %v", other, err)
		}
	}
	itself := by(events.ActorKind_ACTOR_KIND_OPERATOR, "0042")
	_, err = officer.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "itself", Actor: itself}, reissue(1))
	check(t, err)
	natstest.Wait(t, 10*time.Second, "the commit of a key that is new", func() bool { return all.len() == 1 })
	check(t, stop())
	if head, err := before.Load(t.Context(), events.KindSubscriber, "p"); err != nil || head.Revision != 1 {
		t.Errorf("loaded %+v, %v", head, err)
	}
	history, err := l.History(t.Context(), events.KindSubscriber, "p")
	check(t, err)
	forged := next(history[0])
	forged.Actor = others[2]
	inject(t, conn, events.LogSubject(events.KindSubscriber, "p"), signed(t, forged, key))
	c.Marks = t.TempDir()
	for _, reader := range []*eventlog.Log{l, open(t, c)} {
		if _, err := reader.Load(t.Context(), events.KindSubscriber, "p"); !errors.Is(err, eventlog.ErrForged) {
			t.Errorf("a forged act of another is read: %v", err)
		}
	}
}

// TestTheListOfWritersIsKeptBesideTheMarks: those who look at a log without a server know whom to believe.
func TestTheListOfWritersIsKeptBesideTheMarks(t *testing.T) {
	s := natstest.Start(t)
	root, key := newKey(t), newKey(t)
	anchors := map[string]eventlog.Role{public(t, root): eventlog.RoleRoot}
	c := config(t, natstest.Connect(t, s.URL()), root)
	c.Writer, c.Writers = nil, anchors
	l := open(t, c)
	enrol(t, l, root, "enrol", &events.WriterEnrolled{PublicKey: public(t, key), Role: "issuer"})
	known, err := eventlog.Enrolled(c.Marks, anchors)
	if err != nil || known[public(t, key)] != eventlog.RoleIssuer || len(known) != 2 {
		t.Errorf("known are %v, %v", known, err)
	}
	if _, err := eventlog.Enrolled(c.Marks, map[string]eventlog.Role{public(t, newKey(t)): eventlog.RoleRoot}); !errors.Is(err, eventlog.ErrForged) {
		t.Errorf("the list of another root is believed: %v", err)
	}
	if known, err := eventlog.Enrolled(t.TempDir(), anchors); err != nil || len(known) != 1 {
		t.Errorf("without a list: %v, %v", known, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// Another log has taken the place of the one that enrolled: its marks were lost, the list was not.
	if err := os.Remove(filepath.Join(c.Marks, l.Streams()[0]+".mark")); err != nil {
		t.Fatal(err)
	}
	c.Conn = natstest.Connect(t, natstest.Start(t).URL())
	if _, err := eventlog.Open(t.Context(), c); !errors.Is(err, eventlog.ErrDamaged) {
		t.Errorf("a log that lost an enrolment is opened: %v", err)
	}
}
