package forecast

import (
	"cmp"
	"math"
	"slices"

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
	recent := smooth(ratios, weights, recentHalfLife)
	best, least := level{}, math.Inf(1)
	for _, h := range halfLives {
		long := smooth(ratios, weights, h)
		for _, keep := range keeps {
			if loss := levelLoss(ratios, weights, long, recent, keep); loss < least {
				least = loss
				best = level{long[len(long)-1], recent[len(recent)-1], keep}
			}
		}
	}
	return best
}

// smooth returns at each week the logarithm of the exponentially weighted mean of all weeks up to it: of what came over what was expected,
// because a mean of logarithms would lie below.
func smooth(x, weights []float64, halfLife float64) []float64 {
	out, decay := make([]float64, len(x)), math.Exp2(-1/halfLife)
	sum, n := 0.0, 1e-9
	for i := range x {
		sum, n = sum*decay+x[i]*weights[i], n*decay+weights[i]
		out[i] = math.Log(max(sum/n, 1e-3))
	}
	return out
}

// levelLoss is the mean absolute error of the forecasts that a level would have made, once there was something to learn from.
func levelLoss(ratios, weights, long, recent []float64, keep float64) float64 {
	const warmUp = 13
	sum, n := 0.0, 0.0
	for _, h := range horizons {
		kept := math.Pow(keep, float64(h))
		for i := warmUp; i+h < len(ratios); i++ {
			said := long[i] + (recent[i]-long[i])*kept
			sum += weights[i+h] * math.Abs(ratios[i+h]-math.Exp(said))
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

// unusual is a time of the year whose logarithm is that far from what it was in other years: a shock, and no season.
const unusual = 0.9

// learnSeason learns from the weekly ratios, oldest first, what the seasons are worth; middle is the middle day of the first week. What
// differs from year to year as much as within a year is no season, and is left out in that measure; what happened in one year alone is
// left out.
func learnSeason(ratios, weights []float64, middle int) season {
	s := evenSeason()
	years := len(ratios) / 52
	if years < 1 {
		return s
	}
	parts := yearParts(ratios, weights, middle, years)
	var usual, noise [seasonParts]float64
	for i, of := range parts {
		if len(of) == 0 {
			return s
		}
		usual[i], noise[i] = agreed(of)
	}
	spread := stat.Variance(usual[:], nil)
	within := stat.Mean(noise[:], nil)
	if years < 2 {
		within = spread / 2 // one year can't tell its season from its chances
	}
	keep, centre := max(0, 1-within/max(spread, 1e-12)), stat.Mean(usual[:], nil)
	for i := range s {
		s[i] = math.Exp(keep * (usual[i] - centre))
	}
	return s
}

// yearParts returns for each part of the year how far it lay from its year, in each of the last years, as logarithms.
func yearParts(ratios, weights []float64, middle, years int) (parts [seasonParts][]float64) {
	base := yearlyMean(ratios, weights)
	for year := range years {
		var sum, n [seasonParts]float64
		for i := len(ratios) - 52*(year+1); i < len(ratios)-52*year; i++ {
			if weights[i] > 0 {
				part := int(partOfYear(middle+7*i) * seasonParts)
				sum[part] += math.Log(max(ratios[i], 1e-3)) - base[i]
				n[part]++
			}
		}
		for part := range parts {
			if n[part] > 0 {
				parts[part] = append(parts[part], sum[part]/n[part])
			}
		}
	}
	return parts
}

// agreed returns what some years agree on, and how much of that is chance: their median, or of two that differ much the smaller one.
func agreed(years []float64) (usual, noise float64) {
	slices.SortFunc(years, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	switch n := len(years); {
	case n == 1:
		return max(-unusual, min(unusual, years[0])), 0
	case n == 2 && math.Abs(years[1]-years[0]) > unusual:
		return years[0], unusual * unusual / 4
	case n == 2:
		return (years[0] + years[1]) / 2, stat.Variance(years, nil) / 2
	}
	slices.Sort(years)
	usual = years[len(years)/2]
	near, n := 0.0, 0.0
	for _, y := range years {
		if d := y - usual; math.Abs(d) < unusual && d != 0 {
			near, n = near+d*d, n+1
		}
	}
	return usual, near / max(1, n) / float64(len(years))
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
