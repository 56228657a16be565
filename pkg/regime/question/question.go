// Package question lets outsiders ask about the law: one JSON object a line, one answer a line. All lists the
// questions, Answer answers them by package regime, and Question.Help defines every field. One table of fields parses a
// line, refuses it and prints the help.
package question

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"shomei/pkg/regime"
)

// Question is a question about the law, one JSON object a line.
type Question struct {
	Name     string   // validity, window, open, apply
	JA, EN   string   // what is asked
	Examples []string // valid lines
	asks     field
	answers  []field
	answer   func(regime.Switches, []byte) (any, error)
}

// All returns every question that Answer knows. The caller owns the slice.
func All() []Question { return slices.Clone(questions) }

func named(name string) (Question, bool) {
	i := slices.IndexFunc(questions, func(q Question) bool { return q.Name == name })
	if i < 0 {
		return Question{}, false
	}
	return questions[i], true
}

// asking answers a question whose checked line fills a T.
func asking[T any](answer func(regime.Switches, T) (any, error)) func(regime.Switches, []byte) (any, error) {
	return func(s regime.Switches, line []byte) (any, error) {
		var asked T
		if err := json.Unmarshal(line, &asked); err != nil {
			return nil, fmt.Errorf("reading a checked line: %w", err)
		}
		return answer(s, asked)
	}
}

var questions = []Question{
	{
		Name: "validity", JA: "電子証明書はいつまで有効か", EN: "how long a certificate is valid",
		Examples: []string{
			`{"regime":"mynumber","kind":"sign","issued":"2017-02-28","birth_date":"1980-02-29"}`,
			`{"regime":"mynumber","kind":"auth","issued":"2026-03-16","birth_date":"1980-06-15","current_last_day":"2026-06-15","card_last_day":"2031-06-15"}`,
			`{"regime":"juki","kind":"sign","issued":"2012-12-03"}`,
		},
		asks: field{form: asObject, fields: validityAsks}, answers: validityAnswers, answer: asking(answerValidity),
	},
	{
		Name: "window", JA: "更新はいつから受け付けるか", EN: "from when renewal is accepted",
		Examples: []string{`{"regime":"mynumber","last_day":"2020-06-18","on":"2020-03-18"}`},
		asks:     field{form: asObject, fields: windowAsks}, answers: windowAnswers, answer: asking(answerWindow),
	},
	{
		Name: "open", JA: "窓口はその時刻に受け付けるか", EN: "whether an office takes something in at an instant",
		Examples: []string{
			`{"operation":"new","at":"2012-11-30T17:01:00+09:00"}`,
			`{"operation":"renew","at":"2026-06-03T18:30:00+09:00","office":{"municipality":"12237","hours":[{"spans":[{"from":"08:30","to":"17:15"}]},{"weekdays":[3],"spans":[{"from":"17:15","to":"19:00"}]}]}}`,
		},
		asks: field{form: asObject, fields: openAsks}, answers: openAnswers, answer: asking(answerOpen),
	},
	{
		Name: "apply", JA: "申請を受け付けられるか", EN: "whether an application is accepted, with what, for how much and until when",
		Examples: []string{
			`{"operation":"new","at":"2012-12-03T10:00:00+09:00","office":{"municipality":"12237"},"person":{"birth_date":"1980-06-18","registered":true,"municipality":"12237"},"shown":[{"document":"application-form"},{"document":"card"},{"document":"photo-id","address_current":true}]}`,
		},
		asks: field{form: asObject, fields: applyAsks}, answers: applyAnswers, answer: asking(answerApply),
	},
}

// Help documents a question: every field with its form, the allowed words and its unit, in the question, the answer and
// the error; Japanese first.
func (q Question) Help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s。(%s)\n\n", q.JA, q.EN)
	b.WriteString(`1行に1つの JSON オブジェクトを標準入力に書くと、同じ順に1行に1つの JSON で答えます。UTF-8、1行は1MiBまで。
空の文字列と null は「なし」です。true | false の項目がなければ false とみなします。日付は日本の暦日で1868-01-01から2099-12-31まで、日時は西暦2000年から2099年まで(時差を省くと日本時間)。
答えられない行には {"error":{…}} を返し、ほかの行には答えます(終了コード 4)。
One JSON object a line on standard input, one a line out in the same order; UTF-8, at most 1 MiB a line. An empty string
and null mean absent; an absent true | false is false. Days are civil days in Japan, 1868-01-01 to 2099-12-31; instants
lie in the years 2000 to 2099 and are Japan time without an offset. A line that can't be answered gets {"error":{…}} in its
place, the others are answered all the same (exit code 4).

問い (question):
`)
	writeFields(&b, q.asks.fields, "  ")
	b.WriteString("\n答え (answer):\n")
	writeFields(&b, q.answers, "  ")
	b.WriteString("\n誤り (error):\n")
	writeFields(&b, errorAnswers, "  ")
	return b.String()
}

// writeFields lists fields one under another, those of objects indented.
func writeFields(b *strings.Builder, fields []field, indent string) {
	for _, f := range fields {
		fmt.Fprintf(b, "%s%-18s %s\n", indent, f.name, f.shape())
		fmt.Fprintf(b, "%s  %s (%s)\n", indent, f.ja, f.en)
		writeFields(b, f.fields, indent+"    ")
	}
}

// shape returns the form of a field for the help.
func (f field) shape() string {
	shape := map[form]string{
		asText: `"…"`, asDay: `"YYYY-MM-DD"`, asBirth: `"YYYY-MM-DD" | "YYYY-MM-00" | "YYYY-00-00"`,
		asMoment: `"2012-11-30T17:01:00+09:00"`, asUTC: `"2012-12-03T00:00:00Z"`,
		asClock: `"HH:MM"`, asFlag: "true | false", asWeekday: "0 … 6", asNumber: "0, 1, 2 …", asCode: `"12237" | "122378"`,
		asRule: `"番号 (id)"`, asObject: "{…}",
	}[f.form]
	if f.form == asWord {
		shape = strings.Join(f.words, " | ")
	}
	if f.list {
		return "[ " + shape + " … ]"
	}
	return shape
}
