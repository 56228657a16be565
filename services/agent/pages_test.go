package agent_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/softcard"
	"shomei/pkg/counterlink"
	"shomei/pkg/page"
	"shomei/pkg/page/pagetest"
	"shomei/pkg/regime"
	"shomei/services/agent"
	pages "shomei/services/agent/desk"
)

func deskConfig(counter *agent.Counter) pages.Config {
	return pages.Config{
		Counter: counter, Name: "12237-main-1", Office: "12237-main", Logger: noLog,
	}
}

// openDesk serves the pages of a counter.
func openDesk(t testing.TB, counter *agent.Counter) (url string) {
	t.Helper()
	return openDeskOf(t, deskConfig(counter))
}

func openDeskOf(t testing.TB, config pages.Config) (url string) {
	t.Helper()
	served, err := pages.New(config)
	must(t, err)
	server := httptest.NewServer(served.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- served.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-done)
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// visit gets a page, or posts a form to it, and follows redirects.
func visit(t testing.TB, address string, form url.Values) (status int, where, text string) {
	t.Helper()
	return visitBy(t, http.DefaultClient, address, form)
}

// visitBy is visit with a client's cookies.
func visitBy(t testing.TB, client *http.Client, address string, form url.Values) (status int, where, text string) {
	t.Helper()
	var response *http.Response
	var err error
	if form == nil {
		response, err = client.Get(address)
	} else {
		response, err = client.PostForm(address, form)
	}
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, response.Request.URL.String(), string(body)
}

// filled returns a complete form for a new issue.
func filled() url.Values {
	return url.Values{
		"operation": {"issue"}, "way": {"self"}, "card_kind": {"mynumber"}, "document": {"application-form", "card", "photo-id"},
		"qualifier": {"photo-id:current-address"}, "resident_code": {"00000000123"}, "name": {"証明　花子"}, "birth_date": {"1990-06-18"},
		"sex": {"2"}, "address": {"千葉県山武市殿台296番地"}, "municipality": {"12237"}, "registered": {"1"}, "clerk": {"017"}, "card": {"CARD-1"},
	}
}

func want(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
}

func TestApplicationOverThePagesWithoutScript(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	chip := newCard(t, centre.cardID)
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(chip)))
	at := openDesk(t, counter)

	_, _, text := visit(t, at+"/apply?operation=issue&name=leak", nil)
	want(t, text, "写真付きの本人確認書類", "申請書")
	if strings.Contains(text, `value="leak"`) {
		t.Error("the form took a name from the URL")
	}
	form := filled()
	form.Del("clerk")
	status, _, text := visit(t, at+"/apply", form)
	if status != http.StatusUnprocessableEntity {
		t.Errorf("without a clerk: %d", status)
	}
	want(t, text, "受付者の番号を入力してください", "証明　花子")
	form = filled()
	form["document"] = []string{"application-form"}
	status, _, text = visit(t, at+"/apply", form)
	if status != http.StatusUnprocessableEntity || len(counter.Procedures()) != 0 {
		t.Errorf("with documents missing: %d, %d procedures", status, len(counter.Procedures()))
	}
	want(t, text, "足りないものがあります", "マイナンバーカードが必要です", "足りないまま受け付ける")

	_, where, _ := visit(t, at+"/apply", filled())
	procedure := where[strings.LastIndex(where, "/")+1:]
	reach(t, counter, procedure, agent.StageConfirm)
	_, _, text = visit(t, at+"/procedures/"+procedure, nil)
	want(t, text, "申請者の確認待ち", "200円", "申請者の画面に出す")
	_, _, text = visit(t, at+"/procedures/"+procedure+"/show", url.Values{})
	want(t, text, "申請者の画面がつながっていません")
	screen := pairedClient(t, at)
	_, where, text = visitBy(t, screen, at+"/resident", nil)
	want(t, text, "職員の案内をお待ちください", `http-equiv="refresh" content="5;url=/resident"`)
	if strings.Contains(text, `href="/"`) || strings.HasSuffix(where, "/pin") {
		t.Error("the resident's screen shows a procedure that was not sent to it, or links to the clerk's pages")
	}
	_, _, text = visit(t, at+"/procedures/"+procedure+"/show", url.Values{})
	want(t, text, "申請者の画面に出しています")
	_, where, text = visitBy(t, screen, at+"/resident", nil)
	want(t, text, "証明　花子", "新規発行", "200円", "署名用電子証明書", "有効期間の満了日 2031-06-18", centre.cardID)
	if !strings.HasSuffix(where, procedure+"/pin") {
		t.Errorf("the resident's screen shows %s", where)
	}
	want(t, text, "4桁", "6文字以上16文字以下", "数字", "もう一度同じ暗証番号")

	pinPage := at + "/procedures/" + procedure + "/pin"
	for name, row := range map[string]struct {
		typed url.Values
		want  string
	}{
		"two that differ": {url.Values{"sign": {signPIN}, "sign_again": {"ABC124"}, "auth": {authPIN}, "auth_again": {authPIN}}, "2回の入力が違います"},
		"a bad form":      {url.Values{"sign": {"ABCDEF"}, "sign_again": {"ABCDEF"}, "auth": {authPIN}, "auth_again": {authPIN}}, "<a href=\"#sign\">署名用の暗証番号には"},
		"one missing":     {url.Values{"sign": {signPIN}, "sign_again": {signPIN}}, "利用者証明用の暗証番号:"},
	} {
		status, _, text := visitBy(t, screen, pinPage, row.typed)
		if status != http.StatusUnprocessableEntity || strings.Contains(text, signPIN) || strings.Contains(text, "ABCDEF") {
			t.Errorf("%s: %d, or the page repeats a PIN", name, status)
		}
		want(t, text, row.want)
	}
	_, where, text = visitBy(t, screen, pinPage, url.Values{"sign": {signPIN}, "sign_again": {signPIN}, "auth": {authPIN}, "auth_again": {authPIN}})
	if !strings.Contains(where, "/resident") {
		t.Errorf("after the PIN: %s", where)
	}
	want(t, text, "確認しました", `http-equiv="refresh" content="5;url=/resident"`)

	reach(t, counter, procedure, agent.StageWritten)
	_, _, text = visit(t, at+"/procedures/"+procedure, nil)
	want(t, text, "手数料 200円", "電子証明書の写し")
	_, _, text = visit(t, at+"/procedures/"+procedure+"/copy", nil)
	want(t, text, "シリアル番号", "100", "101")
	_, _, text = visit(t, at+"/procedures/"+procedure+"/hand-over", url.Values{"paper_copy": {"1"}})
	want(t, text, "交付済")
	handed := centre.claim("HandedOver").GetHandedOver()
	if !handed.GetPaperCopy() || handed.GetFeeYen() != 200 {
		t.Errorf("handed over: %v", handed)
	}
	received := centre.claim("ApplicationReceived").GetApplicationReceived()
	if got := strings.Join(received.GetDocuments(), " "); got != "application-form card photo-id:current-address" {
		t.Errorf("documents of the claim: %s", got)
	}
	centre.checkCard(chip)
}

