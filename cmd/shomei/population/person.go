package population

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// Person is one invented person. All of it follows from seed, index and the days simulated.
type Person struct {
	Index int
	// Code is the resident-record code, which is never stored.
	Code    string
	Birth   civil.Date
	Sex     uint32
	Foreign bool
	// Juki is when a juki certificate is applied for, First when the first My Number card is; zero: never.
	Juki, First civil.Date

	seed      uint64
	home      int
	name      [2]int
	changes   []change
	until     civil.Date
	firstStay civil.Date
}

// New makes up the person of an index, with everything that happens to them between two days apart from certificates.
func New(seed uint64, index int, from, to civil.Date) *Person {
	p := &Person{Index: index, seed: seed, until: to, Code: fmt.Sprintf("9%02d%08d", seed%100, index)}
	dice := p.dice("person", 0)
	p.Sex = uint32(1 + dice.IntN(2))
	p.home = weighted(dice)
	p.name = [2]int{dice.IntN(len(families)), dice.IntN(len(givens[0]))}
	p.Foreign = dice.Float64() < 0.025
	p.First = cohorted(dice, from, to)
	if old := from.Before(cohorts[0].from); old && (p.First.IsZero() || dice.Float64() < jukiShare) {
		p.Juki = jukied(dice, from, to)
	}
	p.Birth = birth(dice, p.Begins(), p.Juki.IsZero())
	if p.Foreign {
		p.Juki = civil.Date{}
		p.Birth = birth(dice, p.Begins(), false)
		p.firstStay = p.Begins().AddDays(200 + dice.IntN(1500))
	}
	if !p.Begins().IsZero() {
		p.live()
	}
	return p
}

// Begins is the day from which on the log knows the person; zero for whom nothing is ever recorded.
func (p *Person) Begins() civil.Date {
	if p.Juki.IsZero() {
		return p.First
	}
	return p.Juki
}

// dice are the same for the same question about the same person, whenever it is asked.
func (p *Person) dice(question string, about int64) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%d", p.Index, question, about)
	return rand.New(rand.NewPCG(p.seed, h.Sum64()))
}

func weighted(dice *rand.Rand) int {
	total := 0
	for _, place := range Places {
		total += place.Weight
	}
	drawn := dice.IntN(total)
	return slices.IndexFunc(Places, func(place Place) bool { drawn -= place.Weight; return drawn < 0 })
}

// birth draws a birth date such that ages on the day of the first application look like Japan's: few children, two
// broad humps about 45 and 70.
func birth(dice *rand.Rand, on civil.Date, children bool) civil.Date {
	var age float64
	switch u := dice.Float64(); {
	case u < 0.12 && children:
		age = dice.Float64() * 15
	case u < 0.6:
		age = 18 + dice.Float64()*40
	default:
		age = 68 + dice.NormFloat64()*9
	}
	if on.IsZero() {
		on = civil.New(2016, 1, 5)
	}
	return on.AddDays(-int(min(max(age, 0.2), 99) * 365.25))
}

// change is something that happens to a person, apart from what they do at a counter.
type change struct {
	at              time.Time
	what            events.RecordChange
	loss            bool // instead of a change: the card is lost
	blocked         bool // instead of a change: a PIN is blocked, the person comes to have it set
	caused, planned civil.Date
	home            int // of a move: the new place's index, plus one
	name            [2]int
	stay            civil.Date
	keep            bool
}

// live draws what happens from the first application on. Mails of the register come early in the morning, before the
// offices open, so that nothing falls into an application that is being worked on.
func (p *Person) live() {
	p.extendStays()
	for day := p.Begins(); day.Before(p.until); day = day.AddYearsClamped(1) {
		dice := p.dice("year", int64(day.Year))
		within := func() civil.Date { return day.AddDays(1 + dice.IntN(364)) }
		age := civil.CompletedAge(p.Birth, day)
		switch u := dice.Float64(); {
		case u < mortality(age):
			p.add(change{at: early(dice, within().AddDays(3)), what: events.RecordChange_RECORD_CHANGE_DEATH})
		case u < 0.03+mortality(age):
			p.add(change{at: early(dice, within()), what: events.RecordChange_RECORD_CHANGE_ADDRESS})
		case u < 0.05+mortality(age):
			p.move(dice, within())
		case u < 0.062+mortality(age) && age >= 22 && age < 45:
			p.add(change{at: early(dice, within()), what: events.RecordChange_RECORD_CHANGE_NAME, name: [2]int{dice.IntN(len(families)), p.name[1]}})
		}
		if dice.Float64() < 0.006 {
			p.add(change{at: within().At(civil.Clock(20, 0)).Add(time.Duration(dice.IntN(4*3600)) * time.Second), loss: true})
		}
		if dice.Float64() < 0.03 {
			p.add(change{at: arrival(dice, within()), blocked: true})
		}
	}
	slices.SortStableFunc(p.changes, func(a, b change) int { return a.at.Compare(b.at) })
}

