package ra_test

import (
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/services/servicetest"
)

// pair is an office whose officers sign, with two of them who may approve each other's acts.
type pair struct {
	*servicetest.World
	first, second *servicetest.Desk
	one, two      *servicetest.Officer
}

func newPair(t *testing.T) pair {
	t.Helper()
	w := servicetest.New(t, morning)
	w.Record(events.KindAuthority, events.AuthorityLog, &events.LogOpened{Demonstration: true})
	return pair{
		w, w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "c2", "counter"),
		w.Officer(servicetest.Office, "017", officer.Clerk, officer.Approver), w.Officer(servicetest.Office, "018", officer.Approver),
	}
}

// special is an application for a child of twelve under special circumstances, signed by the first officer.
func (p pair) special(procedure, code string) *events.Claim {
	p.T.Helper()
	child := servicetest.Resident(code)
	child.Record.BirthDate, child.SpecialCircumstances = "2012-06-18", "an entrance examination abroad"
	c := p.first.Claim(procedure, "", servicetest.Applied(opIssue, "card-"+code), child)
	c.GetApplicationReceived().Special, c.GetApplicationReceived().Kinds = true, []events.CertificateKind{events.CertificateKind_CERTIFICATE_KIND_SIGN}
	return p.one.Sign(c)
}

// decided is a decision of an officer about an act that waits.
func (p pair) decided(by *servicetest.Officer, c *events.Claim, outcome string) *events.Claim {
	p.T.Helper()
	return by.Sign(p.second.Claim("", "", func(d *events.Claim) {
		d.Fact = &events.Claim_ApprovalDecided{ApprovalDecided: &events.ApprovalDecided{Approval: c.Id, Digest: events.Hash(c.Act), Outcome: outcome}}
	}, nil))
}

