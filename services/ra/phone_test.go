package ra_test

import (
	"slices"
	"strings"
	"testing"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/services/servicetest"
)

const (
	opPhoneIssue   = events.Operation_OPERATION_PHONE_ISSUE
	opPhoneRelease = events.Operation_OPERATION_PHONE_RELEASE
	opPhoneRevoke  = events.Operation_OPERATION_PHONE_REVOKE

	inForce = events.CertificateStatus_CERTIFICATE_STATUS_VALID
)

// phoneWorld returns a person with a card, whose signature key is pair 1 of the pool, and an app gateway.
func phoneWorld(t *testing.T) (*servicetest.World, *servicetest.Life, *servicetest.Desk) {
	w := servicetest.New(t, "2024-03-05 10:00")
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	return w, l, w.Enrol(servicetest.Office, "gateway", "phone")
}

func TestAPhoneGetsCertificates(t *testing.T) {
	w, l, gateway := phoneWorld(t)
	w.Clock.Set("2024-03-05 23:00") // no office is open
	p := gateway.Phone(l, "android-1").Register(4, auth, sign)
	if got := p.Status(); got[auth] != inForce || got[sign] != inForce {
		t.Fatalf("on the phone: %v; %v, in quarantine %q", got, w.Events(l.Subscriber), w.Quarantined())
	}
	for _, held := range p.Holds() {
		d, err := ca.Describe(l.Certificate(held.Serial))
		if err != nil || d.Origin != ca.ShomeiSmartphone || (d.Kind == ca.Auth) != (held.Kind == auth) || (d.Holder != nil) != (held.Kind == sign) {
			t.Errorf("kind %v: %+v, %v", held.Kind, d, err)
		}
	}
}

// Somebody with a gateway but without the card gets nothing: each row is quarantined and changes nothing.
func TestForgedPhoneApplications(t *testing.T) {
	w, l, gateway := phoneWorld(t)
	counter := w.Enrol(servicetest.Office, "c2", "counter")
	telephone := w.Enrol(servicetest.Office, "telephone", "telephone")
	honest := gateway.Phone(l, "android-1").Asks(opPhoneIssue, 4, auth, sign)
	before := len(w.Events(l.Subscriber))
	for name, row := range map[string]struct {
		by    *servicetest.Desk
		why   string
		forge func(*events.PhoneApplicationReceived, *events.Claim)
		asks  events.Operation
		key   int
	}{
		"signed with another key":            {gateway, "not signed with the card's", nil, opPhoneIssue, 7},
		"signed with the authentication key": {gateway, "not signed with the card's", nil, opPhoneIssue, 0},
		"not signed":                         {gateway, "without a proof", func(r *events.PhoneApplicationReceived, _ *events.Claim) { r.Proof = nil }, opPhoneIssue, 1},
		"changed": {gateway, "not signed with the card's", func(r *events.PhoneApplicationReceived, c *events.Claim) {
			a, err := events.ParsePhone(r)
			servicetest.Check(t, err)
			a.Device = "android-of-mine"
			r.Application, err = events.Encode(a)
			servicetest.Check(t, err)
		}, opPhoneIssue, 1},
		"another procedure":          {gateway, "another procedure", func(_ *events.PhoneApplicationReceived, c *events.Claim) { c.Procedure = "another" }, opPhoneIssue, 1},
		"no application":             {gateway, "malformed", func(r *events.PhoneApplicationReceived, _ *events.Claim) { r.Application = []byte{0xff} }, opPhoneIssue, 1},
		"a release with another key": {gateway, "not signed with the card's", nil, opPhoneRelease, 7},
		"a card's application":       {gateway, "does not apply to a smartphone", nil, events.Operation_OPERATION_ISSUE, 1},
		"by a counter":               {counter, "only a smartphone", nil, opPhoneIssue, 1},
		"by telephone":               {telephone, "may not claim", nil, opPhoneRevoke, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := row.by.Phone(l, "android-1")
			p.CardKey = row.key
			kinds := []events.CertificateKind{auth, sign}
			if row.asks != opPhoneIssue && row.asks != events.Operation_OPERATION_ISSUE {
				kinds = nil
			}
			c := p.Asks(row.asks, 4, kinds...)
			if row.forge != nil {
				row.forge(c.GetPhoneApplicationReceived(), c)
			}
			p.Decide(c)
			if why := w.Quarantined(); !slices.ContainsFunc(why, func(s string) bool { return strings.Contains(s, row.why) }) {
				t.Errorf("in quarantine: %q, want %q", why, row.why)
			}
			if now := w.Events(l.Subscriber); len(now) != before {
				t.Errorf("it should change nothing, but led to %v", now[before:])
			}
		})
	}
	gateway.Decide(honest)
	if w.Count(l.Subscriber, "IssueAuthorized") != 4 {
		t.Errorf("the honest application: %v; %q", w.Events(l.Subscriber), w.Quarantined())
	}
}

// A proof counts once: a repeated application is refused, and so is one without a signature certificate on the card.
func TestPhoneApplicationCountsOnce(t *testing.T) {
	w, l, gateway := phoneWorld(t)
	p := gateway.Phone(l, "android-1").Register(4, auth, sign)
	w.Clock.Set("2024-03-06 10:00")
	old := p.Asks(opPhoneRevoke, 0)
	w.Clock.Set("2024-03-06 11:00")
	gateway.Decide(p.Asks(opPhoneRevoke, 0))
	w.Clock.Set("2024-03-06 11:01")
	p.Register(4, auth, sign)
	old.Id = "018e1111-0000-7000-8000-000000000000"
	gateway.Decide(old)
	if got := p.Status(); got[auth] != inForce {
		t.Errorf("an old revocation was taken again: %v", w.Events(l.Subscriber))
	}
	if n := w.Count(l.Subscriber, "ApplicationRefused"); n != 1 {
		t.Errorf("%d refusals, want one: %v", n, w.Events(l.Subscriber))
	}
	register := w.Enrol(servicetest.Office, "register", "register")
	moved := servicetest.Resident("100")
	register.Decide(register.Claim("", "", func(c *events.Claim) {
		c.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{Change: events.RecordChange_RECORD_CHANGE_ADDRESS}}
	}, moved))
	if got := p.Status(); got[auth] != inForce || got[sign] != 0 {
		t.Errorf("after a change of address: %v", got)
	}
	w.Clock.Set("2024-03-06 12:00")
	gateway.Decide(p.Asks(opPhoneIssue, 6, sign))
	if n := w.Count(l.Subscriber, "ApplicationRefused"); n != 2 {
		t.Errorf("%d refusals, want two: %v; %q", n, w.Events(l.Subscriber), w.Quarantined())
	}
}
