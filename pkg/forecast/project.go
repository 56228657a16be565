package forecast

import (
	"math"

	"shomei/pkg/civil"
)

// Plan is what will be otherwise than it was: the question of a what-if. The zero Plan changes nothing. Nothing of it holds before the
// first day forecast.
type Plan struct {
	Closed []Closing
	// Elsewhere is the share of those who would have come to a closed office who go to another of the municipality at once, by how many
	// come there; the others come when theirs is open again. It is an assumption of whoever asks.
	Elsewhere float64
	Notices   int // days by which the notices that are not sent yet come later (negative: earlier)
	Rushes    []Rush
}

// Closing closes an office (or, if empty, all) from one day to another, both included.
type Closing struct {
	Office   string
	From, To civil.Date
}

// Rush multiplies the visits for a procedure that no last day announces: on its first day by Times, and then by less, the part above 1
// being halved every HalfLife days.
type Rush struct {
	Procedure string
	From      civil.Date
	Times     float64
	HalfLife  float64
}

// on returns by what a rush multiplies a day.
func (r Rush) on(day int) float64 {
	since := day - number(r.From)
	if since < 0 {
		return 1
	}
	return 1 + (r.Times-1)*math.Exp2(-float64(since)/max(r.HalfLife, 1e-9))
}

// Forecast returns what is expected from the day after the model's to another.
func (m *Model) Forecast(to civil.Date, plan Plan) *Forecast {
	f := m.forecast(to, plan)
	if plan.Elsewhere > 0 && len(plan.Closed) > 0 {
		open := plan
		open.Closed = nil
		f.sendElsewhere(m.forecast(to, open), plan)
	}
	return f
}

func (m *Model) forecast(to civil.Date, plan Plan) *Forecast {
	v := m.view
	f := &Forecast{view: v, first: v.at + 1, days: max(0, number(to)-v.at), bands: m.bands}
	f.known = newKnown(len(v.h.kinds.words), len(v.offices)*f.days)
	first, last := v.at+1-returnLags, v.at+max(1, f.days)
	p := projection{
		Model: m, f: f, cals: v.calendars(first, last, plan), plan: plan, first: make([][]float32, len(v.h.kinds.words)*2),
	}
	if len(plan.Closed) > 0 {
		p.usual = v.calendars(first, last, Plan{})
	}
	p.run()
	return f
}

// projection carries a model forward.
type projection struct {
	*Model
	f    *Forecast
	cals []calendar
	plan Plan
	// usual are the calendars without the plan, if it closes anything.
	usual []calendar
	// first are the first visits that a last day announces by kind and phase, again those of people who were refused: by office and day.
	first [][]float32
	again []float32
}

func (p *projection) run() {
	n := len(p.view.offices) * p.f.days
	for i := range p.first {
		p.first[i] = make([]float32, n)
	}
	p.again = make([]float32, n)
	waiting := p.view.waiting(p.view.at + 1 - returnLags)
	level := make([]float64, p.f.days)
	for i := range level {
		level[i] = p.due.season.of(p.f.first+i) * p.due.level.at(weeksAhead(i))
	}
	each(len(p.view.offices), func(_, o int) { //nolint:errcheck // nothing in it fails
		p.projectDue(o, level)
		p.projectReturns(o, waiting[o])
	})
	p.f.due(p)
	for procedure, z := range p.others {
		if z != nil {
			p.projectOther(procedure, z)
		}
	}
	p.f.merge()
}

// weeksAhead is how many weeks a day of the forecast lies ahead, the middle of the first week being 1.
func weeksAhead(day int) float64 { return float64(day+4) / 7 }

