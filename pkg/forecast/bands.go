package forecast

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// variance is what makes the visits of one class differ from what was expected, at one horizon.
type variance struct {
	chance float64 // times the mean: Poisson's is 1
	office float64 // times the mean, peculiar to an office
	common float64 // times the mean, the same everywhere
}

// shape is the distribution of errors over their standard deviation: quantiles at 10, 50 and 90 %, of single offices and of many.
type shape struct{ one, many [3]float64 }

var levels = [3]float64{0.1, 0.5, 0.9}

// bands is what is known of errors: by class and horizon. The last shape is that of all classes together.
type bands struct {
	parts  [][]variance
	shapes []shape
}

// part returns the variance of a class some weeks ahead: between two horizons in between, beyond the last growing on.
func (b *bands) part(class int, weeks float64) variance {
	list := b.parts[class]
	last := len(horizons) - 1
	if weeks >= float64(horizons[last]) {
		v, grow := list[last], math.Sqrt(weeks/float64(horizons[last]))
		return variance{v.chance, v.office * grow, v.common * grow}
	}
	i := 0
	for i < last-1 && weeks > float64(horizons[i+1]) {
		i++
	}
	x := (max(weeks, float64(horizons[0])) - float64(horizons[i])) / float64(horizons[i+1]-horizons[i])
	mix := func(a, b float64) float64 { return a + (b-a)*x }
	l, r := list[i], list[i+1]
	return variance{mix(l.chance, r.chance), mix(l.office, r.office), mix(l.common, r.common)}
}

// moments adds up what is expected of some classes at some offices in some time, and how far that may be wrong.
type moments struct {
	mean    float64
	classes []classMoments
}

type classMoments struct {
	chance, common float64
	office, mean   []float64 // by office: the standard deviation, and the mean
	used           bool
}

func newMoments(classes, offices int) *moments {
	m := &moments{classes: make([]classMoments, classes)}
	for i := range m.classes {
		m.classes[i].office, m.classes[i].mean = make([]float64, offices), make([]float64, offices)
	}
	return m
}

func (m *moments) reset() {
	m.mean = 0
	for i := range m.classes {
		c := &m.classes[i]
		if c.used {
			clear(c.office)
			clear(c.mean)
		}
		c.chance, c.common, c.used = 0, 0, false
	}
}

func (m *moments) add(v variance, class, office int, mean float64) {
	c := &m.classes[class]
	c.used = true
	m.mean += mean
	c.chance += v.chance * mean
	c.common += v.common * mean
	c.office[office] += v.office * mean
	c.mean[office] += mean
}

// spread returns the standard deviation, how much of the mean is one office's (1: all), and which classes there are (-1: several).
func (m *moments) spread() (deviation, single float64, class int) {
	total, of, n := 0.0, make([]float64, len(m.classes[0].mean)), 0
	for i := range m.classes {
		c := &m.classes[i]
		if !c.used {
			continue
		}
		class = i
		n++
		total += c.chance + c.common*c.common
		for o, x := range c.office {
			total += x * x
			of[o] += c.mean[o]
		}
	}
	squares := 0.0
	for _, x := range of {
		squares += x * x
	}
	if n != 1 {
		class = -1
	}
	return math.Sqrt(total), ratioOr0(squares, m.mean*m.mean), class
}

// quantiles returns the mean and the 10, 50 and 90 % quantiles.
func (b *bands) quantiles(m *moments) (q [3]float64) {
	deviation, single, class := m.spread()
	if class < 0 {
		class = len(b.shapes) - 1
	}
	s := b.shapes[class]
	for i := range q {
		q[i] = max(0, m.mean+deviation*(single*s.one[i]+(1-single)*s.many[i]))
	}
	return q
}

// past is what would have been forecast in the past, and what happened then.
type past struct {
	h      *History
	actual [][][]float64 // by class, office and day from the history's first
	points map[int]*point
}

// point is a forecast as of one day: by class, office of the history and horizon, the visits of one week.
type point struct {
	at   int
	mean [][][]float64
}

func newPast(h *History) *past {
	p := &past{h: h, points: map[int]*point{}}
	unmerged := &view{h: h, at: h.last, from: h.first, place: make([]int, len(h.Offices)), offices: make([]int, len(h.Offices))}
	for i := range unmerged.place {
		unmerged.place[i], unmerged.offices[i] = i, i
	}
	p.actual = unmerged.counts(h.first, h.last)
	return p
}

