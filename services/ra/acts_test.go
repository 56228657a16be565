package ra_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/officer"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

// attempted is a claim of some kind by which an officer, or a program, does an act.
type attempted struct {
	act string
	// from is the role of the source that says so; empty: a counter.
	from     string
	fact     proto.Message
	personal *events.Personal
}

// attempts are the claims by their kinds, the names of the oneof of events.Claim. A kind by which several acts are done has a row
// of each.
func attempts() map[string][]attempted {
	resident := servicetest.Resident
	applied := func(op events.Operation) *events.ApplicationReceived {
		return &events.ApplicationReceived{Operation: op, Channel: events.Channel_CHANNEL_SELF, Card: "card-1", CardKind: events.CardKind_CARD_KIND_MYNUMBER}
	}
	special, child := applied(opIssue), resident("101")
	special.Special, child.SpecialCircumstances = true, "an entrance examination abroad"
	corrected := resident("102")
	corrected.Record.CorrectedCode = servicetest.Code("103")
	report := func(fact proto.Message) []attempted { return []attempted{{act: "report", fact: fact}} }
	one := func(act string, fact proto.Message) []attempted { return []attempted{{act: act, fact: fact}} }
	invited := func(code string) *events.InvitationMade {
		return &events.InvitationMade{Officer: code, CodeSha256: officer.CodeHash(code), UntilMs: 1 << 40}
	}
	return map[string][]attempted{
		"application_received": {
			{act: "application", fact: applied(opIssue), personal: resident("100")},
			{act: "special-circumstances", fact: special, personal: child},
			{act: "unblock", fact: applied(events.Operation_OPERATION_UNBLOCK), personal: resident("100")},
			{act: "revocation", fact: applied(events.Operation_OPERATION_REVOKE), personal: resident("100")},
		},
		"histories_joined":           one("joining", &events.HistoriesJoined{Absorbed: "nobody"}),
		"phone_application_received": {{act: "application", from: "phone", fact: &events.PhoneApplicationReceived{}}},
		"handed_over":                one("hand-over", &events.HandedOver{Card: "card-1"}),
		"application_dropped":        one("drop", &events.ApplicationDropped{}),
		"record_change_notified": {
			{act: "record-change", fact: &events.RecordChangeNotified{Change: events.RecordChange_RECORD_CHANGE_NAME}, personal: resident("100")},
			{act: "correction", fact: &events.RecordChangeNotified{Change: events.RecordChange_RECORD_CHANGE_RESIDENT_CODE}, personal: corrected},
		},
		"loss_notified":       one("loss", &events.LossNotified{By: "holder"}),
		"card_found_notified": one("found", &events.CardFoundNotified{Card: "card-1"}),
		"custody_taken": {
			{act: "custody", fact: &events.CustodyTaken{Card: "card-1"}},
			{act: "custody-destruction", fact: &events.CustodyTaken{Card: "card-1", Retired: true}},
			{act: "report", fact: &events.CustodyTaken{Card: "card-1", Obligation: "o1", Retired: true}},
		},
		"authority_order": {{
			act: "order", from: "operator",
			fact: &events.AuthorityOrder{Serials: []uint64{1}, Reason: events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE},
		}},
		"approval_decided": {
			{act: "approval", fact: &events.ApprovalDecided{Approval: "none", Outcome: "approved"}},
			{act: "approval", from: console, fact: &events.ApprovalDecided{Approval: "none", Outcome: "refused"}},
			{act: "withdrawal", fact: &events.ApprovalDecided{Approval: "none", Outcome: "withdrawn"}},
		},
		"approval_opened":  {{act: "approval", from: console, fact: &events.ApprovalOpened{Approval: "none"}}},
		"officer_proposed": one("officer", &events.OfficerProposed{Officer: "N1", Roles: []string{"clerk"}}),
		"officer_left":     one("officer", &events.OfficerLeft{Officer: "N2"}),
		"invitation_made": {
			{act: "officer", fact: invited("N2")},
			{act: "recovery", fact: invited("R0")},
		},
		"passkey_offered":   one("passkey", &events.PasskeyOffered{Officer: "N2", RelyingParty: officer.Counters}),
		"passkey_given_up":  one("passkey", &events.PasskeyGivenUp{Credential: []byte("none")}),
		"signatures_wanted": one("signatures", &events.SignaturesWanted{From: "2040-01-01"}),
		"passwords_wanted":  one("signatures", &events.PasswordsWanted{Allowed: true}),
		"four_eyes_wanted":  one("signatures", &events.FourEyesWanted{Acts: []string{"unblock"}, From: "2040-01-01"}),

		"keys_generated":      report(&events.KeysGenerated{Card: "card-1"}),
		"card_written":        report(&events.CardWritten{Card: "card-1"}),
		"write_failed":        report(&events.WriteFailed{Card: "card-1", Stage: "write", Reason: "card-removed"}),
		"pins_unblocked":      report(&events.PinsUnblocked{Card: "card-1"}),
		"pins_blocked":        report(&events.PinsBlocked{Card: "card-1"}),
		"confirmation_failed": report(&events.ConfirmationFailed{Reason: "no-card"}),
		"certificates_told":   report(&events.CertificatesTold{}),
		"sign_in_failed":      report(&events.SignInFailed{Officer: "N2", Reason: "unknown-key"}),
		"phone_installed":     {{act: "report", from: "phone", fact: &events.PhoneInstalled{}}},
	}
}

