package ra_test

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

// atConsole is an office whose officer 017 asks at a counter, and whose approver 018 has come to the console with an invitation's
// code.
type atConsole struct {
	*servicetest.World
	counter *servicetest.Desk
	one     *servicetest.Officer
	two     *servicetest.Officer // with the key of the console
}

const secret = "AAAAA-BBBBB-CCCCC-DDDDD"

func newAtConsole(t *testing.T) atConsole {
	w := servicetest.New(t, morning)
	c := atConsole{World: w, counter: w.Enrol(servicetest.Office, "c1", "counter"), one: w.Officer(servicetest.Office, "017", officer.Clerk)}
	w.Record(events.KindOffice, servicetest.Office, &events.OfficerEnrolled{Officer: "018", Roles: []string{"approver"}})
	w.Record(events.KindOffice, servicetest.Office, &events.OfficerInvited{
		Officer: "018", CodeSha256: officer.CodeHash(secret), UntilMs: w.Clock.Now().Add(time.Hour).UnixMilli(),
	})
	c.two = &servicetest.Officer{World: w, Office: servicetest.Office, Code: "018", Key: officer.NewSoftKeyAt(servicetest.Console)}
	return c
}

// claim makes a claim of the console.
func (c atConsole) claim(fact func(*events.Claim), personal *events.Personal) *events.Claim {
	c.T.Helper()
	now := c.Clock.Now().UnixMilli()
	made := &events.Claim{Id: uuid.NewString(), Office: servicetest.Office, CausedMs: now, FiledMs: now}
	fact(made)
	if personal != nil {
		var err error
		made.Sealed, err = counterlink.SealPersonal(c.SealKey(), made.Id, personal)
		servicetest.Check(c.T, err)
	}
	return made
}

func (c atConsole) file(claim *events.Claim) (ra.Filed, error) {
	c.T.Helper()
	encoded, err := events.EncodeClaim(claim)
	servicetest.Check(c.T, err)
	return c.RA.FileAtConsole(c.T.Context(), encoded)
}

// offer is a key that is offered with a code.
func (c atConsole) offer(code string, change func(*events.Claim, *events.PasskeyOffered)) *events.Claim {
	k := c.two.Key.Passkey()
	o := &events.PasskeyOffered{Officer: "018", Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: k.RelyingParty}
	return c.claim(func(made *events.Claim) {
		made.Officer, made.Fact = "018", &events.Claim_PasskeyOffered{PasskeyOffered: o}
		if change != nil {
			change(made, o)
		}
	}, &events.Personal{Code: code})
}

func (c atConsole) decision(about *events.Claim, outcome string) *events.Claim {
	return c.claim(func(made *events.Claim) {
		made.Fact = &events.Claim_ApprovalDecided{ApprovalDecided: &events.ApprovalDecided{
			Approval: about.Id, Digest: events.Hash(about.Act), Outcome: outcome,
		}}
	}, nil)
}

// asked has officer 017 ask at the counter for what an approver grants.
func (c atConsole) asked(procedure, code string) *events.Claim {
	asked := pair{World: c.World, first: c.counter, one: c.one}.special(procedure, code)
	c.counter.Decide(asked)
	return asked
}

