package dispatcher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/regime"
	"shomei/services/dispatcher"
	"shomei/services/servicetest"
)

const (
	opIssue = events.Operation_OPERATION_ISSUE
	limit   = 20 * time.Second
	morning = "2020-01-15 10:00"
)

// runner runs a dispatcher and knows how far it has come.
type runner struct {
	w       *servicetest.World
	config  dispatcher.Config
	cancel  context.CancelFunc
	done    chan error
	mu      sync.Mutex
	handled eventlog.Positions
}

func start(t *testing.T, w *servicetest.World, change func(*dispatcher.Config)) *runner {
	t.Helper()
	r := &runner{w: w, done: make(chan error, 1)}
	r.config = dispatcher.Config{
		Log: w.As(eventlog.RoleDispatcher), Links: w.Links, Directory: w.Directory, Vault: w.Vault, Patience: time.Hour, Clock: w.Clock.Now, Logger: w.Logger(),
		Handled: func(at eventlog.Positions) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.handled = at
		},
	}
	if change != nil {
		change(&r.config)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() { r.done <- dispatcher.New(r.config).Run(ctx) }()
	return r
}

// stop ends the dispatcher, which saves its position.
func (r *runner) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	servicetest.Check(t, <-r.done)
}

// settled waits until everything in the log, with its consequences, is handled.
func (r *runner) settled(t *testing.T) {
	t.Helper()
	natstest.Wait(t, limit, "the dispatcher", func() bool {
		ends, err := r.w.Log.LastSequences(t.Context())
		servicetest.Check(t, err)
		saved, err := r.w.Log.Positions(t.Context(), "dispatcher")
		servicetest.Check(t, err)
		r.mu.Lock()
		defer r.mu.Unlock()
		for stream, end := range ends {
			if max(r.handled[stream], saved[stream]) < end {
				return false
			}
		}
		return true
	})
}

// ids returns the ids of messages, sorted.
func ids(told []*events.Downlink) []string {
	var list []string
	for _, d := range told {
		list = append(list, d.Id)
	}
	slices.Sort(list)
	return list
}

// commandLast sorts the answer before the command: they are sent at the same time.
func commandLast(told []*events.Downlink) []*events.Downlink {
	slices.SortStableFunc(told, func(a, b *events.Downlink) int {
		if a.GetAnswer() != nil && b.GetAnswer() == nil {
			return -1
		}
		return 0
	})
	return told
}

func TestEachClaimIsAnsweredAndEachObligationSent(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	r := start(t, w, nil)
	l := d.Apply(opIssue, "100", "card-100")
	r.settled(t)
	told := commandLast(d.Told())
	if len(told) != 2 || told[0].GetAnswer() == nil || told[1].GetGenerateKeys() == nil {
		t.Fatalf("told after the application: %v", told)
	}
	if a := told[0].GetAnswer(); !a.Accepted || len(a.Fee) == 0 || len(a.Planned) != 2 || len(a.RuleIds) == 0 {
		t.Errorf("the answer: %v", a)
	}
	command := told[1]
	if command.Subscriber != l.Subscriber || command.Procedure != l.Procedure || command.GetGenerateKeys().Card != l.Card ||
		command.DeadlineMs-command.IssuedMs != time.Hour.Milliseconds() || !strings.HasPrefix(command.Id, l.Subscriber+"/") {
		t.Errorf("the command: %v", command)
	}
	l.Decide(l.Keys(0))
	servicetest.Check(t, w.Issuer.Settle(t.Context(), l.Subscriber))
	r.settled(t)
	told = commandLast(d.Told())
	write := told[len(told)-1].GetWriteCertificates()
	if len(told) != 2 || len(write.GetCertificates()) != 2 {
		t.Fatalf("told after the keys: %v", ids(told))
	}
	for _, c := range write.Certificates {
		if !slices.Equal(c.Certificate, l.Certificate(c.Serial)) || len(c.IssuerCertificate) == 0 {
			t.Errorf("serial %d is not what was issued", c.Serial)
		}
	}
	l.Decide(l.Written())
	l.Decide(l.HandedOver())
	r.settled(t)
	if told := d.Told(); len(told) != 2 || told[0].GetAnswer() == nil || told[1].GetAnswer() == nil {
		t.Errorf("told at the end: %v", ids(told))
	}
	r.stop(t)
}

