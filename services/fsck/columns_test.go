package fsck_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/warehouse/enginetest"
	"shomei/services/fsck"
)

// unchecked lists the columns that fsck does not compare, and why.
var unchecked = map[string]string{
	"table_files.applied": "when a table file was applied: nothing reads it, and the log does not know it",
}

// sums is the table of closed months: without rows, none is closed, which is no fault; with each row twice, all is wrong.
const sums = "certificate_sums"

// Every table and column of the engine is spoiled, one of each table at a time, and fsck must name the table and the
// key: a new table or column without a check fails here.
func TestFsckComparesEveryColumn(t *testing.T) {
	w := newWorldAt(t, time.Date(2024, 5, 31, 14, 50, 0, 0, time.UTC)) // ten minutes before the end of a month, which is closed then
	w.fillEveryTable()
	w.quiet("before")
	tables := w.columnsOfTables()
	for _, table := range tables {
		table.keep()
	}
	for _, round := range rounds(tables) {
		for _, s := range round {
			s.do()
		}
		report := w.fsck()
		for _, s := range round {
			w.findsIn(report, s)
			s.table.restore()
		}
	}
	w.quiet("all restored")
	for _, table := range tables {
		if table.name != sums {
			w.sql("INSERT INTO DB." + table.name + " SELECT * FROM DB.kept_" + table.name)
		}
	}
	w.quiet("the same rows again")
}

// rounds groups spoilings that can be done together, one of each table, because fsck compares tables one by one.
// Emptied tables get a round alone, and so do the positions, by which fsck knows what the tables should have.
func rounds(tables []*tableUnderTest) (all [][]spoiling) {
	var together [][]spoiling
	for _, table := range tables {
		for i, s := range table.spoilings() {
			switch {
			case i == 0 || table.name == "positions":
				all = append(all, []spoiling{s})
			case i > len(together):
				together = append(together, []spoiling{s})
			default:
				together[i-1] = append(together[i-1], s)
			}
		}
	}
	return append(all, together...)
}

// fillEveryTable adds events that fill every table and column.
func (w *world) fillEveryTable() {
	w.t.Helper()
	const id = "gamma"
	kinds := []events.CertificateKind{sign, auth}
	w.update(events.KindCard, "CARD-1", &events.CardClaimed{Subscriber: id, Kind: events.CardKind_CARD_KIND_MYNUMBER})
	w.update(
		events.KindSubscriber, id,
		&events.InquiryLetterDue{Procedure: "p30", Letter: "l1", Operation: events.Operation_OPERATION_ISSUE, Channel: events.Channel_CHANNEL_SELF, Kinds: kinds, Municipality: "12237"},
		&events.InquiryLetterMailed{Procedure: "p30", Letter: "l1"},
	)
	w.update(
		events.KindSubscriber, id,
		&events.ApplicationAccepted{
			Procedure: "p30", Operation: events.Operation_OPERATION_ISSUE, Channel: events.Channel_CHANNEL_SELF, Kinds: kinds, Municipality: "12237",
			Regime: events.Regime_REGIME_MYNUMBER, Card: "CARD-1", Fee: []*events.FeeItem{{RuleId: "r", Yen: 200}},
		},
		&events.CardAssigned{Card: "CARD-1", Kind: events.CardKind_CARD_KIND_MYNUMBER, LastDay: "2034-06-03"},
		&events.KeysRecorded{Procedure: "p30", Card: "CARD-1"},
	)
	w.update(
		events.KindSubscriber, id,
		&events.CardWriteFailed{Procedure: "p30", Card: "CARD-1", Stage: "write", Reason: "torn"},
		&events.FeeCollected{Procedure: "p30", Yen: 200},
		&events.ApplicationWithdrawn{Procedure: "p30"},
		&events.CardVoided{Card: "CARD-1", Cause: "broken"},
		&events.ApplicationRefused{Procedure: "p31", Operation: events.Operation_OPERATION_RENEW, Refusals: []string{"office.closed.saturday"}, Municipality: "12237"},
		&events.DeadlineSet{Kind: events.DeadlineKind(1), LastDay: "2024-09-01"},
		&events.ResidentRecordChanged{Change: events.RecordChange_RECORD_CHANGE_NAME, Municipality: "12237"},
	)
	w.update(events.KindSubscriber, id, &events.NoticeDue{Notice: "n9", Kind: events.NoticeKind(1), Serials: []uint64{30}, LastDay: "2029-06-03"}, &events.NoticeFailed{Notice: "n9", Medium: "mail", Code: "address"})
	w.update(events.KindSubscriber, id, &events.NoticeDue{Notice: "n8", Kind: events.NoticeKind(1)}, &events.NoticeSuppressed{Notice: "n8", Reason: "moved"})
	w.onAPhone(id)
	other := authorized(40, auth)
	other.Replaces = 15
	w.update(events.KindSubscriber, "delta", other, &events.IssueAbandoned{Serial: 40, Kind: auth, Authority: "sign", Cause: "gone"})
	w.update(events.KindSubscriber, "delta", authorized(41, auth))
	w.update(events.KindSubscriber, "delta", issued(41, auth))
	w.update(events.KindSubscriber, "delta", &events.CertificateExpired{Serial: 41, Kind: auth, LastDay: "2029-06-03"})
	w.update(events.KindSubscriber, "delta", authorized(42, sign))
	w.update(events.KindSubscriber, "delta", issued(42, sign))
	w.update(events.KindSubscriber, "delta", &events.CertificateDiscarded{Serial: 42, Kind: sign, Authority: "sign", Cause: "broken"})
	w.named = append(w.named,
		ca.Revocation{Serial: 40, RevokedAt: w.now.Add(-6 * time.Minute)}, ca.Revocation{Serial: 42, RevokedAt: w.now})
	w.publish(w.named...)
}

