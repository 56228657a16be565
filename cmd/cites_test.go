package cmd_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shomei/pkg/regime"
)

// pages are the project's own pages that are cited by section.
var pages = []string{"law.md", "profile.md", "card.md", "figures.md"}

// A citation is a page and sections: "law.md 3.2, 4.1". It may continue on a comment's next line.
var (
	citation = regexp.MustCompile(`\b(law|profile|card|figures)\.md\s+((?://|#)\s*)?(\d+(?:\.\d+)*(?:(?:,\s+|、|\s+and\s+)(?:(?://|#)\s*)?\d+(?:\.\d+)*)*)`)
	number   = regexp.MustCompile(`\d+(?:\.\d+)*`)
	heading  = regexp.MustCompile(`(?m)^#{2,3} (\d+(?:\.\d+)?)\.? `)
	page     = regexp.MustCompile(`[A-Za-z][\w-]*\.md\b`)
	named    = regexp.MustCompile(`\b(?:Act|Ord|Reg|CardReg|MyNoOrd)\d{4}\b|\bmuni:[A-Z][a-z]+`)
	articles = regexp.MustCompile(`^ Arts? \d+(の\d+)?(\(\d+\))?([,–] ?(\d+(の\d+)?)?(\(\d+\))?| items? \d+)*$`)
)

// cited collects the sections that the tree cites, and what is wrong.
type cited struct {
	pages    map[string]bool            // base names of all pages of the tree
	sections map[string]map[string]bool // the sections of the pages that are cited by section
	names    map[string]bool            // short names of the bibliography
	seen     map[string]bool            // "law.md 3.2" for each section cited
	used     map[string]bool            // short names used
}

// check returns what is wrong with the citations in a text, and records them.
func (c *cited) check(path, text string) []string {
	var wrong []string
	for _, name := range page.FindAllString(text, -1) {
		if !c.pages[name] {
			wrong = append(wrong, fmt.Sprintf("%s names %s, which is no page of this tree", path, name))
		}
	}
	for _, m := range citation.FindAllStringSubmatch(text, -1) {
		for _, section := range number.FindAllString(m[3], -1) {
			name := m[1] + ".md"
			if !c.sections[name][section] {
				wrong = append(wrong, fmt.Sprintf("%s cites %s %s, which is no section of that page", path, name, section))
			}
			c.seen[name+" "+section] = true
		}
	}
	for _, name := range named.FindAllString(text, -1) {
		if !c.names[name] {
			wrong = append(wrong, fmt.Sprintf("%s cites %s, which the bibliography of deploy/law.md lacks", path, name))
		}
		c.used[name] = true
	}
	return wrong
}

// checkSource returns what is wrong with a rule's source: clauses by short name, the articles first, a page's section last.
func (c *cited) checkSource(source string) []string {
	var wrong []string
	clauses := strings.Split(source, "; ")
	for i, clause := range clauses {
		for _, opening := range []string{"by analogy with ", "assumed: ", "decided here: ", "derived: ", "not settled: ", "no law yet: "} {
			clause = strings.TrimPrefix(clause, opening)
		}
		isPage := clause != "" && citation.FindString(clause) == clause
		switch last := i == len(clauses)-1; {
		case isPage && !last && !slices.ContainsFunc(pages, func(p string) bool { return strings.HasPrefix(clauses[i+1], p) }):
			wrong = append(wrong, fmt.Sprintf("%q stands before %q: the page comes last", clause, clauses[i+1]))
		case last && !isPage:
			wrong = append(wrong, fmt.Sprintf("%q is no section of a page", clause))
		case !isPage:
			wrong = append(wrong, c.checkClause(clause)...)
		}
	}
	return wrong
}

// checkClause returns what is wrong with a clause that names one source, or several municipalities.
func (c *cited) checkClause(clause string) []string {
	if towns, ok := strings.CutPrefix(clause, "muni:"); ok {
		var wrong []string
		for _, town := range strings.Split(towns, ", ") {
			c.used["muni:"+town] = true
			if !c.names["muni:"+town] {
				wrong = append(wrong, fmt.Sprintf("no muni:%s in the bibliography", town))
			}
		}
		return wrong
	}
	for name := range c.names {
		rest, ok := strings.CutPrefix(clause, name)
		if ok && (rest == "" || articles.MatchString(rest) || name == "CPS" && rest == " 4.9.9") {
			c.used[name] = true
			return nil
		}
	}
	return []string{fmt.Sprintf("%q is no source of the bibliography, or its articles can't be read", clause)}
}

