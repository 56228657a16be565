package warehouse

import (
	"testing"

	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
)

// hints returns what Due names on a day, each once.
func hints(t *testing.T, w *Warehouse, day civil.Date) map[Due]bool {
	due, err := w.Due(t.Context(), day, "", 100_000)
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[Due]bool)
	for _, d := range due {
		d.Day = Date{}
		named[d] = true
	}
	return named
}

// news counts what is named on a later day and not on an earlier one.
func news(later, earlier map[Due]bool) int {
	n := 0
	for d := range later {
		if !earlier[d] {
			n++
		}
	}
	return n
}

// TestNextDueIsTheFirstDayThatBringsSomething: Due names something new on that day and nothing new the day before;
// without such a day, Due names nothing new for a hundred years.
func TestNextDueIsTheFirstDayThatBringsSomething(t *testing.T) {
	w := open(t)
	if next, err := w.NextDue(t.Context(), civil.New(2020, 1, 1)); err != nil || !next.IsZero() {
		t.Fatalf("empty tables: %s, %v", next, err)
	}
	commits := rapid.Custom(func(rt *rapid.T) []*events.Commit { return population(rt, 60) }).Example(5)
	if err := w.Apply(t.Context(), readOf(append(commits, life().commits...))); err != nil {
		t.Fatal(err)
	}
	for _, day := range rapid.SliceOfN(rapid.IntRange(0, 3200), 25, 25).Example(7) {
		after := civil.New(2015, 12, 1).AddDays(day)
		next, err := w.NextDue(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		known := hints(t, w, after)
		if next.IsZero() {
			if n := news(hints(t, w, after.AddDays(36_500)), known); n > 0 {
				t.Fatalf("nothing after %s, and %d things come", after, n)
			}
			continue
		}
		if !next.After(after) {
			t.Fatalf("after %s comes %s", after, next)
		}
		if n := news(hints(t, w, next.AddDays(-1)), known); n > 0 {
			t.Errorf("%d things come between %s and %s", n, after, next)
		}
		if news(hints(t, w, next), known) == 0 {
			t.Errorf("nothing new comes on %s after %s", next, after)
		}
	}
}
