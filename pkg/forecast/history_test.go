package forecast

import (
	"testing"

	"shomei/pkg/civil"
)

// TestDaysAreNumberedOneByOne: the numbers follow the calendar's days for two centuries.
func TestDaysAreNumberedOneByOne(t *testing.T) {
	want := 0
	for day := civil.New(firstYear, 1, 1); day.Year <= lastYear; day = day.AddDays(1) {
		if got := number(day); got != want {
			t.Fatalf("%s is day %d, want %d", day, got, want)
		}
		want++
	}
	if got := number(civil.Date{}); got != noDay {
		t.Errorf("no day is %d", got)
	}
}

// TestALevelGoesBackToWhereItWasForLong: the difference is halved every week.
func TestALevelGoesBackToWhereItWasForLong(t *testing.T) {
	l := level{Long: 0, Recent: 1, Keep: 0.5}
	if got := l.at(0); got < 2.71 || got > 2.72 {
		t.Errorf("now: %g, want e", got)
	}
	if got := l.at(20); got < 1 || got > 1.00001 {
		t.Errorf("in 20 weeks: %g, want 1", got)
	}
}

// TestTheClosestLevelIsChosen: a ratio that jumps and stays is kept; one that jumps for a week is not.
func TestTheClosestLevelIsChosen(t *testing.T) {
	stays, passes, weights := make([]float64, 150), make([]float64, 150), make([]float64, 150)
	for i := range weights {
		weights[i], stays[i], passes[i] = 1, 1, 1
		if i/40%2 == 1 {
			stays[i] = 2
		}
		if i%10 == 9 {
			passes[i] = 2
		}
	}
	if got := learnLevel(stays[:125], weights[:125]).at(1); got < 1.8 {
		t.Errorf("after five weeks at 2: %.2f", got)
	}
	if got := learnLevel(passes, weights).at(4); got > 1.3 {
		t.Errorf("after one week at 2: %.2f", got)
	}
}
