package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// insert writes the rows to the table, as one block. Fields without a column are for answers only and are left out.
func (b *block[R]) insert(ctx context.Context, w *Warehouse) error {
	if b.rows == 0 {
		return nil
	}
	layout, err := w.layout(ctx, b.table)
	if err != nil {
		return err
	}
	var names []string
	var types []clickhouse.ColumnNameAndType
	var columns []namedColumn
	for _, c := range b.columns {
		at := slices.IndexFunc(layout, func(l clickhouse.ColumnNameAndType) bool { return l.Name == c.name })
		if at < 0 || c.absent() {
			continue
		}
		names, types, columns = append(names, quoteName(c.name)), append(types, layout[at]), append(columns, c)
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(types), clickhouse.WithSettings(b.settings()))
	batch, err := w.conn.PrepareBatch(ctx, "INSERT INTO "+w.name(b.table)+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return wrap(fmt.Sprintf("preparing %d rows of %s", b.rows, b.table), err)
	}
	defer batch.Close()
	for i, c := range columns {
		if err := c.fill(batch.Column(i)); err != nil {
			return fmt.Errorf("filling column %s of %s: %w", c.name, b.table, err)
		}
	}
	return wrap(fmt.Sprintf("writing %d rows of %s", b.rows, b.table), batch.Send())
}

// manyRows is the size from which merging a block costs more than opting out of it.
const manyRows = 1000

// settings returns the settings of an insert. By default the engine merges a block's rows with equal keys before
// writing it. That keeps tables of current state small; where each row is another event it finds nothing, and costs as
// much as the rest of the insert.
func (b *block[R]) settings() clickhouse.Settings {
	if b.apart && b.rows >= manyRows {
		return clickhouse.Settings{"optimize_on_insert": 0}
	}
	return nil
}

// plain maps a column's type to the one sent: the engine builds dictionaries faster than the driver does.
var plain = strings.NewReplacer("LowCardinality(String)", "String")

// layout returns the columns of a table, queried once.
func (w *Warehouse) layout(ctx context.Context, table string) ([]clickhouse.ColumnNameAndType, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known, ok := w.layouts[table]; ok {
		return known, nil
	}
	type definition struct {
		Name string `ch:"name"`
		Type string `ch:"type"`
	}
	rows, err := ask[definition](ctx, w, "the columns of "+table,
		"SELECT name, type FROM system.columns WHERE database = {db:String} AND table = {t:String} ORDER BY position",
		param("db", w.config.Database), param("t", table+w.suffix))
	if err != nil {
		return nil, err
	}
	layout := make([]clickhouse.ColumnNameAndType, len(rows))
	for i, r := range rows {
		sent := plain.Replace(r.Type)
		if inner, ok := strings.CutPrefix(sent, "SimpleAggregateFunction(max, "); ok {
			sent = strings.TrimSuffix(inner, ")")
		}
		layout[i] = clickhouse.ColumnNameAndType{Name: r.Name, Type: sent}
	}
	w.layouts[table] = layout
	return layout, nil
}
