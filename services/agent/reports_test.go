package agent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/pkg/page/pagetest"
	"shomei/services/agent"
)

// A report carries the new record sealed, and its page shows the centre's decision, rule by rule.
func TestReportsOverThePages(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	_, _, text := visit(t, at+"/report?what=name&resident_code=99", nil)
	want(t, text, "氏名の変更", "変更後の住民票の記載", "署名用電子証明書", "失効は元に戻せません")
	if strings.Contains(text, `value="99"`) {
		t.Error("the form took a resident-record code from the URL")
	}
	form := url.Values{"what": {"name"}, "clerk": {"017"}, "caused_on": {"2026-11-20"}, "name": {"証明　百合"}}
	status, _, text := visit(t, at+"/report", form)
	if status != http.StatusUnprocessableEntity || len(counter.Procedures()) != 0 {
		t.Errorf("incomplete: %d, %d procedures", status, len(counter.Procedures()))
	}
	want(t, text, "住民票コードを入力してください", "住所を入力してください", "証明　百合")

	for field, value := range map[string]string{
		"resident_code": "00000000123", "birth_date": "1990-06-18", "sex": "2", "address": "千葉県山武市殿台296番地", "municipality": "12237", "registered": "1",
	} {
		form.Set(field, value)
	}
	_, where, text := visit(t, at+"/report", form)
	want(t, text, "氏名の変更: まだ受け付けていません", "証明　百合", "00000000123", "失効は元に戻せません")
	_, where, text = visit(t, where, url.Values{"do": {"file"}})
	want(t, text, "氏名の変更", "受付時刻")
	claim := centre.claim("RecordChangeNotified")
	personal, err := counterlink.OpenPersonal(centre.seal, claim)
	must(t, err)
	if r := personal.GetRecord(); r.GetName() != "証明　百合" || r.GetAddress() == "" || r.GetSex() != 2 || !r.GetRegistered() {
		t.Errorf("the sealed record: %v", r)
	}
	raw, err := proto.Marshal(claim)
	must(t, err)
	if bytes.Contains(raw, []byte("証明")) || claim.GetRecordChangeNotified().GetCausedOn() != "2026-11-20" || claim.GetOfficer() != "017" {
		t.Errorf("the claim: %v", claim)
	}

	procedure := where[strings.LastIndex(where, "/")+1:]
	decideReport(t, centre, counter, procedure, &events.Answer{Accepted: true, Endings: []*events.Ending{{
		Serial: 100, Kind: sign, Status: events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, RuleIds: []string{"mynumber.ends.name"},
	}}})
	_, _, text = visit(t, where, nil)
	want(t, text, "記録済", "署名用電子証明書（100）", "失効", "氏名", "次にすること")
	if strings.Contains(text, "取りやめる") {
		t.Error("the page offers to withdraw a recorded report")
	}
	_, _, text = visit(t, at+"/", nil)
	want(t, text, "氏名の変更")
}

func decideReport(t *testing.T, centre *centre, counter *agent.Counter, procedure string, a *events.Answer) {
	t.Helper()
	reach(t, counter, procedure, agent.StageReceived)
	a.Claim = procedure
	must(t, centre.hub.Send(t.Context(), &events.Downlink{Id: "answer/" + procedure, Counter: desk, Procedure: procedure, Body: &events.Downlink_Answer{Answer: a}}))
	natural := agent.StageAccepted
	if len(a.Refusals) > 0 {
		natural = agent.StageRefused
	}
	reach(t, counter, procedure, natural)
}

// post sends JSON to the API and returns the status and the decoded response.
func post(t *testing.T, address, body string) (int, map[string]any) {
	t.Helper()
	response, err := http.Post(address, "application/json", strings.NewReader(body))
	must(t, err)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(t, err)
	out := map[string]any{}
	must(t, json.Unmarshal(raw, &out))
	return response.StatusCode, out
}

