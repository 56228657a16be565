package civil

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tableKind reads the kind of a holiday off its name in the npm table.
func tableKind(name string) HolidayKind {
	switch {
	case name == "休日":
		return CitizensDay
	case strings.Contains(name, "振替休日"):
		return SubstituteDay
	default:
		return NationalHoliday
	}
}

// readTable reads the days and kinds of testdata/holidays.txt.
func readTable(t *testing.T) map[string]HolidayKind {
	t.Helper()
	f, err := os.Open("testdata/holidays.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table := map[string]HolidayKind{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		day, name, ok := strings.Cut(lines.Text(), " ")
		if ok && !strings.HasPrefix(day, "#") {
			table[day] = tableKind(name)
		}
	}
	return table
}

func TestHolidaysAgreeWithNpmTable(t *testing.T) {
	want := readTable(t)
	if len(want) < 850 {
		t.Fatalf("the table holds only %d days", len(want))
	}
	got := map[string]HolidayKind{}
	for d := New(2000, time.January, 1); d.Year <= 2050; d = d.AddDays(1) {
		if h, ok := HolidayOn(d); ok {
			got[d.String()] = h.Kind
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("holidays 2000–2050 (-table +ours):\n%s", diff)
	}
}

// The golden days of law.md 11.2.
func TestGoldenHolidays(t *testing.T) {
	for _, c := range []struct {
		day  string
		kind HolidayKind // 0: ordinary day
		name string
	}{
		{"2009-09-22", CitizensDay, "国民の休日"},
		{"2015-09-22", CitizensDay, "国民の休日"},
		{"2026-09-22", CitizensDay, "国民の休日"},
		{"2015-12-23", NationalHoliday, "天皇誕生日"},
		{"2019-12-23", 0, ""},
		{"2018-12-24", SubstituteDay, "振替休日"},
		{"2019-04-30", CitizensDay, "国民の休日"},
		{"2019-05-01", NationalHoliday, "天皇の即位の日"},
		{"2019-05-02", CitizensDay, "国民の休日"},
		{"2019-10-22", NationalHoliday, "即位礼正殿の儀の行われる日"},
		{"2020-07-23", NationalHoliday, "海の日"},
		{"2020-07-24", NationalHoliday, "スポーツの日"},
		{"2021-07-22", NationalHoliday, "海の日"},
		{"2021-07-23", NationalHoliday, "スポーツの日"},
		{"2021-07-19", 0, ""},
		{"2021-08-09", SubstituteDay, "振替休日"},
		{"2026-05-06", SubstituteDay, "振替休日"},
		{"2027-03-22", SubstituteDay, "振替休日"},
		{"2000-01-10", NationalHoliday, "成人の日"},
		{"2001-07-20", NationalHoliday, "海の日"}, // not on a Monday before 2003
		{"2002-09-15", NationalHoliday, "敬老の日"},
		{"2002-09-16", SubstituteDay, "振替休日"},
		{"2003-05-04", 0, ""}, // a Sunday between two holidays, before 2007
		{"2003-12-23", NationalHoliday, "天皇誕生日"},
		{"2004-05-04", CitizensDay, "国民の休日"},
		{"2006-04-29", NationalHoliday, "みどりの日"},
		{"2007-04-29", NationalHoliday, "昭和の日"},
		{"2015-10-12", NationalHoliday, "体育の日"},
		{"2037-09-22", CitizensDay, "国民の休日"}, // the library misses it
	} {
		h, ok := HolidayOn(mustParse(t, c.day))
		if ok != (c.kind != 0) || h.Kind != c.kind || h.NameJA != c.name {
			t.Errorf("%s: got %v %q, want %v %q", c.day, h.Kind, h.NameJA, c.kind, c.name)
		}
	}
}

func TestEveryHolidayHasBothNames(t *testing.T) {
	for day, h := range holidays() {
		if h.NameJA == "" || h.NameEN == "" || h.Day != day {
			t.Errorf("%v: %+v", day, h)
		}
	}
}

func mustParse(t *testing.T, s string) Date {
	t.Helper()
	d, err := Parse(s)
	if err != nil || d.IsZero() {
		t.Fatalf("Parse(%q) = %v, %v", s, d, err)
	}
	return d
}