// TestAnswerIsShownWithNextSteps sends each kind of answer.
func TestAnswerIsShownWithNextSteps(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	for name, row := range answers {
		t.Run(name, func(t *testing.T) {
			procedure := answered(t, centre, counter, row.answer, row.stage)
			for _, lang := range []string{"ja", "en"} {
				_, _, text := visit(t, at+"/procedures/"+procedure+"?lang="+lang, nil)
				want(t, text, row.want[lang]...)
			}
		})
	}
}

var answers = map[string]struct {
	answer *events.Answer
	stage  agent.Stage
	want   map[string][]string
}{
	"accepted": {
		&events.Answer{
			Accepted: true, CardLastDay: "2030-06-18", Fee: []*events.FeeItem{{RuleId: "fee", Yen: 200}},
			Planned: []*events.PlannedCertificate{{Kind: sign, LastDay: "2020-06-18", Candidates: []*events.Candidate{
				{RuleId: "mynumber.validity.fifth-birthday", Day: "2022-02-28"}, {RuleId: "mynumber.validity.sixth-birthday", Day: "2020-06-18", Binds: true},
			}}},
		},
		agent.StageAccepted,
		map[string][]string{"ja": {"2022-02-28", "令和2年6月18日", "この日", "200円"}, "en": {"2022-02-28", "this one", "200 yen"}},
	},
	"refused": {
		&events.Answer{
			Refusals: []string{"mynumber.documents.card"}, Alternative: events.Operation_OPERATION_REISSUE,
			AlternativePlanned: []*events.PlannedCertificate{{Kind: auth, LastDay: "2025-06-18"}},
			Certificates: []*events.CertificateState{
				{Serial: 1, Kind: sign, Status: events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, LastDay: "2019-01-31"},
				{Serial: 2, Kind: auth, Status: events.CertificateStatus_CERTIFICATE_STATUS_VALID, LastDay: "2020-06-18", WindowOpens: "2020-03-19"},
			},
		},
		agent.StageRefused,
		map[string][]string{
			"ja": {"読み上げてください", "マイナンバーカードが必要です", "次にすること", "代わりにできること: 再発行", "令和7年6月18日", "お持ちの電子証明書", "令和2年3月19日"},
			"en": {"read this out", "The My Number card is needed", "What to do next", "Re-issue"},
		},
	},
	"deferred": {&events.Answer{Deferred: true, Letter: "L-77"}, agent.StageDeferred, map[string][]string{"ja": {"照会書で確認", "照会書の回答を受け付ける", "self-no-photo"}, "en": {"by letter of inquiry"}}},
}

