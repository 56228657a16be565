package eventlog

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// lanes hand on the records of each aggregate by themselves, in order, and those of different aggregates at the same
// time: one that has to be tried again holds up no other. The position of a stream is where everything before has been
// handled. What lies beyond it and was handled comes again after a crash, which does no harm: handling twice equals once.
//
// The maps belong to the goroutine that runs the follower; every stretch at work has one of its own.
type lanes struct {
	*following
	busy    map[string]*lane
	streams map[string]*progress
	open    int
	ended   chan stretch
	slots   chan struct{}
	working sync.WaitGroup
	warned  atomic.Int64
}

// lane is one aggregate with a stretch at work, and what has come for it since.
type lane struct{ waiting []Record }

// progress is how far a stream was read, and what of it is not handled yet, in order.
type progress struct {
	read    uint64
	pending *list.List // of sequences
	places  map[uint64]*list.Element
}

// handled is the sequence up to which nothing is left to do.
func (p *progress) handled() uint64 {
	if first := p.pending.Front(); first != nil {
		return first.Value.(uint64) - 1
	}
	return p.read
}

// stretch is what one call of Handle is given: records of one aggregate.
type stretch struct {
	key     string
	records []Record
	park    *ParkError
}

// mostOpen is how many records may be waiting to be handled before no more are read. Each is kept in memory.
const mostOpen = 2000

func newLanes(w *following) *lanes {
	return &lanes{
		following: w, busy: make(map[string]*lane), streams: make(map[string]*progress),
		ended: make(chan stretch), slots: make(chan struct{}, w.follower.Lanes),
	}
}

func (n *lanes) run(ctx context.Context) error {
	defer n.working.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		records := n.records
		if n.open >= mostOpen {
			records = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			n.saveOrWarn(ctx)
		case first := <-records:
			if err := n.admit(ctx, first); err != nil {
				return err
			}
		case done := <-n.ended:
			n.finish(ctx, done)
		}
	}
}

// admit puts what has arrived, up to a batch, into its lanes.
func (n *lanes) admit(ctx context.Context, next read) error {
	arrived := n.arrived(next)
	if err := n.raise(arrived); err != nil {
		return err
	}
	touched := make(map[string]*progress, 1)
	for _, r := range arrived {
		p := n.stream(r.record.Stream)
		touched[r.record.Stream] = p
		p.read = r.record.Sequence
		if !n.wanted(r) {
			continue
		}
		p.places[p.read] = p.pending.PushBack(p.read)
		n.open++
		key := r.record.Kind + "/" + r.record.ID
		if l, ok := n.busy[key]; ok {
			l.waiting = append(l.waiting, r.record)
			continue
		}
		n.busy[key] = new(lane)
		n.start(ctx, key, []Record{r.record})
	}
	n.advance(touched)
	return nil
}

func (n *lanes) stream(name string) *progress {
	p, ok := n.streams[name]
	if !ok {
		p = &progress{pending: list.New(), places: make(map[uint64]*list.Element)}
		n.streams[name] = p
	}
	return p
}

func (n *lanes) start(ctx context.Context, key string, records []Record) {
	n.working.Go(func() {
		park, err := n.work(ctx, records)
		if err != nil {
			return // ctx has ended
		}
		select {
		case n.ended <- stretch{key, records, park}:
		case <-ctx.Done():
		}
	})
}

// work calls Handle until it succeeds or sets the aggregate aside, waiting longer each time. The error is that of ctx.
func (n *lanes) work(ctx context.Context, records []Record) (*ParkError, error) {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		select {
		case n.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		err := n.follower.Handle(ctx, records)
		<-n.slots
		var park *ParkError
		switch {
		case err == nil:
			n.log.metrics.followed.WithLabelValues(n.follower.Name).Add(float64(len(records)))
			return nil, nil
		case errors.As(err, &park) && park.Kind == records[0].Kind && park.ID == records[0].ID:
			return park, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		n.warn(records[0], err)
		if err := rest(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// warn writes a line at most once a second: what keeps one aggregate waiting often keeps many.
func (n *lanes) warn(r Record, err error) {
	now, last := time.Now().Unix(), n.warned.Load()
	if now != last && n.warned.CompareAndSwap(last, now) {
		n.log.config.Logger.Warn("follower could not handle commits, trying again", "follower", n.follower.Name,
			"kind", r.Kind, "id", r.ID, "error", err)
	}
}

// finish passes a stretch, and goes on with what has come for its aggregate since, unless that is set aside.
func (n *lanes) finish(ctx context.Context, done stretch) {
	l := n.busy[done.key]
	n.pass(done.records)
	switch {
	case done.park != nil:
		n.park(done.records[0], done.park)
		n.pass(l.waiting)
		delete(n.busy, done.key)
	case len(l.waiting) > 0:
		waiting := l.waiting
		l.waiting = nil
		n.start(ctx, done.key, waiting)
	default:
		delete(n.busy, done.key)
	}
	stream := done.records[0].Stream
	n.advance(map[string]*progress{stream: n.streams[stream]})
}

func (n *lanes) pass(records []Record) {
	for _, r := range records {
		p := n.stream(r.Stream)
		p.pending.Remove(p.places[r.Sequence])
		delete(p.places, r.Sequence)
		n.open--
	}
}

// advance notes how far streams are handled, where that has changed.
func (n *lanes) advance(touched map[string]*progress) {
	changed := false
	for name, p := range touched {
		if at := p.handled(); at != n.saved.Sequences[name] {
			n.saved.Sequences[name], changed = at, true
		}
	}
	if changed {
		n.moved()
	}
}
