// Package officefile reads and writes the definition of an office as a municipality states it: a short TOML file that an
// official can read and object to. What it says is events.OfficeDefined; what is not in it is the law's (law.md 11.1).
//
//	id = "12237-main"
//	effective = "2026-12-01"
//	municipality = "12237"
//	name = "山武市"
//	municipality_romaji = "Sammu-shi"
//	telephone = "0475-80-1141"
//
//	[[hours]]
//	spans = ["09:00-17:00"]
//	weekdays = ["月", "火", "水", "木", "金"]
//
//	[law]
//	letter_days = 14
package officefile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// ErrFile: a file does not define an office; the text says at which line and field, and what may stand there.
var ErrFile = errors.New("this is not the definition of an office")

// Office is an office with its id in the log.
type Office struct {
	ID         string
	Definition *events.OfficeDefined
}

// file is the form on paper.
type file struct {
	ID                 officeID         `toml:"id"`
	Effective          civil.Date       `toml:"effective"`
	Municipality       municipalityCode `toml:"municipality"`
	Name               string           `toml:"name"`
	MunicipalityRomaji romaji           `toml:"municipality_romaji"`
	Branch             bool             `toml:"branch"`
	Telephone          telephone        `toml:"telephone"`
	LastAcceptance     moment           `toml:"last_acceptance"`
	Hours              []hours          `toml:"hours"`
	Closed             []exception      `toml:"closed"`
	Open               []exception      `toml:"open"`
	Terms              []term           `toml:"term"`
	Law                map[string]any   `toml:"law"`
}

type hours struct {
	Spans      []span      `toml:"spans"`
	Weekdays   []weekday   `toml:"weekdays"`
	Operations []operation `toml:"operations"`
	From       civil.Date  `toml:"from"`
	Until      civil.Date  `toml:"until"`
}

type exception struct {
	From       moment      `toml:"from"`
	Until      moment      `toml:"until"`
	Operations []operation `toml:"operations"`
	Rule       closingRule `toml:"rule"`
}

type term struct {
	From       moment      `toml:"from"`
	Until      moment      `toml:"until"`
	Operations []operation `toml:"operations"`
}

// Read reads the file at path. Errors are ErrFile and those of the file system.
func Read(path string) (Office, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Office{}, fmt.Errorf("reading the definition of an office: %w", err)
	}
	return Parse(path, text)
}

// Parse parses the text of a file; name precedes the lines of its errors, which are ErrFile.
func Parse(name string, text []byte) (Office, error) {
	var f file
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&f)
	if err == nil {
		err = f.check()
	}
	if err != nil {
		return Office{}, fmt.Errorf("%w: %w", ErrFile, located(name, text, err))
	}
	return f.office(), nil
}

// placed is a mistake in the nth table of a name (from 1), or, without a table, in the file.
type placed struct {
	table string
	n     int
	what  string
}

func (p *placed) Error() string { return p.what }

func (f *file) check() error {
	for _, missing := range []struct{ key, value, example string }{
		{"id", f.ID.text, `id = "12237-main"`},
		{"effective", f.Effective.String(), `effective = "2026-12-01"`},
		{"municipality", f.Municipality.text, `municipality = "12237"`},
		{"name", f.Name, `name = "山武市"`},
		{"municipality_romaji", f.MunicipalityRomaji.text, `municipality_romaji = "Sammu-shi"`},
		{"telephone", f.Telephone.text, `telephone = "0475-80-1141"`},
	} {
		if missing.value == "" {
			return &placed{what: fmt.Sprintf("%s is missing: add a line such as %s", missing.key, missing.example)}
		}
	}
	for i, h := range f.Hours {
		if len(h.Spans) == 0 {
			return &placed{"hours", i + 1, `spans is missing: add a line such as spans = ["09:00-17:00"]`}
		}
		if !h.From.IsZero() && !h.Until.IsZero() && h.Until.Before(h.From) {
			return &placed{"hours", i + 1, "until comes before from: turn them round"}
		}
	}
	return cmp.Or(checkExceptions("closed", f.Closed), checkExceptions("open", f.Open), f.checkTerms(), f.checkLaw())
}

func checkExceptions(table string, list []exception) error {
	for i, e := range list {
		switch {
		case e.From.isZero() || e.Until.isZero():
			return &placed{table, i + 1, `from and until are both needed, such as from = "2026-12-29 12:00" and until = "2026-12-31"`}
		case !e.Until.end().After(e.From.begin()):
			return &placed{table, i + 1, "until comes before from: turn them round"}
		case table == "open" && e.Rule.text != "":
			return &placed{table, i + 1, "rule belongs to [[closed]] only"}
		}
	}
	return nil
}

func (f *file) checkTerms() error {
	for i, t := range f.Terms {
		switch {
		case t.From.isZero() && t.Until.isZero():
			return &placed{"term", i + 1, "give from, until, or both"}
		case !t.From.isZero() && !t.Until.isZero() && !t.Until.end().After(t.From.begin()):
			return &placed{"term", i + 1, "until comes before from: turn them round"}
		}
	}
	return nil
}

