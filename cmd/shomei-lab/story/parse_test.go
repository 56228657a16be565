package story

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"shomei/events"
)

func parse(t *testing.T, text string) *Story {
	t.Helper()
	s, err := Parse(strings.NewReader(text), "test.story")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const someone = `story S
office main
  municipality 12237 山武市 Sammu-shi
person A
  name 山武 花子
  birth 1980-06-18
  address 千葉県山武市殿台296番地
  lives-in 12237
`

func TestHelpIsComplete(t *testing.T) {
	help := Help()
	check := func(en, ja, form, text string) {
		if !strings.Contains(help, "  "+en+" ("+ja+")") || !strings.Contains(help, text) || !strings.Contains(help, form) {
			t.Errorf("the help lacks %q", en)
		}
		if !strings.Contains(text, " / ") && !strings.Contains(text, "/ ") {
			t.Errorf("%q is not explained in both languages", en)
		}
	}
	for _, e := range statements() {
		check(e.en, e.ja, e.form, e.help)
	}
	for _, e := range officeDetails() {
		check(e.en, e.ja, e.form, e.help)
	}
	for _, e := range applicationDetails() {
		check(e.en, e.ja, e.form, e.help)
	}
	for _, e := range madeDetails() {
		check(e.en, e.ja, e.form, e.help)
	}
	for _, e := range finishDetails() {
		check(e.en, e.ja, e.form, e.help)
	}
	if !strings.Contains(help, "How a card is replaced") || !strings.Contains(help, "カードの取替え") {
		t.Error("the help does not explain how a card is replaced")
	}
	for _, e := range changeDetails() {
		check(e.en, e.ja, e.form, e.help)
	}
	for _, e := range expectations() {
		check(e.en, e.ja, e.form, e.help)
	}
	for _, e := range certificateFields() {
		check(e.en, e.ja, e.form, e.help)
	}
	for _, list := range []string{
		inWords(operations), inWords(workings), inWords(documents), inWords(causes), inWords(changes), inWords(orders),
		inWords(statuses), inWords(cardStatuses), inWords(reasons), inWords(deadlines), inWords(noticeKinds), inWords(noticeOutcomes),
		inWords(kinds), inWords(pins), inWords(channels), inWords(sexes), inWords(cardKinds), inWords(deadlineOutcomes),
	} {
		if !strings.Contains(help, list) {
			t.Errorf("the help does not list: %s", list)
		}
	}
}

func TestExampleOfTheHelpParses(t *testing.T) {
	s := parse(t, example)
	if len(s.Steps) != 7 {
		t.Fatalf("the example has %d steps, want 7", len(s.Steps))
	}
	last := s.Steps[6]
	a, ok := last.Act.(*Application)
	if !ok || a.Operation != events.Operation_OPERATION_RENEW || a.Office != "12237-sammu-honcho" || len(last.Expect) != 4 {
		t.Errorf("the Japanese statement was read as %+v", last)
	}
	want := []string{"application-form", "card", "photo-id:current-address"}
	if strings.Join(a.Documents, " ") != strings.Join(want, " ") {
		t.Errorf("documents %q, want %q", a.Documents, want)
	}
}

func TestMistakesNameLineAndRemedy(t *testing.T) {
	for _, c := range []struct{ name, text, line, what, mend string }{
		{"empty", "", "1", "no story", "story TITLE"},
		{"no title", "at 2012-11-30", "1", "does not begin with its title", "story TITLE"},
		{"unknown statement", "story S\nplay A", "2", `"play" begins no statement`, "apply"},
		{"weekday", "story S\nat 2012-11-30(木)", "2", "2012-11-30 is no", "Friday"},
		{"weekday word", "story S\nat 2012-12-01 Mon 10:00", "2", "2012-12-01 is no", "Saturday"},
		{"no such day", "story S\nat 2015-02-29", "2", "is no date", "2012-11-30"},
		{"backwards", "story S\nat 2015-02-28 10:00\nat 2015-02-28 09:59", "3", "never goes back", "2015-02-28 10:00"},
		{"wait before the first time", "story S\nwait 3 days", "2", "no time yet", "at DATE"},
		{"too much", "story S\nat 2015-02-28 10:00 sharp", "2", `"sharp" is unexpected`, "--help"},
		{"orphan", "  name X", "1", "before any statement", "left edge"},
		{"quotation", "story 「S", "1", "not closed", "same line"},
		{"stranger", "story S\nlook B", "2", `no person "B"`, "person B"},
		{"no office", someone + "apply A issue", "9", "office is missing", "at OFFICE"},
		{"unknown office", someone + "apply A issue at branch", "9", `no office "branch"`, "office branch"},
		{"document", someone + "apply A issue at main\n  shows passport", "10", `"passport"`, "photo-id"},
		{"second document", someone + "apply A issue at main\n  shows card, passport", "10", `"passport" is not known as a document`, "photo-id"},
		{"rule", someone + "look A\n  expect refused juki.no-such-rule", "10", "no rule", "rules list"},
		{"expectation", someone + "look A\n  expect joy", "10", `"joy" can't be expected`, "accepted"},
		{"event", someone + "look A\n  expect event Nothing", "10", "no event", "events/*.proto"},
		{"person incomplete", "story S\nperson B\n  name X", "2", "no birth date", "birth DATE"},
		{"mail", someone + "person A\n  mail a@b.com", "10", "no mail address for a story", ".example"},
		{"second title", someone + "story T", "9", "a second story", "file of its own"},
		{"not born", someone + "at 1980-06-17 10:00\nlook A", "10", "born on 1980-06-18", "birth date"},
		{"furigana", "story S\nperson B\n  フリガナ 山武 はなこ", "3", "else than kana", "katakana"},
		{"code", "story S\nperson B\n  code 123", "3", "no resident-record code", "eleven digits"},
		{"card without a kind", someone + "apply A issue at main\n  card X-1", "9", "X-1 is new", "card X-1 juki"},
		{"card of two kinds", someone + "factory A card X-1\napply A issue at main\n  card X-1 juki", "10", "was mynumber before", "number of its own"},
		{"municipality", "story S\noffice m\n  municipality 99999 X Y", "3", "no municipality code", "01 to 47"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(c.text), "test.story")
			var mistake *Error
			if !errors.As(err, &mistake) {
				t.Fatalf("got %v, want an *Error", err)
			}
			ja := mistake.In("ja")
			if !strings.HasPrefix(ja, "test.story:"+c.line+": ") || strings.ContainsAny(mistake.JA, "%!") || strings.Contains(ja, mistake.What) || mistake.JA == "" {
				t.Errorf("in Japanese: %q", ja)
			}
			text := err.Error()
			if !strings.HasPrefix(text, "test.story:"+c.line+": ") || !strings.Contains(mistake.What, c.what) || !strings.Contains(mistake.Mend, c.mend) {
				t.Errorf("got %q, want line %s, %q, %q", text, c.line, c.what, c.mend)
			}
		})
	}
}

