package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"shomei/events"
	"shomei/pkg/wait"
)

// Positions maps streams to their last handled sequence. They hold only for the streams that exist today.
type Positions map[string]uint64

// Follower describes one reader of the log.
type Follower struct {
	// Name identifies its position and its parked aggregates. Valid as an id.
	Name string
	// Kinds are the kinds wanted; empty: all. Without subscribers among them, other kinds are not read at all, and the
	// position, which reaches a stream's end at each start, lags behind while nothing wanted is written.
	Kinds []string
	// Batch is the most records read at once and, without Lanes, passed to Handle (0: 1,000).
	Batch int
	// Lanes, if above zero, is for how many aggregates Handle may run concurrently, each call with records of one
	// aggregate. An aggregate being retried blocks no other until thousands wait.
	Lanes int
	// From are positions that the follower keeps itself, with what it writes; nil: the log keeps them under Name.
	From Positions
	// Unverified skips checking signatures. Only for rebuilding tables that fsck checks, where 20,000 commits a second
	// and core are too few; whoever acts on a commit must verify it.
	Unverified bool
	// Handle handles records, in order within each stream or, with Lanes, within each aggregate. Calls don't overlap
	// (with Lanes: for the same aggregate). The same records come again until it returns nil, and may come again after
	// a crash or a lost position, so handling a record twice must equal handling it once. A *ParkError parks an
	// aggregate.
	Handle func(context.Context, []Record) error
	// Handled, if set, is called with the positions of all streams after each batch that advanced them.
	Handled func(Positions)
	// Parked is called for each aggregate that is parked, with the record that can't be handled (its Commit may be nil)
	// and why. Later commits of the aggregate are skipped until a follower of this name starts that can handle them.
	Parked func(Record, error)
}

// ParkError is returned by Handle for a record that it can't handle now or later, and that must not hold up others.
type ParkError struct {
	Kind, ID string
	Err      error
}

func (e *ParkError) Error() string { return fmt.Sprintf("parking %s/%s: %v", e.Kind, e.ID, e.Err) }

// Unwrap returns the reason.
func (e *ParkError) Unwrap() error { return e.Err }

func (e *ParkError) of(r Record) bool { return r.Kind == e.Kind && r.ID == e.ID }

// saveEvery bounds how much is handled again after a crash. Saving costs an fsync, so not every batch is saved.
const saveEvery = time.Second

// Follow reads the log until ctx ends, waiting for more at its end, and across restarts of the server. It returns nil
// once ctx has ended, or ErrBehindMark or ErrDamaged if a stream must not be read on.
func (l *Log) Follow(ctx context.Context, f Follower) error {
	if !events.ValidID(f.Name) || f.Handle == nil {
		return fmt.Errorf("a follower needs a name and Handle: %w", ErrConfig)
	}
	setDefault(&f.Batch, 1000)
	saved, err := l.restore(ctx, f)
	if err != nil {
		return ended(ctx, fmt.Errorf("restoring the position of %s: %w", f.Name, err))
	}
	following := &following{
		log: l, follower: f, saved: saved, records: make(chan item, 2*f.Batch), slots: make(chan struct{}, max(f.Lanes, 1)),
	}
	if err := following.unpark(ctx); err != nil {
		return ended(ctx, err)
	}
	group, ctx2 := errgroup.WithContext(ctx)
	for _, s := range l.streams {
		group.Go(func() error { return l.readOn(ctx2, s, saved.Sequences[s.name], f, following.records) })
	}
	group.Go(func() error { return newQueues(following).run(ctx2) })
	err = group.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.config.PublishTimeout)
	defer cancel()
	return errors.Join(ended(ctx, err), following.save(last))
}

// ended returns nil for an error that the end of ctx caused.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// following is the state of one Follow.
type following struct {
	log      *Log
	follower Follower
	saved    bookmark
	unsaved  bool
	records  chan item
	slots    chan struct{} // as many as there may be calls of Handle at the same time
	warned   atomic.Int64
}

// item is a record, or the error that prevented reading it.
type item struct {
	record Record
	skip   bool
	err    error
}

// saveOrWarn saves the position. Follow saves once more if ctx ends meanwhile.
func (w *following) saveOrWarn(ctx context.Context) {
	if err := w.save(ctx); err != nil && ctx.Err() == nil {
		w.log.config.Logger.Warn("could not save a follower's position, continuing", "follower", w.follower.Name, "error", err)
	}
}

// arrived returns what is available, up to a batch, beginning with next.
func (w *following) arrived(next item) []item {
	list := append(make([]item, 0, min(w.follower.Batch, 1+len(w.records))), next)
	for len(list) < w.follower.Batch {
		select {
		case next = <-w.records:
			list = append(list, next)
		default:
			return list
		}
	}
	return list
}

func (w *following) wanted(r item) bool {
	if r.skip {
		return false
	}
	if _, parked := w.saved.Parked[r.record.Kind+"/"+r.record.ID]; parked {
		return false
	}
	if r.err != nil {
		w.park(r.record, r.err)
		return false
	}
	return true
}

