package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei-lab/bench"
	"shomei/cmd/shomei-lab/census"
	"shomei/cmd/shomei-lab/simulation"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/civil"
)

// lanes is how many lives are lived at a time: enough to keep every core busy while others wait for the log.
const lanes = 12

const simulateHelp = `Writes the history of an invented population into a data folder of its own, through the real rules, the real log
and the real vault: applications of every kind, by people, parents, guardians and proxies, with letters of inquiry and
refusals; hand-overs, renewals, moves, also overseas and back, changes of name, losses, blocked PINs, cards that can't
be written, deaths, expiries. A range that begins before 2016 begins with juki cards.

What is real: every decision, rule id, seal and signature; the authority's certificates and revocation lists; thirteen
municipalities with their codes. What is made up: the people, and what the world outside does to them. There are no
cards: %d subscriber key pairs are made once in the data folder and used for everybody. The sources of the claims are
enrolled under names that say "simulated", and the log is marked simulated for ever.

At the end stands what the history holds, beside the figures known of the country; what is out of its range is marked.
With %d people and %d years or more that is more than chance, and the command ends with exit code 3.

The same seed and range make the same lives, apart from keys, serials and signatures. Running it again goes on where it
stopped, also after kill -9. Ctrl-C finishes what is being done and says how to go on. The log is synced at the end and
not at each decision, because nobody waits for one: after a power failure the folder may be refused; then remove it.

Afterwards:

  shomei forecast --data DIR --by month --at 2023-01-01
  shomei all --data DIR --clock DIR/clock

With --tables N the tables of N certificates are filled as well, in DIR/tables, by the rows that the projector makes, for
which no log has to be kept: the lives of the log as they are, and then again and again under other identities, in
invented towns of every prefecture, some weeks earlier. shomei-lab bench-analyst asks questions of them.`

// simulateCommand writes the history of an invented population.
func (a *app) simulateCommand() *cobra.Command {
	var plan simulation.Plan
	var from, to string
	var tables int
	cmd := &cobra.Command{
		Use: "simulate", Short: "架空の住民の歴史を書く (write the history of an invented population into a data folder of its own)",
		Args: cobra.NoArgs,
		Long: fmt.Sprintf(simulateHelp, simulation.PoolSize, enoughPeople, enoughYears),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("data") {
				a.Data = "out/simulated"
			}
			var err error
			if plan.From, err = civil.Parse(from); err != nil || plan.From.IsZero() {
				return cli.Usage("--from %q is not a day (2016-01-05)", from)
			}
			if plan.To, err = civil.Parse(to); err != nil || !plan.To.After(plan.From) {
				return cli.Usage("--to %q is not a day after --from", to)
			}
			if plan.Subscribers < 1 {
				return cli.Usage("--subscribers %d: at least one is needed", plan.Subscribers)
			}
			if tables < 0 {
				return cli.Usage("--tables %d: give how many certificates, or 0 for none", tables)
			}
			return a.simulate(cmd, plan, tables)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&plan.Subscribers, "subscribers", 1000, "how many people")
	flags.StringVar(&from, "from", "2016-01-05", "first day")
	flags.StringVar(&to, "to", "2026-04-01", "first day that is not simulated any more")
	flags.Uint64Var(&plan.Seed, "seed", 1, "another seed makes other people")
	flags.IntVar(&tables, "tables", 0, "also fill the tables of so many certificates, in DIR/tables")
	return cmd
}