// checkLaw checks the readings of the law: offices may differ in some of them.
func (f *file) checkLaw() error {
	var law regime.Switches
	for _, name := range slices.Sorted(maps.Keys(f.Law)) {
		setting, ok := regime.SettingNamed(name)
		if !ok || !setting.ByOffice {
			return &placed{what: fmt.Sprintf("[law]: an office can't set %s; it can set %s", name, strings.Join(ownSettings(), ", "))}
		}
		if err := setting.Set(&law, fmt.Sprint(f.Law[name])); err != nil {
			return &placed{what: "[law] " + err.Error()}
		}
	}
	return nil
}

// ownSettings lists the settings in which offices may differ.
func ownSettings() []string {
	var names []string
	for _, x := range regime.Settings() {
		if x.ByOffice {
			names = append(names, x.Name)
		}
	}
	return names
}

// located adds file and line to every mistake.
func located(name string, text []byte, err error) error {
	var strict *toml.StrictMissingError
	var one *toml.DecodeError
	var there *placed
	switch {
	case errors.As(err, &strict):
		lines := make([]error, len(strict.Errors))
		for i, e := range strict.Errors {
			row, column := e.Position()
			lines[i] = fmt.Errorf("%s:%d:%d: there is no %s; %s", name, row, column, strings.Join(e.Key(), "."), allowedKeys(e.Key()))
		}
		return errors.Join(lines...)
	case errors.As(err, &one):
		row, column := one.Position()
		what := strings.TrimPrefix(one.Error(), "toml: ")
		if strings.Contains(what, "cannot decode") || strings.Contains(what, "mismatch") {
			what = "another kind of value belongs here: texts, days and times stand in quotes, lists in [ ], branch is true or false"
		}
		return fmt.Errorf("%s:%d:%d: %s", name, row, column, what)
	case errors.As(err, &there) && there.table != "":
		return fmt.Errorf("%s:%d: [[%s]]: %s", name, lineOf(text, there.table, there.n), there.table, there.what)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func allowedKeys(key []string) string {
	tables := map[string]string{
		"hours": "spans, weekdays, operations, from, until", "closed": "from, until, operations, rule",
		"open": "from, until, operations", "term": "from, until, operations",
	}
	if keys, ok := tables[key[0]]; ok && len(key) > 1 {
		return "under [[" + key[0] + "]] may stand: " + keys
	}
	return "there may stand: id, effective, municipality, name, municipality_romaji, branch, telephone, last_acceptance, " +
		"and the tables [[hours]], [[closed]], [[open]], [[term]], [law]"
}

// lineOf returns the line on which the nth table of a name begins.
func lineOf(text []byte, table string, n int) int {
	header := regexp.MustCompile(`^\s*\[\[\s*` + table + `\s*\]\]`)
	for i, line := range bytes.Split(text, []byte("\n")) {
		if header.Match(line) {
			if n--; n == 0 {
				return i + 1
			}
		}
	}
	return 1
}

func (f *file) office() Office {
	prefecture, _ := ca.PrefectureByCode(f.Municipality.text[:2]) // municipalityCode has seen that there is one
	b := &events.OfficeDefined{
		Municipality: f.Municipality.text, Prefecture: prefecture.Japanese, PrefectureRomaji: prefecture.Romaji,
		Name: f.Name, MunicipalityRomaji: f.MunicipalityRomaji.text, Branch: f.Branch, Telephone: f.Telephone.text,
		EffectiveFrom: f.Effective.String(), LastAcceptanceMs: f.LastAcceptance.beginMs(),
	}
	for _, h := range f.Hours {
		b.Hours = append(b.Hours, h.logged())
	}
	for _, e := range f.Closed {
		b.Exceptions = append(b.Exceptions, e.logged(false))
	}
	for _, e := range f.Open {
		b.Exceptions = append(b.Exceptions, e.logged(true))
	}
	for _, t := range f.Terms {
		b.Terms = append(b.Terms, &events.Term{BeginsMs: t.From.beginMs(), EndsMs: t.Until.endMs(), Operations: logged(t.Operations)})
	}
	for _, name := range slices.Sorted(maps.Keys(f.Law)) {
		b.Settings = append(b.Settings, &events.LawSetting{Name: name, Value: fmt.Sprint(f.Law[name])})
	}
	return Office{ID: f.ID.text, Definition: b}
}

func (h hours) logged() *events.Hours {
	b := &events.Hours{From: h.From.String(), Until: h.Until.String(), Operations: logged(h.Operations)}
	for _, s := range h.Spans {
		b.Spans = append(b.Spans, &events.Span{OpensMinute: uint32(s.From), ClosesMinute: uint32(s.To)})
	}
	for _, d := range h.Weekdays {
		b.Weekdays = append(b.Weekdays, uint32(d))
	}
	slices.Sort(b.Weekdays)
	b.Weekdays = slices.Compact(b.Weekdays)
	return b
}

func (e exception) logged(open bool) *events.HoursException {
	return &events.HoursException{
		FromMs: e.From.beginMs(), UntilMs: e.Until.endMs(), Open: open, Operations: logged(e.Operations), RuleId: e.Rule.text,
	}
}

func logged(list []operation) []string {
	var names []string
	for _, op := range list {
		names = append(names, op.text)
	}
	return names
}
