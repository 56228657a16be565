package agent_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/page/pagetest"
	"shomei/services/agent"
)

// inputs returns the non-empty fields that a page's form for an address would send.
func inputs(t testing.TB, browser *pagetest.Browser, action string) url.Values {
	t.Helper()
	form, err := url.ParseQuery(browser.Ask(t, `new URLSearchParams([...new FormData(document.querySelector('form[action="`+action+`"]'))].filter(([, v]) => v !== "")).toString()`))
	must(t, err)
	return form
}

// A clerk opens the form of one operation, chooses another and files at once: only the operation shown is filed. The page has
// one form, with each choice once.
func TestFormFilesOnlyTheShownOperation(t *testing.T) {
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
			t.Fatalf("%v was filed without being shown: %d at %s", row, status, where)
		}
		want(t, text, "手続きの選択が変わりました", `<option value="`+row.to+`" selected>`, "017")
	}
}

// A review page shows what an application ends; its token files exactly that application, once.
func TestApplicationThatEndsSomethingIsReviewedFirst(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	form := filled()
	form.Set("operation", "revoke")
	form.Set("kinds", "sign")
	_, where, text := visit(t, at+"/apply", form)
	if !strings.Contains(where, "/review/") || len(counter.Procedures()) != 0 {
		t.Fatalf("a revocation led to %s, %d procedures", where, len(counter.Procedures()))
	}
	want(t, text, "失効: まだ受け付けていません", "証明　花子", "00000000123", "署名用電子証明書", "変わりません", "失効は元に戻せません")
	_, _, english := visit(t, where+"?lang=en", nil)
	want(t, english, "Revocation: not taken yet", "can&#39;t be undone", "stays as it is")

	// A forged confirmation files the reviewed application; a second one files nothing.
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

	// Correcting instead brings the typed form back and ends the review.
	_, where, _ = visit(t, at+"/apply", form)
	_, _, text = visit(t, where, url.Values{"do": {"edit"}})
	want(t, text, "証明　花子", `<option value="revoke" selected>`, `name="kinds" value="sign" checked`)
	if status, _, _ := visit(t, where, url.Values{"do": {"file"}}); status != http.StatusConflict {
		t.Errorf("a corrected review can still be filed: %d", status)
	}
	if n := len(counter.Procedures()); n != 1 {
		t.Errorf("%d procedures", n)
	}
}

// An operation that counters do not carry out has no form.
func TestFactoryOperationHasNoForm(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	if status, _, _ := visit(t, openDesk(t, counter)+"/apply?operation=factory-issue", nil); status != http.StatusBadRequest {
		t.Errorf("status %d", status)
	}
}

// A revocation because of a loss or a broken card ends more than was ticked: the review page also shows the certificate that
// was not chosen, and the card.
func TestReviewOfRevocationDependsOnCause(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	cells := regexp.MustCompile(`<td>([^<]*)</td>`)
	for cause, row := range map[string]struct{ told, effects string }{
		"":       {"", "失効 変わりません 変わりません"},
		"wish":   {"本人の希望", "失効 変わりません 変わりません"},
		"loss":   {"紛失・盗難", "失効 失効 一時停止"},
		"damage": {"破損", "失効 失効 変わりません"},
	} {
		form := filled()
		form.Set("operation", "revoke")
		form.Set("kinds", "sign")
		form.Set("cause", cause)
		form.Set("received_at", "00:00")
		_, where, text := visit(t, at+"/apply", form)
		var effects []string
		for _, cell := range cells.FindAllStringSubmatch(text, -1) {
			effects = append(effects, cell[1])
		}
		if got := strings.Join(effects, " "); !strings.Contains(where, "/review/") || got != row.effects || !strings.Contains(text, row.told) || !strings.Contains(text, "<dd>00:00</dd>") {
			t.Errorf("%q is shown to end %q, at %s", cause, got, where)
		}
	}
}

// A new address ends the signature certificate; reported too late, it ends the card as well.
func TestReviewOfMoveInDependsOnDay(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	today := civil.Of(counter.Now())
	cells := regexp.MustCompile(`<td>([^<]*)</td>`)
	for days, want := range map[int]string{0: "失効 変わりません 変わりません", 13: "失効 変わりません 変わりません", 30: "失効 失効 失効"} {
		form := filled()
		form.Set("what", "move-in")
		form.Set("caused_on", today.AddDays(-days).String())
		_, where, text := visit(t, at+"/report", form)
		var effects []string
		for _, cell := range cells.FindAllStringSubmatch(text, -1) {
			effects = append(effects, cell[1])
		}
		if got := strings.Join(effects, " "); !strings.Contains(where, "/review/") || got != want {
			t.Errorf("moved in %d days ago: shown to end %q, at %s", days, got, where)
		}
	}
	form := filled()
	form.Set("what", "move-in")
	form.Set("resident_code", "00000000999")
	form.Set("caused_on", today.String())
	if status, where, _ := visit(t, at+"/report", form); status != http.StatusUnprocessableEntity || len(counter.Procedures()) != 0 {
		t.Errorf("a move without a person: %d at %s", status, where)
	}
}

