package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"shomei/events"
	"shomei/pkg/natstest"
	"shomei/pkg/page/pagetest"
	"shomei/services/agent"
)

// Two procedures wait, a child's and a stranger's: the screen shows only the one that the clerk sent there, and accepts PINs
// for no other.
func TestResidentsScreenShowsWhatTheClerkSent(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(newCard(t, centre.cardID))))
	at := openDesk(t, counter)
	begin := func(name string) string {
		form := filled()
		form.Set("name", name)
		_, where, _ := visit(t, at+"/apply", form)
		id := where[strings.LastIndex(where, "/")+1:]
		reach(t, counter, id, agent.StageConfirm)
		return id
	}
	child := begin("証明　一郎")
	screen := pagetest.Open(t, 1200, 900)
	screen.Visit(t, at+"/resident", typeInto("#pair", pairCode(t, at)), chromedp.Click(chromedp.CSS("form button")), chromedp.WaitVisible(chromedp.CSS(".aloud")))
	for _, path := range []string{"/", "/procedures/" + child, "/live?procedure=" + child, "/api/status", "/api/procedures/" + child} {
		for _, cookies := range []string{"include", "omit"} {
			if got := screen.Ask(t, fmt.Sprintf(`fetch(%q, {credentials: %q}).then(r => String(r.status))`, path, cookies)); got != "403" {
				t.Errorf("a script on the resident's screen that has its cookies %sd is answered %s by %s", cookies, got, path)
			}
		}
	}
	confirm := fmt.Sprintf(`fetch("/api/procedures/%s/confirm", {method: "POST", credentials: "omit", body: %q}).then(r => String(r.status))`, child, `{"pins":{"sign":"`+signPIN+`","auth":"`+authPIN+`"}}`)
	if got := screen.Ask(t, confirm); got != "403" {
		t.Errorf("a script on the resident's screen confirms over the API: %s", got)
	}
	typed := url.Values{"sign": {signPIN}, "sign_again": {signPIN}, "auth": {authPIN}, "auth_again": {authPIN}}
	send := func(procedure string) string { // from the resident's browser
		return screen.Ask(t, fmt.Sprintf(`fetch("/procedures/%s/pin", {method: "POST", body: new URLSearchParams(%q)}).then(async r => r.status + " " + await r.text())`, procedure, typed.Encode()))
	}
	if got := send(child); !strings.HasPrefix(got, "409 ") || strings.Contains(got, `href="/"`) {
		t.Errorf("the screen accepted an unrequested PIN or a link to the clerk's pages: %s", got)
	}
	visit(t, at+"/procedures/"+child+"/show", url.Values{})
	screen.Wait(t, chromedp.WaitVisible(chromedp.CSS("#sign")))
	if shown := screen.Ask(t, `document.querySelector("main").innerText`); !strings.Contains(shown, "証明 一郎") && !strings.Contains(shown, "証明　一郎") {
		t.Errorf("the screen shows %s", shown)
	}
	if ways := screen.Ask(t, `[...document.querySelectorAll("a")].map(a => a.getAttribute("href")).filter(h => !h.startsWith("#") && !h.includes("/pin") && !h.startsWith("/resident")).join()`); ways != "" {
		t.Errorf("links on the resident's screen: %s", ways)
	}

	// A stranger's procedure begins to wait: the screen stays, and no PIN goes to the other's card.
	stranger := begin("他人　太郎")
	if got := send(stranger); !strings.HasPrefix(got, "409 ") {
		t.Errorf("the stranger's page accepts a PIN while the child's is shown: %s", got)
	}
	if on := screen.Ask(t, `location.pathname`); on != "/procedures/"+child+"/pin" {
		t.Errorf("the screen changed to %s", on)
	}
	screen.Wait(t, typeInto("#sign", signPIN), typeInto("#sign_again", signPIN), typeInto("#auth", authPIN), typeInto("#auth_again", authPIN),
		chromedp.Click(chromedp.CSS("form.resident button")), chromedp.WaitVisible(chromedp.CSS(".notice.good")))
	reach(t, counter, child, agent.StageWritten)
	if status, err := counter.Status(stranger); err != nil || status.Waiting == nil {
		t.Errorf("the stranger's procedure: %+v, %v", status, err)
	}
	// The screen thanks, then goes blank; a withdrawn procedure disappears by itself.
	screen.Wait(t, chromedp.WaitNotPresent(chromedp.CSS(".notice.good")))
	visit(t, at+"/procedures/"+stranger+"/show", url.Values{})
	screen.Wait(t, chromedp.WaitVisible(chromedp.CSS("#sign")))
	must(t, counter.Drop(t.Context(), stranger, "017", ""))
	screen.Wait(t, chromedp.WaitVisible(chromedp.CSS(".aloud")))
	screen.Screenshot(t, "resident-blank")
}

