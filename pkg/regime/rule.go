package regime

import "shomei/pkg/civil"

// ID names a rule, such as "mynumber.validity.sixth-birthday".
type ID = string

// Rule is one rule of the law as Shomei applies it.
type Rule struct {
	ID        ID
	From      civil.Date // first day on which it holds; zero: as long as there is a regime
	Until     civil.Date // last day on which it holds; zero: until further notice
	Published civil.Date // day of the page or law it was read from, which is not the day it takes effect (law.md 1.4); zero: not known
	Source    string     // articles and pages by the short names of deploy/law.md's bibliography, then the page's section
	JA, EN    string     // a sentence that a clerk can read out
	// NextJA and NextEN say what to do next. Every rule that can refuse, lack
	// something or end something has them.
	NextJA, NextEN string
}

// Rules returns every rule in the order of the table. The caller owns the slice.
func Rules() []Rule { return append([]Rule(nil), table...) }

// Lookup returns the rule with the given id and true, or false.
func Lookup(id ID) (Rule, bool) {
	for _, r := range table {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// table holds every rule; the rows stand in rules_*.go.
var table []Rule

// rule enters a row into the table and returns its id.
func rule(r Rule) ID {
	table = append(table, r)
	return r.ID
}
