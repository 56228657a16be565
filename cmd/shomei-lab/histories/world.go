// Package histories invents the histories of offices by which a forecast of visits is judged: people who hold certificates, get a notice,
// come early, at the last moment, late or never, move, lose cards, die, are refused and come back; offices that close, open on Sundays
// and merge; campaigns, and shocks that nobody foresaw. Every figure is drawn from a wide range by a seed.
//
// It writes the CSV that shomei forecast backtest reads, and nothing here knows how the forecast works (a house rule: neither package
// imports the other). People live one by one here; the forecast sees counts only.
package histories

import (
	"fmt"
	"math"
	"math/rand/v2"

	"shomei/pkg/civil"
)

// World is what one seed draws. All shares are between 0 and 1, all lengths are in days.
type World struct {
	Seed       uint64
	Begin, End civil.Date // the days on which visits are counted, both included
	Offices    []Office
	Waves      []Wave  // when people got their first certificates, beside a flow
	Saturation float64 // what is left of that flow on the last day

	Before, After Habits // how people behave on the first day and on the last; between them it changes evenly
	Weekday       [7]float64
	AfterClosure  float64 // how much more (or less) they like the first day after a closure

	Children                float64 // who hold an authentication certificate only
	Death, Move, Loss, PINs float64 // times a year and holder
	MoveSeason, PINSeason   float64 // how many times as many in late March, and in late February
	Refused, Returns        float64 // visits that are refused, and refused people who come back
	ReturnAfter             float64 // mean
	PutOff                  float64 // how much weeks differ: the share of people who come some weeks later than they meant
	NoticeMissing           float64

	Rush   Shock // a benefit needs PINs: as many more PIN resets
	Lull   Shock // people stay at home: the share that does
	Storms []Storm
}

// Office is an office and how it differs from the others.
type Office struct {
	ID, Municipality string
	Holders          float64
	Sundays          bool    // open on the second Sunday of a month
	Closed           int     // a weekday without certificate work (0: none)
	Lag              float64 // from a window's opening to the notice
	LagLater         float64 // the same from LagChanges on
	LagChanges       int     // day of the run
	Lean             float64 // how much likelier than elsewhere people come promptly
	MergedOn         int     // day of the run on which it is merged into the office Into (0: never)
	Into             int
}

// Wave is a campaign: when its middle was, how wide it is, and how many people it brought, in years of the steady flow.
type Wave struct {
	Middle, Width int
	Size          float64
}

// Habits are the shares of people by when they come, and how long they take.
type Habits struct {
	Early, Prompt, Deadline, Late      float64 // the rest never comes
	PromptAfter, PromptSpread          float64 // median after the notice, and sigma of its logarithm
	DeadlineBefore, LateAfter, EarlyIn float64 // means
}

// Shock is something that begins on a day of the run (0: never), with a size and a half-life.
type Shock struct {
	Day      int
	Size     float64
	HalfLife float64
}

// Storm is a day of the run on which every office of a prefecture stayed closed, as was known the day before.
type Storm struct {
	Day        int
	Prefecture string
}

// youth is for how long before its first day a world's certificates have been issued: longer than any of them lasts.
const youth = 6*366 + 40

// Draw returns the world of a seed.
func Draw(seed uint64) *World {
	dice := rand.New(rand.NewPCG(seed, 0x5eed))
	w := &World{Seed: seed}
	w.Begin = civil.New(2017, 4, 1).AddDays(dice.IntN(1000))
	w.End = w.Begin.AddDays(1400 + dice.IntN(600))
	w.drawOffices(dice)
	w.drawWaves(dice)
	w.Before = drawHabits(dice)
	w.After = w.Before.drift(dice)
	w.drawDays(dice)
	w.drawRates(dice)
	w.drawShocks(dice)
	return w
}

// Resize makes every office so many times as large.
func (w *World) Resize(times float64) {
	for i := range w.Offices {
		w.Offices[i].Holders *= times
	}
}

func between(dice *rand.Rand, low, high float64) float64 { return low + (high-low)*dice.Float64() }

// spread draws between two positive numbers, small ones as often as large ones.
func spread(dice *rand.Rand, low, high float64) float64 {
	return math.Exp(between(dice, math.Log(low), math.Log(high)))
}

func chance(dice *rand.Rand, p float64) bool { return dice.Float64() < p }

// length is the number of days of the run: those on which visits are counted and the youth before them.
func (w *World) length() int { return youth + w.Begin.DaysUntil(w.End) + 1 }

func (w *World) drawOffices(dice *rand.Rand) {
	n, municipality := 6+dice.IntN(9), 0
	lag, later := between(dice, 0, 30), between(dice, 0, 30)
	changes := youth + dice.IntN(w.length()-youth)
	if chance(dice, 0.5) {
		later = lag
	}
	for i := range n {
		if i == 0 || chance(dice, 0.6) {
			municipality++
		}
		o := Office{
			Municipality: fmt.Sprintf("%02d%03d", 1+municipality%3, 200+municipality),
			Holders:      spread(dice, 1500, 25000), Sundays: chance(dice, 0.3), Lean: spread(dice, 0.7, 1.4),
			Lag: lag + between(dice, 0, 4), LagLater: later + between(dice, 0, 4), LagChanges: changes,
		}
		o.ID = fmt.Sprintf("%s-%d", o.Municipality, i+1)
		if chance(dice, 0.15) {
			o.Closed = 1 + dice.IntN(5)
		}
		w.Offices = append(w.Offices, o)
	}
	if chance(dice, 0.5) {
		w.merge(dice)
	}
}

