package census

import (
	"slices"
	"time"

	"shomei/pkg/civil"
)

// Figure is one figure of a population, with the range it should be in.
type Figure struct {
	Name  string
	Value float64
	// Low and High bound a believable population; Known is the figure known of the country, zero if none is published
	// and the range is ours.
	Low, High, Known float64
	Source           string
}

// Within reports whether the figure is believable.
func (f Figure) Within() bool { return f.Value >= f.Low && f.Value <= f.High }

// span is the time that a figure needs: both days must be within what was counted.
type span struct{ from, until civil.Date }

var (
	start   = civil.New(2016, 1, 5)
	launch  = civil.New(2016, 4, 1)
	second  = civil.New(2019, 9, 14) // the second generation of both authorities (profile.md 1)
	winter  = civil.New(2022, 11, 23)
	third   = civil.New(2023, 7, 16)
	spring  = civil.New(2024, 3, 31)
	advent  = civil.New(2025, 12, 3)
	fiscal  = span{civil.New(2025, 4, 1), civil.New(2026, 4, 1)}
	rush    = span{civil.New(2020, 5, 7), civil.New(2020, 5, 14)}
	decade  = span{start, fiscal.until}
	anytime = span{}
)

// figure computes a Figure; ok is false if nothing of the kind was counted.
type figure struct {
	Figure
	needs span
	of    func(*Census) (part, whole float64)
}

var figures = []figure{
	{Figure{"cards applied for by 2016-03, of all by 2026-03", 0, 0.055, 0.115, 9.0 / 108, "9 million; 4.5"}, decade, func(c *Census) (float64, float64) {
		return float64(c.between(applied, start, launch)), float64(c.between(applied, start, fiscal.until))
	}},
	{Figure{"cards held 2024-03, of those held 2025-12", 0, 0.85, 0.99, 92.15 / 100.13, "92.15 and 100.13 million; 4.5"}, decade, func(c *Census) (float64, float64) {
		return float64(c.held(spring)), float64(c.held(advent))
	}},
	{Figure{"signature certificates a day 2019-09…2023-07, times those before", 0, 3, 6.5, 63.4 / 14.1, "serial counters; 4.5"}, decade, func(c *Census) (float64, float64) {
		return c.perDay(signatures, second, third), c.perDay(signatures, civil.New(2015, 10, 20), second)
	}},
	{Figure{"authentication certificates a day 2022-11…2023-07, times those from 2019-09", 0, 1.25, 2.6, 108.7 / 59, "serial counters; 4.5"}, decade, func(c *Census) (float64, float64) {
		return c.perDay(logins, winter, third), c.perDay(logins, second, winter)
	}},
	{Figure{"authentication certificates by 2023-07, for each signature certificate", 0, 0.95, 1.15, 114.4 / 108.8, "5.6 million ahead; 4.5"}, decade, func(c *Census) (float64, float64) {
		return float64(c.between(logins, start, third)), float64(c.between(signatures, start, third))
	}},
	{Figure{"expiries of fiscal 2025, for each card held", 0, 0.2, 0.36, 27.8 / 100.13, "27.8 million; 4.5"}, decade, func(c *Census) (float64, float64) {
		return float64(c.dueIn(fiscal)), float64(c.held(advent))
	}},
	{Figure{"PINs set anew 2020-05-07…13, for each card held", 0, 0.005, 0.065, 0.03, "110,000 to 135,000 a day; 4.5"}, decade, func(c *Census) (float64, float64) {
		return float64(c.between(unblocked, rush.from, rush.until)), float64(c.held(rush.from))
	}},
	{Figure{"visits between 09:30 and 12:00", 0, 0.5, 0.75, 0, "daily peak; 4.5"}, anytime, func(c *Census) (float64, float64) {
		return float64(c.morning), float64(c.allVisits())
	}},
	{Figure{"visits on a Monday, times an open day from Tuesday to Thursday", 0, 1.05, 1.9, 0, "Mondays are worst; 4.5"}, anytime, func(c *Census) (float64, float64) {
		return c.perOpenDay(time.Monday), (c.perOpenDay(time.Tuesday) + c.perOpenDay(time.Wednesday) + c.perOpenDay(time.Thursday)) / 3
	}},
	{Figure{"last days in the fullest month of the year", 0, 1.0 / 12, 0.13, 0, "birthdays are even; 4.5"}, anytime, (*Census).fullest},
	{Figure{"renewed in the window, of those whose window closed", 0, 0.7, 0.92, 0, "ours"}, anytime, (*Census).renewals},
	{Figure{"losses reported, for each card held a year", 0, 0.003, 0.01, 0, "ours"}, anytime, func(c *Census) (float64, float64) {
		return float64(c.happened["lost"]), c.holderYears()
	}},
	{Figure{"moves in, for each card held a year", 0, 0.015, 0.06, 0, "ours"}, anytime, func(c *Census) (float64, float64) {
		return float64(c.happened["record: move in"]), c.holderYears()
	}},
	{Figure{"deaths, for each card held a year", 0, 0.006, 0.035, 0, "ours"}, anytime, func(c *Census) (float64, float64) {
		return float64(c.happened["record: death"]), c.holderYears()
	}},
	{Figure{"visits that ended in a refusal", 0, 0.03, 0.12, 0, "ours"}, anytime, func(c *Census) (float64, float64) {
		return float64(c.sum("refused: ")), float64(c.allVisits())
	}},
	{Figure{"visits that ended in a letter of inquiry", 0, 0.015, 0.09, 0, "ours"}, anytime, func(c *Census) (float64, float64) {
		return float64(c.happened["letter of inquiry first"]), float64(c.allVisits())
	}},
	{Figure{"accepted from parents and guardians", 0, 0.04, 0.2, 0, "ours"}, anytime, func(c *Census) (float64, float64) {
		return float64(c.happened["came: legal representative"]), float64(c.sum("came: "))
	}},
	{Figure{"writings that failed", 0, 0.003, 0.03, 0, "ours"}, anytime, func(c *Census) (float64, float64) {
		failed := float64(c.happened["writings failed"])
		return failed, failed + float64(c.happened["cards written"])
	}},
}

