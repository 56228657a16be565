package civil

import (
	"fmt"
	"strconv"
	"time"
)

// AgeDuring returns the age a person has during day on: what everyday language
// and counters mean, one more from the birthday itself, because by the Act on
// Calculation of Ages (年齢計算ニ関スル法律) with Civil Code Art 143 a year of
// age is completed at the end of the day before. A person born on 29 February
// has one more from 1 March in common years, because the year was completed at
// the end of 28 February. It is negative before birth.
func AgeDuring(birth, on Date) int {
	age := on.Year - birth.Year
	if on.Month < birth.Month || on.Month == birth.Month && on.Day < birth.Day {
		age--
	}
	return age
}

// PartialDate is a date of birth of which the day, or the month and day, or
// everything may be unknown (profile.md 3). Unknown parts are zero.
type PartialDate struct {
	Year  int
	Month time.Month
	Day   int
}

// ParsePartial reads YYYY-MM-DD in which an unknown month or day is 00, as in
// 1950-05-00; the empty string is wholly unknown. Anything else is ErrDate.
func ParsePartial(s string) (PartialDate, error) {
	if s == "" {
		return PartialDate{}, nil
	}
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return PartialDate{}, fmt.Errorf("reading date of birth: %w", ErrDate)
	}
	y, errY := strconv.Atoi(s[:4])
	m, errM := strconv.Atoi(s[5:7])
	d, errD := strconv.Atoi(s[8:])
	p := PartialDate{y, time.Month(m), d}
	if errY != nil || errM != nil || errD != nil || !p.valid() {
		return PartialDate{}, fmt.Errorf("reading date of birth: %w", ErrDate)
	}
	return p, nil
}

func (p PartialDate) valid() bool {
	switch {
	case p.Year < 1 || p.Month < 0 || p.Day < 0 || p.Month == 0 && p.Day != 0:
		return false
	case p.Month == 0:
		return true
	case p.Day == 0:
		return p.Month <= time.December
	}
	return Date(p).Valid()
}

// IsZero reports whether nothing is known.
func (p PartialDate) IsZero() bool { return p == PartialDate{} }

// Known reports whether the whole date is known.
func (p PartialDate) Known() bool { return Date(p).Valid() }

// String returns YYYY-MM-DD with 00 for unknown parts, or "" when nothing is known.
func (p PartialDate) String() string { return Date(p).String() }

// MarshalText returns what String returns; it never fails.
func (p PartialDate) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses like ParsePartial.
func (p *PartialDate) UnmarshalText(text []byte) error {
	parsed, err := ParsePartial(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// Latest returns the last day that p can be: p itself if it is known, the end of the month or year if the rest is
// unknown, and the zero Date if nothing is known. No source says which day the law assumes (law.md 14.2), so this is
// the reading that never makes a child older than it is.
func (p PartialDate) Latest() Date {
	switch {
	case p.IsZero():
		return Date{}
	case p.Month == 0:
		return Date{p.Year, time.December, 31}
	case p.Day == 0:
		return Date{p.Year, p.Month, 31}.lastOfMonth()
	}
	return Date(p)
}

func (d Date) lastOfMonth() Date {
	return Date{d.Year, d.Month, 1}.AddMonthsClamped(1).AddDays(-1)
}