func answered(t *testing.T, centre *centre, counter *agent.Counter, a *events.Answer, stage agent.Stage) string {
	t.Helper()
	return answeredTo(t, centre, counter, events.Operation_OPERATION_RENEW, a, stage)
}

// answeredTo is answered for any operation; with a nil answer the application is only received.
func answeredTo(t *testing.T, centre *centre, counter *agent.Counter, operation events.Operation, a *events.Answer, stage agent.Stage) string {
	t.Helper()
	filing := application(centre.cardID)
	filing.Received.Operation = operation
	procedure, err := counter.Receive(t.Context(), filing)
	must(t, err)
	reach(t, counter, procedure, agent.StageReceived)
	if a == nil {
		return procedure
	}
	a.Claim = procedure
	must(t, centre.hub.Send(t.Context(), &events.Downlink{Id: procedure, Counter: "12237-main-1", Procedure: procedure, Body: &events.Downlink_Answer{Answer: a}}))
	reach(t, counter, procedure, stage)
	return procedure
}

// TestSecondVisitAsksForNoDocumentsOnFile files the answer to a letter of inquiry: the first visit's form is not asked for
// again, and after a refusal the same answer can be filed once more.
func TestSecondVisitAsksForNoDocumentsOnFile(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	procedure := answered(t, centre, counter, &events.Answer{Deferred: true, Letter: "L-77", OnFile: []string{"application-form"}}, agent.StageDeferred)
	answerPage := at + answerForm(t, at+"/procedures/"+procedure)
	_, _, text := visit(t, answerPage, nil)
	want(t, text, "申請書 <span class=\"hint\">（お預かりしています）", `id="document-inquiry-answer"`)
	if strings.Contains(text, `id="document-application-form"`) || strings.Count(text, `name="procedure" value="`+procedure) != 1 {
		t.Error("the application form must be ticked again, or the page loses the procedure")
	}

	form := filled()
	form["document"], form["qualifier"] = []string{"card", "inquiry-answer", "other-id"}, nil
	form["way"], form["procedure"], form["on_file"] = []string{"self-no-photo"}, []string{procedure}, []string{"application-form"}
	if status, _, text := visit(t, at+"/apply", form); status != http.StatusUnprocessableEntity || !strings.Contains(text, "回答書に印刷された照会書番号") {
		t.Errorf("an answer without the letter's number: %d", status)
	}
	form["letter"] = []string{"ＡＢ234567"}
	status, where, _ := visit(t, at+"/apply", form)
	if status != http.StatusOK || !strings.HasSuffix(where, procedure) {
		t.Fatalf("filing the answer: %d at %s", status, where)
	}
	reach(t, counter, procedure, agent.StageReceived)
	claims := centre.until("two applications", func(all []*events.Claim) bool { return len(all) == 2 })
	if got := claims[1].GetApplicationReceived().GetLetter(); got != "ab234567" {
		t.Errorf("the claim has the number %q", got)
	}
	refused := &events.Answer{Claim: claims[1].GetId(), Refusals: []string{"mynumber.documents.not-same-day"}}
	must(t, centre.hub.Send(t.Context(), &events.Downlink{
		Id: "refused", Counter: "12237-main-1", Procedure: procedure, Body: &events.Downlink_Answer{Answer: refused},
	}))
	reach(t, counter, procedure, agent.StageRefused)
	_, _, text = visit(t, at+"/procedures/"+procedure, nil)
	want(t, text, "当日の発行はできません", "照会書の回答を待っています", "照会書の回答を受け付ける", "取りやめる")
	_, _, text = visit(t, answerPage, nil)
	want(t, text, "（お預かりしています）")
}

