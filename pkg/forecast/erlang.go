package forecast

import (
	"math"
	"time"
)

// Counter is how an office works: what waiting follows from.
type Counter struct {
	Minutes float64 // that a visit takes at a desk, on average
	Hours   float64 // that the office is open a day
	Peak    float64 // how many times as many come in the busiest hour as in a mean one
}

// Valid reports whether everything is more than nothing, and the peak at least 1.
func (c Counter) Valid() bool { return c.Minutes > 0 && c.Hours > 0 && c.Hours <= 24 && c.Peak >= 1 }

// load is how many desks are busy on average in the busiest hour of a day with so many visits (erlangs).
func (c Counter) load(visits float64) float64 { return visits / c.Hours * c.Peak * c.Minutes / 60 }

// ErlangC returns the probability that somebody who comes has to wait: people come by chance (Poisson), take exponential times at one of
// some desks, wait as long as it takes, and load is how many desks are busy on average. It is 1 if the load is not less than the desks.
func ErlangC(desks int, load float64) float64 {
	if desks <= 0 || load >= float64(desks) {
		return 1
	}
	blocked := 1.0 // Erlang's B for no desk, and then for one more each time
	for n := 1; n <= desks; n++ {
		blocked = load * blocked / (float64(n) + load*blocked)
	}
	return blocked / (1 - load/float64(desks)*(1-blocked))
}

// Wait returns how long people wait on average in the busiest hour of a day with so many visits; false if the desks can't keep up, so
// that the line grows as long as the hour lasts.
func (c Counter) Wait(desks int, visits float64) (time.Duration, bool) {
	load := c.load(visits)
	if load >= float64(desks) {
		return 0, load == 0
	}
	minutes := ErlangC(desks, load) * c.Minutes / (float64(desks) - load)
	return time.Duration(minutes * float64(time.Minute)), true
}

// Within returns the share of people who wait no longer than that, in the busiest hour.
func (c Counter) Within(desks int, visits float64, wait time.Duration) float64 {
	load := c.load(visits)
	if load >= float64(desks) {
		return 0
	}
	return 1 - ErlangC(desks, load)*math.Exp(-(float64(desks)-load)*wait.Minutes()/c.Minutes)
}

// Desks returns how few desks serve so many visits a day so that a share of people waits no longer than that in the busiest hour.
func (c Counter) Desks(visits float64, wait time.Duration, share float64) int {
	if visits <= 0 {
		return 0
	}
	desks := int(c.load(visits)) + 1
	for c.Within(desks, visits, wait) < share {
		desks++
	}
	return desks
}
