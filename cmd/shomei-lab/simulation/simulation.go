// Package simulation lives the lives of an invented population through the real rules and the real log: claims signed
// by enrolled sources, decisions of the registration authority, certificates signed by the authority's keys, personal
// data sealed in the vault. Only the people (package population), their cards and the post are invented.
package simulation

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"shomei/cmd/shomei-lab/census"
	"shomei/cmd/shomei-lab/population"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
)

// Simulation is one simulation on a still hub (hub.StartStill).
type Simulation struct {
	Plan
	hub      *hub.Hub
	people   *population.Population
	voices   map[string]hub.Voice
	requests [][]byte
	lanes    []*lane
	acts     atomic.Uint64
	// onAct, if set, is called with the number of every act.
	onAct func(uint64)
	// begins counts the lives that begin in each month.
	begins map[civil.Date]int
}

// Clock returns the path of a simulated data folder's settable clock.
func Clock(data string) string { return filepath.Join(data, "clock") }

// New prepares offices, sources, subscriber keys and lanes, and finds out how far every life has come.
func New(ctx context.Context, h *hub.Hub, plan Plan, lanes int) (*Simulation, error) {
	s := &Simulation{
		Plan: plan, hub: h, people: population.Of(plan.Seed, plan.From, plan.To),
		voices: make(map[string]hub.Voice), begins: make(map[civil.Date]int),
	}
	if err := s.enrol(ctx); err != nil {
		return nil, err
	}
	if err := h.Issuer.HoldDueCeremonies(ctx); err != nil {
		return nil, err
	}
	var err error
	if s.requests, err = Requests(filepath.Join(h.Data, "simulate", "keys")); err != nil {
		return nil, err
	}
	for i := range lanes {
		l, err := h.Lane(ctx, i)
		if err != nil {
			return nil, err
		}
		s.lanes = append(s.lanes, &lane{Simulation: s, Lane: l})
	}
	return s, s.enterAll(ctx)
}

func (s *Simulation) enrol(ctx context.Context) error {
	for _, place := range population.Places {
		if _, known := s.hub.Directory.Offices()[place.Office]; !known {
			if err := s.hub.DefineOffice(ctx, place.Office, place.Definition()); err != nil {
				return err
			}
		}
		for _, role := range population.Roles {
			voice, err := s.hub.Voice(ctx, place.Office, place.Source(role), role, place.CounterCode())
			if err != nil {
				return err
			}
			s.voices[place.Source(role)] = voice
		}
	}
	return nil
}

func (s *Simulation) enterAll(ctx context.Context) error {
	for i := range s.Subscribers {
		if begin := s.people.Person(i).Begins(); !begin.IsZero() {
			s.begins[civil.New(begin.Year, begin.Month, 1)]++
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for n, l := range s.lanes {
		group.Go(func() error {
			for i := n; i < s.Subscribers; i += len(s.lanes) {
				if err := l.enter(ctx, i); err != nil {
					return fmt.Errorf("finding out about person %d: %w", i, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// Run simulates until the end, or until stop is closed: then every lane finishes its current act. Either way the tables
// and revocation lists show what was lived. It returns true if the end was reached.
func (s *Simulation) Run(ctx context.Context, stop <-chan struct{}) (done bool, err error) {
	for day := civil.Of(s.hub.Clock.Now()); day.Before(s.To) && !closed(stop); {
		if day, err = s.stage(ctx, day, stop); err != nil {
			return false, err
		}
	}
	done = !civil.Of(s.hub.Clock.Now()).Before(s.To)
	return done, s.finish(ctx, done)
}

func closed(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// stage lives until the next day on which an authority gets another key, at most a year. Once every lane is there, its
// end is written to the clock.
func (s *Simulation) stage(ctx context.Context, day civil.Date, stop <-chan struct{}) (civil.Date, error) {
	if err := s.hub.Issuer.HoldDueCeremonies(ctx); err != nil {
		return day, err
	}
	end, err := s.stageEnd(day)
	if err != nil {
		return day, err
	}
	group, ctx2 := errgroup.WithContext(ctx)
	for _, l := range s.lanes {
		group.Go(func() error { return l.until(ctx2, end.StartInstant(), stop) })
	}
	if err := group.Wait(); err != nil || closed(stop) {
		return day, err
	}
	return end, s.hub.Clock.Advance(end.StartInstant())
}

func (s *Simulation) stageEnd(day civil.Date) (civil.Date, error) {
	end := civil.New(day.Year+1, 1, 1)
	for _, kind := range []ca.Kind{ca.Sign, ca.Auth} {
		plans, err := ca.Plans(kind, "")
		if err != nil {
			return end, err
		}
		for _, plan := range plans {
			if ceremony := civil.Of(plan.NotBefore).AddDays(1); ceremony.After(day) && ceremony.Before(end) {
				end = ceremony
			}
		}
	}
	if end.After(s.To) {
		end = s.To
	}
	return end, nil
}

// finish brings the tables up to date and, at the end, publishes the revocation lists.
func (s *Simulation) finish(ctx context.Context, done bool) error {
	if done {
		if err := s.hub.Issuer.HoldDueCeremonies(ctx); err != nil {
			return err
		}
		if err := s.hub.PublishLists(ctx); err != nil {
			return err
		}
	}
	return s.hub.Project(ctx)
}

// Progress is how far a simulation has come.
type Progress struct {
	// Day is where the slowest lane is.
	Day     civil.Date
	Persons int // whose life has begun by then
	Acts    uint64
	// Done is the share of everything that happens, between 0 and 1, by the days and the people in them.
	Done float64
}

// Progress may be called at any time.
func (s *Simulation) Progress() Progress {
	day, sum := s.To, 0.0
	for _, l := range s.lanes {
		at := civil.Of(l.Now())
		if at.Before(day) {
			day = at
		}
		_, share := s.lived(at)
		sum += share
	}
	persons, _ := s.lived(day)
	return Progress{Day: day, Persons: persons, Acts: s.acts.Load(), Done: sum / float64(len(s.lanes))}
}

// lived returns how many lives have begun by a day, and the share of everything that has happened by then.
func (s *Simulation) lived(day civil.Date) (persons int, share float64) {
	done, all := 0, 0
	for month, n := range s.begins {
		// The first weeks of a life hold as much as its next five years.
		const firstWeeks = 1800
		all += n * (firstWeeks + month.DaysUntil(s.To))
		if month.Before(day) {
			persons += n
			done += n * (firstWeeks + month.DaysUntil(day))
		}
	}
	return persons, float64(done) / float64(max(all, 1))
}

// ended lets the progress reach the end in lanes in which nothing more happens.
func (l *lane) ended(at time.Time) {
	if l.Now().Before(at) {
		l.SetTime(at)
	}
}

// Census counts what the tables hold, from this run and earlier ones.
func (s *Simulation) Census(ctx context.Context) (*census.Census, error) {
	return census.Take(ctx, s.hub.EngineDSN(), "shomei")
}