func (p *Person) add(c change) { p.changes = append(p.changes, c) }

// mortality is the share that dies within a year: doubling every nine years, about 1 in 100 at 70.
func mortality(age int) float64 {
	m := 0.0001
	for a := 10; a < age; a += 9 {
		m *= 2
	}
	return min(m, 0.4)
}

func early(dice *rand.Rand, day civil.Date) time.Time {
	open, _ := office.NextOpenDay("", day)
	return open.At(civil.Clock(8, 30)).Add(time.Duration(dice.IntN(20*60)) * time.Second)
}

// move draws a move to another municipality: notified there a few days before, here a few days after, late by few.
func (p *Person) move(dice *rand.Rand, day civil.Date) {
	to := dice.IntN(len(Places))
	after := 1 + dice.IntN(10)
	if dice.Float64() < 0.02 {
		after = 20 + dice.IntN(30)
	}
	out := early(dice, day.AddDays(-7))
	in := early(dice, day.AddDays(after))
	p.add(change{at: out, what: events.RecordChange_RECORD_CHANGE_MOVE_OUT, caused: civil.Of(out), planned: day})
	p.add(change{at: in, what: events.RecordChange_RECORD_CHANGE_MOVE_IN, caused: day, home: to + 1, keep: dice.Float64() < 0.85})
}

// extendStays draws a new period of stay some weeks before each end, for most; who gets none has left.
func (p *Person) extendStays() {
	for ends := p.firstStay; !ends.IsZero() && ends.Before(p.until); {
		dice := p.dice("stay", int64(ends.Year*400)+int64(ends.Month)*32+int64(ends.Day))
		if dice.Float64() < 0.15 {
			return
		}
		next := ends.AddYearsClamped(1 + 2*dice.IntN(3))
		p.add(change{at: early(dice, ends.AddDays(-20-dice.IntN(40))), what: events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY, stay: next})
		ends = next
	}
}

// Place is where the person's record is kept at an instant.
func (p *Person) Place(at time.Time) Place {
	home := p.home
	for _, c := range p.changes {
		if !c.at.After(at) && c.home > 0 {
			home = c.home - 1
		}
	}
	return Places[home]
}

// Record is the resident record at an instant.
func (p *Person) Record(at time.Time) *events.ResidentRecord {
	name, moves, stay := p.name, 0, p.firstStay
	for _, c := range p.changes {
		if c.at.After(at) {
			break
		}
		switch c.what {
		case events.RecordChange_RECORD_CHANGE_NAME:
			name = c.name
		case events.RecordChange_RECORD_CHANGE_ADDRESS, events.RecordChange_RECORD_CHANGE_MOVE_IN:
			moves++
		case events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY:
			stay = c.stay
		}
	}
	place, dice := p.Place(at), p.dice("address", int64(moves))
	record := &events.ResidentRecord{
		ResidentCode: p.Code, Name: p.called(name), BirthDate: p.Birth.String(), Sex: p.Sex, Registered: true,
		Municipality: place.Code, Foreign: p.Foreign, PeriodOfStay: stay.String(),
		Address: fmt.Sprintf("%s%s%s%d丁目%d番%d号", place.Prefecture, place.City, streets[dice.IntN(len(streets))], 1+dice.IntN(6), 1+dice.IntN(40), 1+dice.IntN(30)),
	}
	return record
}

func (p *Person) called(name [2]int) string {
	if p.Foreign {
		return foreigners[(p.name[0]+p.name[1])%len(foreigners)]
	}
	return families[name[0]] + "　" + givens[p.Sex-1][name[1]]
}
