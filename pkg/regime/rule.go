package regime

import (
	"slices"

	"shomei/pkg/civil"
)

// ID names a rule, such as "mynumber.validity.sixth-birthday".
type ID = string

// Rule is one rule of the law as Shomei applies it.
type Rule struct {
	ID        ID
	From      civil.Date // first day on which it holds; zero: as long as there is a regime
	Until     civil.Date // last day on which it holds; zero: until further notice
	Published civil.Date // date of the page or law it was read from, not of its effect (law.md 1.4); zero: unknown
	Source    string     // articles and pages by the short names of deploy/law.md's bibliography, then the page's section
	JA, EN    string     // a sentence that a clerk can read out
	// NextJA and NextEN say what to do next. Every rule that can refuse, miss or end something has them.
	NextJA, NextEN string
}

// Rules returns every rule in the order of the table. The caller owns the slice.
func Rules() []Rule { return slices.Clone(table) }

// Lookup returns the rule with the given id, if there is one.
func Lookup(id ID) (Rule, bool) {
	for _, r := range table {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// table holds every rule; the rows are in rules_*.go.
var table []Rule

// rule adds a row to the table and returns its id.
func rule(r Rule) ID {
	table = append(table, r)
	return r.ID
}
