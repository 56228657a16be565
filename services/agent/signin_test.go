package agent_test

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/pkg/officer"
	"shomei/pkg/page/pagetest"
	"shomei/services/agent"
)

// staff is a test's centre with officers, and a counter whose pages are in a browser.
type staff struct {
	*centre
	counter *agent.Counter
	tab     *pagetest.Browser
	at      string
	told    *events.OfficeOfficers
}

func newStaff(t *testing.T) *staff {
	s := &staff{centre: newCentre(t), told: &events.OfficeOfficers{}}
	s.counter, _ = s.centre.counter(s.config(storePath(t), nil))
	s.at = strings.Replace(openDesk(t, s.counter), "127.0.0.1", "localhost", 1)
	s.tab = pagetest.Open(t, 1280, 900)
	return s
}

// tell sends the officers as they are now.
func (s *staff) tell() {
	s.told.AsOfMs++
	s.sendOfficers(s.counter, s.told)
}

// fill types into fields of the page, by id.
func (s *staff) fill(fields map[string]string) {
	s.t.Helper()
	for id, value := range fields {
		s.tab.Wait(s.t, chromedp.SetValue(chromedp.CSS("#"+id), value))
	}
}

// see waits for a text on the page.
func (s *staff) see(text string) {
	s.t.Helper()
	page := ""
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the page: %s", page)
		}
	}()
	natstest.Wait(s.t, waitLimit, "the page to say "+text, func() bool {
		page = s.tab.Ask(s.t, `document.body ? location.href + document.body.innerText : ""`)
		return strings.Contains(page, text)
	})
}

// judge has the page judged. What a page was refused before on purpose is no fault.
func (s *staff) judge(name string) {
	s.t.Helper()
	refused := func(found string) bool { return strings.Contains(found, "the server responded with a status of 4") }
	if found := slices.DeleteFunc(s.tab.Violations(s.t), refused); len(found) > 0 {
		s.t.Errorf("%s: %q", name, found)
	}
}

// newest waits for the newest of some claims with that fact.
func (s *staff) newest(fact string, count int) *events.Claim {
	s.t.Helper()
	var last *events.Claim
	s.until(fact, func(claims []*events.Claim) bool {
		found := 0
		for i, name := range factsOf(claims) {
			if name == fact {
				last, found = claims[i], found+1
			}
		}
		return found >= count
	})
	return last
}

// enrol lets an officer enrol the security key that is plugged in.
func (s *staff) enrol(one *events.OfficeOfficer, count int) {
	s.t.Helper()
	code := officer.NewCode()
	one.InvitedSha256, one.InvitedUntilMs = officer.CodeHash(code), time.Now().Add(time.Hour).UnixMilli()
	s.tell()
	s.tab.Visit(s.t, s.at+"/enrol", chromedp.WaitVisible(chromedp.CSS("#code")))
	s.fill(map[string]string{"officer": one.GetOfficer(), "code": "WRONG-CODE"})
	s.tab.Wait(s.t, chromedp.Click(chromedp.CSS("main form button")))
	s.see("コードが違うか")
	s.fill(map[string]string{"code": strings.ToLower(code)})
	s.tab.Wait(s.t, chromedp.Click(chromedp.CSS("main form button")))
	offer := s.newest("PasskeyOffered", count)
	personal, err := counterlink.OpenPersonal(s.seal, offer)
	must(s.t, err)
	if hash := sha256.Sum256([]byte(personal.GetCode())); string(hash[:]) != string(one.GetInvitedSha256()) {
		s.t.Errorf("the code of the claim is not the invitation's")
	}
	made := offer.GetPasskeyOffered()
	if made.GetOfficer() != one.GetOfficer() || made.GetRelyingParty() != "localhost" || len(made.GetAaguid()) != 16 || officer.CheckKey(made.GetPublicKey()) != nil {
		s.t.Errorf("the passkey that was offered: %v", made)
	}
	s.see("返事を待っています")
	one.Keys = append(one.Keys, &events.OfficerKey{
		Credential: made.GetCredential(), PublicKey: made.GetPublicKey(), RelyingParty: made.GetRelyingParty(),
	})
	one.InvitedSha256, one.InvitedUntilMs = nil, 0
	s.tell()
	s.see("パスキーを登録しました")
}

func (s *staff) signIn(code string) {
	s.t.Helper()
	s.tab.Visit(s.t, s.at+"/sign-in", chromedp.WaitVisible(chromedp.CSS("main form button")))
	s.tab.Wait(s.t, chromedp.Click(chromedp.CSS("main form button")))
	s.see("職員 " + code)
}

// signedBy checks that a claim is signed by an officer's only passkey.
func (s *staff) signedBy(claim *events.Claim, one *events.OfficeOfficer) {
	s.t.Helper()
	key := officer.Passkey{
		Credential: one.GetKeys()[0].GetCredential(), PublicKey: one.GetKeys()[0].GetPublicKey(), RelyingParty: officer.Counters,
	}
	if err := officer.Verify(claim.GetAssertion(), events.ActChallenge(claim.GetAct()), key); err != nil || claim.GetOfficer() != one.GetOfficer() {
		s.t.Errorf("claim of officer %s, signed: %v", claim.GetOfficer(), err)
	}
}

