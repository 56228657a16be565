package warehouse

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	driver "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/pkg/civil"
)

// TestABlockGivesBackItsRows writes blocks of rows in which any column may be absent for a while or throughout, and
// reads them back.
func TestABlockGivesBackItsRows(t *testing.T) {
	w, round := open(t), 0
	b := newBlock[Entry]("log")
	rapid.Check(t, func(rt *rapid.T) {
		round++
		id := fmt.Sprintf("round%d", round)
		rows := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) Entry { return drawEntry(rt) }), 1, 20).Draw(rt, "rows")
		for i := range rows {
			rows[i].Kind, rows[i].ID, rows[i].Revision = "subscriber", id, uint64(i+1)
			b.add(rows[i])
		}
		if err := b.insert(t.Context(), w); err != nil {
			rt.Fatal(err)
		}
		b.reset()
		stored, err := w.History(t.Context(), id, time.Time{})
		if diff := cmp.Diff(rows, stored); err != nil || diff != "" {
			rt.Fatalf("%v (-added +stored)\n%s", err, diff)
		}
	})
}

// drawEntry draws a row of which about half of the fields are absent.
func drawEntry(t *rapid.T) Entry {
	text := func(name string) string {
		return rapid.SampledFrom([]string{"", "", "x", "受付", "a'b\\c"}).Draw(t, name)
	}
	instant := func(name string) time.Time {
		if rapid.Bool().Draw(t, name) {
			return time.Time{}
		}
		return time.UnixMilli(rapid.Int64Range(1, 4_000_000_000_000).Draw(t, name+" at")).In(civil.Tokyo)
	}
	e := Entry{
		Index: uint16(rapid.IntRange(0, 3).Draw(t, "index")), Event: text("event"), Rules: []string{}, Caused: instant("caused"),
		Filed: instant("filed"), Recorded: instant("recorded"), Office: text("office"), Actor: text("actor"),
		Card: text("card"), Serials: []uint64{},
	}
	for range rapid.IntRange(0, 2).Draw(t, "rules") {
		e.Rules = append(e.Rules, text("rule"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "serials") {
		e.Serials = append(e.Serials, rapid.Uint64().Draw(t, "serial"))
	}
	return e
}

// TestWhatIsNotSentIsStoredAsAbsent: rows of only zero values, first in columns that are not sent and then beside a
// full row, must look the same in every table.
func TestWhatIsNotSentIsStoredAsAbsent(t *testing.T) {
	w := open(t)
	alone, beside := NewBatch(), NewBatch()
	addZeros(alone)
	addFull(beside)
	addZeros(beside)
	for i, rows := range alone.tables() {
		name := reflect.ValueOf(rows).Elem().FieldByName("table").String()
		var stored []string
		for _, block := range []tableRows{rows, beside.tables()[i]} {
			if err := block.insert(t.Context(), w); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lines := lines(t, w, name)
			stored = append(stored, lines[len(lines)-1])
			if err := w.conn.Exec(t.Context(), w.expand("TRUNCATE TABLE {"+name+"}")); err != nil {
				t.Fatal(err)
			}
		}
		if stored[0] != stored[1] {
			t.Errorf("%s: not sent %s, sent %s", name, stored[0], stored[1])
		}
	}
}

func addZeros(b *Batch) {
	b.log.add(Entry{Kind: "k"})
	b.certificates.add(Certificate{Kind: "k"})
	b.history.add(Occurrence{Kind: "k"})
	b.applications.add(Application{Operation: "k"})
	b.cards.add(CardOperation{Kind: "k"})
	b.notices.add(Notice{Kind: "k"})
	b.deadlines.add(deadline{Deadline: "k"})
	b.facts.add(fact{Fact: "k"})
}

// addFull adds rows in which every field is set, and which sort first.
func addFull(b *Batch) {
	b.log.add(full[Entry]())
	b.certificates.add(full[Certificate]())
	b.history.add(full[Occurrence]())
	b.applications.add(full[Application]())
	b.cards.add(full[CardOperation]())
	b.notices.add(full[Notice]())
	b.deadlines.add(full[deadline]())
	b.facts.add(full[fact]())
}

func full[R any]() (row R) {
	v := reflect.ValueOf(&row).Elem()
	for i := range v.NumField() {
		switch field := v.Field(i).Addr().Interface().(type) {
		case *string:
			*field = "full"
		case *time.Time:
			*field = handedOver
		case *Date:
			*field = Date{civil.New(2020, 6, 18)}
		case *[]string:
			*field = []string{"full"}
		case *[]uint64:
			*field = []uint64{7}
		case *bool:
			*field = true
		default:
			v.Field(i).SetUint(7)
		}
	}
	return row
}

// lines returns the rows of a table as text, those of addFull first.
func lines(t *testing.T, w *Warehouse, table string) []string {
	t.Helper()
	type line struct {
		Text string `ch:"line"`
		Full bool   `ch:"full"`
	}
	rows, err := ask[line](t.Context(), w, table,
		"SELECT toString(tuple(*)) AS line, line LIKE '%full%' AS full FROM {"+table+"} ORDER BY full DESC")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range rows {
		all = append(all, r.Text)
	}
	return all
}

// typed is a driver column with the type that a server names in the native protocol; over HTTP some columns are sent as
// plainer types.
type typed struct{ driver.Interface }

func (c typed) Append(v any) error {
	_, err := c.Interface.Append(v)
	return err
}

// TestColumnsFitTheTypesThatAServerNames stands for the native protocol, for
// which there is no server here: each column must fit the very type of its
// table, and give back what was added.
func TestColumnsFitTheTypesThatAServerNames(t *testing.T) {
	w := open(t)
	type definition struct {
		Name string `ch:"name"`
		Type string `ch:"type"`
	}
	b := NewBatch()
	addFull(b)
	addZeros(b)
	fitted := 0
	for table, columns := range namedColumns(b) {
		types, err := ask[definition](t.Context(), w, table, "SELECT name, type FROM system.columns WHERE database = {db:String} AND table = {t:String} AND default_kind != 'ALIAS'",
			param("db", w.config.Database), param("t", table))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range types {
			at := slices.IndexFunc(columns, func(c namedColumn) bool { return c.name == d.Name })
			if at < 0 {
				t.Errorf("%s.%s is filled by nothing", table, d.Name)
				continue
			}
			back, err := wired(columns[at], d.Name, d.Type)
			if err != nil || back.Rows() != 2 || reflect.DeepEqual(back.Row(0, false), back.Row(1, false)) {
				t.Errorf("%s.%s, a %s: %v", table, d.Name, d.Type, err)
			}
			fitted++
		}
	}
	if fitted < 100 {
		t.Errorf("only %d columns were looked at", fitted)
	}
}

// wired encodes and decodes the two rows of a column as a type.
func wired(c namedColumn, name, kind string) (driver.Interface, error) {
	server := &driver.ServerContext{Timezone: time.UTC}
	sent, err := driver.Type(kind).Column(name, server)
	if err != nil {
		return nil, err
	}
	back, err := driver.Type(kind).Column(name, server)
	if err != nil {
		return nil, err
	}
	if err := c.fill(typed{sent}); err != nil {
		return nil, err
	}
	var wire proto.Buffer
	if prefixed, ok := sent.(driver.CustomSerialization); ok {
		if err := prefixed.WriteStatePrefix(&wire); err != nil {
			return nil, err
		}
	}
	sent.Encode(&wire)
	reader := proto.NewReader(&wire)
	if prefixed, ok := back.(driver.CustomSerialization); ok {
		if err := prefixed.ReadStatePrefix(reader); err != nil {
			return nil, err
		}
	}
	return back, back.Decode(reader, 2)
}

func namedColumns(b *Batch) map[string][]namedColumn {
	return map[string][]namedColumn{
		"log": b.log.columns, "certificates": b.certificates.columns, "certificate_history": b.history.columns,
		"applications": b.applications.columns, "card_operations": b.cards.columns, "notices": b.notices.columns,
		"deadlines": b.deadlines.columns, "facts": b.facts.columns,
	}
}
