package agent_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"shomei/pkg/page/pagetest"
	"shomei/services/agent"
)

// Two procedures wait, a child's and a stranger's: the screen shows the one that the clerk sent there and no other, and
// takes no PIN for another.
func TestTheResidentsScreenShowsWhatTheClerkSent(t *testing.T) {
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
	screen.Visit(t, at+"/resident", chromedp.WaitVisible(chromedp.CSS(".aloud")))
	typed := url.Values{"sign": {signPIN}, "sign_again": {signPIN}, "auth": {authPIN}, "auth_again": {authPIN}}
	if status, _, text := visit(t, at+"/procedures/"+child+"/pin", typed); status != http.StatusConflict || strings.Contains(text, `href="/"`) {
		t.Errorf("a PIN was taken that was not asked for: %d, or a way to the clerk's pages", status)
	}
	visit(t, at+"/procedures/"+child+"/show", url.Values{})
	screen.Wait(t, chromedp.WaitVisible(chromedp.CSS("#sign")))
	if shown := screen.Ask(t, `document.querySelector("main").innerText`); !strings.Contains(shown, "証明 一郎") && !strings.Contains(shown, "証明　一郎") {
		t.Errorf("the screen shows %s", shown)
	}
	if ways := screen.Ask(t, `[...document.querySelectorAll("a")].map(a => a.getAttribute("href")).filter(h => !h.startsWith("#") && !h.includes("/pin") && !h.startsWith("/resident")).join()`); ways != "" {
		t.Errorf("ways from the resident's screen: %s", ways)
	}

	// A stranger's begins to wait: the screen stays, and no PIN of theirs goes to the child's card or the other way round.
	stranger := begin("他人　太郎")
	if status, _, _ := visit(t, at+"/procedures/"+stranger+"/pin", typed); status != http.StatusConflict {
		t.Errorf("a stranger's page takes a PIN while the child's is shown: %d", status)
	}
	if on := screen.Ask(t, `location.pathname`); on != "/procedures/"+child+"/pin" {
		t.Errorf("the screen turned to %s", on)
	}
	screen.Wait(t, typeInto("#sign", signPIN), typeInto("#sign_again", signPIN), typeInto("#auth", authPIN), typeInto("#auth_again", authPIN),
		chromedp.Click(chromedp.CSS("form.resident button")), chromedp.WaitVisible(chromedp.CSS(".notice.good")))
	reach(t, counter, child, agent.StageWritten)
	if status, err := counter.Status(stranger); err != nil || status.Waiting == nil {
		t.Errorf("the stranger's procedure: %+v, %v", status, err)
	}
	// Thanked, then blank; what is withdrawn goes from the screen by itself.
	screen.Wait(t, chromedp.WaitNotPresent(chromedp.CSS(".notice.good")))
	visit(t, at+"/procedures/"+stranger+"/show", url.Values{})
	screen.Wait(t, chromedp.WaitVisible(chromedp.CSS("#sign")))
	must(t, counter.Drop(t.Context(), stranger, "017", ""))
	screen.Wait(t, chromedp.WaitVisible(chromedp.CSS(".aloud")))
	screen.Screenshot(t, "resident-blank")
}
