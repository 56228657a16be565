package forecast

import "math"

// otherModel forecasts the visits for one procedure that no last day announces.
type otherModel struct {
	day    [dayClasses]float64
	season season
	level  level
	office []float64 // people on a mean open day
	kinds  []float64 // shares
}

// rounds is how often offices, days, seasons and weeks are fitted in turn.
const rounds = 4

// learnOther fits the visits for a procedure, by office and day; nil if there are none.
func (m *Model) learnOther(procedure int, came [][]float64, cals []calendar) *otherModel {
	v := m.view
	all := 0.0
	for _, y := range came {
		all += sum(y)
	}
	if all == 0 {
		return nil
	}
	z := &otherModel{season: evenSeason()}
	for i := range z.day {
		z.day[i] = 1
	}
	ratios := make([]float64, v.weeks())
	for i := range ratios {
		ratios[i] = 1
	}
	base := make([][]float64, len(came))
	var weights []float64
	for round := range rounds {
		z.expect(v, cals, base)
		z.office = meanOffices(came, base, ratios)
		for o := range base {
			scaleBy(base[o], z.office[o])
		}
		ratios, weights = weeklyRatios(came, base)
		z.fitDays(v, came, base, ratios, cals)
		if round == 1 {
			z.season = learnSeason(ratios, weights, v.firstWeek()+3)
		}
	}
	z.level = learnLevel(ratios, weights)
	z.fitKinds(v, procedure)
	return z
}

func scaleBy(x []float64, by float64) {
	for i := range x {
		x[i] *= by
	}
}

// expect sets base to what a mean office expects on each day.
func (z *otherModel) expect(v *view, cals []calendar, base [][]float64) {
	days := v.at - v.from + 1
	times := make([]float64, days)
	for i := range times {
		times[i] = z.season.of(v.from + i)
	}
	for o := range base {
		if base[o] == nil {
			base[o] = make([]float64, days)
		}
		for i := range base[o] {
			base[o][i] = 0
			if class := cals[o].of(v.from + i); class != shut {
				base[o][i] = z.day[class] * times[i]
			}
		}
	}
}

// meanOffices returns how many people come to each office on a mean open day, weeks compared with what they were everywhere.
func meanOffices(came, base [][]float64, ratios []float64) []float64 {
	out := make([]float64, len(came))
	for o := range came {
		y, b := weekly(came[o]), weekly(base[o])
		n, e := 0.0, 0.0
		for i := range y {
			w := math.Exp2(-float64(len(y)-1-i) / officeHalfLife)
			n, e = n+w*y[i], e+w*b[i]*ratios[i]
		}
		out[o] = ratioOr0(n, e)
	}
	return out
}

// fitDays fits what weekdays and closures are worth, weeks and seasons apart.
func (z *otherModel) fitDays(v *view, came, base [][]float64, ratios []float64, cals []calendar) {
	var y, e [dayClasses]float64
	skip := v.firstWeek() - v.from
	for o := range came {
		for i := skip; i < len(came[o]); i++ {
			class := cals[o].of(v.from + i)
			if class == shut {
				continue
			}
			week := (i - skip) / 7
			if ratios[week] > math.Exp(unusual) {
				continue
			}
			w := yearWeights[len(came[o])-1-i]
			y[class] += w * came[o][i]
			e[class] += w * base[o][i] / z.day[class] * ratios[week]
		}
	}
	z.day = dayFactors(y, e)
}

func (z *otherModel) fitKinds(v *view, procedure int) {
	z.kinds = make([]float64, len(v.h.kinds.words))
	v.eachArrival(v.from, func(_ int, a arrival) {
		if int(a.procedure) == procedure && !due(a) {
			z.kinds[a.kind] += float64(a.count) * halfYearWeights[v.at-int(a.day)]
		}
	})
	scale(z.kinds, sum(z.kinds))
}
