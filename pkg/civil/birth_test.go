package civil

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAges(t *testing.T) {
	for _, c := range []struct {
		birth, on         string
		during, completed int
	}{
		{"2001-04-02", "2016-04-01", 14, 15}, // complete at the end of the day before the birthday
		{"2001-04-02", "2016-04-02", 15, 15},
		{"2001-04-02", "2016-03-31", 14, 14},
		{"2000-02-29", "2015-02-27", 14, 14},
		{"2000-02-29", "2015-02-28", 14, 15},
		{"2000-02-29", "2015-03-01", 15, 15},
		{"2000-02-29", "2016-02-28", 15, 16},
		{"2000-02-29", "2016-02-29", 16, 16},
		{"2020-05-05", "2020-05-05", 0, 0},
		{"2020-05-05", "2020-05-03", -1, -1},
	} {
		birth, on := mustParse(t, c.birth), mustParse(t, c.on)
		if got := AgeDuring(birth, on); got != c.during {
			t.Errorf("born %s, during %s: %d, want %d", c.birth, c.on, got, c.during)
		}
		if got := AgeDuring(birth, on.AddDays(1)); got != c.completed {
			t.Errorf("born %s, end of %s: %d, want %d", c.birth, c.on, got, c.completed)
		}
	}
}

// Counting day by day: a year is completed at the end of the day before each
// birthday, and 1 March stands for 29 February in common years.
func TestAgeAgainstCountingDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		birth := anyDate().Draw(t, "birth")
		on := birth.AddDays(rapid.IntRange(0, 9000).Draw(t, "days"))
		want := 0
		for d := birth.AddDays(1); !d.After(on); d = d.AddDays(1) {
			leap := birth.Month == time.February && birth.Day == 29 && !IsLeap(d.Year)
			if d.Month == birth.Month && d.Day == birth.Day || leap && d.Month == time.March && d.Day == 1 {
				want++
			}
		}
		if got := AgeDuring(birth, on); got != want {
			t.Fatalf("born %v, during %v: %d, counting gives %d", birth, on, got, want)
		}
	})
}

func TestPartialDates(t *testing.T) {
	for _, c := range []struct {
		in, latest string
		known, ok  bool
	}{
		{"1950-05-17", "1950-05-17", true, true},
		{"1950-05-00", "1950-05-31", false, true},
		{"1951-02-00", "1951-02-28", false, true},
		{"1950-00-00", "1950-12-31", false, true},
		{"", "", false, true},
		{"1950-00-17", "", false, false},
		{"1950-13-00", "", false, false},
		{"1951-02-29", "", false, false},
		{"0000-00-00", "", false, false},
		{"1950-5-17", "", false, false},
		{"-950-05-17", "", false, false},
	} {
		p, err := ParsePartial(c.in)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrDate) {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if p.Latest().String() != c.latest || p.Known() != c.known {
			t.Errorf("%q: latest %v, known %v", c.in, p.Latest(), p.Known())
		}
		if c.ok && p.String() != c.in {
			t.Errorf("%q prints as %q", c.in, p)
		}
	}
}

func TestPartialDateJSON(t *testing.T) {
	var p PartialDate
	if err := json.Unmarshal([]byte(`"1950-05-00"`), &p); err != nil || p.String() != "1950-05-00" {
		t.Errorf("%v, %v", p, err)
	}
	if text, err := json.Marshal(p); err != nil || string(text) != `"1950-05-00"` {
		t.Errorf("%s, %v", text, err)
	}
	// What does not fit must not be repeated: a date of birth is personal data.
	err := json.Unmarshal([]byte(`"1950-05-99"`), &p)
	if !errors.Is(err, ErrDate) || strings.Contains(err.Error(), "1950") {
		t.Errorf("got %v", err)
	}
	if p := PartialDate(New(1950, time.May, 17)); !p.Known() || p.Latest() != New(1950, time.May, 17) {
		t.Errorf("%v", p)
	}
}

func TestWareki(t *testing.T) {
	for _, c := range []struct{ day, text string }{
		{"2026-06-15", "令和8年6月15日"},
		{"2019-05-01", "令和元年5月1日"},
		{"2019-04-30", "平成31年4月30日"},
		{"1989-01-08", "平成元年1月8日"},
		{"1989-01-07", "昭和64年1月7日"},
		{"1926-12-25", "昭和元年12月25日"},
		{"1926-12-24", "大正15年12月24日"},
		{"1912-07-30", "大正元年7月30日"},
		{"1912-07-29", "明治45年7月29日"},
		{"2004-01-29", "平成16年1月29日"},
	} {
		d := mustParse(t, c.day)
		if got := d.Wareki(); got != c.text {
			t.Errorf("%s = %s, want %s", c.day, got, c.text)
		}
		if back, err := ParseDay(c.text); err != nil || back != d {
			t.Errorf("%s reads as %v, %v", c.text, back, err)
		}
	}
	if got := (Date{}).Wareki(); got != "" {
		t.Errorf("no date prints as %q", got)
	}
	if got := New(1867, time.December, 31).Wareki(); got != "1867-12-31" {
		t.Errorf("before the eras: %q", got)
	}
}

func TestEras(t *testing.T) {
	for era, name := range map[Era]string{Meiji: "明治", Taisho: "大正", Showa: "昭和", Heisei: "平成", Reiwa: "令和", 0: ""} {
		if era.String() != name {
			t.Errorf("%d is %q", int(era), era)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := anyDate().Draw(t, "day")
		back, err := ParseDay(d.Wareki())
		if err != nil || back != d {
			t.Fatalf("%v → %s → %v, %v", d, d.Wareki(), back, err)
		}
	})
}
