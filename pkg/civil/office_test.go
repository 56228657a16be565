package civil

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// tokyo reads "2006-01-02 15:04:05" as Japan time.
func tokyo(t interface{ Fatal(...any) }, s string) time.Time {
	at, err := time.ParseInLocation(time.DateTime, s, Tokyo)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

const (
	renew  Operation = "renew"
	record Operation = "resident-record"
)

// busyOffice has everything an office can have: a lunch gap, an evening, an
// extended Sunday without certificate work, maintenance, and an operation that ended.
func busyOffice(t *testing.T) Office {
	return Office{
		Hours: []Hours{
			{Spans: []Span{{Clock(9, 0), Clock(12, 0)}, {Clock(13, 0), Clock(17, 0)}}, Until: New(2019, time.March, 31)},
			{Spans: []Span{{Clock(8, 30), Clock(17, 15)}}, From: New(2019, time.April, 1)},
			{Operations: []Operation{record}, Weekdays: []time.Weekday{time.Wednesday}, Spans: []Span{{Clock(17, 15), Clock(19, 0)}}, From: New(2019, time.April, 1)},
		},
		Exceptions: []Exception{
			{Open: true, Operations: []Operation{record}, From: tokyo(t, "2019-06-09 09:00:00"), Until: tokyo(t, "2019-06-09 12:00:00")},
			{From: tokyo(t, "2019-06-11 10:00:00"), Until: tokyo(t, "2019-06-11 11:00:00"), Operations: []Operation{renew}, Rule: ClosedMaintenance},
			{From: tokyo(t, "2019-06-12 00:00:00"), Until: tokyo(t, "2019-06-13 00:00:00")},
		},
		Terms: []Term{
			{Operations: []Operation{renew}, Begins: tokyo(t, "2016-01-04 00:00:00"), Ends: tokyo(t, "2020-03-31 12:00:00")},
		},
	}
}

func TestSeedOffice(t *testing.T) {
	for _, c := range []struct {
		at   string
		rule RuleID
		next string
	}{
		{"2012-11-30 09:00:00", OpenHours, ""},
		{"2012-11-30 16:59:59", OpenHours, ""},
		{"2012-11-30 17:00:00", ClosedAfter, "2012-12-03 09:00:00"},
		{"2012-11-30 17:01:00", ClosedAfter, "2012-12-03 09:00:00"},
		{"2012-12-01 10:00:00", ClosedSaturday, "2012-12-03 09:00:00"},
		{"2012-12-02 10:00:00", ClosedSunday, "2012-12-03 09:00:00"},
		{"2012-12-03 08:59:59", ClosedBefore, "2012-12-03 09:00:00"},
		{"2012-12-28 17:00:00", ClosedAfter, "2013-01-04 09:00:00"},
		{"2012-12-29 10:00:00", ClosedYearEnd, "2013-01-04 09:00:00"},
		{"2013-01-01 10:00:00", ClosedYearEnd, "2013-01-04 09:00:00"},
		{"2013-01-03 10:00:00", ClosedYearEnd, "2013-01-04 09:00:00"},
		{"2015-12-23 10:00:00", ClosedHoliday, "2015-12-24 09:00:00"},
		{"2015-09-22 10:00:00", ClosedCitizens, "2015-09-24 09:00:00"},
		{"2026-05-06 10:00:00", ClosedHoliday, "2026-05-07 09:00:00"},
		{"2021-07-19 10:00:00", OpenHours, ""},
	} {
		got := Office{}.Open(renew, tokyo(t, c.at))
		if got.Rule != c.rule || got.Open != (c.rule == OpenHours) {
			t.Errorf("%s: %+v, want %s", c.at, got, c.rule)
		}
		if c.next != "" && !got.Next.Equal(tokyo(t, c.next)) {
			t.Errorf("%s: next %v, want %s", c.at, got.Next.In(Tokyo), c.next)
		}
	}
}

func TestBusyOffice(t *testing.T) {
	office := busyOffice(t)
	if err := office.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		op   Operation
		at   string
		rule RuleID
		next string
	}{
		{renew, "2015-06-01 10:00:00", ClosedNotBegun, "2016-01-04 09:00:00"},
		{renew, "2018-06-11 12:30:00", ClosedGap, "2018-06-11 13:00:00"},
		{renew, "2018-06-11 08:45:00", ClosedBefore, "2018-06-11 09:00:00"},
		{renew, "2019-06-10 08:45:00", OpenHours, ""},
		{renew, "2019-06-10 12:30:00", OpenHours, ""},
		{renew, "2019-06-05 18:00:00", ClosedAfter, "2019-06-06 08:30:00"},
		{record, "2019-06-05 18:00:00", OpenHours, ""},
		{record, "2019-06-09 10:00:00", OpenExtra, ""},
		{renew, "2019-06-09 10:00:00", ClosedSunday, "2019-06-10 08:30:00"},
		{record, "2019-06-09 12:00:00", ClosedSunday, "2019-06-10 08:30:00"},
		{renew, "2019-06-11 10:30:00", ClosedMaintenance, "2019-06-11 11:00:00"},
		{record, "2019-06-11 10:30:00", OpenHours, ""},
		{record, "2019-06-12 10:00:00", ClosedException, "2019-06-13 08:30:00"},
		{renew, "2020-03-31 11:59:59", OpenHours, ""},
		{renew, "2020-03-31 12:00:00", ClosedEnded, ""},
		{record, "2020-03-31 12:00:00", OpenHours, ""},
	} {
		got := office.Open(c.op, tokyo(t, c.at))
		if got.Rule != c.rule {
			t.Errorf("%s %s: %+v, want %s", c.op, c.at, got, c.rule)
		}
		switch {
		case c.next == "" && !got.Next.IsZero():
			t.Errorf("%s %s: next %v, want none", c.op, c.at, got.Next)
		case c.next != "" && !got.Next.Equal(tokyo(t, c.next)):
			t.Errorf("%s %s: next %v, want %s", c.op, c.at, got.Next.In(Tokyo), c.next)
		}
	}
	weekly := Office{Hours: []Hours{{Weekdays: []time.Weekday{time.Monday}, Spans: []Span{{Clock(9, 0), Clock(10, 0)}}}}}
	if got := weekly.Open(renew, tokyo(t, "2019-06-11 09:30:00")); got.Rule != ClosedWeekday {
		t.Errorf("an office with Mondays only, on a Tuesday: %+v", got)
	}
}

