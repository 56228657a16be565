package forecast

// Refused people are told apart by days since the refusal.
var (
	returnSteps = steps(0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 15, 22, 31, 61)
	returnStep  = expand(returnSteps, 0, returnLags)
)

const returnLags = 91

// returns says how likely refused people come again on an open day, by days since the refusal.
type returns [returnLags]float64

// waiting returns by office and day from first on (to the view's day) how many were refused then and have not come again.
func (v *view) waiting(first int) [][]float64 {
	list := make([][]float64, len(v.offices))
	for o := range list {
		list[o] = make([]float64, v.at-first+1)
	}
	v.eachArrival(first, func(o int, a arrival) {
		switch {
		case !due(a):
		case a.how == refused:
			list[o][int(a.day)-first] += float64(a.count)
		case a.how == returned && int(a.since) >= first:
			list[o][int(a.since)-first] -= float64(a.count)
		}
	})
	return list
}

// learnReturns learns from the last year's refusals.
func (v *view) learnReturns(cals []calendar, day *[dayClasses]float64) returns {
	first := max(v.from, v.at-365)
	turned, again := v.refusals(first)
	came, exposed := make([]float64, len(returnSteps)), make([]float64, len(returnSteps))
	for o := range turned {
		for d, n := range turned[o] {
			if n == 0 {
				continue
			}
			left := n
			for lag := 1; lag < returnLags && first+d+lag <= v.at; lag++ {
				class := cals[o].of(first + d + lag)
				if class != shut {
					exposed[returnStep[lag]] += max(0, left) * day[class]
				}
				back := again[o][returnKey{d, lag}]
				came[returnStep[lag]] += back
				left -= back
			}
		}
	}
	var r returns
	for lag := 1; lag < returnLags; lag++ {
		r[lag] = ratioOr0(came[returnStep[lag]], exposed[returnStep[lag]])
	}
	return r
}

type returnKey struct{ day, lag int }

// refusals returns how many were refused by office and day from first on, and how many of them came again after which time.
func (v *view) refusals(first int) (turned [][]float64, again []map[returnKey]float64) {
	turned, again = make([][]float64, len(v.offices)), make([]map[returnKey]float64, len(v.offices))
	for o := range turned {
		turned[o], again[o] = make([]float64, v.at-first+1), map[returnKey]float64{}
	}
	v.eachArrival(first, func(o int, a arrival) {
		switch {
		case !due(a):
		case a.how == refused:
			turned[o][int(a.day)-first] += float64(a.count)
		case a.how == returned && int(a.since) >= first:
			again[o][returnKey{int(a.since) - first, int(a.day - a.since)}] += float64(a.count)
		}
	})
	return turned, again
}
