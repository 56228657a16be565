package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei-lab/histories"
)

const historiesHelp = `Writes the invented history of some offices as CSV: what shomei forecast backtest --history FILE reads. Every figure
of it (how people react to notices, when they move, which offices merge, which campaigns and shocks there are) is drawn from a wide range
by the seed; the same seed writes the same bytes. Nothing in it is real, and the program that forecasts knows nothing of how it is made.

  shomei-lab histories --seed 7 >history.csv
  shomei forecast backtest --history history.csv`

// historiesCommand writes an invented history by which a forecast is judged.
func (a *app) historiesCommand() *cobra.Command {
	var seed uint64
	var size float64
	cmd := &cobra.Command{
		Use: "histories", Short: "予測を試すための架空の歴史を書く (write an invented history of offices, to judge a forecast by)", Args: cobra.NoArgs,
		Long: historiesHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if seed == 0 {
				return cli.Usage("--seed is missing: any number but 0")
			}
			if size <= 0 || size > 100 {
				return cli.Usage("--size %g: more than 0, and 100 at most", size)
			}
			w := histories.Draw(seed)
			w.Resize(size)
			fmt.Fprintf(cmd.ErrOrStderr(), "架空の歴史です (invented): seed %d, %d offices, %s to %s\n", seed, len(w.Offices), w.Begin, w.End)
			return w.Write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 0, "another seed draws another world")
	cmd.Flags().Float64Var(&size, "size", 1, "so many times as many people as the seed draws")
	return cmd
}