// A browser without script also shows what the clerk sends, thanks, and goes blank.
func TestResidentsScreenUpdatesWithoutScript(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(newCard(t, centre.cardID))))
	at := openDesk(t, counter)
	_, where, _ := visit(t, at+"/apply", filled())
	id := where[strings.LastIndex(where, "/")+1:]
	reach(t, counter, id, agent.StageConfirm)
	screen := pagetest.Open(t, 1200, 900)
	screen.Wait(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	screen.Visit(t, at+"/resident?pair="+pairCode(t, at), chromedp.WaitVisible(chromedp.CSS(".aloud")))
	visit(t, at+"/procedures/"+id+"/show", url.Values{})
	screen.Wait(t, chromedp.WaitVisible(chromedp.CSS("#sign")),
		typeInto("#sign", signPIN), typeInto("#sign_again", signPIN), typeInto("#auth", authPIN), typeInto("#auth_again", authPIN),
		chromedp.Click(chromedp.CSS("form.resident button")), chromedp.WaitVisible(chromedp.CSS(".notice.good")))
	reach(t, counter, id, agent.StageWritten)
	screen.Wait(t, chromedp.WaitNotPresent(chromedp.CSS(".notice.good")), chromedp.WaitVisible(chromedp.CSS(".aloud")))
}

// pairCode returns a code for the resident's screen from the clerk's page.
func pairCode(t testing.TB, at string) string {
	t.Helper()
	_, _, text := visit(t, at+"/screen", url.Values{})
	found := regexp.MustCompile(`<strong class="aloud">([A-Z2-7]{8})</strong>`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("the clerk's page shows no code:\n%s", text)
	}
	return found[1]
}

// pairedClient returns a client paired as the resident's screen.
func pairedClient(t testing.TB, at string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	client := &http.Client{Jar: jar}
	if status, where, _ := visitBy(t, client, at+"/resident?pair="+pairCode(t, at), nil); status != http.StatusOK || where != at+"/resident" {
		t.Fatalf("pairing led to %s, %d", where, status)
	}
	return client
}

// cookieOfResident returns the cookie that a paired client carries.
func cookieOfResident(t testing.TB, client *http.Client, at string) *http.Cookie {
	t.Helper()
	address, err := url.Parse(at)
	must(t, err)
	for _, c := range client.Jar.Cookies(address) {
		if c.Name == "resident" {
			return c
		}
	}
	t.Fatal("the client has no resident's cookie")
	return nil
}

// One browser is the resident's screen. The clerk's can't be; a browser paired later replaces it.
func TestOnlyOneBrowserIsTheResidentsScreen(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	cfg := centre.config(storePath(t), newSlot(newCard(t, centre.cardID)))
	counter, stop := centre.counter(cfg)
	at := openDesk(t, counter)
	_, where, _ := visit(t, at+"/apply", filled())
	id := where[strings.LastIndex(where, "/")+1:]
	reach(t, counter, id, agent.StageConfirm)

	typed := url.Values{"sign": {signPIN}, "sign_again": {signPIN}, "auth": {authPIN}, "auth_again": {authPIN}}
	code := pairCode(t, at)
	if status, _, text := visit(t, at+"/resident?pair=AAAAAAAA", nil); status != http.StatusForbidden || !strings.Contains(text, "その番号ではつなげません") {
		t.Errorf("a stranger's code: %d\n%s", status, text)
	}
	jar, err := cookiejar.New(nil)
	must(t, err)
	first := &http.Client{Jar: jar}
	visitBy(t, first, at+"/resident?pair="+code, nil)
	if status, _, _ := visit(t, at+"/resident?pair="+code, nil); status != http.StatusForbidden {
		t.Errorf("the code pairs a second browser: %d", status)
	}
	visit(t, at+"/procedures/"+id+"/show", url.Values{})
	if status, _, text := visitBy(t, first, at+"/resident", nil); status != http.StatusOK || !strings.Contains(text, "証明　花子") {
		t.Errorf("the paired screen: %d\n%s", status, text)
	}
	for _, path := range []string{"/resident", "/procedures/" + id + "/pin"} {
		if status, _, text := visit(t, at+path, nil); status != http.StatusForbidden || strings.Contains(text, "花子") {
			t.Errorf("the clerk sees %s: %d", path, status)
		}
	}
	if status, _, _ := visit(t, at+"/procedures/"+id+"/pin", typed); status != http.StatusForbidden {
		t.Errorf("the clerk's browser may send the resident's PIN: %d", status)
	}
	if status, _, text := visitBy(t, first, at+"/procedures/"+id, nil); status != http.StatusForbidden || !strings.Contains(text, "職員の画面は開けません") || strings.Contains(text, `href="/"`) {
		t.Errorf("the clerk's page in the resident's browser: %d\n%s", status, text)
	}
	if reached, err := counter.Status(id); err != nil || reached.Waiting == nil {
		t.Errorf("the procedure no longer waits: %v", err)
	}

	second := pairedClient(t, at)
	if _, _, text := visitBy(t, second, at+"/resident", nil); strings.Contains(text, "花子") {
		t.Error("a newly paired screen shows what the former one showed")
	}
	if status, _, _ := visitBy(t, first, at+"/resident", nil); status != http.StatusForbidden {
		t.Errorf("the former screen: %d", status)
	}
	if status, _, _ := visitBy(t, first, at+"/", nil); status != http.StatusForbidden {
		t.Errorf("the clerk's page in the former screen: %d", status)
	}
	response, err := first.Get(at + "/resident/live?shown=" + id + ".ja")
	must(t, err)
	sent, err := io.ReadAll(response.Body)
	must(t, errors.Join(err, response.Body.Close()))
	if string(sent) != "event: go\ndata: /resident\n\n" {
		t.Errorf("the former screen received %q", sent)
	}

	// After a restart the counter knows its screen and the name, but shows nothing until the clerk sends it again.
	token := cookieOfResident(t, second, at)
	stop()
	raw, err := os.ReadFile(cfg.StorePath)
	must(t, err)
	for _, clear := range []string{"証明", token.Value} {
		if bytes.Contains(raw, []byte(clear)) {
			t.Errorf("the store holds %q in the clear", clear)
		}
	}
	counter, _ = centre.counter(cfg)
	at = openDesk(t, counter)
	reach(t, counter, id, agent.StageConfirm)
	address, err := url.Parse(at)
	must(t, err)
	second.Jar.SetCookies(address, []*http.Cookie{token})
	if status, _, text := visitBy(t, second, at+"/resident", nil); status != http.StatusOK || strings.Contains(text, "花子") {
		t.Errorf("after a restart: %d\n%s", status, text)
	}
	visit(t, at+"/procedures/"+id+"/show", url.Values{})
	if _, _, text := visitBy(t, second, at+"/resident?lang=en", nil); !strings.Contains(text, "証明　花子") || !strings.Contains(text, "Confirm and set the PIN") {
		t.Errorf("sent again after a restart:\n%s", text)
	}
	if _, _, text := visit(t, at+"/procedures/"+id, nil); !strings.Contains(text, "申請者の確認待ち") {
		t.Error("the resident's screen has the clerk's language")
	}
	if status, _, text := visitBy(t, second, at+"/procedures/"+id+"/pin", typed); status != http.StatusOK || !strings.Contains(text, "Thank you") {
		t.Errorf("after the PIN: %d\n%s", status, text)
	}
	reach(t, counter, id, agent.StageWritten)
	if name, err := counter.Applicant(id); err != nil || name != "証明　花子" {
		t.Errorf("the name kept for another attempt: %q, %v", name, err)
	}
	visit(t, at+"/procedures/"+id+"/hand-over", url.Values{})
	if name, err := counter.Applicant(id); err != nil || name != "" {
		t.Errorf("the name of a closed procedure is kept: %q, %v", name, err)
	}
}

