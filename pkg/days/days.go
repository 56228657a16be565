// Package days has services look after dates: at once, and then every so often for as long as they run.
package days

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Watch says how dates are looked after.
type Watch struct {
	// Every is how long after a look the next one is.
	Every time.Duration
	// Trusted, when set, is asked before each look; while it fails the date is not acted on.
	Trusted func() error
	Logger  *slog.Logger
}

// NotYet is the error of a look that came too early, as at every start. The next look comes soon, and nothing is logged.
type NotYet struct{ Why error }

// Error says why.
func (n NotYet) Error() string { return n.Why.Error() }

// Unwrap returns why.
func (n NotYet) Unwrap() error { return n.Why }

// soon is how long after a look that came too early the next one is.
const soon = 200 * time.Millisecond

// Follow looks until ctx ends. A look that fails is made again in its time.
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
			w.Logger.Error("what the day brings could not be done, it is tried again", "error", err)
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
