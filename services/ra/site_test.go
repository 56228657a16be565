package ra_test

import (
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/officer"
	"shomei/services/servicetest"
)

// TestAPasskeyOfACountersHostName is enrolled with an invitation's code at that counter, once beside the one of counters themselves,
// and what it signs counts at that counter alone.
func TestAPasskeyOfACountersHostName(t *testing.T) {
	w := servicetest.New(t, morning)
	const host = "madoguchi.example"
	named, plain := w.EnrolUnder(host, servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "c2", "counter")
	phone := w.EnrolUnder(host, servicetest.Office, "t1", "telephone") // no operator's command enrols such a one
	w.Record(events.KindOffice, servicetest.Office, &events.OfficerEnrolled{Officer: "018", Roles: []string{"clerk"}})
	w.Record(events.KindOffice, servicetest.Office, &events.OfficerInvited{
		Officer: "018", CodeSha256: officer.CodeHash("one-time"), UntilMs: w.Clock.Now().Add(time.Hour).UnixMilli(),
	})
	newest := func() *events.Event {
		history := w.History(events.KindOffice, servicetest.Office)
		return history[len(history)-1].Commit.Events[0]
	}
	offer := func(at *servicetest.Desk, key *officer.SoftKey, site string) string {
		k := key.Passkey()
		c := at.Claim("", "", func(c *events.Claim) {
			c.Officer = "018"
			c.Fact = &events.Claim_PasskeyOffered{PasskeyOffered: &events.PasskeyOffered{Officer: "018", Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: site}}
		}, &events.Personal{Code: "one-time"})
		c.Officer = "018"
		at.Decide(c)
		return events.Name(newest()) + newest().GetOfficerClaimRefused().GetReason()
	}
	key, other := officer.NewSoftKeyAt(host), officer.NewSoftKeyAt("other.example")
	for _, try := range []struct {
		name string
		at   *servicetest.Desk
		key  *officer.SoftKey
		site string
		want string
	}{
		{"at a counter without the name", plain, key, host, "OfficerClaimRefused" + string(officer.IllFormed)},
		{"at a telephone desk", phone, key, host, "OfficerClaimRefused" + string(officer.IllFormed)},
		{"for another site", named, other, "other.example", "OfficerClaimRefused" + string(officer.IllFormed)},
		{"for the console", named, other, servicetest.Console, "OfficerClaimRefused" + string(officer.IllFormed)},
		{"at the counter", named, key, host, "PasskeyEnrolled"},
		{"once more", named, officer.NewSoftKeyAt(host), host, "OfficerClaimRefused" + string(officer.NoInvitation)},
		{"on its own machine", named, officer.NewSoftKey(), officer.Counters, "PasskeyEnrolled"},
		{"on its own machine again", plain, officer.NewSoftKey(), officer.Counters, "OfficerClaimRefused" + string(officer.NoInvitation)},
	} {
		if got := offer(try.at, try.key, try.site); got != try.want {
			t.Errorf("%s: %s, want %s", try.name, got, try.want)
		}
	}

	signs := &servicetest.Officer{World: w, Office: servicetest.Office, Code: "018", Key: key}
	applied := func(at *servicetest.Desk, procedure, code string) *events.Claim {
		return signs.Sign(at.Claim(procedure, "", servicetest.Applied(opIssue, "card-"+code), servicetest.Resident(code)))
	}
	named.Decide(applied(named, "p1", "100"))
	if state := w.State(w.Subscriber("100")); len(state.Procedures) != 1 {
		t.Errorf("what was signed at the counter's host name is not taken: %v", state)
	}
	plain.Decide(applied(plain, "p2", "200"))
	if got := newest().GetSignInRefused().GetReason(); got != string(officer.OtherOrigin) {
		t.Errorf("what was signed for one counter's host name counts at another counter: %v", newest())
	}
}
