package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
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
	following := &following{log: l, follower: f, saved: saved, records: make(chan read, 2*f.Batch)}
	if err := following.unpark(ctx); err != nil {
		return ended(ctx, err)
	}
	group, ctx2 := errgroup.WithContext(ctx)
	for _, s := range l.streams {
		group.Go(func() error { return l.readOn(ctx2, s, saved.Sequences[s.name], f, following.records) })
	}
	run := following.run
	if f.Lanes > 0 {
		run = newLanes(following).run
	}
	group.Go(func() error { return run(ctx2) })
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
}

// read is a record with what was wrong about it.
type read struct {
	record Record
	skip   bool
	err    error
}

func (w *following) run(ctx context.Context) error {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			w.saveOrWarn(ctx)
		case first := <-w.records:
			if err := w.take(ctx, first); err != nil {
				return err
			}
		}
	}
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

// take handles what has arrived, up to a batch.
func (w *following) take(ctx context.Context, next read) error {
	arrived := w.arrived(next)
	if err := w.raise(arrived); err != nil {
		return err
	}
	batch := make([]Record, 0, len(arrived))
	for _, r := range arrived {
		if w.wanted(r) {
			batch = append(batch, r.record)
		}
	}
	if err := w.handle(ctx, batch); err != nil {
		return err
	}
	for _, r := range arrived {
		w.saved.Sequences[r.record.Stream] = r.record.Sequence
	}
	w.moved()
	return nil
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

// handle calls Handle until it succeeds, waiting longer each time.
func (w *following) handle(ctx context.Context, batch []Record) error {
	for wait := firstWait; len(batch) > 0; wait = min(2*wait, longestWait) {
		err := w.follower.Handle(ctx, batch)
		if err == nil {
			w.log.metrics.followed.WithLabelValues(w.follower.Name).Add(float64(len(batch)))
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var park *ParkError
		if errors.As(err, &park) {
			batch = w.setAside(batch, park)
			wait = firstWait
			continue
		}
		w.log.config.Logger.Warn("follower could not handle commits, trying again", "follower", w.follower.Name, "records", len(batch), "error", err)
		if err := rest(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

func (w *following) setAside(batch []Record, park *ParkError) []Record {
	of := func(r Record) bool { return r.Kind == park.Kind && r.ID == park.ID }
	if i := slices.IndexFunc(batch, of); i >= 0 {
		w.park(batch[i], park)
	} else {
		w.log.config.Logger.Error("follower parks an aggregate that it was not given", "follower", w.follower.Name, "kind", park.Kind, "id", park.ID)
	}
	return slices.DeleteFunc(slices.Clone(batch), of)
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
		if err := w.handle(ctx, batch); err != nil {
			return err
		}
	}
	w.log.metrics.parked.WithLabelValues(w.follower.Name).Set(float64(len(w.saved.Parked)))
	return nil
}
