package forecast_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
)

// nation is 1,900 offices with 30 million holders, unevenly, and two years of visits: 12 million of them, each with the last day that
// somebody came for, and PINs.
func nation(b *testing.B) (*forecast.History, civil.Date) {
	b.Helper()
	const offices, holders, years = 1900, 30_000_000, 2
	h, dice := &forecast.History{}, rand.New(rand.NewPCG(1, 1))
	end := civil.New(2026, time.March, 31)
	begin := end.AddDays(-365*years + 1)
	add := func(r forecast.Record) {
		if err := h.Add(r); err != nil {
			b.Fatal(err)
		}
	}
	weights, sum := make([]float64, offices), 0.0
	for i := range weights {
		weights[i] = math.Exp(1.3 * dice.NormFloat64())
		sum += weights[i]
	}
	for i := range offices {
		id := fmt.Sprintf("%02d%03d-main", 1+i%47, i/47)
		add(forecast.Record{What: forecast.Place, Office: id, Municipality: id[:5]})
		perDay := weights[i] / sum * holders / (365.25 * 5)
		for last := begin.AddDays(-365); last.Before(end.AddDays(365 * 5)); last = last.AddDays(1) {
			n := chanceOf(dice, perDay)
			if n == 0 {
				continue
			}
			window := last.AddDays(-91)
			add(forecast.Record{What: forecast.Issued, Office: id, Kind: "auth sign", LastDay: last, Window: window, Count: n})
			if notice := window.AddDays(10); !notice.After(end) && !notice.Before(begin) {
				add(forecast.Record{What: forecast.Noticed, Day: notice, Office: id, Kind: "auth sign", LastDay: last, Count: n})
			}
			for range n {
				day := window.AddDays(10 + int(20*math.Exp(dice.NormFloat64())))
				for !civil.WorkingDay(day) {
					day = day.AddDays(1)
				}
				if !day.After(end) && !day.Before(begin) && dice.Float64() < 0.9 {
					add(forecast.Record{What: forecast.Visit, Day: day, Office: id, Kind: "auth sign", Procedure: "renew", LastDay: last, Count: 1})
				}
			}
		}
		for day := begin; !day.After(end); day = day.AddDays(1) {
			if n := chanceOf(dice, perDay/3); n > 0 && civil.WorkingDay(day) {
				add(forecast.Record{What: forecast.Visit, Day: day, Office: id, Procedure: "unblock", Count: n})
			}
		}
	}
	return h, end
}

func chanceOf(dice *rand.Rand, mean float64) int {
	return max(0, int(mean+math.Sqrt(mean)*dice.NormFloat64()+dice.Float64()))
}

// BenchmarkNation learns from the nation's counts, forecasts a year of days at every office, and sums by office and week, and over all by
// fiscal year: what issue 12 wants under ten seconds on two cores.
func BenchmarkNation(b *testing.B) {
	h, end := nation(b)
	b.ResetTimer()
	for range b.N {
		begin, busy := time.Now(), used()
		m, err := forecast.Learn(h, end)
		if err != nil {
			b.Fatal(err)
		}
		learned := time.Since(begin)
		f := m.Forecast(end.AddDays(365), forecast.Plan{})
		carried := time.Since(begin) - learned
		for _, q := range []forecast.Query{
			{By: forecast.ByWeek, Level: forecast.ByOffice},
			{By: forecast.ByMonth, Level: forecast.ByPrefecture, Split: true},
			{By: forecast.ByFiscalYear, Level: forecast.ByNation},
		} {
			rows, err := f.Visits(q)
			if err != nil {
				b.Fatal(err)
			}
			if len(rows) == 0 {
				b.Fatal("no rows")
			}
		}
		b.ReportMetric((used() - busy).Seconds(), "s-cpu")
		b.ReportMetric(learned.Seconds(), "s-learn")
		b.ReportMetric(carried.Seconds(), "s-forecast")
		b.ReportMetric((time.Since(begin) - learned - carried).Seconds(), "s-queries")
	}
}

// used is the time that the processors have worked for this process: what a machine that others use as well can tell.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