// TestEveryMistakeIsReported: a malformed line hides no other mistake, and its consequences are not reported.
func TestEveryMistakeIsReported(t *testing.T) {
	_, err := Parse(strings.NewReader(`story S
office main
  municipality 1223 山武市 Sammu-shi
  hours late
person A
  name 山武 花子
  birth 1980-13-18
  address 千葉県山武市殿台296番地
  lives-in 12237
play A
at 2018-04-01(月) 10:00
apply A issue at main
  shows passport
  card 「X-1
  expect joy
  expect sign status happy
apply B issue at main
change A move-in at main
  happened 2018-02-30
`), "test.story")
	var lines []int
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		var mistake *Error
		if !errors.As(one, &mistake) {
			t.Fatalf("%v is not an *Error", one)
		}
		lines = append(lines, mistake.Line)
	}
	if want := []int{3, 4, 7, 10, 11, 13, 14, 15, 16, 17, 19}; !slices.Equal(lines, want) {
		t.Errorf("mistakes in lines %v, want %v:\n%v", lines, want, err)
	}
}

// TestEveryMistakeHasJapanese finds the formats of mistakes in the source.
func TestEveryMistakeHasJapanese(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	forms := regexp.MustCompile(`(?:w\.fail|[^.\w]fail|mistake)\((.*)\)`)
	quoted := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range forms.FindAllStringSubmatch(string(source), -1) {
			known := slices.ContainsFunc(quoted.FindAllString(call[1], -1), func(q string) bool {
				text, err := strconv.Unquote(q)
				return err == nil && mistakesJA[text] != ""
			})
			if seen++; !known && !strings.Contains(call[1], "what string") && !strings.Contains(call[1], "args...") {
				t.Errorf("%s: no Japanese for %s", file, call[1])
			}
		}
	}
	if seen < 45 {
		t.Errorf("only %d formats of mistakes found", seen)
	}
}

