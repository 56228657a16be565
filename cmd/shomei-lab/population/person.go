package population

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"shomei/pkg/civil"
)

// Population is everybody invented between two days by a seed.
type Population struct {
	// Seed generates the people; From is the first day, To the day after the last.
	Seed     uint64
	From, To civil.Date
	launches []launch
}

// Of returns the population of a seed between two days.
func Of(seed uint64, from, to civil.Date) *Population {
	return &Population{Seed: seed, From: from, To: to, launches: launchesBetween(from, to)}
}

// Person is one invented person, who follows from seed, index and the days simulated.
type Person struct {
	Index int
	// Code is the resident-record code, which is never stored.
	Code  string
	Birth civil.Date
	Sex   uint32
	// Foreign residents have a period of stay unless they are Permanent.
	Foreign, Permanent bool
	// Ward is an adult ward (成年被後見人): a representative acts.
	Ward bool
	// Mail: the person leaves a mail address.
	Mail bool
	// Juki is when a juki certificate is applied for, First when the first My Number card is; zero: never.
	Juki, First civil.Date

	of        *Population
	home      int
	name      [2]int
	changes   []change
	firstStay civil.Date
}

// Shares of people (those without a source are ours).
const (
	// jukiShare had a juki certificate: 2.84 million of 127 (figures.md 1).
	jukiShare = 0.022
	// foreignShare is about 3 million of 125 million residents.
	foreignShare   = 0.025
	permanentShare = 0.4
	wardShare      = 0.01 // of those over 70
	mailShare      = 0.3
)

// Person generates the person with an index, and everything that happens to them apart from certificates.
func (of *Population) Person(index int) *Person {
	p := &Person{Index: index, of: of, Code: fmt.Sprintf("9%02d%08d", of.Seed%100, index)}
	dice := p.dice("person", 0)
	p.Sex = uint32(1 + dice.IntN(2))
	p.home = weighted(dice)
	p.name = [2]int{dice.IntN(len(families)), dice.IntN(len(givens[0]))}
	p.Foreign = dice.Float64() < foreignShare
	p.First = drawLaunch(dice, of.launches)
	if old := of.From.Before(cohorts[0].from); old && !p.Foreign && (p.First.IsZero() || dice.Float64() < jukiShare) {
		p.Juki = jukied(dice, of.From, of.To)
	}
	p.Birth = birth(dice, p.Begins(), p.Juki.IsZero())
	p.Mail = dice.Float64() < mailShare
	if p.Begins().IsZero() {
		return p
	}
	p.Ward = civil.AgeDuring(p.Birth, p.Begins()) > 70 && dice.Float64() < wardShare
	if p.Foreign {
		p.Permanent = dice.Float64() < permanentShare
		p.firstStay = p.Begins().AddDays(200 + dice.IntN(1500))
	}
	p.live()
	return p
}

// Begins returns the day from which the log knows the person; zero if nothing is ever recorded.
func (p *Person) Begins() civil.Date {
	if p.Juki.IsZero() {
		return p.First
	}
	return p.Juki
}

// dice returns the same randomness for the same question about the same person, whenever it is asked.
func (p *Person) dice(question string, about int64) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%d", p.Index, question, about)
	return rand.New(rand.NewPCG(p.of.Seed, h.Sum64()))
}

func weighted(dice *rand.Rand) int {
	total := 0
	for _, place := range Places {
		total += place.Weight
	}
	drawn := dice.IntN(total)
	return slices.IndexFunc(Places, func(place Place) bool { drawn -= place.Weight; return drawn < 0 })
}

// birth draws a birth date such that ages on the day of the first application look like Japan's: few children, most
// between 18 and 65, and many old.
func birth(dice *rand.Rand, on civil.Date, children bool) civil.Date {
	var age float64
	switch u := dice.Float64(); {
	case u < 0.12 && children:
		age = dice.Float64() * 15
	case u < 0.68:
		age = 18 + dice.Float64()*47
	default:
		age = 65 + math.Abs(dice.NormFloat64()*12)
	}
	if on.IsZero() {
		on = civil.New(2016, 1, 5)
	}
	return on.AddDays(-int(min(max(age, 0.2), 99) * 365.25))
}

// represented reports whether somebody acts for the person on a day: a child's parent or an adult's guardian
// (law.md 2.2).
func (p *Person) represented(at time.Time) bool {
	return p.Ward || civil.AgeDuring(p.Birth, civil.Of(at)) < 15
}

// newCard names a card by its holder and the minute it was applied for.
func (p *Person) newCard(at time.Time) string {
	return fmt.Sprintf("simulated-%d-%s", p.Index, at.In(civil.Tokyo).Format("200601021504"))
}

func date(text string) civil.Date {
	d, err := civil.Parse(text)
	if err != nil {
		return civil.Date{}
	}
	return d
}