// TestReportsOverTheAPI files each kind of report. A report that the hub could not use differs from one that changed nothing.
func TestReportsOverTheAPI(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), newSlot(usedCard(t, centre.cardID))))
	at := openDesk(t, counter)
	record := `"person":{"resident_code":"00000000123","name":"証明　花子","birth_date":"1990-06-18","sex":2,"address":"千葉県山武市殿台1","municipality":"12237"}`
	code := `"person":{"resident_code":"00000000123","birth_date":"H2.6.18"}`
	for what, body := range map[string]string{
		"loss": `"by":"telephone",` + code, "found": `"card":"CARD-9"`, "custody": `"card":""`, "name": record, "address": record, "sex": record,
		"birth-date": `"known_birth_date":"1990-06-18",` + record, "minor": record, "move-out": `"caused_on":"2026-11-20","planned_on":"2026-12-01",` + code, "move-in": `"keep_using":true,` + record,
		"move-overseas": code, "move-called-off": `"keep_using":true,` + code, "death": `"caused_on":"2026-11-20",` + code, "deleted": code, "out-of-scope": code, "period-of-stay": record,
		"individual-number": code, "resident-code": `"corrected_code":"00000000456",` + code,
	} {
		if !slices.Contains([]string{"loss", "found", "custody"}, what) && !strings.Contains(body, "caused_on") {
			body = `"caused_on":"2026-11-20",` + body
		}
		status, out := post(t, at+"/api/reports", `{"what":"`+what+`","clerk":"017",`+body+`}`)
		id, _ := out["procedure"].(string)
		if status != http.StatusAccepted || id == "" {
			t.Errorf("%s: %d %v", what, status, out)
			continue
		}
		shown, err := counter.Status(id)
		must(t, err)
		if shown.Report == nil || shown.Report.GetSealed() != nil {
			t.Errorf("%s: the counter shows %v", what, shown.Report)
		}
		response, err := http.Get(at + "/api/procedures/" + id)
		must(t, err)
		var state struct{ Report, State string }
		must(t, json.NewDecoder(response.Body).Decode(&state))
		response.Body.Close()
		if state.Report != what {
			t.Errorf("%s: the API returns %q", what, state.Report)
		}
	}
	if by := centre.claim("LossNotified").GetLossNotified().GetBy(); by != "telephone" {
		t.Errorf("a loss was reported by %q", by)
	}
	if on := centre.claim("CustodyTaken").GetCustodyTaken().GetCard(); on != centre.cardID {
		t.Errorf("custody of %q, but %q is on the reader", on, centre.cardID)
	}
	for name, body := range map[string]string{
		"no such report": `{"what":"theft","clerk":"017"}`, "nobody": `{"what":"death","clerk":"017","caused_on":"2026-11-20"}`, "no clerk": `{"what":"loss",` + code + `}`,
		"half a record": `{"what":"name","clerk":"017","caused_on":"2026-11-20",` + code + `}`, "on no day": `{"what":"death","clerk":"017",` + code + `}`, "no day": `{"what":"death","clerk":"017","caused_on":"11/20",` + code + `}`,
		"no birth date": `{"what":"loss","clerk":"017","person":{"resident_code":"00000000123"}}`,
		"by letter":     `{"what":"loss","by":"letter","clerk":"017",` + code + `}`, "misspelt": `{"what":"loss","clark":"017"}`, "no code": `{"what":"resident-code","clerk":"017","caused_on":"2026-11-20","corrected_code":"12",` + code + `}`,
	} {
		if status, out := post(t, at+"/api/reports", body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}

	nothing, err := counter.Report(t.Context(), &events.Claim{Officer: "017", Fact: &events.Claim_CardFoundNotified{CardFoundNotified: &events.CardFoundNotified{Card: "CARD-9"}}}, nil)
	must(t, err)
	decideReport(t, centre, counter, nothing, &events.Answer{RuleIds: []string{"card.not-suspended"}})
	_, _, text := visit(t, at+"/procedures/"+nothing, nil)
	want(t, text, "カードの発見", "変わるものはありません", "一時停止されていない", "カードの番号を確かめてください")

	strange, err := counter.Report(t.Context(), &events.Claim{Officer: "017", Fact: &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: "X"}}}, nil)
	must(t, err)
	decideReport(t, centre, counter, strange, &events.Answer{Refusals: []string{"claim.quarantined"}})
	_, _, text = visit(t, at+"/procedures/"+strange, nil)
	want(t, text, "カードの預かり", "センターがこの内容を確かめられなかった")

	joined, err := counter.Report(t.Context(), &events.Claim{Officer: "017", Fact: &events.Claim_RecordChangeNotified{RecordChangeNotified: &events.RecordChangeNotified{Change: events.RecordChange_RECORD_CHANGE_RESIDENT_CODE}}}, nil)
	must(t, err)
	decideReport(t, centre, counter, joined, &events.Answer{Refusals: []string{"claim.code-has-history"}})
	_, _, text = visit(t, at+"/procedures/"+joined, nil)
	want(t, text, "センターはこの届出を受け付けませんでした", "すでに別の記録があります", "二人の職員で一つにしてください")
	_, _, text = visit(t, at+"/procedures/"+joined+"?lang=en", nil)
	want(t, text, "The centre has not taken this report", "has a history of its own already", "two officers join them")
}