// merge has the last office go into another one on a first of April, after a year of visits.
func (w *World) merge(dice *rand.Rand) {
	year := w.Begin.Year + 2 + dice.IntN(2)
	day := civil.New(year, 4, 1)
	if !day.Before(w.End) {
		return
	}
	last := &w.Offices[len(w.Offices)-1]
	last.MergedOn, last.Into = youth+w.Begin.DaysUntil(day), dice.IntN(len(w.Offices)-1)
}

func (w *World) drawWaves(dice *rand.Rand) {
	w.Saturation = between(dice, 0.1, 1)
	for range dice.IntN(4) {
		w.Waves = append(w.Waves, Wave{Middle: dice.IntN(w.length()), Width: 20 + dice.IntN(100), Size: spread(dice, 0.3, 3)})
	}
}

func drawHabits(dice *rand.Rand) Habits {
	h := Habits{
		Early: between(dice, 0, 0.15), Prompt: between(dice, 0.2, 0.6), Deadline: between(dice, 0.1, 0.4), Late: between(dice, 0.05, 0.3),
		PromptAfter: spread(dice, 5, 35), PromptSpread: between(dice, 0.5, 1.1),
		DeadlineBefore: spread(dice, 3, 20), LateAfter: spread(dice, 15, 90), EarlyIn: spread(dice, 2, 10),
	}
	return h.share(between(dice, 0.7, 0.97))
}

// share makes all who come a part of everybody.
func (h Habits) share(come float64) Habits {
	sum := (h.Early + h.Prompt + h.Deadline + h.Late) / come
	h.Early, h.Prompt, h.Deadline, h.Late = h.Early/sum, h.Prompt/sum, h.Deadline/sum, h.Late/sum
	return h
}

func (h Habits) drift(dice *rand.Rand) Habits {
	come := h.Early + h.Prompt + h.Deadline + h.Late
	for _, f := range []*float64{&h.Early, &h.Prompt, &h.Deadline, &h.Late, &h.PromptAfter, &h.DeadlineBefore, &h.LateAfter} {
		*f *= spread(dice, 0.7, 1.4)
	}
	return h.share(min(0.98, come*spread(dice, 0.85, 1.15)))
}

// at is how people behave when a part of the counted days is over.
func (w *World) at(part float64) Habits {
	part = min(1, max(0, part))
	mix := func(a, b float64) float64 { return a + (b-a)*part }
	a, b := w.Before, w.After
	return Habits{
		mix(a.Early, b.Early), mix(a.Prompt, b.Prompt), mix(a.Deadline, b.Deadline), mix(a.Late, b.Late),
		mix(a.PromptAfter, b.PromptAfter), a.PromptSpread,
		mix(a.DeadlineBefore, b.DeadlineBefore), mix(a.LateAfter, b.LateAfter), a.EarlyIn,
	}
}

func (w *World) drawDays(dice *rand.Rand) {
	for i := range w.Weekday {
		w.Weekday[i] = between(dice, 0.6, 1)
	}
	w.Weekday[1+4*dice.IntN(2)] = 1 // Mondays or Fridays are never the quietest
	w.AfterClosure = spread(dice, 0.8, 1.3)
}

func (w *World) drawRates(dice *rand.Rand) {
	w.Children = between(dice, 0, 0.25)
	w.Death, w.Move, w.Loss, w.PINs = between(dice, 0.004, 0.02), between(dice, 0.02, 0.08), between(dice, 0.005, 0.03), between(dice, 0.02, 0.1)
	w.MoveSeason, w.PINSeason = between(dice, 1, 6), between(dice, 1, 4)
	w.Refused, w.Returns, w.ReturnAfter = between(dice, 0.01, 0.15), between(dice, 0.6, 0.95), spread(dice, 2, 15)
	w.PutOff, w.NoticeMissing = between(dice, 0, 0.25), between(dice, 0, 0.1)
}

func (w *World) drawShocks(dice *rand.Rand) {
	counted := func() int { return youth + dice.IntN(w.length()-youth) }
	if chance(dice, 0.4) {
		w.Rush = Shock{counted(), spread(dice, 8, 80), between(dice, 7, 28)}
	}
	if chance(dice, 0.25) {
		w.Lull = Shock{counted(), between(dice, 0.2, 0.7), between(dice, 14, 45)}
	}
	for range dice.IntN(4) {
		w.Storms = append(w.Storms, Storm{counted(), w.Offices[dice.IntN(len(w.Offices))].Municipality[:2]})
	}
}
