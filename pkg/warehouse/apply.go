package warehouse

import (
	"context"

	"golang.org/x/sync/errgroup"

	"shomei/events"
)

// unknown is the name a row of the log table carries for an event that this
// version does not know; a rebuild by a newer version names it.
const unknown = "Unknown"

// parallelInserts bounds how many tables are written at a time; the engine
// has four lanes, and readers need one.
const parallelInserts = 3

// batch is the rows of some commits, by table.
type batch struct {
	log          []Entry
	certificates certificateRows
	history      []Occurrence
	applications []Application
	cards        []CardOperation
	notices      []Notice
	deltas       deltaRows
	deadlines    []deadline
}

// newBatch makes room for commits of about one event each, most of them about
// certificates.
func newBatch(commits int) *batch {
	return &batch{
		log:          make([]Entry, 0, commits),
		certificates: certificateRows{make([]Certificate, 0, commits)},
		history:      make([]Occurrence, 0, commits),
	}
}

func (b *batch) add(c *events.Commit) {
	for i, e := range c.Events {
		s := source{commit: c, index: uint16(i), event: e, body: events.BodyOf(e), name: events.Name(e)}
		if s.body == nil {
			s.name = unknown
		}
		b.log = append(b.log, entryOf(s))
		if operation, ok := cardOperationOf(s); ok {
			b.cards = append(b.cards, operation)
		}
		if c.Kind == events.KindSubscriber {
			b.addSubscriber(s)
		}
	}
}

func (b *batch) addSubscriber(s source) {
	for _, serial := range serialsOf(s.body) {
		b.history = append(b.history, occurrenceOf(s, serial))
	}
	b.certificates.add(s)
	b.deltas.add(s)
	if a, ok := applicationOf(s); ok {
		b.applications = append(b.applications, a)
	}
	if n, ok := noticeOf(s); ok {
		b.notices = append(b.notices, n)
	}
	if d, ok := deadlineOf(s); ok {
		b.deadlines = append(b.deadlines, d)
	}
}

// Apply writes the rows of commits into the tables, and returns when they are
// on disk. Order inside an aggregate must be that of the log over all calls;
// applying a commit again changes nothing. When it fails, some tables may
// hold the rows and others not: apply the same commits again. ErrUnavailable
// says that this may help.
func (w *Warehouse) Apply(ctx context.Context, commits []*events.Commit) error {
	b := newBatch(len(commits))
	for _, c := range commits {
		b.add(c)
	}
	if err := w.completeDeltas(ctx, &b.deltas); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelInserts)
	group.Go(func() error { return insert(ctx, w, "log", b.log) })
	group.Go(func() error { return insert(ctx, w, "certificates", b.certificates.rows) })
	group.Go(func() error { return insert(ctx, w, "certificate_history", b.history) })
	group.Go(func() error { return insert(ctx, w, "applications", b.applications) })
	group.Go(func() error { return insert(ctx, w, "card_operations", b.cards) })
	group.Go(func() error { return insert(ctx, w, "notices", b.notices) })
	group.Go(func() error { return insert(ctx, w, "certificate_deltas", b.deltas.rows) })
	group.Go(func() error { return insert(ctx, w, "deadlines", b.deadlines) })
	return group.Wait()
}
