package question

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shomei/pkg/regime"
)

// jsonFields are the fields of a struct by the name they have on a line; an
// embedded struct's fields stand beside its own and give way to them.
func jsonFields(of reflect.Type) map[string]reflect.Type {
	found := map[string]reflect.Type{}
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			for inner, t := range jsonFields(f.Type) {
				if _, own := found[inner]; !own {
					found[inner] = t
				}
			}
		default:
			found[name] = f.Type
		}
	}
	return found
}

// sameFields compares the fields that the help defines with those of the struct.
func sameFields(t *testing.T, path string, fields []field, of reflect.Type) {
	t.Helper()
	inCode := jsonFields(of)
	var defined, named []string
	for _, f := range fields {
		defined = append(defined, f.name)
		if f.ja == "" || f.en == "" {
			t.Errorf("%s.%s is not explained in both languages", path, f.name)
		}
		if f.form == asWord && len(f.words) == 0 {
			t.Errorf("%s.%s has no words", path, f.name)
		}
		inner, ok := inCode[f.name]
		if f.form != asObject || !ok {
			continue
		}
		if f.list != (inner.Kind() == reflect.Slice) {
			t.Errorf("%s.%s: list %v, in the code %v", path, f.name, f.list, inner)
		}
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		sameFields(t, path+"."+f.name, f.fields, inner)
	}
	for name := range inCode {
		named = append(named, name)
	}
	slices.Sort(defined)
	slices.Sort(named)
	if diff := cmp.Diff(named, defined); diff != "" {
		t.Errorf("%s: fields in the code and fields explained differ (-code +help):\n%s", path, diff)
	}
}

// The help defines every field that a question takes and an answer has.
func TestHelpDefinesEveryField(t *testing.T) {
	types := map[string][2]any{
		"validity": {askedValidity{}, validityAnswer{}}, "window": {askedWindow{}, windowAnswer{}},
		"open": {askedOpen{}, openAnswer{}}, "apply": {askedApply{}, applyAnswer{}},
	}
	for _, q := range All() {
		sameFields(t, q.Name, q.asks.fields, reflect.TypeOf(types[q.Name][0]))
		sameFields(t, q.Name+" answer", q.answers, reflect.TypeOf(types[q.Name][1]))
		help := q.Help()
		for _, f := range append(slices.Clone(q.asks.fields), q.answers...) {
			if !strings.Contains(help, f.name) || !strings.Contains(help, f.ja) || !strings.Contains(help, f.en) {
				t.Errorf("the help of %s does not explain %s", q.Name, f.name)
			}
			for _, w := range f.words {
				if !strings.Contains(help, w) {
					t.Errorf("the help of %s does not name %s", q.Name, w)
				}
			}
		}
		if strings.Contains(help, "error") != strings.Contains(help, "message_ja") {
			t.Errorf("the help of %s does not explain errors", q.Name)
		}
	}
	sameFields(t, "error", errorAnswers, reflect.TypeOf(lineError{}))
}

func TestExamplesAreAnswered(t *testing.T) {
	for _, q := range All() {
		if answers, failed := ask(t, q.Name, q.Examples...); failed != 0 || len(answers) != len(q.Examples) || len(answers) == 0 {
			t.Errorf("%s: %d failed: %v", q.Name, failed, answers)
		}
	}
	if All()[0].Name = "changed"; All()[0].Name == "changed" {
		t.Error("the caller can change the questions")
	}
}