// TestSpecialCircumstancesWaitForAnotherOfficer follows one application through every decision that is none, to the one that is.
func TestSpecialCircumstancesWaitForAnotherOfficer(t *testing.T) {
	p := newPair(t)
	c := p.special("p1", "100")
	p.first.Decide(c)
	id := p.Subscriber("100")
	if list := p.Events(id); len(list) > 0 {
		t.Fatalf("decided before anybody approved: %v: %v", list, p.History(events.KindSubscriber, id)[0].Commit)
	}
	open := p.Directory.Approvals()
	if len(open) != 1 || open[0].ID != c.Id || open[0].Act != "special-circumstances" || open[0].Officer != "017" {
		t.Fatalf("what waits: %+v", open)
	}
	if shown, err := p.RA.AnswerApprovals(t.Context(), counterlink.ApprovalRequest{
		Asker: counterlink.Asker{Counter: "c2", Office: servicetest.Office, Officer: "証明 花子", ID: "q1"}, Approval: c.Id,
	}); err == nil || shown.Personal != nil || len(p.History(events.KindAccess, "c2")) > 0 {
		t.Errorf("an officer who is a name is shown %v, %v", shown, err)
	}
	other := p.decided(p.two, c, lifecycle.ApprovalApproved)
	other.GetApprovalDecided().Digest = events.Hash([]byte("x"))
	for name, claim := range map[string]*events.Claim{
		"by who asked":                p.decided(p.one, c, lifecycle.ApprovalApproved),
		"of other bytes":              p.two.Sign(other),
		"withdrawn by another":        p.decided(p.two, c, lifecycle.ApprovalWithdrawn),
		"of nothing that waits":       p.decided(p.two, &events.Claim{Id: "nothing"}, lifecycle.ApprovalApproved),
		"with a word that is no word": p.decided(p.two, c, "granted"),
	} {
		p.second.Decide(claim)
		if len(p.Events(id)) > 0 || len(p.Directory.Approvals()) != 1 {
			t.Errorf("a decision %s changed something: %v", name, p.Events(id))
		}
	}
	approved := p.decided(p.two, c, lifecycle.ApprovalApproved)
	p.second.Decide(approved)
	p.second.Decide(approved) // again after a crash
	again := p.first.Received(c)
	again.Redelivered = true
	servicetest.Check(t, p.RA.Handle(t.Context(), again))

	history := p.History(events.KindSubscriber, id)
	if len(history) != 1 || p.Count(id, "SpecialCircumstancesGranted") != 1 || p.Count(id, "ApplicationAccepted") != 1 {
		t.Fatalf("after the approval: %v", p.Events(id))
	}
	commit := history[0].Commit
	if commit.GetActor().GetId() != "017" || commit.GetSecondOfficer().GetId() != "018" {
		t.Errorf("by %v and %v", commit.GetActor(), commit.GetSecondOfficer())
	}
	if string(commit.GetProof().GetAct()) != string(c.Act) || string(commit.GetSecondProof().GetAct()) != string(approved.Act) {
		t.Errorf("the commit does not hold what both have signed")
	}
	if open := p.Directory.Approvals(); len(open) > 0 {
		t.Errorf("still waits: %+v", open)
	}
	// The check of the whole log tells an approval from anything else that the second officer has signed.
	if findings := checked(t, p.World); len(findings) > 0 {
		t.Errorf("fsck: %v", findings)
	}
	for name, proof := range map[string]*events.ActProof{"a refusal": proofOf(p.decided(p.two, c, lifecycle.ApprovalRefused)), "approves another": proofOf(p.decided(p.two, other, lifecycle.ApprovalApproved))} {
		env := eventlog.Envelope{
			CommandID: name, CausationID: c.Id, Office: servicetest.Office, Counter: "c1", Proof: commit.Proof, Actor: commit.Actor,
			SecondOfficer: commit.SecondOfficer, SecondProof: proof,
		}
		_, err := p.As(eventlog.RoleRA).Update(t.Context(), events.KindCard, "card-"+name[len(name)-1:], env, func(h eventlog.Head) ([]*events.Event, error) {
			return lifecycle.ClaimCard(h.State, id, events.CardKind_CARD_KIND_MYNUMBER)
		})
		servicetest.Check(t, err)
	}
	if findings := checked(t, p.World); len(findings) != 2 || !strings.Contains(findings[0].What+findings[1].What, "no approval") || !strings.Contains(findings[0].What+findings[1].What, "another act") {
		t.Errorf("fsck: %v", findings)
	}
	// A log in use does not become a demonstration by being opened again, nor does a real one.
	p.Record(events.KindAuthority, events.AuthorityLog, &events.LogOpened{})
	p.Record(events.KindAuthority, "another", &events.LogOpened{})
	if !p.Directory.Trial() {
		t.Error("what kind of log it is was said a second time, and believed")
	}
}

// TestAnActWaitsWhereTheVaultIsAProgramOfItsOwn: it is sealed with its person's key in a history of its own, by the vault's service,
// too.
func TestAnActWaitsWhereTheVaultIsAProgramOfItsOwn(t *testing.T) {
	p := newPair(t)
	p.ServeVault()
	p.RA = p.NewRA(p.Log)
	c := p.special("p1", "100")
	p.first.Decide(c)
	if open := p.Directory.Approvals(); len(open) != 1 {
		t.Fatalf("what waits: %+v, quarantined %q", open, p.Quarantined())
	}
	p.second.Decide(p.decided(p.two, c, lifecycle.ApprovalApproved))
	if p.Count(p.Subscriber("100"), "SpecialCircumstancesGranted") != 1 {
		t.Errorf("after the approval: %v, quarantined %q", p.Events(p.Subscriber("100")), p.Quarantined())
	}
}

func proofOf(c *events.Claim) *events.ActProof {
	a := c.Assertion
	return &events.ActProof{Act: c.Act, Credential: a.Credential, AuthenticatorData: a.AuthenticatorData, ClientData: a.ClientData, Signature: a.Signature}
}

