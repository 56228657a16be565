package warehouse

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// nextSuffix marks the tables of a rebuild in progress.
const nextSuffix = "_next"

// Target receives the log during a rebuild; it writes to tables beside the live ones.
type Target struct {
	next     *Warehouse
	commits  atomic.Uint64
	progress func(commits uint64)
}

// Write is Warehouse.Write for the new tables; it also reports the progress.
func (t *Target) Write(ctx context.Context, b *Batch) error {
	commits := uint64(b.Commits())
	if err := t.next.writeRows(ctx, b); err != nil {
		return err
	}
	t.next.noteNewest(b.newest)
	b.reset()
	if done := t.commits.Add(commits); t.progress != nil {
		t.progress(done)
	}
	return nil
}

// SetPosition records a stream's position in the new tables.
func (t *Target) SetPosition(ctx context.Context, stream string, sequence uint64) error {
	return t.next.writePosition(ctx, stream, sequence)
}

// TableChange is how many rows a table had before a rebuild and has after it.
type TableChange struct {
	Table         string
	Before, After uint64
}

// Rebuild makes all tables anew from the log and swaps them in. Readers and the follower use the old tables until the
// swap; then the follower gets ErrRebuilt and continues from the positions that source recorded. source passes the
// whole log to the target, with positions; progress, if not nil, is called with the number of commits applied. If
// source fails, the live tables stay as they were, and the next rebuild starts afresh.
func (w *Warehouse) Rebuild(
	ctx context.Context,
	source func(context.Context, *Target) error,
	progress func(commits uint64),
) ([]TableChange, error) {
	next, err := w.makeNext(ctx)
	if err != nil {
		return nil, err
	}
	if err := next.Fill(ctx, source, progress); err != nil {
		return nil, fmt.Errorf("rebuilding from the log: %w", err)
	}
	changes, err := w.compare(ctx, next)
	if err != nil {
		return nil, err
	}
	if err := w.planSwap(ctx); err != nil {
		return nil, err
	}
	return changes, w.finishSwap(ctx)
}

// Fill fills empty tables with everything that source passes to the target. It takes less than Write does of each batch,
// but until it is done nothing is counted.
func (w *Warehouse) Fill(ctx context.Context, source func(context.Context, *Target) error, progress func(commits uint64)) error {
	if err := source(ctx, &Target{next: w, progress: progress}); err != nil {
		return err
	}
	if err := w.moveAll(ctx); err != nil {
		return err
	}
	return w.CloseMonths(ctx)
}

// makeNext makes empty tables beside the live ones, one generation later.
func (w *Warehouse) makeNext(ctx context.Context) (*Warehouse, error) {
	newest, err := w.newestGeneration(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.dropNext(ctx); err != nil {
		return nil, err
	}
	all, err := migrations()
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		for _, statement := range m.statements(w.config.Database, w.config.Cluster, nextSuffix) {
			if err := w.conn.Exec(ctx, statement); err != nil {
				return nil, wrap("making the tables of a rebuild ("+m.file+")", err)
			}
		}
	}
	next := &Warehouse{
		config: w.config, conn: w.conn, suffix: nextSuffix, generation: newest + 1,
		layouts: map[string][]clickhouse.ColumnNameAndType{},
	}
	return next, next.writePosition(ctx, "", 0)
}

func (w *Warehouse) dropNext(ctx context.Context) error {
	names, err := tables()
	if err != nil {
		return err
	}
	for _, table := range names {
		err := w.conn.Exec(ctx, "DROP TABLE IF EXISTS "+w.own(table+nextSuffix)+onCluster(w.config.Cluster)+" SYNC")
		if err != nil {
			return wrap("dropping the old "+table, err)
		}
	}
	return nil
}

func (w *Warehouse) compare(ctx context.Context, next *Warehouse) ([]TableChange, error) {
	names, err := tables()
	if err != nil {
		return nil, err
	}
	var changes []TableChange
	for _, table := range names {
		if table == "certificate_sums" {
			continue // has the months that happen to be closed
		}
		c := TableChange{Table: table}
		if c.Before, err = w.countRows(ctx, table); err != nil && !errors.Is(err, ErrDamaged) {
			return nil, err // damaged ones need the rebuild all the more
		}
		if c.After, err = next.countRows(ctx, table); err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func (w *Warehouse) countRows(ctx context.Context, table string) (rows uint64, err error) {
	err = w.conn.QueryRow(ctx, "SELECT count() FROM "+w.name(table)+" FINAL").Scan(&rows)
	return rows, wrap("asking ClickHouse for the rows of "+table, err)
}

// planSwap records which tables are to become live, by UUID: a swap interrupted between two tables is finished at the
// next start, and none is exchanged twice.
func (w *Warehouse) planSwap(ctx context.Context) error {
	err := w.conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+w.own("swap_plan")+onCluster(w.config.Cluster)+
		" (table String, uuid UUID) ENGINE = "+replicated(w.config.Cluster)+
		"MergeTree ORDER BY table SETTINGS fsync_after_insert = 1, fsync_part_directory = 1")
	if err != nil {
		return wrap("making the swap plan", err)
	}
	err = w.conn.Exec(ctx, "INSERT INTO "+w.own("swap_plan")+
		" SELECT substring(name, 1, length(name) - {cut:UInt8}), uuid FROM system.tables WHERE database = {db:String} AND endsWith(name, {suffix:String})",
		param("cut", len(nextSuffix)), param("db", w.config.Database), param("suffix", nextSuffix))
	if err != nil {
		return wrap("writing the swap plan", err)
	}
	return nil
}

// finishSwap exchanges the planned tables that are not live yet, then drops the plan and the old tables. Without a plan
// it does nothing. Positions go last: until then a follower of the old generation records what it applies in the old
// positions, and applies it again afterwards.
func (w *Warehouse) finishSwap(ctx context.Context) error {
	var plans uint64
	err := w.conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = {db:String} AND name = 'swap_plan'",
		param("db", w.config.Database)).Scan(&plans)
	if err != nil || plans == 0 {
		return wrap("asking ClickHouse for a swap plan", err)
	}
	type planned struct {
		Table string `ch:"table"`
	}
	waiting, err := ask[planned](ctx, w, "the swap plan", "SELECT table FROM "+w.own("swap_plan")+
		" WHERE uuid IN (SELECT uuid FROM system.tables WHERE database = {db:String} AND endsWith(name, {suffix:String})) ORDER BY table = 'positions'",
		param("db", w.config.Database), param("suffix", nextSuffix))
	if err != nil {
		return err
	}
	for _, row := range waiting {
		err := w.conn.Exec(ctx, "EXCHANGE TABLES "+w.own(row.Table)+" AND "+w.own(row.Table+nextSuffix)+onCluster(w.config.Cluster))
		if err != nil {
			return wrap("swapping in the rebuilt "+row.Table, err)
		}
	}
	if err := w.conn.Exec(ctx, "DROP TABLE "+w.own("swap_plan")+onCluster(w.config.Cluster)+" SYNC"); err != nil {
		return wrap("dropping the swap plan", err)
	}
	return w.dropNext(ctx)
}