// What was sent is not sent again, and what is owed still goes out under its old id.
func TestRestartSendsNothingNew(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	d.Hold("100")
	open := d.Apply(opIssue, "101", "card-101")
	r := start(t, w, nil)
	r.settled(t)
	r.stop(t)
	first := ids(d.Told())
	r = start(t, w, nil)
	r.settled(t)
	r.stop(t)
	if again := d.Told(); len(again) != 0 {
		t.Errorf("told again although the position was saved: %v", ids(again))
	}
	w.Forget("dispatcher") // without a position, everything is sent again under its old ids
	r = start(t, w, nil)
	r.settled(t)
	r.stop(t)
	again := d.Told()
	for _, told := range again {
		if !slices.Contains(first, told.Id) {
			t.Errorf("after the loss of the position something new was told: %s, before %v", told.Id, first)
		}
	}
	if len(again) != len(first) {
		t.Errorf("after the loss of the position %d messages, want the %d of before", len(again), len(first))
	}
	// Another commit of the same procedure, handled by a new process.
	d.Decide(d.Claim(open.Procedure, open.Subscriber, func(c *events.Claim) {
		c.Fact = &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: open.Card}}
	}, nil))
	r = start(t, w, nil)
	r.settled(t)
	r.stop(t)
	for _, again := range d.Told() { // the command is still owed: it has the same id, so counter and stream drop it
		if again.GetAnswer() == nil && !slices.Contains(first, again.Id) {
			t.Errorf("another command for the same obligation: %s, before %v", again.Id, first)
		}
	}
	if n := len(slices.Compact(slices.Clone(first))); n != len(first) {
		t.Errorf("ids told twice: %v", first)
	}
}

// The application was dropped before the dispatcher came to it.
func TestDroppedApplicationGetsNoCommand(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Apply(opIssue, "100", "card-100")
	d.Decide(d.Claim(l.Procedure, l.Subscriber, func(c *events.Claim) {
		c.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: &events.ApplicationDropped{Why: "left"}}
	}, nil))
	d.Hold("101")
	r := start(t, w, nil)
	r.settled(t)
	r.stop(t)
	for _, told := range d.Told() {
		if told.GetAnswer() == nil {
			t.Errorf("a command that is no longer owed: %v", told)
		}
	}
}

func TestQuarantinedClaimsAreAnswered(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	c := d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), servicetest.Resident("100"))
	c.Office = "13101-main"
	d.Decide(c)
	r := start(t, w, nil)
	r.settled(t)
	r.stop(t)
	told := d.Told()
	if len(told) != 1 || told[0].GetAnswer().GetClaim() != c.Id || !slices.Contains(told[0].GetAnswer().GetRefusals(), regime.ClaimQuarantined) {
		t.Errorf("told of a quarantined claim: %v", told)
	}
}

// TestAQuarantinedClaimIsNamedOnceTheVaultCanBeAsked: an answer under another id than the claim's would answer nobody.
func TestAQuarantinedClaimIsNamedOnceTheVaultCanBeAsked(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	c := d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), servicetest.Resident("100"))
	c.Office = "13101-main"
	d.Decide(c)
	w.ServeVault()()
	r := start(t, w, func(c *dispatcher.Config) { c.Vault = w.Keys(eventlog.RoleDispatcher) })
	w.Logged.Await(t, "follower=dispatcher")
	if told := d.Told(); len(told) > 0 {
		t.Errorf("told while the vault is away: %v", told)
	}
	w.ServeVault()
	r.settled(t)
	r.stop(t)
	if told := d.Told(); len(told) != 1 || told[0].GetAnswer().GetClaim() != c.Id {
		t.Errorf("told once it is back: %v", told)
	}
}

