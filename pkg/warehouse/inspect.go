package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Inspect finds what ClickHouse lost or left out when it started. The error is ErrDamaged if something is wrong.
func (w *Warehouse) Inspect(ctx context.Context) error {
	if err := w.findBrokenParts(ctx); err != nil {
		return err
	}
	return w.findLostParts(ctx)
}

// compareWithNew creates empty tables in another database, and compares ClickHouse's description of both.
func (w *Warehouse) compareWithNew(ctx context.Context) error {
	probe := w.config.Database + "_probe"
	drop := func() error {
		return wrap("dropping "+probe, w.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quoteName(probe)+" SYNC"))
	}
	if err := drop(); err != nil {
		return err
	}
	ddl, err := DDL(probe, "")
	if err != nil {
		return err
	}
	for _, statement := range ddl {
		if err := w.conn.Exec(ctx, statement); err != nil {
			return wrap("making "+probe, err)
		}
	}
	want, err := w.shapes(ctx, probe)
	if err != nil {
		return err
	}
	is, err := w.shapes(ctx, w.config.Database)
	if err != nil {
		return err
	}
	for table, shape := range want {
		if is[table] == "" {
			return fmt.Errorf("the table %s is missing: %w", table, ErrDamaged)
		}
		if is[table] != shape {
			return fmt.Errorf("the table %s differs from the one this program makes: %w", table, ErrDamaged)
		}
	}
	return drop()
}

// shapes describes each table of a database: engine, order and columns.
func (w *Warehouse) shapes(ctx context.Context, database string) (map[string]string, error) {
	type shape struct {
		Table   string `ch:"table"`
		Engine  string `ch:"engine_full"`
		Columns string `ch:"columns"`
	}
	rows, err := ask[shape](ctx, w, "how tables are made", `
		SELECT t.name AS table, t.engine_full AS engine_full, c.columns AS columns FROM system.tables AS t
		LEFT JOIN (SELECT table, arrayStringConcat(arraySort(groupArray(concat(name, ' ', type, ' ', default_expression))), ', ') AS columns
			FROM system.columns WHERE database = {db:String} GROUP BY table) AS c ON c.table = t.name
		WHERE t.database = {db:String}`, param("db", database))
	shapes := make(map[string]string, len(rows))
	for _, r := range rows {
		shapes[r.Table] = r.Engine + "; " + r.Columns
	}
	return shapes, err
}

type part struct {
	Table string `ch:"table"`
	Name  string `ch:"name"`
	From  int64  `ch:"from"`
	To    int64  `ch:"to"`
}

// findBrokenParts finds parts that ClickHouse could not read at its start and detached.
func (w *Warehouse) findBrokenParts(ctx context.Context) error {
	broken, err := ask[part](ctx, w, "broken parts", `
		SELECT table, name, toInt64(0) AS from, toInt64(0) AS to FROM system.detached_parts
		WHERE database = {db:String} AND startsWith(reason, 'broken')`, param("db", w.config.Database))
	if err == nil && len(broken) > 0 {
		err = fmt.Errorf("a part of the table %s can't be read (%s): %w", broken[0].Table, broken[0].Name, ErrDamaged)
	}
	return err
}

// findLostParts finds gaps between the parts of a table: each insert makes a part with the next number, and merges join
// neighbours. A failed insert can leave a gap, too; rebuilding the tables for that costs time and loses nothing.
func (w *Warehouse) findLostParts(ctx context.Context) error {
	parts, err := ask[part](ctx, w, "parts", `
		SELECT table, name, min_block_number AS from, max_block_number AS to FROM system.parts
		WHERE database = {db:String} AND active ORDER BY table, from`, param("db", w.config.Database))
	if err != nil {
		return err
	}
	names, err := tables()
	if err != nil {
		return err
	}
	var before part
	for _, p := range parts {
		if p.Table != before.Table {
			before = part{Table: p.Table}
		}
		if slices.Contains(names, p.Table) && p.From > before.To+1 {
			return fmt.Errorf("parts %d to %d of the table %s are missing: %w", before.To+1, p.From-1, p.Table, ErrDamaged)
		}
		before = p
	}
	return nil
}

// Verify compares every table with one that this program makes, then checks every file of them against its checksum: it
// takes as long as reading all of them. The error is ErrDamaged if something differs.
func (w *Warehouse) Verify(ctx context.Context) error {
	names, err := tables()
	if err != nil {
		return err
	}
	if w.config.Cluster == "" {
		if err := w.compareWithNew(ctx); err != nil {
			return err
		}
	}
	for _, table := range names {
		if err := w.verify(ctx, table); err != nil {
			return err
		}
	}
	return nil
}

func (w *Warehouse) verify(ctx context.Context, table string) error {
	type checked struct {
		Part    string `ch:"part_path"`
		Passed  bool   `ch:"is_passed"`
		Message string `ch:"message"`
	}
	rows, err := ask[checked](ctx, w, "the checksums of "+table, "CHECK TABLE {"+table+"} SETTINGS check_query_single_value_result = 0")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if !r.Passed {
			return fmt.Errorf("the table %s differs from its checksums (part %s: %s): %w",
				table, r.Part, strings.TrimSpace(r.Message), ErrDamaged)
		}
	}
	return nil
}
