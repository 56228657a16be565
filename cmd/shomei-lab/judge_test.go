package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"

	"shomei/cmd/shomei-lab/histories"
	"shomei/pkg/forecast"
)

// verdict is how the forecast did on the history of one seed, out of sample: at single offices, over all horizons.
type verdict struct {
	seed          uint64
	wape, pinball map[string]float64 // by forecaster
	inside, weeks float64
	beaten        int // cells of horizon and rival in which the model had the smaller absolute error, of 12
}

// wins reports whether the model had the smaller absolute error and the smaller loss than each of the simple forecasters.
func (v verdict) wins() bool {
	model := forecast.Forecasters[0]
	for _, rival := range forecast.Forecasters[1:] {
		if v.wape[model] >= v.wape[rival] || v.pinball[model] >= v.pinball[rival] {
			return false
		}
	}
	return true
}

func (v verdict) String() string {
	line := fmt.Sprintf("seed %2d: WAPE", v.seed)
	for _, who := range forecast.Forecasters {
		line += fmt.Sprintf(" %s %.3f,", who, v.wape[who])
	}
	return fmt.Sprintf("%s coverage %.3f of %.0f weeks, smaller error in %d of 12", line, v.inside/v.weeks, v.weeks, v.beaten)
}

// judgeSeed writes the history of a seed, reads it as anybody's, and walks it forward.
func judgeSeed(seed uint64) (verdict, []forecast.Score, error) {
	in, out := io.Pipe()
	go func() { out.CloseWithError(histories.Draw(seed).Write(out)) }()
	h, err := forecast.Read(in)
	if err != nil {
		return verdict{}, nil, err
	}
	scores, err := forecast.Backtest(h, nil)
	return judged(seed, scores), scores, err
}

func judged(seed uint64, scores []forecast.Score) verdict {
	v := verdict{seed: seed, wape: map[string]float64{}, pinball: map[string]float64{}}
	visits, errors := 0.0, map[int]float64{}
	for _, s := range scores {
		if s.Series != forecast.OfficeWeeks {
			continue
		}
		v.wape[s.Forecaster] += s.WAPE * s.Visits
		v.pinball[s.Forecaster] += s.Pinball * s.Visits
		if s.Forecaster == forecast.Forecasters[0] {
			v.inside += s.Coverage * float64(s.Judged)
			v.weeks += float64(s.Judged)
			visits += s.Visits
			errors[s.Weeks] = s.WAPE
		} else if errors[s.Weeks] < s.WAPE {
			v.beaten++
		}
	}
	for _, who := range forecast.Forecasters {
		v.wape[who] /= visits
		v.pinball[who] /= visits
	}
	return v
}

// TestForecastIsJudgedByHistoriesThatItDoesNotKnow walks invented histories forward: two of them, or with SHOMEI_SOAK fifty. It beats the
// three simple forecasters on nine of ten, and its 80 % bands hold 75 to 85 % of all weeks at all offices.
func TestSoakForecastIsJudgedByHistoriesThatItDoesNotKnow(t *testing.T) {
	seeds, all := uint64(2), os.Getenv("SHOMEI_SOAK") != ""
	if all {
		seeds = 50
	}
	verdicts := make([]verdict, seeds)
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range verdicts {
		group.Go(func() (err error) {
			var scores []forecast.Score
			verdicts[i], scores, err = judgeSeed(uint64(i + 1))
			for _, s := range scores {
				if s.Forecaster == forecast.Forecasters[0] {
					t.Logf("seed %d %-9s %2d weeks ahead: WAPE %.3f, coverage %.2f", i+1, s.Series, s.Weeks, s.WAPE, s.Coverage)
				}
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	wins, inside, weeks, within := 0, 0.0, 0.0, 0
	for _, v := range verdicts {
		t.Log(v)
		if v.wins() {
			wins++
		}
		inside, weeks = inside+v.inside, weeks+v.weeks
		if share := v.inside / v.weeks; share >= 0.75 && share <= 0.85 {
			within++
		}
	}
	covered := inside / weeks
	t.Logf("beats all three on %d of %d; the 80 %% bands hold %.3f of all weeks, and 75 to 85 %% of their own on %d seeds", wins, seeds, covered, within)
	if wins*10 < int(seeds)*9 {
		t.Errorf("beats all three on %d of %d seeds only", wins, seeds)
	}
	if all && (covered < 0.75 || covered > 0.85) {
		t.Errorf("the 80 %% bands hold %.3f", covered)
	}
}