// TestWhatNobodyApprovesComesToNothing tries each other end.
func TestWhatNobodyApprovesComesToNothing(t *testing.T) {
	p := newPair(t)
	end := map[string]func(c *events.Claim){
		"ApprovalRefused":   func(c *events.Claim) { p.second.Decide(p.decided(p.two, c, lifecycle.ApprovalRefused)) },
		"ApprovalWithdrawn": func(c *events.Claim) { p.second.Decide(p.decided(p.one, c, lifecycle.ApprovalWithdrawn)) },
		"ApprovalLapsed": func(*events.Claim) {
			p.Clock.SetTo(p.Clock.Now().Add(4 * 24 * time.Hour))
			servicetest.Check(t, p.RA.EndLapsed(t.Context()))
		},
	}
	for i, want := range []string{"ApprovalRefused", "ApprovalWithdrawn", "ApprovalLapsed"} {
		c := p.special("p"+want, []string{"100", "101", "102"}[i])
		p.first.Decide(c)
		end[want](c)
		p.second.Decide(p.decided(p.two, c, lifecycle.ApprovalApproved)) // too late
		last := p.History(events.KindApproval, c.Id)
		if got := events.Name(last[len(last)-1].Commit.Events[0]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if list := p.Events(p.Subscriber([]string{"100", "101", "102"}[i])); len(list) > 0 {
			t.Errorf("%s, and yet: %v", want, list)
		}
	}
	dropped := p.special("p-dropped", "103")
	p.first.Decide(dropped)
	p.first.Decide(p.one.Sign(p.first.Claim("p-dropped", p.Subscriber("103"), func(c *events.Claim) {
		c.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: &events.ApplicationDropped{}}
	}, nil)))
	if open := p.Directory.Approvals(); len(open) > 0 {
		t.Errorf("an application that was dropped waits still: %+v", open)
	}
}

// TestARefusedApplicationAsksNobody: the second officer is asked only for what the law allows.
func TestARefusedApplicationAsksNobody(t *testing.T) {
	p := newPair(t)
	child := servicetest.Resident("100")
	child.Record.BirthDate, child.Record.Registered, child.SpecialCircumstances = "2012-06-18", false, "an entrance examination abroad"
	c := p.first.Claim("p1", "", servicetest.Applied(opIssue, "card-100"), child)
	c.GetApplicationReceived().Special = true
	p.first.Decide(p.one.Sign(c))
	if p.Count(p.Subscriber("100"), "ApplicationRefused") != 1 || len(p.Directory.Approvals()) > 0 {
		t.Errorf("%v, waiting: %+v", p.Events(p.Subscriber("100")), p.Directory.Approvals())
	}
}

// TestOnlyPairsThatTheOfficeChose: a PIN reset waits only where the office has said so.
func TestOnlyPairsThatTheOfficeChose(t *testing.T) {
	p := newPair(t)
	p.first.Hold("100")
	unblock := func(procedure string) *events.Claim {
		c := p.first.Claim(procedure, "", servicetest.Applied(events.Operation_OPERATION_UNBLOCK, "card-100"), servicetest.Resident("100"))
		c.GetApplicationReceived().Pins = []events.PinKind{events.PinKind_PIN_KIND_SIGN}
		return p.one.Sign(c)
	}
	p.first.Decide(unblock("p1"))
	if n := p.Count(p.Subscriber("100"), "UnblockAuthorized"); n != 1 || len(p.Directory.Approvals()) > 0 {
		t.Fatalf("not chosen: %d authorised, waiting %+v; %v", n, p.Directory.Approvals(), p.Events(p.Subscriber("100")))
	}
	p.Record(events.KindOffice, servicetest.Office, &events.FourEyesDefined{Acts: []string{"unblock"}})
	p.first.Decide(p.one.Sign(p.first.Claim("p1", p.Subscriber("100"), func(c *events.Claim) {
		c.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: &events.ApplicationDropped{}}
	}, nil)))
	p.first.Decide(unblock("p2"))
	if open := p.Directory.Approvals(); len(open) != 1 || open[0].Act != "unblock" {
		t.Errorf("chosen: waiting %+v", open)
	}
}

