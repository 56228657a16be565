package civil

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// RuleID names the rule that opened or closed an office. The sentences a clerk reads out are in package regime, under
// the same id.
type RuleID = string

// Why an office is open or closed for an operation (law.md 11.1).
const (
	OpenHours         RuleID = "office.open.hours"             // within its usual hours
	OpenExtra         RuleID = "office.open.extra"             // an opening out of the usual, such as a Sunday
	ClosedSaturday    RuleID = "office.closed.saturday"        // no hours on Saturdays
	ClosedSunday      RuleID = "office.closed.sunday"          // no hours on Sundays
	ClosedWeekday     RuleID = "office.closed.weekday"         // no hours on this working day, for this operation
	ClosedHoliday     RuleID = "office.closed.holiday"         // 祝日 and its substitute (Holidays Act Art 3(1), (2))
	ClosedCitizens    RuleID = "office.closed.citizens-day"    // 国民の休日 (Holidays Act Art 3(3))
	ClosedYearEnd     RuleID = "office.closed.year-end"        // 年末年始, 29 December to 3 January
	ClosedBefore      RuleID = "office.closed.before-hours"    // received too early in the day
	ClosedAfter       RuleID = "office.closed.after-hours"     // received too late in the day
	ClosedGap         RuleID = "office.closed.lunch-gap"       // between two spans of the day
	ClosedException   RuleID = "office.closed.exception"       // closed out of the usual
	ClosedMaintenance RuleID = "office.closed.maintenance"     // announced stop of the authority or the card system
	ClosedEnded       RuleID = "office.closed.operation-ended" // this office no longer does this operation
	ClosedNotBegun    RuleID = "office.closed.not-begun"       // this office does not do this operation yet
)

// ErrOffice: the description of an office is unusable.
var ErrOffice = errors.New("office description is not usable")

// Operation names a kind of work at the counter, such as "renew". Package
// regime lists the ones the law knows; an empty list of operations means all.
type Operation string

// TimeOfDay is a number of minutes after midnight in Asia/Tokyo.
type TimeOfDay int

// Clock returns the time of day hour:minute.
func Clock(hour, minute int) TimeOfDay { return TimeOfDay(hour*60 + minute) }

// String returns HH:MM.
func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", int(t)/60, int(t)%60) }

// MarshalText returns HH:MM.
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads HH:MM from 00:00 to 24:00.
func (t *TimeOfDay) UnmarshalText(text []byte) error {
	var h, m int
	if _, err := fmt.Sscanf(string(text), "%2d:%2d", &h, &m); err != nil || len(text) != 5 ||
		h < 0 || m < 0 || m > 59 || h*60+m > 24*60 {
		return fmt.Errorf("reading time of day %q: expected HH:MM", text)
	}
	*t = Clock(h, m)
	return nil
}

// Span is a stretch of one day, open at From and closed at To sharp: with
// 09:00–17:00 an application received at 16:59:59 is accepted and one received
// at 17:00:00 is the first that is not.
type Span struct {
	From TimeOfDay `json:"from"`
	To   TimeOfDay `json:"to"`
}

// Hours are weekly opening hours for some operations (none listed: all), effective From…Until, both days included
// (zero: unbounded). They apply to working days; holidays and the year-end are always closed.
type Hours struct {
	Operations []Operation    `json:"operations,omitempty"`
	Weekdays   []time.Weekday `json:"weekdays,omitempty"` // 0 Sunday … 6 Saturday; none listed: Monday to Friday
	Spans      []Span         `json:"spans"`
	From       Date           `json:"from"`
	Until      Date           `json:"until"`
}

// Exception opens or closes an office exceptionally for some operations (none listed: all) from one instant up to, but
// not including, another. A closing wins over an opening.
type Exception struct {
	Open       bool        `json:"open"`
	Operations []Operation `json:"operations,omitempty"`
	From       time.Time   `json:"from"`
	Until      time.Time   `json:"until"`
	Rule       RuleID      `json:"rule,omitempty"` // default: OpenExtra or ClosedException
}

// Term bounds the time in which an office does some operations (none listed:
// all): from Begins (zero: always) up to, but not including, Ends (zero: for
// ever). Outside it nothing opens the office for them.
type Term struct {
	Operations []Operation `json:"operations,omitempty"`
	Begins     time.Time   `json:"begins,omitzero"`
	Ends       time.Time   `json:"ends,omitzero"`
	Rule       RuleID      `json:"rule,omitempty"` // default: ClosedNotBegun or ClosedEnded
}

// Office is the opening calendar of one office: national holidays, the year-end, its own weekly hours and exceptions
// both ways, each effective-dated and per operation (law.md 11.1). An Office without Hours has SeedHours, Monday to
// Friday 09:00–17:00.
type Office struct {
	Hours      []Hours     `json:"hours,omitempty"`
	Exceptions []Exception `json:"exceptions,omitempty"`
	Terms      []Term      `json:"terms,omitempty"`
}

// SeedHours are Monday to Friday 09:00–17:00, every operation (muni:Sammu; law.md 11.1).
var SeedHours = Hours{Spans: []Span{{Clock(9, 0), Clock(17, 0)}}}

// Opening reports whether an office is open and why.
type Opening struct {
	Open bool
	Rule RuleID
	Next time.Time // when closed: the next opening within 400 days; zero: none
}

// onlyFor reports whether op is among the operations; an empty list holds all.
func onlyFor(ops []Operation, op Operation) bool {
	return len(ops) == 0 || slices.Contains(ops, op)
}
