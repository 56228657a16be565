package population

import (
	"math/rand/v2"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// cohort is a stretch of months and how many cards, in tenths of a million a month, were applied for in each: the launch of
// 2016, the point campaigns of 2020 and 2022–23, and the quiet between (domain.md 4.5; the single figures are ours).
type cohort struct {
	from   civil.Date
	weight int
}

var cohorts = []cohort{
	{civil.New(2016, 1, 5), 10},
	{civil.New(2016, 3, 1), 13},
	{civil.New(2016, 6, 1), 9},
	{civil.New(2016, 10, 1), 4},
	{civil.New(2017, 1, 1), 2},
	{civil.New(2019, 10, 1), 4},
	{civil.New(2020, 5, 1), 7},
	{civil.New(2020, 12, 1), 15},
	{civil.New(2021, 3, 1), 25},
	{civil.New(2021, 6, 1), 10},
	{civil.New(2022, 1, 1), 11},
	{civil.New(2022, 6, 30), 20},
	{civil.New(2022, 10, 1), 32},
	{civil.New(2023, 3, 1), 18},
	{civil.New(2023, 6, 1), 5},
	{civil.New(2024, 1, 1), 4},
}

// jukiShare is how many in a hundred people had a juki certificate: 2.84 million of 127 (domain.md 4.5).
const jukiShare = 0.022

// weightOf is the weight of the month that a day lies in.
func weightOf(day civil.Date) int {
	w := 0
	for _, c := range cohorts {
		if !c.from.After(day) {
			w = c.weight
		}
	}
	return w
}

// cohorted draws the day on which a card is applied for, between two days; zero when there is none to choose from.
func cohorted(dice *rand.Rand, from, to civil.Date) civil.Date {
	if first := cohorts[0].from; from.Before(first) {
		from = first
	}
	total := 0
	for day := from; day.Before(to); day = nextMonth(day) {
		total += weightOf(day)
	}
	if total == 0 {
		return civil.Date{}
	}
	drawn := dice.IntN(total)
	for day := from; ; day = nextMonth(day) {
		if drawn -= weightOf(day); drawn < 0 {
			last := nextMonth(day)
			if last.After(to) {
				last = to
			}
			return day.AddDays(dice.IntN(max(1, day.DaysUntil(last))))
		}
	}
}

func nextMonth(d civil.Date) civil.Date { return civil.New(d.Year, d.Month, 1).AddMonthsClamped(1) }

// jukied draws the day of a juki application, while they were possible; zero when they were not.
func jukied(dice *rand.Rand, from, to civil.Date) civil.Date {
	if first := regime.JukiFirstDay.AddDays(3); from.Before(first) {
		from = first
	}
	if last := regime.JukiLastDay.AddDays(-7); to.After(last) {
		to = last
	}
	days := from.DaysUntil(to)
	if days <= 0 {
		return civil.Date{}
	}
	return from.AddDays(dice.IntN(days))
}

// office is open as most are: working days, nine to five.
var office civil.Office

// arrival draws when somebody comes who means to come on a day or soon after: on open days only, more on Mondays, Fridays
// and after holidays, and most between 09:30 and 12:00 and about 14:00 (domain.md 4.5).
func arrival(dice *rand.Rand, day civil.Date) time.Time {
	for {
		open, ok := office.NextOpenDay("", day)
		if !ok {
			return time.Time{}
		}
		if dice.Float64() < crowd(open) {
			return open.At(civil.Clock(9, 0)).Add(time.Duration(sinceOpening(dice)) * time.Second)
		}
		day = open.AddDays(1)
	}
}

func crowd(day civil.Date) float64 {
	switch {
	case day.Weekday() == time.Monday, !office.OpenDay("", day.AddDays(-1)):
		return 1
	case day.Weekday() == time.Friday:
		return 0.85
	}
	return 0.7
}

// sinceOpening is in seconds after nine o'clock.
func sinceOpening(dice *rand.Rand) int {
	const minute, hour = 60, 3600
	switch u := dice.Float64(); {
	case u < 0.5:
		return 30*minute + dice.IntN(150*minute)
	case u < 0.75:
		at := 5*hour + int(dice.NormFloat64()*25*minute)
		return min(max(at, 0), 7*hour)
	}
	return dice.IntN(7*hour + 30*minute)
}
