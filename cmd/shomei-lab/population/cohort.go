package population

import (
	"math/rand/v2"

	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// cohort is a range of months and how many cards, in ten thousands a month, were applied for in each: the launch of
// 2016, the point campaigns of 2020–21 and 2022–23, and the quiet between. The sums match what is known: 9 million
// applications by 2016-03, and the certificates implied by the serial numbers of figures.md 1; how a sum spreads over
// its months is ours.
type cohort struct {
	from   civil.Date
	weight int
}

var cohorts = []cohort{
	{civil.New(2016, 1, 5), 300},
	{civil.New(2016, 4, 1), 40},
	{civil.New(2017, 1, 1), 19},
	{civil.New(2019, 9, 1), 35},
	{civil.New(2020, 5, 1), 90},
	{civil.New(2020, 9, 1), 230},
	{civil.New(2021, 5, 1), 85},
	{civil.New(2022, 1, 1), 110},
	{civil.New(2022, 7, 1), 400},
	{civil.New(2022, 12, 1), 480},
	{civil.New(2023, 3, 1), 250},
	{civil.New(2023, 6, 1), 80},
	{civil.New(2023, 7, 1), 35},
}

// launch is a range of days within one month in which cards are applied for, and the cumulative weight.
type launch struct {
	from, until civil.Date
	upTo        int
}

// launchesBetween lists the months in which cards are applied for between two days.
func launchesBetween(from, to civil.Date) []launch {
	if first := cohorts[0].from; from.Before(first) {
		from = first
	}
	var months []launch
	total := 0
	for day := from; day.Before(to); day = nextMonth(day) {
		until := nextMonth(day)
		if until.After(to) {
			until = to
		}
		total += weightOf(day)
		months = append(months, launch{day, until, total})
	}
	return months
}

// weightOf returns the weight of a day's month.
func weightOf(day civil.Date) int {
	w := 0
	for _, c := range cohorts {
		if !c.from.After(day) {
			w = c.weight
		}
	}
	return w
}

// drawLaunch draws the day on which a card is applied for; zero if there is none to choose from.
func drawLaunch(dice *rand.Rand, months []launch) civil.Date {
	if len(months) == 0 {
		return civil.Date{}
	}
	drawn := dice.IntN(months[len(months)-1].upTo)
	for _, m := range months {
		if drawn < m.upTo {
			return m.from.AddDays(dice.IntN(max(1, m.from.DaysUntil(m.until))))
		}
	}
	return civil.Date{}
}

func nextMonth(d civil.Date) civil.Date { return civil.New(d.Year, d.Month, 1).AddMonthsClamped(1) }

// jukied draws the day of a juki application; zero if the range has none.
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
