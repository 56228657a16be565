package officer

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// TestVerifyBelievesOnlyThisSignature changes one thing at a time in an assertion that holds.
func TestVerifyBelievesOnlyThisSignature(t *testing.T) {
	key, challenge := NewSoftKey(), events.ActChallenge([]byte("an act"))
	good, err := key.Sign(challenge)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := ParseSoftKey(key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(good, challenge, stored.Passkey()); err != nil {
		t.Fatalf("a good signature: %v", err)
	}
	for name, try := range map[string]struct {
		change    func(*events.Assertion)
		challenge []byte
		key       Passkey
		want      error
	}{
		"another act":       {challenge: events.ActChallenge([]byte("another act")), want: OtherBytes},
		"another passkey":   {key: NewSoftKey().Passkey(), want: UnknownKey},
		"user not verified": {change: func(a *events.Assertion) { a.AuthenticatorData[32] &^= 0x04 }, want: Unverified},
		"user not present":  {change: func(a *events.Assertion) { a.AuthenticatorData[32] &^= 0x01 }, want: Unverified},
		"another site": {change: func(a *events.Assertion) {
			a.ClientData = bytes.Replace(a.ClientData, []byte("http://localhost"), []byte("https://localhost.example"), 1)
		}, want: OtherOrigin},
		"in a frame": {change: func(a *events.Assertion) {
			a.ClientData = bytes.Replace(a.ClientData, []byte(`"crossOrigin":false`), []byte(`"crossOrigin":true`), 1)
		}, want: OtherOrigin},
		"for enrolment": {change: func(a *events.Assertion) {
			a.ClientData = bytes.Replace(a.ClientData, []byte("webauthn.get"), []byte("webauthn.create"), 1)
		}, want: BadSignature},
		"counted on":     {change: func(a *events.Assertion) { a.AuthenticatorData[36]++ }, want: BadSignature},
		"another party":  {change: func(a *events.Assertion) { a.AuthenticatorData[0] ^= 1 }, want: BadSignature},
		"its bytes":      {change: func(a *events.Assertion) { a.Signature[len(a.Signature)-1] ^= 1 }, want: BadSignature},
		"no signature":   {change: func(a *events.Assertion) { a.Signature = nil }, want: BadSignature},
		"no client data": {change: func(a *events.Assertion) { a.ClientData = nil }, want: BadSignature},
		"cut off":        {change: func(a *events.Assertion) { a.AuthenticatorData = a.AuthenticatorData[:20] }, want: BadSignature},
		"a challenge twice": {change: func(a *events.Assertion) {
			other := base64.RawURLEncoding.EncodeToString(events.ActChallenge([]byte("x")))
			a.ClientData = []byte(strings.Replace(string(a.ClientData), "{", `{"Challenge":"`+other+`",`, 1))
		}, want: BadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := key.Sign(challenge)
			if err != nil {
				t.Fatal(err)
			}
			if try.change != nil {
				try.change(a)
			}
			if try.challenge == nil {
				try.challenge = challenge
			}
			if try.key.Credential == nil {
				try.key = key.Passkey()
			}
			if err := Verify(a, try.challenge, try.key); !errors.Is(err, try.want) {
				t.Errorf("%v, want %v", err, try.want)
			}
		})
	}
}

func TestSitesOfARelyingParty(t *testing.T) {
	for origin, party := range map[string]string{
		"http://localhost:8472": "localhost", "https://localhost": "localhost", "https://console.example:8443": "console.example",
	} {
		if !SiteOf(origin, party) {
			t.Errorf("%s is no site of %s", origin, party)
		}
	}
	for origin, party := range map[string]string{
		"http://console.example": "console.example", "https://a.console.example": "console.example", "https://console.example.evil": "console.example",
		"https://console.example@evil": "console.example", "http://localhost/": "localhost", "null": "null", "": "",
	} {
		if SiteOf(origin, party) {
			t.Errorf("%s passes for a site of %s", origin, party)
		}
	}
}

var (
	operator      = &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "op-1"}
	administrator = &events.Actor{Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: "A1"}
	began         = time.Date(2026, 11, 30, 0, 0, 0, 0, civil.Tokyo)
)

// told returns the history of an office with these events, added in the order given by places.
func told(actor *events.Actor, bodies ...events.Body) *History {
	h := &History{}
	for i := len(bodies) - 1; i >= 0; i-- { // the order of adding must not matter
		h.Add(Position{Revision: uint64(i + 1)}, began.Add(time.Duration(i)*time.Minute), actor, bodies[i])
	}
	return h
}

