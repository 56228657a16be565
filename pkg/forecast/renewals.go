package forecast

import "math"

// Ages and days since the notice are told apart in these steps: each number begins one.
var (
	ageSteps    = steps(-100, -96, -92, -90, -88, -84, -80, -76, -72, -68, -64, -60, -56, -52, -48, -44, -40, -36, -32, -28, -24, -21, -18, -15, -13, -11, -9, -7, -5, -4, -3, -2, -1, 0, 1, 4, 8, 15, 22, 31, 46, 61, 91, 121, 181, 271)
	noticeSteps = steps(0, 2, 4, 7, 10, 14, 21, 28, 42, 56, 84)
)

func steps(begins ...int) []int { return begins }

// stepOf returns which step a number lies in: 0 before the first.
func stepOf(steps []int, x int) int {
	i := 0
	for i < len(steps) && x >= steps[i] {
		i++
	}
	return i
}

// noticed is for how many days a notice is told apart from none.
const noticed = 400

// hazard says how likely a holder of one kind comes on an open day, before office, season and level.
type hazard struct {
	age    [ages]float64    // by days from the last day
	notice [noticed]float64 // by days since the notice, in addition
}

// since returns what a notice adds on a day; nothing before it.
func (z *hazard) since(day, notice int) float64 {
	if s := day - notice; notice != noDay && s >= 0 && s < noticed {
		return z.notice[s]
	}
	return 0
}

// table counts holders who could come, and those who did, by age, notice and day class.
type table struct{ exposed, came []float64 }

var (
	ageStep    = expand(ageSteps, youngest, ages)
	noticeStep = expand(noticeSteps, 0, noticed)
)

func expand(steps []int, first, n int) []uint8 {
	out := make([]uint8, n)
	for i := range out {
		out[i] = uint8(stepOf(steps, first+i) - 1)
	}
	return out
}

// noticeCells is one more than the steps: 0 for no notice.
func noticeCells() int { return len(noticeSteps) + 1 }

func newTable() table {
	n := len(ageSteps) * noticeCells() * dayClasses
	return table{make([]float64, n), make([]float64, n)}
}

func cell(age, notice int, class uint8) int {
	return (age*noticeCells()+notice)*dayClasses + int(class)
}

func (t table) add(other table, scale float64) {
	for i := range t.exposed {
		t.exposed[i] += other.exposed[i] * scale
		t.came[i] += other.came[i] * scale
	}
}

func (t table) total() (came float64) {
	for _, y := range t.came {
		came += y
	}
	return came
}

// rates are the multipliers that fit finds.
type rates struct {
	age, notice []float64
	day         [dayClasses]float64
}

// fit finds the rates by ages and notices, which add, and by day classes, which multiply: each count is shared out to what may have
// caused it, and each cause gets what its share is of its exposure, until that no longer changes much. The day classes of begin are kept
// if it has any.
func (t table) fit(begin *[dayClasses]float64) rates {
	r := rates{make([]float64, len(ageSteps)), make([]float64, noticeCells()), [dayClasses]float64{}}
	for i := range r.day {
		r.day[i] = 1
	}
	if begin != nil {
		r.day = *begin
	}
	start := t.total() / max(1, sum(t.exposed)) / 2
	for i := range r.age {
		r.age[i] = start
	}
	for i := range r.notice {
		r.notice[i] = start
	}
	r.notice[0] = 0
	turns := fits
	if begin != nil {
		turns = 1
	}
	for range turns {
		flat := t.flatten(&r.day)
		for range 60 / turns {
			flat.shareOut(&r)
		}
		if begin == nil {
			t.fitDays(&r)
		}
	}
	return r
}

// fits is how often the day classes are fitted anew.
const fits = 6

// flatten sums over the day classes, exposures as much as each is worth.
func (t table) flatten(day *[dayClasses]float64) table {
	n := len(t.came) / dayClasses
	f := table{make([]float64, n), make([]float64, n)}
	for i := range f.came {
		for d := range dayClasses {
			f.came[i] += t.came[i*dayClasses+d]
			f.exposed[i] += t.exposed[i*dayClasses+d] * day[d]
		}
	}
	return f
}

// shareOut shares the counts of a flattened table out to ages and notices.
func (t table) shareOut(r *rates) {
	ageCame, ageExposed := make([]float64, len(r.age)), make([]float64, len(r.age))
	noticeCame, noticeExposed := make([]float64, len(r.notice)), make([]float64, len(r.notice))
	for a := range r.age {
		for n := range r.notice {
			came, exposed := t.came[a*noticeCells()+n], t.exposed[a*noticeCells()+n]
			part := r.age[a] / max(r.age[a]+r.notice[n], 1e-12)
			ageCame[a], ageExposed[a] = ageCame[a]+came*part, ageExposed[a]+exposed
			noticeCame[n], noticeExposed[n] = noticeCame[n]+came*(1-part), noticeExposed[n]+exposed
		}
	}
	for a := range r.age {
		r.age[a] = ageCame[a] / max(ageExposed[a], 1e-9)
	}
	for n := 1; n < len(r.notice); n++ {
		r.notice[n] = noticeCame[n] / max(noticeExposed[n], 1e-9)
	}
}

// sparse is how many visits a day class needs to speak for itself, and not for its weekday.
const sparse = 40

func (t table) fitDays(r *rates) {
	var came, expected [dayClasses]float64
	for a := range r.age {
		for n := range r.notice {
			rate := r.age[a] + r.notice[n]
			for d := range dayClasses {
				i := cell(a, n, uint8(d))
				came[d], expected[d] = came[d]+t.came[i], expected[d]+t.exposed[i]*rate
			}
		}
	}
	r.day = dayFactors(came, expected)
}

