package ops

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// jumpTolerance is how far the system's clock may be set before dates drive nothing any more.
const jumpTolerance = 30 * time.Second

// ErrClock says that the system's clock can't be trusted to say what day it is.
var ErrClock = errors.New("the clock can't be trusted")

// ClockTrust knows whether a clock can be trusted to say what day it is. A settable clock always can.
type ClockTrust struct {
	settable, unkept bool

	mu sync.Mutex
	by time.Duration // how far the system's clock has jumped
}

// TrustClock watches a clock until ctx ends. Unkept lets it be trusted although no time service keeps it.
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

// Check fails with ErrClock while the clock has jumped away or nobody keeps it: no date is acted on then. A jump back to
// where the clock was makes it trusted again; otherwise a person looks at the clock and starts the process anew.
func (t *ClockTrust) Check() error {
	if t.settable {
		return nil
	}
	t.mu.Lock()
	by := t.by
	t.mu.Unlock()
	if by.Abs() > jumpTolerance {
		return fmt.Errorf("%w: it jumped by %v since the start; set it right, or start the hub again if it is right now", ErrClock, by.Round(time.Second))
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
