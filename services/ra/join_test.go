package ra_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/pkg/regime"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

// joins is the claim that two histories are one person's.
func joins(d *servicetest.Desk, to, from string) *events.Claim {
	c := d.Claim("", to, func(c *events.Claim) {
		c.Fact = &events.Claim_HistoriesJoined{HistoriesJoined: &events.HistoriesJoined{Absorbed: from, Evidence: []string{"resident-record", "cards"}}}
	}, &events.Personal{Why: "the code was corrected before anybody told us"})
	c.Officer, c.SecondOfficer = "017", "018"
	return c
}

// refusedBy gives the rules of the newest refusal in a history, or nil if its newest commit refuses nothing.
func refusedBy(w *servicetest.World, id string) []string {
	history := w.History(events.KindSubscriber, id)
	return history[len(history)-1].Commit.Events[0].GetRequestRefused().GetRefusals()
}

// TestTwoHistoriesBecomeOne joins two holders of cards, with one process dying after each step, and looks at what is left.
func TestTwoHistoriesBecomeOne(t *testing.T) {
	w := servicetest.New(t, morning)
	w.Record(events.KindAuthority, events.AuthorityLog, &events.LogOpened{Demonstration: true})
	d, register := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "r1", "register")
	one, other := d.Hold("100"), d.Hold("200")
	issuing := d.Apply(events.Operation_OPERATION_REISSUE, "200", "card-new")
	issuing.Decide(issuing.Keys(4))
	ended := []uint64{other.Serial(events.CertificateKind_CERTIFICATE_KIND_SIGN), other.Serial(events.CertificateKind_CERTIFICATE_KIND_AUTH)}
	joining := d.Received(joins(d, one.Subscriber, other.Subscriber))
	servicetest.Check(t, w.RA.Handle(t.Context(), joining))
	joining.Redelivered = true
	servicetest.Check(t, w.RA.Handle(t.Context(), joining)) // as after a crash
	if n := w.Count(one.Subscriber, "SubscriberTakenIn"); n != 1 {
		t.Fatalf("taken in %d times: %v; put aside %v", n, w.Events(one.Subscriber), w.Quarantined())
	}
	servicetest.Check(t, w.Issuer.Settle(t.Context(), other.Subscriber)) // the issuer signs between the steps
	for range 2 {
		servicetest.Check(t, w.RA.SettleJoinings(t.Context(), one.Subscriber))
	}
	if got := w.State(one.Subscriber); len(got.Obligations) > 0 || w.Count(one.Subscriber, "TakenInClosed") != 1 {
		t.Errorf("the one that goes on: %v", got)
	}
	state := w.State(other.Subscriber)
	if state.AliasOf != one.Subscriber || len(state.Procedures) > 0 || w.Count(other.Subscriber, "SubscriberAliased") != 1 {
		t.Errorf("the one that ends: %v", state)
	}
	never(t, w, []string{"100", "200"})

	// What is said about the one that ended reaches the other: late facts of its card, an application, a report, the card itself.
	before := len(w.Events(other.Subscriber))
	known := len(w.State(one.Subscriber).Certificates)
	written := issuing.Claim(issuing.Procedure, other.Subscriber, func(c *events.Claim) {
		c.Fact = &events.Claim_CardWritten{CardWritten: &events.CardWritten{Card: "card-new", Serials: ended, CertificatesSha256: make([][]byte, 2)}}
	}, nil)
	d.Decide(written)
	if history := w.History(events.KindSubscriber, one.Subscriber); !slices.Contains(history[len(history)-1].Commit.Events[0].RuleIds, regime.NoLongerOpen) {
		t.Errorf("a card that was written when its history had ended: %v", history[len(history)-1].Commit.Events)
	}
	d.Decide(d.Claim("", "", func(c *events.Claim) {
		c.Fact = &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: other.Card}}
	}, nil))
	register.Decide(corrects(register, "200", "300"))
	d.Decide(d.Claim("again", "", servicetest.Applied(opIssue, "card-300"), servicetest.Resident("300")))
	if got := w.Events(other.Subscriber); len(got) != before {
		t.Errorf("something happened to a history that had ended: %v", got[before:])
	}
	if n := w.Count(one.Subscriber, "CardTakenIntoCustody"); n != 1 || len(w.State(one.Subscriber).Certificates) < known {
		t.Errorf("what was said of the one that ended: %v", w.Events(one.Subscriber))
	}
	never(t, w, []string{"100", "200", "300"})
	if findings := checked(t, w); len(findings) > 0 {
		t.Errorf("fsck: %v", findings)
	}
}

