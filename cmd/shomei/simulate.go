package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/cmd/shomei/simulation"
	"shomei/pkg/civil"
)

// lanes is how many lives are lived at a time: enough to keep the disk busy while others sign.
const lanes = 12

const simulateHelp = `Writes the history of an invented population into a data folder of its own, through the real rules, the real log
and the real vault: applications, hand-overs, renewals, moves, changes of name, losses, deaths, expiries.

What is real: every decision, rule id, seal and signature; the authority's certificates and revocation lists; thirteen
municipalities with their codes. What is made up: the people, and what the world outside does to them. There are no
cards: %d subscriber key pairs are made once in the data folder and used for everybody. The sources of the claims are
enrolled under names that say "simulated", and the log is marked simulated for ever.

Running it again goes on where it stopped. The first Ctrl-C finishes the month that has begun. Afterwards:

  shomei forecast --data DIR --by month --at 2023-01-01
  shomei all --data DIR --clock DIR/clock`

// simulateCommand writes the history of an invented population.
func (a *app) simulateCommand() *cobra.Command {
	var plan simulation.Plan
	var from, to string
	cmd := &cobra.Command{
		Use: "simulate", Short: "架空の住民の歴史を書く (write the history of an invented population into a data folder of its own)", Args: cobra.NoArgs,
		Long: fmt.Sprintf(simulateHelp, simulation.PoolSize),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("data") {
				a.data = "out/simulated"
			}
			var err error
			if plan.From, err = civil.Parse(from); err != nil || plan.From.IsZero() {
				return usage("--from %q is not a day (2016-01-05)", from)
			}
			if plan.To, err = civil.Parse(to); err != nil || !plan.To.After(plan.From) {
				return usage("--to %q is not a day after --from", to)
			}
			if plan.Subscribers < 1 {
				return usage("--subscribers %d: at least one is needed", plan.Subscribers)
			}
			return a.simulate(cmd, plan)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&plan.Subscribers, "subscribers", 1000, "how many people")
	flags.StringVar(&from, "from", "2016-01-05", "first day")
	flags.StringVar(&to, "to", "2026-04-01", "first day that is not simulated any more")
	flags.Uint64Var(&plan.Seed, "seed", 1, "another seed makes other people")
	return cmd
}

func (a *app) simulate(cmd *cobra.Command, plan simulation.Plan) (err error) {
	logger, err := a.logger()
	if err != nil {
		return err
	}
	if err := plan.Keep(a.data); err != nil {
		if errors.Is(err, simulation.ErrPlan) {
			return usage("%v", err)
		}
		return err
	}
	// What has begun is finished after the first Ctrl-C; so the work itself does not end with it.
	ctx := context.WithoutCancel(cmd.Context())
	h, err := hub.StartStill(ctx, hub.Config{
		Data: a.data, Clock: simulation.Clock(a.data), Begin: plan.From.StartInstant(), ExpiryEvery: -1, Logger: logger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	s, err := simulation.New(ctx, h, plan, lanes)
	if err != nil {
		return err
	}
	begin := time.Now()
	report := newReport(cmd.ErrOrStderr(), begin)
	done, err := s.Run(ctx, cmd.Context().Done(), report.hear)
	if err != nil {
		return err
	}
	printSimulated(cmd.OutOrStdout(), s.Counts(), report)
	if !done {
		return &exitError{exitInterrupted, fmt.Errorf("stopped at %s; run the same again to go on", report.last.Day)}
	}
	return nil
}

// simulationReport says how far a simulation has come, at most twice a second.
type simulationReport struct {
	out         io.Writer
	begin, said time.Time
	first, last simulation.Progress
}

func newReport(out io.Writer, begin time.Time) *simulationReport {
	return &simulationReport{out: out, begin: begin}
}

func (r *simulationReport) hear(p simulation.Progress) {
	if r.first.Day.IsZero() {
		r.first = p
	}
	r.last = p
	if time.Since(r.said) < 500*time.Millisecond {
		return
	}
	r.said = time.Now()
	spent := r.said.Sub(r.begin)
	left := "?"
	if gained := p.Done - r.first.Done; gained > 0.001 {
		left = time.Duration(float64(spent) * (1 - p.Done) / gained).Round(time.Second).String()
	}
	fmt.Fprintf(r.out, "%s  %d persons  %d commits  %.0f commits/s  %.0f %%  %s left\n", p.Day, p.Persons, p.Commits,
		float64(p.Commits-r.first.Commits)/spent.Seconds(), 100*p.Done, left)
}

func printSimulated(out io.Writer, counts map[string]int, r *simulationReport) {
	spent := time.Since(r.begin)
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"in this run", "number"})
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.AppendRow(table.Row{name, counts[name]})
	}
	t.AppendFooter(table.Row{"commits in the log", r.last.Commits})
	t.AppendFooter(table.Row{"persons", r.last.Persons})
	t.AppendFooter(table.Row{"persons a second", fmt.Sprintf("%.0f", float64(r.last.Persons)/spent.Seconds())})
	t.AppendFooter(table.Row{"seconds", fmt.Sprintf("%.1f", spent.Seconds())})
	t.Render()
}