// Every report that ends or suspends something has a review; the others are filed at once.
func TestReportsThatEndSomethingAreReviewedFirst(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	filedAtOnce := 0
	for what, reviewed := range map[string]bool{
		"loss": true, "name": true, "address": true, "sex": true, "move-in": true, "birth-date": true, "move-out": true, "move-overseas": true, "death": true,
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
		t.Errorf("%d procedures, want %d", n, filedAtOnce)
	}
	form := filled()
	form.Set("what", "loss")
	form.Set("by", "telephone")
	_, where, text := visit(t, at+"/report", form)
	want(t, text, "一時停止の間は使えません")
	if strings.Contains(text, "元に戻せません") {
		t.Error("the page says that a suspension is final")
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

// A withdrawal ends the application, what was made for it, and its letter. A page shows that first, and refuses to file if it
// has changed since.
func TestWithdrawalIsReviewedFirst(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(newCard(t, centre.cardID))))
	at := openDesk(t, counter)
	_, where, _ := visit(t, at+"/apply", filled())
	procedure := where[strings.LastIndex(where, "/")+1:]
	reach(t, counter, procedure, agent.StageConfirm)
	drop := at + "/procedures/" + procedure + "/drop"
	_, _, text := visit(t, at+"/procedures/"+procedure, nil)
	want(t, text, `href="/procedures/`+procedure+`/drop"`)

	_, _, text = visit(t, drop, url.Values{})
	want(t, text, "まだ取りやめていません", "証明　花子", procedure[len(procedure)-8:], "発行", "取りやめは元に戻せません", "取りやめの理由")
	if strings.Contains(text, "作りかけの") {
		t.Error("the page mentions keys before any are made")
	}
	shown := hidden(t, text, "shown")
	must(t, counter.Confirm(procedure, pins()))
	reach(t, counter, procedure, agent.StageWritten)

	status, _, text := visit(t, drop, url.Values{"shown": {shown}}) // what the page showed before the keys were made
	if s, err := counter.Status(procedure); status != http.StatusUnprocessableEntity || err != nil || s.Stage != agent.StageWritten {
		t.Fatalf("a stale page withdrew it: %d, %v, %v", status, s.Stage, err)
	}
	want(t, text, "その間に手続きが進みました", "この申請で作った（作りかけの）署名用電子証明書", "この申請で作った（作りかけの）利用者証明用電子証明書", "失効", "窓口で保管します")
	_, _, english := visit(t, drop+"?lang=en", nil)
	want(t, english, "not done yet", "Signature certificate made, or being made", "revoked", "can&#39;t be undone")
	status, _, text = visit(t, drop, url.Values{"shown": {hidden(t, text, "shown")}, "why": {strings.Repeat("長", 1000)}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a reason of a thousand letters: %d", status)
	}
	want(t, text, `aria-describedby="why-wrong"`)

	browser := pagetest.Open(t, 1200, 900)
	for _, lang := range []string{"ja", "en"} {
		browser.Visit(t, drop+"?lang="+lang)
		browser.Screenshot(t, "drop-"+lang)
		for _, violation := range browser.Violations(t) {
			t.Error(violation)
		}
	}
	browser.Visit(t, drop, chromedp.SetValue(chromedp.CSS("#why"), "気が変わった"), chromedp.Click(chromedp.CSS(`main form button`)), chromedp.WaitVisible(chromedp.CSS(".steps")))
	reach(t, counter, procedure, agent.StageDropped)
	if claim := centre.claim("ApplicationDropped"); claim.GetSealed() == nil {
		t.Error("the withdrawal lacks its reason")
	}
	for name, form := range map[string]url.Values{"page": nil, "again": {"shown": {shown}}} {
		if status, _, text := visit(t, drop, form); status != http.StatusConflict || !strings.Contains(text, "この手続きはもう終わっています") {
			t.Errorf("%s: %d after it was withdrawn", name, status)
		}
	}
}

// A button pressed twice files once, however quickly the second press follows.
func TestDoublePressFilesOnce(t *testing.T) {
	for name, row := range map[string]struct {
		operation events.Operation
		end       func(*agent.Counter, string) error
	}{
		"withdrawal": {events.Operation_OPERATION_ISSUE, func(c *agent.Counter, id string) error { return c.Drop(t.Context(), id, "017", "") }},
		"hand-over":  {events.Operation_OPERATION_HAND_OVER, func(c *agent.Counter, id string) error { return c.HandOver(t.Context(), id, "017", false) }},
	} {
		t.Run(name, func(t *testing.T) {
			centre := newCentre(t)
			counter, _ := centre.counter(centre.config(storePath(t), nil))
			procedure := answeredTo(t, centre, counter, row.operation, &events.Answer{Accepted: true}, agent.StageAccepted)
			var filed atomic.Int32
			var presses sync.WaitGroup
			for range 8 {
				presses.Go(func() {
					if row.end(counter, procedure) == nil {
						filed.Add(1)
					}
				})
			}
			presses.Wait()
			if n := filed.Load(); n != 1 {
				t.Errorf("filed %d times", n)
			}
		})
	}
}

// The page of a withdrawal depends on how far the application is.
func TestWithdrawalPageShowsWhatEnds(t *testing.T) {
	planned := &events.Answer{Accepted: true, Planned: []*events.PlannedCertificate{{Kind: sign, LastDay: "2031-06-18", Replaces: 7}}}
	for name, row := range map[string]struct {
		operation events.Operation
		answer    *events.Answer
		stage     agent.Stage
		says      []string
	}{
		"renewal before its keys": {events.Operation_OPERATION_RENEW, planned, agent.StageAccepted, []string{"前の署名用電子証明書", "変わりません"}},
		"letter":                  {events.Operation_OPERATION_ISSUE, &events.Answer{Deferred: true, Letter: "L-7"}, agent.StageDeferred, []string{"照会書", "届いた回答書では受け付けられません"}},
		"PIN":                     {events.Operation_OPERATION_UNBLOCK, &events.Answer{Accepted: true}, agent.StageAccepted, []string{"暗証番号", "変わりません"}},
	} {
		t.Run(name, func(t *testing.T) {
			centre := newCentre(t)
			counter, _ := centre.counter(centre.config(storePath(t), nil))
			at := openDesk(t, counter)
			procedure := answeredTo(t, centre, counter, row.operation, row.answer, row.stage)
			_, _, text := visit(t, at+"/procedures/"+procedure+"/drop", nil)
			want(t, text, append(row.says, "氏名はこの端末に残っていません")...)
			if strings.Contains(text, "L-7") {
				t.Error("the page shows the letter's number, which only its recipient may know")
			}
			_, _, text = visit(t, at+"/procedures/"+procedure, nil)
			if says := strings.Contains(text, "新しいものが発行されると、いまの署名用電子証明書は失効します"); says != (row.answer == planned) {
				t.Errorf("the page says what the new certificates will end: %v", says)
			}
		})
	}
}

// A procedure that has ended or took effect on acceptance can't be withdrawn, neither on a page nor over the API.
func TestEndedProcedureCanNotBeWithdrawn(t *testing.T) {
	for name, row := range map[string]struct {
		operation events.Operation
		answer    *events.Answer
		stage     agent.Stage
	}{
		"a revocation":                   {events.Operation_OPERATION_REVOKE, &events.Answer{Accepted: true}, agent.StageAccepted},
		"a revocation without an answer": {events.Operation_OPERATION_REVOKE, nil, agent.StageReceived},
		"a returned card":                {events.Operation_OPERATION_RETURN_CARD, &events.Answer{Accepted: true}, agent.StageAccepted},
		"a refused application":          {events.Operation_OPERATION_ISSUE, &events.Answer{Refusals: []string{"mynumber.one-at-a-time"}}, agent.StageRefused},
	} {
		t.Run(name, func(t *testing.T) {
			centre := newCentre(t)
			counter, _ := centre.counter(centre.config(storePath(t), nil))
			at := openDesk(t, counter)
			procedure := answeredTo(t, centre, counter, row.operation, row.answer, row.stage)
			if _, _, text := visit(t, at+"/procedures/"+procedure, nil); strings.Contains(text, "/drop") {
				t.Error("its page offers to withdraw it")
			}
			for path, form := range map[string]url.Values{"/procedures/": {"shown": {"[] false  false"}}, "/api/procedures/": {}} {
				if status, _, _ := visit(t, at+path+procedure+"/drop", form); status != http.StatusConflict {
					t.Errorf("%s: %d", path, status)
				}
			}
			if s, err := counter.Status(procedure); err != nil || s.Stage != row.stage {
				t.Errorf("it is %v, %v", s.Stage, err)
			}
		})
	}
}

// hidden returns the value of a hidden field.
func hidden(t testing.TB, text, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, `name="`+name+`" value="`)
	if !found {
		t.Fatalf("the page has no field %s", name)
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
