package warehouse

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/crashpoint"
)

var crashMoving = crashpoint.Register("warehouse.moving")

// unknown is the log table's name for an event that this version does not know; a rebuild by a newer version names it.
const unknown = "Unknown"

// parallelInserts bounds how many tables are written at a time; the engine runs four statements, and readers need one.
const parallelInserts = 3

// Read is a commit as the tables need it.
type Read struct {
	Commit *events.Commit
	// Municipality is where the subscriber lives after the commit, by the state that it carries; empty for any other aggregate, and
	// where the state does not say.
	Municipality string
	// State is the subscriber's encoded state after the commit; nil for any other aggregate.
	State []byte
}

// state decodes the state; an unreadable one, which fsck names, says nothing.
func (r Read) state() *events.SubscriberState {
	s := &events.SubscriberState{}
	if err := proto.Unmarshal(r.State, s); err != nil {
		return &events.SubscriberState{}
	}
	return s
}

// Batch holds the rows that some commits add to the tables. It keeps nothing of the commits themselves, and can be
// reused after Write. It is not safe for concurrent use.
type Batch struct {
	commits      int
	newest       time.Time // recorded of them
	log          *block[Entry]
	certificates *certificateRows
	history      *block[Occurrence]
	applications *block[Application]
	cards        *block[CardOperation]
	notices      *block[Notice]
	deadlines    *block[deadline]
	facts        factRows
}

// NewBatch returns an empty batch.
func NewBatch() *Batch {
	return &Batch{
		log:          eventBlock[Entry]("log"),
		certificates: newCertificateRows(),
		history:      eventBlock[Occurrence]("certificate_history"),
		applications: newBlock[Application]("applications"),
		cards:        eventBlock[CardOperation]("card_operations"),
		notices:      newBlock[Notice]("notices"),
		deadlines:    newBlock[deadline]("deadlines"),
		facts:        factRows{eventBlock[fact]("facts")},
	}
}

// Commits returns how many commits have been added.
func (b *Batch) Commits() int { return b.commits }

// Add adds the rows of a commit. Within an aggregate commits must be added in log order, across all batches.
func (b *Batch) Add(r Read) {
	b.commits++
	c := r.Commit
	state := sync.OnceValue(r.state)
	for i, e := range c.Events {
		s := source{commit: c, index: uint16(i), event: e, body: events.BodyOf(e), name: events.Name(e), state: state}
		if s.body == nil {
			s.name = unknown
		}
		s.municipality = placeOf(r, s.body)
		if at := instant(e.RecordedMs); at.After(b.newest) {
			b.newest = at
		}
		b.log.add(entryOf(s))
		if operation, ok := cardOperationOf(s); ok {
			b.cards.add(operation)
			if c.Kind == events.KindSubscriber {
				b.facts.card(s, operation)
			}
		}
		switch c.Kind {
		case events.KindSubscriber:
			b.addSubscriber(s)
		case events.KindAuthority:
			b.certificates.addFound(s)
		}
	}
}

func (b *Batch) addSubscriber(s source) {
	for _, serial := range serialsOf(s.body) {
		b.history.add(occurrenceOf(s, serial))
	}
	b.certificates.addOf(s)
	b.facts.certificates(s)
	if a, ok := applicationOf(s); ok {
		b.applications.add(a)
		b.facts.application(s, a)
	}
	if n, ok := noticeOf(s); ok {
		b.notices.add(n)
		b.facts.notice(s, n)
	}
	if d, ok := deadlineOf(s); ok {
		b.deadlines.add(d)
	}
}

// tableRows holds the rows of one table, of whatever type.
type tableRows interface {
	insert(ctx context.Context, w *Warehouse) error
	reset()
}

func (b *Batch) tables() []tableRows {
	return []tableRows{
		b.log, b.certificates.block, b.history, b.applications, b.cards, b.notices, b.deadlines, b.facts.block,
	}
}

func (b *Batch) reset() {
	b.commits, b.newest = 0, time.Time{}
	for _, t := range b.tables() {
		t.reset()
	}
	b.certificates.forget()
}

// Write writes a batch to the tables, returns once it is on disk, and empties the batch. Writing the same rows again
// changes nothing. If it fails, some tables may hold the rows and others not, and the batch is unchanged: write it
// again. ErrUnavailable means that this may help.
func (w *Warehouse) Write(ctx context.Context, b *Batch) error {
	if err := w.writeRows(ctx, b); err != nil {
		return err
	}
	moved := b.certificates
	if len(moved.serials) > 0 {
		if err := w.openMonths(ctx, firstOf(moved.earliest)); err != nil {
			return err
		}
		crashMoving.Hit()
		if err := w.move(ctx, slices.Collect(maps.Keys(moved.serials))); err != nil {
			return err
		}
	}
	w.noteNewest(b.newest)
	b.reset()
	return nil
}

// writeRows writes the rows that the events alone make.
func (w *Warehouse) writeRows(ctx context.Context, b *Batch) error {
	group, together := errgroup.WithContext(ctx)
	group.SetLimit(parallelInserts)
	for _, t := range b.tables() {
		group.Go(func() error { return t.insert(together, w) })
	}
	return group.Wait()
}

// noteNewest remembers the month of the newest event written.
func (w *Warehouse) noteNewest(at time.Time) {
	if at.IsZero() {
		return
	}
	month := firstOf(at)
	w.mu.Lock()
	defer w.mu.Unlock()
	if month.After(w.newest) {
		w.newest = month
	}
}

// Apply writes the rows of commits to the tables, like Write.
func (w *Warehouse) Apply(ctx context.Context, commits []Read) error {
	b := NewBatch()
	for _, c := range commits {
		b.Add(c)
	}
	return w.Write(ctx, b)
}
