package notifier_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/natstest"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
	"shomei/services/notifier"
	"shomei/services/servicetest"
)

const (
	limit = 20 * time.Second
	desk  = "print-desk@print.example"
)

func taking(string, int) error { return nil }

// world is a centre whose log owes some people the notice of their renewal window.
type world struct {
	*servicetest.World
	desk  *servicetest.Desk
	lives []*servicetest.Life
}

func owing(t *testing.T, codes ...string) *world {
	t.Helper()
	w := &world{World: servicetest.New(t, "2020-01-15 10:00")}
	w.desk = w.Enrol(servicetest.Office, "c1", "counter")
	for _, code := range codes {
		w.lives = append(w.lives, w.desk.Hold(code))
	}
	if len(w.lives) > 0 {
		w.Clock.Set(w.State(w.lives[0].Subscriber).Certificates[0].WindowOpens + " 03:00")
	}
	for _, l := range w.lives {
		w.tick(l.Subscriber)
	}
	return w
}

// tick records what is due for a subscriber today.
func (w *world) tick(subscriber string) {
	w.T.Helper()
	env := eventlog.Envelope{CommandID: uuid.NewString(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "expiry"}}
	_, err := w.Log.Update(w.T.Context(), events.KindSubscriber, subscriber, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.Decide(state, lifecycle.Tick{}, h.Now)
	})
	servicetest.Check(w.T, err)
}

func (w *world) config(s *mailServer) notifier.Config {
	return notifier.Config{
		Log: w.As(eventlog.RoleNotifier), Directory: w.Directory, Vault: w.Vault, Mailer: s.mailer(), From: "no-reply@shomei.example", PrintDesk: desk,
		Clock: w.Clock.Now, Logger: w.Logger(), Retry: 20 * time.Millisecond, Switches: regime.Switches{LetterDays: 20},
	}
}

// run runs a notifier until the returned function is called.
func (w *world) run(t *testing.T, s *mailServer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	n, err := notifier.New(w.config(s))
	servicetest.Check(t, err)
	go func() { done <- n.Run(ctx) }()
	return func() { t.Helper(); cancel(); servicetest.Check(t, <-done) }
}

// outcomes returns the outcomes of notices in a history.
func (w *world) outcomes(l *servicetest.Life) []string {
	var list []string
	for _, r := range w.History(events.KindSubscriber, l.Subscriber) {
		for _, e := range r.Commit.Events {
			switch b := events.BodyOf(e).(type) {
			case *events.NoticeSent:
				list = append(list, "sent "+b.Medium)
			case *events.NoticeFailed:
				list = append(list, "failed "+b.Code)
			case *events.NoticeSuppressed:
				list = append(list, "suppressed "+b.Reason)
			}
		}
	}
	return list
}

func (w *world) await(t *testing.T, l *servicetest.Life) []string {
	t.Helper()
	natstest.Wait(t, limit, "the outcome of a notice", func() bool { return len(w.State(l.Subscriber).Notices) == 0 })
	return w.outcomes(l)
}

func mailOf(code string) string { return "resident-" + code + "@mail.example" }