// onAPhone suspends and releases a certificate on a smartphone.
func (w *world) onAPhone(id string) {
	w.t.Helper()
	w.update(events.KindSubscriber, id, authorized(30, sign))
	w.update(events.KindSubscriber, id, issued(30, sign))
	w.update(events.KindSubscriber, id, onPhone(31, sign, 30)...)
	on := issued(31, sign)
	on.Device, on.Parent, on.Procedure = "android-1", 30, "phone-1"
	w.update(events.KindSubscriber, id, on)
	w.update(events.KindSubscriber, id, &events.CertificateSuspended{Serial: 31, Kind: sign, Authority: "sign", Device: "android-1", Cause: "lost"})
	w.update(events.KindSubscriber, id, &events.CertificateReleased{Serial: 31, Kind: sign, Authority: "sign", Device: "android-1", Cause: "found"})
}

func (w *world) quiet(when string) {
	w.t.Helper()
	if report := w.fsck(); len(report.Findings) > 0 {
		w.t.Fatalf("%s: %v", when, report.Findings)
	}
}

// findsIn fails the test unless there is a finding about the spoiled row.
func (w *world) findsIn(report *fsck.Report, s spoiling) {
	w.t.Helper()
	for _, f := range report.Findings {
		if strings.HasPrefix(f.Where, "tables, "+s.table.name+" ") && strings.Contains(f.Where, s.key) {
			return
		}
	}
	w.t.Errorf("%s: fsck does not name %s %s: %v", s.what, s.table.name, s.key, report.Findings)
}

// tableUnderTest is a table with its columns, as in system.columns.
type tableUnderTest struct {
	*world
	name    string
	key     []string
	columns [][2]string // name and type
}

// spoiling is one way to damage a table; key is the row that must be named.
type spoiling struct {
	table     *tableUnderTest
	what, key string
	do        func()
}

func (w *world) columnsOfTables() (list []*tableUnderTest) {
	w.t.Helper()
	for _, row := range w.query("SELECT c.table, c.name, c.type, t.sorting_key FROM system.columns AS c JOIN system.tables AS t ON t.database = c.database AND t.name = c.table WHERE c.default_kind != 'ALIAS' AND c.database = '" + w.name + "' ORDER BY c.table, c.position") {
		at := slices.IndexFunc(list, func(t *tableUnderTest) bool { return t.name == row[0] })
		if at < 0 {
			at = len(list)
			list = append(list, &tableUnderTest{world: w, name: row[0], key: strings.Split(strings.ReplaceAll(row[3], " ", ""), ",")})
		}
		list[at].columns = append(list[at].columns, [2]string{row[1], row[2]})
	}
	if len(list) < 10 {
		w.t.Fatalf("only %d tables", len(list))
	}
	return list
}

// keep makes a copy of the table to restore it from.
func (t *tableUnderTest) keep() {
	t.t.Helper()
	if t.query("SELECT count() FROM DB." + t.name)[0][0] == "0" {
		t.t.Fatalf("the table %s is empty: this test proves nothing about it; add events to fillEveryTable", t.name)
	}
	t.sql("CREATE TABLE DB.kept_" + t.name + " AS DB." + t.name)
	t.sql("INSERT INTO DB.kept_" + t.name + " SELECT * FROM DB." + t.name + t.final())
	for _, c := range t.columns {
		filled := t.query("SELECT count() FROM DB.kept_" + t.name + " WHERE toString(" + c[0] + ") != toString(defaultValueOfTypeName('" + strings.ReplaceAll(c[1], "'", `\'`) + "'))")
		if filled[0][0] == "0" && t.name+"."+c[0] != "positions.generation" {
			t.t.Errorf("the column %s.%s is empty: add events to fillEveryTable", t.name, c[0])
		}
	}
}

