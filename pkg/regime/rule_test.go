package regime

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestRulesAreComplete(t *testing.T) {
	shape := regexp.MustCompile(`^[a-z0-9]+(\.[a-z0-9]+(-[a-z0-9]+)*)+$`)
	seen := map[ID]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		seen[r.ID] = true
		if !shape.MatchString(r.ID) {
			t.Errorf("%q is no id", r.ID)
		}
		if r.Source == "" || r.JA == "" || r.EN == "" || (r.NextJA == "") != (r.NextEN == "") {
			t.Errorf("%s lacks source, sentence or one language: %+v", r.ID, r)
		}
		if !strings.HasSuffix(r.JA, "。") || !strings.HasSuffix(r.EN, ".") {
			t.Errorf("%s is no sentence: %s %s", r.ID, r.JA, r.EN)
		}
		if !r.Until.IsZero() && r.Until.Before(r.From) {
			t.Errorf("%s ends before it begins", r.ID)
		}
		if strings.HasPrefix(r.ID, "mynumber.") && r.From.IsZero() && r.Until.IsZero() {
			t.Errorf("%s holds without bounds", r.ID)
		}
		got, ok := Lookup(r.ID)
		if !ok || got.ID != r.ID {
			t.Errorf("%s is not found", r.ID)
		}
	}
	if len(seen) < 150 {
		t.Errorf("only %d rules", len(seen))
	}
	if _, ok := Lookup("no.such.rule"); ok {
		t.Error("a rule that does not exist is found")
	}
	if Rules()[0].ID = "changed"; Rules()[0].ID == "changed" {
		t.Error("the caller can change the table")
	}
}

// What refuses, or ends something, says what to do next.
func TestRefusalsSayWhatNext(t *testing.T) {
	for _, r := range Rules() {
		refuses := strings.Contains(r.ID, ".ends.") || strings.HasPrefix(r.ID, "office.closed.") || strings.HasPrefix(r.ID, "reason.") ||
			strings.HasSuffix(r.ID, "-ended") && !strings.HasPrefix(r.ID, "mynumber.fee.") || strings.Contains(r.ID, "not-") && r.ID != "juki.documents.not-same-day"
		if refuses && r.NextJA == "" {
			t.Errorf("%s does not say what to do next", r.ID)
		}
	}
}

// Page dates are not effective dates (law.md 1.4).
func TestPublishedIsNotEffective(t *testing.T) {
	published := 0
	for _, r := range Rules() {
		if !r.Published.IsZero() {
			published++
			if r.Published == r.From {
				t.Errorf("%s takes effect on the day its page was dated", r.ID)
			}
		}
	}
	ended, _ := Lookup("juki.regime.issue-ended")
	if published == 0 || !ended.Published.Before(ended.From) {
		t.Errorf("%d rules know their page's date; issue-ended: %v, %v", published, ended.Published, ended.From)
	}
}

// literals collects the strings in the Go files of the law and of the questions about it.
func literals(t *testing.T, test bool) map[string]int {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	asking, err := filepath.Glob("question/*.go")
	if err != nil || len(asking) == 0 {
		t.Fatalf("no files in question: %v", err)
	}
	found := map[string]int{}
	for _, name := range append(names, asking...) {
		if strings.HasSuffix(name, "_test.go") != test {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					found[s]++
				}
			}
			return true
		})
	}
	return found
}

// Each id stands once in the code, so one search finds it, and some test names
// it. The rules of rules_procedure.go are applied and tested by package
// lifecycle; the ids of opening hours stand in package civil.
func TestEachIDStandsOnceAndIsTested(t *testing.T) {
	procedure, err := os.ReadFile("rules_procedure.go")
	if err != nil {
		t.Fatal(err)
	}
	code, tests := literals(t, false), literals(t, true)
	for _, r := range Rules() {
		office := strings.HasPrefix(r.ID, "office.")
		if n := code[r.ID]; n != 1 && !office {
			t.Errorf("%s stands %d times in the code", r.ID, n)
		}
		if tests[r.ID] == 0 && !office && !strings.Contains(string(procedure), strconv.Quote(r.ID)) {
			t.Errorf("no test names %s", r.ID)
		}
	}
}