// A procedure whose application gave no name here is not shown on the resident's screen.
func TestProcedureWithoutNameIsNotShown(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(newCard(t, centre.cardID))))
	at := openDesk(t, counter)
	screen := pairedClient(t, at)
	id, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	reach(t, counter, id, agent.StageConfirm)
	if status, _, text := visit(t, at+"/procedures/"+id+"/show", url.Values{}); status != http.StatusConflict || !strings.Contains(text, "もう一度受け付けてください") {
		t.Errorf("shown without a name: %d\n%s", status, text)
	}
	if _, where, _ := visitBy(t, screen, at+"/resident", nil); strings.HasSuffix(where, "/pin") {
		t.Errorf("the screen shows %s", where)
	}
}

// Names are removed when their procedures end, in whatever way, and stay if a procedure is reopened.
func TestNamesAreRemovedWithTheirProcedures(t *testing.T) {
	centre := newCentre(t)
	cfg := centre.config(storePath(t), nil)
	counter, stop := centre.counter(cfg)
	named := func(procedure, name string) string {
		a := application(centre.cardID)
		a.Procedure, a.Personal = procedure, &events.Personal{Record: &events.ResidentRecord{Name: name}}
		claim, err := counter.Receive(t.Context(), a)
		must(t, err)
		if procedure == "" {
			procedure = claim
		}
		return procedure
	}
	refuse := func() string {
		id := named("", "甲")
		reach(t, counter, id, agent.StageReceived)
		must(t, centre.hub.Send(t.Context(), &events.Downlink{Id: id, Counter: desk, Procedure: id, Body: &events.Downlink_Answer{
			Answer: &events.Answer{Claim: id, Refusals: []string{"mynumber.apply.x"}},
		}}))
		reach(t, counter, id, agent.StageRefused)
		natstest.Wait(t, waitLimit, "the name to go", func() bool {
			name, err := counter.Applicant(id)
			return err == nil && name == ""
		})
		return id
	}
	dropped, waits := named("", "甲"), named("", "乙")
	must(t, counter.Drop(t.Context(), dropped, "017", ""))
	refused, again := refuse(), refuse()
	named(again, "丙")
	check := func() {
		t.Helper()
		for id, want := range map[string]string{dropped: "", refused: "", waits: "乙", again: "丙", "none": ""} {
			if got, err := counter.Applicant(id); err != nil || got != want {
				t.Errorf("procedure %s is %q's, want %q: %v", id, got, want, err)
			}
		}
	}
	check()
	stop()
	counter, _ = centre.counter(cfg)
	check()
}
