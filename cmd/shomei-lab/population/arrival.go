package population

import (
	"math/rand/v2"
	"time"

	"shomei/pkg/civil"
)

// office is open as most are: working days, nine to five.
var office civil.Office

// arrival draws when somebody comes who means to come on a day or soon after: on open days only, more on Mondays,
// Fridays and after holidays, and most between 09:30 and 12:00 and about 14:00 (figures.md 2).
func arrival(dice *rand.Rand, day civil.Date) time.Time {
	if !office.OpenDay("", day) {
		day = day.AddDays(dice.IntN(6)) // not everybody comes on the very next day
	}
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
		return 0.9
	}
	return 0.8
}

// sinceOpening returns seconds after nine o'clock.
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

// early returns when the register reports a change: in the morning, before the offices open, so that nothing interferes
// with an application being worked on.
func early(dice *rand.Rand, day civil.Date) time.Time {
	open, _ := office.NextOpenDay("", day)
	return open.At(civil.Clock(8, 30)).Add(time.Duration(dice.IntN(20*60)) * time.Second)
}
