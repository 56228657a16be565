package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei-lab/bench"
	"shomei/cmd/shomei-lab/simulation"
)

// analystCommand measures the questions of analysts on the tables that simulate --tables filled.
func (a *app) analystCommand() *cobra.Command {
	o := bench.AnalystOptions{}
	cmd := &cobra.Command{
		Use: "bench-analyst", Short: "分析の問いの速さを測る (measure analysts' questions, beside PostgreSQL on the same rows)", Args: cobra.NoArgs,
		Long: `Asks the questions of the console of the tables in DIR/tables, which "shomei-lab simulate --data DIR --tables N" fills, and
the same of PostgreSQL 15 with a row for each certificate and indexes made for these questions, on the same machine in the
same run. Each turn asks about another office, certificate and past day.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if !cmd.Flags().Changed("data") {
				a.Data = "out/simulated"
			}
			plan, found, err := simulation.ReadPlan(a.Data)
			if err != nil {
				return err
			}
			if _, err := os.Stat(tablesFolder(a.Data)); err != nil || !found {
				return cli.Usage("%s has no tables; fill them first: shomei-lab simulate --data %s --tables 1000000", a.Data, a.Data)
			}
			o.Now, o.Progress = plan.To, cmd.ErrOrStderr()
			t, err := bench.OpenTables(cmd.Context(), tablesFolder(a.Data))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, t.Close(cmd.Context())) }()
			measured, err := t.Analyst(cmd.Context(), o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "shomei-lab %s\n", strings.Join(os.Args[1:], " "))
			measured.Print(cmd.OutOrStdout())
			return nil
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Turns, "turns", 40, "how often each question is asked")
	flags.DurationVar(&o.Longest, "longest", 30*time.Second, "how long a slow question is asked again")
	flags.BoolVar(&o.Rival, "postgres", true, "ask PostgreSQL 15, too")
	return cmd
}
