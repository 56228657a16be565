package agent_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"shomei/events"
	"shomei/pkg/page/pagetest"
	"shomei/services/agent"
)

// inputs returns the fields that a page's form for an address would send, without those that stand empty.
func inputs(t testing.TB, browser *pagetest.Browser, action string) url.Values {
	t.Helper()
	form, err := url.ParseQuery(browser.Ask(t, `new URLSearchParams([...new FormData(document.querySelector('form[action="`+action+`"]'))].filter(([, v]) => v !== "")).toString()`))
	must(t, err)
	return form
}

// A clerk opens the form of one procedure, chooses another and takes it at once: what is filed is what was seen, or nothing.
// The form stands once in the page, and each choice stands once in it.
func TestAFormFilesTheChoiceThatIsSeen(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(newCard(t, centre.cardID))))
	at := openDesk(t, counter)
	browser := pagetest.Open(t, 1200, 900)
	for _, row := range []struct{ path, selects, from, to string }{
		{"/apply", "operation", "revoke", "unblock"},
		{"/apply", "operation", "unblock", "revoke"},
		{"/apply", "operation", "issue", "return-card"},
		{"/apply", "way", "self", "proxy"},
		{"/report", "what", "found", "loss"},
		{"/report", "what", "death", "found"},
		{"/report", "by", "telephone", "counter"},
	} {
		form := filled()
		form.Set("caused_on", "2026-11-20")
		browser.Visit(t, at+row.path+"?"+row.selects+"="+row.from)
		if n := browser.Ask(t, `String(document.querySelectorAll("main form").length) + document.querySelectorAll("[name=`+row.selects+`]").length`); n != "11" {
			t.Errorf("%s: %s forms and fields that say %s", row.path, n, row.selects)
		}
		browser.Ask(t, `document.querySelector("[name=`+row.selects+`]").value = "`+row.to+`"`)
		for name, value := range inputs(t, browser, row.path) {
			form[name] = value
		}
		form.Set("file", "check")
		status, where, text := visit(t, at+row.path, form)
		if status != http.StatusUnprocessableEntity || len(counter.Procedures()) != 0 {
			t.Fatalf("%v was filed unseen: %d at %s", row, status, where)
		}
		want(t, text, "手続きの選択が変わりました", `<option value="`+row.to+`" selected>`, "017")
	}
}

// What an application ends is seen on its review page, whose token files exactly that, and once.
func TestWhatEndsSomethingIsReviewedFirst(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	form := filled()
	form.Set("operation", "revoke")
	form.Set("kinds", "sign")
	_, where, text := visit(t, at+"/apply", form)
	if !strings.Contains(where, "/review/") || len(counter.Procedures()) != 0 {
		t.Fatalf("a revocation went to %s, %d procedures", where, len(counter.Procedures()))
	}
	want(t, text, "失効: まだ受け付けていません", "証明　花子", "00000000123", "署名用電子証明書", "変わりません", "失効は元に戻せません")
	_, _, english := visit(t, where+"?lang=en", nil)
	want(t, english, "Revocation: not taken yet", "can&#39;t be undone", "stays as it is")

	// A crooked confirmation files what was reviewed, not what it says; the second one nothing more.
	first, again := "", ""
	_, first, _ = visit(t, where, url.Values{"do": {"file"}, "kinds": {"auth"}, "operation": {"issue"}, "resident_code": {"99999999999"}})
	_, again, _ = visit(t, where, url.Values{"do": {"file"}})
	if first != again || len(counter.Procedures()) != 1 {
		t.Errorf("filed twice: %s and %s", first, again)
	}
	received := centre.claim("ApplicationReceived").GetApplicationReceived()
	if received.GetOperation() != events.Operation_OPERATION_REVOKE || !slices.Equal(received.GetKinds(), []events.CertificateKind{sign}) {
		t.Errorf("filed was %v", received)
	}
	if _, shown, _ := visit(t, where, nil); shown != first {
		t.Errorf("the review shows %s after it was filed", shown)
	}
	for name, request := range map[string]url.Values{"another token": {"do": {"file"}}, "no token's page": nil} {
		status, _, text := visit(t, at+"/review/AAAAAAAAAAAAAAAAAAAAAAAAAA", request)
		if status != http.StatusConflict {
			t.Errorf("%s: %d", name, status)
		}
		want(t, text, "この確認の画面は使えなくなりました")
	}

	// Corrected instead: the form comes back as it was typed, and the review is over.
	_, where, _ = visit(t, at+"/apply", form)
	_, _, text = visit(t, where, url.Values{"do": {"edit"}})
	want(t, text, "証明　花子", `<option value="revoke" selected>`, `name="kinds" value="sign" checked`)
	if status, _, _ := visit(t, where, url.Values{"do": {"file"}}); status != http.StatusConflict {
		t.Errorf("a review that was corrected can still be filed: %d", status)
	}
	if n := len(counter.Procedures()); n != 1 {
		t.Errorf("%d procedures", n)
	}
}

// Every report that the law lets end or suspend something has its review; what ends nothing is taken at once.
func TestReportsThatEndSomethingAreReviewedFirst(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	filedAtOnce := 0
	for what, reviewed := range map[string]bool{
		"loss": true, "name": true, "address": true, "sex": true, "birth-date": true, "move-out": true, "move-overseas": true, "death": true,
		"deleted": true, "out-of-scope": true, "found": true, "custody": false, "minor": false, "period-of-stay": false,
	} {
		form := filled()
		form.Set("what", what)
		form.Set("caused_on", "2026-11-20")
		form.Set("known_birth_date", "1990-06-18")
		_, where, text := visit(t, at+"/report", form)
		if got := strings.Contains(where, "/review/"); got != reviewed {
			t.Errorf("%s: reviewed %v, at %s", what, got, where)
		}
		if reviewed {
			want(t, text, "まだ受け付けていません", "変わるもの")
		} else {
			filedAtOnce++
		}
	}
	if n := len(counter.Procedures()); n != filedAtOnce {
		t.Errorf("%d procedures, %d were to be filed", n, filedAtOnce)
	}
	form := filled()
	form.Set("what", "loss")
	form.Set("by", "telephone")
	_, where, text := visit(t, at+"/report", form)
	want(t, text, "一時停止の間は使えません")
	if strings.Contains(text, "元に戻せません") {
		t.Error("a suspension is said to be for ever")
	}
	browser := pagetest.Open(t, 1200, 900)
	for _, lang := range []string{"ja", "en"} {
		browser.Visit(t, where+"?lang="+lang)
		browser.Screenshot(t, "review-"+lang)
		for _, violation := range browser.Violations(t) {
			t.Error(violation)
		}
	}
	browser.Visit(t, where, chromedp.Click(chromedp.CSS(`button[value=file]`)), chromedp.WaitVisible(chromedp.CSS(".steps")))
	id := browser.Ask(t, `location.pathname.split("/").at(-1)`)
	reach(t, counter, id, agent.StageReceived)
}
