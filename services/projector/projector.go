// Package projector applies the log to the tables of the warehouse, and does nothing else: no mail, no command. It
// keeps its position with the tables, so after a crash it continues where they are; applying a commit twice changes
// nothing. It also rebuilds the tables beside the live ones.
package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"shomei/events"
	"shomei/pkg/crashpoint"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/warehouse"
)

// Config configures a Projector; all fields without a remark are required.
type Config struct {
	Log       *eventlog.Log
	Warehouse *warehouse.Warehouse
	Logger    *slog.Logger
	// Clock is compared with the time at which the server stored a commit; nil: the system clock.
	Clock func() time.Time
	// Every is the pause between two looks at how old the tables are; 0: 10 s.
	Every time.Duration
}

// Projector keeps the tables up to date.
type Projector struct {
	Config
	mu      sync.Mutex
	applied eventlog.Positions
	changed chan struct{}
	// wanted holds a token if somebody waits for the tables.
	wanted chan struct{}
}

// New returns a Projector; Run starts it.
func New(c Config) *Projector {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Every == 0 {
		c.Every = 10 * time.Second
	}
	return &Projector{Config: c, changed: make(chan struct{}), wanted: make(chan struct{}, 1)}
}

// batch is how many commits are applied at once: an insert costs the same for one row and for thousands.
const batch = 20000

// retry is the pause before unavailable tables are tried again.
const retry = time.Second

var (
	crashApplied    = crashpoint.Register("projector.applied")
	crashPositioned = crashpoint.Register("projector.positioned")
)

// Run follows the log until ctx ends. While ClickHouse is unavailable it waits; after a swap it continues from the
// positions of the new tables. It returns warehouse.ErrDamaged if only new tables help, or the error that prevents
// reading the log.
func (p *Projector) Run(ctx context.Context) error {
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { p.watchAge(watch) })
	defer watching.Wait()
	defer stop()
	for ctx.Err() == nil {
		err := p.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, warehouse.ErrRebuilt):
			continue
		case errors.Is(err, errPositions) && !errors.Is(err, warehouse.ErrDamaged):
			p.Logger.Warn("ClickHouse unavailable, retrying; commits wait in the log", "error", err)
			wait(ctx, retry, nil)
		default:
			return err
		}
	}
	return nil
}

// errPositions: the positions of the tables can't be read.
var errPositions = errors.New("asking how far the tables are")

// Forget makes the projector read the positions of the tables again before it reports any, for tables that were
// replaced while it wasn't running.
func (p *Projector) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = nil
}

// Fit compares the tables with the log as far as that costs nothing: no position is beyond the log, and the newest
// applied commit is the same in both. The error is warehouse.ErrDamaged if they differ, as after restoring an older
// copy of the log.
func (p *Projector) Fit(ctx context.Context) error {
	at, err := p.Warehouse.LookAtPositions(ctx)
	if err != nil {
		return err
	}
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return err
	}
	for stream, sequence := range at {
		if end, known := ends[stream]; !known || sequence > end {
			return fmt.Errorf("they stand at %d of stream %s, which ends at %d: %w", sequence, stream, end, warehouse.ErrDamaged)
		}
	}
	for stream, sequence := range at {
		if err := p.fit(ctx, stream, sequence, ends); err != nil {
			return err
		}
	}
	return nil
}

var errEnough = errors.New("read enough")

// fit checks that the tables hold the commit at a position.
func (p *Projector) fit(ctx context.Context, stream string, sequence uint64, ends eventlog.Positions) error {
	if sequence == 0 {
		return nil
	}
	after := maps.Clone(ends)
	after[stream] = sequence - 1
	var last *events.Commit
	err := p.Log.Scan(ctx, after, nil, func(r eventlog.Record, _ error) error {
		last = r.Commit
		return errEnough
	})
	if !errors.Is(err, errEnough) || last == nil || len(last.Events) == 0 {
		return nil // an unreadable commit is in no table; judging the log is not for us
	}
	held, err := p.Warehouse.Holds(ctx, last)
	if err == nil && !held {
		err = fmt.Errorf("revision %d of %s/%s, the last one applied of stream %s, is missing or another: %w",
			last.Revision, last.Kind, last.Id, stream, warehouse.ErrDamaged)
	}
	return err
}

// wait waits until the time has passed, wake fires, or ctx ends.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// follow applies commits from the tables' position until something stops it.
func (p *Projector) follow(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	from, err := p.Warehouse.Positions(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errPositions, err)
	}
	p.reached(from)
	var next time.Time
	err = p.Log.Follow(ctx, eventlog.Follower{
		Name: "projector", From: from, Batch: batch, Unverified: true,
		Handle: func(ctx context.Context, records []eventlog.Record) error {
			if left := time.Until(next); left > 0 {
				wait(ctx, left, p.wanted)
			}
			err := p.apply(ctx, records)
			next = time.Time{}
			if len(records) < smallBatch {
				next = time.Now().Add(betweenSmall)
			}
			if errors.Is(err, warehouse.ErrRebuilt) || errors.Is(err, warehouse.ErrDamaged) {
				stop(err) // continuing would write to tables that are gone, or never succeed
			}
			return err
		},
		Handled: p.reached,
		Parked: func(r eventlog.Record, err error) {
			p.Logger.Error("an aggregate is missing from the tables; inspect it with shomei log", "kind", r.Kind, "id", r.ID, "error", err)
		},
	})
	if cause := context.Cause(ctx); errors.Is(cause, warehouse.ErrRebuilt) || errors.Is(cause, warehouse.ErrDamaged) {
		return cause
	}
	return err
}

