package forecast

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"shomei/pkg/civil"
)

// ErrShort: the history is too short, as of the day, to learn anything from.
var ErrShort = errors.New("the history is too short: half a year of visits is needed")

// At returns the day at whose end the model knew what it knows.
func (m *Model) At() civil.Date { return dateOf(m.view.at) }

// Places returns what a Query may name as a place: offices, municipalities and prefectures.
func (m *Model) Places() (list []string) {
	for _, i := range m.view.offices {
		o := m.view.h.Offices[i]
		list = append(list, o.ID, o.Municipality, o.Prefecture())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// leastDays is for how many days visits must have been counted.
const leastDays = 26 * 7

// Model is what was learned from a history as of a day.
type Model struct {
	view   *view
	due    dueModel
	others []*otherModel // by procedure; nil where nobody came
	bands  *bands
}

// Learn learns from a history what was known at the end of a day. ErrShort says that this was not enough.
func Learn(h *History, at civil.Date) (*Model, error) {
	if err := h.sort(); err != nil {
		return nil, err
	}
	var m *Model
	var b *bands
	var group errgroup.Group
	group.Go(func() (err error) { m, err = learn(h, number(at)); return err })
	group.Go(func() (err error) { b, err = calibrate(h, number(at)); return err })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	m.bands = b
	return m, nil
}

// learn learns everything but the bands.
func learn(h *History, at int) (*Model, error) {
	if !h.counted || at-h.first+1 < leastDays {
		return nil, fmt.Errorf("%w; as of %s there are %d days", ErrShort, dateOf(at), max(0, at-h.first+1))
	}
	m := &Model{view: newView(h, at)}
	cals := m.view.calendars(m.view.from, at, Plan{})
	var group errgroup.Group
	group.Go(func() error { return m.learnDue(cals) })
	counts := m.view.counts(m.view.from, at)
	m.others = make([]*otherModel, len(h.procedures.words))
	for p := range m.others {
		group.Go(func() error { m.others[p] = m.learnOther(p, counts[1+p], cals); return nil })
	}
	return m, group.Wait()
}

// dueModel forecasts the visits that a last day announces.
type dueModel struct {
	hazards []*hazard // by kind
	day     [dayClasses]float64
	season  season
	level   level
	office  []float64
	loss    float64 // of holders, a day
	lag     int     // from a window's opening to the notice, in the middle; noDay: there are none
	latest  int     // the same of all but a few
	refused float64 // share of first visits
	returns returns
	// shares are by kind, phase (0: until the last day) and procedure; of returned those of all who come again.
	shares   [][2][]float64
	returned [][]float64
}

// chunk is how many offices are worked on at a time; the order of the sums, and so the result, does not depend on the processors.
const chunk = 32

// each calls do for each office, chunks at the same time, and then merge for each chunk in order.
func each(offices int, do func(chunk, office int)) error {
	var group errgroup.Group
	group.SetLimit(workers)
	for c := range (offices + chunk - 1) / chunk {
		group.Go(func() error {
			for o := c * chunk; o < min(offices, (c+1)*chunk); o++ {
				do(c, o)
			}
			return nil
		})
	}
	return group.Wait()
}

// workers is how many chunks are worked on at the same time.
const workers = 4

func (m *Model) learnDue(cals []calendar) error {
	v := m.view
	kinds := len(v.h.kinds.words)
	tallies := make([]*tally, (len(v.offices)+chunk-1)/chunk)
	for i := range tallies {
		tallies[i] = newTally(kinds)
	}
	if err := each(len(v.offices), func(c, o int) { v.tallyOffice(o, cals[o], tallies[c]) }); err != nil {
		return err
	}
	all := newTally(kinds)
	for _, t := range tallies {
		all.add(t)
	}
	m.due.fitHazards(all)
	base := make([][]float64, len(v.offices))
	err := each(len(v.offices), func(_, o int) {
		base[o] = make([]float64, v.at-v.from+1)
		v.expectOffice(o, cals[o], &m.due.day, m.due.hazards, base[o])
	})
	m.due.fitLevels(v, base)
	m.due.fitShares(v)
	m.due.returns = v.learnReturns(cals, &m.due.day)
	return err
}

// fitHazards fits the hazards of all kinds together, and then those of each, which few visits leave near those of all.
func (z *dueModel) fitHazards(t *tally) {
	all := newTable()
	for _, k := range t.kinds {
		all.add(k, 1)
	}
	together := all.fit(nil)
	z.day = together.day
	const few = 200
	for _, k := range t.kinds {
		k.add(all, few/max(few, all.total()))
		z.hazards = append(z.hazards, k.fit(&z.day).hazard())
	}
	z.loss = max(0, t.lost/max(1, t.holderDays))
	z.lag, z.latest = quantileOf(t.noticeLag, 0.5), quantileOf(t.noticeLag, 0.97)
}

// quantileOf returns a quantile of a histogram; noDay if it is empty.
func quantileOf(counts []float64, level float64) int {
	left := sum(counts) * level
	if left == 0 {
		return noDay
	}
	for i, n := range counts {
		if left -= n; left <= 0 {
			return i
		}
	}
	return len(counts) - 1
}

// fitLevels fits season, level and offices to what came of what the hazards had let expect.
func (z *dueModel) fitLevels(v *view, base [][]float64) {
	came := v.firstDue()
	ratios, weights := weeklyRatios(came, base)
	z.season = learnSeason(ratios, weights, v.firstWeek()+3)
	flat := make([]float64, len(ratios))
	for i, r := range ratios {
		flat[i] = r / z.season.of(v.firstWeek()+7*i+3)
	}
	z.level = learnLevel(flat, weights)
	z.office = officeFactors(came, base, ratios)
}

// firstDue returns the first visits that a last day announced, by office of the view and day since its first.
func (v *view) firstDue() [][]float64 {
	came := make([][]float64, len(v.offices))
	for o := range came {
		came[o] = make([]float64, v.at-v.from+1)
	}
	v.eachArrival(v.from, func(office int, a arrival) {
		if due(a) && a.how != returned && int(a.last) >= v.watched() {
			came[office][int(a.day)-v.from] += float64(a.count)
		}
	})
	return came
}

// eachArrival calls do for each arrival from a day on to the view's, with its office in the view.
func (v *view) eachArrival(from int, do func(office int, a arrival)) {
	for i, list := range v.h.visits {
		for _, a := range list {
			if int(a.day) >= from && int(a.day) <= v.at {
				do(v.place[i], a)
			}
		}
	}
}

// Weeks are counted back from the view's day, so that the last is whole.
func (v *view) weeks() int { return (v.at - v.from + 1) / 7 }

// firstWeek is the first day of the first whole week.
func (v *view) firstWeek() int { return v.at + 1 - 7*v.weeks() }

// weekly sums days, the last of which ends a week, by whole weeks.
func weekly(daily []float64) []float64 {
	n := len(daily) / 7
	out, skip := make([]float64, n), len(daily)-7*n
	for i, x := range daily[skip:] {
		out[i/7] += x
	}
	return out
}

// weeklyRatios returns for all offices together what came of what was expected, week by week, and how much was expected.
func weeklyRatios(came, base [][]float64) (ratios, weights []float64) {
	for o := range came {
		y, b := weekly(came[o]), weekly(base[o])
		if ratios == nil {
			ratios, weights = make([]float64, len(y)), make([]float64, len(y))
		}
		for i := range y {
			ratios[i], weights[i] = ratios[i]+y[i], weights[i]+b[i]
		}
	}
	for i := range ratios {
		ratios[i] = (ratios[i] + 0.5) / (weights[i] + 0.5)
	}
	return ratios, weights
}

// officeHalfLife is how long, in weeks, half of what is peculiar to an office takes to be forgotten.
const officeHalfLife = 26

// officeFactors returns how much likelier people come at each office than at all; chance is shrunk away by how much the offices differ
// beyond it.
func officeFactors(came, base [][]float64, ratios []float64) []float64 {
	y, e := make([]float64, len(came)), make([]float64, len(came))
	for o := range came {
		yw, bw := weekly(came[o]), weekly(base[o])
		for i := range yw {
			w := math.Exp2(-float64(len(yw)-1-i) / officeHalfLife)
			y[o], e[o] = y[o]+w*yw[i], e[o]+w*bw[i]*ratios[i]
		}
	}
	spread, chance := 0.0, 0.0
	for o := range y {
		if e[o] > 0 {
			d := y[o]/e[o] - 1
			spread, chance = spread+e[o]*d*d, chance+1
		}
	}
	beyond := max(1e-3, (spread-chance)/max(1, sum(e)))
	for o := range y {
		y[o] = (y[o] + 1/beyond) / (e[o] + 1/beyond)
	}
	return y
}

// fitShares learns which procedures the visits are, and how many are refused.
func (z *dueModel) fitShares(v *view) {
	kinds, procedures := len(v.h.kinds.words), len(v.h.procedures.words)
	z.shares, z.returned = make([][2][]float64, kinds), make([][]float64, kinds)
	for k := range z.shares {
		z.shares[k] = [2][]float64{make([]float64, procedures), make([]float64, procedures)}
		z.returned[k] = make([]float64, procedures)
	}
	first, turned, again := 0.0, 0.0, 0.0
	v.eachArrival(v.from, func(_ int, a arrival) {
		if !due(a) {
			return
		}
		n := float64(a.count) * halfYearWeights[v.at-int(a.day)]
		if a.how == returned {
			z.returned[a.kind][a.procedure] += n
			again += n
			return
		}
		z.shares[a.kind][phaseOf(int(a.day), int(a.last))][a.procedure] += n
		first += n
		if a.how == refused {
			turned += n
		}
	})
	z.refused = turned / max(1, first)
	for k := range z.shares {
		scale(z.shares[k][0], sum(z.shares[k][0]))
		scale(z.shares[k][1], sum(z.shares[k][1]))
		scale(z.returned[k], again)
	}
}

func phaseOf(day, last int) int {
	if day > last {
		return 1
	}
	return 0
}

func scale(x []float64, by float64) {
	for i := range x {
		x[i] = ratioOr0(x[i], by)
	}
}

func ratioOr0(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}
