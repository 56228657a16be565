package officefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/directory/officefile"
)

const whole = `# 山武市役所
id = "12237-main"
effective = "2026-12-01"
municipality = "12237"
name = "山武市"
municipality_romaji = "Sammu-shi"
telephone = "0475-80-1141"
last_acceptance = "2015-12-18 17:00"

[[hours]]
spans = ["09:00-12:00", "13:00-17:00"]
weekdays = ["月", "Tue", "水", "Thu", "金"]

[[hours]]
spans = ["09:00-12:00"]
weekdays = ["日"]
operations = ["handover"]
from = "2026-12-01"
until = "2027-03-31"

[[closed]]
from = "2026-12-28 12:00"
until = "2026-12-28"
rule = "office.closed.maintenance"

[[open]]
from = "2027-01-10"
until = "2027-01-10 15:00"
operations = ["new", "renew"]

[[term]]
operations = ["card"]
until = "2027-06-30"
`

func TestParse(t *testing.T) {
	got, err := officefile.Parse("office.toml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string) int64 {
		when, err := time.ParseInLocation("2006-01-02 15:04", text, civil.Tokyo)
		if err != nil {
			t.Fatal(err)
		}
		return when.UnixMilli()
	}
	want := &events.OfficeDefined{
		Municipality: "12237", Prefecture: "千葉県", PrefectureRomaji: "Chiba-ken", Name: "山武市", MunicipalityRomaji: "Sammu-shi",
		Telephone: "0475-80-1141", EffectiveFrom: "2026-12-01", LastAcceptanceMs: at("2015-12-18 17:00"),
		Hours: []*events.Hours{
			{Spans: []*events.Span{{OpensMinute: 540, ClosesMinute: 720}, {OpensMinute: 780, ClosesMinute: 1020}}, Weekdays: []uint32{1, 2, 3, 4, 5}},
			{Spans: []*events.Span{{OpensMinute: 540, ClosesMinute: 720}}, Weekdays: []uint32{0}, Operations: []string{"handover"}, From: "2026-12-01", Until: "2027-03-31"},
		},
		Exceptions: []*events.HoursException{
			{FromMs: at("2026-12-28 12:00"), UntilMs: at("2026-12-29 00:00"), RuleId: "office.closed.maintenance"},
			{FromMs: at("2027-01-10 00:00"), UntilMs: at("2027-01-10 15:00"), Open: true, Operations: []string{"new", "renew"}},
		},
		Terms: []*events.Term{{EndsMs: at("2027-07-01 00:00"), Operations: []string{"card"}}},
	}
	if diff := cmp.Diff(officefile.Office{ID: "12237-main", Definition: want}, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// Each row changes one thing of a good file.
func TestMistakesAreNamedWithLineAndWhatMayStandThere(t *testing.T) {
	for name, row := range map[string]struct{ from, to, where, what string }{
		"unknown key":           {"branchh", "", "", ""},
		"id in capitals":        {`id = "12237-main"`, `id = "12237-Main"`, "office.toml:2:", "a-z, 0-9"},
		"id with a blank":       {`id = "12237-main"`, `id = "12237 main"`, "office.toml:2:", "a-z, 0-9"},
		"no id":                 {`id = "12237-main"`, ``, "office.toml: id is missing", `id = "12237-main"`},
		"no day":                {`effective = "2026-12-01"`, ``, "office.toml: effective is missing", "effective = "},
		"no such day":           {`effective = "2026-12-01"`, `effective = "2026-02-30"`, "office.toml:3:", "2026-02-30"},
		"check digit":           {`municipality = "12237"`, `municipality = "122378"`, "office.toml:4:", "five digits"},
		"no prefecture":         {`municipality = "12237"`, `municipality = "99237"`, "office.toml:4:", "01 to 47"},
		"a number":              {`name = "山武市"`, `name = 12237`, "office.toml:5:", "in quotes"},
		"a day unquoted":        {`effective = "2026-12-01"`, `effective = 2026-12-01`, "office.toml:3:", "in quotes"},
		"romaji in Japanese":    {`"Sammu-shi"`, `"山武市"`, "office.toml:6:", "Sammu-shi"},
		"no such weekday":       {`"Tue"`, `"Tues"`, "office.toml:12:", "月 火 水"},
		"hours turned round":    {`"13:00-17:00"`, `"17:00-13:00"`, "office.toml:11:", "09:00-17:00"},
		"hours without any":     {"spans = [\"09:00-12:00\"]\n", "", "office.toml:14: [[hours]]", "spans is missing"},
		"operation of no law":   {`operations = ["handover"]`, `operations = ["hand-over"]`, "office.toml:17:", "handover"},
		"closing without end":   {"until = \"2026-12-28\"\n", "", "office.toml:21: [[closed]]", "both needed"},
		"closing turned round":  {`until = "2026-12-28"`, `until = "2026-12-28 11:00"`, "office.toml:21: [[closed]]", "turn them round"},
		"another rule":          {`"office.closed.maintenance"`, `"office.closed.holiday"`, "office.toml:24:", "office.closed.maintenance"},
		"a term of no length":   {`until = "2027-06-30"`, ``, "office.toml:31: [[term]]", "from, until, or both"},
		"telephone with a name": {`"0475-80-1141"`, `"call me"`, "office.toml:7:", "0475-80-1141"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(whole, row.from, row.to, 1)
			if name == "unknown key" {
				text, row.where, row.what = whole+"branches = 2\n", "office.toml:34:1:", "under [[term]] may stand: from, until, operations"
			} else if text == whole {
				t.Fatalf("the file does not hold %q", row.from)
			}
			_, err := officefile.Parse("office.toml", []byte(text))
			if !errors.Is(err, officefile.ErrFile) || !strings.Contains(fmt.Sprint(err), row.where) || !strings.Contains(fmt.Sprint(err), row.what) {
				t.Errorf("want %s … %s; got %v", row.where, row.what, err)
			}
		})
	}
}

// What is written is read back as it was.
func TestWriteIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := draw(t)
		var text bytes.Buffer
		if err := officefile.Write(&text, want); err != nil {
			t.Fatal(err)
		}
		got, err := officefile.Parse("office.toml", text.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, &text)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Fatalf("%s\n%s", diff, &text)
		}
	})
}