// TestNobodyApprovesByAnotherWay tries to approve, or to have approved, what the officer may not: nothing is decided, and the act waits
// as before.
func TestNobodyApprovesByAnotherWay(t *testing.T) {
	p := newPair(t)
	const other = "12237-east"
	p.DefineOffice(other, &events.OfficeDefined{})
	moved := p.Enrol(servicetest.Office, "m1", "counter")
	p.Record(events.KindOffice, other, &events.CounterEnrolled{
		Counter: "m1", PublicKey: p.Directory.CounterAt("m1", p.Clock.Now())[0].PublicKey, SealKey: p.Directory.CounterAt("m1", p.Clock.Now())[0].SealKey, Role: "counter",
	})
	stranger := p.Officer(other, "E7", officer.Approver)
	administrator := p.Officer(servicetest.Office, "A1", officer.Administrator)
	c := p.special("p1", "100")
	p.first.Decide(c)
	refused := p.special("p2", "101")
	p.first.Decide(refused)
	no := p.decided(p.two, refused, lifecycle.ApprovalRefused)
	p.second.Decide(no)
	under := func(by *servicetest.Officer, id string, c *events.Claim) *events.Claim {
		d := p.decided(by, c, lifecycle.ApprovalApproved)
		d.Id = id
		return by.Sign(d)
	}
	elsewhere := p.decided(stranger, c, lifecycle.ApprovalApproved)
	elsewhere.Office, elsewhere.Counter = other, "m1"
	for name, try := range map[string]func(){
		"under the id of the act":               func() { p.second.Decide(under(p.one, c.Id, c)) },
		"by another under the id of the act":    func() { p.second.Decide(under(p.two, c.Id, c)) },
		"under the id of a refusal":             func() { p.second.Decide(under(p.two, no.Id, refused)) },
		"by an officer of another office":       func() { moved.Decide(stranger.Sign(elsewhere)) },
		"by an administrator who approves none": func() { p.second.Decide(p.decided(administrator, c, lifecycle.ApprovalApproved)) },
	} {
		aside := len(p.Quarantined())
		try()
		for _, code := range []string{"100", "101"} {
			if list := p.Events(p.Subscriber(code)); len(list) > 0 {
				t.Fatalf("%s: %v", name, list)
			}
		}
		if len(p.Quarantined()) != aside+1 {
			t.Errorf("%s: not put aside: %v", name, p.Quarantined())
		}
	}
	if open := p.Directory.Approvals(); len(open) != 1 || open[0].ID != c.Id {
		t.Errorf("what waits: %+v", open)
	}
}

// TestAnAskerWhoHasLeftDoesNothing: an officer who was retired while an act waits can't have it carried out, and one who has approved
// is not made a liar by leaving before the claim comes again.
func TestAnAskerWhoHasLeftDoesNothing(t *testing.T) {
	p := newPair(t)
	done, c := p.special("p1", "100"), p.special("p2", "101")
	p.first.Decide(done)
	p.first.Decide(c)
	approved := p.second.Received(p.decided(p.two, done, lifecycle.ApprovalApproved))
	servicetest.Check(t, p.RA.Handle(t.Context(), approved))
	p.Clock.SetTo(p.Clock.Now().Add(time.Hour))
	p.Record(events.KindOffice, servicetest.Office, &events.OfficerRetired{Officer: "017"})
	p.second.Decide(p.decided(p.two, c, lifecycle.ApprovalApproved))
	if list := p.Events(p.Subscriber("101")); len(list) > 0 || refusals(p.World)[c.Id] != string(officer.Retired) {
		t.Errorf("carried out for who has left: %v, %v", list, refusals(p.World))
	}
	p.Record(events.KindOffice, servicetest.Office, &events.OfficerRetired{Officer: "018"})
	aside := len(p.Quarantined())
	approved.Redelivered = true
	servicetest.Check(t, p.RA.Handle(t.Context(), approved))
	if n := len(p.Quarantined()); n != aside || p.Count(p.Subscriber("100"), "ApplicationAccepted") != 1 {
		t.Errorf("what was decided is refused when it comes again: %v", p.Quarantined())
	}
}

// TestAnActOfACounterThatWasAwayWaits: the second officer has until the end of the next open day from when the centre hears of it.
func TestAnActOfACounterThatWasAwayWaits(t *testing.T) {
	p := newPair(t)
	c := p.special("p1", "100")
	p.Clock.SetTo(p.Clock.Now().Add(5 * 24 * time.Hour))
	p.first.Decide(c)
	servicetest.Check(t, p.RA.EndLapsed(t.Context()))
	if open := p.Directory.Approvals(); len(open) != 1 || !open[0].Lapses.After(p.Clock.Now()) {
		t.Errorf("what waits: %+v; put aside: %v", open, p.Quarantined())
	}
}