// An application received before closing time and entered after it counts by its receipt; the claim also has the clock's time.
func TestReceiptTimeEnteredByHand(t *testing.T) {
	centre := newCentre(t)
	cfg := centre.config(storePath(t), nil)
	typed := civil.New(2026, time.November, 20).StartInstant().Add(17*time.Hour + 10*time.Minute)
	cfg.Now = func() time.Time { return typed }
	centre.clock.set(typed)
	counter, stop := centre.counter(cfg)
	for name, filed := range map[string]time.Time{"in the future": typed.Add(time.Minute), "yesterday": typed.AddDate(0, 0, -1)} {
		a := application(centre.cardID)
		a.Filed = filed
		if _, err := counter.Receive(t.Context(), a); !errors.Is(err, agent.ErrReceiptTime) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a := application(centre.cardID)
	a.Filed = typed.Add(-11 * time.Minute)
	procedure, err := counter.Receive(t.Context(), a)
	must(t, err)
	claim := centre.claim("ApplicationReceived")
	if claim.GetFiledMs() != a.Filed.UnixMilli() || claim.GetEnteredMs() != typed.UnixMilli() || claim.GetClockEvidence() == "" {
		t.Errorf("filed %d, entered %d, by a clock %q", claim.GetFiledMs(), claim.GetEnteredMs(), claim.GetClockEvidence())
	}
	stop()
	again, _ := centre.counter(cfg)
	at := openDesk(t, again)
	_, _, text := visit(t, at+"/procedures/"+procedure, nil)
	want(t, text, "2026-11-20 16:59", "17:10 に手入力")

	form := filled()
	form.Set("received_at", "25:00")
	status, _, text := visit(t, at+"/apply", form)
	if status != http.StatusUnprocessableEntity {
		t.Errorf("25:00: %d", status)
	}
	want(t, text, "受付時刻は")
	body := `{"operation":"issue","channel":"self","clerk":"017","received_at":"17:11"}`
	if status, out := post(t, at+"/api/applications", body); status != http.StatusUnprocessableEntity {
		t.Errorf("a time in the future: %d %v", status, out)
	}
	if status, out := post(t, at+"/api/applications", strings.Replace(body, `"received_at":"`, `"received_at":"noon `, 1)); status != http.StatusBadRequest {
		t.Errorf("noon: %d %v", status, out)
	}
}

// A refusal because another procedure is open links to that procedure.
func TestRefusalLinksToTheOpenProcedure(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	tell := func(a *events.Answer, stage agent.Stage) string {
		t.Helper()
		id, err := counter.Receive(t.Context(), application(centre.cardID))
		must(t, err)
		reach(t, counter, id, agent.StageReceived)
		a.Claim = id
		must(t, centre.hub.Send(t.Context(), &events.Downlink{
			Id: "answer/" + id, Counter: desk, Procedure: id, Subscriber: "subscriber-1", Body: &events.Downlink_Answer{Answer: a},
		}))
		reach(t, counter, id, stage)
		return id
	}
	open := tell(&events.Answer{Accepted: true}, agent.StageAccepted)
	refused := tell(&events.Answer{Refusals: []string{"application.one-at-a-time"}}, agent.StageRefused)
	_, _, text := visit(t, at+"/procedures/"+refused, nil)
	want(t, text, "別の手続が途中です", `href="/procedures/`+open+`"`, "途中の手続きを開く")
	must(t, counter.Drop(t.Context(), open, "017", ""))
	_, _, text = visit(t, at+"/procedures/"+refused, nil)
	if strings.Contains(text, "途中の手続きを開く") {
		t.Error("the page still links to a withdrawn procedure")
	}
}

// A loss reported while the centre is unavailable refers to the telephone.
func TestOfflineLossReportNamesTheTelephone(t *testing.T) {
	centre := newCentre(t)
	counter, err := agent.Open(centre.config(storePath(t), newSlot(nil)))
	must(t, err)
	t.Cleanup(func() { must(t, counter.Close()) })
	at := openDesk(t, counter)
	_, where, _ := visit(t, at+"/report", url.Values{"what": {"loss"}, "clerk": {"017"}, "resident_code": {"00000000123"}, "birth_date": {"1990-06-18"}})
	_, _, text := visit(t, where, nil)
	want(t, text, "まだ何も止まっていません", "0120-95-0178", "仮の受付")
	_, _, text = visit(t, where, url.Values{"do": {"file"}})
	want(t, text, "（仮）", "仮の受付です", "0120-95-0178")
	_, where, _ = visit(t, at+"/report", url.Values{"what": {"death"}, "clerk": {"017"}, "caused_on": {"2026-11-20"}, "resident_code": {"00000000123"}, "birth_date": {"1990-06-18"}})
	_, _, text = visit(t, where, url.Values{"do": {"file"}})
	if strings.Contains(text, "0120-95-0178") {
		t.Error("a report other than a loss refers to the telephone")
	}
}

// A report about an unknown person is refused: the centre compares code and date of birth before anything is filed.
func TestReportAboutUnknownPersonIsNotFiled(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	linked(t, counter)
	at := openDesk(t, counter)
	browser := pagetest.Open(t, 1200, 900)
	for name, person := range map[string][2]string{"another date of birth": {"00000000123", "1990-06-19"}, "another code": {"00000000124", "1990-06-18"}} {
		for _, what := range []string{"loss", "death", "deleted", "out-of-scope", "name", "birth-date", "move-out"} {
			form := filled()
			form.Set("what", what)
			form.Set("resident_code", person[0])
			form.Set("birth_date", person[1])
			form.Set("known_birth_date", person[1])
			form.Set("caused_on", "2026-11-20")
			status, _, text := visit(t, at+"/report", form)
			if status != http.StatusUnprocessableEntity {
				t.Errorf("%s, %s: %d", name, what, status)
			}
			want(t, text, "何も止まっていません", "住民票コードと生年月日を住民票で確かめて", `id="resident_code-wrong"`)
		}
		body := `{"what":"loss","clerk":"017","person":{"resident_code":"` + person[0] + `","birth_date":"` + person[1] + `"}}`
		status, out := post(t, at+"/api/reports", body)
		if problem, _ := out["error"].(map[string]any); status != http.StatusConflict || problem["code"] != "unknown-person" {
			t.Errorf("%s over the API: %d %v", name, status, out)
		}
		form := filled()
		form.Set("operation", "revoke")
		form.Set("resident_code", person[0])
		form.Set("birth_date", person[1])
		status, _, text := visit(t, at+"/apply", form)
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s: a revocation: %d", name, status)
		}
		want(t, text, "何も止まっていません")
	}
	if n := len(counter.Procedures()); n != 0 {
		t.Errorf("%d were filed", n)
	}
	known := url.Values{"what": {"loss"}, "clerk": {"017"}, "resident_code": {"００００００００１２３"}, "birth_date": {"H2.6.18"}}
	_, where, text := visit(t, at+"/report", known)
	want(t, text, "証・花", "カードの紛失・盗難: まだ受け付けていません")
	if strings.Contains(text, "まだ何も止まっていません。センターに") {
		t.Error("the page says that the centre was not asked about a known person")
	}
	for _, lang := range []string{"ja", "en"} {
		browser.Visit(t, where+"?lang="+lang)
		browser.Screenshot(t, "review-known-"+lang)
		for _, violation := range browser.Violations(t) {
			t.Error(violation)
		}
		browser.Visit(t, at+"/report?what=loss&lang="+lang, typeInto("#clerk", "017"), typeInto("#resident_code", "00000000999"), typeInto("#birth_date", "1990-06-18"),
			chromedp.Click(chromedp.CSS("button[value=check]")), chromedp.WaitVisible(chromedp.CSS("#resident_code-wrong")))
		browser.Screenshot(t, "unknown-"+lang)
		for _, violation := range browser.Violations(t) {
			if !strings.Contains(violation, "status of 4") {
				t.Error(violation)
			}
		}
	}
}

// linked waits until the counter is linked up.
func linked(t *testing.T, counter *agent.Counter) {
	t.Helper()
	natstest.Wait(t, waitLimit, "the link", func() bool { return counter.Link() == counterlink.Up })
}
