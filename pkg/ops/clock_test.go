package ops

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var begin = time.Date(2016, 1, 12, 9, 0, 0, 0, time.FixedZone("", 9*3600))

func TestSettableClockIsSharedAndGoesForwardOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	one, err := OpenClock(path, begin)
	if err != nil {
		t.Fatal(err)
	}
	two, err := OpenClock(path, begin.AddDate(-1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if !one.Simulated() || !two.Now().Equal(begin) {
		t.Errorf("the second opener sees %s", two.Now())
	}
	later := begin.Add(36 * time.Hour)
	if err := one.Advance(later); err != nil || !two.Now().Equal(later) {
		t.Errorf("after Advance (%v) the other sees %s", err, two.Now())
	}
	if err := two.Advance(begin); !errors.Is(err, ErrBackwards) {
		t.Errorf("going back: %v", err)
	}
	if err := writeInstant(path, begin); err != nil {
		t.Fatal(err)
	}
	if !two.Now().Equal(later) {
		t.Errorf("a file set back by hand moved the clock to %s", two.Now())
	}
}

// The file is read again only when it was replaced: whoever shares it misses no move, however quick they come.
func TestEveryMoveOfASharedClockIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clock")
	one, err := OpenClock(path, begin)
	if err != nil {
		t.Fatal(err)
	}
	two, err := OpenClock(path, begin)
	if err != nil {
		t.Fatal(err)
	}
	for move := range 500 {
		for range 2 {
			if err := one.Advance(one.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := two.Now(), one.Now(); !got.Equal(want) {
			t.Fatalf("after move %d the other sees %s, want %s", move, got, want)
		}
	}
}

func TestClockRefusesWhatItCannotDo(t *testing.T) {
	if err := SystemClock().Advance(begin); !errors.Is(err, ErrNotSettable) {
		t.Errorf("setting the system clock: %v", err)
	}
	path := filepath.Join(t.TempDir(), "clock")
	if err := os.WriteFile(path, []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenClock(path, begin); err == nil {
		t.Error("a file without an instant was taken")
	}
}

func TestJumpWatchFindsExactlyTheJumps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		watch := JumpWatch{Tolerance: 2 * time.Second}
		wall, elapsed := begin, time.Duration(0)
		watch.Observe(wall, elapsed)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			step := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "step"))
			drift := time.Duration(rapid.Int64Range(-int64(time.Minute), int64(time.Minute)).Draw(t, "drift"))
			wall, elapsed = wall.Add(step+drift), elapsed+step
			want := drift
			if drift.Abs() <= watch.Tolerance {
				want = 0
			}
			if got := watch.Observe(wall, elapsed); got != want {
				t.Fatalf("drift %s: got %s", drift, got)
			}
		}
	})
}

func TestWatchJumpsIsSilentOnASteadyClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		WatchJumps(ctx, time.Second, time.Second, func(by time.Duration) { t.Errorf("jump of %s", by) })
	})
}

func TestSynchronisedAnswers(t *testing.T) {
	if _, err := Synchronised(); err != nil {
		t.Error(err)
	}
}
