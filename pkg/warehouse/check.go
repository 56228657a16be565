package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Row is one row of a table as a check compares it: values as text, empty if absent (empty, zero, false, the epoch).
type Row struct {
	Table string
	// Key holds the values of the sorting key, separated by slashes.
	Key string
	// Owner is the id of the aggregate that the row comes from.
	Owner string
	// Columns are the names of the other columns, Values their values.
	Columns, Values []string
}

// tableColumn is a column as system.columns describes it.
type tableColumn struct {
	Name  string `ch:"name"`
	Type  string `ch:"type"`
	InKey uint8  `ch:"is_in_sorting_key"`
}

// EachRow calls each with every row of every table that follows the log, except the positions and the sums of closed
// months (see WrongSums), and stops at its first error. Rows that the engine has yet to merge count as one if they are equal or add up to one row; a table with a row
// for each event yields different rows of one key separately. The error is ErrDamaged if a table is missing or
// unreadable.
func (w *Warehouse) EachRow(ctx context.Context, each func(Row) error) error {
	names, err := tables()
	if err != nil {
		return err
	}
	for _, table := range names {
		if table == "positions" || table == "certificate_sums" {
			continue
		}
		if err := w.eachRowOf(ctx, table, each); err != nil {
			w.reportDamage(err)
			return err
		}
	}
	return nil
}

func (w *Warehouse) eachRowOf(ctx context.Context, table string, each func(Row) error) error {
	columns, key, err := w.describe(ctx, table)
	if err != nil {
		return err
	}
	what := "asking ClickHouse for all rows of " + table
	rows, err := w.conn.Query(ctx, rowsOf(w.name(table), columns, key))
	if err != nil {
		return wrap(what, err)
	}
	defer rows.Close()
	row := Row{Table: table}
	for _, c := range columns {
		if c.InKey == 0 {
			row.Columns = append(row.Columns, c.Name)
		}
	}
	var before Row
	for rows.Next() {
		if err := rows.Scan(&row.Key, &row.Owner, &row.Values); err != nil {
			return wrap(what, err)
		}
		if row.Key == before.Key && slices.Equal(row.Values, before.Values) {
			continue // applied twice and not merged yet
		}
		before = row
		if err := each(row); err != nil {
			return err
		}
	}
	return wrap(what, rows.Err())
}

// describe returns a table's columns, by name, and its sorting key. The error is ErrDamaged if it is missing.
func (w *Warehouse) describe(ctx context.Context, table string) (columns []tableColumn, key []string, err error) {
	of := []any{param("db", w.config.Database), param("t", table+w.suffix)}
	columns, err = ask[tableColumn](ctx, w, "the columns of "+table,
		"SELECT name, type, is_in_sorting_key FROM system.columns WHERE database = {db:String} AND table = {t:String} AND default_kind != 'ALIAS' ORDER BY name", of...)
	if err != nil {
		return nil, nil, err
	}
	if len(columns) == 0 {
		return nil, nil, fmt.Errorf("the table %s is missing: %w", table, ErrDamaged)
	}
	var sorting string
	err = w.conn.QueryRow(ctx, "SELECT sorting_key FROM system.tables WHERE database = {db:String} AND name = {t:String}", of...).Scan(&sorting)
	for column := range strings.SplitSeq(sorting, ",") {
		key = append(key, strings.Trim(column, " `"))
	}
	return columns, key, wrap("asking ClickHouse for the order of "+table, err)
}

// rowsOf returns the query for the rows of a table: key, owner and the other values, in order of the key.
func rowsOf(name string, columns []tableColumn, key []string) string {
	var values, keyed, order []string
	owner := "subscriber"
	for _, c := range columns {
		if c.Name == "id" {
			owner = "id"
		}
		if c.InKey == 0 {
			values = append(values, c.text())
		}
	}
	for _, c := range key {
		keyed, order = append(keyed, "toString("+quoteName(c)+")"), append(order, quoteName(c))
	}
	merged := " FINAL"
	if slices.Contains(key, "index") {
		merged = "" // a row for each event: two different rows under one key are a fault, whichever FINAL would show
	}
	return "SELECT arrayStringConcat([" + strings.Join(keyed, ", ") + "], '/') AS row_key, toString(" + owner + ") AS row_owner, [" +
		strings.Join(values, ", ") + "] AS row_values FROM " + name + merged + " ORDER BY " + strings.Join(order, ", ") + ", row_values"
}

// text returns the expression for a column's value as text.
func (c tableColumn) text() string {
	name := quoteName(c.Name)
	switch {
	case strings.Contains(c.Type, "groupUniqArrayArray"): // a set: its order means nothing
		return "arrayStringConcat(arrayMap(x -> toString(x), arraySort(" + name + ")), ' ')"
	case strings.Contains(c.Type, "Array("):
		return "arrayStringConcat(arrayMap(x -> toString(x), " + name + "), ' ')"
	case strings.Contains(c.Type, "String"):
		return "toString(" + name + ")"
	case strings.Contains(c.Type, "DateTime64"):
		return "if(toUnixTimestamp64Milli(" + name + ") = 0, '', toString(" + name + "))"
	case strings.Contains(c.Type, "Date32"):
		return "if(" + name + " = toDate32('1970-01-01'), '', toString(" + name + "))"
	case strings.Contains(c.Type, "Bool"):
		return "if(" + name + ", 'true', '')"
	default:
		return "if(" + name + " = 0, '', toString(" + name + "))"
	}
}