// answerForm returns the address of the form for a letter's answer, from a page that links to it.
func answerForm(t *testing.T, page string) string {
	t.Helper()
	_, _, text := visit(t, page, nil)
	link := regexp.MustCompile(`href="(/apply\?[^"]*procedure=[^"]*)"`).FindStringSubmatch(text)
	if link == nil {
		t.Fatalf("%s does not link to the form for the answer", page)
	}
	return html.UnescapeString(link[1])
}

// TestFirstVisitNeedsNoConfirmation: posting a letter first is ordinary and needs one plain button; only documents that are
// really missing need a warning.
func TestFirstVisitNeedsNoConfirmation(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	for way, papers := range map[string][]string{
		"self-no-photo": {"application-form", "card", "other-id"}, "proxy": {"application-form", "card", "mandate", "proxy-photo-id"},
	} {
		_, _, text := visit(t, at+"/apply?operation=issue&way="+way, nil)
		want(t, text, `value="letter"`, "受け付けて照会書を送る")
		if strings.Contains(text, `name="letter"`) || strings.Contains(text, `value="check"`) || strings.Contains(text, "足りない") {
			t.Errorf("%s: the first visit asks for the letter's answer, or has another button", way)
		}
		form := filled()
		form["way"], form["document"], form["qualifier"], form["file"] = []string{way}, papers, []string{"proxy-photo-id:current-address"}, []string{"letter"}
		if status, where, text := visit(t, at+"/apply", form); status != http.StatusOK || !strings.Contains(where, "/procedures/") {
			t.Errorf("%s: the plain button answered %d at %s:\n%s", way, status, where, text)
		}
		form["file"] = []string{"check"} // the way was chosen after the page was loaded, so the letter is announced first
		if status, _, text := visit(t, at+"/apply", form); status != http.StatusUnprocessableEntity || !strings.Contains(text, `value="letter"`) || strings.Contains(text, "足りない") {
			t.Errorf("%s: a letter is posted unannounced: %d", way, status)
		}
	}
	form := filled()
	form["way"], form["document"], form["qualifier"], form["file"] = []string{"proxy"}, []string{"application-form", "card"}, nil, []string{"letter"}
	status, _, text := visit(t, at+"/apply", form)
	if status != http.StatusUnprocessableEntity || strings.Contains(text, "照会書兼回答書をご住所へ郵送してからの手続き") {
		t.Errorf("a proxy without documents: %d", status)
	}
	want(t, text, "足りないものがあります", "足りないまま", `value="letter"`)
}

