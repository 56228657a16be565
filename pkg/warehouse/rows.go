package warehouse

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
)

// source is one event in its place: what a projection makes its rows of.
type source struct {
	commit *events.Commit
	index  uint16
	event  *events.Event
	body   events.Body
	name   string
}

// column is one column of rows to insert: a name of the table and a slice.
type column struct {
	name   string
	values any
}

// gather makes a column of one thing of each row.
func gather[R, T any](name string, rows []R, get func(*R) T) column {
	values := make([]T, len(rows))
	for i := range rows {
		values[i] = get(&rows[i])
	}
	return column{name, values}
}

// insert writes columns of equal length n into a table, as one block.
func (w *Warehouse) insert(ctx context.Context, table string, n int, columns []column) error {
	if n == 0 {
		return nil
	}
	layout, err := w.layout(ctx, table)
	if err != nil {
		return err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quoteName(c.name)
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(pick(layout, columns)))
	batch, err := w.conn.PrepareBatch(ctx, "INSERT INTO "+w.name(table)+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return wrap(fmt.Sprintf("preparing %d rows of %s", n, table), err)
	}
	defer batch.Close()
	for i, c := range columns {
		if err := batch.Column(i).Append(c.values); err != nil {
			return fmt.Errorf("filling column %s of %s: %w", c.name, table, err)
		}
	}
	return wrap(fmt.Sprintf("writing %d rows of %s", n, table), batch.Send())
}

func pick(layout []clickhouse.ColumnNameAndType, columns []column) []clickhouse.ColumnNameAndType {
	picked := make([]clickhouse.ColumnNameAndType, 0, len(columns))
	for _, c := range columns {
		for _, l := range layout {
			if l.Name == c.name {
				picked = append(picked, l)
			}
		}
	}
	return picked
}

// plain is a column's type as rows are sent: the engine turns strings into
// dictionaries faster than the driver does.
var plain = strings.NewReplacer("LowCardinality(String)", "String")

// layout returns the columns of a table, asked for once.
func (w *Warehouse) layout(ctx context.Context, table string) ([]clickhouse.ColumnNameAndType, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known, ok := w.layouts[table]; ok {
		return known, nil
	}
	var rows []struct {
		Name string `ch:"name"`
		Type string `ch:"type"`
	}
	err := w.query(ctx, &rows, "the columns of "+table, "SELECT name, type FROM system.columns WHERE database = {db:String} AND table = {t:String} ORDER BY position",
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

// noDay is how an absent date stands in a table.
var noDay = time.Unix(0, 0).UTC()

// day reads an ISO 8601 date of an event; absent or malformed is noDay, since
// a projection records what the log holds and judges nothing.
func day(s string) time.Time {
	if len(s) != len(time.DateOnly) {
		return noDay
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return noDay
	}
	return t
}

var words = wordsOf((*events.Event)(nil).ProtoReflect().Descriptor().ParentFile(),
	events.CertificateKind(0).Descriptor().ParentFile())

// wordsOf collects the words of all enumerations of the files.
func wordsOf(files ...protoreflect.FileDescriptor) map[protoreflect.FullName]map[protoreflect.EnumNumber]string {
	all := map[protoreflect.FullName]map[protoreflect.EnumNumber]string{}
	for _, file := range files {
		for i := range file.Enums().Len() {
			enum := file.Enums().Get(i)
			of := map[protoreflect.EnumNumber]string{}
			prefix := strings.TrimSuffix(string(enum.Values().ByNumber(0).Name()), "UNSPECIFIED")
			for j := range enum.Values().Len() {
				value := enum.Values().Get(j)
				word := strings.TrimPrefix(string(value.Name()), prefix)
				of[value.Number()] = strings.ReplaceAll(strings.ToLower(word), "_", "-")
			}
			of[0] = ""
			all[enum.FullName()] = of
		}
	}
	return all
}

// word is an enumeration's value as events.JSON shows it; absent is "".
func word(e protoreflect.Enum) string {
	return words[e.Descriptor().FullName()][e.Number()]
}

// reasonWord is a revocation reason in the words of RFC 5280 5.3.1, in lower
// case with hyphens.
func reasonWord(r events.RevocationReason) string {
	return strings.TrimPrefix(word(r), "crl-")
}
