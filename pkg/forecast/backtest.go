package forecast

import (
	"fmt"
	"math"
	"slices"
)

// Series are what a backtest judges.
const (
	OfficeWeeks = "office"   // all visits to one office in one week
	DueWeeks    = "renewals" // of those, the ones that a last day announces
	NationWeeks = "nation"   // all visits to all offices in one week
)

// Forecasters are whom a backtest compares: the model, and three that take no learning.
var Forecasters = []string{"model", "last year", "expiries", "constant lead"}

// Score is how one forecaster did at one horizon on one series.
type Score struct {
	Series     string  `json:"series"`
	Weeks      int     `json:"weeks"` // ahead
	Forecaster string  `json:"forecaster"`
	WAPE       float64 `json:"wape"`     // sum of absolute errors over the sum of visits
	Pinball    float64 `json:"pinball"`  // mean loss at 10, 50 and 90 % over the mean visits
	Coverage   float64 `json:"coverage"` // share of weeks within 10 and 90 %; of the model only
	Judged     int     `json:"judged"`   // weeks
	Visits     float64 `json:"visits"`   // in them
}

// tallies of a Score.
type scoring struct{ wrong, pinball, came, inside, n float64 }

func (s *scoring) add(q [3]float64, came float64) {
	s.wrong += math.Abs(came - q[1])
	for i, level := range levels {
		if d := came - q[i]; d > 0 {
			s.pinball += level * d / 3
		} else {
			s.pinball += (level - 1) * d / 3
		}
	}
	if came >= q[0] && came <= q[2] {
		s.inside++
	}
	s.came += came
	s.n++
}

func (s scoring) score() Score {
	return Score{
		WAPE: ratioOr0(s.wrong, s.came), Pinball: ratioOr0(s.pinball, s.came), Coverage: ratioOr0(s.inside, s.n), Judged: int(s.n), Visits: s.came,
	}
}

// warmUp is how long a history runs before the first forecast that is judged: there must be a last year, and errors to learn bands from.
const warmUp = 80 * 7

// Backtest walks a history forward: every four weeks it forecasts 1, 4, 12 and 26 weeks ahead from what was known then, and compares with
// what came. Nothing that is judged was seen by what judged it. progress, if not nil, is told how many of the forecasts are done. ErrShort
// says that the history is less than a year and a half.
func Backtest(h *History, progress func(done, of int)) ([]Score, error) {
	if err := h.sort(); err != nil {
		return nil, err
	}
	var origins []int
	for at := h.last - 7; at-h.first+1 >= warmUp; at -= lookEvery {
		origins = append(origins, at)
	}
	if len(origins) == 0 {
		return nil, fmt.Errorf("%w, and for a backtest %d days, not %d", ErrShort, warmUp+7, h.last-h.first+1)
	}
	slices.Reverse(origins)
	b := &backtest{past: newPast(h), scores: map[Score]*scoring{}}
	for i, at := range origins {
		if progress != nil {
			progress(i, len(origins))
		}
		if err := b.judge(at); err != nil {
			return nil, err
		}
	}
	return b.result(), nil
}

type backtest struct {
	*past
	scores map[Score]*scoring // by series, weeks and forecaster
}

func (b *backtest) result() (list []Score) {
	for _, series := range []string{OfficeWeeks, DueWeeks, NationWeeks} {
		for _, weeks := range horizons {
			for _, who := range Forecasters {
				key := Score{Series: series, Weeks: weeks, Forecaster: who}
				if s, ok := b.scores[key]; ok {
					score := s.score()
					score.Series, score.Weeks, score.Forecaster = series, weeks, who
					list = append(list, score)
				}
			}
		}
	}
	return list
}

func (b *backtest) count(series string, weeks int, who string, q [3]float64, came float64) {
	key := Score{Series: series, Weeks: weeks, Forecaster: who}
	if b.scores[key] == nil {
		b.scores[key] = &scoring{}
	}
	b.scores[key].add(q, came)
}

// judge compares what is forecast as of a day with what came. Offices that have been merged by the week judged are one.
func (b *backtest) judge(at int) error {
	q, err := b.point(at)
	if err != nil {
		return err
	}
	bands, err := b.bands(at)
	if err != nil {
		return err
	}
	simple := newSimple(b.past, at)
	for h, weeks := range horizons {
		from := targetOf(at, weeks)
		if from+6 > b.h.last {
			continue
		}
		b.judgeWeek(newView(b.h, from+6), q, bands, simple, h, from)
	}
	return nil
}

func (b *backtest) judgeWeek(v *view, q *point, bands *bands, simple *simple, h, from int) {
	weeks, classes := horizons[h], len(bands.parts)
	one, due, all := newMoments(classes, len(v.offices)), newMoments(classes, len(v.offices)), newMoments(classes, len(v.offices))
	allCame, allSimple := 0.0, [3]float64{}
	for o, members := range v.members {
		one.reset()
		due.reset()
		came, dueCame := 0.0, 0.0
		for _, m := range members {
			for c := range classes {
				y, _ := b.came(c, m, from)
				came += y
				one.add(bands.parts[c][h], c, o, q.mean[c][m][h])
				all.add(bands.parts[c][h], c, o, q.mean[c][m][h])
				if c == 0 {
					dueCame += y
					due.add(bands.parts[c][h], c, o, q.mean[c][m][h])
				}
			}
		}
		allCame += came
		b.count(OfficeWeeks, weeks, Forecasters[0], bands.quantiles(one), came)
		b.count(DueWeeks, weeks, Forecasters[0], bands.quantiles(due), dueCame)
		total, renewals := simple.guess(members, from)
		for i := range total {
			b.count(OfficeWeeks, weeks, Forecasters[1+i], [3]float64{total[i], total[i], total[i]}, came)
			b.count(DueWeeks, weeks, Forecasters[1+i], [3]float64{renewals[i], renewals[i], renewals[i]}, dueCame)
			allSimple[i] += total[i]
		}
	}
	b.count(NationWeeks, weeks, Forecasters[0], bands.quantiles(all), allCame)
	for i, x := range allSimple {
		b.count(NationWeeks, weeks, Forecasters[1+i], [3]float64{x, x, x}, allCame)
	}
}