// A counter hears that its claim is held, with both times.
func TestHeldClaimsAreAnswered(t *testing.T) {
	w := servicetest.New(t, morning)
	w.RealClock = true
	w.RA = w.NewRA(w.Log)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	c := d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), servicetest.Resident("100"))
	d.Decide(c) // with a settable clock
	r := start(t, w, nil)
	r.settled(t)
	r.stop(t)
	told := d.Told()
	if len(told) != 1 {
		t.Fatalf("told: %v", told)
	}
	a := told[0].GetAnswer()
	if a.GetClaim() != c.Id || a.GetAccepted() || !slices.Contains(a.GetRefusals(), regime.ClaimHeld) || a.GetHeld().GetClockMs() != c.FiledMs {
		t.Errorf("told of a held claim: %v", a)
	}
}

func TestVoidedCardsAreRetiredOnce(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	d.Decide(d.Claim("p9", "", servicetest.Applied(events.Operation_OPERATION_RETURN_CARD, l.Card), servicetest.Resident("100")))
	for range 2 {
		for _, r := range w.History(events.KindSubscriber, l.Subscriber) {
			servicetest.Check(t, dispatcher.RetireCards(t.Context(), w.As(eventlog.RoleDispatcher), r))
		}
	}
	retired := 0
	for _, r := range w.History(events.KindCard, l.Card) {
		for _, e := range r.Commit.Events {
			if e.GetCardRetired() != nil {
				retired++
			}
		}
	}
	if retired != 1 {
		t.Errorf("the returned card was retired %d times: %v", retired, w.Events(l.Subscriber))
	}
	if again := d.Apply(opIssue, "101", l.Card); w.Count(again.Subscriber, "ApplicationRefused") != 1 {
		t.Errorf("somebody else with the returned card: %v", w.Events(again.Subscriber))
	}
}

// Messages to a retired counter are dropped with a warning; its card is retired all the same, and the other counter
// gets its messages.
func TestRetiredCounterDelaysNobody(t *testing.T) {
	w := servicetest.New(t, morning)
	gone, d := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "c2", "counter")
	l := gone.Hold("100")
	gone.Decide(gone.Claim("p9", "", servicetest.Applied(events.Operation_OPERATION_RETURN_CARD, l.Card), servicetest.Resident("100")))
	w.Record(events.KindOffice, servicetest.Office, &events.CounterRetired{Counter: "c1"})
	d.Apply(opIssue, "101", "card-101")
	r := start(t, w, nil)
	r.settled(t)
	r.stop(t)
	if told := gone.Told(); len(told) != 0 {
		t.Errorf("the retired counter was told %v", ids(told))
	}
	if told := d.Told(); len(told) != 2 {
		t.Errorf("the other counter was told %v, want an answer and a command", ids(told))
	}
	w.Logged.Await(t, "no longer enrolled")
	if n := len(w.History(events.KindCard, l.Card)); n != 2 {
		t.Errorf("the returned card has %d commits, want claimed and retired", n)
	}
}

// While nothing can be signed everybody gets their answer, and work that needs no keys goes on.
func TestOnlyKeysWaitForTheIssuer(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	var healthy atomic.Bool
	for _, code := range []string{"100", "101"} {
		d.Apply(opIssue, code, "card-"+code)
	}
	behind := d.Apply(opIssue, "102", "card-102")
	behind.Decide(behind.Keys(0))
	servicetest.Check(t, w.Issuer.Settle(t.Context(), behind.Subscriber))
	r := start(t, w, func(c *dispatcher.Config) {
		c.Ready = func(context.Context) error {
			if healthy.Load() {
				return nil
			}
			return errors.New("the signing device is unavailable")
		}
	})
	w.Logged.Await(t, "the signing device is unavailable")
	var told []*events.Downlink
	natstest.Wait(t, limit, "four answers and the certificates", func() bool { told = append(told, d.Told()...); return len(told) >= 5 })
	written := 0
	for _, d := range told {
		if d.GetWriteCertificates() != nil {
			written++
		} else if d.GetAnswer() == nil {
			t.Errorf("told while nothing can be signed: %s", d.Id)
		}
	}
	if written != 1 {
		t.Errorf("%d commands to write, want 1: %v", written, ids(told))
	}
	healthy.Store(true)
	r.settled(t)
	commands := 0
	for _, again := range d.Told() {
		if again.GetGenerateKeys() != nil {
			commands++
		}
	}
	if commands != 2 {
		t.Errorf("%d commands once the issuer was back, want 2", commands)
	}
	r.stop(t)
}

