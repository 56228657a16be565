package agent_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"shomei/events"
	"shomei/pkg/natstest"
	"shomei/pkg/officer"
	"shomei/services/agent"
	pages "shomei/services/agent/desk"
)

// sendOfficers tells the counter who its officers are and waits until it knows.
func (c *centre) sendOfficers(counter *agent.Counter, told *events.OfficeOfficers) {
	c.t.Helper()
	must(c.t, c.hub.Send(c.t.Context(), &events.Downlink{Id: rand.Text(), Counter: desk, Body: &events.Downlink_Officers{Officers: told}}))
	natstest.Wait(c.t, waitLimit, "the officers at the counter", func() bool { return counter.Officers().AsOf() == told.GetAsOfMs() })
}

// officerWith returns an officer of the test's office who has a passkey in software.
func officerWith(code string, key *officer.SoftKey, roles ...string) *events.OfficeOfficer {
	k := key.Passkey()
	return &events.OfficeOfficer{Officer: code, Roles: roles, Home: "12237-main", Keys: []*events.OfficerKey{{
		Credential: k.Credential, PublicKey: k.PublicKey, RelyingParty: k.RelyingParty, Software: true,
	}}}
}

// TestDemonstrationSignsByItself: on the pages nobody types a number, and a program may act as the demonstration's officer. Where
// the centre says that it is no demonstration, that officer's key is worth nothing.
func TestDemonstrationSignsByItself(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	soft := &pages.SoftOfficer{Officer: "demo-1", Key: officer.NewSoftKey()}
	config := deskConfig(counter)
	config.Soft = soft
	at := openDeskOf(t, config)
	told := &events.OfficeOfficers{
		Officers: []*events.OfficeOfficer{officerWith("demo-1", soft.Key, "clerk")}, AsOfMs: 1, RequiredFrom: "2020-01-01", Demonstration: true,
	}
	centre.sendOfficers(counter, told)

	_, _, text := visit(t, at+"/apply?operation=issue", nil)
	want(t, text, "本物の署名ではありません", "demo-1")
	_, where, _ := visit(t, at+"/apply", filled())
	if !strings.Contains(where, "/procedures/") {
		t.Errorf("filing takes another click: %s", where)
	}
	program := func(clerk string, status int) {
		t.Helper()
		body := `{"what":"loss","clerk":"` + clerk + `","person":{"resident_code":"00000000123","birth_date":"1990-06-18"}}`
		response, err := http.Post(at+"/api/reports", "application/json", strings.NewReader(body))
		must(t, err)
		defer response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("a program as %s: %s", clerk, response.Status)
		}
	}
	program("demo-1", http.StatusAccepted)
	program("017", http.StatusForbidden)
	for _, fact := range []string{"ApplicationReceived", "LossNotified"} {
		claim := centre.claim(fact)
		must(t, officer.Verify(claim.GetAssertion(), events.ActChallenge(claim.GetAct()), soft.Key.Passkey()))
	}
	own := officer.NewSoftKey()
	told.AsOfMs, told.Officers = told.AsOfMs+1, append(told.Officers, officerWith("017", own, "clerk"))
	centre.sendOfficers(counter, told)
	signsItself(t, at, own, soft.Key)
	if claim := centre.claim("CardFoundNotified"); claim.GetOfficer() != "017" || officer.Verify(claim.GetAssertion(), events.ActChallenge(claim.GetAct()), own.Passkey()) != nil {
		t.Errorf("what a program signed: %v", claim)
	}
	for _, role := range officer.Roles() {
		told.AsOfMs, told.Officers[0].Roles = told.AsOfMs+1, []string{string(role)}
		centre.sendOfficers(counter, told)
		everyDoor(t, at, role)
	}
	told.AsOfMs, told.Officers[0].Roles, told.FourEyes = told.AsOfMs+1, []string{"administrator"}, []string{"special-circumstances", "unblock"}
	told.FourEyesComing = []*events.FourEyesDefined{
		{From: "2020-01-01", Acts: []string{"special-circumstances", "correction"}}, {From: "2199-01-01", Acts: []string{"special-circumstances", "unblock"}},
	}
	centre.sendOfficers(counter, told)
	administers(t, centre, at, soft.Key.Passkey().Credential)
	told.AsOfMs, told.Demonstration = told.AsOfMs+1, false
	centre.sendOfficers(counter, told)
	_, where, _ = visit(t, at+"/apply", filled())
	if !strings.HasSuffix(where, "/sign-in?lost=1") {
		t.Errorf("outside a demonstration: %s", where)
	}
	program("demo-1", http.StatusForbidden)
	if status, body := post(t, at+"/api/find", `{"name":"証明花子","birth_date":"1990-06-18","clerk":"demo-1"}`); status != http.StatusForbidden {
		t.Errorf("a program looks for somebody where officers sign: %d %v", status, body)
	}
	if status, body := post(t, at+"/api/enrol", `{"officer":"017","code":"ABCD","credential":"AAAA","public_key":"AAAA"}`); status != http.StatusUnprocessableEntity {
		t.Errorf("a program's key outside a demonstration: %d %v", status, body)
	}
}

