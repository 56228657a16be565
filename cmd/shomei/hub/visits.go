package hub

import (
	"context"
	"maps"
	"slices"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
	"shomei/pkg/warehouse"
)

// openAhead is for how many days the open days of offices are told in advance.
const openAhead = 2 * 366

// EachVisit calls each for what a forecast of visits learns from, as of the end of a day or, if it is zero, of now: offices, their open
// days some time on, and the counts of the last years.
func (p *Parts) EachVisit(ctx context.Context, at civil.Date, each func(forecast.Record) error) error {
	when := p.Clock.Now()
	if !at.IsZero() {
		when = at.EndInstant()
	}
	first, err := p.Warehouse.VisitsBegin(ctx)
	if err != nil {
		return err
	}
	if err := p.eachOpening(first, civil.Of(when), each); err != nil {
		return err
	}
	return p.Warehouse.EachVisits(ctx, warehouse.VisitsQuery{At: when}, each)
}

// VisitHistory returns what a forecast of visits learns from.
func (p *Parts) VisitHistory(ctx context.Context, at civil.Date) (*forecast.History, error) {
	h := &forecast.History{}
	return h, p.EachVisit(ctx, at, h.Add)
}

// eachOpening calls each for every office, and for the days on which it is open or closed other than by the calendar, from a day on.
func (p *Parts) eachOpening(first, now civil.Date, each func(forecast.Record) error) error {
	offices := p.Directory.Offices()
	ids := slices.Sorted(maps.Keys(offices))
	for _, id := range ids {
		if err := each(forecast.Record{What: forecast.Place, Office: id, Municipality: offices[id].Municipality}); err != nil {
			return err
		}
	}
	if first.IsZero() {
		return nil
	}
	for _, id := range ids {
		if err := p.openingOf(id, first, now.AddDays(openAhead), each); err != nil {
			return err
		}
	}
	return nil
}

func (p *Parts) openingOf(id string, first, last civil.Date, each func(forecast.Record) error) error {
	for day := first; !day.After(last); day = day.AddDays(1) {
		o, err := p.Directory.Office(id, day)
		if err != nil {
			break // not defined yet
		}
		open := o.OpenDay("renew", day)
		if open == civil.WorkingDay(day) {
			continue
		}
		r := forecast.Record{What: forecast.Closed, Day: day, Office: id}
		if open {
			r.What = forecast.Opened
		}
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}
