package warehouse

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shomei/events"
)

func TestRebuildEqualsIncremental(t *testing.T) {
	commits := append(rapid.Custom(func(rt *rapid.T) []*events.Commit { return population(rt, 50) }).Example(7), life().commits...)
	w := open(t)
	if _, err := w.Positions(t.Context()); err != nil {
		t.Fatal(err)
	}
	for from := 0; from < len(commits); from += 100 {
		if err := w.Apply(t.Context(), commits[from:min(from+100, len(commits))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetPosition(t.Context(), "LOG0", uint64(len(commits))); err != nil {
		t.Fatal(err)
	}
	before := contents(t, w)
	damage(t, w)
	var heard []uint64
	changes, err := w.Rebuild(t.Context(), func(ctx context.Context, target *Target) error {
		half := len(commits) / 2
		if err := target.Write(ctx, batchOf(commits[:half])); err != nil {
			return err
		}
		if err := target.Write(ctx, batchOf(commits[half:])); err != nil {
			return err
		}
		return target.SetPosition(ctx, "LOG0", uint64(len(commits)-3))
	}, func(n uint64) { heard = append(heard, n) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, contents(t, w)); diff != "" {
		t.Errorf("rebuilt differs (-incremental +rebuilt):\n%.2000s", diff)
	}
	if diff := cmp.Diff([]uint64{uint64(len(commits) / 2), uint64(len(commits))}, heard); diff != "" {
		t.Errorf("progress:\n%s", diff)
	}
	if changes[0].Table != "log" || changes[0].Before >= changes[0].After {
		t.Errorf("changes: %+v", changes)
	}
	if err := w.SetPosition(t.Context(), "LOG0", 1_000_000); !errors.Is(err, ErrRebuilt) {
		t.Errorf("a follower of the old tables: %v, want ErrRebuilt", err)
	}
	positions, err := w.Positions(t.Context())
	if diff := cmp.Diff(map[string]uint64{"LOG0": uint64(len(commits) - 3)}, positions); err != nil || diff != "" {
		t.Errorf("positions (%v):\n%s", err, diff)
	}
	if err := w.SetPosition(t.Context(), "LOG0", uint64(len(commits))); err != nil {
		t.Errorf("after asking again: %v", err)
	}
}

// damage removes rows, as a fault would.
func damage(t *testing.T, w *Warehouse) {
	t.Helper()
	for _, table := range []string{"log", "certificates", "certificate_deltas"} {
		if err := w.conn.Exec(t.Context(), w.expand("TRUNCATE TABLE {"+table+"}")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFailedRebuildLeavesTheTablesAlone(t *testing.T) {
	w := applied(t, life().commits)
	before := contents(t, w)
	broken := errors.New("the log ran away")
	_, err := w.Rebuild(t.Context(), func(ctx context.Context, target *Target) error {
		return errors.Join(target.Write(ctx, batchOf(life().commits[:3])), broken)
	}, nil)
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(before, contents(t, openNamed(t, w.config.Database))); diff != "" {
		t.Errorf("tables changed:\n%s", diff)
	}
}

// TestAnInterruptedSwapIsFinishedAtTheNextStart stops after each of the
// exchanges in turn.
func TestAnInterruptedSwapIsFinishedAtTheNextStart(t *testing.T) {
	names, err := tables()
	if err != nil {
		t.Fatal(err)
	}
	for done := range len(names) + 1 {
		w := openNamed(t, "swap_"+string(rune('a'+done)))
		next, err := w.makeNext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Apply(t.Context(), life().commits); err != nil {
			t.Fatal(err)
		}
		if err := next.writePosition(t.Context(), "LOG0", 9); err != nil {
			t.Fatal(err)
		}
		want := contents(t, next)
		if err := w.planSwap(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, table := range names[:done] {
			if err := w.conn.Exec(t.Context(), "EXCHANGE TABLES "+w.own(table)+" AND "+w.own(table+nextSuffix)); err != nil {
				t.Fatal(err)
			}
		}
		again := openNamed(t, w.config.Database)
		if diff := cmp.Diff(want, contents(t, again)); diff != "" {
			t.Errorf("after %d exchanges:\n%s", done, diff)
		}
		if positions, err := again.Positions(t.Context()); err != nil || positions["LOG0"] != 9 {
			t.Errorf("after %d exchanges: positions %v, %v", done, positions, err)
		}
	}
}

func TestAChangedTableFileIsRefused(t *testing.T) {
	w := open(t)
	if err := w.conn.Exec(t.Context(), "INSERT INTO "+w.own("table_files")+" (file, checksum) VALUES ('tables/001_log.sql', 'edited')"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{DSN: dsnOf(t), Database: w.config.Database, Logger: w.config.Logger})
	if !errors.Is(err, ErrChanged) {
		t.Errorf("got %v, want ErrChanged", err)
	}
}

func TestClickHouseAway(t *testing.T) {
	_, err := Open(t.Context(), Config{DSN: "http://127.0.0.1:1/default"})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
