package console

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/page/pagetest"
	"shomei/pkg/regime"
	"shomei/pkg/sheet"
	"shomei/pkg/warehouse"
)

// reportOf asks the API for a report.
func reportOf(t *testing.T, handler http.Handler, target string) reportAnswer {
	t.Helper()
	status, body := get(handler, target)
	var got struct{ Data reportAnswer }
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %v %.300s", target, status, err, body)
	}
	return got.Data
}

func TestReportsCountAndDrillDown(t *testing.T) {
	handler := open(t)
	for target, want := range map[string]string{
		"/api/reports/issued":         "[]=80",
		"/api/reports/issued?by=kind": "[auth]=40 [sign]=40",
		"/api/reports/issued?by=prefecture,kind&per=fiscal-year&at=2022-03-31": "2021-04-01[12 auth]=4 2021-04-01[12 sign]=4",
		"/api/reports/issued?known=2022-01-05":                                 "[]=2",
		"/api/reports/issued?office=13101-main":                                "",
		"/api/reports/issued?municipality=12237&from=2022-01-06":               "[]=78",
		"/api/reports/ends?by=reason,cause":                                    "[affiliation-changed name-correction]=10",
		"/api/reports/ends?kind=auth":                                          "",
	} {
		var got []string
		for _, row := range reportOf(t, handler, target).Rows {
			starts := ""
			if !row.Starts.IsZero() {
				starts = row.Starts.String()
			}
			got = append(got, fmt.Sprintf("%s%v=%d", starts, row.Values, row.Count))
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%s: %s, want %s", target, joined, want)
		}
	}
	for target, nearest := range map[string]string{
		"/api/reports/issued?by=knid":              `nearest is \"kind\"`,
		"/api/reports/issued?per=weak":             `nearest is \"week\"`,
		"/api/reports/issued?chanel=self":          `nearest is \"channel\"`,
		"/api/reports/issued?rule=x":               "there is no parameter",
		"/api/reports/issued?from=2022":            "2026-11-22",
		"/api/reports/issued?known=yesterday":      "2026-11-22",
		"/api/reports/issued?limit=0":              "at most 10000",
		"/api/reports/issued?limit=99999":          "at most 10000",
		"/api/reports/issued?cursor=x":             "the next of an answer",
		"/api/reports/issued?format=pdf":           "xlsx",
		"/api/reports/issued?municipality=12238":   `nearest is \"12237\"`,
		"/api/reports/issued?by=kind&by=operation": "more than once",
		"/api/reports/isued":                       `nearest is \"reports/issued\"`,
	} {
		status, body := get(handler, target)
		if status != http.StatusBadRequest || !strings.Contains(body, nearest) {
			t.Errorf("%s: %d %s, want %s", target, status, body, nearest)
		}
	}
}

// TestCursorsWalkTheWholeReport page by page, each row once.
func TestCursorsWalkTheWholeReport(t *testing.T) {
	handler := open(t)
	whole := reportOf(t, handler, "/api/reports/issued?by=kind&per=day")
	var got []warehouse.ReportRow
	target, pages := "/api/reports/issued?by=kind&per=day&limit=7", 0
	for next := ""; ; pages++ {
		page := reportOf(t, handler, target+next)
		got = append(got, page.Rows...)
		if page.Next == "" {
			break
		}
		next = "&cursor=" + page.Next
	}
	if diff := cmp.Diff(whole.Rows, got); diff != "" || pages != 11 || whole.Next != "" {
		t.Errorf("%d pages: %s", pages, diff)
	}
}

func TestAnAnswerThatTheReaderHasIsNotSentAgain(t *testing.T) {
	handler := open(t)
	ask := func(target, tag string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", target, nil)
		r.Header.Set("If-None-Match", tag)
		handler.ServeHTTP(w, r)
		return w
	}
	first := ask("/api/status", "")
	tag := first.Header().Get("ETag")
	if again := ask("/api/status", tag); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("asked again: %d", again.Code)
	}
	if other := ask("/api/status?at=2023-01-01", tag); other.Code != http.StatusOK {
		t.Errorf("another question: %d", other.Code)
	}
}