// apply writes a batch to the tables and then, for each stream, its new position.
func (p *Projector) apply(ctx context.Context, records []eventlog.Record) error {
	commits := make([]warehouse.Read, len(records))
	ends := make(map[string]uint64)
	for i, r := range records {
		commits[i] = Read(r)
		ends[r.Stream] = r.Sequence
	}
	if err := p.Warehouse.Apply(ctx, commits); err != nil {
		return err
	}
	crashApplied.Hit()
	for stream, sequence := range ends {
		if err := p.Warehouse.SetPosition(ctx, stream, sequence); err != nil {
			return err
		}
	}
	crashPositioned.Hit()
	if len(records) >= smallBatch {
		return nil // old events may follow
	}
	return p.Warehouse.CloseMonths(ctx)
}

// Read returns a record as the tables need it.
func Read(r eventlog.Record) warehouse.Read {
	in := warehouse.Read{Commit: r.Commit}
	if r.Kind != events.KindSubscriber {
		return in
	}
	if _, state, err := r.State(); err == nil { // otherwise it says nothing, and fsck names it
		in.Municipality, in.State = lifecycle.MunicipalityOf(state), state
	}
	return in
}

// Small batches are kept betweenSmall apart: an insert costs the same for one row and for thousands, about ten synced
// files a table, and deciding needs cores and disk, too (2026-11-23: complete acts went from 44 % of their floor to 55
// %). So the tables are at most a second behind the log, and whoever waits for them ends the pause.
const (
	smallBatch   = 1000
	betweenSmall = time.Second
)

// want ends the pause between small batches, this one or the next.
func (p *Projector) want() {
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

func (p *Projector) reached(at eventlog.Positions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = maps.Clone(at)
	close(p.changed)
	p.changed = make(chan struct{})
}

// Applied returns the positions that the tables are known to have reached.
func (p *Projector) Applied() eventlog.Positions {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.applied)
}

// CaughtUp waits until the tables show everything that the log held when it was called.
func (p *Projector) CaughtUp(ctx context.Context) error {
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return err
	}
	for {
		p.mu.Lock()
		behind, changed := lag(p.applied, ends), p.changed
		p.mu.Unlock()
		if behind == 0 {
			return nil
		}
		p.want()
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the tables, %d commits behind: %w", behind, ctx.Err())
		case <-changed:
		}
	}
}

func lag(at, ends eventlog.Positions) uint64 {
	var behind uint64
	for stream, end := range ends {
		if at[stream] < end {
			behind += end - at[stream]
		}
	}
	return behind
}

// Lag returns how many commits the tables are behind the log.
func (p *Projector) Lag(ctx context.Context) (uint64, error) {
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return 0, err
	}
	return lag(p.Applied(), ends), nil
}

// Rebuild makes the tables anew from the whole log, beside the live ones, and swaps them in. progress is called with
// the number of commits applied.
func (p *Projector) Rebuild(ctx context.Context, progress func(uint64)) ([]warehouse.TableChange, error) {
	return p.Warehouse.Rebuild(ctx, p.replay, progress)
}

// replayed is how many commits a rebuild applies at once; nobody waits for one of them.
const replayed = 50000

// replay applies the whole log. There are two batches: while one is written to the tables, the other is filled.
func (p *Projector) replay(ctx context.Context, t *warehouse.Target) error {
	group, together := errgroup.WithContext(ctx)
	empty, full := make(chan *warehouse.Batch, 2), make(chan *warehouse.Batch, 2)
	empty <- warehouse.NewBatch()
	empty <- warehouse.NewBatch()
	ends := make(map[string]uint64)
	group.Go(func() error {
		defer close(full)
		return p.read(together, ends, empty, full)
	})
	group.Go(func() error {
		for batch := range full {
			if err := t.Write(together, batch); err != nil {
				return err
			}
			empty <- batch
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for stream, sequence := range ends {
		if err := t.SetPosition(ctx, stream, sequence); err != nil {
			return err
		}
	}
	return nil
}

// read makes batches of the whole log, and records where each stream ended.
func (p *Projector) read(ctx context.Context, ends map[string]uint64, empty <-chan *warehouse.Batch, full chan<- *warehouse.Batch) error {
	batch := <-empty
	err := p.Log.Scan(ctx, nil, nil, func(r eventlog.Record, err error) error {
		ends[r.Stream] = r.Sequence
		if err != nil {
			p.Logger.Error("an aggregate is missing from the tables; inspect it with shomei log", "kind", r.Kind, "id", r.ID, "error", err)
			return nil
		}
		if batch.Add(Read(r)); batch.Commits() < replayed {
			return nil
		}
		full <- batch
		select {
		case batch = <-empty:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	full <- batch
	return nil
}
