package question

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// ask answers lines and returns each answer as a map.
func ask(t *testing.T, cmd string, lines ...string) ([]map[string]any, int) {
	t.Helper()
	var out bytes.Buffer
	failed, err := Answer(regime.Switches{}, cmd, strings.NewReader(strings.Join(lines, "\n")), &out)
	if err != nil {
		t.Fatal(err)
	}
	var answers []map[string]any
	for decoder := json.NewDecoder(&out); ; {
		var a map[string]any
		if err := decoder.Decode(&a); err == io.EOF {
			return answers, failed
		} else if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
}

// only keeps the named values of an answer.
func only(a map[string]any, names ...string) map[string]any {
	kept := map[string]any{}
	for _, n := range names {
		if v, ok := a[n]; ok {
			kept[n] = v
		}
	}
	return kept
}

func TestValidityLines(t *testing.T) {
	answers, failed := ask(t, "validity",
		`{"regime":"mynumber","kind":"sign","issued":"2017-02-28","birth_date":"1980-02-29","current_last_day":"","auth_last_day":"","card_last_day":""}`,
		`{"regime":"mynumber","kind":"auth","issued":"2026-03-16","birth_date":"1980-06-15","current_last_day":"2026-06-15"}`,
		`{"regime":"juki","kind":"sign","issued":"2012-12-03"}`,
		`{"regime":"mynumber","kind":"sign","issued":"2016-01-09","birth_date":"1950-05-00"}`,
	)
	want := []map[string]any{
		{"last_day": "2022-02-28", "not_after": "2022-02-28T14:59:59Z", "window_opens": "2021-11-29"},
		{"last_day": "2031-06-15", "not_after": "2031-06-15T14:59:59Z", "window_opens": "2031-03-16"},
		{"last_day": "2015-12-02", "not_after": "2015-12-02T14:59:59Z"},
		{"last_day": "2020-05-31", "not_after": "2020-05-31T14:59:59Z", "window_opens": "2020-03-01"},
	}
	if failed != 0 || len(answers) != len(want) {
		t.Fatalf("%d failed: %v", failed, answers)
	}
	for i, a := range answers {
		if diff := cmp.Diff(want[i], only(a, "last_day", "not_after", "window_opens")); diff != "" {
			t.Errorf("answer %d: %s", i+1, diff)
		}
		if rules, ok := a["rules"].([]any); !ok || len(rules) == 0 {
			t.Errorf("answer %d names no rules: %v", i+1, a)
		}
	}
}

// A bad line is answered by an error that names line and field; the others are answered.
func TestBadLines(t *testing.T) {
	good := `{"regime":"juki","kind":"sign","issued":"2012-12-03"}`
	for _, c := range []struct{ cmd, line, field string }{
		{"validity", `not JSON`, ""},
		{"validity", `null`, ""},
		{"validity", ``, ""},
		{"validity", " \t\r", ""},
		{"validity", "{\"regime\":\"\x93\xfa\"}", ""}, // Shift_JIS
		{"validity", `{"regime":"juki",}`, ""},
		{"validity", "\ufeff" + good, ""}, // not at the beginning of the file
		{"validity", `[]`, ""},
		{"validity", `{"regime":"juki"} {}`, ""},
		{"validity", `{"regime":"juki","kind":"sign","issued":"2012-02-30"}`, "issued"},
		{"validity", `{"regime":"juki","kind":"sign","issued":20121203}`, "issued"},
		{"validity", `{"regime":"juki","kind":"sign","issued":""}`, "issued"},
		{"validity", `{"regime":"juki","kind":"sign","issued":"2015-12-23"}`, "issued"},
		{"validity", `{"regime":"juki","kind":"auth","issued":"2012-12-03"}`, "kind"},
		{"validity", `{"regime":"tax","kind":"sign","issued":"2012-12-03"}`, "regime"},
		{"validity", `{"regime":"juki","kind":"sign","issued":"2012-12-03","colour":"blue"}`, "colour"},
		{"validity", `{"regime":"mynumber","kind":"sign","issued":"2016-12-05"}`, "birth_date"},
		{"validity", `{"regime":"mynumber","kind":"sign","issued":"2016-12-05","birth_date":"1980-02-30"}`, "birth_date"},
		{"validity", `{"regime":"mynumber","kind":"sign","issued":"2016-12-05","birth_date":"1980-02-03","card_last_day":"2016-12-04"}`, "card_last_day"},
		{"validity", `{"regime":"mynumber","kind":"sign","issued":"2016-12-05","birth_date":"1980-02-03","auth_last_day":"2016-12-04"}`, "auth_last_day"},
		{"validity", `{"x":"` + strings.Repeat("x", maxLine) + `"}`, ""},
		{"window", `{}`, "last_day"},
		{"window", `{"last_day":"2020-06-18","regime":"tax"}`, "regime"},
		{"open", `{"operation":"dance","at":"2012-12-03T10:00:00+09:00"}`, "operation"},
		{"open", `{"operation":"new"}`, "at"},
		{"open", `{"operation":"new","at":"yesterday"}`, "at"},
		{"open", `{"operation":"new","at":"2012-12-03T10:00:00+09:00","office":{"hours":[{"spans":[{"from":"17:00","to":"09:00"}]}]}}`, "office"},
		{"open", `{"operation":"new","at":"2012-12-03T10:00:00+09:00","office":{"bransh":true}}`, "office.bransh"},
		{"apply", `{"operation":"renew","regime":"tax","at":"2020-03-19 10:00"}`, "regime"},
		{"apply", `{"operation":"renew"}`, "at"},
		{"apply", `{"operation":"renew","at":"2020-03-19 10:00","channel":"fax"}`, "channel"},
	} {
		other := good
		if c.cmd != "validity" {
			other = map[string]string{
				"window": `{"last_day":"2020-06-18"}`, "open": `{"operation":"new","at":"2012-12-03 10:00"}`,
				"apply": `{"operation":"suspend","at":"2021-08-10 10:00"}`,
			}[c.cmd]
		}
		answers, failed := ask(t, c.cmd, other, c.line, other)
		if failed != 1 || len(answers) != 3 {
			t.Errorf("%s %.60s: %d failed, %d answers", c.cmd, c.line, failed, len(answers))
			continue
		}
		bad, _ := answers[1]["error"].(map[string]any)
		field, _ := bad["field"].(string)
		if bad["line"] != 2.0 || field != c.field || bad["message_ja"] == "" || bad["message_en"] == "" {
			t.Errorf("%s %.60s: %v, want field %q", c.cmd, c.line, bad, c.field)
		}
		if answers[0]["error"] != nil || answers[2]["error"] != nil {
			t.Errorf("%s %.60s: spoils its neighbours", c.cmd, c.line)
		}
	}
}

// A last line that is too long and has no newline is reported too.
func TestLongLastLine(t *testing.T) {
	answers, failed := ask(t, "validity", strings.Repeat("x", 3*maxLine))
	if failed != 1 || len(answers) != 1 {
		t.Errorf("%d failed, %v", failed, answers)
	}
}

// Files from Windows begin with a byte-order mark and end their lines with CR LF; the last line may lack its end.
func TestLineEndings(t *testing.T) {
	line := `{"regime":"juki","kind":"sign","issued":"2012-12-03"}`
	for text, lines := range map[string]int{
		"": 0, line: 1, line + "\n": 1, line + "\r\n": 1, "\ufeff" + line + "\r\n" + line + "\r\n": 2, line + "\n" + line: 2,
	} {
		if answers, failed := ask(t, "validity", text); failed != 0 || len(answers) != lines {
			t.Errorf("%q: %d failed, %d answers", text, failed, len(answers))
		}
	}
}

func TestUnknownQuestion(t *testing.T) {
	if _, err := Answer(regime.Switches{}, "weather", strings.NewReader("{}"), io.Discard); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

// brokenPipe fails every read or write.
type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Read([]byte) (int, error)  { return 0, errPipe }
func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestBrokenPipes(t *testing.T) {
	if _, err := Answer(regime.Switches{}, "window", brokenPipe{}, io.Discard); !errors.Is(err, errPipe) {
		t.Errorf("reading: %v", err)
	}
	if _, err := Answer(regime.Switches{}, "window", strings.NewReader(`{"last_day":"2020-06-18"}`), brokenPipe{}); !errors.Is(err, errPipe) {
		t.Errorf("writing: %v", err)
	}
}

// Whoever asks one question at a time gets each answer before the next question.
func TestAnswersComeAtOnce(t *testing.T) {
	questions, ask := io.Pipe()
	answer, answers := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := Answer(regime.Switches{}, "window", questions, answers)
		answers.Close()
		done <- err
	}()
	decoder := json.NewDecoder(answer)
	for range 3 {
		if _, err := io.WriteString(ask, `{"last_day":"2020-06-18","on":"2020-03-19"}`+"\n"); err != nil {
			t.Fatal(err)
		}
		var got windowAnswer
		if err := decoder.Decode(&got); err != nil || got.WindowOpens != civil.New(2020, time.March, 19) || got.State != regime.WindowOpen {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	ask.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A window is only worth something while its regime renews at all.
func TestWindowOutsideItsRegime(t *testing.T) {
	for _, c := range []struct{ line, state, rule string }{
		{`{"regime":"juki","last_day":"2018-12-21","on":"2015-12-22"}`, "open", "juki.renewal.unused-time-lost"},
		{`{"regime":"juki","last_day":"2018-12-21","on":"2015-12-23"}`, "ended", "juki.regime.issue-ended"},
		{`{"regime":"juki","last_day":"2015-12-02","on":"2016-05-01"}`, "ended", "juki.regime.issue-ended"},
		{`{"regime":"juki","last_day":"2007-01-28","on":"2004-01-28"}`, "not-yet", "juki.regime.not-begun"},
		{`{"regime":"mynumber","last_day":"2020-06-18","on":"2015-12-31"}`, "not-yet", "mynumber.regime.not-begun"},
		{`{"regime":"mynumber","last_day":"2020-06-18","on":"2016-01-01"}`, "not-yet", "mynumber.renewal.before-window"},
		{`{"last_day":"2020-06-18","on":"2020-06-18"}`, "open", "mynumber.renewal.in-window"},
	} {
		answers, _ := ask(t, "window", c.line)
		rules, _ := answers[0]["rules"].([]any)
		if answers[0]["state"] != c.state || !slices.Contains(rules, any(c.rule)) {
			t.Errorf("%s: %v, want %s by %s", c.line, answers[0], c.state, c.rule)
		}
	}
}

func TestWindowAndOpenLines(t *testing.T) {
	answers, failed := ask(t, "window", `{"last_day":"2020-06-18","on":"2020-03-18"}`, `{"last_day":"2020-06-18","on":"2020-06-19"}`,
		`{"regime":"juki","last_day":"2015-12-02","on":"2013-01-07"}`)
	if failed != 0 || answers[0]["state"] != "not-yet" || answers[1]["state"] != "expired" || answers[2]["state"] != "open" || answers[2]["window_opens"] != nil {
		t.Errorf("%v", answers)
	}
	answers, failed = ask(t, "open",
		`{"operation":"new","at":"2012-11-30T17:01:00+09:00"}`,
		`{"operation":"new","at":"2012-11-30T07:59:59Z"}`,
		`{"operation":"new","at":"2015-12-24 10:00"}`,
		`{"operation":"new","at":"2012-12-03 10:00:00","office":{"branch":true}}`,
		`{"regime":"juki","operation":"revoke","at":"2018-12-21T10:00"}`,
		`{"operation":"renew","at":"2020-06-03T18:00:00+09:00","office":{"hours":[{"weekdays":[3],"spans":[{"from":"08:30","to":"19:00"}]}]}}`,
		`{"operation":"renew","at":"2020-06-04T18:00:00+09:00","office":{"hours":[{"weekdays":[3],"spans":[{"from":"08:30","to":"19:00"}]}]}}`,
		`{"operation":"renew","at":"2024-12-15T03:30:00+09:00","office":{"exceptions":[{"open":false,"from":"2024-12-15T03:00:00+09:00","until":"2024-12-15T04:00:00+09:00","rule":"office.closed.maintenance"}]}}`,
	)
	want := []map[string]any{
		{"open": false, "rule": "office.closed.after-hours", "next_opening": "2012-12-03T00:00:00Z"},
		{"open": true, "rule": "office.open.hours"},
		{"open": false, "rule": "juki.regime.issue-ended", "next_opening": "2016-01-04T00:00:00Z"},
		{"open": false, "rule": "juki.office.branch-ceased"},
		{"open": true, "rule": "office.open.hours"},
		{"open": true, "rule": "office.open.hours"},
		{"open": false, "rule": "office.closed.weekday", "next_opening": "2020-06-09T23:30:00Z"},
		{"open": false, "rule": "office.closed.maintenance", "next_opening": "2024-12-16T00:00:00Z"},
	}
	if failed != 0 || len(answers) != len(want) {
		t.Fatalf("%d failed: %v", failed, answers)
	}
	for i, a := range answers {
		if diff := cmp.Diff(want[i], only(a, "open", "rule", "next_opening")); diff != "" {
			t.Errorf("answer %d: %s", i+1, diff)
		}
		if a["ja"] == "" || a["en"] == "" {
			t.Errorf("answer %d has no sentence", i+1)
		}
	}
}

// The renewal on the Wednesday before the window, as shomei rules apply answers it.
func TestApplyLine(t *testing.T) {
	answers, failed := ask(t, "apply", `{"operation":"renew","at":"2020-03-18 10:00","office":{"municipality":"122131"},`+
		`"person":{"birth_date":"1980-06-18","registered":true,"municipality":"12213"},`+
		`"shown":[{"document":"application-form"},{"document":"card"}],`+
		`"sign_last_day":"2020-06-18","auth_last_day":"2020-06-18","card_last_day":"2025-06-18"}`)
	if failed != 0 || len(answers) != 1 {
		t.Fatalf("%d failed: %v", failed, answers)
	}
	got := answers[0]
	want := map[string]any{"accepted": false, "regime": "mynumber", "same_day": true, "alternative": true}
	if diff := cmp.Diff(want, only(got, "accepted", "regime", "same_day", "alternative", "next_opening")); diff != "" {
		t.Error(diff)
	}
	var refused, missing, lastDays []any
	for _, s := range got["refused"].([]any) {
		refused = append(refused, s.(map[string]any)["rule"])
	}
	for _, s := range got["missing"].([]any) {
		missing = append(missing, s.(map[string]any)["document"])
	}
	for _, s := range got["validity"].([]any) {
		lastDays = append(lastDays, s.(map[string]any)["last_day"])
	}
	if diff := cmp.Diff([]any{"mynumber.documents.photo-id", "mynumber.renewal.before-window"}, refused); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"photo-id"}, missing); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"2024-06-18", "2024-06-18"}, lastDays); diff != "" {
		t.Error(diff)
	}
	if fee, ok := got["fee"].(map[string]any); !ok || fee["yen"] != 0.0 {
		t.Errorf("fee %v", got["fee"])
	}
}

