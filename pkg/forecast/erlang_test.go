package forecast_test

import (
	"math"
	"testing"
	"time"

	"shomei/pkg/forecast"
)

// TestErlangCAgainstPublishedValues: worked examples of call centres (200 calls an hour of 3 minutes with 14 agents; 360 calls in half an
// hour of 4 minutes with 55), and closed forms for one, two and three desks.
func TestErlangCAgainstPublishedValues(t *testing.T) {
	for _, c := range []struct {
		desks      int
		load, want float64
	}{
		{1, 0.7, 0.7},
		{2, 1, 1.0 / 3},
		{3, 2, 4.0 / 9},
		{14, 10, 0.1741},
		{55, 48, 0.239},
		{5, 5, 1},
		{5, 9, 1},
		{0, 0, 1},
		{4, 0, 0},
	} {
		if got := forecast.ErlangC(c.desks, c.load); math.Abs(got-c.want) > 0.0005 {
			t.Errorf("%d desks, %g erlangs: %.4f, want %.4f", c.desks, c.load, got, c.want)
		}
	}
}

func TestWaitsOfTheSameExamples(t *testing.T) {
	calls := forecast.Counter{Minutes: 3, Hours: 8, Peak: 1}
	wait, ok := calls.Wait(14, 8*200)
	if !ok || math.Abs(wait.Seconds()-7.8) > 0.1 {
		t.Errorf("14 agents: a wait of %v, want 7.8 s", wait)
	}
	if got := calls.Within(14, 8*200, 20*time.Second); math.Abs(got-0.888) > 0.001 {
		t.Errorf("14 agents: %.3f within 20 s, want 0.888", got)
	}
	if got := calls.Desks(8*200, 20*time.Second, 0.8); got != 14 {
		t.Errorf("80 %% within 20 s: %d agents, want 14", got)
	}
	long := forecast.Counter{Minutes: 4, Hours: 10, Peak: 1}
	if wait, _ := long.Wait(55, 10*720); math.Abs(wait.Seconds()-8.2) > 0.1 {
		t.Errorf("55 agents: a wait of %v, want 8.2 s", wait)
	}
	if _, ok := calls.Wait(10, 8*200); ok {
		t.Error("10 agents can't keep up with 10 erlangs")
	}
	if got := calls.Desks(0, time.Minute, 0.8); got != 0 {
		t.Errorf("nobody comes: %d desks", got)
	}
}

func TestLongerHoursNeedFewerDesks(t *testing.T) {
	day := forecast.Counter{Minutes: 30, Hours: 8, Peak: 1.5}
	longer := day
	longer.Hours = 12
	if a, b := day.Desks(90, 20*time.Minute, 0.8), longer.Desks(90, 20*time.Minute, 0.8); a <= b {
		t.Errorf("8 hours need %d desks, 12 hours %d", a, b)
	}
}
