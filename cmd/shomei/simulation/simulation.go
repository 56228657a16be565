// Package simulation lives the lives of an invented population through the real rules and the real log: claims signed by
// enrolled sources, decisions of the registration authority, certificates signed by the authority's keys, personal data
// sealed in the vault. Only the people (package population), their cards and the post are made up.
package simulation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"

	"shomei/cmd/shomei/hub"
	"shomei/cmd/shomei/population"
	"shomei/pkg/civil"
)

// Plan says what is simulated; the same plan gives the same history, apart from keys, serials and signatures.
type Plan struct {
	Subscribers int        `json:"subscribers"`
	From        civil.Date `json:"from"`
	// To is the first day that is not simulated any more.
	To   civil.Date `json:"to"`
	Seed uint64     `json:"seed"`
}

// ErrPlan says that a data folder holds the simulation of another plan.
var ErrPlan = errors.New("the data folder holds another simulation")

// Progress is how far a simulation has come.
type Progress struct {
	Day     civil.Date
	Persons int // whose life has begun
	Commits uint64
	// Done is the share of all that happens, between 0 and 1, by the days and the people in them.
	Done float64
}

// Simulation is one simulation on a hub that stands still.
type Simulation struct {
	Plan
	hub      *hub.Hub
	voices   map[string]hub.Voice
	requests [][]byte
	lanes    []*lane
	// begins counts, by month, the lives that begin in it.
	begins map[civil.Date]int
}

// planFile keeps the plan in the data folder, so that a second run goes on with it and not with another.
const planFile = "simulation.json"

// Clock is the settable clock of a simulated data folder.
func Clock(data string) string { return filepath.Join(data, "clock") }

// ReadPlan gives the plan of a data folder, false when it holds none.
func ReadPlan(data string) (Plan, bool, error) {
	var p Plan
	text, err := os.ReadFile(filepath.Join(data, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err == nil, err
}

// Keep writes the plan into the data folder, or checks that it is the one that stands there (ErrPlan).
func (p Plan) Keep(data string) error {
	old, found, err := ReadPlan(data)
	if err != nil {
		return fmt.Errorf("reading the plan of the simulation: %w", err)
	}
	if found && old != p {
		return fmt.Errorf("%s: %w: %d subscribers, %s to %s, seed %d; give the same, or another folder with --data",
			data, ErrPlan, old.Subscribers, old.From, old.To, old.Seed)
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	return renameio.WriteFile(filepath.Join(data, planFile), text, 0o600)
}

// New prepares offices, sources, subscriber keys and lanes, and finds out how far every life has come.
func New(ctx context.Context, h *hub.Hub, plan Plan, lanes int) (*Simulation, error) {
	s := &Simulation{Plan: plan, hub: h, voices: make(map[string]hub.Voice), begins: make(map[civil.Date]int)}
	if err := s.enrol(ctx); err != nil {
		return nil, err
	}
	if err := h.HoldCeremonies(ctx); err != nil {
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
		s.lanes = append(s.lanes, &lane{Simulation: s, Lane: l, counts: make(map[string]int)})
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
		p := population.New(s.Seed, i, s.From, s.To)
		if begin := p.Begins(); !begin.IsZero() {
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

// Run simulates month by month until the end, or until stop is closed: then the month that has begun is finished. Each
// month's end is written into the clock. progress hears of each month; true when the end was reached.
func (s *Simulation) Run(ctx context.Context, stop <-chan struct{}, progress func(Progress)) (bool, error) {
	for day := s.monthOf(s.hub.Clock.Now()); day.Before(s.To); {
		select {
		case <-stop:
			return false, nil
		default:
		}
		next := civil.New(day.Year, day.Month, 1).AddMonthsClamped(1)
		if next.After(s.To) {
			next = s.To
		}
		if err := s.month(ctx, next); err != nil {
			return false, err
		}
		p, err := s.progress(ctx, next)
		if err != nil {
			return false, err
		}
		progress(p)
		day = next
	}
	return true, s.finish(ctx)
}

func (s *Simulation) monthOf(now time.Time) civil.Date {
	if day := civil.Of(now); day.After(s.From) {
		return day
	}
	return s.From
}

func (s *Simulation) month(ctx context.Context, end civil.Date) error {
	if err := s.hub.HoldCeremonies(ctx); err != nil {
		return err
	}
	group, ctx2 := errgroup.WithContext(ctx)
	for _, l := range s.lanes {
		group.Go(func() error { return l.until(ctx2, end.StartInstant()) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.hub.Clock.Advance(end.StartInstant())
}

// finish publishes the revocation lists and brings the tables up to date.
func (s *Simulation) finish(ctx context.Context) error {
	if err := s.hub.HoldCeremonies(ctx); err != nil {
		return err
	}
	if err := s.hub.PublishLists(ctx); err != nil {
		return err
	}
	return s.hub.Project(ctx)
}

func (s *Simulation) progress(ctx context.Context, day civil.Date) (Progress, error) {
	p := Progress{Day: day}
	ends, err := s.hub.Log.LastSequences(ctx)
	if err != nil {
		return p, err
	}
	for _, end := range ends {
		p.Commits += end
	}
	done, all := 0, 0
	for month, n := range s.begins {
		// The first weeks of a life hold as much as its next five years.
		all += n * (1000 + month.DaysUntil(s.To))
		if month.Before(day) {
			p.Persons += n
			done += n * (1000 + month.DaysUntil(day))
		}
	}
	p.Done = float64(done) / float64(max(all, 1))
	return p, nil
}

// Counts is how often each thing happened in this run.
func (s *Simulation) Counts() map[string]int {
	sum := make(map[string]int)
	for _, l := range s.lanes {
		for name := range maps.Keys(l.counts) {
			sum[name] += l.counts[name]
		}
	}
	return sum
}