func (w *following) park(r Record, reason error) {
	w.saved.Parked[r.Kind+"/"+r.ID] = stuck{Stream: r.Stream, Sequence: r.Sequence, Reason: reason.Error()}
	w.unsaved = true
	w.tellParked()
	w.log.config.Logger.Error("follower skips an aggregate it can't read", "follower", w.follower.Name,
		"kind", r.Kind, "id", r.ID, "stream", r.Stream, "sequence", r.Sequence, "error", reason)
	if w.follower.Parked != nil {
		w.follower.Parked(r, reason)
	}
}

// Failing records are retried after firstWait, then less and less often.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 10 * time.Second
)

// rest waits for about that long, or returns the error of ctx.
func rest(ctx context.Context, about time.Duration) error {
	return wait.For(ctx, about/2+rand.N(about/2))
}

// work calls Handle until it succeeds or parks an aggregate, waiting longer each time. It returns the error of ctx.
func (w *following) work(ctx context.Context, records []Record) (*ParkError, error) {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		err := w.follower.Handle(ctx, records)
		<-w.slots
		var park *ParkError
		switch {
		case err == nil:
			w.log.metrics.followed.WithLabelValues(w.follower.Name).Add(float64(len(records)))
			return nil, nil
		case errors.As(err, &park) && slices.ContainsFunc(records, park.of):
			return park, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		w.warn(records, err)
		if err := rest(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// warn logs at most once a second: what blocks one aggregate often blocks many.
func (w *following) warn(records []Record, err error) {
	now, last := time.Now().Unix(), w.warned.Load()
	if now != last && w.warned.CompareAndSwap(last, now) {
		w.log.config.Logger.Warn("follower could not handle commits, retrying", "follower", w.follower.Name,
			"records", len(records), "kind", records[0].Kind, "id", records[0].ID, "error", err)
	}
}

// setAside parks an aggregate at the first of its records, and returns its records and the others.
func (w *following) setAside(records []Record, park *ParkError) (aside, others []Record) {
	for _, r := range records {
		if park.of(r) {
			aside = append(aside, r)
		} else {
			others = append(others, r)
		}
	}
	w.park(aside[0], park)
	return aside, others
}

// raise raises the high-water marks to what has arrived: what was seen once must never be missing.
func (w *following) raise(arrived []item) error {
	last := make(map[string]Record, 1)
	for _, r := range arrived {
		if r.record.Stored != nil { // nothing was seen at a gap
			last[r.record.Stream] = r.record
		}
	}
	for _, s := range w.log.streams {
		r, ok := last[s.name]
		if seen, _ := s.mark.get(); !ok || r.Sequence <= seen {
			continue
		}
		if err := s.mark.advance(r.Sequence, events.Hash(r.Stored)); err != nil {
			return err
		}
	}
	return nil
}

// moved calls Handled with the new positions.
func (w *following) moved() {
	w.unsaved = true
	if w.follower.Handled != nil {
		w.follower.Handled(maps.Clone(w.saved.Sequences))
	}
}

// unpark retries the aggregates that an earlier program of this name could not read, from the commit that stopped it to
// the current position.
func (w *following) unpark(ctx context.Context) error {
	for _, key := range slices.Sorted(maps.Keys(w.saved.Parked)) {
		at := w.saved.Parked[key]
		batch, err := w.log.between(ctx, key, at, w.saved.Sequences[at.Stream], w.follower.Unverified)
		if errors.Is(err, errStillUnreadable) {
			w.log.config.Logger.Warn("follower still skips an aggregate", "follower", w.follower.Name, "aggregate", key, "error", err)
			continue
		}
		if err != nil {
			return err
		}
		delete(w.saved.Parked, key)
		w.unsaved = true
		for len(batch) > 0 {
			park, err := w.work(ctx, batch)
			if err != nil {
				return err
			}
			if park == nil {
				break
			}
			_, batch = w.setAside(batch, park)
		}
	}
	w.tellParked()
	return nil
}

// tellParked makes known what the follower skips, to Skipped and the metrics.
func (w *following) tellParked() {
	skipped := make([]string, 0, len(w.saved.Parked))
	for _, key := range slices.Sorted(maps.Keys(w.saved.Parked)) {
		skipped = append(skipped, key+" ("+w.saved.Parked[key].Reason+")")
	}
	w.log.skipped.Store(w.follower.Name, skipped)
	w.log.metrics.parked.WithLabelValues(w.follower.Name).Set(float64(len(skipped)))
}

// Skipped returns, for each follower that runs or has run in this process, the aggregates that it skips, with the reasons.
func (l *Log) Skipped() map[string][]string {
	all := make(map[string][]string)
	l.skipped.Range(func(name, skipped any) bool {
		all[name.(string)] = skipped.([]string)
		return true
	})
	return all
}