// projectDue carries the cohorts of an office forward.
func (p *projection) projectDue(office int, level []float64) {
	v, z, days := p.view, &p.due, p.f.days
	times := make([]float64, days)
	for i := range times {
		if class := p.cals[office].of(p.f.first + i); class != shut {
			times[i] = level[i] * z.office[office] * z.day[class]
		}
	}
	v.cohorts(office, v.at+1-oldest, v.at+days-youngest, func(c *cohort) {
		holders := 0
		for _, m := range c.moves {
			if int(m.day) > v.at {
				break
			}
			holders += int(m.count)
		}
		if holders <= 0 {
			return
		}
		begin := max(p.f.first, c.last+youngest)
		left := float64(holders) * math.Exp(-z.loss*float64(begin-p.f.first))
		notice := p.noticeOf(c)
		p.note(office, c, notice, holders)
		at := office * days
		for day := begin; day <= min(c.last+oldest, v.at+days); day++ {
			i := day - p.f.first
			come := left * min(0.9, times[i]*(z.hazards[c.kind].age[day-c.last-youngest]+z.hazards[c.kind].since(day, notice)))
			p.first[2*int(c.kind)+phaseOf(day, c.last)][at+i] += float32(come)
			left -= come
			if day <= c.last {
				left -= left * z.loss
			}
		}
	})
}

// note counts the days of a cohort that lie ahead.
func (p *projection) note(office int, c *cohort, notice, holders int) {
	for _, n := range []struct {
		day int
		of  [][]float32
	}{{c.last, p.f.known.expiring}, {c.window, p.f.known.opening}, {notice, p.f.known.notices}} {
		if i := n.day - p.f.first; i >= 0 && i < p.f.days {
			n.of[c.kind][office*p.f.days+i] += float32(holders)
		}
	}
}

// noticeOf returns when a cohort was or will be sent its notices.
func (p *projection) noticeOf(c *cohort) int {
	if c.notice != noDay || p.due.lag == noDay {
		return c.notice
	}
	if c.window+p.due.latest <= p.view.at {
		return noDay // it should have come, and did not
	}
	return max(p.f.first, c.window+p.due.lag+p.plan.Notices)
}

// projectReturns has refused people come again; waiting are those who were refused in the last days known.
func (p *projection) projectReturns(office int, waiting []float64) {
	days := p.f.days
	pool := append(append(make([]float64, 0, len(waiting)+days), waiting...), make([]float64, days)...)
	for i := range days {
		today := len(waiting) + i
		for k := range p.first {
			pool[today] += float64(p.first[k][office*days+i]) * p.due.refused
		}
		class := p.cals[office].of(p.f.first + i)
		if class == shut {
			continue
		}
		for lag := 1; lag < returnLags && lag <= today; lag++ {
			come := max(0, pool[today-lag]) * min(0.9, p.due.returns[lag]*p.due.day[class])
			pool[today-lag] -= come
			p.again[office*days+i] += float32(come)
		}
	}
}

func (p *projection) projectOther(procedure int, z *otherModel) {
	days := p.f.days
	times := make([]float64, days)
	for i := range times {
		times[i] = z.season.of(p.f.first+i) * z.level.at(weeksAhead(i))
		for _, r := range p.plan.Rushes {
			if r.Procedure == p.view.h.procedures.words[procedure] {
				times[i] *= r.on(p.f.first + i)
			}
		}
	}
	all := make([]float32, len(p.view.offices)*days)
	for o := range p.view.offices {
		for i := range days {
			if class := p.cals[o].of(p.f.first + i); class != shut {
				all[o*days+i] = float32(z.office[o] * z.day[class] * times[i])
			}
		}
		p.putOff(z, o, times, all[o*days:(o+1)*days])
	}
	for kind, share := range z.kinds {
		p.f.add(1+procedure, kind, procedure, all, share)
	}
}

// putOffDays is over how many open days those come whom a plan has kept away.
const putOffDays = 5

// putOff has those who would have come on days that the plan closes come on the next days on which the office is open, evenly.
func (p *projection) putOff(z *otherModel, office int, times []float64, visits []float32) {
	if p.usual == nil {
		return
	}
	for i := range visits {
		class := p.usual[office].of(p.f.first + i)
		if class == shut || p.cals[office].open(p.f.first+i) {
			continue
		}
		away := z.office[office] * z.day[class] * times[i] / putOffDays
		for next, n := i+1, 0; next < len(visits) && n < putOffDays; next++ {
			if p.cals[office].open(p.f.first + next) {
				visits[next] += float32(away)
				n++
			}
		}
	}
}
