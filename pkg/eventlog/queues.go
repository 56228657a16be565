package eventlog

import (
	"container/list"
	"context"
	"slices"
	"time"
)

// queues hands on the records of each aggregate in order, and those of different aggregates concurrently: one that is
// being retried blocks no other. Without Follower.Lanes there is one queue, for all. A stream's position is the sequence
// up to which everything is handled. What lies beyond it and was handled comes again after a crash, which does no harm:
// handling twice equals handling once.
//
// The maps belong to the goroutine that runs the follower; every stretch has a goroutine of its own.
type queues struct {
	*following
	busy    map[string]*queue
	streams map[string]*reading
	open    int // records not handled yet
	most    int // so many may be open before reading pauses
	working int // stretches
	ended   chan stretch
}

// queue holds the records of an aggregate that wait while a stretch of it is being handled.
type queue struct {
	working bool
	waiting []Record
}

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

// stretch is the argument of one call of Handle, and its outcome: err is that of a ctx that ended.
type stretch struct {
	key     string
	records []Record
	park    *ParkError
	err     error
}

// mostOpen is how many records may await handling before reading pauses. All are kept in memory.
const mostOpen = 2000

func newQueues(w *following) *queues {
	n := &queues{following: w, busy: make(map[string]*queue), streams: make(map[string]*reading), most: mostOpen, ended: make(chan stretch)}
	if w.follower.Lanes == 0 {
		n.most = 1 // batch by batch
	}
	return n
}

func (n *queues) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		for n.working > 0 {
			n.finish(ctx, <-n.ended)
		}
	}()
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		records := n.records
		if n.open >= n.most {
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
	var touched []string
	for _, r := range arrived {
		p := n.stream(r.record.Stream)
		p.read = r.record.Sequence
		if !n.wanted(r) {
			continue
		}
		p.elements[p.read] = p.pending.PushBack(p.read)
		n.open++
		touched = append(touched, n.enter(r.record))
	}
	for _, key := range touched {
		n.start(ctx, key)
	}
	n.advance()
	return nil
}

// enter puts a record into its queue and returns the queue's key.
func (n *queues) enter(r Record) (key string) {
	if n.follower.Lanes > 0 {
		key = r.Kind + "/" + r.ID
	}
	q, ok := n.busy[key]
	if !ok {
		q = new(queue)
		n.busy[key] = q
	}
	q.waiting = append(q.waiting, r)
	return key
}

func (n *queues) stream(name string) *reading {
	p, ok := n.streams[name]
	if !ok {
		p = &reading{pending: list.New(), elements: make(map[uint64]*list.Element)}
		n.streams[name] = p
	}
	return p
}

// start hands on what waits in a queue, unless a stretch of it is being handled.
func (n *queues) start(ctx context.Context, key string) {
	q := n.busy[key]
	if q.working || ctx.Err() != nil {
		return
	}
	records := q.waiting
	q.working, q.waiting = true, nil
	n.working++
	go func() {
		park, err := n.work(ctx, records)
		n.ended <- stretch{key, records, park, err}
	}()
}

// finish completes a stretch and starts the next one of its queue, unless that is parked.
func (n *queues) finish(ctx context.Context, done stretch) {
	n.working--
	if done.err != nil {
		return
	}
	q := n.busy[done.key]
	q.working = false
	passed := done.records
	if done.park != nil {
		passed, q.waiting = n.setAside(slices.Concat(done.records, q.waiting), done.park)
	}
	n.pass(passed)
	if len(q.waiting) > 0 {
		n.start(ctx, done.key)
	} else {
		delete(n.busy, done.key)
	}
	n.advance()
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
func (n *queues) advance() {
	changed := false
	for name, p := range n.streams {
		if at := p.handled(); at != n.saved.Sequences[name] {
			n.saved.Sequences[name], changed = at, true
		}
	}
	if changed {
		n.moved()
	}
}
