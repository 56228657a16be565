package forecast

import "shomei/pkg/civil"

// A day class says what a weekday is worth: the weekday, and how many days the office was closed just before.
const (
	closedRuns = 4 // 0, 1, 2, 3 or more
	dayClasses = 7 * closedRuns
	shut       = 255
)

// calendar is the class of each day from first on.
type calendar struct {
	first int
	class []uint8
}

func (c calendar) of(day int) uint8 { return c.class[day-c.first] }

func (c calendar) open(day int) bool { return c.of(day) != shut }

// workingDays returns for each day from first to last whether it is one.
func workingDays(first, last int) []bool {
	open := make([]bool, last-first+1)
	for i, d := 0, dateOf(first); i < len(open); i, d = i+1, d.AddDays(1) {
		open[i] = civil.WorkingDay(d)
	}
	return open
}

func newCalendar(first int, open []bool) calendar {
	c := calendar{first, make([]uint8, len(open))}
	run := 0
	for i, is := range open {
		if !is {
			c.class[i] = shut
			run++
			continue
		}
		weekday := (first + i + int(dayZero.Weekday())) % 7
		c.class[i] = uint8(weekday*closedRuns + min(run, closedRuns-1))
		run = 0
	}
	return c
}

// calendars returns the calendar of each office of a view, as known on its day, with what a plan closes and opens.
func (v *view) calendars(first, last int, plan Plan) []calendar {
	usual := workingDays(first, last)
	shared := newCalendar(first, usual)
	changed := map[int][]bool{}
	change := func(office, day int, open bool) {
		if day < first || day > last {
			return
		}
		if changed[office] == nil {
			changed[office] = append([]bool(nil), usual...)
		}
		changed[office][day-first] = open
	}
	for _, e := range v.h.exceptions {
		if e.since > v.at && e.day > v.at {
			continue
		}
		if e.office >= 0 {
			change(v.place[e.office], e.day, e.open)
			continue
		}
		for i := range v.offices {
			change(i, e.day, e.open)
		}
	}
	for _, c := range plan.Closed {
		for i, o := range v.offices {
			if c.Office != "" && c.Office != v.h.Offices[o].ID {
				continue
			}
			for day := max(number(c.From), v.at+1); day <= number(c.To); day++ {
				change(i, day, false)
			}
		}
	}
	list := make([]calendar, len(v.offices))
	for i := range list {
		list[i] = shared
		if open, ok := changed[i]; ok {
			list[i] = newCalendar(first, open)
		}
	}
	return list
}