// dayFactors returns what each day class is worth; the mean day is worth 1.
func dayFactors(came, expected [dayClasses]float64) (day [dayClasses]float64) {
	all := ratio(sum(came[:]), sum(expected[:]))
	for weekday := range 7 {
		of := weekday * closedRuns
		usual := (sum(came[of:of+closedRuns]) + sparse) / (sum(expected[of:of+closedRuns])*all + sparse)
		for d := of; d < of+closedRuns; d++ {
			day[d] = (came[d] + sparse*usual) / (expected[d]*all + sparse)
		}
	}
	return day
}

func ratio(a, b float64) float64 {
	if b <= 0 {
		return 1
	}
	return a / b
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

// hazard spreads the rates over single days.
func (r rates) hazard() *hazard {
	z := &hazard{}
	for i := range z.age {
		z.age[i] = r.age[ageStep[i]]
	}
	for i := range z.notice {
		z.notice[i] = r.notice[1+noticeStep[i]]
	}
	return z
}

// halfYearWeights is as yearWeights, for shares, which change faster than hazards.
var halfYearWeights = func() (w [learned]float64) {
	for i := range w {
		w[i] = math.Exp2(-float64(i) / 182)
	}
	return w
}()

// yearWeights says how much a day counts that lies some days back.
var yearWeights = func() (w [learned]float64) {
	for i := range w {
		w[i] = math.Exp2(-float64(i) / 365)
	}
	return w
}()

// tally is what one pass over the cohorts of some offices finds.
type tally struct {
	kinds      []table
	lost       float64 // holders who went otherwise, less those who joined
	holderDays float64
	noticeLag  []float64 // by days from the window's opening, of letters in the last months
}

// recently is from how many days back the lag of notices is taken.
const recently = 120

func newTally(kinds int) *tally {
	t := &tally{kinds: make([]table, kinds), noticeLag: make([]float64, noticed)}
	for i := range t.kinds {
		t.kinds[i] = newTable()
	}
	return t
}

func (t *tally) add(o *tally) {
	for i := range t.kinds {
		t.kinds[i].add(o.kinds[i], 1)
	}
	t.lost, t.holderDays = t.lost+o.lost, t.holderDays+o.holderDays
	for i := range t.noticeLag {
		t.noticeLag[i] += o.noticeLag[i]
	}
}

// watched is the first last day of which the history saw all who came: of others nobody knows who had come before it began.
func (v *view) watched() int { return max(v.from-oldest, v.h.first-youngest) }

// tallyOffice counts who could come and who came, by the cohorts of one office.
func (v *view) tallyOffice(office int, cal calendar, into *tally) {
	v.cohorts(office, v.watched(), v.at-youngest, func(c *cohort) {
		if c.notice != noDay && v.at-c.notice < recently {
			if lag := c.notice - c.window; lag >= 0 && lag < noticed {
				into.noticeLag[lag]++
			}
		}
		t := into.kinds[c.kind]
		v.stretches(c, func(first, last int, holders float64) {
			into.holderDays += holders * float64(max(0, min(last, c.last)-first+1))
			for day := first; day <= last; day++ {
				if class := cal.of(day); class != shut {
					t.exposed[c.cell(day, class)] += holders * yearWeights[v.at-day]
				}
			}
		})
		for _, m := range c.moves {
			day := int(m.day)
			if day < max(v.from, c.last+youngest) || day > min(v.at, c.last+oldest) {
				continue
			}
			if m.cause != byVisit {
				if day <= c.last {
					into.lost -= float64(m.count)
				}
			} else if class := cal.of(day); class != shut {
				t.came[c.cell(day, class)] -= float64(m.count) * yearWeights[v.at-day]
			}
		}
	})
}

// cell returns the cell of a table in which a cohort's holders are on a day.
func (c *cohort) cell(day int, class uint8) int {
	n := 0
	if s := day - c.notice; c.notice != noDay && s >= 0 {
		n = 1 + int(noticeStep[min(s, noticed-1)])
	}
	return cell(int(ageStep[day-c.last-youngest]), n, class)
}

// stretches calls do for each stretch of days on which a cohort's holders may come and are as many, from the first day learned from to the
// view's. What moves on a day counts from the next one on.
func (v *view) stretches(c *cohort, do func(first, last int, holders float64)) {
	first, last := max(v.from, c.last+youngest), min(v.at, c.last+oldest)
	holders, i := 0, 0
	for ; i < len(c.moves) && int(c.moves[i].day) < first; i++ {
		holders += int(c.moves[i].count)
	}
	for first <= last {
		end := last
		if i < len(c.moves) {
			end = min(last, int(c.moves[i].day))
		}
		if holders > 0 {
			do(first, end, float64(holders))
		}
		for ; i < len(c.moves) && int(c.moves[i].day) == end; i++ {
			holders += int(c.moves[i].count)
		}
		first = end + 1
	}
}

// expectOffice adds to each day of base, from the view's first on, how many first visits of holders the hazards let expect at one office.
func (v *view) expectOffice(office int, cal calendar, day *[dayClasses]float64, hazards []*hazard, base []float64) {
	v.cohorts(office, v.watched(), v.at-youngest, func(c *cohort) {
		z := hazards[c.kind]
		v.stretches(c, func(first, last int, holders float64) {
			for d := first; d <= last; d++ {
				if class := cal.of(d); class != shut {
					base[d-v.from] += holders * day[class] * (z.age[d-c.last-youngest] + z.since(d, c.notice))
				}
			}
		})
	})
}
