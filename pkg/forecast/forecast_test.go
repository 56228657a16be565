package forecast_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
)

// town is a history in which everything is known: two offices of one town and one of another; holders whose certificates end evenly over
// the year, all of whom come come days after a notice that is sent lag days after the window opens; and some who come for a PIN every day.
type town struct {
	h         *forecast.History
	dice      *rand.Rand
	begin     civil.Date
	end       civil.Date
	lag, come int
}

const (
	endsADay = 6
	pinsADay = 9
)

func newTown(t *testing.T, seed uint64) *town {
	t.Helper()
	z := &town{h: &forecast.History{}, dice: rand.New(rand.NewPCG(seed, 1)), begin: civil.New(2021, 4, 1), end: civil.New(2024, 3, 31), lag: 10, come: 7}
	t.Logf("seed %d", seed)
	for _, o := range []forecast.Office{{"a", "12237"}, {"b", "12237"}, {"c", "13101"}} {
		z.add(t, forecast.Record{What: forecast.Place, Office: o.ID, Municipality: o.Municipality})
	}
	return z
}

func (z *town) add(t *testing.T, r forecast.Record) {
	t.Helper()
	if err := z.h.Add(r); err != nil {
		t.Fatal(err)
	}
}

// live fills in the history up to its end, with certificates that end two years later still.
func (z *town) live(t *testing.T) *town {
	for _, office := range []string{"a", "b", "c"} {
		for last := z.begin; last.Before(z.end.AddDays(2 * 365)); last = last.AddDays(1) {
			z.cohort(t, office, last)
		}
		for day := z.begin; !day.After(z.end); day = day.AddDays(1) {
			if n := z.about(pinsADay); civil.WorkingDay(day) && n > 0 {
				z.add(t, forecast.Record{What: forecast.Visit, Day: day, Office: office, Procedure: "unblock", Count: n})
			}
		}
	}
	return z
}

func (z *town) about(mean int) int {
	return max(0, mean+int(math.Round(z.dice.NormFloat64()*math.Sqrt(float64(mean)))))
}

func (z *town) cohort(t *testing.T, office string, last civil.Date) {
	window := last.AddDays(-90)
	n := max(1, z.about(endsADay))
	z.add(t, forecast.Record{What: forecast.Issued, Office: office, Kind: "auth sign", LastDay: last, Window: window, Count: n})
	notice := window.AddDays(z.lag)
	if notice.After(z.end) || notice.Before(z.begin) {
		return
	}
	z.add(t, forecast.Record{What: forecast.Noticed, Day: notice, Office: office, Kind: "auth sign", LastDay: last, Count: n})
	day := notice.AddDays(z.come)
	for !civil.WorkingDay(day) {
		day = day.AddDays(1)
	}
	if come := n * 3 / 4; !day.After(z.end) && come > 0 {
		z.add(t, forecast.Record{What: forecast.Visit, Day: day, Office: office, Kind: "auth sign", Procedure: "renew", LastDay: last, Count: come})
	}
}

