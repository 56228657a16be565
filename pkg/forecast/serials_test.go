package forecast_test

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
)

// serials reads testdata/serials.csv: how many certificates the nation's authorities issued between some days, which is all that their
// published serial numbers tell. As a history it is one office, of the whole country, that issues as many on every working day of an
// interval, for five years.
// The second result is how many it issued on each day, by kind.
func serials(t *testing.T) (*forecast.History, map[string]map[civil.Date]int) {
	t.Helper()
	f, err := os.Open("testdata/serials.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	h, issuedOn := &forecast.History{}, map[string]map[civil.Date]int{"sign": {}, "auth": {}}
	add := func(r forecast.Record) {
		if err := h.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	add(forecast.Record{What: forecast.Place, Office: "nation", Municipality: "00000"})
	for _, line := range lines[1:] {
		issued, err := strconv.Atoi(line[3])
		if err != nil {
			t.Fatal(err)
		}
		days := workingDays(t, line[1], line[2])
		for i, day := range days {
			n := issued*(i+1)/len(days) - issued*i/len(days)
			issuedOn[line[0]][day] += n
			add(forecast.Record{What: forecast.Visit, Day: day, Office: "nation", Kind: line[0], Procedure: "issue", Count: n})
			add(forecast.Record{What: forecast.Issued, Day: day, Office: "nation", Kind: line[0], LastDay: day.AddYearsClamped(5), Count: n})
		}
	}
	return h, issuedOn
}

// between sums what was issued after one day until another.
func between(issuedOn map[civil.Date]int, after, until civil.Date) (n float64) {
	for day, issued := range issuedOn {
		if day.After(after) && !day.After(until) {
			n += float64(issued)
		}
	}
	return n
}

// workingDays are those from one day to before another.
func workingDays(t *testing.T, from, to string) (days []civil.Date) {
	t.Helper()
	first, err := civil.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	end, err := civil.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	for day := first; day.Before(end); day = day.AddDays(1) {
		if civil.WorkingDay(day) {
			days = append(days, day)
		}
	}
	return days
}

// TestPublishedSerials loads the published series and walks it forward. It can judge whether numbers of the nation's size are carried, and
// how a jump is met that nothing announced. It can't judge weekdays, weeks or bands, because it has no points between; nor renewals,
// because it says who got certificates and not who came back.
func TestPublishedSerials(t *testing.T) {
	h, issuedOn := serials(t)
	scores, err := forecast.Backtest(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scores {
		if s.Series == forecast.NationWeeks {
			t.Logf("%2d weeks ahead, %-13s: WAPE %.3f of %.1f million issues", s.Weeks, s.Forecaster, s.WAPE, s.Visits/1e6)
		}
	}
	jump := civil.New(2019, 9, 14)
	half := func(at civil.Date) (expected, came float64) {
		until := at.AddDays(182)
		q := forecast.Query{By: forecast.ByFiscalYear, Level: forecast.ByNation}
		expected = total(visits(t, learn(t, h, at).Forecast(until, forecast.Plan{}), q))
		return expected, between(issuedOn["sign"], at, until) + between(issuedOn["auth"], at, until)
	}
	if expected, came := half(jump.AddDays(-1)); came < 8*expected {
		t.Errorf("before the jump of %s: %.0f expected, %.0f came: nothing had announced it", jump, expected, came)
	}
	if expected, came := half(jump.AddDays(365)); expected < came*0.95 || expected > came*1.05 {
		t.Errorf("a year after the jump: %.0f expected, %.0f came", expected, came)
	}
	// Spread evenly over its interval the series lets half as many more signature certificates be issued in fiscal 2020 as all that ended in
	// fiscal 2025 by the news (deploy/figures.md 1), because the campaigns of 2022 and 2023 lie in the interval: it is no cohort by year.
	cohort := between(issuedOn["sign"], civil.New(2020, 3, 31), civil.New(2021, 3, 31))
	t.Logf("signature certificates of fiscal 2020 by the series: %.1f million; ends of fiscal 2025 as published: 15.8 million", cohort/1e6)
}
