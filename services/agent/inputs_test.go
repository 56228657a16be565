package agent_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/page/pagetest"
)

// refusedInputs are inputs that the counter must refuse, by field of the API, with the status. A page's field has the name
// after the dot.
var refusedInputs = []struct {
	field, value string
	status       int
}{
	{"contact.mail", "not-an-address", 422},
	{"contact.mail", "hana@mail.example\r\nBcc: x@mail.example", 422},
	{"contact.mail", "hana@mail.example, x@mail.example", 422},
	{"contact.mail", "hana@mail.example\nx", 422},
	{"contact.mail", "Hana <hana@mail.example>", 422},
	{"contact.mail", "<hana@mail.example>", 422},
	{"contact.mail", "\"a b\"@mail.example", 422},
	{"contact.mail", "hana@mail", 422},
	{"contact.mail", "hana@[127.0.0.1]", 422},
	{"contact.mail", "花子@mail.example", 422},
	{"contact.mail", strings.Repeat("a", 250) + "@mail.example", 422},
	{"contact.postal_code", "28913", 422},
	{"contact.postal_code", "289-1324\n", 0},
	{"contact.postal_address", strings.Repeat("住", 201), 422},
	{"person.birth_date", "1985-02-30", 400},
	{"person.birth_date", "S60-06-18", 400},
	{"person.birth_date", "yesterday", 400},
	{"person.birth_date", "2999-01-01", 400},
	{"person.birth_date", "1785-06-18", 400},
	{"person.birth_date", "平成元年1月7日", 400},
	{"person.name", strings.Repeat("a", 60000), 422},
	{"person.name", strings.Repeat("長", 101), 422},
	{"person.name", "証明\x00花子", 422},
	{"person.name", "証明\u202e花子", 422},
	{"person.kana", "しょうめい ﾊﾅｺ", 0},
	{"person.kana", "証明", 422},
	{"person.kana", "ハナ\x00コ", 422},
	{"person.kana", strings.Repeat("ア", 101), 422},
	{"person.alias", strings.Repeat("a", 60000), 422},
	{"person.address", strings.Repeat("長", 201), 422},
	{"person.address", "千葉県\n山武市", 422},
	{"person.resident_code", "123", 400},
	{"person.resident_code", "0000000012a", 400},
	{"person.resident_code", "000000001234", 400},
	{"person.resident_code", "٠٠٠٠٠٠٠٠١٢٣", 400},
	{"person.municipality", "山武市", 400},
	{"person.period_of_stay", "2027-02-29", 400},
	{"person.overseas_on", "soon", 400},
	{"card", "カード 1", 400},
	{"taken_back", "../card", 400},
	{"cause", "weather", 400},
	{"special_circumstances", strings.Repeat("急", 201), 422},
}

