package ops

import (
	"context"
	"time"

	"shomei/pkg/wait"
)

// JumpWatch compares the wall clock with the monotonic one, to detect a clock that was set by hand or slewed too far:
// acts driven by dates stop then until the clock is right again. The zero value with a Tolerance is ready to use.
type JumpWatch struct {
	// Tolerance is the difference that still counts as right.
	Tolerance time.Duration

	wall    time.Time
	elapsed time.Duration
	begun   bool
}

// Observe takes the wall clock's time and the monotonic time elapsed since any
// fixed start, and returns how far the wall clock has jumped since the last
// observation: positive is forward, zero is within tolerance.
func (w *JumpWatch) Observe(wall time.Time, elapsed time.Duration) time.Duration {
	wall = wall.Round(0) // without its own monotonic reading
	jump := wall.Sub(w.wall) - (elapsed - w.elapsed)
	first := !w.begun
	w.wall, w.elapsed, w.begun = wall, elapsed, true
	if first || jump.Abs() <= w.Tolerance {
		return 0
	}
	return jump
}

// WatchJumps observes the system clock every interval until ctx is done and
// calls jumped with each jump beyond tolerance.
func WatchJumps(ctx context.Context, interval, tolerance time.Duration, jumped func(by time.Duration)) {
	watch := JumpWatch{Tolerance: tolerance}
	begin := time.Now()
	watch.Observe(begin, 0)
	for wait.For(ctx, interval) == nil {
		now := time.Now()
		if by := watch.Observe(now, now.Sub(begin)); by != 0 {
			jumped(by)
		}
	}
}
