package eventlog_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// sealedBy signs a commit with a state of the signer's choice.
func sealedBy(t *testing.T, commit *events.Commit, version uint32, state string, key nkeys.KeyPair) []byte {
	t.Helper()
	framed := encoded(t, &events.StateBytes{Version: version, State: []byte(state)})
	signature, err := key.Sign(events.SigningInput(encoded(t, commit), framed))
	if err != nil {
		t.Fatal(err)
	}
	return encoded(t, &events.Stored{Commit: encoded(t, commit), State: framed, Writer: public(t, key), Signature: signature})
}

// rooted opens a log with a root and one enrolled writer.
func rooted(t *testing.T, conn *nats.Conn, role eventlog.Role) (c eventlog.Config, l *eventlog.Log, writer nkeys.KeyPair) {
	t.Helper()
	root, writer := newKey(t), newKey(t)
	c = config(t, conn, root)
	c.Writer, c.Writers = nil, map[string]eventlog.Role{public(t, root): eventlog.RoleRoot}
	l = open(t, c)
	enrol(t, l, root, "enrol", &events.WriterEnrolled{PublicKey: public(t, writer), Role: string(role)})
	return c, l, writer
}

// TestNobodyButTheRootReachesTheListOfWriters: whatever comes on its subject, those who have a copy go on with that.
func TestNobodyButTheRootReachesTheListOfWriters(t *testing.T) {
	for how, forge := range map[string]func(t *testing.T, last *events.Commit, cards nkeys.KeyPair) []byte{
		"an event within the row of its signer": func(t *testing.T, last *events.Commit, cards nkeys.KeyPair) []byte {
			return sealedBy(t, last, 1, "{}", cards)
		},
		"an unknown event by nobody": func(t *testing.T, last *events.Commit, _ nkeys.KeyPair) []byte {
			last.Events = []*events.Event{{RecordedMs: 1}}
			return sealedBy(t, last, 1, "{}", newKey(t))
		},
		"garbage": func(*testing.T, *events.Commit, nkeys.KeyPair) []byte { return []byte("garbage") },
	} {
		t.Run(how, func(t *testing.T) {
			conn := natstest.Connect(t, natstest.Start(t).URL())
			c, l, cards := rooted(t, conn, eventlog.RoleCards)
			history, err := l.History(t.Context(), events.KindAuthority, events.AuthorityWriters)
			if err != nil {
				t.Fatal(err)
			}
			commit := next(history[len(history)-1])
			commit.Events = []*events.Event{events.New(&events.CardKeyMade{Version: 1})}
			inject(t, conn, events.LogSubject(events.KindAuthority, events.AuthorityWriters), forge(t, commit, cards))
			check(t, l.LearnWriters(t.Context()))
			check(t, l.Close())
			again := open(t, c)
			if _, err := again.As(cards); err != nil {
				t.Errorf("an enrolled writer is not known any more: %v", err)
			}
		})
	}
}

// TestAReaderBesideTheWriterUsesItsCopy: the root's own first commit, stored once more, makes the list unreadable.
func TestAReaderBesideTheWriterUsesItsCopy(t *testing.T) {
	conn := natstest.Connect(t, natstest.Start(t).URL())
	c, l, issuer := rooted(t, conn, eventlog.RoleIssuer)
	as, err := l.As(issuer)
	check(t, err)
	mustUpdate(t, as, "p", "c1", 1)
	history, err := l.History(t.Context(), events.KindAuthority, events.AuthorityWriters)
	check(t, err)
	inject(t, conn, events.LogSubject(events.KindAuthority, events.AuthorityWriters), history[0].Stored)
	c.Marks, c.Writing = "", c.Marks
	if _, err := open(t, c).Load(t.Context(), events.KindSubscriber, "p"); err != nil {
		t.Errorf("an honest commit: %v", err)
	}
}