// TestWrongInputsAreNotFiled tries each input over the API and the page: the field is named, and nothing is filed.
func TestWrongInputsAreNotFiled(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	for _, row := range refusedInputs {
		if row.status == 0 {
			continue // surrounding blanks are no fault
		}
		_, field, _ := strings.Cut("."+row.field, ".")
		field = field[strings.LastIndex(field, ".")+1:]
		status, out := post(t, at+"/api/applications", applicationWith(t, row.field, row.value))
		problem, _ := out["error"].(map[string]any)
		if status != row.status || problem["field"] != row.field || problem["next_ja"] == "" {
			t.Errorf("API, %s %.40q: %d %v", row.field, row.value, status, out)
		}
		form := filled()
		form.Set(field, row.value)
		form.Set("second_officer", "018")
		status, _, text := visit(t, at+"/apply", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(text, `href="#`+field+`"`) || !strings.Contains(text, `id="`+field+`-wrong"`) {
			t.Errorf("page, %s %.40q: %d, or no message at the field", row.field, row.value, status)
		}
	}
	for name, body := range map[string]string{
		"documents": applicationWith(t, "documents", []string{"photo-id:address-current"}), "documents ": applicationWith(t, "documents", []string{"library-card"}),
		"contact.language": applicationWith(t, "contact.language", "tlh"), "applied_on": applicationWith(t, "applied_on", "2999-01-01"),
	} {
		status, out := post(t, at+"/api/applications", body)
		if problem, _ := out["error"].(map[string]any); status != http.StatusBadRequest || problem["field"] != strings.TrimSpace(name) {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	if status, out := post(t, at+"/api/applications", `{"operation":"revoke","channel":"self","clerk":"017","documents":["application-form"]}`); status != http.StatusBadRequest {
		t.Errorf("an application without a person: %d %v", status, out)
	}
	for _, body := range []string{
		`{"what":"loss","clerk":"017","person":{"resident_code":"12"}}`, `{"what":"death","clerk":"017","caused_on":"2026-13-01","person":{"resident_code":"00000000123"}}`,
		`{"what":"found","clerk":"017","card":"カード"}`, `{"what":"move-out","clerk":"017","planned_on":"H2/6/18","person":{"resident_code":"00000000123"}}`,
	} {
		status, out := post(t, at+"/api/reports", body)
		if problem, _ := out["error"].(map[string]any); status != http.StatusBadRequest || problem["field"] == nil {
			t.Errorf("%s: %d %v", body, status, out)
		}
	}
	if n := len(counter.Procedures()); n != 0 {
		t.Errorf("%d were filed", n)
	}
}

// applicationWith returns a complete application for the API with one field changed.
func applicationWith(t *testing.T, field string, value any) string {
	t.Helper()
	body := map[string]any{
		"operation": "issue", "channel": "self", "clerk": "017", "documents": []string{"application-form", "photo-id:current-address"}, "second_officer": "018",
		"person": map[string]any{
			"resident_code": "00000000123", "name": "証明　花子", "birth_date": "1990-06-18", "sex": 2, "address": "千葉県山武市殿台296番地", "registered": true, "municipality": "12237",
		},
		"contact": map[string]any{"mail": "hana@mail.example"},
	}
	in := body
	if group, name, found := strings.Cut(field, "."); found {
		in, field = body[group].(map[string]any), name
	}
	maps.Copy(in, map[string]any{field: value})
	text, err := json.Marshal(body)
	must(t, err)
	return string(text)
}

// TestInputsAreNormalised sends full-width digits and days in every format; the centre gets one.
func TestInputsAreNormalised(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	for _, day := range []string{"平成2年6月18日", "H2.6.18", "19900618", "1990/6/18", "1990-06-18", "Ｈ２．６．１８", "平成２年６月１８日", "１９９０－０６－１８"} {
		form := filled()
		form.Set("birth_date", day)
		form.Set("resident_code", "　００００００００１２３")
		form.Set("municipality", "１２２３７")
		form.Set("mail", " ｈａｎａ＠mail.example")
		form.Set("postal_code", "２８９－１３２４")
		form.Set("period_of_stay", "R13.4.1")
		before := len(counter.Procedures())
		_, where, text := visit(t, at+"/apply", form)
		if !strings.Contains(where, "/procedures/") {
			t.Fatalf("%s was refused: %s", day, text)
		}
		claims := centre.until("the claim", func(all []*events.Claim) bool { return len(all) == before+1 })
		personal, err := counterlink.OpenPersonal(centre.seal, claims[before])
		must(t, err)
		r, c := personal.GetRecord(), personal.GetContact()
		if r.GetBirthDate() != "1990-06-18" || r.GetResidentCode() != "00000000123" || r.GetMunicipality() != "12237" || r.GetPeriodOfStay() != "2031-04-01" ||
			c.GetMail() != "hana@mail.example" || c.GetPostalCode() != "289-1324" {
			t.Errorf("%s: the centre got %v %v", day, r, c)
		}
	}
	status, out := post(t, at+"/api/reports", `{"what":"name","clerk":"017","caused_on":"R8.11.20","person":{"resident_code":"００００００００１２３","name":"証明　百合","birth_date":"H2.6.18","sex":2,"address":"千葉県","municipality":"12237"}}`)
	if status != http.StatusAccepted {
		t.Errorf("a report: %d %v", status, out)
	}
	if on := centre.claim("RecordChangeNotified").GetRecordChangeNotified().GetCausedOn(); on != "2026-11-20" {
		t.Errorf("the day of the change is %q", on)
	}
}

// A fault is shown at its field, in both languages, and the typed values stay.
func TestFaultIsShownAtItsField(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	browser := pagetest.Open(t, 1200, 900)
	for lang, says := range map[string]string{"ja": "日付として読めません", "en": "no day that can be read"} {
		form := filled()
		form.Set("birth_date", "S60-06-18")
		_, _, text := visit(t, at+"/apply?lang="+lang, form)
		want(t, text, says, `value="S60-06-18"`, `aria-invalid="true" aria-describedby="birth_date-wrong"`, "証明　花子")
		browser.Visit(t, at+"/apply?operation=issue&lang="+lang)
		fill := url.Values{}
		for _, name := range []string{"resident_code", "name", "birth_date", "address", "clerk"} {
			fill.Set(name, form.Get(name))
		}
		script := `document.querySelector("#sex").value = "2";`
		for name, value := range fill {
			script += `document.getElementById("` + name + `").value = "` + value[0] + `";`
		}
		browser.Ask(t, script+`"filled"`)
		browser.Wait(t, chromedp.Click(chromedp.CSS("button[value=anyway], button[value=check]")), chromedp.WaitVisible(chromedp.CSS("#birth_date-wrong")))
		for _, violation := range browser.Violations(t) {
			if !strings.Contains(violation, "status of 4") {
				t.Error(violation)
			}
		}
		browser.Screenshot(t, "wrong-"+lang)
	}
}

// TestPageAndAPIRefuseTheSameInputs leaves each field out of a form and of a body of the API: both report the same field.
func TestPageAndAPIRefuseTheSameInputs(t *testing.T) {
	centre := newCentre(t)
	counter, _ := centre.counter(centre.config(storePath(t), nil))
	at := openDesk(t, counter)
	for field, code := range map[string]string{
		"clerk": "bad-request", "person.resident_code": "bad-request", "person.name": "bad-request", "person.birth_date": "bad-request",
		"person.address": "bad-request", "person.municipality": "bad-request",
	} {
		name := field[strings.LastIndex(field, ".")+1:]
		status, out := post(t, at+"/api/applications", applicationWith(t, field, ""))
		if problem, _ := out["error"].(map[string]any); status != http.StatusBadRequest || problem["code"] != code || problem["field"] != field {
			t.Errorf("API without %s: %d %v", field, status, out)
		}
		form := filled()
		form.Set(name, "")
		status, _, text := visit(t, at+"/apply", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(text, `id="`+name+`-wrong"`) {
			t.Errorf("page without %s: %d", field, status)
		}
	}
	for field, row := range map[string]struct {
		typed, code string
		status      int
	}{
		"clerk":                 {"花子", "officer-code", http.StatusBadRequest},
		"second_officer":        {"花子", "officer-code", http.StatusBadRequest},
		"special_circumstances": {"急ぎ", "bad-request", http.StatusBadRequest},
		"received_at":           {"noon", "bad-request", http.StatusBadRequest},
	} {
		body := strings.Replace(applicationWith(t, field, row.typed), `"second_officer":"018"`, `"second_officer":""`, 1)
		if field == "second_officer" {
			body = applicationWith(t, field, row.typed)
		}
		status, out := post(t, at+"/api/applications", body)
		if problem, _ := out["error"].(map[string]any); status != row.status || problem["code"] != row.code || strings.Contains(fmt.Sprint(out), row.typed) {
			t.Errorf("API, %s: %d %v", field, status, out)
		}
		form := filled()
		form.Set(field, row.typed)
		if status, _, _ := visit(t, at+"/apply", form); status != http.StatusUnprocessableEntity {
			t.Errorf("page, %s: %d", field, status)
		}
	}
	if n := len(counter.Procedures()); n != 0 {
		t.Errorf("%d were filed", n)
	}
}
