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

// Positions are the last handled sequences by stream. They hold only for the streams that exist today.
type Positions map[string]uint64

// Follower is one reader of the log.
type Follower struct {
	// Name of the follower: its position and its parked aggregates are kept under it. Valid as an id.
	Name string
	// Kinds wanted; all when empty. Where subscribers are not among them the others are not read at all, and the position,
	// which comes to a stream's end at each start, stays behind it while nothing wanted is written.
	Kinds []string
	// Batch is the most records read, and without Lanes given to Handle, at once (1,000 when zero).
	Batch int
	// Lanes, when above zero, has Handle called for up to so many aggregates at the same time, each call with records of
	// one aggregate. An aggregate that must be tried again holds up no other, until thousands wait.
	Lanes int
	// From are positions that the follower keeps itself, beside what it writes; nil has the log keep them under Name.
	From Positions
	// Unverified leaves signatures unchecked. Only for rebuilding tables that fsck checks, where 20,000 commits a second
	// and core are too few; whoever acts on a commit needs it checked.
	Unverified bool
	// Handle takes records, in order within each stream, or within each aggregate when there are Lanes. It is called by one
	// goroutine at a time (with Lanes: for each aggregate), and again with the same records until it returns nil; after a
	// crash, or when the kept position is lost, records come again, so handling a record twice must equal handling it once.
	// A *ParkError sets an aggregate aside.
	Handle func(context.Context, []Record) error
	// Handled, when set, is told how far every stream was handled, after each batch that was.
	Handled func(Positions)
	// Parked is told of each aggregate that is set aside: the record that can't be taken, whose Commit may be nil, and
	// why. Its later commits are passed over until a follower of this name that can read them starts.
	Parked func(Record, error)
}

// ParkError is how Handle says that it can't take a record, now or later, and the others shall go on.
type ParkError struct {
	Kind, ID string
	Err      error
}

func (e *ParkError) Error() string { return fmt.Sprintf("parking %s/%s: %v", e.Kind, e.ID, e.Err) }

// Unwrap gives the reason.
func (e *ParkError) Unwrap() error { return e.Err }

func (e *ParkError) of(r Record) bool { return r.Kind == e.Kind && r.ID == e.ID }

// saveEvery bounds how much is handled again after a crash. A position saved costs an fsync, so not each batch is.
const saveEvery = time.Second

// Follow reads the log until ctx ends, waiting at its end for more. It outlives restarts of the server. It returns nil
// when ctx ended, and ErrBehindMark or ErrDamaged when a stream may not be read on.
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
		log: l, follower: f, saved: saved, records: make(chan read, 2*f.Batch), slots: make(chan struct{}, max(f.Lanes, 1)),
	}
	if err := following.unpark(ctx); err != nil {
		return ended(ctx, err)
	}
	group, ctx2 := errgroup.WithContext(ctx)
	for _, s := range l.streams {
		group.Go(func() error { return l.readOn(ctx2, s, saved.Sequences[s.name], f, following.records) })
	}
	group.Go(func() error { return newLanes(following).run(ctx2) })
	err = group.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.config.PublishTimeout)
	defer cancel()
	return errors.Join(ended(ctx, err), following.save(last))
}

// ended gives nil for what the end of ctx caused.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// following is one Follow on its way.
type following struct {
	log      *Log
	follower Follower
	saved    bookmark
	unsaved  bool
	records  chan read
	slots    chan struct{} // as many as there may be calls of Handle at the same time
	warned   atomic.Int64
}

// read is a record with what was wrong about it.
type read struct {
	record Record
	skip   bool
	err    error
}

// saveOrWarn saves while there is more to come; what the end of ctx breaks off is saved once more by Follow.
func (w *following) saveOrWarn(ctx context.Context) {
	if err := w.save(ctx); err != nil && ctx.Err() == nil {
		w.log.config.Logger.Warn("position of follower is not saved, going on", "follower", w.follower.Name, "error", err)
	}
}

// arrived is what there is to take now, up to a batch, beginning with next.
func (w *following) arrived(next read) []read {
	list := append(make([]read, 0, min(w.follower.Batch, 1+len(w.records))), next)
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

func (w *following) wanted(r read) bool {
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
	w.saved.Parked[r.Kind+"/"+r.ID] = place{Stream: r.Stream, Sequence: r.Sequence, Reason: reason.Error()}
	w.unsaved = true
	w.log.metrics.parked.WithLabelValues(w.follower.Name).Set(float64(len(w.saved.Parked)))
	w.log.config.Logger.Error("follower passes over an aggregate it can't read", "follower", w.follower.Name,
		"kind", r.Kind, "id", r.ID, "stream", r.Stream, "sequence", r.Sequence, "error", reason)
	if w.follower.Parked != nil {
		w.follower.Parked(r, reason)
	}
}

// A record that could not be handled is tried again after firstWait, then less and less often.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 10 * time.Second
)

// rest waits for about that long. The error is that of ctx.
func rest(ctx context.Context, about time.Duration) error {
	return wait.For(ctx, about/2+rand.N(about/2))
}

// work calls Handle until it succeeds, or sets aside an aggregate that it was given, waiting longer each time. The error is
// that of ctx.
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

// warn writes a line at most once a second: what keeps one aggregate waiting often keeps many.
func (w *following) warn(records []Record, err error) {
	now, last := time.Now().Unix(), w.warned.Load()
	if now != last && w.warned.CompareAndSwap(last, now) {
		w.log.config.Logger.Warn("follower could not handle commits, trying again", "follower", w.follower.Name,
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

// raise lifts the high-water marks to what has come: what was seen once must never be missing.
func (w *following) raise(arrived []read) error {
	last := make(map[string]Record, 1)
	for _, r := range arrived {
		if r.record.Stored != nil { // a gap has nothing to be seen
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

// moved tells that positions have changed.
func (w *following) moved() {
	w.unsaved = true
	if w.follower.Handled != nil {
		w.follower.Handled(maps.Clone(w.saved.Sequences))
	}
}

// unpark tries again what an earlier program of this name could not read, from the commit that stopped it to where
// the others are.
func (w *following) unpark(ctx context.Context) error {
	for _, key := range slices.Sorted(maps.Keys(w.saved.Parked)) {
		at := w.saved.Parked[key]
		batch, err := w.log.between(ctx, key, at, w.saved.Sequences[at.Stream], w.follower.Unverified)
		if errors.Is(err, errStillUnreadable) {
			w.log.config.Logger.Warn("follower still passes over an aggregate", "follower", w.follower.Name, "aggregate", key, "error", err)
			continue
		}
		if err != nil {
			return err
		}
		delete(w.saved.Parked, key)
		w.unsaved = true
		for park := new(ParkError); park != nil && len(batch) > 0; {
			if park, err = w.work(ctx, batch); err != nil {
				return err
			}
			if park != nil {
				_, batch = w.setAside(batch, park)
			}
		}
	}
	w.log.metrics.parked.WithLabelValues(w.follower.Name).Set(float64(len(w.saved.Parked)))
	return nil
}
