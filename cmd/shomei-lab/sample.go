package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei-lab/simulation"
	"shomei/pkg/civil"
	"shomei/pkg/tether"
)

const sampleHelp = `架空の県の歴史を自分のフォルダーに作り(数分、進み具合を表示)、それだけを見る二つ目のセンターを動かします。本物の記録とは
フォルダーもポートも別で、どの画面にも架空と表示されます。二度目からは、作ったものをそのまま使います。
Makes the history of an invented prefecture in a folder of its own (minutes, with progress), and runs a second centre that shows it and
nothing else: folder and ports are its own, and every page says that it is invented. From the second time on it uses what it has made.`

// sampleCommand runs a centre with an invented population, for looking at.
func (a *app) sampleCommand() *cobra.Command {
	plan := simulation.Plan{From: civil.New(2016, time.January, 5), Seed: 1}
	var console string
	cmd := &cobra.Command{
		Use: "sample", Short: "架空の県を作って集計画面で見る (an invented prefecture to look at)", Args: cobra.NoArgs, Long: sampleHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("data") {
				a.Data = "out/sample"
			}
			if plan.Subscribers < 1 {
				return cli.Usage("--subscribers %d: at least one is needed", plan.Subscribers)
			}
			return a.sample(cmd, plan, console)
		},
	}
	cmd.Flags().IntVar(&plan.Subscribers, "subscribers", 2000, "how many people")
	cmd.Flags().StringVar(&console, "console", "127.0.0.1:8481", "集計画面の場所 (loopback address of the console's page)")
	return cmd
}

func (a *app) sample(cmd *cobra.Command, plan simulation.Plan, console string) error {
	plan.To = civil.Of(time.Now())
	kept, found, err := simulation.ReadPlan(a.Data)
	if err != nil {
		return fmt.Errorf("reading the plan of the sample: %w", err)
	}
	if found {
		plan = kept
	}
	out := cmd.ErrOrStderr()
	fmt.Fprintf(out, "架空の住民 %d人、%s から %s まで → %s (an invented population)\n", plan.Subscribers, plan.From, plan.To, a.Data)
	if err := a.simulate(cmd, plan, 0); err != nil && !unbelievable(err) {
		return err
	}
	return a.show(cmd.Context(), console)
}

// unbelievable reports whether a population was made whose figures are out of range, as those of a small one are.
func unbelievable(err error) bool {
	var exit *cli.ExitError
	return errors.As(err, &exit) && exit.Code == cli.Found
}

// show runs the centre on what was made, until it is asked to stop.
func (a *app) show(ctx context.Context, console string) error {
	program, err := cli.Beside("shomei")
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program, "all", "--data", a.Data, "--clock", simulation.Clock(a.Data), "--port", "0", "--console", console, "--lang", a.Lang)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 15 * time.Second
	process, err := tether.Start(command)
	if err != nil {
		return fmt.Errorf("starting the centre: %w; build it with make build", err)
	}
	if err := process.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the centre of the sample has ended: %w", err)
	}
	return nil
}
