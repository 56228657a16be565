package projector

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shomei/pkg/eventlog"
)

// Late is how old the oldest commit may be that the tables don't show. They are a second behind by design, and a few while much
// is written; what reads them acts on days, but people at the console and in the lists of who is due take them for what is.
const Late = time.Minute

// Age returns how long ago the server stored the oldest commit that the tables don't show; 0 if they show all, or while it is
// not known how far they are. It is the server's time and not the writer's: no writer can hide a lag or feign one.
func (p *Projector) Age(ctx context.Context) (time.Duration, error) {
	at := p.Applied()
	if at == nil {
		return 0, nil
	}
	oldest, err := p.Log.StoredAfter(ctx, at)
	if err != nil || oldest.IsZero() {
		return 0, err
	}
	return max(p.Clock().Sub(oldest), 0), nil
}

// Behind returns how many commits the tables lack, by their own positions: also where another process follows.
func (p *Projector) Behind(ctx context.Context) (uint64, error) {
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return 0, err
	}
	return p.behind(ctx, ends)
}

func (p *Projector) behind(ctx context.Context, ends eventlog.Positions) (uint64, error) {
	at, err := p.Warehouse.LookAtPositions(ctx)
	return lag(at, ends), err
}

// How long and how often tables without progress are looked at.
const (
	stuckAfter = 10 * time.Second
	lookEvery  = 50 * time.Millisecond
)

// Await waits until the tables that another process keeps show everything that the log held when it was called. It is an
// error if they make no progress.
func (p *Projector) Await(ctx context.Context) error {
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return err
	}
	least, moved := ^uint64(0), time.Now()
	for {
		behind, err := p.behind(ctx, ends)
		if err != nil || behind == 0 {
			return err
		}
		if behind < least {
			least, moved = behind, time.Now()
		}
		if time.Since(moved) > stuckAfter {
			return fmt.Errorf("the tables are %d commits behind the log and make no progress; see the hub's log", behind)
		}
		wait(ctx, lookEvery, nil)
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for the tables, %d commits behind: %w", behind, ctx.Err())
		}
	}
}

// Timely returns an error that says how long the tables lag if that is more than Late.
func (p *Projector) Timely(ctx context.Context) error {
	age, err := p.Age(ctx)
	if err == nil && age > Late {
		err = fmt.Errorf("the tables lack what was recorded %v ago", age.Round(time.Second))
	}
	return err
}

// watchAge logs once that the tables lag, and once that they don't any more.
func (p *Projector) watchAge(ctx context.Context) {
	late := false
	for ; ctx.Err() == nil; wait(ctx, p.Every, nil) {
		age, err := p.Age(ctx)
		switch {
		case err != nil: // the log's own trouble, which others tell
		case age > Late && !late:
			late = true
			p.Logger.Error("the tables lag: the console and the lists of who is due are behind the log; see engine.log and the load of the machine", "behind", age)
		case age <= Late && late:
			late = false
			p.Logger.Info("the tables show what is in the log again", "behind", age)
		}
	}
}

// scrapeWait is how long a metric waits for the log.
const scrapeWait = 2 * time.Second

// Collectors returns the metrics of the projector, for the command to register once.
func (p *Projector) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "shomei_tables_behind_seconds",
		Help: "Age of the oldest commit that the tables don't show; 0: they show all. Alarm above 60.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
		defer cancel()
		age, err := p.Age(ctx)
		if err != nil {
			return math.NaN()
		}
		return age.Seconds()
	})}
}
