package bench

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		figure Figure
		want   bool
	}{
		{Figure{Value: 60, Floor: 100, OfFloor: 0.6}, true},
		{Figure{Value: 59, Floor: 100, OfFloor: 0.6}, false},
		{Figure{Value: 59, OfFloor: 0.6}, false}, // without its floor nothing is proven
		{Figure{Value: 100, AtLeast: 100}, true},
		{Figure{Value: 99, AtLeast: 100}, false},
		{Figure{Value: 201, AtMost: 200}, false},
		{Figure{Value: 200, AtMost: 200}, true},
		{Figure{Value: 1}, true},
	} {
		if got := c.figure.Reached(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.figure, got, c.want)
		}
	}
}

func TestPrintSaysWhyAFigureFallsShort(t *testing.T) {
	var out strings.Builder
	Print(&out, []Figure{
		{Part: "acts", Name: "short", Value: 1234.4, Unit: "acts/s", Floor: 4000, OfFloor: 0.6, Why: "because of the disk"},
		{Part: "idle", Name: "fine", Value: 42.42, Unit: "MB", AtMost: 80, Why: "never said"},
	})
	for _, want := range []string{"1,234", "4,000", "31 %", "60 % of floor", "short", "because of the disk", "42.4", "at most 80", "reached"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "never said") {
		t.Error("a reason is given for a figure that reached its goal")
	}
}

func TestTurnCountsAndStopsAtAnError(t *testing.T) {
	s, err := turn(3, 20*time.Millisecond, func(int, int64) error { return nil })
	if err != nil || s.perSecond <= 0 || s.p99 < s.p50 {
		t.Fatalf("%+v, %v", s, err)
	}
	broken := errors.New("broken")
	if _, err := turn(3, time.Minute, func(_ int, i int64) error {
		if i == 10 {
			return broken
		}
		return nil
	}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestMemoryOfThisProcess(t *testing.T) {
	rss, pss, err := memory(os.Getpid())
	if err != nil || rss <= 1 || pss <= 0 || pss > rss {
		t.Fatalf("RSS %v MB, PSS %v MB, %v", rss, pss, err)
	}
}

// One small round of each part that needs no process beside this one, on real parts.
func TestDecisionsAreMeasured(t *testing.T) {
	figures, err := decisions(t.Context(), Options{Turns: 1, Span: 50 * time.Millisecond, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range figures {
		if f.Value <= 0 || f.Floor <= 0 {
			t.Errorf("%s: %v beside %v", f.Name, f.Value, f.Floor)
		}
	}
}