func TestNextOpenDay(t *testing.T) {
	office := busyOffice(t)
	for _, c := range []struct {
		op        Operation
		day, want string
	}{
		{record, "2019-06-08", "2019-06-09"}, // the extended Sunday
		{renew, "2019-06-08", "2019-06-10"},
		{record, "2019-06-12", "2019-06-13"}, // closed all day
		{renew, "2019-06-11", "2019-06-11"},  // an hour of maintenance does not close a day
		{record, "2018-12-29", "2019-01-04"},
		{record, "2019-04-27", "2019-05-07"}, // ten days in a row
		{renew, "2020-03-31", "2020-03-31"},
	} {
		if got, ok := office.NextOpenDay(c.op, mustParse(t, c.day)); !ok || got.String() != c.want {
			t.Errorf("%s from %s: %v, want %s", c.op, c.day, got, c.want)
		}
	}
	if got, ok := office.NextOpenDay(renew, mustParse(t, "2020-04-01")); ok {
		t.Errorf("an operation that ended opens again on %v", got)
	}
}

// The next opening is open, later, and nothing is open before it.
func TestNextOpeningProperty(t *testing.T) {
	office := busyOffice(t)
	start := tokyo(t, "2018-01-01 00:00:00")
	rapid.Check(t, func(t *rapid.T) {
		at := start.Add(time.Duration(rapid.IntRange(0, 2*365*24*12).Draw(t, "five minutes")) * 5 * time.Minute)
		op := rapid.SampledFrom([]Operation{renew, record}).Draw(t, "operation")
		got := office.Open(op, at)
		if got.Open {
			if !got.Next.IsZero() {
				t.Fatalf("open at %v with a next opening", at)
			}
			return
		}
		for probe := at; probe.Before(got.Next); probe = probe.Add(5 * time.Minute) {
			if office.Open(op, probe).Open {
				t.Fatalf("%s closed at %v, next %v, but open at %v", op, at, got.Next, probe)
			}
		}
		if !got.Next.After(at) || !office.Open(op, got.Next).Open {
			t.Fatalf("%s closed at %v: next opening %v is none", op, at, got.Next)
		}
	})
}

func TestOfficeCheck(t *testing.T) {
	now := tokyo(t, "2019-06-09 09:00:00")
	for name, office := range map[string]Office{
		"span ends first":   {Hours: []Hours{{Spans: []Span{{Clock(17, 0), Clock(9, 0)}}}}},
		"no such weekday":   {Hours: []Hours{{Weekdays: []time.Weekday{7}}}},
		"exception no end":  {Exceptions: []Exception{{From: now}}},
		"exception no from": {Exceptions: []Exception{{Until: now}}},
	} {
		if err := office.Check(); !errors.Is(err, ErrOffice) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOfficeJSON(t *testing.T) {
	office := busyOffice(t)
	text, err := json.Marshal(office)
	if err != nil {
		t.Fatal(err)
	}
	var back Office
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(office, back); diff != "" {
		t.Errorf("%s\n%s", text, diff)
	}
	for _, bad := range []string{"9:00", "25:00", "12:60", "24:01", "noon", "-1:00"} {
		var clock TimeOfDay
		if err := clock.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q reads as %v", bad, clock)
		}
	}
}