func draw(t *rapid.T) officefile.Office {
	instant := rapid.Map(rapid.Int64Range(0, 60*24*365*30), func(minutes int64) int64 { return 946652400000 + minutes*60_000 })
	operations := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"new", "renew", "reissue", "revoke", "card"}), 0, 3, rapid.ID)
	day := rapid.Map(instant, func(ms int64) string { return civil.Of(time.UnixMilli(ms)).String() })
	d := &events.OfficeDefined{
		Municipality: "12237", Prefecture: "千葉県", PrefectureRomaji: "Chiba-ken", MunicipalityRomaji: "Sammu-shi",
		Name: rapid.StringMatching(`[一-龠ぁ-んA-Za-z" \\\t]{1,12}`).Draw(t, "name"), Branch: rapid.Bool().Draw(t, "branch"),
		Telephone: rapid.StringMatching(`[0-9][0-9-]{6,12}`).Draw(t, "telephone"), EffectiveFrom: day.Draw(t, "effective"),
	}
	if rapid.Bool().Draw(t, "last") {
		d.LastAcceptanceMs = instant.Draw(t, "last acceptance")
	}
	for range rapid.IntRange(0, 3).Draw(t, "hours") {
		opens := rapid.Uint32Range(0, 24*60-1).Draw(t, "opens")
		h := &events.Hours{
			Operations: operations.Draw(t, "operations"),
			Spans:      []*events.Span{{OpensMinute: opens, ClosesMinute: rapid.Uint32Range(opens+1, 24*60).Draw(t, "closes")}},
		}
		for w := range uint32(7) {
			if rapid.Bool().Draw(t, "weekday") {
				h.Weekdays = append(h.Weekdays, w)
			}
		}
		if rapid.Bool().Draw(t, "from") {
			h.From = day.Draw(t, "first day")
		}
		d.Hours = append(d.Hours, h)
	}
	closed := rapid.IntRange(0, 3).Draw(t, "closed")
	for i := range closed + rapid.IntRange(0, 3).Draw(t, "open") {
		from := instant.Draw(t, "from")
		e := &events.HoursException{
			Open: i >= closed, FromMs: from, UntilMs: from + 60_000*rapid.Int64Range(1, 100_000).Draw(t, "minutes"),
			Operations: operations.Draw(t, "operations"),
		}
		if !e.Open && rapid.Bool().Draw(t, "maintenance") {
			e.RuleId = civil.ClosedMaintenance
		}
		d.Exceptions = append(d.Exceptions, e)
	}
	for range rapid.IntRange(0, 2).Draw(t, "terms") {
		d.Terms = append(d.Terms, &events.Term{EndsMs: instant.Draw(t, "ends") + 60_000, Operations: operations.Draw(t, "operations")})
	}
	return officefile.Office{ID: rapid.StringMatching(`[0-9]{5}-[a-z]{1,9}(-[0-9]{1,3})?`).Draw(t, "id"), Definition: d}
}

// An office says how it reads the law where offices may differ, and nowhere else; it is written as it is read.
func TestLawOfAnOffice(t *testing.T) {
	got, err := officefile.Parse("office.toml", []byte(whole+"\n[law]\nletter_days = 14\nhousehold_mandate = true\n"))
	want := []*events.LawSetting{{Name: "household_mandate", Value: "true"}, {Name: "letter_days", Value: "14"}}
	if diff := cmp.Diff(want, got.Definition.GetSettings(), protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	var text bytes.Buffer
	if err := officefile.Write(&text, got); err != nil {
		t.Fatal(err)
	}
	again, err := officefile.Parse("again.toml", text.Bytes())
	if diff := cmp.Diff(got, again, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	for _, bad := range []string{"move_out_ends_at_filing = true", "letter_days = 1000", `letter_days = "soon"`, "letter_day = 3", "household_mandate = 3"} {
		if _, err := officefile.Parse("office.toml", []byte(whole+"\n[law]\n"+bad+"\n")); !errors.Is(err, officefile.ErrFile) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