// TestAPasskeyForTheConsole is enrolled once by whoever has the code, for the console's own name and no other, and nothing that a
// stolen console could say enrols another.
func TestAPasskeyForTheConsole(t *testing.T) {
	c := newAtConsole(t)
	before := len(c.History(events.KindOffice, servicetest.Office))
	for name, forged := range map[string]struct {
		claim *events.Claim
		want  officer.Reason // empty: ErrUnfit
	}{
		"without the code":           {c.offer("AAAAA-BBBBB-CCCCC-DDDDE", nil), officer.NoInvitation},
		"for counters":               {c.offer(secret, func(_ *events.Claim, o *events.PasskeyOffered) { o.RelyingParty = officer.Counters }), officer.IllFormed},
		"for another site":           {c.offer(secret, func(_ *events.Claim, o *events.PasskeyOffered) { o.RelyingParty = "evil.example" }), officer.IllFormed},
		"for another officer":        {c.offer(secret, func(m *events.Claim, o *events.PasskeyOffered) { m.Officer, o.Officer = "017", "017" }), officer.NoInvitation},
		"in another officer's name":  {c.offer(secret, func(m *events.Claim, _ *events.PasskeyOffered) { m.Officer = "017" }), officer.IllFormed},
		"held by a program":          {c.offer(secret, func(_ *events.Claim, o *events.PasskeyOffered) { o.Software = true }), officer.Software},
		"in a counter's name":        {c.offer(secret, func(m *events.Claim, _ *events.PasskeyOffered) { m.Counter = "c1" }), ""},
		"for no office":              {c.offer(secret, func(m *events.Claim, _ *events.PasskeyOffered) { m.Office = "nowhere-1" }), ""},
		"from long ago":              {c.offer(secret, func(m *events.Claim, _ *events.PasskeyOffered) { m.FiledMs -= 8 * 60_000 }), ""},
		"from a clock that ran away": {c.offer(secret, func(m *events.Claim, _ *events.PasskeyOffered) { m.FiledMs += 8 * 60_000 }), ""},
		"an administrator's claim": {c.two.Sign(c.claim(func(m *events.Claim) {
			m.Fact = &events.Claim_OfficerLeft{OfficerLeft: &events.OfficerLeft{Officer: "017"}}
		}, nil)), ""},
		"a withdrawal":        {c.two.Sign(c.decision(&events.Claim{Id: "x"}, lifecycle.ApprovalWithdrawn)), ""},
		"an unsigned decison": {c.decision(&events.Claim{Id: "x"}, lifecycle.ApprovalApproved), officer.Unsigned},
	} {
		done, err := c.file(forged.claim)
		if done.Refused != forged.want || errors.Is(err, ra.ErrUnfit) != (forged.want == "") {
			t.Errorf("%s: %+v, %v, want %q", name, done, err, string(forged.want))
		}
	}
	for _, r := range c.History(events.KindOffice, servicetest.Office)[before:] {
		if r.Commit.Events[0].GetOfficerClaimRefused() == nil {
			t.Errorf("recorded: %v", r.Commit.Events)
		}
	}
	// A counter enrols nobody for the console, and a source of claims is never taken for it.
	fromCounter := c.offer(secret, func(m *events.Claim, _ *events.PasskeyOffered) { m.Counter, m.ClockEvidence = "c1", "simulated" })
	c.counter.Decide(fromCounter)
	posing := c.Enrol(servicetest.Office, "c9", "console")
	posed := c.offer(secret, func(m *events.Claim, _ *events.PasskeyOffered) { m.Counter, m.ClockEvidence = "c9", "simulated" })
	posing.Decide(posed)
	if o, err := c.Directory.OfficerByCode("018", c.Clock.Now()); err != nil || o.HasKey() {
		t.Fatalf("018 has %v, %v", o.Passkeys, err)
	}

	offered := c.offer(secret, nil)
	for range 2 { // the answer may be lost on the way
		if done, err := c.file(offered); err != nil || done.Refused != "" {
			t.Fatalf("%+v %v", done, err)
		}
	}
	second := atConsole{World: c.World, two: &servicetest.Officer{World: c.World, Key: officer.NewSoftKeyAt(servicetest.Console)}}
	if done, err := c.file(second.offer(secret, nil)); err != nil || done.Refused != officer.NoInvitation {
		t.Errorf("the code again: %+v %v", done, err)
	}
	o, err := c.Directory.OfficerByKey(c.two.Key.Passkey().Credential, c.Clock.Now())
	if err != nil || o.Code != "018" || len(o.Passkeys) != 1 {
		t.Errorf("%+v %v", o, err)
	}
	for range 40 {
		_, err = c.file(c.offer("AAAAA-BBBBB-CCCCC-DDDDE", nil))
	}
	if !errors.Is(err, ra.ErrTooMany) {
		t.Errorf("after many wrong codes: %v", err)
	}
}

