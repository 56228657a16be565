package warehouse

import (
	"strings"
	"testing"
)

// TestDDLForAServerParses lets the engine's own parser read what an operator
// of a server or cluster gets.
func TestDDLForAServerParses(t *testing.T) {
	w := open(t)
	for _, cluster := range []string{"", "tokyo"} {
		tables, err := DDL("shomei", cluster)
		if err != nil {
			t.Fatal(err)
		}
		access, err := AccessDDL("shomei", cluster, []string{"01", "12", "47"})
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range append(tables, access...) {
			var formatted string
			if err := w.conn.QueryRow(t.Context(), "SELECT formatQuery({q:String})", param("q", statement)).Scan(&formatted); err != nil {
				t.Errorf("%s\n%v", statement, err)
			}
			if strings.Contains(formatted, "ON CLUSTER tokyo") != (cluster != "") {
				t.Errorf("cluster %q: %s", cluster, formatted)
			}
			if strings.Contains(formatted, "ENGINE = Replicated") != (cluster != "" && strings.Contains(formatted, "MergeTree")) {
				t.Errorf("cluster %q: %s", cluster, formatted)
			}
		}
	}
	for _, wrong := range []string{"", "1", "48", "00", "12' OR 1"} {
		if _, err := AccessDDL("shomei", "", []string{wrong}); err == nil {
			t.Errorf("prefecture %q was taken", wrong)
		}
	}
}

// TestPoliciesNameRealColumns keeps the tables of AccessDDL and the table
// files together.
func TestPoliciesNameRealColumns(t *testing.T) {
	w := open(t)
	for _, table := range byMunicipality {
		layout, err := w.layout(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, column := range layout {
			found = found || column.Name == "municipality"
		}
		if !found {
			t.Errorf("%s has no municipality", table)
		}
	}
}
