package ra_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/pkg/regime"
	"shomei/services/fsck"
	"shomei/services/servicetest"
)

// refusals returns the reasons by which an office's officers were not believed, each with its claim.
func refusals(w *servicetest.World) map[string]string {
	found := map[string]string{}
	for _, r := range w.History(events.KindOffice, servicetest.Office) {
		for _, e := range r.Commit.Events {
			if b := e.GetSignInRefused(); b != nil {
				found[b.Claim] = b.Reason
			}
		}
	}
	return found
}

func checked(t *testing.T, w *servicetest.World) []fsck.Finding {
	t.Helper()
	report, err := fsck.Run(t.Context(), fsck.Config{Log: w.Log})
	servicetest.Check(t, err)
	return report.Findings
}

// forged is a way to act in an officer's name without the officer.
type forged struct {
	reason officer.Reason
	claim  func() *events.Claim
}

// A claim in an officer's name that the officer has not signed, or may not make, is put aside with its own reason, leaves an event,
// and decides nothing.
func TestForgedActsAreRefused(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	enrol := func(code string, role officer.Role) *servicetest.Officer {
		return w.Officer(servicetest.Office, code, role)
	}
	clerk, desk, left, renewed := enrol("C1", officer.Clerk), enrol("T1", officer.TelephoneDesk), enrol("C2", officer.Clerk), enrol("C3", officer.Clerk)
	newcomer := func(code string) *servicetest.Officer {
		return &servicetest.Officer{World: w, Code: code, Key: officer.NewSoftKey()}
	}
	former := w.EnrolOfficer(servicetest.Office, &events.OfficerEnrolled{Officer: "C4", Roles: []string{"clerk"}, Until: "2015-12-31"})
	program := newcomer("C5")
	w.Record(events.KindOffice, servicetest.Office, &events.OfficerEnrolled{Officer: "C5", Roles: []string{"clerk"}})
	w.Record(events.KindOffice, servicetest.Office, &events.PasskeyEnrolled{
		Officer: "C5", Credential: program.Key.Passkey().Credential, PublicKey: program.Key.Passkey().PublicKey, RelyingParty: officer.Counters, Software: true,
	})
	w.Record(events.KindOffice, servicetest.Office, &events.SignaturesRequired{From: "2016-01-01"})
	made := w.Clock.Now()
	applied := func() *events.Claim {
		c := d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), servicetest.Resident("100"))
		c.FiledMs = made.UnixMilli()
		return c
	}
	changed := func(change func(*events.Claim)) func() *events.Claim {
		return func() *events.Claim {
			c := clerk.Sign(applied())
			change(c)
			return c
		}
	}
	of := func(by *servicetest.Officer) func() *events.Claim {
		return func() *events.Claim { return by.Sign(applied()) }
	}
	w.Clock.SetTo(made.Add(time.Hour)) // at a counter that was away
	w.Record(events.KindOffice, servicetest.Office, &events.OfficerRetired{Officer: "C2"})
	w.Record(events.KindOffice, servicetest.Office, &events.PasskeyRetired{Officer: "C3", Credential: renewed.Key.Passkey().Credential})
	for name, try := range map[string]forged{
		"a counter's own signature": {officer.Unsigned, applied},
		"a signature of another claim": {officer.OtherBytes, changed(func(c *events.Claim) {
			c.Assertion = clerk.Sign(applied()).Assertion
		})},
		"other bytes": {officer.OtherBytes, changed(func(c *events.Claim) {
			c.Act = bytes.Replace(c.Act, []byte("card-1"), []byte("card-2"), 1)
		})},
		"circumstances that were not signed": {officer.OtherBytes, func() *events.Claim {
			person := servicetest.Resident("100")
			person.SpecialCircumstances = "寝たきり"
			return clerk.Sign(d.Claim("p1", "", servicetest.Applied(opIssue, "card-1"), person))
		}},
		"another site": {officer.OtherOrigin, changed(func(c *events.Claim) {
			c.Assertion.ClientData = bytes.Replace(c.Assertion.ClientData, []byte("http://localhost"), []byte("https://evil.example"), 1)
		})},
		"no user verified":   {officer.Unverified, changed(func(c *events.Claim) { c.Assertion.AuthenticatorData[32] &^= 4 })},
		"no such signature":  {officer.BadSignature, changed(func(c *events.Claim) { c.Assertion.Signature[9] ^= 1 })},
		"nobody's code":      {officer.Unknown, of(&servicetest.Officer{World: w, Code: "C9", Key: clerk.Key})},
		"another's passkey":  {officer.UnknownKey, of(&servicetest.Officer{World: w, Code: "C1", Key: desk.Key})},
		"retired meanwhile":  {officer.Retired, of(left)},
		"a retired passkey":  {officer.UnknownKey, of(renewed)},
		"out of term":        {officer.OutOfTerm, of(former)},
		"another role":       {officer.NotAllowed, of(desk)},
		"a key of a program": {officer.Software, of(program)},
		"a report": {officer.NotAllowed, func() *events.Claim {
			return clerk.Sign(d.Claim("p1", w.Subscriber("100"), func(c *events.Claim) {
				c.Fact = &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{Card: "card-1"}}
			}, nil))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.Quarantined())
			r := d.Received(try.claim())
			servicetest.Check(t, w.RA.Handle(t.Context(), r))
			if got := refusals(w)[r.Claim.Id]; got != string(try.reason) {
				t.Errorf("the event says %q", got)
			}
			why := w.Quarantined()
			if len(why) != before+1 || !strings.Contains(strings.Join(why, "\n"), "("+string(try.reason)+")") {
				t.Errorf("put aside: %q", why)
			}
			if list := w.Events(w.Subscriber("100")); len(list) > 0 {
				t.Errorf("something was decided: %v", list)
			}
			office := len(w.History(events.KindOffice, servicetest.Office))
			r.Redelivered = true
			servicetest.Check(t, w.RA.Handle(t.Context(), r))
			if n := len(w.History(events.KindOffice, servicetest.Office)); n != office || len(w.Quarantined()) != before+1 {
				t.Errorf("again: %d commits of the office, %d before", n, office)
			}
		})
	}
	signed := clerk.Sign(applied())
	d.Decide(signed)
	for _, at := range [][2]string{{events.KindSubscriber, w.Subscriber("100")}, {events.KindCard, "card-1"}} {
		history := w.History(at[0], at[1])
		if len(history) != 1 || !bytes.Equal(history[0].Commit.GetProof().GetAct(), signed.Act) || !bytes.Equal(history[0].Commit.Proof.Signature, signed.Assertion.Signature) {
			t.Errorf("%s has %d commits, and not what the officer signed", at[0], len(history))
		}
	}
	// The check of the whole log finds what holds, and a signature that was given for something else.
	proof := w.History(events.KindCard, "card-1")[0].Commit.Proof
	if findings := checked(t, w); len(findings) > 0 {
		t.Errorf("fsck: %v", findings)
	}
	env := eventlog.Envelope{
		CommandID: "forged", CausationID: "forged", Office: servicetest.Office, Counter: "c1", Proof: proof,
		Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: "C1"},
	}
	_, err := w.As(eventlog.RoleRA).Update(t.Context(), events.KindCard, "card-3", env, func(h eventlog.Head) ([]*events.Event, error) {
		return lifecycle.ClaimCard(h.State, w.Subscriber("100"), events.CardKind_CARD_KIND_MYNUMBER)
	})
	servicetest.Check(t, err)
	if findings := checked(t, w); len(findings) != 1 || !strings.Contains(findings[0].What, "another claim") {
		t.Errorf("fsck: %v", findings)
	}
	telephone := w.Enrol(servicetest.Office, "t1", "telephone")
	telephone.Decide(telephone.Claim("", w.Subscriber("100"), func(c *events.Claim) {
		c.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "holder"}}
	}, nil))
	if w.Count(w.Subscriber("100"), "LossReported") != 0 {
		t.Error("an unsigned report by telephone was taken")
	}
}

// Every reason has words for whoever is refused.
func TestReasonsHaveWords(t *testing.T) {
	for _, reason := range officer.Reasons() {
		if r, ok := regime.Lookup(regime.OfficerRefused(string(reason))); !ok || r.NextJA == "" {
			t.Errorf("no words for %s", reason)
		}
	}
}
