package forecast

import (
	"fmt"
	"slices"
	"time"

	"shomei/pkg/civil"
)

// Target is what a head of an office promises: a share of the people who come in the busiest hour waits no longer than Wait.
type Target struct {
	Wait  time.Duration
	Share float64
}

// Week is what a plan changes at one office in one week.
type Week struct {
	Office        string     `json:"office"`
	Starts        civil.Date `json:"starts"`
	Before, After Load
}

// Load is the visits of one week, and what they ask of an office on its busiest day.
type Load struct {
	Visits  Expected `json:"visits"`
	Days    int      `json:"days"`     // on which the office is open
	Busiest float64  `json:"busiest"`  // visits on its busiest day, at 50 %
	Desks   int      `json:"desks"`    // that keep the target then
	Desks90 int      `json:"desks_90"` // that keep it also if as many come as one time in ten
	// Wait is the mean wait in the busiest hour with the desks that there are, in minutes; negative: they can't keep up, the line grows.
	Wait float64 `json:"wait_minutes"`
}

// Compare says what changes between two forecasts of one model, by office and week: before with one counter, after with another. desks is
// how many desks each office has; 0: not known, and nothing is said of waits.
func Compare(before, after *Forecast, q Query, was, will Counter, desks int, t Target) ([]Week, error) {
	q.By, q.Level, q.Split = ByWeek, ByOffice, false
	first, err := before.loads(q, was, desks, t)
	if err != nil {
		return nil, err
	}
	second, err := after.loads(q, will, desks, t)
	if err != nil {
		return nil, err
	}
	weeks := make([]Week, len(first))
	for i := range weeks {
		weeks[i] = Week{first[i].Visits.Place, first[i].Visits.Starts, first[i], second[i]}
	}
	return weeks, nil
}

func (f *Forecast) loads(q Query, c Counter, desks int, t Target) ([]Load, error) {
	rows, err := f.Visits(q)
	if err != nil {
		return nil, err
	}
	daily := q
	daily.By = ByDay
	days, err := f.Visits(daily)
	if err != nil {
		return nil, err
	}
	loads := make([]Load, len(rows))
	for i, week := range rows {
		loads[i] = Load{Visits: week}
		busiest := Expected{}
		for ; len(days) > 0 && days[0].Place == week.Place && week.Starts.DaysUntil(days[0].Starts) < 7; days = days[1:] {
			if days[0].Mean > 0 {
				loads[i].Days++
			}
			if days[0].P50 > busiest.P50 {
				busiest = days[0]
			}
		}
		loads[i].work(busiest, c, desks, t)
	}
	return loads, nil
}

func (l *Load) work(busiest Expected, c Counter, desks int, t Target) {
	l.Busiest = busiest.P50
	l.Desks, l.Desks90 = c.Desks(busiest.P50, t.Wait, t.Share), c.Desks(busiest.P90, t.Wait, t.Share)
	if desks == 0 {
		return
	}
	wait, ok := c.Wait(desks, busiest.P50)
	if l.Wait = wait.Minutes(); !ok {
		l.Wait = -1
	}
}

// sendElsewhere mixes a forecast in which everybody who met a closed office came later with one in which they went to another office of
// the municipality on the same day, as the plan's share says. open is what is expected without the closings.
func (f *Forecast) sendElsewhere(open *Forecast, plan Plan) {
	closed := func(office int, day civil.Date) bool {
		for _, c := range plan.Closed {
			if (c.Office == "" || c.Office == f.view.h.Offices[f.view.offices[office]].ID) && day.Within(c.From, c.To) {
				return true
			}
		}
		return false
	}
	for n := range f.flows {
		late, now := f.flows[n].mean, open.flows[n].mean
		moved := make([]float32, len(now))
		for o := range f.view.offices {
			for i := range f.days {
				at := o*f.days + i
				if now[at] == 0 || !closed(o, dateOf(f.first+i)) {
					moved[at] += now[at]
					continue
				}
				f.spread(moved, now, o, i, func(other int) bool { return !closed(other, dateOf(f.first+i)) })
			}
		}
		for at := range late {
			late[at] += (moved[at] - late[at]) * float32(plan.Elsewhere)
		}
	}
}

// spread adds what is expected at an office on a day to the other offices of its municipality, by how many are expected there.
func (f *Forecast) spread(to, now []float32, office, day int, open func(int) bool) {
	town := func(o int) string { return f.view.h.Offices[f.view.offices[o]].Municipality }
	var others []int
	total := float32(0)
	for o := range f.view.offices {
		if x := now[o*f.days+day]; o != office && x > 0 && town(o) == town(office) && open(o) {
			others, total = append(others, o), total+x
		}
	}
	from := now[office*f.days+day]
	for _, o := range others {
		to[o*f.days+day] += from * now[o*f.days+day] / total
	}
}

// Check returns why a plan can't be asked of a model: it closes an office, or has people rush for a procedure, that the history does not
// know. The error is ErrQuery.
func (m *Model) Check(plan Plan) error {
	h := m.view.h
	for _, c := range plan.Closed {
		if _, ok := h.index[c.Office]; !ok && c.Office != "" {
			return &PlaceError{c.Office}
		}
	}
	for _, r := range plan.Rushes {
		p := slices.Index(h.procedures.words, r.Procedure)
		if p < 0 || m.others[p] == nil {
			return fmt.Errorf("%w: nobody rushes for %.40q; the history knows %q", ErrQuery, r.Procedure, m.otherProcedures())
		}
	}
	return nil
}

// otherProcedures are those for which people come whom no last day announces.
func (m *Model) otherProcedures() (list []string) {
	for p, z := range m.others {
		if z != nil {
			list = append(list, m.view.h.procedures.words[p])
		}
	}
	return list
}
