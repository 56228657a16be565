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
	log          logRows
	certificates certificateRows
	history      historyRows
	applications applicationRows
	cards        cardRows
	notices      noticeRows
	deltas       deltaRows
	deadlines    deadlineRows
}

func (b *batch) add(c *events.Commit) {
	for i, e := range c.Events {
		s := source{commit: c, index: uint16(i), event: e, body: events.BodyOf(e), name: events.Name(e)}
		if s.body == nil {
			s.name = unknown
		}
		b.log.add(s)
		if c.Kind != events.KindSubscriber {
			b.cards.add(s)
			continue
		}
		b.history.add(s)
		b.certificates.add(s)
		b.applications.add(s)
		b.cards.add(s)
		b.notices.add(s)
		b.deltas.add(s)
		b.deadlines.add(s)
	}
}

// filled is the rows of one table.
type filled struct {
	name    string
	rows    int
	columns func() []column
}

func (b *batch) tables() []filled {
	return []filled{
		{"log", len(b.log.rows), b.log.columns},
		{"certificates", len(b.certificates.rows), b.certificates.columns},
		{"certificate_history", len(b.history.rows), b.history.columns},
		{"applications", len(b.applications.rows), b.applications.columns},
		{"card_operations", len(b.cards.rows), b.cards.columns},
		{"notices", len(b.notices.rows), b.notices.columns},
		{"certificate_deltas", len(b.deltas.rows), b.deltas.columns},
		{"deadlines", len(b.deadlines.rows), b.deadlines.columns},
	}
}

// Apply writes the rows of commits into the tables, and returns when they are
// on disk. Order inside an aggregate must be that of the log over all calls;
// applying a commit again changes nothing. When it fails, some tables may
// hold the rows and others not: apply the same commits again. ErrUnavailable
// says that this may help.
func (w *Warehouse) Apply(ctx context.Context, commits []*events.Commit) error {
	var b batch
	b.log.rows = make([]source, 0, len(commits)*2)
	for _, c := range commits {
		b.add(c)
	}
	if err := w.completeDeltas(ctx, &b.deltas); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelInserts)
	for _, t := range b.tables() {
		if t.rows > 0 {
			group.Go(func() error { return w.insert(ctx, t.name, t.rows, t.columns()) })
		}
	}
	return group.Wait()
}
