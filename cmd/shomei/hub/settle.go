package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"shomei/pkg/eventlog"
	"shomei/pkg/wait"
	"shomei/pkg/warehouse"
)

// followers are those whose work can lead to another commit.
var followers = []string{"issuer", "dispatcher", "notifier", "eraser"}

// lookEvery is the time between two looks at what is waited for.
const lookEvery = 20 * time.Millisecond

// Settle waits until every follower has handled all the log holds and the tables show it.
func (p *Parts) Settle(ctx context.Context) error {
	if err := p.Follow(ctx); err != nil {
		return err
	}
	if err := wait.Until(ctx, lookEvery, func() (bool, error) { return p.shown(ctx) }); err != nil {
		return fmt.Errorf("waiting for the tables: %w", err)
	}
	return nil
}

// Follow waits until every follower has handled all the log holds, and the counters have what is meant for them. Tables
// lead to nothing by themselves, and aren't waited for.
func (p *Parts) Follow(ctx context.Context) error {
	if err := wait.Until(ctx, lookEvery, func() (bool, error) { return p.quiet(ctx) }); err != nil {
		return fmt.Errorf("waiting for the followers: %w", err)
	}
	return nil
}

func (p *Parts) quiet(ctx context.Context) (bool, error) {
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return false, err
	}
	if followed, err := p.followed(ctx, followers...); err != nil || !followed {
		return false, err
	}
	if drained, err := p.Links.Drained(ctx); err != nil || !drained {
		return false, err
	}
	after, err := p.Log.LastSequences(ctx)
	return maps.Equal(ends, after), err
}

func (p *Parts) shown(ctx context.Context) (bool, error) {
	if err := p.Projector.CaughtUp(ctx); err != nil {
		return false, err
	}
	return !errors.As(p.tables.state(), new(warehouse.Rebuilding)), nil // these hold all by now, and are about to answer
}

// followed reports whether followers have handled all that the log holds.
func (p *Parts) followed(ctx context.Context, names ...string) (bool, error) {
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		at, err := p.handledBy(ctx, name)
		if err != nil || !reached(at, ends) {
			return false, err
		}
	}
	return true, nil
}

// progress is how far each follower has come since the start.
type progress struct {
	mu      sync.Mutex
	handled map[string]eventlog.Positions
}

func (p *progress) note(follower string) func(eventlog.Positions) {
	return func(at eventlog.Positions) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.handled == nil {
			p.handled = make(map[string]eventlog.Positions)
		}
		p.handled[follower] = at
	}
}

// handledBy is how far a follower has come: what it said since the start, else what it had saved before.
func (p *Parts) handledBy(ctx context.Context, follower string) (eventlog.Positions, error) {
	p.progress.mu.Lock()
	at, ok := p.progress.handled[follower]
	p.progress.mu.Unlock()
	if ok {
		return at, nil
	}
	return p.Log.Positions(ctx, follower)
}

func reached(at, ends eventlog.Positions) bool {
	for stream, end := range ends {
		if at[stream] < end {
			return false
		}
	}
	return true
}
