package eventlog

import (
	"container/list"
	"context"
	"slices"
	"time"
)

// lanes hand on the records of each aggregate by themselves, in order, and those of different aggregates at the same
// time: one that has to be tried again holds up no other. Without Follower.Lanes there is one lane, for all. The position
// of a stream is where everything before has been handled. What lies beyond it and was handled comes again after a crash,
// which does no harm: handling twice equals once.
//
// The maps belong to the goroutine that runs the follower; every stretch at work has one of its own.
type lanes struct {
	*following
	busy    map[string]*lane
	streams map[string]*progress
	open    int // records that are not handled yet
	most    int // as many may be open before no more are read
	working int // stretches
	ended   chan stretch
}

// lane is one aggregate, and what has come for it and is not at work yet.
type lane struct {
	working bool
	waiting []Record
}

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

// stretch is what one call of Handle is given, and what came of it: err is that of a ctx that ended.
type stretch struct {
	key     string
	records []Record
	park    *ParkError
	err     error
}

// mostOpen is how many records may be waiting to be handled before no more are read. Each is kept in memory.
const mostOpen = 2000

func newLanes(w *following) *lanes {
	n := &lanes{following: w, busy: make(map[string]*lane), streams: make(map[string]*progress), most: mostOpen, ended: make(chan stretch)}
	if w.follower.Lanes == 0 {
		n.most = 1 // batch by batch
	}
	return n
}

func (n *lanes) run(ctx context.Context) error {
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

// admit puts what has arrived, up to a batch, into its lanes.
func (n *lanes) admit(ctx context.Context, next read) error {
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
		p.places[p.read] = p.pending.PushBack(p.read)
		n.open++
		touched = append(touched, n.enter(r.record))
	}
	for _, key := range touched {
		n.start(ctx, key)
	}
	n.advance()
	return nil
}

// enter puts a record into its lane and returns the lane's key.
func (n *lanes) enter(r Record) (key string) {
	if n.follower.Lanes > 0 {
		key = r.Kind + "/" + r.ID
	}
	l, ok := n.busy[key]
	if !ok {
		l = new(lane)
		n.busy[key] = l
	}
	l.waiting = append(l.waiting, r)
	return key
}

func (n *lanes) stream(name string) *progress {
	p, ok := n.streams[name]
	if !ok {
		p = &progress{pending: list.New(), places: make(map[uint64]*list.Element)}
		n.streams[name] = p
	}
	return p
}

// start hands on what waits in a lane, unless something of it is at work.
func (n *lanes) start(ctx context.Context, key string) {
	l := n.busy[key]
	if l.working || ctx.Err() != nil {
		return
	}
	records := l.waiting
	l.working, l.waiting = true, nil
	n.working++
	go func() {
		park, err := n.work(ctx, records)
		n.ended <- stretch{key, records, park, err}
	}()
}

// finish passes a stretch, and goes on with what has come for its lane since, unless that is set aside.
func (n *lanes) finish(ctx context.Context, done stretch) {
	n.working--
	if done.err != nil {
		return
	}
	l := n.busy[done.key]
	l.working = false
	passed := done.records
	if done.park != nil {
		passed, l.waiting = n.setAside(slices.Concat(done.records, l.waiting), done.park)
	}
	n.pass(passed)
	if len(l.waiting) > 0 {
		n.start(ctx, done.key)
	} else {
		delete(n.busy, done.key)
	}
	n.advance()
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
func (n *lanes) advance() {
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