// TestFilesHoldWhatThePageShows asks for each endpoint in each format; the CSV has its heading and the same rows as the API.
func TestFilesHoldWhatThePageShows(t *testing.T) {
	c := openConsole(t)
	handler := c.Handler()
	for _, e := range c.endpoints() {
		for _, f := range sheet.Formats {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", "/api/"+e.path+"?format="+string(f), nil))
			switch {
			case e.sheet == nil && w.Code != http.StatusBadRequest:
				t.Errorf("%s has no files and answers %d", e.path, w.Code)
			case e.sheet == nil:
			case w.Code != http.StatusOK, w.Header().Get("Content-Type") != f.MediaType(), !strings.Contains(w.Header().Get("Content-Disposition"), "2026-11-22."+string(f)):
				t.Errorf("%s as %s: %d %v", e.path, f, w.Code, w.Header())
			}
		}
	}
	_, body := get(handler, "/api/reports/ends?by=reason&per=year&prefecture=12&kind=sign&format=csv")
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff")))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	want := [][]string{
		{"内容", "電子証明書の終わりと理由"},
		{"区域", "千葉県"},
		{"現在", "2026-11-22 14:05:00 現在（未反映の記録 3件）"},
		{"この時点までの記録", "2026-11-22 14:05:00"},
		{"対象の日", " - "},
		{"証明書の種別", "署名用"},
		{"年", "理由（コード）", "理由", "件数"},
		{"2026-01-01", "affiliation-changed", "記載内容の変更", "10"},
	}
	if diff := cmp.Diff(want, rows); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// TestReportsKeepToTheReadersArea: nothing that a reader asks for shows another area's rows, in any form.
func TestReportsKeepToTheReadersArea(t *testing.T) {
	s := openStaffed(t, officer.Officer{Code: "T1", Roles: []officer.Role{officer.Analyst}, Areas: []string{"13"}})
	if status, body := s.signIn("T1", "T1"); status != http.StatusOK {
		t.Fatal(status, body)
	}
	for _, e := range s.console.endpoints() {
		targets := []string{"/api/" + e.path}
		for _, where := range []string{"prefecture=12", "municipality=12237", "office=12237-main", "prefecture=13&office=12237-main"} {
			targets = append(targets, "/api/"+e.path+"?"+where)
		}
		if e.report != nil {
			targets = append(targets, "/api/"+e.path+"?by=municipality,office", "/api/"+e.path+"?format=csv&by=office", "/reports/"+e.report.Name+"?by=office",
				"/api/"+e.path+"?known=2026-01-01&by=prefecture")
		}
		for _, target := range targets {
			status, body := s.get(target)
			for _, foreign := range []string{"12237", "山武市", "千葉県", `"count":`} {
				if strings.Contains(body, foreign) && !strings.Contains(target, foreign) {
					t.Errorf("%s: %d shows %s: %.300s", target, status, foreign, body)
				}
			}
		}
	}
}