// signsItself has a program report a found card as officer 017, first with signatures that prove nothing.
func signsItself(t *testing.T, at string, own, other *officer.SoftKey) {
	t.Helper()
	body := `{"what":"found","clerk":"017","card":"CARD-9"}`
	if status, _ := post(t, at+"/api/reports?sign=1", strings.Replace(body, "017", "999", 1)); status != http.StatusForbidden {
		t.Errorf("a program signs as nobody's number: %d", status)
	}
	status, asked := post(t, at+"/api/reports?sign=1", body)
	token, _ := asked["act"].(string)
	challenge, err := base64.StdEncoding.DecodeString(asked["challenge"].(string))
	must(t, err)
	if status != http.StatusAccepted || token == "" || asked["procedure"] != nil {
		t.Fatalf("what a program is to sign: %d %v", status, asked)
	}
	if status, _, _ := visit(t, at+"/sign/"+token, nil); status == http.StatusOK {
		t.Error("a page asks for the touch that a program's act waits for")
	}
	for _, wrong := range []struct {
		key       *officer.SoftKey
		challenge []byte
	}{{other, challenge}, {own, []byte("another act's")}} {
		response, err := wrong.key.Respond(wrong.challenge)
		must(t, err)
		if status, body := post(t, at+"/api/acts/"+token, string(response)); status != http.StatusUnprocessableEntity {
			t.Errorf("a signature that proves nothing: %d %v", status, body)
		}
	}
	response, err := own.Respond(challenge)
	must(t, err)
	for range 2 { // once more files nothing more
		if status, body := post(t, at+"/api/acts/"+token, string(response)); status != http.StatusAccepted || body["procedure"] == "" {
			t.Errorf("a program's signature: %d %v", status, body)
		}
	}
	if status, _ := post(t, at+"/api/acts/none", string(response)); status != http.StatusConflict {
		t.Errorf("an act that does not wait: %d", status)
	}
}

// everyDoor has an officer of a role try every URL of the counter's pages that files something: it is refused for the role exactly where
// the acts that it files are none of the role's.
func everyDoor(t *testing.T, at string, role officer.Role) {
	t.Helper()
	for pattern, words := range pages.Filing() {
		method, path, _ := strings.Cut(strings.NewReplacer("{id}", "none", "{token}", "none").Replace(pattern), " ")
		if strings.HasPrefix(path, "/api/") || path == "/enrol" {
			continue // for programs, and for whoever has a code
		}
		var form url.Values
		if method == http.MethodPost {
			form = url.Values{"operation": {"issue"}, "what": {"loss"}, "do": {"none"}}
		}
		may := slices.ContainsFunc(words, func(word string) bool {
			act, _ := officer.ActNamed(word)
			return act.May([]officer.Role{role})
		})
		if path == "/officers" {
			may = role == officer.Administrator // others enrol and give up their own passkeys elsewhere
		}
		if status, _, text := visit(t, at+path, form); (status == http.StatusForbidden && strings.Contains(text, "この職員の役割では")) == may {
			t.Errorf("%s at %s: %d, allowed %v", role, pattern, status, may)
		}
	}
}

// administers has an administrator say what the office demands of its officers, and give up a passkey.
func administers(t *testing.T, centre *centre, at string, credential []byte) {
	t.Helper()
	_, _, text := visit(t, at+"/officers", nil)
	want(t, text, "2020-01-01 から、職員の署名が必須です", `value="correction" checked`, `value="unblock"> `, "checked disabled> 特別の事情による申請の受付", hex.EncodeToString(credential))
	for _, wrong := range []url.Values{
		{"do": {"require"}, "sign_from": {"2020-01-01"}},
		{"do": {"pairs"}, "pairs_from": {"soon"}, "acts": {"unblock"}},
		{"do": {"give-up"}, "key": {"00"}},
	} {
		if status, _, _ := visit(t, at+"/officers", wrong); status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", wrong, status)
		}
	}
	if status, _, _ := visit(t, at+"/officers", url.Values{"do": {"pairs"}, "pairs_from": {"2199-04-01"}, "acts": {"hand-over"}}); status != http.StatusBadRequest {
		t.Errorf("two officers for what nobody can choose: %d", status)
	}
	for _, form := range []url.Values{
		{"do": {"require"}, "sign_from": {"2199-04-01"}},
		{"do": {"pairs"}, "pairs_from": {"2199-04-02"}, "acts": {"unblock", "revocation"}},
		{"do": {"passwords"}},
		{"do": {"give-up"}, "key": {hex.EncodeToString(credential)}},
	} {
		if _, where, _ := visit(t, at+"/officers", form); !strings.Contains(where, "/procedures/") {
			t.Errorf("%v leads to %s", form, where)
		}
	}
	if from := centre.claim("SignaturesWanted").GetSignaturesWanted().GetFrom(); from != "2199-04-01" {
		t.Errorf("signatures are wanted from %s", from)
	}
	if chosen := centre.claim("FourEyesWanted").GetFourEyesWanted(); chosen.GetFrom() != "2199-04-02" || !slices.Equal(chosen.GetActs(), []string{"unblock", "revocation"}) {
		t.Errorf("two officers are wanted: %v", chosen)
	}
	if !centre.claim("PasswordsWanted").GetPasswordsWanted().GetAllowed() {
		t.Error("the wish for passwords forbids them")
	}
	given := centre.claim("PasskeyGivenUp")
	if fact := given.GetPasskeyGivenUp(); fact.GetOfficer() != "demo-1" || !bytes.Equal(fact.GetCredential(), credential) || given.GetAssertion() == nil {
		t.Errorf("given up: %v", given)
	}
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
