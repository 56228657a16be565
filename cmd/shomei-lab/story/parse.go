// Package story is the language of stories: lives written as plain text that a city official can read and object to.
// Parse reads a Story, Help describes the language, and an Expectation judges what was Seen. Package player plays stories.
package story

import (
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// entry is a word of the language: a statement, or a detail under one.
type entry[T any] struct {
	en, ja string
	form   string // what follows the word
	help   string // what it means, Japanese and English
	read   func(*words, T)
}

// parser holds what the story has defined so far.
type parser struct {
	file    string
	persons map[string]Resident
	offices map[string]string          // name in the story → id
	cards   map[string]events.CardKind // as first named
	title   string
	now     time.Time // what the clock will show
}

// Parse reads a story; name is its file in messages. It returns the first mistake of each line as an *Error, joined in
// order.
func Parse(r io.Reader, name string) (*Story, error) {
	blocks, wrong, err := scan(r, name)
	if err != nil {
		return nil, err
	}
	p := &parser{
		file: name, persons: make(map[string]Resident), offices: make(map[string]string), cards: make(map[string]events.CardKind),
	}
	s := &Story{File: name}
	for i, b := range blocks {
		step := p.statement(b, &wrong)
		switch {
		case i == 0 && p.title == "":
			if len(wrong) == 0 {
				wrong.note(mistake(name, b.number, "begin with: story TITLE", "the story does not begin with its title"))
			}
		case step.Act != nil:
			s.Steps = append(s.Steps, step)
		}
	}
	if s.Title = p.title; s.Title == "" && len(wrong) == 0 {
		wrong.note(mistake(name, 1, "begin with: story TITLE", "the file holds no story"))
	}
	if err := wrong.join(); err != nil {
		return nil, err
	}
	return s, nil
}

// statement reads one statement and the lines under it.
func (p *parser) statement(b block, wrong *mistakes) Step {
	w := &words{file: p.file, line: b.line, left: b.words}
	word := w.next("a statement")
	r := &reading{parser: p, block: b, step: &Step{Line: b.number, Text: b.text}}
	for _, e := range statements() {
		if word == e.en || word == e.ja {
			e.read(w, r)
			w.done()
			wrong.note(w.err)
			*wrong = append(*wrong, r.wrong...)
			return *r.step
		}
	}
	w.fail("the statements are: "+names(statements()), "%q begins no statement", word)
	wrong.note(w.err)
	return *r.step
}

func names[T any](list []entry[T]) string {
	var text []string
	for _, e := range list {
		text = append(text, e.en)
	}
	return strings.Join(text, ", ")
}

// reading is one statement being read.
type reading struct {
	*parser
	block block
	step  *Step
	wrong mistakes // in the lines under the statement
}

// under reads the indented lines of a statement: words of the table, and expectations about the person.
func under[T any](r *reading, table []entry[T], into T, person string) {
	for _, l := range r.block.details {
		w := &words{file: r.file, line: l, left: l.words}
		if w.accept("expect", "確認") {
			r.expect(w, person)
		} else {
			detail(w, table, into)
		}
		w.done()
		r.wrong.note(w.err)
	}
}

func detail[T any](w *words, table []entry[T], into T) {
	word := w.next("a word")
	for _, e := range table {
		if word == e.en || word == e.ja {
			e.read(w, into)
			return
		}
	}
	known := names(table)
	if known == "" {
		known = "nothing but expect"
	}
	w.fail("allowed here: "+known, "%q has no meaning under %q", word, w.line.text)
}

// expect reads one expectation. Under a statement about no person, the person comes first.
func (r *reading) expect(w *words, person string) {
	if person == "" {
		person = r.person(w).Nick
	}
	e := Expectation{Line: w.line.number, Text: strings.TrimSpace(strings.TrimPrefix(w.line.text, w.line.words[0])), Person: person}
	word := w.next("what is expected")
	for _, known := range expectations() {
		if word == known.en || word == known.ja {
			known.read(w, &e)
			r.step.Expect = append(r.step.Expect, e)
			return
		}
	}
	w.fail("what can be expected is: "+names(expectations()), "%q can't be expected", word)
}

// person reads the name of a person that the story has introduced.
func (p *parser) person(w *words) Resident {
	name := w.next("the name of a person")
	who, ok := p.persons[name]
	if !ok {
		w.fail("introduce them first with: person "+name, "the story knows no person %q", name)
		who.Nick = name
	}
	if w.err == nil && !p.now.IsZero() && who.BirthDate > civil.Of(p.now).String() {
		w.fail("correct the birth date, or move this to a later time", "%q is born on %s, after %s", name, who.BirthDate, minute(p.now))
	}
	if who.LeavesOn != "" && who.LeavesOn <= civil.Of(p.now).String() {
		who.Registered = false
	}
	return who
}

// office reads the name of an office that the story has introduced and returns its id.
func (p *parser) office(w *words) string {
	name := w.next("the name of an office")
	id, ok := p.offices[name]
	if !ok {
		w.fail("introduce it first with: office "+name, "the story knows no office %q", name)
	}
	return id
}

// at reads "at OFFICE" if it comes next.
func (p *parser) at(w *words) (string, bool) {
	if !w.accept("at", "で") {
		return "", false
	}
	return p.office(w), true
}

// kindOf returns the kind of a card, which is set when the card is first named.
func (p *parser) kindOf(w *words, card string, said events.CardKind) events.CardKind {
	known := p.cards[card]
	switch {
	case card == "" || w.err != nil:
	case known == events.CardKind_CARD_KIND_UNSPECIFIED && said == events.CardKind_CARD_KIND_UNSPECIFIED:
		w.fail("say its kind: card "+card+" juki, or card "+card+" mynumber", "card %s is new in the story", card)
	case known == events.CardKind_CARD_KIND_UNSPECIFIED:
		p.cards[card] = said
	case said != events.CardKind_CARD_KIND_UNSPECIFIED && said != known:
		w.fail("give the other card a number of its own", "card %s was %s before", card, Word(known))
	default:
		return known
	}
	return said
}

// residentCode returns an eleven-digit code for a person without one, the same in every run.
func residentCode(file, nick string) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", file, nick)
	return fmt.Sprintf("%011d", h.Sum64()%100_000_000_000)
}