// TestJapaneseNotation reads dates, times and numbers as Japanese forms and keyboards write them.
func TestJapaneseNotation(t *testing.T) {
	s := parse(t, `story S
office main
  municipality １２２３７ 山武市 Sammu-shi
  hours ８：３０－１２：００ 13:00-17:15 月曜日 水
person A
  name 山武 花子
  フリガナ さんむ ﾊﾅｺ
  birth S55.6.18
  address 千葉県山武市殿台２９６番地
  lives-in 12237
  code １２３４５６７８９０１
at 平成２８年２月６日（土） ９：０５
wait １０ days
at Ｈ２８．３．１ 火曜日　＃ 全角の注釈
apply A renew at main
  card ＸＸ－１ mynumber
  received ８：４５
`)
	if at := s.Steps[2].Act.(*SetClock).To; minute(at) != "2016-02-06 09:05" {
		t.Errorf("the clock shows %s", minute(at))
	}
	if at := s.Steps[4].Act.(*SetClock).To; minute(at) != "2016-03-01 10:00" {
		t.Errorf("the clock shows %s", minute(at))
	}
	hours := s.Steps[0].Act.(*Office).Definition.Hours[0]
	if len(hours.Spans) != 2 || hours.Spans[0].OpensMinute != 8*60+30 || !slices.Equal(hours.Weekdays, []uint32{1, 3}) {
		t.Errorf("hours %v", hours)
	}
	who := s.Steps[1].Act.(*Facts).Person
	if who.BirthDate != "1980-06-18" || who.Kana != "サンム　ハナコ" || who.Code != "12345678901" || who.Address != "千葉県山武市殿台２９６番地" {
		t.Errorf("the person is %+v", who)
	}
	if a := s.Steps[5].Act.(*Application); a.Card != "XX-1" || a.ReceivedAt != "08:45" {
		t.Errorf("the application is %+v", a)
	}
}

// TestRefusalNeedsNoRule: a writer of stories may not know the rule of a refusal; what was seen is in their language.
func TestRefusalNeedsNoRule(t *testing.T) {
	s := parse(t, someone+"apply A issue at main\n  card X-1 juki\n  確認 不受理\n  expect sign status valid\n")
	seen := &Seen{Life: Read("", nil), Lang: "ja", Answer: &events.Answer{Refusals: []string{"application.double-issue"}}}
	told, ok := s.Steps[2].Expect[0].Judge(seen)
	if !ok || !strings.HasPrefix(told, "不受理 [application.double-issue] 同じ種類の") || strings.Contains(told, "certificate") {
		t.Errorf("%q, %t", told, ok)
	}
	if told, _ := s.Steps[2].Expect[1].Judge(seen); told != "なし" {
		t.Errorf("a missing certificate is described as %q", told)
	}
	seen.Lang = "en"
	if told, _ := s.Steps[2].Expect[0].Judge(seen); !strings.HasPrefix(told, "refused [application.double-issue] A certificate") {
		t.Errorf("in English: %q", told)
	}
	seen.Answer = &events.Answer{Accepted: true}
	if told, ok := s.Steps[2].Expect[0].Judge(seen); ok {
		t.Errorf("an acceptance counts as a refusal: %q", told)
	}
}

func TestFactsAccumulate(t *testing.T) {
	s := parse(t, someone+`person A
  mail a@mail.example
change A move-in at main
  happened 2018-04-01
  lives-in 12213
  keeps-using
look A
`)
	facts := s.Steps[2].Act.(*Facts).Person
	if facts.Mail != "a@mail.example" || facts.Name != "山武\u3000花子" {
		t.Errorf("later facts removed earlier ones: %+v", facts)
	}
	look := s.Steps[4].Act.(*Look).Person
	if look.Municipality != "12213" || look.Code != facts.Code || len(look.Code) != 11 {
		t.Errorf("a change is not kept: %+v", look)
	}
}