func TestExpressIsNotForTheJukiCard(t *testing.T) {
	answers, failed := ask(t, "apply", `{"operation":"new","at":"2012-12-03 10:00","person":{"birth_date":"1980-06-18"},"express":true}`)
	if bad, _ := answers[0]["error"].(map[string]any); failed != 1 || bad["field"] != "express" || bad["rule"] != "mynumber.fee.express-not-yet" {
		t.Errorf("%v", answers)
	}
}

// Whatever is on a line, there is one answer for it and nothing breaks.
func TestAnyLineIsAnswered(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cmd := rapid.SampledFrom([]string{"validity", "window", "open", "apply"}).Draw(rt, "cmd")
		value := rapid.SampledFrom([]string{`""`, `"2020-06-18"`, `"9999-12-31"`, `"0001-01-01"`, `"sign"`, `"juki"`, `"mynumber"`, `"renew"`, `"2020-06-18 10:00"`, `{}`, `[]`, `null`, `1`, `true`})
		name := rapid.SampledFrom([]string{"regime", "kind", "issued", "birth_date", "last_day", "on", "operation", "at", "office", "person", "card_last_day", "current_last_day"})
		var parts []string
		for n, v := range rapid.MapOf(name, value).Draw(rt, "object") {
			parts = append(parts, `"`+n+`":`+v)
		}
		answers, _ := ask(t, cmd, "{"+strings.Join(parts, ",")+"}")
		if len(answers) != 1 {
			rt.Fatalf("%d answers", len(answers))
		}
	})
}