// fromConsole are the kinds of claims that the console may make.
var fromConsole = []string{"passkey_offered", "approval_decided", "approval_opened"}

// kindsOfClaim returns the members of a claim's fact.
func kindsOfClaim() (kinds []protoreflect.FieldDescriptor) {
	fields := (&events.Claim{}).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	for i := range fields.Len() {
		kinds = append(kinds, fields.Get(i))
	}
	return kinds
}

// cells is an office that requires signatures, with a source of each kind and an officer of each role, who try every act.
type cells struct {
	*servicetest.World
	sources  map[string]*servicetest.Desk
	officers map[officer.Role]*servicetest.Officer
	// atConsole are the same with their keys for the console.
	atConsole map[officer.Role]*servicetest.Officer
	tried     []tried
}

// tried is a claim that was decided, with the reason for which its officer is not to be believed; "" for none.
type tried struct {
	what, claim string
	want        officer.Reason
}

// console is where a claim is from that officers make there.
const console = "console"

// made returns the claim of an attempt.
func (w *cells) made(kind protoreflect.FieldDescriptor, a attempted) *events.Claim {
	from := w.sources[a.from]
	if a.from == console {
		from = &servicetest.Desk{World: w.World, Office: servicetest.Office}
	}
	c := from.Claim("p1", w.Subscriber("100"), func(c *events.Claim) {
		if a.personal != nil {
			c.Subscriber = ""
		}
		c.Officer = "99"
		c.ProtoReflect().Set(kind, protoreflect.ValueOfMessage(proto.Clone(a.fact).ProtoReflect()))
	}, a.personal)
	if a.from == console {
		c.Number, c.StoreEpoch = 0, ""
	}
	return c
}

// decide decides a claim, and notes what is to come of it.
func (w *cells) decide(what string, a attempted, c *events.Claim, want officer.Reason) {
	w.T.Helper()
	if a.from != console {
		w.sources[a.from].Decide(c)
		w.tried = append(w.tried, tried{what, c.Id, want})
		return
	}
	if done, err := w.file(c); done.Refused != want || errors.Is(err, ra.ErrUnfit) != (want == "") { // it is about nothing that waits
		w.T.Errorf("%s: %+v, %v", what, done, err)
	}
}

// file has a registration authority that has refused nothing yet decide on a claim of the console.
func (w *cells) file(c *events.Claim) (ra.Filed, error) {
	encoded, err := events.EncodeClaim(c)
	servicetest.Check(w.T, err)
	return w.NewRA(w.Log).FileAtConsole(w.T.Context(), encoded)
}

