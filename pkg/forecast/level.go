package forecast

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// horizons are the weeks ahead at which forecasts are judged and errors are learned.
var horizons = []int{1, 4, 12, 26}

// level forecasts how a weekly ratio goes on: from where it was in the last weeks back to where it was for long.
type level struct {
	Long, Recent float64 // logarithms
	Keep         float64 // how much of the difference is left after a week
}

// at returns the ratio some weeks ahead; 1 is the week after the last one known.
func (l level) at(weeks float64) float64 {
	return math.Exp(l.Long + (l.Recent-l.Long)*math.Pow(l.Keep, weeks))
}

// What learnLevel chooses from: half-lives in weeks, and what is kept a week.
var (
	halfLives = []float64{4, 8, 16, 32, 64}
	keeps     = []float64{0, 0.5, 0.8, 0.9, 0.95, 0.98}
)

// recentHalfLife is over how many weeks the recent level is taken.
const recentHalfLife = 1.5

// learnLevel chooses the half-life and what is kept by how well they would have forecast the ratios, oldest first; weights say how much
// each week tells.
func learnLevel(ratios, weights []float64) level {
	logs := make([]float64, len(ratios))
	for i, r := range ratios {
		logs[i] = math.Log(max(r, 1e-3))
	}
	recent := smooth(logs, weights, recentHalfLife)
	best, least := level{}, math.Inf(1)
	for _, h := range halfLives {
		long := smooth(logs, weights, h)
		for _, keep := range keeps {
			if loss := levelLoss(logs, weights, long, recent, keep); loss < least {
				least = loss
				best = level{long[len(long)-1], recent[len(recent)-1], keep}
			}
		}
	}
	return best
}

// smooth returns at each week the exponentially weighted mean of all weeks up to it.
func smooth(x, weights []float64, halfLife float64) []float64 {
	out, decay := make([]float64, len(x)), math.Exp2(-1/halfLife)
	sum, n := 0.0, 1e-9
	for i := range x {
		sum, n = sum*decay+x[i]*weights[i], n*decay+weights[i]
		out[i] = sum / n
	}
	return out
}

// levelLoss is the mean absolute error of the forecasts that a level would have made, once there was something to learn from.
func levelLoss(logs, weights, long, recent []float64, keep float64) float64 {
	const warmUp = 13
	sum, n := 0.0, 0.0
	for _, h := range horizons {
		kept := math.Pow(keep, float64(h))
		for i := warmUp; i+h < len(logs); i++ {
			said := long[i] + (recent[i]-long[i])*kept
			sum += weights[i+h] * math.Abs(math.Exp(logs[i+h])-math.Exp(said))
			n += weights[i+h]
		}
	}
	return sum / max(n, 1e-9)
}

// season is what a time of the year is worth, at the middle of each of its parts.
type season [seasonParts]float64

const (
	seasonParts = 26
	yearDays    = 365.25
)

func evenSeason() (s season) {
	for i := range s {
		s[i] = 1
	}
	return s
}

// of returns what a day is worth: between the middles of two parts it is in between.
func (s *season) of(day int) float64 {
	x := partOfYear(day)*seasonParts - 0.5
	low := math.Floor(x)
	left, right := s[(int(low)+seasonParts)%seasonParts], s[(int(low)+1)%seasonParts]
	return left + (right-left)*(x-low)
}

func partOfYear(day int) float64 {
	x := float64(day) / yearDays // 2000-01-01 is day 0
	return x - math.Floor(x)
}

// unusual is a week whose logarithm is that far from its year: a shock, from which no season is learned.
const unusual = 0.9

// learnSeason learns from the weekly ratios, oldest first, what the seasons are worth; middle is the middle day of the first week. What
// differs from year to year as much as within a year is no season, and is left out in that measure.
func learnSeason(ratios, weights []float64, middle int) season {
	s := evenSeason()
	if len(ratios) < 60 {
		return s
	}
	var sum, squares, n [seasonParts]float64
	base := yearlyMean(ratios, weights)
	for i, r := range ratios {
		dev := math.Log(max(r, 1e-3)) - base[i]
		if weights[i] <= 0 || math.Abs(dev) > unusual {
			continue
		}
		part := int(partOfYear(middle+7*i) * seasonParts)
		sum[part], squares[part], n[part] = sum[part]+dev, squares[part]+dev*dev, n[part]+1
	}
	years := float64(len(ratios)) / 52
	var means, within []float64
	for i := range n {
		if n[i] < 2 {
			return s
		}
		m := sum[i] / n[i]
		means, within = append(means, m), append(within, max(0, squares[i]/n[i]-m*m)/max(1, min(n[i]/2, years)))
	}
	noise := stat.Mean(within, nil)
	if years < 1.9 { // one year can't tell its season from its chances
		noise = max(noise, stat.Variance(means, nil)/2)
	}
	keep := max(0, 1-noise/max(stat.Variance(means, nil), 1e-12))
	centre := stat.Mean(means, nil)
	for i := range s {
		s[i] = math.Exp(keep * (means[i] - centre))
	}
	return s
}

// yearlyMean returns at each week the mean logarithm of the weeks half a year before and after.
func yearlyMean(ratios, weights []float64) []float64 {
	out := make([]float64, len(ratios))
	for i := range ratios {
		sum, n := 0.0, 1e-9
		for j := max(0, min(i-26, len(ratios)-53)); j < min(len(ratios), max(i+27, 53)); j++ {
			sum, n = sum+weights[j]*math.Log(max(ratios[j], 1e-3)), n+weights[j]
		}
		out[i] = sum / n
	}
	return out
}