// TestHistoriesThatAreNotJoined names what is refused, by which rule, and that nothing else changes.
func TestHistoriesThatAreNotJoined(t *testing.T) {
	w := servicetest.New(t, morning)
	w.Record(events.KindAuthority, events.AuthorityLog, &events.LogOpened{Demonstration: true})
	d := w.Enrol(servicetest.Office, "c1", "counter")
	one, other := d.Hold("100"), d.Hold("200")
	stranger := servicetest.Resident("400")
	stranger.Record.BirthDate = "1981-06-18"
	d.Decide(d.Claim("p4", "", servicetest.Applied(opIssue, "card-400"), stranger))
	theirs := w.Events(other.Subscriber)
	for name, row := range map[string]struct {
		claim *events.Claim
		at    string
		why   string
	}{
		"with itself":         {joins(d, one.Subscriber, one.Subscriber), one.Subscriber, regime.SameHistory},
		"with nobody":         {joins(d, one.Subscriber, w.Subscriber("900")), one.Subscriber, regime.NoSuchHistory},
		"of different birth":  {joins(d, one.Subscriber, w.Subscriber("400")), one.Subscriber, regime.OtherBirthDate},
		"by one officer":      {with(joins(d, one.Subscriber, other.Subscriber), func(c *events.Claim) { c.SecondOfficer = "" }), one.Subscriber, regime.JoiningNeedsTwo},
		"by the same officer": {with(joins(d, one.Subscriber, other.Subscriber), func(c *events.Claim) { c.SecondOfficer = c.Officer }), one.Subscriber, regime.JoiningNeedsTwo},
	} {
		d.Decide(row.claim)
		if got := refusedBy(w, row.at); !slices.Equal(got, []string{row.why}) {
			t.Errorf("%s: refused by %v, want %s; put aside %v", name, got, row.why, w.Quarantined())
		}
	}
	aside := len(w.Quarantined())
	d.Decide(joins(d, w.Subscriber("900"), one.Subscriber))
	d.Decide(with(joins(d, one.Subscriber, other.Subscriber), func(c *events.Claim) { c.GetHistoriesJoined().Evidence = []string{"a feeling"} }))
	if got := len(w.Quarantined()); got != aside+2 || len(w.Events(w.Subscriber("900"))) > 0 {
		t.Errorf("put aside: %v", w.Quarantined())
	}
	if got := w.Events(other.Subscriber); !slices.Equal(got, theirs) {
		t.Errorf("changed: %v", got)
	}

	// Decided in both directions before either is carried out: one of the two at most ends.
	d.Decide(joins(d, one.Subscriber, other.Subscriber))
	d.Decide(joins(d, other.Subscriber, one.Subscriber))
	if got := refusedBy(w, other.Subscriber); !slices.Equal(got, []string{regime.JoiningUnderWay}) {
		t.Errorf("the other way at the same time: refused by %v", got)
	}
	servicetest.Check(t, w.RA.SettleJoinings(t.Context(), one.Subscriber))
	d.Decide(joins(d, other.Subscriber, w.Subscriber("400")))
	if got := refusedBy(w, one.Subscriber); !slices.Equal(got, []string{regime.HistoryElsewhere}) {
		t.Errorf("a history that goes on elsewhere takes one in: refused by %v", got)
	}
	d.Decide(joins(d, one.Subscriber, other.Subscriber))
	if got := refusedBy(w, one.Subscriber); !slices.Equal(got, []string{regime.SameHistory}) {
		t.Errorf("once more: refused by %v", got)
	}
	if findings := checked(t, w); len(findings) > 0 {
		t.Errorf("fsck: %v", findings)
	}
}

func with(c *events.Claim, change func(*events.Claim)) *events.Claim {
	change(c)
	return c
}

// TestAJoiningWaitsForAnotherOfficer: where officers sign, the second one signs too, on their own.
func TestAJoiningWaitsForAnotherOfficer(t *testing.T) {
	p := newPair(t)
	one, other := p.first.Hold("100"), p.first.Hold("200")
	c := joins(p.first, one.Subscriber, other.Subscriber)
	p.first.Decide(p.one.Sign(c)) // with a second officer in the same request
	if !strings.Contains(strings.Join(p.Quarantined(), "\n"), "names a second officer") {
		t.Errorf("both officers in one request: %v", p.Quarantined())
	}
	c = joins(p.first, one.Subscriber, other.Subscriber)
	c.SecondOfficer = ""
	p.first.Decide(p.one.Sign(c))
	shown, err := p.RA.AnswerApprovals(t.Context(), counterlink.ApprovalRequest{
		Asker: counterlink.Asker{Counter: "c2", Office: servicetest.Office, Officer: "018", ID: "q1"}, Approval: c.Id,
	})
	servicetest.Check(t, err)
	if len(shown.Open) != 1 || shown.Open[0].Act != "joining" || shown.Claim.GetHistoriesJoined().GetAbsorbed() != other.Subscriber || shown.Personal.GetWhy() == "" {
		t.Fatalf("what waits: %+v", shown)
	}
	if n := p.Count(one.Subscriber, "SubscriberTakenIn"); n > 0 {
		t.Fatal("joined before anybody approved")
	}
	p.second.Decide(p.decided(p.one, c, lifecycle.ApprovalApproved)) // the same officer
	approved := p.second.Received(p.decided(p.two, c, lifecycle.ApprovalApproved))
	servicetest.Check(t, p.RA.Handle(t.Context(), approved))
	approved.Redelivered = true
	servicetest.Check(t, p.RA.Handle(t.Context(), approved))
	// A process that dies once it has ended the other history has not recorded that; another one does.
	env := eventlog.Envelope{CommandID: "died", Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "ra"}}
	_, err = p.As(eventlog.RoleRA).Update(t.Context(), events.KindSubscriber, other.Subscriber, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		servicetest.Check(t, err)
		return lifecycle.Decide(state, lifecycle.CloseHistory{To: one.Subscriber, Read: h.Revision, Filed: h.Now}, h.Now)
	})
	servicetest.Check(t, err)
	servicetest.Check(t, p.RA.SettleJoinings(t.Context(), one.Subscriber))
	if taken, closed := p.Count(one.Subscriber, "SubscriberTakenIn"), p.Count(one.Subscriber, "TakenInClosed"); taken != 1 || closed != 1 {
		t.Errorf("taken in %d times, closed %d times", taken, closed)
	}
	if got := p.State(other.Subscriber); got.AliasOf != one.Subscriber {
		t.Errorf("approved: %v; put aside %v", p.Events(one.Subscriber), p.Quarantined())
	}
	if findings := checked(t, p.World); len(findings) > 0 {
		t.Errorf("fsck: %v", findings)
	}
}