// TestTheCentreSaysWhoIsAnOfficerOnlyUntilSomebodyAdministers: an operator who could enrol officers of an administered office
// could act in an officer's name.
func TestTheCentreSaysWhoIsAnOfficerOnlyUntilSomebodyAdministers(t *testing.T) {
	h := told(operator,
		&events.OfficerEnrolled{Officer: "A1", Roles: []string{"administrator"}},
		&events.OfficerInvited{Officer: "A1", CodeSha256: []byte("h")},
		&events.PasskeyEnrolled{Officer: "A1", Credential: []byte("c")},
		&events.OfficerEnrolled{Officer: "B2", Roles: []string{"approver"}},
		&events.OfficerInvited{Officer: "A1", CodeSha256: []byte("another")},
		&events.OfficerRetired{Officer: "A1"},
		&events.OfficerEnrolled{Officer: "C3", Roles: []string{"clerk"}},
	)
	administered := h.At("o", began.Add(4*time.Minute))
	if _, err := administered.Officer("B2"); !errors.Is(err, Unknown) {
		t.Errorf("the centre enrolled an officer of an office with an administrator: %v", err)
	}
	if a, _ := administered.Officer("A1"); a.Retired || len(a.Passkeys) != 1 {
		t.Errorf("the administrator: %+v", a)
	}
	last := h.At("o", began.Add(time.Hour))
	if a, _ := last.Officer("A1"); !a.Retired || len(a.Invitations) > 0 || a.Passkeys[0].Until.IsZero() {
		t.Errorf("a retirement by the centre counts at once: %+v", a)
	}
	if _, err := last.Officer("C3"); err != nil {
		t.Errorf("an office whose administrators are gone begins anew: %v", err)
	}
}

func TestATermAndItsKeysEnd(t *testing.T) {
	day := func(text string) civil.Date { d, _ := civil.Parse(text); return d }
	h := told(administrator,
		&events.OfficerEnrolled{Officer: "17", Roles: []string{"clerk"}, From: "2026-12-01", Until: "2027-03-31"},
		&events.PasskeyEnrolled{Officer: "17", Credential: []byte("c")},
		&events.PasskeyEnrolled{Officer: "17", Credential: []byte("d")},
		&events.PasskeyRetired{Officer: "17", Credential: []byte("c")},
	)
	o, err := h.At("o", began.Add(time.Hour)).Officer("17")
	if err != nil {
		t.Fatal(err)
	}
	for on, want := range map[string]error{"2026-11-30": OutOfTerm, "2026-12-01": nil, "2027-03-31": nil, "2027-04-01": OutOfTerm} {
		if err := o.InTerm(day(on)); !errors.Is(err, want) || err != nil && want == nil {
			t.Errorf("on %s: %v, want %v", on, err, want)
		}
	}
	if _, err := o.Key([]byte("c")); !errors.Is(err, UnknownKey) {
		t.Errorf("a retired key: %v", err)
	}
	if _, err := o.Key([]byte("d")); err != nil {
		t.Errorf("the other key: %v", err)
	}
}

// TestTheLawsPairsStay: an office chooses which acts need two, but for those that always do and those that never can.
func TestTheLawsPairsStay(t *testing.T) {
	on, _ := civil.Parse("2026-12-01")
	if got := (Office{}).FourEyes(on); !slices.Equal(got, []string{"special-circumstances", "correction", "joining", "custody-destruction", "recovery"}) {
		t.Errorf("an office that has said nothing: %v", got)
	}
	h := told(administrator, &events.FourEyesDefined{Acts: []string{"unblock", "hand-over"}, From: "2026-12-01"})
	if got := h.At("o", began.Add(time.Hour)).FourEyes(on); !slices.Equal(got, []string{"special-circumstances", "unblock", "joining", "recovery"}) {
		t.Errorf("an office that has chosen: %v", got)
	}
	before, coming := on.AddDays(-1), h.At("o", began.Add(time.Hour)).FourEyesAfter(on.AddDays(-1))
	if len(coming) != 1 || coming[0].From != "2026-12-01" || !slices.Equal(coming[0].Acts, []string{"special-circumstances", "unblock", "joining", "recovery"}) {
		t.Errorf("coming after %s: %v", before, coming)
	}
	if coming := h.At("o", began.Add(time.Hour)).FourEyesAfter(on); len(coming) != 0 {
		t.Errorf("coming after the day itself: %v", coming)
	}
}

// TestEveryClaimIsAnAct fails for a kind of claim that nobody has given a row.
func TestEveryClaimIsAnAct(t *testing.T) {
	oneof := (&events.Claim{}).ProtoReflect().Descriptor().Oneofs().ByName("fact")
	for i := range oneof.Fields().Len() {
		field := oneof.Fields().Get(i)
		c := &events.Claim{}
		c.ProtoReflect().Set(field, c.ProtoReflect().NewField(field))
		act := ActOf(c)
		if act.Word == "" || act.Word == "application" && field.Name() != "application_received" && field.Name() != "phone_application_received" {
			t.Errorf("%s is act %q", field.Name(), act.Word)
		}
	}
}