// TestFormOffersCardWhereItMayBeNeeded: only the hub knows whether a re-issue uses the same card, and a return needs nothing
// but the card.
func TestFormOffersCardWhereItMayBeNeeded(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	_, _, text := visit(t, at+"/apply?operation=reissue", nil)
	want(t, text, `id="document-card"`, "新しいカードにするときは不要")
	form := filled()
	form["operation"], form["document"] = []string{"reissue"}, []string{"application-form", "photo-id"}
	if status, where, _ := visit(t, at+"/apply", form); status != http.StatusOK || !strings.Contains(where, "/procedures/") {
		t.Errorf("a re-issue of a lost card: %d at %s", status, where)
	}
	_, _, text = visit(t, at+"/apply?operation=return-card&way=self-no-photo", nil)
	want(t, text, `id="document-card"`)
	if strings.Count(text, `name="document"`) != 1 || strings.Contains(text, `name="qualifier"`) {
		t.Error("a return asks for more than the card")
	}
}

// TestCardRemovedDuringWritingHasItsOwnPage removes the card in the middle of the work and puts it back.
func TestCardRemovedDuringWritingHasItsOwnPage(t *testing.T) {
	centre := newCentre(t)
	centre.auto = true
	chip := newCard(t, centre.cardID)
	reader := newSlot(chip)
	counter, _ := centre.counter(centre.config(storePath(t), reader))
	at := openDesk(t, counter)
	procedure, err := counter.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	reach(t, counter, procedure, agent.StageConfirm)
	chip.SetFault(func(_ int, c card.Command) softcard.Fault {
		if c.INS == 0x44 { // ACTIVATE: the last moment
			return softcard.RemoveBefore
		}
		return softcard.NoFault
	})
	must(t, counter.Confirm(procedure, pins()))
	until(t, counter, procedure, func(s agent.Status) bool { return s.Message.Key == agent.CardRemoved })
	_, _, text := visit(t, at+"/procedures/"+procedure, nil)
	want(t, text, "カードが離れました", "手続きは途中です")
	if strings.Contains(text, "前の電子証明書") {
		t.Error("the page mentions the former certificates, which the new ones replaced")
	}
	reader.put(newCard(t, "CARD-2"))
	until(t, counter, procedure, func(s agent.Status) bool { return s.Message.Key == agent.OtherCard })
	_, _, text = visit(t, at+"/procedures/"+procedure, nil)
	want(t, text, "別のカードです", "何も書き込んでいません")
	chip.SetFault(nil)
	reader.put(chip)
	reach(t, counter, procedure, agent.StageWritten)
	centre.checkCard(chip)
}

// until waits until a procedure fulfils a condition.
func until(t testing.TB, counter *agent.Counter, procedure string, done func(agent.Status) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	for range counter.Progress(ctx, procedure) {
		status, err := counter.Status(procedure)
		must(t, err)
		if done(status) {
			return
		}
	}
	t.Fatal("timed out waiting for the procedure")
}

// TestBlockedPINOffersUnblockApplication blocks the signature PIN on the card's page.
func TestBlockedPINOffersUnblockApplication(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(usedCard(t, centre.cardID))))
	at := openDesk(t, counter)
	for left := 4; left >= 1; left-- {
		_, _, text := visit(t, at+"/card", url.Values{"pin": {"WRONG9"}})
		want(t, text, "暗証番号が違います", fmt.Sprintf("残り %d 回", left))
	}
	_, _, text := visit(t, at+"/card", url.Values{"pin": {"WRONG9"}})
	want(t, text, "あと1回です")
	_, _, text = visit(t, at+"/card", nil)
	want(t, text, "最後の1回です")
	_, _, text = visit(t, at+"/card", url.Values{"pin": {"WRONG9"}, "last_try": {"1"}})
	want(t, text, "ロックされています", `href="/card"`, "/apply?operation=unblock")
	_, _, text = visit(t, at+"/card", nil)
	want(t, text, "ロックされています", "/apply?operation=unblock")
	told := centre.claim("PinsBlocked").GetPinsBlocked()
	if told.GetCard() != centre.cardID || !slices.Equal(told.GetPins(), []events.PinKind{events.PinKind_PIN_KIND_SIGN}) {
		t.Errorf("the centre received %v", told)
	}
	_, _, text = visit(t, at+"/card", url.Values{"pin": {"WRONG9"}})
	want(t, text, "ロックされています")
	if n := len(counter.Procedures()); n != 1 {
		t.Errorf("a PIN that was already blocked was reported %d times", n)
	}
}

