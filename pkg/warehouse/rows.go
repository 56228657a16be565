package warehouse

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	"shomei/events"
	"shomei/pkg/civil"
)

// source is one event in its place: what a projection makes its rows of.
type source struct {
	commit *events.Commit
	index  uint16
	event  *events.Event
	body   events.Body
	name   string
}

// Date is a civil day of a table; zero when absent.
type Date struct{ civil.Date }

// Scan reads a day as the driver gives it.
func (d *Date) Scan(value any) error {
	t, ok := value.(time.Time)
	if !ok {
		return fmt.Errorf("reading a day: %T is no date", value)
	}
	if d.Date = (civil.Date{}); t.Unix() != 0 {
		d.Date = civil.Date{Year: t.Year(), Month: t.Month(), Day: t.Day()}
	}
	return nil
}

// day reads an ISO 8601 date of an event; absent or malformed is zero, since
// a projection records what the log holds and judges nothing.
func day(s string) Date {
	d, err := civil.Parse(s)
	if err != nil {
		return Date{}
	}
	return Date{d}
}

// instant reads an instant of an event, in milliseconds; zero is absent.
func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// epoch is how absent instants and days stand in a table.
var epoch = time.Unix(0, 0).UTC()

// column is one column of rows to insert: a name of the table and a slice.
type column struct {
	name   string
	values any
}

// columnsOf turns rows, structs with ch tags, into columns.
func columnsOf[R any](rows []R) []column {
	kind, values := reflect.TypeFor[R](), reflect.ValueOf(rows)
	columns := make([]column, 0, kind.NumField())
	for i := range kind.NumField() {
		field := kind.Field(i)
		var cells any
		switch field.Type {
		case reflect.TypeFor[time.Time]():
			cells = timesOf(values, i, func(t *time.Time) time.Time { return *t })
		case reflect.TypeFor[Date]():
			cells = timesOf(values, i, func(d *Date) time.Time {
				if d.IsZero() {
					return epoch
				}
				return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
			})
		default:
			slice := reflect.MakeSlice(reflect.SliceOf(field.Type), len(rows), len(rows))
			for row := range rows {
				slice.Index(row).Set(values.Index(row).Field(i))
			}
			cells = slice.Interface()
		}
		columns = append(columns, column{field.Tag.Get("ch"), cells})
	}
	return columns
}

// timesOf takes one field of all rows as instants.
func timesOf[T any](rows reflect.Value, field int, get func(*T) time.Time) []time.Time {
	times := make([]time.Time, rows.Len())
	for i := range times {
		if times[i] = get(rows.Index(i).Field(field).Addr().Interface().(*T)); times[i].IsZero() {
			times[i] = epoch
		}
	}
	return times
}

// clearAbsent makes those instants of rows zero that stand for "absent".
func clearAbsent[R any](rows []R) {
	kind, values := reflect.TypeFor[R](), reflect.ValueOf(rows)
	for i := range kind.NumField() {
		if kind.Field(i).Type != reflect.TypeFor[time.Time]() {
			continue
		}
		for row := range rows {
			if t := values.Index(row).Field(i).Addr().Interface().(*time.Time); t.UnixMilli() == 0 {
				*t = time.Time{}
			}
		}
	}
}

// insert writes rows into a table, as one block. Fields that the table lacks
// are answers only and are left out.
func insert[R any](ctx context.Context, w *Warehouse, table string, rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	layout, err := w.layout(ctx, table)
	if err != nil {
		return err
	}
	var names []string
	var types []clickhouse.ColumnNameAndType
	var columns []column
	for _, c := range columnsOf(rows) {
		if at := slices.IndexFunc(layout, func(l clickhouse.ColumnNameAndType) bool { return l.Name == c.name }); at >= 0 {
			names, types, columns = append(names, quoteName(c.name)), append(types, layout[at]), append(columns, c)
		}
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(types))
	batch, err := w.conn.PrepareBatch(ctx, "INSERT INTO "+w.name(table)+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return wrap(fmt.Sprintf("preparing %d rows of %s", len(rows), table), err)
	}
	defer batch.Close()
	for i, c := range columns {
		if err := batch.Column(i).Append(c.values); err != nil {
			return fmt.Errorf("filling column %s of %s: %w", c.name, table, err)
		}
	}
	return wrap(fmt.Sprintf("writing %d rows of %s", len(rows), table), batch.Send())
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