// TestTheCentreWaivesNothingOfAnAdministeredOffice: an operator who could have signatures required later, or fewer acts done by two,
// could act in an officer's name.
func TestTheCentreWaivesNothingOfAnAdministeredOffice(t *testing.T) {
	h := &History{}
	for i, of := range []struct {
		actor *events.Actor
		body  events.Body
	}{
		{operator, &events.OfficerEnrolled{Officer: "A1", Roles: []string{"administrator"}}},
		{administrator, &events.PasskeyEnrolled{Officer: "A1", Credential: []byte("c"), RelyingParty: Counters, CodeSha256: []byte("h")}},
		{administrator, &events.SignaturesRequired{From: "2026-12-10"}},
		{operator, &events.SignaturesRequired{From: "2026-12-20"}},
		{operator, &events.SignaturesRequired{}},
		{administrator, &events.FourEyesDefined{Acts: []string{"unblock"}, From: "2026-12-01"}},
		{operator, &events.FourEyesDefined{Acts: []string{"correction"}, From: "2026-12-01"}},
		{operator, &events.SignaturesRequired{From: "2026-12-05"}},
		{operator, &events.PasswordsAllowed{Allowed: true}},
		{administrator, &events.PasswordsAllowed{Allowed: true}},
		{operator, &events.PasswordsAllowed{Allowed: true}},
		{operator, &events.PasswordsAllowed{}},
	} {
		h.Add(Position{Revision: uint64(i + 1)}, began.Add(time.Duration(i)*time.Minute), of.actor, of.body)
	}
	day := func(d int) civil.Date { return civil.Date{Year: 2026, Month: 12, Day: d} }
	if got := h.At("o", began.Add(6*time.Minute)).Required(); got != day(10) {
		t.Errorf("required from %v", got)
	}
	for minutes, want := range map[time.Duration]bool{8: false, 9: true, 10: true, 11: false} {
		if got := h.At("o", began.Add(minutes*time.Minute)).Passwords(); got != want {
			t.Errorf("after %d minutes passwords are allowed: %v", minutes, got)
		}
	}
	now := h.At("o", began.Add(time.Hour))
	if got := now.Required(); got != day(5) {
		t.Errorf("earlier: required from %v", got)
	}
	if got := now.FourEyes(day(1)); !slices.Equal(got, []string{"special-circumstances", "unblock", "correction", "joining", "recovery"}) {
		t.Errorf("four eyes: %v", got)
	}
}

// TestAnInvitationIsUsedOnceAtEachSite: the newest one counts, within its time.
func TestAnInvitationIsUsedOnceAtEachSite(t *testing.T) {
	until := began.Add(time.Hour)
	h := told(administrator,
		&events.OfficerEnrolled{Officer: "C1", Roles: []string{"clerk"}},
		&events.OfficerInvited{Officer: "C1", CodeSha256: []byte("old"), UntilMs: until.UnixMilli()},
		&events.OfficerInvited{Officer: "C1", CodeSha256: []byte("new"), UntilMs: until.UnixMilli()},
		&events.PasskeyEnrolled{Officer: "C1", Credential: []byte("c"), RelyingParty: Counters, CodeSha256: []byte("new")},
	)
	c1, _ := h.At("o", until).Officer("C1")
	if _, err := c1.Invitation(AtCounter, until.Add(-1)); !errors.Is(err, NoInvitation) {
		t.Errorf("a second time at a counter: %v", err)
	}
	if found, err := c1.Invitation(AtConsole, until.Add(-1)); err != nil || string(found.CodeSHA256) != "new" {
		t.Errorf("at the console: %v %v", found, err)
	}
	if _, err := c1.Invitation(AtConsole, until); !errors.Is(err, NoInvitation) {
		t.Errorf("too late: %v", err)
	}
	if c1.Retired || !h.Has([]byte("c")) || h.Has([]byte("d")) {
		t.Error("passkeys")
	}
}

func TestCheckHost(t *testing.T) {
	for name, ok := range map[string]bool{
		"madoguchi.city.example.jp": true, "console.localhost": true, "window1": true, "a": true, "xn--8pvr4u.jp": true, "1.window": true,
		"": false, "localhost": false, "127.0.0.1": false, "::1": false, "1.2": false, "window.1": false, "Window.example": false,
		"window.example:8443": false, "https://window.example": false, "window.example.": false, "-a.example": false, "a-.example": false,
		"窓口.example": false, "a..b": false, "a b": false, "window.example\n": false, strings.Repeat("a.", 130) + "jp": false, strings.Repeat("a", 64): false,
	} {
		if err := CheckHost(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
