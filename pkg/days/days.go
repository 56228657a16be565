// Package days lets services act on dates: at once, and then periodically for as long as they run.
package days

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Watch says how often to look at the date.
type Watch struct {
	// Every is the pause between two looks.
	Every time.Duration
	// Trusted, if set, is called before each look; while it fails the date is not acted on.
	Trusted func() error
	Logger  *slog.Logger
}

// NotYet is the error of a look that came too early, as at every start. The next look comes soon, and nothing is
// logged.
type NotYet struct{ Why error }

// Error returns the reason.
func (n NotYet) Error() string { return n.Why.Error() }

// Unwrap returns the reason.
func (n NotYet) Unwrap() error { return n.Why }

// soon is the pause after a look that came too early.
const soon = 200 * time.Millisecond

// Follow looks until ctx ends. A failed look is repeated at the next interval.
func (w Watch) Follow(ctx context.Context, look func(context.Context) error) error {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		pause := w.Every
		switch err := w.look(ctx, look); {
		case errors.As(err, new(NotYet)):
			pause = min(pause, soon)
		case err != nil && ctx.Err() == nil:
			w.Logger.Error("could not handle what is due today, retrying", "error", err)
		}
		next.Reset(pause)
	}
}

func (w Watch) look(ctx context.Context, look func(context.Context) error) error {
	if w.Trusted != nil {
		if err := w.Trusted(); err != nil {
			return err
		}
	}
	return look(ctx)
}