// came returns the visits of a class to an office in the week that begins on a day; false if the history does not reach so far.
func (p *past) came(class, office, from int) (float64, bool) {
	if from < p.h.first || from+6 > p.h.last {
		return 0, false
	}
	return sum(p.actual[class][office][from-p.h.first : from-p.h.first+7]), true
}

// targetOf is the first day of the week that lies some weeks ahead of a day.
func targetOf(at, weeks int) int { return at + 1 + 7*(weeks-1) }

// point returns the forecast as of a day.
func (p *past) point(at int) (*point, error) {
	if q, ok := p.points[at]; ok {
		return q, nil
	}
	m, err := learn(p.h, at)
	if err != nil {
		return nil, err
	}
	q := pointOf(m)
	p.points[at] = q
	return q, nil
}

func pointOf(m *Model) *point {
	last := horizons[len(horizons)-1]
	f := m.Forecast(dateOf(m.view.at+7*last), Plan{})
	classes := f.classes()
	q := &point{m.view.at, make([][][]float64, len(classes))}
	for c := range classes {
		q.mean[c] = make([][]float64, len(m.view.h.Offices))
		for o := range q.mean[c] {
			q.mean[c][o] = make([]float64, len(horizons))
		}
		if classes[c] == nil {
			continue
		}
		for i, o := range m.view.offices {
			for h, weeks := range horizons {
				begin := i*f.days + 7*(weeks-1)
				q.mean[c][o][h] = sum(classes[c][begin : begin+7])
			}
		}
	}
	return q
}

// Errors are learned from forecasts every four weeks, over a year and a half.
const (
	lookEvery = 28
	looks     = 20
)

// calibrate learns bands from what would have been forecast before a day, from a part of the offices if there are many.
func calibrate(h *History, at int) (*bands, error) { return newPast(h.sample()).bands(at) }

// bands learns from all errors that were known at the end of a day.
func (p *past) bands(at int) (*bands, error) {
	var known []*point
	for k := 1; k <= looks; k++ {
		before := at - k*lookEvery
		if before-p.h.first+1 < leastDays {
			break
		}
		q, err := p.point(before)
		if err != nil {
			return nil, err
		}
		known = append(known, q)
	}
	if len(known) < 2 {
		return nil, ErrShort
	}
	classes := 1 + len(p.h.procedures.words)
	b := &bands{make([][]variance, classes), make([]shape, classes+1)}
	for c := range classes {
		b.parts[c] = p.variances(known, c, at)
		b.shapes[c] = p.shape(b, known, []int{c}, at)
	}
	every := make([]int, classes)
	for c := range every {
		every[c] = c
	}
	b.shapes[classes] = p.shape(b, known, every, at)
	return b, nil
}

// pair is what was expected and what came.
type pair struct{ mean, came float64 }

// pairs returns what was expected of a class as of a point at a horizon, and what came, by office; nil if that was not known at a day.
func (p *past) pairs(q *point, class, h, at int) []pair {
	from := targetOf(q.at, horizons[h])
	if from+6 > at {
		return nil
	}
	list := make([]pair, 0, len(p.h.Offices))
	for o := range p.h.Offices {
		came, ok := p.came(class, o, from)
		if !ok {
			return nil
		}
		list = append(list, pair{q.mean[class][o][h], came})
	}
	return list
}

// variances learns the parts of the variance of a class at each horizon. Where the history is too short for one, it takes those of the
// horizon before, grown.
func (p *past) variances(known []*point, class, at int) []variance {
	list := make([]variance, len(horizons))
	for h := range horizons {
		var weeks [][]pair
		for _, q := range known {
			if pairs := p.pairs(q, class, h, at); pairs != nil {
				weeks = append(weeks, pairs)
			}
		}
		if len(weeks) < 3 && h > 0 {
			grow := math.Sqrt(math.Sqrt(float64(horizons[h]) / float64(horizons[h-1])))
			list[h] = variance{list[h-1].chance, list[h-1].office * grow, list[h-1].common * grow}
			continue
		}
		list[h] = varianceOf(weeks)
	}
	return list
}