// TestOfficersAtTheCounter enrols two officers' security keys, and lets them work with nothing but those and a keyboard.
func TestOfficersAtTheCounter(t *testing.T) {
	s := newStaff(t)
	first := &events.OfficeOfficer{Officer: "017", Roles: []string{"clerk", "administrator"}, Home: "12237-main"}
	second := &events.OfficeOfficer{Officer: "018", Roles: []string{"clerk"}, Home: "12237-main"}
	s.told.Officers = []*events.OfficeOfficer{first, second}
	takeAway := s.tab.PlugIn(t)
	s.enrol(first, 1)
	s.told.RequiredFrom = "2020-01-01"
	s.tell()
	s.tab.Visit(t, s.at+"/apply", chromedp.WaitVisible(chromedp.CSS("form[data-passkey]"))) // sent to sign in
	s.signIn("017")
	s.judge("the start page of an officer")

	s.tab.Visit(t, s.at+"/apply?operation=issue", chromedp.WaitVisible(chromedp.CSS("#resident_code")))
	s.fill(map[string]string{
		"resident_code": "00000000123", "name": "証明　花子", "birth_date": "1990-06-18", "sex": "2", "address": "千葉県山武市殿台296番地",
		"municipality": "12237", "card": "CARD-1",
	})
	if s.tab.Ask(t, `document.querySelector("#clerk") ? "typed" : "known"`) != "known" {
		t.Error("who is signed in types a number")
	}
	lock := func() {
		s.tab.Wait(t, chromedp.KeyEvent(kb.F9), chromedp.WaitVisible(chromedp.CSS("dialog[open] button")))
	}
	lock()
	natstest.Wait(t, waitLimit, "the session to be locked", func() bool {
		return s.tab.Ask(t, `fetch("/", {redirect: "manual"}).then(r => r.type)`) == "opaqueredirect"
	})
	s.tab.Wait(t, chromedp.KeyEvent("\r"), chromedp.WaitNotVisible(chromedp.CSS("dialog")))
	s.tab.Wait(t, chromedp.Click(chromedp.CSS(`button[value="anyway"], button[name="file"]:not(.second)`)))
	s.see("足りないまま受け付ける")
	s.tab.Wait(t, chromedp.Click(chromedp.CSS(`button[value="anyway"]`)))
	filed := s.newest("ApplicationReceived", 1)
	s.signedBy(filed, first)
	s.see(events.CaseNumber(filed.GetProcedure()))

	must(t, s.answer(t.Context(), filed))
	s.tab.Visit(t, s.at+"/procedures/"+filed.GetProcedure()+"/drop", chromedp.WaitVisible(chromedp.CSS("#why")))
	s.tab.Wait(t, chromedp.Click(chromedp.CSS("main form button")))
	s.signedBy(s.newest("ApplicationDropped", 1), first)

	s.tab.Visit(t, s.at+"/officers", chromedp.WaitVisible(chromedp.CSS("#chosen")))
	s.judge("the administrator's page")
	s.tab.Wait(t, chromedp.SetValue(chromedp.CSS("#chosen"), "018"), chromedp.Click(chromedp.CSS(`button[value="invite"]`)),
		chromedp.WaitVisible(chromedp.CSS("#invitation")))
	invited := s.newest("InvitationMade", 1)
	s.signedBy(invited, first)
	if code := s.tab.Ask(t, `document.querySelector("#invitation").innerText`); string(officer.CodeHash(code)) != string(invited.GetInvitationMade().GetCodeSha256()) {
		t.Error("the page shows another code than the claim's")
	}

	takeAway()
	takeAway = s.tab.PlugIn(t)
	defer takeAway()
	s.enrol(second, 2)
	s.tab.Visit(t, s.at+"/", chromedp.WaitVisible(chromedp.CSS("#begin")))
	began := time.Now()
	lock()
	s.tab.Wait(t, chromedp.KeyEvent("\r"))
	s.see("職員 018")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("changing officers took %s", took)
	}
	status, _, text := visit(t, strings.Replace(s.at, "localhost", "127.0.0.1", 1)+"/apply", nil)
	if status != http.StatusOK || strings.Contains(text, "resident_code") {
		t.Errorf("without a session: %d", status)
	}
	s.tab.Visit(t, s.at+"/officers")
	s.see("この職員の役割では")

	s.told.Officers = s.told.Officers[:1]
	s.tab.Visit(t, s.at+"/", chromedp.WaitVisible(chromedp.CSS("#begin")))
	s.tell()
	s.see("自分のパスキー") // sent away from the page
	if _, err := s.counter.Officers().Officer("018"); err == nil {
		t.Error("the retired officer is still known")
	}
}