func TestRulesNamedByTheDeskExist(t *testing.T) {
	for _, row := range answers {
		for _, id := range row.answer.GetRefusals() {
			if _, ok := regime.Lookup(id); !ok {
				t.Errorf("no rule %s", id)
			}
		}
	}
}

func TestErrorPages(t *testing.T) {
	centre := newCentre(t)
	counter, err := agent.Open(centre.config(storePath(t), newSlot(nil)))
	must(t, err)
	t.Cleanup(func() { must(t, counter.Close()) })
	at := openDesk(t, counter)
	_, where, text := visit(t, at+"/apply", filled())
	want(t, text, "仮の受付です", "（仮）", "つながっていません")
	if !strings.Contains(where, "/procedures/") {
		t.Errorf("an application without link led to %s", where)
	}
	for path, status := range map[string]int{"/procedures/none": 404, "/card": 409, "/procedures/none/copy": 404} {
		got, _, text := visit(t, at+path, nil)
		if got != status {
			t.Errorf("%s: %d, want %d", path, got, status)
		}
		want(t, text, "できませんでした")
	}
	request, err := http.NewRequestWithContext(t.Context(), "GET", at+"/", nil)
	must(t, err)
	request.Host = "evil.example"
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	response.Body.Close()
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another host name: %s", response.Status)
	}
}

