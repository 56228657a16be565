package ops

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// jumpTolerance is how far the system clock may be set before dates stop driving acts.
const jumpTolerance = 30 * time.Second

// ErrClock: the system clock can't be trusted to say what day it is.
var ErrClock = errors.New("the clock can't be trusted")

// ClockTrust decides whether a clock can be trusted to say what day it is. A settable clock always can.
type ClockTrust struct {
	settable, unkept bool

	mu sync.Mutex
	by time.Duration // how far the system clock has jumped
}

// TrustClock watches a clock until ctx ends. Unkept trusts it even if no time service keeps it.
func TrustClock(ctx context.Context, c *Clock, unkept bool) *ClockTrust {
	t := &ClockTrust{settable: c.Simulated(), unkept: unkept}
	if !t.settable {
		go WatchJumps(ctx, time.Second, jumpTolerance, t.jumped)
	}
	return t
}

func (t *ClockTrust) jumped(by time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.by += by
}

// Check fails with ErrClock if the clock has jumped or no time service keeps it: no date is acted on then. A jump back
// to the original time makes it trusted again; otherwise a person checks the clock and restarts the process.
func (t *ClockTrust) Check() error {
	if t.settable {
		return nil
	}
	t.mu.Lock()
	by := t.by
	t.mu.Unlock()
	if by.Abs() > jumpTolerance {
		return fmt.Errorf("%w: it jumped by %v since the start; set it right, or start the hub again if it is right now",
			ErrClock, by.Round(time.Second))
	}
	if t.unkept {
		return nil
	}
	kept, err := Synchronised()
	if err == nil && !kept {
		err = fmt.Errorf("%w: no time service keeps it; start chrony or systemd-timesyncd", ErrClock)
	}
	return err
}