// TestAnApproverDecidesAtTheConsole opens what waits and approves it, with nothing but the key of the console; and nobody else does.
func TestAnApproverDecidesAtTheConsole(t *testing.T) {
	c := newAtConsole(t)
	if done, err := c.file(c.offer(secret, nil)); err != nil || done.Refused != "" {
		t.Fatalf("%+v %v", done, err)
	}
	asked := c.asked("p1", "100")
	key, err := counterlink.NewSealKey()
	servicetest.Check(t, err)
	opening := func() *events.Claim {
		return c.claim(func(m *events.Claim) {
			m.Fact = &events.Claim_ApprovalOpened{ApprovalOpened: &events.ApprovalOpened{Approval: asked.Id, SealKey: key.PublicKey().Bytes()}}
		}, nil)
	}
	for name, forged := range map[string]struct {
		claim *events.Claim
		want  officer.Reason
	}{
		"opened by nobody":                   {opening(), officer.Unsigned},
		"opened with a counter's key":        {c.one.Sign(opening()), officer.NotAllowed},
		"decided by who asked":               {c.one.Sign(c.decision(asked, lifecycle.ApprovalApproved)), officer.NotAllowed},
		"decided with a key of counters":     {c.Officer(servicetest.Office, "019", officer.Approver).Sign(c.decision(asked, lifecycle.ApprovalApproved)), officer.OtherOrigin},
		"decided by nobody's key":            {(&servicetest.Officer{World: c.World, Code: "018", Key: officer.NewSoftKeyAt(servicetest.Console)}).Sign(c.decision(asked, lifecycle.ApprovalApproved)), officer.UnknownKey},
		"decided for the signature's domain": {(&servicetest.Officer{World: c.World, Code: "017", Key: c.two.Key}).Sign(c.decision(asked, lifecycle.ApprovalApproved)), officer.UnknownKey},
	} {
		if done, err := c.file(forged.claim); err != nil || done.Refused != forged.want || done.Opened != nil {
			t.Errorf("%s: %+v %v, want %s", name, done, err, string(forged.want))
		}
	}
	// What the console's key signs is nothing at a counter.
	elsewhere := c.counter.Claim("", "", func(m *events.Claim) {
		m.Fact = &events.Claim_ApprovalDecided{ApprovalDecided: &events.ApprovalDecided{Approval: asked.Id, Digest: events.Hash(asked.Act), Outcome: lifecycle.ApprovalApproved}}
	}, nil)
	c.counter.Decide(c.two.Sign(elsewhere))
	if got := refusals(c.World)[elsewhere.Id]; got != string(officer.OtherOrigin) {
		t.Errorf("the console's key at a counter: %q", got)
	}

	look := c.two.Sign(opening())
	done, err := c.file(look)
	servicetest.Check(t, err)
	shown, err := counterlink.OpenWaiting(key, look.Id, done.Opened)
	if err != nil || shown.Personal.GetRecord().GetName() == "" || shown.Claim.GetApplicationReceived() == nil || shown.Claim.GetAssertion() != nil {
		t.Fatalf("shown: %+v, %v", shown, err)
	}
	looks := c.History(events.KindAccess, access.ID(access.Console, "018"))
	if len(looks) != 1 || looks[0].Commit.Events[0].GetRecordOpened().GetSubscriber() != c.Subscriber("100") {
		t.Errorf("recorded: %v", looks)
	}
	if done, err := c.file(look); err == nil {
		t.Errorf("the look, replayed: %+v", done)
	}

	other := c.decision(asked, lifecycle.ApprovalApproved)
	other.GetApprovalDecided().Digest = events.Hash([]byte("x"))
	if done, err := c.file(c.two.Sign(other)); !errors.Is(err, ra.ErrUnfit) {
		t.Errorf("of other bytes: %+v %v", done, err)
	}
	approved := c.two.Sign(c.decision(asked, lifecycle.ApprovalApproved))
	for range 2 {
		if done, err := c.file(approved); err != nil || done.Refused != "" {
			t.Fatalf("%+v %v", done, err)
		}
	}
	if c.Count(c.Subscriber("100"), "SpecialCircumstancesGranted") != 1 || len(c.Directory.Approvals()) > 0 {
		t.Errorf("after the approval: %v", c.Events(c.Subscriber("100")))
	}
	refused := c.asked("p2", "101")
	no := c.decision(refused, lifecycle.ApprovalRefused)
	no.Sealed, err = counterlink.SealPersonal(c.SealKey(), no.Id, &events.Personal{Why: "no such school"})
	servicetest.Check(t, err)
	if done, err := c.file(c.two.Sign(no)); err != nil || done.Refused != "" || len(c.Directory.Approvals()) > 0 {
		t.Errorf("refused: %+v %v", done, err)
	}
	if notes := dossier.Of(c.Vault, refused.Id, c.History(events.KindApproval, refused.Id)).Notes(); len(notes) != 1 || notes[0].Text != "no such school" {
		t.Errorf("why it was refused: %v", notes)
	}
	if findings := checked(t, c.World); len(findings) > 0 {
		t.Errorf("fsck: %v", findings)
	}
	// Another process carries out what one that ended had left undone, and twice is as once.
	left := c.asked("p4", "103")
	c.Record(events.KindApproval, left.Id, &events.ApprovalGiven{Officer: "018"})
	servicetest.Check(t, c.NewRA(c.Log).EndLapsed(t.Context()))
	if c.Count(c.Subscriber("100"), "SpecialCircumstancesGranted") != 1 || c.Count(c.Subscriber("103"), "SpecialCircumstancesGranted") != 1 {
		t.Errorf("carried out by another process: %v, %v", c.Events(c.Subscriber("100")), c.Events(c.Subscriber("103")))
	}
	// What came to nothing once does not come true because a process starts anew: people resolve it.
	vain := c.asked("p5", "104")
	received := c.counter.Received(vain)
	servicetest.Check(t, ra.Quarantine(t.Context(), c.Log, c.Vault, counterlink.Quarantined{
		ID: hex.EncodeToString(events.Hash(received.Signed)), Counter: "c1", Number: 1, Signed: received.Signed, Why: errors.New("no decision is possible"),
	}))
	c.Record(events.KindApproval, vain.Id, &events.ApprovalGiven{Officer: "018"})
	servicetest.Check(t, c.NewRA(c.Log).EndLapsed(t.Context()))
	if list := c.Events(c.Subscriber("104")); len(list) > 0 {
		t.Errorf("put aside, and carried out: %v", list)
	}
	c.Record(events.KindOffice, servicetest.Office, &events.OfficerRetired{Officer: "018"})
	last := c.asked("p3", "102")
	if done, err := c.file(c.two.Sign(c.decision(last, lifecycle.ApprovalApproved))); err != nil || done.Refused != officer.Retired {
		t.Errorf("by a retired officer: %+v %v", done, err)
	}
}
