package eventlog

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// queues hands on the records of each aggregate in order, and those of different aggregates concurrently: one that is
// being retried blocks no other. A stream's position is the sequence up to which everything is handled. What lies
// beyond it and was handled comes again after a crash, which does no harm: handling twice equals handling once.
//
// The maps belong to the goroutine that runs the follower; every stretch has a goroutine of its own.
type queues struct {
	*following
	busy    map[string]*queue
	streams map[string]*reading
	open    int
	ended   chan stretch
	slots   chan struct{}
	working sync.WaitGroup
	warned  atomic.Int64
}

// queue holds the records that have arrived for an aggregate while a stretch of it is being handled.
type queue struct{ waiting []Record }

// reading is how far a stream was read, and which sequences are not handled yet, in order.
type reading struct {
	read     uint64
	pending  *list.List // of sequences
	elements map[uint64]*list.Element
}

// handled returns the sequence up to which everything is handled.
func (p *reading) handled() uint64 {
	if first := p.pending.Front(); first != nil {
		return first.Value.(uint64) - 1
	}
	return p.read
}

// stretch is the argument of one call of Handle: records of one aggregate.
type stretch struct {
	key     string
	records []Record
	park    *ParkError
}

// mostOpen is how many records may await handling before reading pauses. All are kept in memory.
const mostOpen = 2000

func newQueues(w *following) *queues {
	return &queues{
		following: w, busy: make(map[string]*queue), streams: make(map[string]*reading),
		ended: make(chan stretch), slots: make(chan struct{}, w.follower.Lanes),
	}
}

func (n *queues) run(ctx context.Context) error {
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

// admit queues what has arrived, up to a batch.
func (n *queues) admit(ctx context.Context, next item) error {
	arrived := n.arrived(next)
	if err := n.raise(arrived); err != nil {
		return err
	}
	touched := make(map[string]*reading, 1)
	for _, r := range arrived {
		p := n.stream(r.record.Stream)
		touched[r.record.Stream] = p
		p.read = r.record.Sequence
		if !n.wanted(r) {
			continue
		}
		p.elements[p.read] = p.pending.PushBack(p.read)
		n.open++
		key := r.record.Kind + "/" + r.record.ID
		if l, ok := n.busy[key]; ok {
			l.waiting = append(l.waiting, r.record)
			continue
		}
		n.busy[key] = new(queue)
		n.start(ctx, key, []Record{r.record})
	}
	n.advance(touched)
	return nil
}

func (n *queues) stream(name string) *reading {
	p, ok := n.streams[name]
	if !ok {
		p = &reading{pending: list.New(), elements: make(map[uint64]*list.Element)}
		n.streams[name] = p
	}
	return p
}

func (n *queues) start(ctx context.Context, key string, records []Record) {
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

// work calls Handle until it succeeds or parks the aggregate, waiting longer each time. It returns the error of ctx.
func (n *queues) work(ctx context.Context, records []Record) (*ParkError, error) {
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

// warn logs at most once a second: what blocks one aggregate often blocks many.
func (n *queues) warn(r Record, err error) {
	now, last := time.Now().Unix(), n.warned.Load()
	if now != last && n.warned.CompareAndSwap(last, now) {
		n.log.config.Logger.Warn("follower could not handle commits, retrying", "follower", n.follower.Name,
			"kind", r.Kind, "id", r.ID, "error", err)
	}
}

// finish completes a stretch and starts the next one of its aggregate, unless that is parked.
func (n *queues) finish(ctx context.Context, done stretch) {
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
	n.advance(map[string]*reading{stream: n.streams[stream]})
}

func (n *queues) pass(records []Record) {
	for _, r := range records {
		p := n.stream(r.Stream)
		p.pending.Remove(p.elements[r.Sequence])
		delete(p.elements, r.Sequence)
		n.open--
	}
}

// advance records the positions that have changed.
func (n *queues) advance(touched map[string]*reading) {
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