// TestWhatAKeySaysBesideItsEvents: a commit of a notifier or of the expiry carries a state, times and names as all do; what
// they say there beyond their row is not believed, and stops nobody.
func TestWhatAKeySaysBesideItsEvents(t *testing.T) {
	conn := natstest.Connect(t, natstest.Start(t).URL())
	all, notifier, cards, expiry := newKey(t), newKey(t), newKey(t), newKey(t)
	c := config(t, conn, all)
	c.Writers = map[string]eventlog.Role{
		public(t, all): eventlog.RoleHub, public(t, notifier): eventlog.RoleNotifier, public(t, cards): eventlog.RoleCards, public(t, expiry): eventlog.RoleExpiry,
	}
	for name, row := range map[string]struct {
		key     nkeys.KeyPair
		version uint32
		state   string
		change  func(*events.Commit)
		counter bool // it can't be said at all
	}{
		"a state":                  {notifier, 1, `{"Live":666,"Issued":1,"Revision":2}`, func(*events.Commit) {}, false},
		"a state by expiry":        {expiry, 1, `{"Live":666,"Revision":2}`, func(*events.Commit) {}, false},
		"a state of next year":     {notifier, 99, "{}", func(*events.Commit) {}, false},
		"a time far ahead":         {notifier, 1, "{}", func(c *events.Commit) { c.Events[0].RecordedMs = 3786912000000 }, false},
		"another service's answer": {notifier, 1, "{}", func(c *events.Commit) { c.CommandId = "issue/9" }, false},
		"an answer to a counter":   {notifier, 1, "{}", func(c *events.Commit) { c.Counter = "12237-main-1" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			for where, fresh := range map[string]bool{"in this process": false, "in another": true} {
				c.Marks = t.TempDir()
				l := open(t, c)
				id := public(t, newKey(t))
				mustUpdate(t, l, id, "c"+id, 7)
				history, err := l.History(t.Context(), events.KindSubscriber, id)
				check(t, err)
				commit := next(history[0])
				commit.Events = []*events.Event{events.New(&events.NoticeSuppressed{Notice: "n"})}
				row.change(commit)
				inject(t, conn, events.LogSubject(events.KindSubscriber, id), sealedBy(t, commit, row.version, row.state, row.key))
				if fresh {
					c.Marks = t.TempDir()
					l = open(t, c)
				}
				head, err := l.Load(t.Context(), events.KindSubscriber, id)
				if row.counter {
					if !errors.Is(err, eventlog.ErrForged) {
						t.Errorf("%s: %v", where, err)
					}
					continue
				}
				check(t, err)
				state, err := readToy(head.State)
				if err != nil || state.Live != 7 || head.Revision != 2 || head.Now.After(time.Now().Add(time.Minute)) {
					t.Errorf("%s: %+v at %v, %v", where, state, head.Now, err)
				}
				outcome, err := l.Update(t.Context(), events.KindSubscriber, id, eventlog.Envelope{CommandID: "issue/9"}, reissue(9))
				if err != nil || outcome.Repeated {
					t.Errorf("%s a command of its own: repeated %v, %v", where, outcome.Repeated, err)
				}
			}
		})
	}
	l := open(t, func() eventlog.Config { c.Marks = t.TempDir(); return c }())
	commit := &events.Commit{
		Kind: events.KindAuthority, Id: "sign", Revision: 1, Schema: 1, CommandId: "x", Events: []*events.Event{events.New(&events.CardKeyMade{Version: 1})},
	}
	inject(t, conn, events.LogSubject(events.KindAuthority, "sign"), sealedBy(t, commit, 1, `{"Live":666,"Revision":1}`, cards))
	head, err := l.Load(t.Context(), events.KindAuthority, "sign")
	check(t, err)
	if state, err := readToy(head.State); err != nil || state.Live != 0 {
		t.Errorf("the state of an authority, said by the cards: %+v, %v", state, err)
	}
}

// TestARoleOfANewerProgramStopsNoRepair: it may write nothing here, and its commits stay.
func TestARoleOfANewerProgramStopsNoRepair(t *testing.T) {
	conn := natstest.Connect(t, natstest.Start(t).URL())
	c, l, _ := rooted(t, conn, "a role of next year")
	check(t, l.Close())
	known, err := eventlog.Enrolled(c.Marks, c.Writers)
	check(t, err)
	if _, err := eventlog.Foreign(t.TempDir(), events.KindAuthority, "x", known); err != nil {
		t.Error(err)
	}
}
