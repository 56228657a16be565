package forecast

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shomei/pkg/civil"
)

// By what a Query sums.
const (
	ByDay        = "day"
	ByWeek       = "week" // from Monday
	ByMonth      = "month"
	ByFiscalYear = "fiscal-year" // from 1 April
	ByOffice     = "office"
	ByTown       = "municipality"
	ByPrefecture = "prefecture"
	ByNation     = "nation"
)

// Query asks what is expected.
type Query struct {
	By        string     // ByDay, ByWeek, ByMonth or ByFiscalYear
	Level     string     // ByOffice, ByTown, ByPrefecture or ByNation
	Area      []string   // beginnings of the municipalities that may be counted; nil: any
	Place     string     // an office's id, a municipality of five digits or a prefecture of two; empty: everywhere
	From, To  civil.Date // zero: as far as the forecast goes; a period is summed as far as it lies within
	Kind      string     // empty: any
	Procedure string     // empty: any
	Split     bool       // a row for each kind and procedure
}

// Expected is what is expected at a place in a period.
type Expected struct {
	Place     string     `json:"place"` // empty: everywhere
	Starts    civil.Date `json:"starts"`
	Kind      string     `json:"kind,omitempty"`
	Procedure string     `json:"procedure,omitempty"`
	Mean      float64    `json:"mean"`
	P10       float64    `json:"p10"` // one time in ten fewer come
	P50       float64    `json:"p50"`
	P90       float64    `json:"p90"`      // one time in ten more come
	Expiring  float64    `json:"expiring"` // holders whose certificates end in it, as far as known when forecast
	Opening   float64    `json:"opening"`  // and whose windows open
	Notices   float64    `json:"notices"`  // and who are sent a notice
}

// ErrQuery: a query names what a forecast does not know.
var ErrQuery = errors.New("the forecast can't answer that")

// PlaceError says that a place has no office in the history. It is ErrQuery.
type PlaceError struct{ Given string }

// Error implements error.
func (e *PlaceError) Error() string {
	return fmt.Sprintf("no office of the history lies in %.60q", e.Given)
}

// Unwrap returns ErrQuery.
func (e *PlaceError) Unwrap() error { return ErrQuery }

// periodOf returns the first day of the period of a day.
func periodOf(by string, d civil.Date) (civil.Date, error) {
	switch by {
	case ByDay:
		return d, nil
	case ByWeek:
		return d.AddDays(-(int(d.Weekday()) + 6) % 7), nil
	case ByMonth:
		return civil.Date{Year: d.Year, Month: d.Month, Day: 1}, nil
	case ByFiscalYear:
		if d.Month < time.April {
			return civil.New(d.Year-1, time.April, 1), nil
		}
		return civil.New(d.Year, time.April, 1), nil
	}
	return d, fmt.Errorf("%w: period %.40q is none of %s, %s, %s, %s", ErrQuery, by, ByDay, ByWeek, ByMonth, ByFiscalYear)
}

// period is some days of a forecast, from one to before another.
type period struct {
	starts   civil.Date
	from, to int
}

func (f *Forecast) periods(q Query) (list []period, err error) {
	from, to := 0, f.days
	if !q.From.IsZero() {
		from = max(from, number(q.From)-f.first)
	}
	if !q.To.IsZero() {
		to = min(to, number(q.To)-f.first+1)
	}
	for i := from; i < to; i++ {
		starts, err := periodOf(q.By, dateOf(f.first+i))
		if err != nil {
			return nil, err
		}
		if n := len(list); n > 0 && list[n-1].starts == starts {
			list[n-1].to = i + 1
		} else {
			list = append(list, period{starts, i, i + 1})
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: no day between %s and %s is forecast; it goes from %s to %s", ErrQuery, q.From, q.To,
			dateOf(f.first), dateOf(f.first+f.days-1))
	}
	return list, nil
}

// place is some offices that are summed, by their numbers in the view.
type place struct {
	name    string
	offices []int
}

