package agent_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"

	"shomei/events"
	"shomei/pkg/officer"
	"shomei/services/agent"
)

// sendOfficers tells the counter who its officers are and waits until it knows.
func (c *centre) sendOfficers(counter *agent.Counter, told *events.OfficeOfficers) {
	c.t.Helper()
	must(c.t, c.hub.Send(c.t.Context(), &events.Downlink{Id: rand.Text(), Counter: desk, Body: &events.Downlink_Officers{Officers: told}}))
	ctx, cancel := context.WithTimeout(c.t.Context(), waitLimit)
	defer cancel()
	for range counter.Progress(ctx, "") {
		if counter.Officers().AsOf() == told.GetAsOfMs() {
			return
		}
	}
	c.t.Fatal("the officers did not reach the counter")
}

// officerWith returns an officer of the test's office who has a passkey in software.
func officerWith(code string, key *officer.SoftKey, roles ...string) *events.OfficeOfficer {
	k := key.Passkey()
	return &events.OfficeOfficer{Officer: code, Roles: roles, Home: "12237-main", Keys: []*events.OfficerKey{{
		Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: k.RelyingParty, Software: true,
	}}}
}

func TestActsAreFiledSigned(t *testing.T) {
	centre := newCentre(t)
	store := storePath(t)
	counter, stop := centre.counter(centre.config(store, nil))
	key, clerk := officer.NewSoftKey(), application("CARD-1")
	clerk.Officer = "017"

	if _, err := counter.Receive(t.Context(), clerk); err != nil {
		t.Fatalf("before the centre has told any officers: %v", err)
	}
	told := &events.OfficeOfficers{
		Officers: []*events.OfficeOfficer{officerWith("017", key, "clerk"), officerWith("030", key, "analyst")}, AsOfMs: 2, Demonstration: true,
	}
	centre.sendOfficers(counter, told)
	act, err := counter.Apply(clerk)
	must(t, err)
	signature, err := key.Sign(act.Challenge())
	must(t, err)
	must(t, act.File(signature))
	must(t, act.File(signature)) // once
	claims := centre.until("the signed application", func(claims []*events.Claim) bool { return len(claims) >= 2 })
	signed := claims[1]
	if signed.GetId() != act.Claim() || signed.GetApplicationReceived() == nil || signed.GetCounter() != desk {
		t.Errorf("the claim that arrived: %v", signed)
	}
	must(t, officer.Verify(signed.GetAssertion(), events.ActChallenge(signed.GetAct()), key.Passkey()))

	refuse := func(what string, change func(*agent.Application), by *officer.SoftKey, want error) {
		t.Helper()
		a := clerk
		change(&a)
		act, err := counter.Apply(a)
		must(t, err)
		signature, err := by.Sign(act.Challenge())
		must(t, err)
		if err := act.File(signature); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	keep := func(*agent.Application) {}
	refuse("another's key", keep, officer.NewSoftKey(), officer.UnknownKey)
	refuse("nobody's number", func(a *agent.Application) { a.Officer = "999" }, key, officer.Unknown)
	refuse("a role that may not", func(a *agent.Application) { a.Officer = "030" }, key, officer.NotAllowed)
	other, err := counter.Apply(clerk)
	must(t, err)
	if err := other.File(signature); !errors.Is(err, officer.OtherBytes) {
		t.Errorf("another act's signature: %v", err)
	}

	centre.sendOfficers(counter, &events.OfficeOfficers{
		Officers: []*events.OfficeOfficer{officerWith("017", key, "clerk")}, AsOfMs: 3, RequiredFrom: "2020-01-01", Demonstration: false,
	})
	refuse("a key in software without a demonstration", keep, key, officer.Software)
	if _, err := counter.Receive(t.Context(), clerk); !errors.Is(err, officer.Unsigned) {
		t.Errorf("an office that requires signatures: %v", err)
	}
	if _, err := counter.ReportBlocked(t.Context(), "CARD-1", events.PinKind_PIN_KIND_SIGN); err != nil {
		t.Errorf("what a program reports: %v", err)
	}
	told.AsOfMs = 1
	must(t, centre.hub.Send(t.Context(), &events.Downlink{Id: "old", Counter: desk, Body: &events.Downlink_Officers{Officers: told}}))
	told.AsOfMs, told.RequiredFrom = 4, "2020-01-02"
	centre.sendOfficers(counter, told)
	told.AsOfMs = 3
	must(t, centre.hub.Send(t.Context(), &events.Downlink{Id: "older", Counter: desk, Body: &events.Downlink_Officers{Officers: told}}))
	stop()
	offline := centre.config(store, nil)
	offline.Conn = nil
	again, err := agent.Open(offline)
	must(t, err)
	defer again.Close()
	if o := again.Officers(); o.AsOf() != 4 || len(o.All()) != 2 || !o.Demonstration() {
		t.Errorf("after a restart without the centre: %+v", o)
	}
}
