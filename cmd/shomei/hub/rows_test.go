package hub

import (
	"slices"
	"testing"
)

// TestPartsProvideEveryNeed: a part comes after what it needs, rows need existing parts, and every part is needed.
func TestPartsProvideEveryNeed(t *testing.T) {
	var opened []string
	meets := func(who string, needs []string) {
		for _, name := range needs {
			if !slices.Contains(opened, name) {
				t.Errorf("%s needs %s, which is not open by then", who, name)
			}
		}
	}
	for _, p := range serving {
		meets(p.name, p.needs)
		opened = append(opened, p.name)
	}
	for _, r := range table {
		meets("row "+r.name, r.needs)
		if len(r.needs) == 0 {
			t.Errorf("row %s needs nothing", r.name)
		}
	}
	if all := needed(serving, table); len(all) != len(serving) {
		t.Errorf("of %d parts the rows need %d", len(serving), len(all))
	}
	for _, name := range ByHand {
		if !slices.ContainsFunc(table, func(r row) bool { return r.name == name }) {
			t.Errorf("there is no row %s that could be left out", name)
		}
	}
}

// TestRowOpensOnlyItsParts: the eraser alone admits no counters and starts no engine.
func TestRowOpensOnlyItsParts(t *testing.T) {
	i := slices.IndexFunc(table, func(r row) bool { return r.name == "eraser" })
	var names []string
	for _, p := range needed(serving, table[i:i+1]) {
		names = append(names, p.name)
	}
	if want := []string{"data folder", "clock", "keys", "certificate", "NATS", "log", "vault"}; !slices.Equal(names, want) {
		t.Errorf("the eraser opens %q, want %q", names, want)
	}
}