// TestUnsignedJoiningIsRefused: outside a trial a joining is signed, also where the office requires no signatures.
func TestUnsignedJoiningIsRefused(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	one, other := d.Hold("100"), d.Hold("200")
	c := joins(d, one.Subscriber, other.Subscriber)
	d.Decide(c)
	if got := refusals(w)[c.Id]; got != string(officer.Unsigned) || w.Count(one.Subscriber, "SubscriberTakenIn") > 0 {
		t.Errorf("refused for %q: %v", got, w.Events(one.Subscriber))
	}
	c = with(joins(d, one.Subscriber, other.Subscriber), func(c *events.Claim) { c.SecondOfficer = "" })
	d.Decide(w.Officer(servicetest.Office, "017", officer.Clerk).Sign(c))
	if open := w.Directory.Approvals(); len(open) != 1 || open[0].ID != c.Id {
		t.Errorf("signed: %v waits; put aside %v", open, w.Quarantined())
	}
}

// TestLookBeforeAJoiningIsAtThePerson: it stands under the person whose history was shown, where the report of looks without an act
// can read it.
func TestLookBeforeAJoiningIsAtThePerson(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	one := d.Hold("100").Subscriber
	told, err := w.RA.AnswerPerson(t.Context(), counterlink.PersonRequest{Asker: asker(d, "q1"), Subscriber: one})
	servicetest.Check(t, err)
	looks, err := access.Looks(t.Context(), w.Log, access.Query{})
	servicetest.Check(t, err)
	if !told.Known || len(looks) != 1 || looks[0].Person != one || looks[0].What != "history looked at before two are joined" {
		t.Errorf("told %+v, recorded as %+v", told, looks)
	}
	if _, err := access.WithoutAct(t.Context(), w.Log, looks); err != nil {
		t.Error(err)
	}
}

// TestNobodyJoinsAtTheConsole: it does not show the two histories, so it only refuses.
func TestNobodyJoinsAtTheConsole(t *testing.T) {
	c := newAtConsole(t)
	if done, err := c.file(c.offer(secret, nil)); err != nil || done.Refused != "" {
		t.Fatalf("%+v %v", done, err)
	}
	one, other := c.counter.Hold("100"), c.counter.Hold("200")
	asked := c.one.Sign(with(joins(c.counter, one.Subscriber, other.Subscriber), func(m *events.Claim) { m.SecondOfficer = "" }))
	c.counter.Decide(asked)
	if done, err := c.file(c.two.Sign(c.decision(asked, lifecycle.ApprovalApproved))); !errors.Is(err, ra.ErrUnfit) || c.Count(one.Subscriber, "SubscriberTakenIn") > 0 {
		t.Errorf("approved: %+v %v", done, err)
	}
	if done, err := c.file(c.two.Sign(c.decision(asked, lifecycle.ApprovalRefused))); err != nil || done.Refused != "" || len(c.Directory.Approvals()) > 0 {
		t.Errorf("refused: %+v %v", done, err)
	}
}

// TestFsckSeesWhatNoJoiningIs forges what only a broken or false decision could write: a holder whose history goes on elsewhere with
// certificates in force, and a circle.
func TestFsckSeesWhatNoJoiningIs(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	one, other := d.Hold("100"), d.Hold("200")
	w.Append(w.Writer, other.Subscriber, "f1", "", events.New(&events.SubscriberAliased{To: one.Subscriber}, regime.HistoriesJoined))
	w.Append(w.Writer, one.Subscriber, "f2", "", events.New(&events.TakenInClosed{From: "somebody"}, regime.HistoriesJoined))
	w.Append(w.Writer, one.Subscriber, "f3", "", events.New(&events.SubscriberAliased{To: other.Subscriber}, regime.HistoriesJoined))
	all := ""
	for _, f := range checked(t, w) {
		all += f.String() + "\n"
	}
	for _, want := range []string{"has not ended", "has not taken it in", "leads round to itself", "is said to have ended in it"} {
		if !strings.Contains(all, want) {
			t.Errorf("fsck does not say %q:\n%s", want, all)
		}
	}
}