// varianceOf takes apart what offices did on their own and what all did, in some weeks.
func varianceOf(weeks [][]pair) variance {
	v := variance{chance: 1}
	var x, y, w []float64
	for _, week := range weeks {
		mean, came := totals(week)
		if mean < 1e-6 {
			continue
		}
		for _, p := range week {
			if p.mean > 0.05 {
				d := p.came - p.mean*came/mean
				free := max(0.1, 1-p.mean/mean) // an office is part of the total that it is compared with
				x, y, w = append(x, p.mean), append(y, d*d/p.mean/free), append(w, 1)
			}
		}
	}
	if len(x) > 2 {
		v.chance, v.office = lineThrough(x, y, w)
	}
	common, n := 0.0, 0.0
	for _, week := range weeks {
		mean, came := totals(week)
		if mean < 1e-6 {
			continue
		}
		own := v.chance * mean
		for _, p := range week {
			own += v.office * v.office * p.mean * p.mean
		}
		common, n = common+((came-mean)*(came-mean)-own)/(mean*mean), n+1
	}
	v.common = math.Sqrt(max(0, common/max(1, n)))
	return v
}

func totals(week []pair) (mean, came float64) {
	for _, p := range week {
		mean, came = mean+p.mean, came+p.came
	}
	return mean, came
}

// lineThrough fits squares over means by chance + office²·mean, neither below what chance alone makes.
func lineThrough(x, y, w []float64) (chance, office float64) {
	chance, slope := stat.LinearRegression(x, y, w, false)
	if slope < 0 || math.IsNaN(slope) {
		return max(0.8, stat.Mean(y, w)), 0
	}
	if chance < 0.8 {
		chance = 0.8
		slope = max(0, (stat.Mean(y, w)-chance)/stat.Mean(x, w))
	}
	return chance, math.Sqrt(slope)
}

// shape learns the distribution of errors over their standard deviation, of some classes together.
func (p *past) shape(b *bands, known []*point, classes []int, at int) (s shape) {
	var one, many []float64
	all, each := newMoments(len(b.parts), len(p.h.Offices)), newMoments(len(b.parts), len(p.h.Offices))
	for _, q := range known {
		for h, weeks := range horizons {
			if targetOf(q.at, weeks)+6 > at {
				continue
			}
			all.reset()
			total := 0.0
			for o := range p.h.Offices {
				each.reset()
				came := 0.0
				for _, c := range classes {
					y, _ := p.came(c, o, targetOf(q.at, weeks))
					came += y
					each.add(b.parts[c][h], c, o, q.mean[c][o][h])
					all.add(b.parts[c][h], c, o, q.mean[c][o][h])
				}
				total += came
				if d, _, _ := each.spread(); each.mean > 0.5 {
					one = append(one, (came-each.mean)/d)
				}
			}
			if d, _, _ := all.spread(); all.mean > 0.5 {
				many = append(many, (total-all.mean)/d)
			}
		}
	}
	s.one, s.many = quantilesOf(one), quantilesOf(many)
	return s
}

// normal are the quantiles where nothing is known.
var normal = [3]float64{-1.2816, 0, 1.2816}

// quantilesOf returns the quantiles of some errors; few of them are mixed with those of a normal distribution.
func quantilesOf(x []float64) (q [3]float64) {
	const few = 10
	if len(x) < 5 {
		return normal
	}
	slices.Sort(x)
	keep := float64(len(x)) / float64(len(x)+few)
	for i, level := range levels {
		q[i] = keep*stat.Quantile(level, stat.LinInterp, x, nil) + (1-keep)*normal[i]
	}
	return q
}

// sampled is from how many offices errors are learned.
const sampled = 60

// sample returns a history of every nth office.
func (h *History) sample() *History {
	if len(h.Offices) <= sampled {
		return h
	}
	return h.only(func(i int) bool { return i%(len(h.Offices)/sampled) == 0 })
}

// only returns a history of some offices; mergers with others are left out.
func (h *History) only(keep func(int) bool) *History {
	s := *h
	s.Offices, s.cohorts, s.visits, s.notices, s.mergers, s.exceptions = nil, nil, nil, nil, nil, nil
	place := map[int]int{-1: -1}
	for i := range h.Offices {
		if keep(i) {
			place[i] = len(s.Offices)
			s.Offices, s.cohorts = append(s.Offices, h.Offices[i]), append(s.cohorts, h.cohorts[i])
			s.visits, s.notices = append(s.visits, h.visits[i]), append(s.notices, h.notices[i])
		}
	}
	for _, m := range h.mergers {
		from, ok := place[m.from]
		if into, both := place[m.into]; ok && both {
			s.mergers = append(s.mergers, merger{from, into, m.day, m.since})
		}
	}
	for _, e := range h.exceptions {
		if office, ok := place[e.office]; ok {
			s.exceptions = append(s.exceptions, exception{office, e.day, e.since, e.open})
		}
	}
	return &s
}
