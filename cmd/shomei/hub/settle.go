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
	"shomei/services/ra"
)

// followers lists the rows whose work can lead to another commit.
var followers = []string{"issuer", "dispatcher", "notifier", "eraser", ra.Joiner}

// lookEvery is the time between two looks at what is waited for.
const lookEvery = 20 * time.Millisecond

// Settle waits until every follower has handled the whole log and the tables show it.
func (p *Parts) Settle(ctx context.Context) error {
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
	if err := p.Projector.CaughtUp(ctx); err != nil {
		return false, err
	}
	if errors.As(p.tables.state(), new(warehouse.Rebuilding)) {
		return false, nil // they have handled everything and are about to say so
	}
	after, err := p.Log.LastSequences(ctx)
	return maps.Equal(ends, after), err
}

// followed reports whether the named followers have handled the whole log.
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

// positions holds how far each follower has come since the start.
type positions struct {
	mu      sync.Mutex
	handled map[string]eventlog.Positions
}

func (p *positions) note(follower string) func(eventlog.Positions) {
	return func(at eventlog.Positions) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.handled == nil {
			p.handled = make(map[string]eventlog.Positions)
		}
		p.handled[follower] = at
	}
}

// handledBy returns how far a follower has come: what it reported since the start, else what it had saved before.
func (p *Parts) handledBy(ctx context.Context, follower string) (eventlog.Positions, error) {
	p.positions.mu.Lock()
	at, ok := p.positions.handled[follower]
	p.positions.mu.Unlock()
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
