// Package civil knows the calendar that Japanese law is written in: civil dates
// in Asia/Tokyo, the month arithmetic of the Civil Code, public holidays, eras,
// ages, and the opening hours of municipal offices.
//
// It is pure: no clock is read and nothing is stored. Zone data is not needed,
// because Japan has kept UTC+9 without daylight saving time for the whole range
// in which certificates exist (law.md 3.5).
package civil

import (
	"errors"
	"fmt"
	"time"
)

// Tokyo is Japan Standard Time, UTC+9 all year round (law.md 3.5). It is a
// fixed zone, so the binary works on hosts without zone data (law.md 3.5).
var Tokyo = time.FixedZone("Asia/Tokyo", 9*60*60)

// ErrDate: a text or a year-month-day triple is not a day of the calendar.
var ErrDate = errors.New("not a calendar date (expected YYYY-MM-DD)")

// Date is one civil day in Japan, without a time and without a zone. Dates are
// comparable with ==; the zero Date means "absent" and prints as "".
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// New returns the day of the given year, month and day. It panics when there
// is no such day, so it is for constants and tests; input goes through Parse.
func New(year int, month time.Month, day int) Date {
	d := Date{year, month, day}
	if !d.Valid() {
		panic(fmt.Sprintf("civil.New(%d, %d, %d): %v", year, month, day, ErrDate))
	}
	return d
}

// Of returns the civil day in Asia/Tokyo on which the instant t falls, and the
// zero Date for the zero time.
func Of(t time.Time) Date {
	if t.IsZero() {
		return Date{}
	}
	return at(t.In(Tokyo))
}

// Parse reads YYYY-MM-DD (ISO 8601). The empty string is the zero Date;
// anything else that is not a day of the calendar is ErrDate.
func Parse(s string) (Date, error) {
	if s == "" {
		return Date{}, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1 {
		return Date{}, fmt.Errorf("reading date %q: %w", s, ErrDate)
	}
	return at(t), nil
}

// at takes the calendar fields of t in t's own zone.
func at(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// utc is midnight UTC of d, only used to calculate with days.
func (d Date) utc() time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}

// Valid reports whether d is a day of the Gregorian calendar. The zero Date is
// not.
func (d Date) Valid() bool {
	return d.Year >= 1 && d.Year <= 9999 && at(d.utc()) == d
}

// IsZero reports whether d is absent.
func (d Date) IsZero() bool { return d == Date{} }

// String returns YYYY-MM-DD, or "" for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day)
}

// MarshalText returns what String returns; it never fails.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses like Parse.
func (d *Date) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// StartInstant returns the first instant of d, 00:00:00 in Asia/Tokyo, in UTC.
func (d Date) StartInstant() time.Time { return d.At(0) }

// EndInstant returns 23:59:59 of d in Asia/Tokyo, which is 14:59:59 UTC of the
// same day: the notAfter of a certificate whose last day is d (law.md 3.5).
func (d Date) EndInstant() time.Time {
	return d.AddDays(1).StartInstant().Add(-time.Second)
}

// At returns the instant of day d at the given time of day in Asia/Tokyo, in UTC.
func (d Date) At(t TimeOfDay) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, int(t), 0, 0, Tokyo).UTC()
}

// AddDays returns the day n days after d (before it when n is negative).
func (d Date) AddDays(n int) Date { return at(d.utc().AddDate(0, 0, n)) }

// AddMonthsClamped returns the corresponding day n months after d (before it
// when n is negative); when that month has no such day, its last day
// (Civil Code Art 143(2), law.md 3.5). time.Time.AddDate would run on into
// the next month instead.
func (d Date) AddMonthsClamped(n int) Date {
	first := time.Date(d.Year, d.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return Date{first.Year(), first.Month(), min(d.Day, last)}
}

// AddYearsClamped returns the corresponding day n years after d; 29 February
// becomes 28 February in a common year (Civil Code Art 143(2)).
func (d Date) AddYearsClamped(n int) Date { return d.AddMonthsClamped(12 * n) }

// Weekday returns the day of the week of d.
func (d Date) Weekday() time.Weekday { return d.utc().Weekday() }

// Compare returns -1, 0 or +1 as d is before, the same as, or after e.
func (d Date) Compare(e Date) int { return d.utc().Compare(e.utc()) }

// Before reports whether d is an earlier day than e.
func (d Date) Before(e Date) bool { return d.Compare(e) < 0 }

// After reports whether d is a later day than e.
func (d Date) After(e Date) bool { return d.Compare(e) > 0 }

// DaysUntil returns the number of days from d to e: 0 for the same day,
// negative when e is earlier.
func (d Date) DaysUntil(e Date) int {
	return int(e.utc().Sub(d.utc()) / (24 * time.Hour))
}

// Within reports whether d lies in the range from…until, both included; a zero
// bound is open.
func (d Date) Within(from, until Date) bool {
	return (from.IsZero() || !d.Before(from)) && (until.IsZero() || !d.After(until))
}

// IsLeap reports whether the year has a 29 February.
func IsLeap(year int) bool {
	return year%4 == 0 && (year%100 != 0 || year%400 == 0)
}