// Every value that does not fit its field is refused at its place, in words that say what is allowed.
func TestErrorsNameTheirPlace(t *testing.T) {
	for _, c := range []struct{ cmd, line, field, en string }{
		{"validity", `{"regime":"tax"}`, "regime", "known: juki, mynumber"},
		{"validity", `{"regime":["juki"]}`, "regime", "known: juki, mynumber"},
		{"validity", `{"regime":"juki","regime":"juki"}`, "regime", "twice"},
		{"validity", `{"Regime":"juki"}`, "Regime", "known: regime, kind"},
		{"validity", `{"issued":"2017-02-29"}`, "issued", "YYYY-MM-DD"},
		{"validity", `{"issued":"2017-2-28"}`, "issued", "YYYY-MM-DD"},
		{"validity", `{"issued":"0000-00-00"}`, "issued", "YYYY-MM-DD"},
		{"validity", `{"issued":"9999-12-31"}`, "issued", "1868-01-01 to 2099-12-31"},
		{"validity", `{"birth_date":"0000-00-00"}`, "birth_date", "00 for a month"},
		{"validity", `{"birth_date":"1867-12-31"}`, "birth_date", "1868"},
		{"validity", `{"kind":true}`, "kind", "sign, auth"},
		{"validity", `{"issued":{}}`, "issued", "YYYY-MM-DD"},
		{"validity", `{"regime":"juki","kind":sign}`, "", "not JSON from byte 25"},
		{"validity", `{"regime":"juki"`, "", "not JSON from byte 16"},
		{"validity", `{"regime":"juki"} {}`, "", "not JSON from byte 19"},
		{"window", `{"last_day":"2100-01-01"}`, "last_day", "2099"},
		{"open", `{"at":"1999-12-31T23:59:59+09:00"}`, "at", "2000 to 2099"},
		{"open", `{"at":"9999-12-31T20:00:00+09:00"}`, "at", "2000 to 2099"},
		{"open", `{"at":"2012-11-31T20:00:00+09:00"}`, "at", "instant"},
		{"open", `{"operation":"new","at":"2012-12-03 10:00","office":[]}`, "office", "{…}"},
		{"open", `{"office":{"Branch":true}}`, "office.Branch", "known: municipality, branch"},
		{"open", `{"office":{"branch":"true"}}`, "office.branch", "true or false"},
		{"open", `{"office":{"municipality":"122371"}}`, "office.municipality", "check digit"},
		{"open", `{"office":{"municipality":12237}}`, "office.municipality", "string"},
		{"open", `{"office":{"hours":{}}}`, "office.hours", "list"},
		{"open", `{"office":{"hours":[{"operations":["new","dance"]}]}}`, "office.hours[0].operations[1]", "known: new, renew"},
		{"open", `{"office":{"hours":[{},{"weekdays":[7]}]}}`, "office.hours[1].weekdays[0]", "0 (Sunday)"},
		{"open", `{"office":{"hours":[{"weekdays":["0"]}]}}`, "office.hours[0].weekdays[0]", "0 (Sunday)"},
		{"open", `{"office":{"hours":[{"weekdays":[1.5]}]}}`, "office.hours[0].weekdays[0]", "0 (Sunday)"},
		{"open", `{"office":{"hours":[{"spans":[{"from":"9:00"}]}]}}`, "office.hours[0].spans[0].from", "HH:MM"},
		{"open", `{"office":{"hours":[{"spans":[{"from":"09:00","to":"24:01"}]}]}}`, "office.hours[0].spans[0].to", "HH:MM"},
		{"open", `{"office":{"exceptions":[{"rule":"office.closed.flood"}]}}`, "office.exceptions[0].rule", "rules list"},
		{"open", `{"office":{"hours":[null]}}`, "office.hours[0]", "needed"},
		{"apply", `{"kinds":["sign","seal"]}`, "kinds[1]", "sign, auth"},
		{"apply", `{"kinds":"sign"}`, "kinds", "write a list"},
		{"apply", `{"cause":"flood"}`, "cause", "loss"},
		{"apply", `{"channel":"fax"}`, "channel", "proxy"},
		{"apply", `{"express":1}`, "express", "true or false"},
		{"apply", `{"letter":7}`, "letter", "string"},
		{"apply", `{"shown":[{"document":"card"},{"document":"passport"}]}`, "shown[1].document", "photo-id"},
		{"apply", `{"person":{"name":"x"}}`, "person.name", "unknown field"},
		{"apply", `{"person":{"alias":true,"alias":false}}`, "person.alias", "twice"},
		{"apply", `{"operation":"new","at":"2012-12-03 10:00"}`, "person.birth_date", "needed"},
		{"apply", `{"operation":"new","at":"2012-12-03 10:00","person":{"birth_date":"2012-12-04"}}`, "person.birth_date", "after"},
	} {
		answers, failed := ask(t, c.cmd, c.line)
		bad, _ := answers[0]["error"].(map[string]any)
		field, _ := bad["field"].(string)
		if failed != 1 || field != c.field || !strings.Contains(bad["message_en"].(string), c.en) || bad["message_ja"] == "" {
			t.Errorf("%s %s: %v, want %s: … %s", c.cmd, c.line, answers[0], c.field, c.en)
		}
	}
}

// A letter can't have been mailed and answered on one day.
func TestALetterIsNotAnsweredOnItsOwnDay(t *testing.T) {
	line := `{"operation":"new","at":"2012-12-03 10:00","channel":"self-no-photo","letter":"7","letter_posted":"POSTED","office":{"municipality":"12213"},` +
		`"person":{"birth_date":"1980-06-18","registered":true,"municipality":"12213"},` +
		`"shown":[{"document":"application-form"},{"document":"card"},{"document":"other-id"},{"document":"inquiry-answer","letter":"7"}]}`
	for posted, accepted := range map[string]bool{"": true, "2012-12-02": true, "2012-12-03": false} {
		if answers, _ := ask(t, "apply", strings.Replace(line, "POSTED", posted, 1)); answers[0]["accepted"] != accepted {
			t.Errorf("mailed on %q: %v", posted, answers[0])
		}
	}
}

// A value that the law does not allow names the rule.
func TestErrorsNameTheirRule(t *testing.T) {
	for line, rule := range map[string]regime.ID{
		`{"regime":"juki","kind":"sign","issued":"2004-01-28"}`:                                                            "juki.regime.not-begun",
		`{"regime":"juki","kind":"sign","issued":"2015-12-23"}`:                                                            "juki.regime.issue-ended",
		`{"regime":"juki","kind":"auth","issued":"2012-12-03"}`:                                                            "juki.kind.signature-only",
		`{"regime":"mynumber","kind":"sign","issued":"2015-12-31","birth_date":"1980-06-18"}`:                              "mynumber.regime.not-begun",
		`{"regime":"mynumber","kind":"sign","issued":"2020-06-19","birth_date":"1980-06-18","card_last_day":"2020-06-18"}`: "mynumber.validity.nothing-left",
	} {
		answers, _ := ask(t, "validity", line)
		if bad, _ := answers[0]["error"].(map[string]any); bad["rule"] != rule {
			t.Errorf("%s: %v, want %s", line, answers[0], rule)
		}
	}
}

// TestTheLawKnowsEveryDocumentThatCanBeSaid, and no other.
func TestTheLawKnowsEveryDocumentThatCanBeSaid(t *testing.T) {
	for _, word := range documentWords {
		if !regime.Document(word).Known() {
			t.Errorf("the law does not know %s", word)
		}
	}
	if regime.Document("form").Known() {
		t.Error("the law knows what no word names")
	}
}