// tryConsole has officers of every role claim what only counters and other sources may, at the console.
func (w *cells) tryConsole(kind protoreflect.FieldDescriptor, a attempted) {
	for role, by := range w.atConsole {
		a.from = console
		if done, err := w.file(by.Sign(w.made(kind, a))); !errors.Is(err, ra.ErrUnfit) {
			w.T.Errorf("%s by %s at the console: %+v, %v", kind.Name(), role, done, err)
		}
	}
}

// try has every role claim what an attempt is, and then nobody.
func (w *cells) try(kind protoreflect.FieldDescriptor, a attempted, act officer.Act) {
	for _, role := range officer.Roles() {
		by := w.officers[role]
		if a.from == console {
			by = w.atConsole[role]
		}
		c := w.made(kind, a)
		if given := c.GetPasskeyGivenUp(); given != nil {
			given.Officer = by.Code
		}
		want := officer.Reason("")
		if !act.May([]officer.Role{role}) {
			want = officer.NotAllowed
		}
		w.decide(fmt.Sprintf("%s (%s) by %s", kind.Name(), act.Word, role), a, by.Sign(c), want)
	}
	want := officer.Reason("")
	if act.Signed() && (a.from == "" || a.from == console) && kind.Name() != "passkey_offered" {
		want = officer.Unsigned
	}
	w.decide(fmt.Sprintf("%s (%s) unsigned", kind.Name(), act.Word), a, w.made(kind, a), want)
}

// Every role tries every kind of claim: it is refused for the role exactly where the table of acts has no such role. Whatever is
// an officer's act is refused without a signature.
func TestEveryRoleClaimsEveryKind(t *testing.T) {
	w := &cells{
		World: servicetest.New(t, morning), sources: map[string]*servicetest.Desk{}, officers: map[officer.Role]*servicetest.Officer{},
		atConsole: map[officer.Role]*servicetest.Officer{},
	}
	w.sources[""] = w.Enrol(servicetest.Office, "c1", "counter")
	for _, from := range []string{"phone", "operator"} {
		w.sources[from] = w.Enrol(servicetest.Office, from, from)
	}
	for i, role := range officer.Roles() {
		if role != officer.Administrator {
			w.officers[role] = w.Officer(servicetest.Office, fmt.Sprint("R", i), role)
		}
	}
	w.officers[officer.Administrator] = w.Officer(servicetest.Office, "A1", officer.Administrator) // last: from then on the centre enrols nobody
	for role, o := range w.officers {
		w.atConsole[role] = &servicetest.Officer{World: w.World, Office: o.Office, Code: o.Code, Key: officer.NewSoftKeyAt(servicetest.Console)}
		k := w.atConsole[role].Key.Passkey()
		w.Record(events.KindOffice, servicetest.Office, &events.PasskeyEnrolled{Officer: o.Code, Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: k.RelyingParty})
	}
	w.Record(events.KindOffice, servicetest.Office, &events.SignaturesRequired{From: "2016-01-01"})
	rows, done := attempts(), map[string]bool{}
	for _, kind := range kindsOfClaim() {
		if len(rows[string(kind.Name())]) == 0 {
			t.Errorf("which act is a claim of %s? Say so in the table", kind.Name())
		}
		for _, a := range rows[string(kind.Name())] {
			act, known := officer.ActNamed(a.act)
			if !known {
				t.Fatalf("%s is no act", a.act)
			}
			done[a.act] = true
			w.try(kind, a, act)
		}
		if !slices.Contains(fromConsole, string(kind.Name())) {
			w.tryConsole(kind, rows[string(kind.Name())][0])
		}
	}
	for _, act := range officer.Acts() {
		if !done[act.Word] && act.Word != "search" { // which is a question: find_test.go
			t.Errorf("no kind of claim is tried that does %s", act.Word)
		}
	}
	refused := refusals(w.World)
	for _, c := range w.tried {
		if got := officer.Reason(refused[c.claim]); got != c.want {
			t.Errorf("%s: refused for %q, want %q", c.what, string(got), string(c.want))
		}
	}
}