// TestWhatTheServerSays: each answer of a mail server, and the one outcome it leads to.
func TestWhatTheServerSays(t *testing.T) {
	put := func(err error, times int) func(string, int) error {
		return func(_ string, try int) error {
			if try <= times {
				return err
			}
			return nil
		}
	}
	for name, row := range map[string]struct {
		answer      func(string, int) error
		want        string
		mails, most int // accepted by the server, and the most tries it may see
	}{
		"accepted":                            {taking, "sent mail", 1, 1},
		"put off twice, then accepted":        {put(again, 2), "sent mail", 1, 3},
		"put off for ever":                    {put(again, 1000), "failed 4.2.0", 0, 5},
		"put off for ever without a dot":      {put(bare, 1000), "failed 4", 0, 5},
		"no such user":                        {put(nobody, 1000), "failed 5.1.1", 0, 1},
		"cut behind the mail":                 {put(errCut, 1), "sent mail", 2, 2},
		"no room for anybody, later there is": {put(full, 8), "sent mail", 1, 9},
	} {
		t.Run(name, func(t *testing.T) {
			w := owing(t, "100")
			s := listen(t, row.answer)
			stop := w.run(t, s)
			got := w.await(t, w.lives[0])
			stop()
			stop = w.run(t, s) // a restart, and the position lost: nothing is written twice
			stop()
			w.Forget("notifier")
			w.run(t, s)()
			if len(got) != 1 || !strings.HasPrefix(got[0], row.want) || len(w.outcomes(w.lives[0])) != 1 {
				t.Errorf("outcomes %q, then %q, want one: %s", got, w.outcomes(w.lives[0]), row.want)
			}
			mails := s.of(mailOf("100"))
			if len(mails) != row.mails || s.tried(mailOf("100")) > row.most {
				t.Errorf("the server has %d mails after %d tries, want %d after at most %d",
					len(mails), s.tried(mailOf("100")), row.mails, row.most)
			}
			ids := make(map[string]bool)
			for _, m := range mails {
				ids[m.id] = true
			}
			if len(ids) > 1 {
				t.Errorf("one notice went out under %d Message-IDs", len(ids))
			}
			if strings.Contains(w.Logged.Text(), "試験") {
				t.Error("a log line names the recipient")
			}
		})
	}
}

// TestARefusedRecipientHoldsUpNobody: the first of many people is deferred for ever; the others get their mail after no
// more than its tries.
func TestARefusedRecipientHoldsUpNobody(t *testing.T) {
	var codes []string
	for i := range 8 {
		codes = append(codes, fmt.Sprint(100+i))
	}
	w := owing(t, codes...)
	s := listen(t, func(to string, _ int) error {
		if to == mailOf("100") {
			return again
		}
		return nil
	})
	stop := w.run(t, s)
	if got := w.await(t, w.lives[0]); len(got) != 1 || got[0] != "failed 4.2.0" {
		t.Errorf("the refused one: %q", got)
	}
	for _, l := range w.lives[1:] {
		if got := w.await(t, l); len(got) != 1 || got[0] != "sent mail" {
			t.Errorf("another has %q", got)
		}
	}
	stop()
	if n := s.tried(mailOf("100")); n != 5 {
		t.Errorf("the refused one was tried %d times, want 5", n)
	}
}

// TestMailServerUnavailable: everything waits, nothing is lost, and what is no longer owed when it returns is not sent.
func TestMailServerUnavailable(t *testing.T) {
	w := owing(t, "100", "101")
	s := listen(t, taking)
	s.stop()
	stop := w.run(t, s)
	w.Logged.Await(t, "could not send a mail, retrying")
	w.desk.Apply(events.Operation_OPERATION_REVOKE, "101", w.lives[1].Card)
	if got := w.outcomes(w.lives[0]); len(got) != 0 {
		t.Errorf("while the server is away: %q", got)
	}
	s.start()
	if got := w.await(t, w.lives[0]); !slices.Equal(got, []string{"sent mail"}) {
		t.Errorf("when the server is back: %q", got)
	}
	natstest.Wait(t, limit, "the end of the other's notices", func() bool { return len(w.State(w.lives[1].Subscriber).Notices) == 0 })
	got, sent := w.outcomes(w.lives[1]), 0
	for _, o := range got {
		if o == "sent mail" {
			sent++
		}
	}
	if len(got) == sent || len(s.of(mailOf("101"))) != sent {
		t.Errorf("of a revoked certificate: %q and %d mails, want the reminder suppressed", got, len(s.of(mailOf("101"))))
	}
	if n := len(w.outcomes(w.lives[1])); n != w.Count(w.lives[1].Subscriber, "NoticeDue") {
		t.Errorf("%d outcomes of %d notices: %v", n, w.Count(w.lives[1].Subscriber, "NoticeDue"), w.Events(w.lives[1].Subscriber))
	}
	stop()
}