func (a *app) simulate(cmd *cobra.Command, plan simulation.Plan, tables int) (err error) {
	logger, err := a.Logger()
	if err != nil {
		return err
	}
	if err := plan.Keep(a.Data); err != nil {
		if errors.Is(err, simulation.ErrPlan) {
			return cli.Usage("%v", err)
		}
		return err
	}
	debug.SetGCPercent(400) // a short run with little in memory: less collecting, more living
	// The first Ctrl-C lets begun acts finish; so it must not cancel the work itself.
	ctx := context.WithoutCancel(cmd.Context())
	h, err := hub.StartStill(ctx, hub.Config{
		Data: a.Data, Clock: simulation.Clock(a.Data), Begin: plan.From.StartInstant(), Logger: logger,
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
	quiet := reportProgress(cmd.ErrOrStderr(), s)
	done, err := s.Run(ctx, cmd.Context().Done())
	quiet()
	if err != nil {
		return err
	}
	at := s.Progress()
	if !done {
		return cli.Exit(cli.Interrupted,
			fmt.Errorf("%s までで止めました。同じ指定でもう一度実行すると続きから始まります。 (stopped at %s; run the same command again to go on)", at.Day, at.Day))
	}
	if err := a.printSimulated(cmd, s, time.Since(begin)); err != nil || tables == 0 {
		return err
	}
	return a.fillTables(cmd, h, tables)
}

// tablesFolder is where the tables without a log are, in the data folder.
func tablesFolder(data string) string { return filepath.Join(data, "tables") }

// fillTables fills the tables of many certificates by the lives of a log.
func (a *app) fillTables(cmd *cobra.Command, h *hub.Hub, certificates int) (err error) {
	begin, last := time.Now(), time.Now()
	lives, err := simulation.ReadLives(cmd.Context(), h.Log)
	if err != nil {
		return err
	}
	path := tablesFolder(a.Data)
	if err := os.RemoveAll(path); err != nil { // they can be filled again, and only from the beginning
		return err
	}
	t, err := bench.OpenTables(cmd.Context(), path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(cmd.Context())) }()
	err = lives.Fill(cmd.Context(), t.Warehouse, certificates, func(n int) {
		if time.Since(last) > time.Second {
			last = time.Now()
			fmt.Fprintf(cmd.ErrOrStderr(), "%d certificates, %.0f a second\n", n, float64(n)/time.Since(begin).Seconds())
		}
	})
	if err != nil {
		return err
	}
	spent := time.Since(begin)
	fmt.Fprintf(cmd.OutOrStdout(), "tables of %d certificates in %s: %s, %.0f certificates a second\n", certificates, path,
		spent.Round(time.Second), float64(certificates)/spent.Seconds())
	return nil
}

// reportProgress prints twice a second how far a simulation has come, until the returned function is called.
func reportProgress(out io.Writer, s *simulation.Simulation) (quiet func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	begin, first := time.Now(), s.Progress()
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(500 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
				fmt.Fprintln(out, progressLine(first, s.Progress(), time.Since(begin)))
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

func progressLine(first, now simulation.Progress, spent time.Duration) string {
	left := "?"
	if gained := now.Done - first.Done; gained > 0.001 {
		left = time.Duration(float64(spent) * (1 - now.Done) / gained).Round(time.Second).String()
	}
	return fmt.Sprintf("%s  %d persons  %.0f acts/s  %.0f %%  %s left",
		now.Day, now.Persons, float64(now.Acts)/spent.Seconds(), 100*now.Done, left)
}

// printSimulated prints what the history holds and what of it is not believable.
func (a *app) printSimulated(cmd *cobra.Command, s *simulation.Simulation, spent time.Duration) error {
	c, err := s.Census(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"happened", "times"})
	for _, line := range c.Happened() {
		t.AppendRow(table.Row{line.What, line.Times})
	}
	at := s.Progress()
	t.AppendFooter(table.Row{"persons", at.Persons})
	t.AppendFooter(table.Row{"acts in this run", at.Acts})
	t.AppendFooter(table.Row{"seconds", fmt.Sprintf("%.1f", spent.Seconds())})
	t.AppendFooter(table.Row{"persons a second", fmt.Sprintf("%.0f", float64(at.Persons)/spent.Seconds())})
	t.Render()
	printWhen(out, c)
	return printFigures(out, c, s.Plan)
}

// printWhen prints on which weekdays and in which months people came.
func printWhen(out io.Writer, c *census.Census) {
	for _, lines := range [][]census.Line{c.Weekdays(), c.Months()} {
		names, times := table.Row{"visits on"}, table.Row{""}
		for _, line := range lines {
			names, times = append(names, line.What[:3]), append(times, line.Times)
		}
		t := table.NewWriter()
		t.SetOutputMirror(out)
		t.AppendHeader(names)
		t.AppendRow(times)
		t.Render()
	}
}

// enoughPeople and enoughYears are the sizes from which the figures are more than chance.
const (
	enoughPeople = 1500
	enoughYears  = 5
)

func printFigures(out io.Writer, c *census.Census, plan simulation.Plan) error {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"figure", "here", "believable", "known", "source"})
	outside := 0
	for _, f := range c.Figures(plan.From, plan.To) {
		known := ""
		if f.Known != 0 {
			known = fmt.Sprintf("%.3f", f.Known)
		}
		here := fmt.Sprintf("%.3f", f.Value)
		if !f.Within() {
			outside++
			here += " !"
		}
		t.AppendRow(table.Row{f.Name, here, fmt.Sprintf("%.3f–%.3f", f.Low, f.High), known, f.Source})
	}
	t.Render()
	if outside > 0 && plan.Subscribers >= enoughPeople && !plan.From.AddYearsClamped(enoughYears).After(plan.To) {
		return cli.Exit(cli.Found, fmt.Errorf("%d figures of this population are out of their range (marked with !)", outside))
	}
	return nil
}
