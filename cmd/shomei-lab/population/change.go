package population

import (
	"math/rand/v2"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// change is something that happens to a person, apart from what they do about certificates.
type change struct {
	at time.Time
	// what is the change of the resident record; unspecified for an incident.
	what events.RecordChange
	// visit is what happens in place of a change of the record.
	visit           incident
	caused, planned civil.Date
	home            int // of a move: the new place's index, plus one
	name            [2]int
	stay            civil.Date
	keep            bool
}

// incident is what happens to a card in its holder's hands.
type incident int

const (
	lost incident = iota + 1
	found
	blocked
	returned
	revoked
)

// Yearly shares of people to whom something happens. Nothing is published for card holders; these are ours, close to
// the country's statistics of moves, marriages and emigration.
const (
	yearlyAddress  = 0.025
	yearlyMove     = 0.04
	yearlyName     = 0.012 // of those between 22 and 45
	yearlyOverseas = 0.004 // of those between 20 and 60
	yearlyMinor    = 0.004 // corrections that revoke nothing
	yearlyRare     = 0.0003
	yearlyLoss     = 0.006
	foundAgain     = 0.25
	yearlyBlocked  = 0.03
	yearlyReturned = 0.0012
	yearlyRevoked  = 0.0012
)

// rush is the shock of figures.md 2: a benefit requires PINs, and those who have forgotten theirs come within days.
var rush = struct {
	first civil.Date
	share float64
}{civil.New(2020, 5, 7), 0.03}

// live draws what happens from the first application on.
func (p *Person) live() {
	p.extendStays()
	alive, away := true, civil.Date{}
	for day := p.Begins(); day.Before(p.of.To) && alive; day = day.AddYearsClamped(1) {
		if day.Before(away) {
			continue
		}
		dice := p.dice("year", int64(day.Year))
		alive = p.yearOf(dice, day, &away)
		p.incidents(dice, day)
	}
	if dice := p.dice("rush", 0); dice.Float64() < rush.share && p.Begins().Before(rush.first) {
		p.add(change{at: arrival(dice, rush.first.AddDays(dice.IntN(5))), visit: blocked})
	}
	slices.SortStableFunc(p.changes, func(a, b change) int { return a.at.Compare(b.at) })
}

func (p *Person) add(c change) { p.changes = append(p.changes, c) }

// yearOf draws what the resident record sees in the year from a day on; false if it ends. Two changes in one year would
// often be in an impossible order.
func (p *Person) yearOf(dice *rand.Rand, day civil.Date, away *civil.Date) bool {
	at := day.AddDays(1 + dice.IntN(350))
	age := civil.AgeDuring(p.Birth, day)
	u := dice.Float64()
	happens := func(share float64, may bool) bool {
		if u -= share; u < 0 && u >= -share {
			return may
		}
		return false
	}
	switch {
	case happens(mortality(age), true):
		p.add(change{at: early(dice, at.AddDays(3)), what: events.RecordChange_RECORD_CHANGE_DEATH})
		return false
	case happens(yearlyAddress, true):
		p.add(change{at: early(dice, at), what: events.RecordChange_RECORD_CHANGE_ADDRESS})
	case happens(yearlyMove, true):
		p.move(dice, at)
	case happens(yearlyName, age >= 22 && age < 45):
		p.add(change{at: early(dice, at), what: events.RecordChange_RECORD_CHANGE_NAME, name: [2]int{dice.IntN(len(families)), p.name[1]}})
	case happens(yearlyOverseas, age >= 20 && age < 60 && !p.Foreign):
		*away = p.goAbroad(dice, at)
	case happens(yearlyMinor, true):
		p.add(change{at: early(dice, at), what: events.RecordChange_RECORD_CHANGE_MINOR})
	case happens(yearlyRare, true):
		p.add(change{at: early(dice, at), what: events.RecordChange_RECORD_CHANGE_BIRTH_DATE})
	case happens(yearlyRare, true):
		p.add(change{at: early(dice, at), what: events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER})
	case happens(yearlyRare, true):
		p.add(change{at: early(dice, at), what: events.RecordChange_RECORD_CHANGE_DELETED})
		return false
	}
	return true
}

// incidents draws what happens to the card in a year, if one is held then.
func (p *Person) incidents(dice *rand.Rand, day civil.Date) {
	within := func() civil.Date { return day.AddDays(1 + dice.IntN(364)) }
	if dice.Float64() < yearlyLoss {
		at := within()
		p.add(change{at: at.At(civil.Clock(20, 0)).Add(time.Duration(dice.IntN(4*3600)) * time.Second), visit: lost})
		if dice.Float64() < foundAgain {
			p.add(change{at: arrival(dice, at.AddDays(1+dice.IntN(5))), visit: found})
		}
	}
	if dice.Float64() < yearlyBlocked {
		p.add(change{at: arrival(dice, within()), visit: blocked})
	}
	switch u := dice.Float64(); {
	case u < yearlyReturned:
		p.add(change{at: arrival(dice, within()), visit: returned})
	case u < yearlyReturned+yearlyRevoked:
		p.add(change{at: arrival(dice, within()), visit: revoked})
	}
}

// mortality returns the share that dies within a year: doubling every nine years, about 1 in 100 at 70.
func mortality(age int) float64 {
	m := 0.0001
	for a := 10; a < age; a += 9 {
		m *= 2
	}
	return min(m, 0.4)
}

// move draws a move to another municipality: notified there a few days before, here a few days after, by some too late
// and by a few never (law.md 8.7).
func (p *Person) move(dice *rand.Rand, day civil.Date) {
	to := dice.IntN(len(Places))
	after := 1 + dice.IntN(10)
	if dice.Float64() < 0.03 {
		after = 16 + dice.IntN(30)
	}
	out := early(dice, day.AddDays(-7))
	p.add(change{at: out, what: events.RecordChange_RECORD_CHANGE_MOVE_OUT, caused: civil.Of(out), planned: day})
	if dice.Float64() < 0.01 {
		return
	}
	in := early(dice, day.AddDays(after))
	p.add(change{at: in, what: events.RecordChange_RECORD_CHANGE_MOVE_IN, caused: day, home: to + 1, keep: dice.Float64() < 0.85})
}

// goAbroad draws a move overseas and, for most, the return some years later; it returns the day of that.
func (p *Person) goAbroad(dice *rand.Rand, day civil.Date) (back civil.Date) {
	left := early(dice, day)
	p.add(change{at: left, what: events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS, caused: civil.Of(left), keep: dice.Float64() < 0.6})
	back = day.AddDays(300 + dice.IntN(1500))
	if dice.Float64() < 0.3 {
		return back.AddYearsClamped(100)
	}
	in := early(dice, back.AddDays(dice.IntN(10)))
	p.add(change{at: in, what: events.RecordChange_RECORD_CHANGE_MOVE_IN, caused: back, home: dice.IntN(len(Places)) + 1, keep: true})
	return back.AddDays(30)
}

// extendStays draws, for most, a new period of stay some weeks before each end; the others leave the country.
func (p *Person) extendStays() {
	if p.Permanent {
		return
	}
	for ends := p.firstStay; !ends.IsZero() && ends.Before(p.of.To); {
		dice := p.dice("stay", int64(ends.Year*400)+int64(ends.Month)*32+int64(ends.Day))
		if dice.Float64() < 0.15 {
			at := early(dice, ends.AddDays(-1-dice.IntN(30)))
			p.add(change{at: at, what: events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE, caused: civil.Of(at)})
			return
		}
		next := ends.AddYearsClamped(1 + 2*dice.IntN(3))
		p.add(change{at: early(dice, ends.AddDays(-20-dice.IntN(40))), what: events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY, stay: next})
		ends = next
	}
}