// Figures computes every figure for which enough was counted between two days.
func (c *Census) Figures(from, until civil.Date) []Figure {
	var out []Figure
	for _, f := range figures {
		if f.needs != anytime && (from.After(f.needs.from) || until.Before(f.needs.until)) {
			continue
		}
		if part, whole := f.of(c); whole > 0 {
			f.Value = part / whole
			out = append(out, f.Figure)
		}
	}
	return out
}

func (c *Census) perDay(s series, from, until civil.Date) float64 {
	return float64(c.between(s, from, until)) / float64(from.DaysUntil(until))
}

func (c *Census) allVisits() (n int) {
	for _, times := range c.visits {
		n += times
	}
	return n
}

// Weekdays returns how many visits fell on each day of the week.
func (c *Census) Weekdays() []Line {
	var lines []Line
	for day := time.Sunday; day <= time.Saturday; day++ {
		if n := c.visits[day]; n > 0 {
			lines = append(lines, Line{day.String(), n})
		}
	}
	return lines
}

// Months returns how many visits fell into each month of the year.
func (c *Census) Months() []Line {
	var lines []Line
	for month := time.January; month <= time.December; month++ {
		lines = append(lines, Line{month.String(), c.months[month]})
	}
	return lines
}

// openDays are the open days of a weekday in an ordinary year: holidays fall on Mondays most (figures.md 2).
var openDays = map[time.Weekday]float64{
	time.Monday: 44, time.Tuesday: 50, time.Wednesday: 50, time.Thursday: 50, time.Friday: 50,
}

func (c *Census) perOpenDay(w time.Weekday) float64 { return float64(c.visits[w]) / openDays[w] }

// dueIn returns for how many people something ends in a span.
func (c *Census) dueIn(s span) (n int) {
	for day, people := range c.due {
		if !day.Before(s.from) && day.Before(s.until) {
			n += people
		}
	}
	return n
}

func (c *Census) fullest() (part, whole float64) {
	var months [13]int
	all := 0
	for day, people := range c.due {
		months[day.Month] += people
		all += people
	}
	return float64(slices.Max(months[:])), float64(all)
}

// renewals returns the number of authentication certificates whose window has opened and closed, and how many of them
// were renewed.
func (c *Census) renewals() (part, whole float64) { return float64(c.renewed), float64(c.closed) }
