package simulation

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shomei/pkg/civil"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/enginetest"
)

// told is the size of the log whose tables are compared: SHOMEI_SOAK=1 makes it a town's.
func told() Plan {
	p := plan
	if os.Getenv("SHOMEI_SOAK") != "" {
		p = Plan{Subscribers: 20_000, From: civil.New(2016, 1, 5), To: civil.New(2026, 4, 1), Seed: 5}
	}
	return p
}

// TestSoakTablesWithoutALogAreThoseOfTheLog: the projector's tables of a real log, and those that are filled from its
// lives without one, hold the same rows. Filled with three times as many certificates, every table of people has three
// times the rows, so nobody is taken for somebody else; the sums of the months are right.
func TestSoakTablesWithoutALogAreThoseOfTheLog(t *testing.T) {
	h, err := still(t.Context(), t.TempDir(), told())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	s, err := New(t.Context(), h, told(), 12)
	if err != nil {
		t.Fatal(err)
	}
	if done, err := s.Run(t.Context(), nil); err != nil || !done {
		t.Fatalf("done: %v, %v", done, err)
	}
	lives, err := ReadLives(t.Context(), h.Log)
	if err != nil {
		t.Fatal(err)
	}
	ofLog := rowsOf(t, h.Warehouse)
	once := filled(t, lives, lives.Certificates())
	if diff := cmp.Diff(ofLog.rows, once.rows); diff != "" {
		t.Errorf("%d rows of the log, %d without one (-log +tables):\n%.3000s", len(ofLog.rows), len(once.rows), diff)
	}
	thrice := filled(t, lives, 3*lives.Certificates())
	for table, n := range once.counts {
		if mixed := table == "log" || table == "card_operations"; !mixed && thrice.counts[table] != 3*n { // also of offices and cards
			t.Errorf("%s: %d rows once, %d thrice", table, n, thrice.counts[table])
		}
	}
}

// rowsIn are the rows of the tables as text, and how many each table has.
type rowsIn struct {
	rows   []string
	counts map[string]int
}

func rowsOf(t *testing.T, w *warehouse.Warehouse) rowsIn {
	t.Helper()
	all := rowsIn{counts: make(map[string]int)}
	err := w.EachRow(t.Context(), func(r warehouse.Row) error {
		all.counts[r.Table]++
		all.rows = append(all.rows, fmt.Sprint(r.Table, " ", r.Key, " ", r.Owner, " ", strings.Join(r.Values, "|")))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all.rows)
	if wrong, err := w.WrongSums(t.Context()); err != nil || len(wrong) > 0 {
		t.Errorf("wrong sums: %v, %v", wrong, err)
	}
	return all
}

// filled fills tables of their own.
func filled(t *testing.T, lives *Lives, certificates int) rowsIn {
	t.Helper()
	w, err := warehouse.Open(t.Context(), warehouse.Config{
		DSN: enginetest.Start(t).DSN(), Database: fmt.Sprintf("filled_%d_%d", certificates, time.Now().UnixNano()), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if err := lives.Fill(t.Context(), w, certificates, func(int) {}); err != nil {
		t.Fatal(err)
	}
	return rowsOf(t, w)
}
