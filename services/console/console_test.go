package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/page"
	"shomei/pkg/regime"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/enginetest"
)

func TestMain(m *testing.M) {
	if at := os.Getenv(providerVariable); at != "" {
		provide(at)
	}
	enginetest.Main(m)
}

var now = time.Date(2026, 11, 22, 14, 5, 0, 0, civil.Tokyo)

// town fills a warehouse of its own with the certificates of forty people over
// three years: each a signature and an authentication certificate, every
// fourth signature certificate revoked in 2026, every tenth person suspended.
func town(t *testing.T) *warehouse.Warehouse {
	t.Helper()
	w, err := warehouse.Open(t.Context(), warehouse.Config{
		DSN: enginetest.Start(t).DSN(), Database: "console_" + t.Name(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	var commits []warehouse.Read
	for i := range 40 {
		for _, c := range person(i) {
			commits = append(commits, warehouse.Read{Commit: c, Municipality: "12237"})
		}
	}
	for i, office := range []string{"12237-main", "13101-main"} {
		commits = append(commits, warehouse.Read{Commit: &events.Commit{Kind: events.KindOffice, Id: office, Revision: 1, Events: []*events.Event{{
			RecordedMs: int64(i + 1), Body: &events.Event_OfficeDefined{OfficeDefined: &events.OfficeDefined{Municipality: office[:5]}},
		}}}})
	}
	if err := w.Apply(t.Context(), commits); err != nil {
		t.Fatal(err)
	}
	return w
}

func subscriber(i int) string { return fmt.Sprintf("person%018d", i) }

func person(i int) []*events.Commit {
	issued := time.Date(2022, 1, 5, 10, 0, 0, 0, civil.Tokyo).AddDate(0, 0, i*25)
	last := civil.Of(issued).AddMonthsClamped(60).AddDays(-1)
	l := life{id: subscriber(i)}
	for k, kind := range []events.CertificateKind{events.CertificateKind_CERTIFICATE_KIND_AUTH, events.CertificateKind_CERTIFICATE_KIND_SIGN} {
		serial := uint64(1000 + i*2 + k)
		l.at(issued, &events.IssueAuthorized{
			Procedure: "p1", Serial: serial, Kind: kind, Regime: events.Regime_REGIME_MYNUMBER, NotBeforeMs: issued.UnixMilli(),
			NotAfterMs: last.EndInstant().UnixMilli(), LastDay: last.String(), Municipality: "12237",
			WindowOpens: last.AddMonthsClamped(-3).AddDays(1).String(),
		})
		l.at(issued.Add(time.Minute), &events.CertificateIssued{
			Procedure: "p1", Serial: serial, Kind: kind, Regime: events.Regime_REGIME_MYNUMBER, NotBeforeMs: issued.UnixMilli(),
			NotAfterMs: last.EndInstant().UnixMilli(), LastDay: last.String(), Municipality: "12237",
			WindowOpens: last.AddMonthsClamped(-3).AddDays(1).String(),
		})
	}
	l.at(issued.Add(10*time.Minute), &events.Delivered{Procedure: "p1", Serials: []uint64{uint64(1000 + i*2), uint64(1001 + i*2)}})
	if i%4 == 0 {
		l.at(time.Date(2026, 4, 1, 9, 0, 0, 0, civil.Tokyo), &events.CertificateRevoked{
			Serial: uint64(1001 + i*2), Kind: events.CertificateKind_CERTIFICATE_KIND_SIGN, Cause: string(regime.EvName),
			LastDay: last.String(),
			Reason:  events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED, Municipality: "12237",
		})
	}
	if i%10 == 1 {
		l.at(time.Date(2026, 8, 1, 9, 0, 0, 0, civil.Tokyo), &events.CertificateSuspended{
			Serial: uint64(1000 + i*2), Kind: events.CertificateKind_CERTIFICATE_KIND_AUTH, Cause: string(regime.EvPhoneLoss),
		})
	}
	return l.commits
}

type life struct {
	id      string
	commits []*events.Commit
}

func (l *life) at(t time.Time, bodies ...events.Body) {
	c := &events.Commit{
		Kind: events.KindSubscriber, Id: l.id, Revision: uint64(len(l.commits) + 1), Office: "12237-main", Counter: "12237-main-1",
	}
	for _, body := range bodies {
		e := events.New(body, "mynumber.validity.sixth-birthday")
		e.RecordedMs, e.FiledMs, e.CausedMs = t.UnixMilli(), t.UnixMilli(), t.UnixMilli()
		c.Events = append(c.Events, e)
	}
	l.commits = append(l.commits, c)
}

func open(t *testing.T) http.Handler { return openConsole(t).Handler() }

func openConsole(t *testing.T) *Console {
	t.Helper()
	c, err := New(Config{
		Warehouse: town(t), Clock: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
		Behind: func(context.Context) (uint64, error) { return 3, nil },
		Look:   func(context.Context, Look) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(handler http.Handler, target string) (int, string) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w.Code, w.Body.String()
}

func TestPageAnswersForAnyDay(t *testing.T) {
	handler := open(t)
	tests := map[string]struct {
		target string
		status int
		want   []string
		not    []string
	}{
		"now": {"/", 200, []string{
			"状態別の件数（全80件）", "2026-11-22 14:05:00 現在（未反映の記録 3件）",
			`<th scope="row" class="short">有効</th><td class="number">30</td><td class="number">36</td><td class="number">0</td><td class="number">66</td>`,
			`<th scope="row" class="short">一時停止</th><td class="number">0</td><td class="number">4</td>`,
			`<th scope="row" class="short">失効</th><td class="number">10</td>`,
			`<th scope="row" class="short">2027-01</th>`, `data-table="expiries"`,
		}, []string{"history-title", "未対応"}},
		"before the revocations": {"/?at=2026-03-31", 200, []string{
			`value="2026-03-31"`, "2026-03-31 23:59:59 現在", `<th scope="row" class="short">失効</th><td class="number">0</td>`,
			`<th scope="row" class="short">有効</th><td class="number">40</td><td class="number">40</td>`,
		}, nil},
		"before everything": {"/?at=2020-01-01", 200, []string{"全0件", "ありません"}, nil},
		"a history by serial": {"/?q=1001", 200, []string{
			"利用者 " + subscriber(0) + " の履歴", "記載内容の変更（氏名の変更）", "証明書が失効", "6回目の誕生日", "（mynumber.validity.sixth-birthday）", "2026-04-01 09:00:00",
		}, nil},
		"the same before it ended": {"/?at=2026-03-31&q=" + subscriber(0), 200, []string{"交付", `href="/?at=2026-03-31&amp;q=1001#history"`}, []string{"氏名の変更"}},
		"in English":               {"/?lang=en&q=1001", 200, []string{"Certificate revoked", "Recorded content changed (name changed)", "As of 2026-11-22 14:05:00"}, []string{"証明書が失効"}},
		"an unknown number":        {"/?q=999999", 404, []string{`<a href="#q">この番号の記録は`, "全80件"}, nil},
		"of a prefecture": {"/?prefecture=12&office=12237-main&q=1001", 200, []string{
			"全80件", `<option value="12" selected>12 千葉県</option>`, `<option value="12237-main" selected>12237-main 山武市</option>`, `href="/?office=12237-main&amp;prefecture=12&amp;q=1001#history"`,
		}, nil},
		"of another one":       {"/?prefecture=13", 200, []string{"全0件"}, nil},
		"of an unknown one":    {"/?prefecture=99", 400, []string{`<a href="#prefecture">99 という場所は、ここにはありません。近いものは 12 です`, `<option value="12237-main">`}, []string{"全80件"}},
		"of something unknown": {"/?lang=en&prefectur=12", 400, []string{`the nearest is prefecture`}, []string{"80 in all"}},
		"no day":               {"/?at=tomorrow", 400, []string{`<a href="#at">基準日 の「tomorrow」は`}, []string{"全80件"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, body := get(handler, test.target)
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			for _, want := range test.want {
				if !strings.Contains(body, want) {
					t.Errorf("no %s in\n%s", want, body)
				}
			}
			for _, unwanted := range test.not {
				if strings.Contains(body, unwanted) {
					t.Errorf("%s stands in\n%s", unwanted, body)
				}
			}
		})
	}
}

// TestNoHistoryIsShownUnrecorded looks by page and by API, and once more where nothing can be recorded.
func TestNoHistoryIsShownUnrecorded(t *testing.T) {
	c, looks := openConsole(t), []Look(nil)
	c.Look = func(_ context.Context, l Look) error { looks = append(looks, l); return nil }
	handler := c.Handler()
	for _, target := range []string{"/?q=1001", "/api/history?q=" + subscriber(0), "/?q=999999", "/"} {
		get(handler, target)
	}
	if diff := cmp.Diff([]Look{{Subscriber: subscriber(0)}, {Subscriber: subscriber(0)}}, looks); diff != "" {
		t.Error(diff)
	}
	c.Look = func(context.Context, Look) error { return errors.New("the log is full") }
	for target, want := range map[string]string{"/?q=1001": "記録できないため", "/api/history?q=1001": "could not be recorded"} {
		if status, body := get(handler, target); status != http.StatusServiceUnavailable || !strings.Contains(body, want) ||
			strings.Contains(body, "CertificateRevoked") || strings.Contains(body, "の履歴") {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
}

func TestAPISaysTheSameAsThePage(t *testing.T) {
	handler := open(t)
	status, body := get(handler, "/api/status")
	var got struct {
		SchemaVersion int `json:"schema_version"`
		Freshness     struct {
			AsOf   string `json:"as_of"`
			Behind int
		}
		Data []warehouse.StatusCount
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
		t.Fatalf("%d %v %s", status, err, body)
	}
	want := []warehouse.StatusCount{
		{Regime: "mynumber", Kind: "auth", Status: "suspended", Count: 4},
		{Regime: "mynumber", Kind: "auth", Status: "valid", Count: 36},
		{Regime: "mynumber", Kind: "sign", Status: "revoked", Count: 10},
		{Regime: "mynumber", Kind: "sign", Status: "valid", Count: 30},
	}
	if diff := cmp.Diff(want, got.Data); diff != "" || got.SchemaVersion != 1 || got.Freshness.AsOf != "2026-11-22T14:05:00+09:00" || got.Freshness.Behind != 3 {
		t.Errorf("%+v\n%s", got, diff)
	}
	for target, want := range map[string][]string{
		"/api/expiries":                                  {`"starts":"2027-01-01"`, `"expiring":`},
		"/api/history?q=1001":                            {`"subscriber":"` + subscriber(0) + `"`, `"event":"CertificateRevoked"`, `"status":"revoked"`},
		"/api/status?at=x":                               {`"status":400`, "2026-11-22"},
		"/api/history":                                   {`"status":400`, "serial number"},
		"/api/history?q=nobody":                          {`"status":404`, "nothing known"},
		"/api/status?prefectur=12":                       {`"status":400`, `the nearest is \"prefecture\"`},
		"/api/history?q=1001&office=12237-main":          {`"status":400`, `no parameter \"office\"`},
		"/api/status?office=12237-main&office=13101":     {`"status":400`, "more than once"},
		"/api/status?prefecture=12&office=13101-main":    {`"status":400`, `the nearest is \"12237-main\"`},
		"/api/expiries?office=99999":                     {`"status":400`, "office"},
		"/api/status?municipality=12237&prefecture=12":   {`"count":36`},
		"/api/expiries?prefecture=13&municipality=13101": {`"data":[]`},
		// Before the first issue there is nothing, and nothing is an empty list.
		"/api/status?at=2020-01-01": {`"data":[]`},
		// What was known before the revocations.
		"/api/status?known=2026-03-31": {`"kind":"sign","status":"valid","count":40`},
	} {
		_, body := get(handler, target)
		if odd := regexp.MustCompile(`"[a-z0-9_]*[A-Z][A-Za-z0-9_]*":`).FindString(body); odd != "" {
			t.Errorf("%s: the field %s is not spelt like the others", target, odd)
		}
		for _, part := range want {
			if !strings.Contains(body, part) {
				t.Errorf("%s: no %s in %s", target, part, body)
			}
		}
	}
}

func TestPageSaysWhenTablesAreUnavailable(t *testing.T) {
	w := town(t)
	c, err := New(Config{Warehouse: w, Clock: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	status, body := get(c.Handler(), "/")
	if status < 500 || !strings.Contains(body, "集計のデータベースが応答しません") || strings.Contains(body, "clickhouse") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := get(c.Handler(), "/api/status"); status < 500 || strings.Contains(body, "127.0.0.1") {
		t.Errorf("%d %s", status, body)
	}
}

// TestPageSaysHowFarTheTablesAreRebuilt in both languages, and shows no incomplete figures.
func TestPageSaysHowFarTheTablesAreRebuilt(t *testing.T) {
	w := town(t)
	w.Withhold(func() error { return warehouse.Rebuilding{Percent: 42} })
	c, err := New(Config{Warehouse: w, Clock: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{"/": "42 % まで進みました", "/?lang=en": "rebuilt from the log, 42 % done", "/api/status": "42 % done"} {
		if status, body := get(c.Handler(), target); status != http.StatusServiceUnavailable || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
}

// TestEveryEventOfASubscriberHasItsWords walks the contract.
func TestEveryEventOfASubscriberHasItsWords(t *testing.T) {
	const others = 100 // from this field number on, events of other aggregates
	bodies := (&events.Event{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	seen := 0
	for i := range bodies.Len() {
		if field := bodies.Get(i); field.Number() < others {
			seen++
			if _, ok := words["event."+string(field.Message().Name())]; !ok {
				t.Errorf("no words for %s", field.Message().Name())
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d events found in the contract", seen)
	}
}

// TestEveryReasonAndCauseHasItsWords walks the reasons of the contract and the events of the law that end something, as they
// stand in its source, so that none is forgotten.
func TestEveryReasonAndCauseHasItsWords(t *testing.T) {
	keys := []string{"cause.procedure-ended"} // an issue that ended with its procedure is not an event of the law
	reasons := events.RevocationReason(0).Descriptor().Values()
	for i := 1; i < reasons.Len(); i++ {
		word := strings.TrimPrefix(string(reasons.Get(i).Name()), "REVOCATION_REASON_")
		keys = append(keys, "reason."+strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(word, "CRL_")), "_", "-"))
	}
	source, err := parser.ParseFile(token.NewFileSet(), "../../pkg/regime/consequence.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(source, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || fmt.Sprint(spec.Type) != "Event" {
			return true
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, "cause."+text)
		}
		return true
	})
	if len(keys) < 38 {
		t.Errorf("only %d reasons and causes found", len(keys))
	}
	for _, key := range keys {
		if _, ok := words[key]; !ok {
			t.Errorf("no words for %s", key)
		}
	}
}

// TestARowFoldsItsRulesAway: the sentence is shown, the ids are folded.
func TestARowFoldsItsRulesAway(t *testing.T) {
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	read := reader{pages: c.pages, lang: page.Japanese}
	want := page.Cell{Text: "申請書が必要です。", More: "規則の番号（2件）", Folded: "mynumber.documents.form, mynumber.documents.card"}
	if diff := cmp.Diff(want, read.rules([]string{"mynumber.documents.form", "mynumber.documents.card"})); diff != "" {
		t.Error(diff)
	}
	for value, want := range map[string]string{"": "", "of-a-newer-hub": "of-a-newer-hub", "renewed": "更新"} {
		if got := read.word("cause.", value); got != want {
			t.Errorf("the cause %q is said as %q", value, got)
		}
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) is %q, want %q", n, got, want)
		}
	}
}
