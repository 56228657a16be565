package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// ErrStopDeadline: a part did not stop in time.
var ErrStopDeadline = errors.New("did not stop in time")

// ErrEnded: a part returned without an error and without being asked to stop.
var ErrEnded = errors.New("ended by itself")

// Part is one thing that runs for the life of a process.
type Part struct {
	// Name is used in log lines and errors.
	Name string
	// Run works until ctx is done. It calls ready once, when the parts after it
	// may rely on it, and returns nil after an orderly stop.
	Run func(ctx context.Context, ready func()) error
	// Deadline is how long stopping may take; 0: 10 seconds.
	Deadline time.Duration
}

const defaultDeadline = 10 * time.Second

// RunParts starts the parts in order, each when the one before is ready, and
// waits until ctx is done or a part returns. Then it stops them in reverse
// order, each fully before the next: what consumes ends before what it
// consumes from. It returns nil after an orderly stop, otherwise every error
// that a part returned, ErrEnded or ErrStopDeadline with the part's name.
func RunParts(ctx context.Context, logger *slog.Logger, parts ...Part) error {
	ended := make(chan *running, len(parts))
	var started []*running
	cause := error(nil)
	for _, p := range parts {
		r := start(ctx, p, ended)
		started = append(started, r)
		if cause = r.waitReady(ctx, ended); cause != nil || ctx.Err() != nil {
			break
		}
		logger.Info("started", "part", p.Name)
	}
	if cause == nil && ctx.Err() == nil {
		select {
		case r := <-ended:
			cause = r.unasked()
		case <-ctx.Done():
		}
	}
	if cause != nil {
		logger.Error("stopping everything", "cause", cause)
	}
	return errors.Join(cause, stopAll(started, logger))
}

type running struct {
	part  Part
	stop  context.CancelFunc
	ready chan struct{}
	done  chan struct{}
	err   error
	told  bool // its end is already the cause
}

func start(ctx context.Context, p Part, ended chan<- *running) *running {
	// A part's context outlives the group's: parts are stopped in order.
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{part: p, stop: stop, ready: make(chan struct{}), done: make(chan struct{})}
	go func() {
		once := false
		r.err = p.Run(own, func() {
			if !once {
				once = true
				close(r.ready)
			}
		})
		close(r.done)
		ended <- r
	}()
	return r
}

// waitReady returns nil when r is ready or ctx is done, and the cause when any part ends first.
func (r *running) waitReady(ctx context.Context, ended <-chan *running) error {
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return nil
	case other := <-ended:
		return other.unasked()
	}
}

func (r *running) unasked() error {
	r.told = true
	if r.err == nil {
		return fmt.Errorf("%s: %w", r.part.Name, ErrEnded)
	}
	return fmt.Errorf("%s: %w", r.part.Name, r.err)
}

func stopAll(started []*running, logger *slog.Logger) error {
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		if err := r.end(); err != nil {
			errs = append(errs, err)
			continue
		}
		logger.Info("stopped", "part", r.part.Name)
	}
	return errors.Join(errs...)
}

func (r *running) end() error {
	deadline := r.part.Deadline
	if deadline == 0 {
		deadline = defaultDeadline
	}
	r.stop()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
		return fmt.Errorf("%s: %w (%s)", r.part.Name, ErrStopDeadline, deadline)
	}
	if r.told || r.err == nil || errors.Is(r.err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("stopping %s: %w", r.part.Name, r.err)
}

// Signals returns a context that is done at the first SIGINT or SIGTERM; a
// second one ends the process at once with 130.
func Signals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	arrived := make(chan os.Signal, 2)
	signal.Notify(arrived, os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-arrived:
				if n > 0 {
					os.Exit(130)
				}
				cancel()
			case <-parent.Done():
				return
			}
		}
	}()
	return ctx, func() { signal.Stop(arrived); cancel() }
}