func TestNoAddressOrErasedAddress(t *testing.T) {
	w := owing(t)
	silent := servicetest.Resident("100")
	silent.Contact = nil
	l := w.desk.Apply(events.Operation_OPERATION_ISSUE, "101", "card-101").Finish()
	c := w.desk.Claim("p1", "", servicetest.Applied(events.Operation_OPERATION_ISSUE, "card-100"), silent)
	w.desk.Decide(c)
	quiet := (&servicetest.Life{Desk: w.desk, Code: "100", Subscriber: w.Subscriber("100"), Procedure: "p1", Card: "card-100"}).Finish()
	servicetest.Check(t, w.Vault.Erase(l.Subscriber, vault.Contact))
	w.Clock.Set(w.State(l.Subscriber).Certificates[0].WindowOpens + " 03:00")
	s := listen(t, taking)
	stop := w.run(t, s)
	for _, l := range []*servicetest.Life{l, quiet} {
		w.tick(l.Subscriber)
		if got := w.await(t, l); !slices.Equal(got, []string{"suppressed no-contact"}) {
			t.Errorf("%s: %q", l.Code, got)
		}
	}
	stop()
	if n := len(s.of(mailOf("100"))) + len(s.of(mailOf("101"))); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
}

// TestLettersGoToThePrintDesk: once each; a desk that refuses them parks one subscriber and no other.
func TestLettersGoToThePrintDesk(t *testing.T) {
	w := owing(t, "200")
	apply := func(code string) string {
		c := w.desk.Claim("p-"+code, "", func(c *events.Claim) {
			servicetest.Applied(events.Operation_OPERATION_ISSUE, "card-"+code)(c)
			c.GetApplicationReceived().Documents = []string{"application-form", "card", "other-id"}
		}, servicetest.Resident(code))
		w.desk.Decide(c)
		return w.Subscriber(code)
	}
	id := apply("100")
	if w.Count(id, "InquiryLetterDue") != 1 {
		t.Fatalf("without photo ID: %v", w.Events(id))
	}
	s := listen(t, func(to string, try int) error {
		if to == desk && try == 1 {
			return nobody
		}
		return nil
	})
	stop := w.run(t, s)
	w.Logged.Await(t, "print desk refuses")
	w.await(t, w.lives[0])
	stop()
	if w.Count(id, "InquiryLetterMailed") != 0 {
		t.Fatalf("a refused letter counts as posted: %v", w.Events(id))
	}
	for range 2 {
		stop = w.run(t, s) // started again, with the desk's address corrected
		natstest.Wait(t, limit, "the letter", func() bool { return w.Count(id, "InquiryLetterMailed") == 1 })
		stop()
	}
	if n := len(s.of(desk)); n != 1 {
		t.Errorf("%d letters went to the print desk, want one", n)
	}
	until := civil.Of(w.Clock.Now()).AddDays(20).Wareki()
	if text := decoded(t, s.of(desk)[0].body); !strings.Contains(text, "回答期限    "+until) {
		t.Errorf("the letter does not say that its answer lapses after %s:\n%s", until, text)
	}
}

// decoded is the text of a mail.
func decoded(t *testing.T, mail string) string {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(mail))
	servicetest.Check(t, err)
	text, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
	servicetest.Check(t, err)
	return string(text)
}

func TestASenderThatIsNoAddressIsRefusedAtTheStart(t *testing.T) {
	w := owing(t, "100")
	config := w.config(listen(t, taking))
	config.From = "nobody"
	if _, err := notifier.New(config); err == nil || !strings.Contains(err.Error(), "sender") {
		t.Errorf("with a wrong sender: %v", err)
	}
	if got := w.outcomes(w.lives[0]); len(got) != 0 {
		t.Errorf("a wrong sender of ours became the fault of a recipient: %q", got)
	}
}