// TestPagesAreAccessibleInABrowser runs axe-core on every page in every state.
func TestPagesAreAccessibleInABrowser(t *testing.T) {
	if missing := page.Missing(); len(missing) > 0 {
		t.Fatalf("this build lacks %v; run make assets", missing)
	}
	centre := newCentre(t)
	centre.auto = true
	reader := newSlot(newCard(t, centre.cardID))
	cfg := centre.config(storePath(t), reader)
	cfg.Find = func(_ context.Context, _ string, key counterlink.FindKey) (counterlink.Found, error) {
		return twins[key.Name], nil
	}
	counter, _ := centre.counter(cfg)
	at := openDesk(t, counter)
	wide, narrow := pagetest.Open(t, 1200, 900), pagetest.Open(t, 320, 640)
	elsewhere := strings.Replace(at, "127.0.0.1", "localhost", 1) // the resident's pages, with cookies of their own
	lookAt := func(name, path string, before func(*pagetest.Browser)) {
		t.Helper()
		if strings.HasPrefix(path, "/") {
			path = at + path
		}
		for i, browser := range []*pagetest.Browser{wide, narrow} { // the browser paired last stays paired
			size := []string{"", "-narrow"}[i]
			before(browser)
			browser.Visit(t, path)
			for _, violation := range browser.Violations(t) {
				if !strings.Contains(violation, "status of 4") { // the browser reports an error page's status as an error
					t.Errorf("%s%s: %s", name, size, violation)
				}
			}
			browser.Screenshot(t, name+size)
		}
		if wider := narrow.Ask(t, `String(document.documentElement.scrollWidth)`); wider != "320" {
			t.Errorf("%s is %s px wide on a narrow screen", name, wider)
		}
	}
	look := func(name, path string) {
		t.Helper()
		lookAt(name, path, func(*pagetest.Browser) {})
	}
	lookPaired := func(name, path, shown string) {
		t.Helper()
		lookAt(name, elsewhere+path, func(b *pagetest.Browser) {
			b.Visit(t, elsewhere+"/resident?pair="+pairCode(t, at))
			if shown != "" {
				visit(t, at+"/procedures/"+shown+"/show", url.Values{})
			}
		})
	}
	look("start", "/")
	look("apply", "/apply?operation=issue")
	look("apply-proxy", "/apply?operation=renew&way=proxy&lang=en")
	look("report-loss", "/report?what=loss&lang=ja")
	look("report-name", "/report?what=name")
	look("report-move-out", "/report?what=move-out&lang=en")
	look("report-found", "/report?what=found&lang=ja")
	look("residents-not-here", "/resident?lang=ja")
	look("pair", "/screen?lang=ja")
	pairCode(t, at)
	look("pair-code", "/screen")
	look("pair-code-english", "/screen?lang=en")
	look("unpaired-english", elsewhere+"/resident?pair=ABC&lang=en")
	look("unpaired", elsewhere+"/resident?lang=ja")
	lookPaired("resident-waits", "/resident?lang=ja", "")
	lookPaired("resident-waits-english", "/resident?lang=en", "")
	look("residents-browser", elsewhere+"/?lang=ja")
	look("start-japanese", "/?lang=ja")
	look("card-new", "/card")
	look("problem", "/procedures/none")

	named := application(centre.cardID)
	named.Personal = &events.Personal{Record: &events.ResidentRecord{Name: "証明　花子"}}
	procedure, err := counter.Receive(t.Context(), named)
	must(t, err)
	reach(t, counter, procedure, agent.StageConfirm)
	look("confirm", "/procedures/"+procedure)
	lookPaired("pin-english", "/procedures/"+procedure+"/pin?lang=en", procedure)
	lookPaired("pin-of-another", "/procedures/none/pin?lang=ja", procedure)
	look("confirm-shown", "/procedures/"+procedure+"?lang=en")
	lookPaired("pin", "/procedures/"+procedure+"/pin?lang=ja", procedure)
	small := narrow.Ask(t, `[...document.querySelectorAll(".resident input, .resident button")].filter(e => e.getBoundingClientRect().height < 64).map(e => e.id || e.textContent).join()`)
	if narrow.Ask(t, `[...document.querySelectorAll(".resident dd")].filter(e => e.getBoundingClientRect().width > 160).length + " facts"`) != "6 facts" {
		t.Error("facts are too narrow to read on the resident's page")
	}
	if small != "" {
		t.Errorf("targets under 64 px on the resident's page: %s", small)
	}

	// The clerk's page updates itself while the resident types and the card is written.
	wide.Visit(t, at+"/procedures/"+procedure)
	narrow.Visit(t, elsewhere+"/resident?pair="+pairCode(t, at))
	visit(t, at+"/procedures/"+procedure+"/show", url.Values{})
	narrow.Visit(t, elsewhere+"/procedures/"+procedure+"/pin", typeInto("#sign", signPIN), typeInto("#sign_again", signPIN), typeInto("#auth", authPIN),
		typeInto("#auth_again", authPIN), chromedp.Click(chromedp.CSS("form.resident button")), chromedp.WaitVisible(chromedp.CSS(".notice.good")))
	ctx, cancel := context.WithTimeout(wide.Context, waitLimit)
	defer cancel()
	must(t, chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(`input[name="paper_copy"]`))))
	wide.Screenshot(t, "written-live")
	look("written", "/procedures/"+procedure)
	look("copy", "/procedures/"+procedure+"/copy")
	look("card", "/card")
	wide.Visit(t, at+"/procedures/"+procedure, chromedp.Click(chromedp.CSS(`form[action$="hand-over"] button`)), chromedp.WaitVisible(chromedp.CSS(".notice.good")))
	look("done", "/procedures/"+procedure)

	for lang, browser := range map[string]*pagetest.Browser{"ja": wide, "en": narrow} {
		for _, name := range []string{"telephone", "twins"} {
			browser.Visit(t, at+"/find?lang="+lang, typeInto("#clerk", "017"), typeInto("#name", name), typeInto("#birth_date", "S55.6.18"),
				chromedp.Click(chromedp.CSS(`form[action="/find"] button`)), chromedp.WaitVisible(chromedp.CSS(".notice")))
			for _, violation := range browser.Violations(t) {
				t.Errorf("find in %s: %s", lang, violation)
			}
			browser.Screenshot(t, "find-"+name+"-"+lang)
		}
		if wider := narrow.Ask(t, `String(document.documentElement.scrollWidth)`); lang == "en" && wider != "320" {
			t.Errorf("find is %s px wide on a narrow screen", wider)
		}
		browser.Wait(t, chromedp.Click(chromedp.CSS(`form[action="/apply"] button`)), chromedp.WaitVisible(chromedp.CSS("#kana")))
		filled := browser.Ask(t, `["name", "kana", "birth_date", "municipality"].map(id => document.getElementById(id).value).join()`)
		if filled != "山武　花子,サンム　ハナコ,1980-06-18,12237" {
			t.Errorf("the application is filled in as %s", filled)
		}
	}

	centre.auto = false
	lost, err := counter.Report(t.Context(), &events.Claim{Officer: "017", Fact: &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "counter"}}}, nil)
	must(t, err)
	decideReport(t, centre, counter, lost, &events.Answer{Accepted: true, Endings: []*events.Ending{
		{Serial: 100, Kind: sign, Status: events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, RuleIds: []string{"mynumber.ends.loss-report"}},
		{Card: centre.cardID, CardStatus: events.CardStatus_CARD_STATUS_SUSPENDED, RuleIds: []string{"mynumber.ends.loss-report"}},
	}})
	look("report-recorded", "/procedures/"+lost)
	for name, row := range answers {
		look(name, "/procedures/"+answered(t, centre, counter, row.answer, row.stage))
	}
}