func (t *tableUnderTest) final() string {
	if t.name == sums {
		return ""
	}
	return " FINAL"
}

func (t *tableUnderTest) restore() {
	t.t.Helper()
	t.sql("TRUNCATE TABLE DB." + t.name)
	t.sql("INSERT INTO DB." + t.name + " SELECT * FROM DB.kept_" + t.name)
}

// spoilings returns ways to damage a table: empty it, remove a row, add an unknown row, or change each column of one
// row.
func (t *tableUnderTest) spoilings() []spoiling {
	one := "tuple(" + strings.Join(t.key, ", ") + ") = (SELECT " + "max(tuple(" + strings.Join(t.key, ", ") + ")) FROM DB.kept_" + t.name + ")"
	key := t.query("SELECT arrayStringConcat([toString(" + strings.Join(t.key, "), toString(") + ")], '/') FROM DB.kept_" + t.name + " WHERE " + one)[0][0]
	if t.name == "positions" {
		key = strings.SplitN(key, "/", 2)[1] // the stream; all have the same generation
	}
	emptied := spoiling{t, t.name + " truncated", "", func() { t.sql("TRUNCATE TABLE DB." + t.name) }}
	if t.name == sums {
		emptied = spoiling{t, t.name + " doubled", "", func() { t.sql("INSERT INTO DB." + t.name + " SELECT * FROM DB.kept_" + t.name) }}
	}
	all := []spoiling{
		emptied,
		{t, "a row of " + t.name + " deleted", key, func() { t.replace("* FROM DB.kept_" + t.name + " WHERE NOT " + one) }},
	}
	for _, c := range t.columns {
		column, changed := "`"+c[0]+"`", change("`"+c[0]+"`", c[1])
		if unchecked[t.name+"."+c[0]] != "" {
			continue
		}
		key := key
		if t.name+"."+c[0] == "positions.generation" {
			key = "" // others are taken for those of older tables
		}
		all = append(all, spoiling{t, t.name + "." + c[0] + " changed", key, func() {
			t.replace("* REPLACE(if(" + one + ", " + changed + ", " + column + ") AS " + column + ") FROM DB.kept_" + t.name)
		}})
		if slices.Contains(t.key, c[0]) && t.name != "positions" { // a second row beside the first
			all = append(all, spoiling{t, "a row of " + t.name + " copied to another " + c[0], "", func() {
				t.sql("INSERT INTO DB." + t.name + " SELECT * REPLACE(" + changed + " AS " + column + ") FROM (SELECT * FROM DB.kept_" + t.name + " WHERE " + one + ")")
			}})
		}
	}
	return all
}

func (t *tableUnderTest) replace(selected string) {
	t.sql("TRUNCATE TABLE DB." + t.name)
	t.sql("INSERT INTO DB." + t.name + " SELECT " + selected)
}

// change returns an expression for another value of a column's type.
func change(column, kind string) string {
	switch {
	case strings.Contains(kind, "Array(LowCardinality") || strings.Contains(kind, "Array(String"):
		return "arrayPushBack(" + column + ", 'x')"
	case strings.Contains(kind, "Array("):
		return "arrayPushBack(" + column + ", 7)"
	case strings.Contains(kind, "String"):
		return "concat(" + column + ", 'x')"
	case strings.Contains(kind, "DateTime64"):
		return column + " + INTERVAL 1 SECOND"
	case strings.Contains(kind, "Date32"):
		return column + " + 1"
	case strings.Contains(kind, "Bool"):
		return "NOT " + column
	default:
		return "CAST(" + column + " + 1 AS " + strings.TrimSuffix(strings.TrimPrefix(kind, "SimpleAggregateFunction(max, "), ")") + ")"
	}
}

// query queries the tables without the warehouse.
func (w *world) query(statement string) (rows [][]string) {
	w.t.Helper()
	text := w.post(strings.ReplaceAll(statement, "DB.", w.name+".") + " FORMAT TabSeparatedRaw")
	for line := range strings.Lines(text) {
		rows = append(rows, strings.Split(strings.TrimRight(line, "\n"), "\t"))
	}
	return rows
}

func (w *world) post(statement string) string {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), "POST", enginetest.Start(w.t).DSN(), strings.NewReader(statement))
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatal(fmt.Sprint(statement, ": ", string(text), err))
	}
	return string(text)
}