// A person who moves out is in no register from the planned day until the move-in, which sets the municipality; one who
// moves overseas is abroad from that day.
func TestMoveChangesRegistration(t *testing.T) {
	s := parse(t, someone+`office other
  municipality 12213 東金市 Togane-shi
at 2018-03-28 9:00
change A move-out at main
  planned 2018-04-01
at 2018-03-31 10:00
look A
at 2018-04-01 10:00
look A
at 2018-04-03 10:00
change A move-in at other
  happened 2018-04-01
look A
at 2024-06-03 10:00
change A move-overseas at other
  planned 2024-06-10
  keeps-using
look A
`)
	var seen []Resident
	for _, step := range s.Steps {
		if look, ok := step.Act.(*Look); ok {
			seen = append(seen, look.Person)
		}
	}
	for i, want := range []struct {
		registered             bool
		municipality, overseas string
	}{{true, "12237", ""}, {false, "12237", ""}, {true, "12213", ""}, {true, "12213", "2024-06-10"}} {
		if got := seen[i]; got.Registered != want.registered || got.Municipality != want.municipality || got.OverseasOn != want.overseas {
			t.Errorf("look %d: %+v, want %+v", i, got, want)
		}
	}
	overseas := s.Steps[len(s.Steps)-2].Act.(*Change)
	if overseas.CausedOn != "2024-06-10" {
		t.Errorf("a move overseas is not on its planned day: %+v", overseas)
	}
}

func TestTimesOfDay(t *testing.T) {
	s := parse(t, someone+`office main
  municipality 12237 山武市 Sammu-shi
  hours 8:30-12:00 13:00-17:15 Wed
at 2018-04-04 9:05
apply A issue at main
  card X-1 juki
  received 8:45
`)
	hours := s.Steps[2].Act.(*Office).Definition.Hours[0]
	if len(hours.Spans) != 2 || hours.Spans[0].OpensMinute != 8*60+30 || hours.Spans[1].ClosesMinute != 17*60+15 || len(hours.Weekdays) != 1 {
		t.Errorf("hours %v", hours)
	}
	if at := s.Steps[3].Act.(*SetClock).To; minute(at) != "2018-04-04 09:05" {
		t.Errorf("the clock shows %s", minute(at))
	}
	if a := s.Steps[4].Act.(*Application); a.ReceivedAt != "08:45" {
		t.Errorf("received at %q", a.ReceivedAt)
	}
}

// An acceptance may name rules of the answer and of everything that followed in the same act.
func TestAcceptedRulesAreThoseOfTheWholeAct(t *testing.T) {
	s := parse(t, someone+"apply A issue at main\n  card X-1 juki\n  expect accepted juki.fee.new juki.handover.paper-copy\n")
	e := s.Steps[2].Expect[0]
	seen := &Seen{Answer: &events.Answer{Accepted: true, RuleIds: []string{"juki.fee.new"}}}
	if _, ok := e.Judge(seen); ok {
		t.Error("a rule that no event names counts as applied")
	}
	seen.Fresh = []*events.Event{events.New(&events.Delivered{}, "juki.handover.paper-copy")}
	if _, ok := e.Judge(seen); !ok {
		t.Error("a rule of the hand-over does not count as applied")
	}
	seen.Answer.Accepted = false
	if _, ok := e.Judge(seen); ok {
		t.Error("a refusal counts as an acceptance")
	}
}

func TestCardKeepsItsFirstKind(t *testing.T) {
	s := parse(t, someone+"apply A issue at main\n  card X-1 juki\napply A issue at main\n  card X-1\n")
	if kind := s.Steps[3].Act.(*Application).CardKind; kind != events.CardKind_CARD_KIND_JUKI {
		t.Errorf("the card's kind is %v when it is named again", kind)
	}
}

func stories(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../../deploy/stories/*.story")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories in deploy/stories: %v", err)
	}
	return files
}

// TestStoriesParse also checks every weekday in the stories.
func TestStoriesParse(t *testing.T) {
	for _, file := range stories(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(strings.NewReader(string(text)), filepath.Base(file))
		if err != nil {
			t.Error(err)
			continue
		}
		expected := 0
		for _, step := range s.Steps {
			expected += len(step.Expect)
		}
		if expected == 0 {
			t.Errorf("%s has no expectations", file)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add(someone + "change A move-out\n  planned 2018-04-01 (日)\n  expect deadline move-in-30 2018-05-01")
	f.Add("story S\nat 2015-11-30\nwait 3 months\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(strings.NewReader(text), "fuzz.story")
		var mistake *Error
		switch {
		case err == nil && s.Title == "":
			t.Error("a story without a title was accepted")
		case err != nil && !errors.As(err, &mistake):
			t.Errorf("not an *Error: %v", err)
		case err != nil && (mistake.Line < 1 || mistake.What == "" || mistake.Mend == ""):
			t.Errorf("incomplete: %#v", mistake)
		}
	})
}