// twins is what a centre answers to a search, by the name that is looked for.
var twins = map[string]counterlink.Found{
	"twins": {More: true, Persons: []*events.FoundPerson{
		{
			Subscriber: "aaaaaaaabbbbbbbbcccccccc", Initials: "山・花", Name: "山武　花子", Kana: "サンム　ハナコ", BirthDate: "1980-06-18", Municipality: "12237",
			CardStatus: events.CardStatus_CARD_STATUS_HELD, CardLastDay: "2030-06-18",
			Certificates: []*events.CertificateState{
				{Kind: sign, Status: events.CertificateStatus_CERTIFICATE_STATUS_VALID, LastDay: "2026-06-18"},
				{Kind: auth, Status: events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, LastDay: "2026-06-18"},
			},
			PhoneCertificates: []*events.CertificateState{{
				Kind: auth, Status: events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED, LastDay: "2026-06-18", Device: "android-1",
			}},
		},
		{Subscriber: "ddddddddeeeeeeeeffffffff", Initials: "山・花", Name: "山武　花子", BirthDate: "1980-06-18", Municipality: "12237"},
	}},
	"telephone": {Persons: []*events.FoundPerson{{
		Subscriber: "aaaaaaaabbbbbbbbcccccccc", Initials: "山・花", CardStatus: events.CardStatus_CARD_STATUS_SUSPENDED, CardLastDay: "2030-06-18",
		Certificates: []*events.CertificateState{{Kind: sign, Status: events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED, LastDay: "2026-06-18"}},
	}}},
}

// TestChangingTheChoiceKeepsTypedFields: htmx replaces the list of documents, while the person's data stay in the form and
// out of the URL.
func TestChangingTheChoiceKeepsTypedFields(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	browser := pagetest.Open(t, 1200, 900)
	browser.Visit(t, at+"/apply?operation=issue", typeInto("#name", "KEPT"))
	browser.Ask(t, `document.getElementById("way").value = "proxy"`)
	ctx, cancel := context.WithTimeout(browser.Context, waitLimit)
	defer cancel()
	must(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#choices button")), chromedp.WaitVisible(chromedp.CSS("#document-mandate"))))
	got := browser.Ask(t, `[document.getElementById("name").value, document.querySelector("#documents input[name=shown]").value, location.search].join()`)
	if got != "KEPT,issue proxy mynumber,?operation=issue" {
		t.Errorf("after the choice: %s", got)
	}
	for _, want := range []string{"rgba(0, 0, 0, 0)", "rgb(26, 26, 26)"} { // hidden by F2, shown by the next
		color := browser.Ask(t, `document.dispatchEvent(new KeyboardEvent("keydown", {key: "F2"})), getComputedStyle(document.getElementById("name")).color`)
		if color != want {
			t.Errorf("after F2 the name is %s, want %s", color, want)
		}
	}
	for _, violation := range browser.Violations(t) {
		t.Error(violation)
	}
}

func typeInto(selector, text string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.CSS(selector), text)
}