// TestTheDescriptionIsOpenAPI: a validator that nobody here wrote accepts it in both languages, and it tells of every endpoint and
// of every parameter that is really known.
func TestTheDescriptionIsOpenAPI(t *testing.T) {
	c := openConsole(t)
	handler := c.Handler()
	for _, lang := range page.Languages {
		_, body := get(handler, "/api/openapi.json?lang="+string(lang))
		judge := exec.Command("node", "--input-type=module", "-e", `
			import { Validator } from "@seriousme/openapi-schema-validator";
			let text = ""; for await (const part of process.stdin) text += part;
			const found = await new Validator().validate(JSON.parse(text));
			if (!found.valid) { console.log(JSON.stringify(found.errors)); process.exit(1); }`)
		judge.Dir, judge.Stdin = "../../deploy/node", strings.NewReader(body)
		if out, err := judge.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %.1000s", lang, err, out)
		}
	}
	_, body := get(handler, "/api/openapi.json")
	var described struct {
		Paths map[string]struct {
			Get struct {
				Parameters []struct {
					Name string `json:"name"`
				} `json:"parameters"`
			} `json:"get"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(body), &described); err != nil {
		t.Fatal(err)
	}
	for _, e := range c.endpoints() {
		var names []string
		for _, p := range described.Paths["/api/"+e.path].Get.Parameters {
			names = append(names, p.Name)
			if status, body := get(handler, "/api/"+e.path+"?"+p.Name+"="); strings.Contains(body, "there is no parameter") {
				t.Errorf("%s?%s=: %d %s", e.path, p.Name, status, body)
			}
		}
		if diff := cmp.Diff(e.known(), names); diff != "" {
			t.Errorf("%s: %s", e.path, diff)
		}
	}
	if _, body := get(handler, "/api?lang=en"); !strings.Contains(body, "/api/reports/refusals") || strings.Contains(body, "api.parameter") {
		t.Errorf("the page that describes the API: %.300s", body)
	}
}

// TestEveryValueOfADimensionHasItsWords walks the contract's enumerations and the law's causes.
func TestEveryValueOfADimensionHasItsWords(t *testing.T) {
	var keys []string
	add := func(prefix, enum string, values protoreflect.EnumValueDescriptors) {
		for i := range values.Len() {
			if word := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(string(values.Get(i).Name()), enum), "_", "-")); word != "unspecified" {
				keys = append(keys, prefix+word)
			}
		}
	}
	add("operation.", "OPERATION_", events.Operation(0).Descriptor().Values())
	add("channel.", "CHANNEL_", events.Channel(0).Descriptor().Values())
	add("kind.", "CERTIFICATE_KIND_", events.CertificateKind(0).Descriptor().Values())
	add("regime.", "REGIME_", events.Regime(0).Descriptor().Values())
	add("notice.", "NOTICE_KIND_", events.NoticeKind(0).Descriptor().Values())
	for _, cause := range []regime.Cause{
		regime.CauseFirst, regime.CauseRenewal, regime.CauseExpired, regime.CauseRecordChange, regime.CauseError, regime.CauseLoss, regime.CauseDamage,
		regime.CauseWish, regime.CauseFault, regime.CauseOverseas,
	} {
		keys = append(keys, "cause."+string(cause))
	}
	for _, r := range warehouse.Reports() {
		keys = append(keys, "report."+r.Name)
		for _, d := range r.All() {
			keys = append(keys, "report.by."+d)
		}
	}
	for _, per := range warehouse.Periods() {
		keys = append(keys, "report.per."+per)
	}
	all := allWords()
	for _, key := range keys {
		if _, ok := all[key]; !ok {
			t.Errorf("no words for %s", key)
		}
	}
}

// TestReportPagesAreAccessible shows every report in both languages, on a small screen and a large one, and follows a drill-down.
func TestReportPagesAreAccessible(t *testing.T) {
	server := httptest.NewServer(open(t))
	defer server.Close()
	wide, narrow := pagetest.Open(t, 1200, 900), pagetest.Open(t, 320, 640)
	for name, target := range map[string]string{
		"issued": "/reports/issued", "issued-english": "/reports/issued?lang=en", "ends": "/reports/ends?by=reason&then=cause&per=&from=&lang=ja",
		"refusals": "/reports/refusals", "refused": "/reports/issued?by=nothing", "api": "/api", "api-english": "/api?lang=en",
		"places": "/reports/issued?by=prefecture&per=&from=&lang=ja",
	} {
		wide.Visit(t, server.URL+target)
		check(t, wide, name)
		narrow.Visit(t, server.URL+target)
		check(t, narrow, name+"-narrow")
		if wider := narrow.Ask(t, `String(document.documentElement.scrollWidth > 320)`); wider != "false" {
			t.Errorf("%s is wider than 320 px", name)
		}
	}
	wide.Visit(t, server.URL+"/reports/issued?by=prefecture&per=&from=&lang=ja", chromedp.Click(chromedp.CSS("#report tbody a")), chromedp.WaitVisible(chromedp.CSS("a[href*=office]")))
	wide.Visit(t, wide.Ask(t, `document.querySelector("#report tbody a").href`))
	if cell := wide.Ask(t, `document.querySelector("#report tbody tr").textContent`); !strings.Contains(cell, "12237-main") || !strings.Contains(cell, "80") {
		t.Errorf("under the municipality: %s", cell)
	}
}

// TestAReportSaysWhenTablesAreUnavailable opens a console whose tables are away.
func TestAReportSaysWhenTablesAreUnavailable(t *testing.T) {
	w := town(t)
	c, err := New(Config{Warehouse: w, Clock: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/reports/issued", "/api/reports/issued", "/api/reports/issued?format=csv", "/api/reports/issued?format=xlsx", "/api/reports/issued?format=parquet"} {
		status, body := get(c.Handler(), target)
		if status < 500 || regexp.MustCompile(`127\.0\.0\.1|SELECT`).MatchString(body) {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
}