func learn(t *testing.T, h *forecast.History, at civil.Date) *forecast.Model {
	t.Helper()
	m, err := forecast.Learn(h, at)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func visits(t *testing.T, f *forecast.Forecast, q forecast.Query) []forecast.Expected {
	t.Helper()
	rows, err := f.Visits(q)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func total(rows []forecast.Expected) (mean float64) {
	for _, r := range rows {
		mean += r.Mean
	}
	return mean
}

// TestLearnsWhatIsThere: as many come as came, the bands are about as wide as the chance that made them, and holders are counted.
func TestLearnsWhatIsThere(t *testing.T) {
	z := newTown(t, 1).live(t)
	f := learn(t, z.h, z.end).Forecast(z.end.AddDays(182), forecast.Plan{})
	nation := forecast.Query{By: forecast.ByMonth, Level: forecast.ByNation}
	var openDays, days float64
	for day := z.end.AddDays(1); !day.After(z.end.AddDays(182)); day = day.AddDays(1) {
		days++
		if civil.WorkingDay(day) {
			openDays++
		}
	}
	for procedure, want := range map[string]float64{"renew": 3 * endsADay * 0.70 * days, "unblock": 3 * pinsADay * openDays} {
		nation.Procedure = procedure
		if got := total(visits(t, f, nation)); math.Abs(got-want) > want*0.1 {
			t.Errorf("%s: %.0f expected in half a year, came %.0f before", procedure, got, want)
		}
	}
	nation.Procedure = ""
	for _, r := range visits(t, f, nation)[1:5] {
		if r.P10 > r.P50 || r.P50 > r.P90 || (r.P90-r.P10)/r.P50 > 0.5 || r.P90 == r.P10 {
			t.Errorf("%s: %.0f %.0f %.0f", r.Starts, r.P10, r.P50, r.P90)
		}
		if r.Expiring < 5*3*endsADay || r.Opening < 25*3*endsADay {
			t.Errorf("%s: %.0f end, %.0f windows open", r.Starts, r.Expiring, r.Opening)
		}
	}
}

// TestNothingOfTheFutureIsSeen: a forecast as of a day is the same whether the history goes on or not.
func TestNothingOfTheFutureIsSeen(t *testing.T) {
	z, short := newTown(t, 2), newTown(t, 2)
	at := civil.New(2023, 9, 30)
	z.live(t)
	short.end = z.end
	short.live(t)
	// What z knows beyond the day is another future: thousands come, an office closes unannounced.
	for day := at.AddDays(1); !day.After(z.end); day = day.AddDays(1) {
		if civil.WorkingDay(day) {
			z.add(t, forecast.Record{What: forecast.Visit, Day: day, Office: "a", Procedure: "unblock", Count: 5000})
			z.add(t, forecast.Record{What: forecast.Closed, Day: day, Office: "b", Since: day})
		}
		z.add(t, forecast.Record{What: forecast.Ended, Day: day, Office: "a", Kind: "auth sign", LastDay: at.AddDays(60), Count: 1})
	}
	q := forecast.Query{By: forecast.ByDay, Level: forecast.ByOffice, Split: true}
	one := visits(t, learn(t, z.h, at).Forecast(at.AddDays(100), forecast.Plan{}), q)
	other := visits(t, learn(t, short.h, at).Forecast(at.AddDays(100), forecast.Plan{}), q)
	if len(one) != len(other) {
		t.Fatalf("%d rows and %d", len(one), len(other))
	}
	for i := range one {
		if one[i] != other[i] {
			t.Fatalf("the future was seen:\n%+v\n%+v", one[i], other[i])
		}
	}
}

// TestSumsAreSumsAndTheirBandsAreNot: means add up over every level, period and split; bands of sums are narrower than sums of bands.
func TestSumsAreSumsAndTheirBandsAreNot(t *testing.T) {
	z := newTown(t, 3).live(t)
	f := learn(t, z.h, z.end).Forecast(z.end.AddDays(200), forecast.Plan{})
	want := total(visits(t, f, forecast.Query{By: forecast.ByDay, Level: forecast.ByOffice, Split: true}))
	for _, level := range []string{forecast.ByOffice, forecast.ByTown, forecast.ByPrefecture, forecast.ByNation} {
		for _, by := range []string{forecast.ByDay, forecast.ByWeek, forecast.ByMonth, forecast.ByFiscalYear} {
			if got := total(visits(t, f, forecast.Query{By: by, Level: level})); math.Abs(got-want) > want*1e-6 {
				t.Errorf("%s by %s: %.3f, but single days and offices sum to %.3f", level, by, got, want)
			}
		}
	}
	width := func(level string) (sum float64) {
		for _, r := range visits(t, f, forecast.Query{By: forecast.ByWeek, Level: level}) {
			sum += r.P90 - r.P10
		}
		return sum
	}
	if one, all := width(forecast.ByOffice), width(forecast.ByNation); all >= one*0.95 || all < one*0.2 {
		t.Errorf("bands of offices are %.0f wide together, that of all %.0f", one, all)
	}
}

// TestNoticesMove: when notices come two weeks later, so do the people.
func TestNoticesMove(t *testing.T) {
	z := newTown(t, 4)
	z.lag = 20
	z.live(t)
	m := learn(t, z.h, z.end)
	q := forecast.Query{By: forecast.ByWeek, Level: forecast.ByNation, Procedure: "renew", To: z.end.AddDays(70)}
	until := z.end.AddDays(120)
	usual, later := visits(t, m.Forecast(until, forecast.Plan{}), q), visits(t, m.Forecast(until, forecast.Plan{Notices: 14}), q)
	few := total(later[2:4])
	if many := total(usual[2:4]); few > many*0.5 {
		t.Errorf("in the weeks without notices %.0f come, in place of %.0f", few, many)
	}
	if again, before := total(later[7:9]), total(usual[7:9]); math.Abs(again-before) > before*0.15 {
		t.Errorf("afterwards %.0f come, in place of %.0f", again, before)
	}
}

// TestAClosedOffice: nobody comes; they come later, or go to the other office of the town, and nobody is lost.
func TestAClosedOffice(t *testing.T) {
	z := newTown(t, 5).live(t)
	m := learn(t, z.h, z.end)
	from, to, until := civil.New(2024, 5, 13), civil.New(2024, 5, 17), civil.New(2024, 7, 31)
	plan := forecast.Plan{Closed: []forecast.Closing{{Office: "a", From: from, To: to}}}
	before := m.Forecast(until, forecast.Plan{})
	at := func(f *forecast.Forecast, office string, from, to civil.Date) float64 {
		return total(visits(t, f, forecast.Query{By: forecast.ByDay, Level: forecast.ByOffice, Place: office, From: from, To: to}))
	}
	for _, elsewhere := range []float64{0, 0.5, 1} {
		plan.Elsewhere = elsewhere
		after := m.Forecast(until, plan)
		if got := at(after, "a", from, to); got != 0 {
			t.Errorf("%g: %.1f come to the closed office", elsewhere, got)
		}
		missed := at(before, "a", from, to)
		moved := at(after, "b", from, to) - at(before, "b", from, to)
		if math.Abs(moved-missed*elsewhere) > missed*0.01 {
			t.Errorf("%g: %.1f go to the other office, of %.1f", elsewhere, moved, missed)
		}
		if got := at(after, "c", from, until); math.Abs(got-at(before, "c", from, until)) > 1e-6 {
			t.Errorf("%g: another town sees it", elsewhere)
		}
		if all, was := at(after, "12237", from, until), at(before, "12237", from, until); math.Abs(all-was) > was*0.02 {
			t.Errorf("%g: %.1f come in all, in place of %.1f", elsewhere, all, was)
		}
	}
}

// TestARush: as many times as many come on its first day, and half of that above the usual later.
func TestARush(t *testing.T) {
	z := newTown(t, 6).live(t)
	m := learn(t, z.h, z.end)
	plan := forecast.Plan{Rushes: []forecast.Rush{{Procedure: "unblock", From: civil.New(2024, 5, 13), Times: 31, HalfLife: 7}}}
	until := civil.New(2024, 6, 30)
	before, after := m.Forecast(until, forecast.Plan{}), m.Forecast(until, plan)
	for day, want := range map[civil.Date]float64{civil.New(2024, 5, 10): 1, civil.New(2024, 5, 13): 31, civil.New(2024, 5, 20): 16} {
		q := forecast.Query{By: forecast.ByDay, Level: forecast.ByNation, Procedure: "unblock", From: day, To: day}
		if got := total(visits(t, after, q)) / total(visits(t, before, q)); math.Abs(got-want) > 0.01 {
			t.Errorf("%s: %.2f times as many, want %g", day, got, want)
		}
	}
	for _, bad := range []forecast.Plan{
		{Rushes: []forecast.Rush{{Procedure: "unblok", From: until, Times: 2, HalfLife: 1}}},
		{Closed: []forecast.Closing{{Office: "nowhere", From: until, To: until}}},
	} {
		if err := m.Check(bad); !errors.Is(err, forecast.ErrQuery) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestAMergerThatIsAnnounced: from its day on, people are expected at the office that does the work; whoever does not know of it expects
// them where they were.
func TestAMergerThatIsAnnounced(t *testing.T) {
	for since, merged := range map[civil.Date]bool{civil.New(2024, 1, 1): true, civil.New(2024, 4, 2): false} {
		z := newTown(t, 7)
		z.add(t, forecast.Record{What: forecast.Merged, Day: civil.New(2024, 5, 1), Office: "b", Into: "a", Since: since})
		z.live(t)
		f := learn(t, z.h, z.end).Forecast(civil.New(2024, 5, 31), forecast.Plan{})
		q := forecast.Query{By: forecast.ByMonth, Level: forecast.ByOffice, Place: "b", From: civil.New(2024, 5, 1)}
		if got := total(visits(t, f, q)); (got == 0) != merged {
			t.Errorf("announced on %s: %.0f come after the merger", since, got)
		}
	}
}

// TestQuestionsThatHaveNoAnswer are errors, not empty answers.
func TestQuestionsThatHaveNoAnswer(t *testing.T) {
	z := newTown(t, 8).live(t)
	m := learn(t, z.h, z.end)
	f := m.Forecast(z.end.AddDays(30), forecast.Plan{})
	for name, q := range map[string]forecast.Query{
		"period":    {By: "year", Level: forecast.ByNation},
		"level":     {By: forecast.ByDay, Level: "planet"},
		"place":     {By: forecast.ByDay, Level: forecast.ByOffice, Place: "99999"},
		"kind":      {By: forecast.ByDay, Level: forecast.ByNation, Kind: "seal"},
		"procedure": {By: forecast.ByDay, Level: forecast.ByNation, Procedure: "renewal"},
		"days":      {By: forecast.ByDay, Level: forecast.ByNation, From: z.end.AddDays(31)},
	} {
		if rows, err := f.Visits(q); !errors.Is(err, forecast.ErrQuery) {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
	}
	if _, err := forecast.Learn(z.h, z.begin.AddDays(100)); !errors.Is(err, forecast.ErrShort) {
		t.Errorf("after a hundred days: %v", err)
	}
	if _, err := forecast.Backtest(&forecast.History{}, nil); !errors.Is(err, forecast.ErrShort) {
		t.Errorf("an empty history: %v", err)
	}
}
