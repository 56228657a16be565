package civil

import (
	"fmt"
	"slices"
	"time"
)

// horizon bounds the search for the next opening.
const horizon = 400

// Check reports the first mistake in the description of an office: a span that does not end after it begins, or an
// exception without both ends. The error is ErrOffice and says where it is.
func (o Office) Check() error {
	for i, h := range o.Hours {
		for j, s := range h.Spans {
			if s.To <= s.From {
				return fmt.Errorf("hours %d, span %d (%v–%v): %w", i+1, j+1, s.From, s.To, ErrOffice)
			}
		}
		if slices.ContainsFunc(h.Weekdays, func(w time.Weekday) bool { return w < 0 || w > 6 }) {
			return fmt.Errorf("hours %d: weekdays are 0 (Sunday) to 6: %w", i+1, ErrOffice)
		}
	}
	for i, e := range o.Exceptions {
		if e.From.IsZero() || !e.Until.After(e.From) {
			return fmt.Errorf("exception %d: until must be after from: %w", i+1, ErrOffice)
		}
	}
	return nil
}

// Open reports whether the office accepts op at the instant at. The time of receipt decides, not the time at which the
// work ends: work received at 16:59:59 is done, work received at 17:00:00 is not begun.
func (o Office) Open(op Operation, at time.Time) Opening {
	open, rule := o.judge(op, at)
	if open {
		return Opening{Open: true, Rule: rule}
	}
	return Opening{Rule: rule, Next: o.next(op, at)}
}

// OpenDay reports whether the office is open for op at any time of day d.
func (o Office) OpenDay(op Operation, d Date) bool {
	return slices.ContainsFunc(o.starts(op, d), func(t time.Time) bool {
		open, _ := o.judge(op, t)
		return open
	})
}

// NextOpenDay returns d itself if the office is open for op on that day, else the first open day after it: the day to
// which a deadline falling on d rolls (law.md 8.7). The result is false if there is none within 400 days.
func (o Office) NextOpenDay(op Operation, d Date) (Date, bool) {
	for i := range horizon {
		if day := d.AddDays(i); o.OpenDay(op, day) {
			return day, true
		}
	}
	return Date{}, false
}

// judge applies, in this order: terms, closings, openings, the year-end, holidays, weekly hours.
func (o Office) judge(op Operation, at time.Time) (bool, RuleID) {
	if rule := o.outsideTerm(op, at); rule != "" {
		return false, rule
	}
	if rule := o.exception(op, at, false); rule != "" {
		return false, rule
	}
	if rule := o.exception(op, at, true); rule != "" {
		return true, rule
	}
	day := Of(at)
	if rule := closedDay(day); rule != "" {
		return false, rule
	}
	return o.inHours(op, day, at)
}

// outsideTerm returns the rule by which op has ended or not begun, or "".
func (o Office) outsideTerm(op Operation, at time.Time) RuleID {
	for _, t := range o.Terms {
		if !onlyFor(t.Operations, op) {
			continue
		}
		if !t.Begins.IsZero() && at.Before(t.Begins) {
			return orElse(t.Rule, ClosedNotBegun)
		}
		if !t.Ends.IsZero() && !at.Before(t.Ends) {
			return orElse(t.Rule, ClosedEnded)
		}
	}
	return ""
}

// exception returns the rule of the exception of the given direction that covers at, or "".
func (o Office) exception(op Operation, at time.Time, open bool) RuleID {
	for _, e := range o.Exceptions {
		if e.Open != open || !onlyFor(e.Operations, op) || at.Before(e.From) || !at.Before(e.Until) {
			continue
		}
		if open {
			return orElse(e.Rule, OpenExtra)
		}
		return orElse(e.Rule, ClosedException)
	}
	return ""
}

// closedDay returns the rule that closes every office on d, or "".
func closedDay(d Date) RuleID {
	if YearEnd(d) {
		return ClosedYearEnd
	}
	if h, ok := HolidayOn(d); ok && h.Kind == CitizensDay {
		return ClosedCitizens
	} else if ok {
		return ClosedHoliday
	}
	return ""
}

// WorkingDay reports whether d is a day on which public offices work: no Saturday or Sunday, no holiday, and not in the year-end
// closing.
func WorkingDay(d Date) bool {
	return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday && closedDay(d) == ""
}

// NextWorkingDay returns the first working day after d.
func NextWorkingDay(d Date) Date {
	for d = d.AddDays(1); !WorkingDay(d); {
		d = d.AddDays(1)
	}
	return d
}

// YearEnd reports whether d lies in the year-end closing, 29 December to
// 3 January (law.md 11.1).
func YearEnd(d Date) bool {
	return d.Month == time.December && d.Day >= 29 || d.Month == time.January && d.Day <= 3
}

// inHours judges at by the weekly hours of its day.
func (o Office) inHours(op Operation, day Date, at time.Time) (bool, RuleID) {
	spans := o.spans(op, day)
	if len(spans) == 0 {
		return false, closedWeekday(day.Weekday())
	}
	before, after := false, false
	for _, s := range spans {
		switch {
		case at.Before(day.At(s.From)):
			before = true
		case at.Before(day.At(s.To)):
			return true, OpenHours
		default:
			after = true
		}
	}
	switch {
	case before && after:
		return false, ClosedGap
	case before:
		return false, ClosedBefore
	default:
		return false, ClosedAfter
	}
}

func closedWeekday(w time.Weekday) RuleID {
	switch w {
	case time.Saturday:
		return ClosedSaturday
	case time.Sunday:
		return ClosedSunday
	default:
		return ClosedWeekday
	}
}

// spans returns the weekly spans for op on day, even if it is a holiday.
func (o Office) spans(op Operation, day Date) []Span {
	hours := o.Hours
	if len(hours) == 0 {
		hours = []Hours{SeedHours}
	}
	var spans []Span
	for _, h := range hours {
		if onlyFor(h.Operations, op) && day.Within(h.From, h.Until) && h.on(day.Weekday()) {
			spans = append(spans, h.Spans...)
		}
	}
	return spans
}

func (h Hours) on(w time.Weekday) bool {
	if len(h.Weekdays) == 0 {
		return w != time.Saturday && w != time.Sunday
	}
	return slices.Contains(h.Weekdays, w)
}

// starts lists, in order, every instant of day d at which the office can change from closed to open.
func (o Office) starts(op Operation, d Date) []time.Time {
	edges := []time.Time{d.StartInstant()}
	for _, s := range o.spans(op, d) {
		edges = append(edges, d.At(s.From))
	}
	for _, e := range o.Exceptions {
		edges = append(edges, e.From, e.Until)
	}
	for _, t := range o.Terms {
		edges = append(edges, t.Begins)
	}
	edges = slices.DeleteFunc(edges, func(t time.Time) bool { return Of(t) != d })
	slices.SortFunc(edges, time.Time.Compare)
	return edges
}

// next returns the first opening for op after at, or the zero time.
func (o Office) next(op Operation, at time.Time) time.Time {
	first := Of(at)
	for i := range horizon {
		for _, t := range o.starts(op, first.AddDays(i)) {
			if !t.After(at) {
				continue
			}
			if open, _ := o.judge(op, t); open {
				return t.UTC()
			}
		}
	}
	return time.Time{}
}

func orElse(rule, def RuleID) RuleID {
	if rule == "" {
		return def
	}
	return rule
}