// readPages reads the pages' sections and the bibliography.
func readPages(t *testing.T) *cited {
	c := &cited{map[string]bool{}, map[string]map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for path := range texts(t) {
		if strings.HasSuffix(path, ".md") {
			c.pages[filepath.Base(path)] = true
		}
	}
	for _, name := range pages {
		text := readText(t, "../deploy/"+name)
		c.sections[name] = map[string]bool{}
		for _, m := range heading.FindAllStringSubmatch(text, -1) {
			if c.sections[name][m[1]] {
				t.Errorf("%s has two sections %s", name, m[1])
			}
			c.sections[name][m[1]] = true
		}
	}
	_, bibliography, _ := strings.Cut(readText(t, "../deploy/law.md"), "\n## Bibliography\n")
	for line := range strings.Lines(bibliography) {
		name, title, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		switch {
		case !ok || name == "Short name" || strings.HasPrefix(name, "-"):
		case c.names[name]:
			t.Errorf("the bibliography has %s twice", name)
		case strings.Trim(title, " |\n") == "":
			t.Errorf("the bibliography does not say what %s is", name)
		default:
			c.names[name] = true
		}
	}
	return c
}

// texts returns the text files of the tree by path, except what is built or fetched.
func texts(t *testing.T) map[string]string {
	found := map[string]string{}
	kinds := []string{".go", ".md", ".toml", ".story", ".proto", ".json", ".txt", ".html", ".service", ".yaml", ".css", ".js", ""}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"out", ".git", "node_modules"}, d.Name()):
			return fs.SkipDir
		case d.Type().IsRegular() && slices.Contains(kinds, filepath.Ext(path)):
			found[path] = readText(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readText(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWhatIsCitedStandsHere: an official reads the sources of rules, and the next engineer the comments; what they cite must
// be in the project.
func TestWhatIsCitedStandsHere(t *testing.T) {
	c := readPages(t)
	const planted = "// x (law.md 3.2, 99.1; profile.md\n// 77) by Act1999 Art 1 and muni:Nowhere (" + "nothing-such" + ".md 2)"
	if wrong := c.check("planted", planted); len(wrong) != 5 {
		t.Errorf("found in what was planted: %q", wrong)
	}
	clear(c.seen)
	clear(c.used)
	own := filepath.Join("..", "cmd", "cites_test.go")
	for path, text := range texts(t) {
		if path == own {
			continue
		}
		others := maps.Clone(c.seen)
		for _, wrong := range c.check(path, text) {
			t.Error(wrong)
		}
		if filepath.Base(path) == "law.md" {
			c.seen = others // a page's citations of itself don't count
		}
	}
	for section := range c.sections["law.md"] {
		if strings.Contains(section, ".") && !c.seen["law.md "+section] {
			t.Errorf("nothing cites law.md %s: a rule that nobody applies, or a citation is missing", section)
		}
	}
}

// TestRulesNameTheirSources: the articles first, then our page, in a form that can be looked up.
func TestRulesNameTheirSources(t *testing.T) {
	c := readPages(t)
	for _, planted := range []string{
		"", "Act2013 Art 5", "law.md 3.1; Act2013 Art 5", "own memory; law.md 3.1", "Act2013 Art five; law.md 3.1", "muni:Nabari, Nowhere; law.md 6.2",
	} {
		if len(c.checkSource(planted)) == 0 {
			t.Errorf("source %q was accepted", planted)
		}
	}
	clear(c.used)
	for _, r := range regime.Rules() {
		for _, wrong := range c.checkSource(r.Source) {
			t.Errorf("rule %s: source %q: %s", r.ID, r.Source, wrong)
		}
	}
	all := readText(t, "../deploy/profile.md") + readText(t, "../deploy/card.md") + readText(t, "../deploy/figures.md")
	body, _, _ := strings.Cut(readText(t, "../deploy/law.md"), "\n## Bibliography\n")
	for name := range c.names {
		if town := strings.TrimPrefix(name, "muni:"); !c.used[name] && !strings.Contains(all+body, town) {
			t.Errorf("the bibliography has %s, which nothing cites", name)
		}
	}
}

// TestLawListsEverySetting: where a reading is chosen, the page says which is the default and since when.
func TestLawListsEverySetting(t *testing.T) {
	_, readings, _ := strings.Cut(readText(t, "../deploy/law.md"), "\n### 14.1 ")
	for _, s := range regime.Settings() {
		if !strings.Contains(readings, "`"+s.Name+"`") {
			t.Errorf("law.md 14.1 lacks the setting %s", s.Name)
		}
	}
}