func (f *Forecast) places(q Query) (list []place, err error) {
	at := map[string]int{}
	for i, o := range f.view.offices {
		office := f.view.h.Offices[o]
		if q.Area != nil && !slices.ContainsFunc(q.Area, func(a string) bool { return a != "" && strings.HasPrefix(office.Municipality, a) }) {
			continue
		}
		if q.Place != "" && q.Place != office.ID && q.Place != office.Municipality && q.Place != office.Prefecture() {
			continue
		}
		name, ok := map[string]string{ByOffice: office.ID, ByTown: office.Municipality, ByPrefecture: office.Prefecture(), ByNation: ""}[q.Level]
		if !ok {
			return nil, fmt.Errorf("%w: level %.40q is none of %s, %s, %s, %s", ErrQuery, q.Level, ByOffice, ByTown, ByPrefecture, ByNation)
		}
		n, ok := at[name]
		if !ok {
			n = len(list)
			at[name], list = n, append(list, place{name: name})
		}
		list[n].offices = append(list[n].offices, i)
	}
	if list == nil {
		return nil, &PlaceError{q.Place}
	}
	slices.SortFunc(list, func(a, b place) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// Visits answers a query, by place, then by period, then by kind and procedure. The error is ErrQuery.
func (f *Forecast) Visits(q Query) ([]Expected, error) {
	periods, err := f.periods(q)
	if err != nil {
		return nil, err
	}
	places, err := f.places(q)
	if err != nil {
		return nil, err
	}
	groups, err := f.groups(q)
	if err != nil {
		return nil, err
	}
	parts := f.parts()
	var rows []Expected
	for _, where := range places {
		m := newMoments(len(f.bands.parts), len(where.offices))
		for _, when := range periods {
			for _, g := range groups {
				m.reset()
				for _, z := range g.flows {
					f.sum(m, z, parts[z.class], where.offices, when)
				}
				b := f.bands.quantiles(m)
				row := Expected{where.name, when.starts, g.kind, g.procedure, m.mean, b[0], b[1], b[2], 0, 0, 0}
				f.known.count(&row, g.kinds, where.offices, when, f.days)
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

// parts returns the variances of each class on each day.
func (f *Forecast) parts() [][]variance {
	parts := make([][]variance, len(f.bands.parts))
	for c := range parts {
		parts[c] = make([]variance, f.days)
		for i := range parts[c] {
			parts[c][i] = f.bands.part(c, weeksAhead(i))
		}
	}
	return parts
}

func (f *Forecast) sum(m *moments, z flow, parts []variance, offices []int, when period) {
	for n, o := range offices {
		for i := when.from; i < when.to; i++ {
			if x := z.mean[o*f.days+i]; x > 0 {
				m.add(parts[i], z.class, n, float64(x))
			}
		}
	}
}

// group is the flows of one row.
type group struct {
	kind, procedure string
	kinds           []int // whose certificates are counted with it
	flows           []flow
}

func (f *Forecast) groups(q Query) ([]group, error) {
	kinds, procedures := f.view.h.kinds.words, f.view.h.procedures.words
	for _, given := range []struct {
		what, word string
		known      []string
	}{{"kind", q.Kind, kinds}, {"procedure", q.Procedure, procedures}} {
		if given.word != "" && !slices.Contains(given.known, given.word) {
			return nil, fmt.Errorf("%w: %s %.40q is none of %q", ErrQuery, given.what, given.word, given.known)
		}
	}
	all := group{kind: q.Kind, procedure: q.Procedure}
	var split []group
	for i, k := range kinds {
		if q.Kind == "" || q.Kind == k {
			all.kinds = append(all.kinds, i)
		}
	}
	for _, z := range f.flows {
		k, p := kinds[z.kind], procedures[z.procedure]
		if q.Kind != "" && q.Kind != k || q.Procedure != "" && q.Procedure != p {
			continue
		}
		all.flows = append(all.flows, z)
		i := slices.IndexFunc(split, func(g group) bool { return g.kind == k && g.procedure == p })
		if i < 0 {
			i = len(split)
			split = append(split, group{kind: k, procedure: p})
		}
		split[i].flows = append(split[i].flows, z)
	}
	if !q.Split {
		return []group{all}, nil
	}
	slices.SortFunc(split, func(a, b group) int { return strings.Compare(a.kind+" "+a.procedure, b.kind+" "+b.procedure) })
	return split, nil
}

// known is what is known of certificates when a forecast is made, by kind, and office and day.
type known struct{ expiring, opening, notices [][]float32 }

func newKnown(kinds, n int) known {
	k := known{make([][]float32, kinds), make([][]float32, kinds), make([][]float32, kinds)}
	for i := range kinds {
		k.expiring[i], k.opening[i], k.notices[i] = make([]float32, n), make([]float32, n), make([]float32, n)
	}
	return k
}

func (k known) count(row *Expected, kinds, offices []int, when period, days int) {
	for _, kind := range kinds {
		for _, o := range offices {
			for i := o*days + when.from; i < o*days+when.to; i++ {
				row.Expiring += float64(k.expiring[kind][i])
				row.Opening += float64(k.opening[kind][i])
				row.Notices += float64(k.notices[kind][i])
			}
		}
	}
}