// What was decided before the forgery may be sent, nothing that comes with or after it.
func TestForgedCommitSetsOneSubscriberAside(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	bad := d.Apply(opIssue, "100", "card-100")
	genuine := []string{"answer/" + w.History(events.KindSubscriber, bad.Subscriber)[0].Commit.CommandId, bad.Subscriber + "/1.1"}
	w.Forge(events.KindSubscriber, bad.Subscriber, []byte("not a commit"))
	good := d.Apply(opIssue, "101", "card-101")
	r := start(t, w, nil)
	r.settled(t)
	r.stop(t)
	w.Logged.Await(t, "set aside")
	for _, told := range d.Told() {
		if told.Subscriber != good.Subscriber && !slices.Contains(genuine, told.Id) {
			t.Errorf("told about a subscriber with a forged history: %v", told)
		}
	}
}

func TestOldAnswersAreNotSentAgain(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	d.Hold("100")
	w.Clock.SetTo(w.Clock.Now().Add(counterlink.Retention + time.Hour))
	d.Apply(opIssue, "101", "card-101")
	r := start(t, w, nil)
	r.settled(t)
	r.stop(t)
	if told := d.Told(); len(told) != 2 {
		t.Errorf("told %v, want the answer and the command of today only", ids(told))
	}
}

// The counter that reports a fact hears what it ended, and by which rule.
func TestAnswerNamesEndedCertificates(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	r := start(t, w, nil)
	r.settled(t)
	d.Told()
	d.Decide(d.Claim("p-loss", "", func(c *events.Claim) {
		c.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "counter"}}
	}, servicetest.Resident("100")))
	r.settled(t)
	told := d.Told()
	if len(told) != 1 {
		t.Fatalf("told after the report: %v", ids(told))
	}
	got := map[string]bool{}
	for _, e := range told[0].GetAnswer().GetEndings() {
		if !slices.Contains(e.RuleIds, "mynumber.ends.loss-report") {
			t.Errorf("%v does not name its rule", e)
		}
		got[e.Kind.String()+" "+e.Status.String()+" "+e.CardStatus.String()] = true
	}
	for _, want := range []string{
		"CERTIFICATE_KIND_SIGN CERTIFICATE_STATUS_REVOKED CARD_STATUS_UNSPECIFIED",
		"CERTIFICATE_KIND_AUTH CERTIFICATE_STATUS_REVOKED CARD_STATUS_UNSPECIFIED",
		"CERTIFICATE_KIND_UNSPECIFIED CERTIFICATE_STATUS_UNSPECIFIED CARD_STATUS_SUSPENDED",
	} {
		if !got[want] || len(got) != 3 {
			t.Errorf("of %s: %v, want %s among three", l.Subscriber, got, want)
		}
	}
}

// A counter whose keys get no certificate hears why, for example because the card has expired before they were made.
func TestCounterHearsWhyKeysAreRejected(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Apply(events.Operation_OPERATION_ISSUE, "100", "card-100")
	r := start(t, w, nil)
	r.settled(t)
	d.Told()
	w.Clock.Set("2029-06-19 10:00")
	d.Decide(l.Keys(0))
	r.settled(t)
	told := d.Told()
	if len(told) != 1 {
		t.Fatalf("told after the keys: %v", ids(told))
	}
	answer := told[0].GetAnswer()
	if answer.GetAccepted() || !slices.Contains(answer.GetRefusals(), regime.CardNotUsable) {
		t.Errorf("answer: %v", answer)
	}
}

// A restart behind the head of the log reads older commits while the newest state already owes a command. The command
// waits for its own commit, whose answer says what the counter needs for it, such as the last day of a new card.
func TestCommandFollowsItsAnswer(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	d.Hold("100")
	open := d.Apply(events.Operation_OPERATION_REISSUE, "100", "card-new")
	r := start(t, w, nil)
	r.settled(t)
	r.stop(t)
	answer, command := -1, -1
	for i, told := range d.Told() {
		switch {
		case told.Procedure != open.Procedure:
		case told.GetAnswer() != nil:
			answer = i
		case told.GetGenerateKeys() != nil:
			command = i
		}
	}
	if answer < 0 || command < answer {
		t.Errorf("the answer came as message %d, the command as %d", answer, command)
	}
}
