package civil

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anyDate draws a day between 1868 and 2100.
func anyDate() *rapid.Generator[Date] {
	first := New(1868, time.January, 1)
	return rapid.Custom(func(t *rapid.T) Date {
		return first.AddDays(rapid.IntRange(0, 365*232).Draw(t, "days"))
	})
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Date
		ok   bool
	}{
		{"", Date{}, true},
		{"2016-02-29", New(2016, time.February, 29), true},
		{"2017-02-29", Date{}, false},
		{"2016-2-29", Date{}, false},
		{"2016-13-01", Date{}, false},
		{"0000-01-01", Date{}, false},
		{"2016-01-01T00:00:00Z", Date{}, false},
		{"平成28年1月1日", Date{}, false},
	} {
		got, err := Parse(c.in)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("Parse(%q) = %v, %v", c.in, got, err)
		}
		if err != nil && !errors.Is(err, ErrDate) {
			t.Errorf("Parse(%q): %v is not ErrDate", c.in, err)
		}
	}
}

func TestJSON(t *testing.T) {
	type pair struct{ A, B Date }
	text, err := json.Marshal(pair{A: New(2020, time.June, 18)})
	if err != nil || string(text) != `{"A":"2020-06-18","B":""}` {
		t.Fatalf("%s, %v", text, err)
	}
	var back pair
	if err := json.Unmarshal(text, &back); err != nil || back != (pair{A: New(2020, time.June, 18)}) {
		t.Errorf("%+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"2020-06-31"}`), &back); !errors.Is(err, ErrDate) {
		t.Errorf("got %v", err)
	}
}

// Days begin and end by Tokyo's clock, whatever the zone of the instant.
func TestInstants(t *testing.T) {
	day := New(2026, time.June, 15)
	if got := day.EndInstant(); got.Format(time.RFC3339) != "2026-06-15T14:59:59Z" {
		t.Errorf("end: %v", got)
	}
	if got := day.StartInstant(); got.Format(time.RFC3339) != "2026-06-14T15:00:00Z" {
		t.Errorf("start: %v", got)
	}
	if Of(day.StartInstant()) != day || Of(day.EndInstant()) != day || Of(day.StartInstant().Add(-1)) != day.AddDays(-1) {
		t.Error("the day does not hold its own instants")
	}
	if !Of(time.Time{}).IsZero() {
		t.Error("the zero time falls on a day")
	}
}

func TestClampedMonths(t *testing.T) {
	for _, c := range []struct {
		day    string
		months int
		want   string
	}{
		{"2026-05-31", -3, "2026-02-28"}, // law.md 3.5
		{"2024-05-31", -3, "2024-02-29"},
		{"2026-01-31", 1, "2026-02-28"},
		{"2026-03-31", -3, "2025-12-31"},
		{"2004-02-29", 36, "2007-02-28"},
		{"2025-08-01", -3, "2025-05-01"},
		{"2025-12-15", 1, "2026-01-15"},
		{"2025-01-15", -1, "2024-12-15"},
	} {
		if got := mustParse(t, c.day).AddMonthsClamped(c.months); got.String() != c.want {
			t.Errorf("%s %+d months = %v, want %s", c.day, c.months, got, c.want)
		}
	}
}

// A second way of counting: walk back from the naive date until the month is right.
func TestClampedMonthsAgainstWalking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDate().Draw(t, "day")
		n := rapid.IntRange(-500, 500).Draw(t, "months")
		want := at(d.utc().AddDate(0, n, 0))
		month := ((int(d.Month)-1+n)%12+12)%12 + 1
		for int(want.Month) != month {
			want = want.AddDays(-1)
		}
		if got := d.AddMonthsClamped(n); got != want {
			t.Fatalf("%v %+d months = %v, walking gives %v", d, n, got, want)
		}
	})
}

func TestDateOrderAndDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDate().Draw(t, "day")
		n := rapid.IntRange(-2000, 2000).Draw(t, "days")
		e := d.AddDays(n)
		if d.DaysUntil(e) != n {
			t.Fatalf("%v to %v: %d, want %d", d, e, d.DaysUntil(e), n)
		}
		if d.Before(e) != (n > 0) || d.After(e) != (n < 0) || (d == e) != (n == 0) {
			t.Fatalf("order of %v and %v", d, e)
		}
		back, err := Parse(d.String())
		if err != nil || back != d || Of(d.StartInstant()) != d {
			t.Fatalf("%v does not survive: %v, %v", d, back, err)
		}
	})
}

func TestWithin(t *testing.T) {
	d := New(2016, time.January, 1)
	for _, c := range []struct {
		from, until Date
		want        bool
	}{
		{Date{}, Date{}, true}, {d, d, true}, {d.AddDays(1), Date{}, false}, {Date{}, d.AddDays(-1), false},
	} {
		if d.Within(c.from, c.until) != c.want {
			t.Errorf("%v within %v…%v is not %v", d, c.from, c.until, c.want)
		}
	}
}

func TestNewPanicsOnNoDay(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("31 February was accepted")
		}
	}()
	New(2020, time.February, 31)
}
