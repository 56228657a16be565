package warehouse

import (
	"context"
	"errors"
	"strings"
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
		if err := w.Apply(t.Context(), readOf(commits[from:min(from+100, len(commits))])); err != nil {
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
	for _, table := range []string{"log", "certificates", "certificate_moves"} {
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
		if err := next.Apply(t.Context(), readOf(life().commits)); err != nil {
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

// TestTablesThatThisProgramDidNotMake are damage: whatever they lack or have too much, only a rebuild helps.
func TestTablesThatThisProgramDidNotMake(t *testing.T) {
	for name, statement := range map[string]string{
		"a file edited since":    "INSERT INTO DB.table_files (file, checksum) VALUES ('tables/001_log.sql', 'edited')",
		"an earlier program":     "ALTER TABLE DB.table_files DELETE WHERE file = 'tables/010_certificates.phones.sql' SETTINGS mutations_sync = 2",
		"a later program":        "INSERT INTO DB.table_files (file, checksum) VALUES ('tables/999_later.sql', 'x')",
		"its record lost":        "TRUNCATE TABLE DB.table_files",
		"its record dropped":     "DROP TABLE DB.table_files SYNC",
		"a table dropped":        "DROP TABLE DB.card_operations SYNC",
		"positions dropped":      "DROP TABLE DB.positions SYNC",
		"a column gone":          "ALTER TABLE DB.certificates DROP COLUMN authority",
		"a column too many":      "ALTER TABLE DB.log ADD COLUMN more String",
		"a column changed":       "ALTER TABLE DB.log MODIFY COLUMN correlation LowCardinality(String)",
		"a setting changed":      "ALTER TABLE DB.log MODIFY SETTING fsync_after_insert = 0",
		"a table of another key": "DROP TABLE DB.deadlines SYNC; CREATE TABLE DB.deadlines (subscriber String) ENGINE = MergeTree ORDER BY subscriber",
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			if err := errors.Join(w.Inspect(t.Context()), w.Verify(t.Context())); err != nil {
				t.Fatalf("undamaged: %v", err)
			}
			for one := range strings.SplitSeq(statement, "; ") {
				if err := w.conn.Exec(t.Context(), strings.ReplaceAll(one, "DB.", quoteName(w.config.Database)+".")); err != nil {
					t.Fatal(err)
				}
			}
			err := w.Prepare(t.Context())
			if err == nil {
				err = w.Verify(t.Context())
			}
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("got %v, want ErrDamaged", err)
			}
			t.Log(err)
		})
	}
}

// TestWithheld: queries fail with why, writing and checking go on.
func TestWithheld(t *testing.T) {
	w := applied(t, life().commits)
	w.Withhold(func() error { return Rebuilding{Percent: 42} })
	if _, err := w.State(t.Context(), "1", farFuture); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "42 %") {
		t.Errorf("a question while they are rebuilt: %v", err)
	}
	if err := errors.Join(w.Apply(t.Context(), readOf(life().commits)), w.Verify(t.Context())); err != nil {
		t.Error(err)
	}
	w.Withhold(func() error { return nil })
	if _, err := w.State(t.Context(), "1", farFuture); err != nil {
		t.Error(err)
	}
}

func TestClickHouseUnavailable(t *testing.T) {
	_, err := Open(t.Context(), Config{DSN: "http://127.0.0.1:1/default"})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}
