package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei-lab/bench"
)

// benchCommand measures this build on this machine.
func (a *app) benchCommand() *cobra.Command {
	var quick bool
	var profile string
	var only []string
	cmd := &cobra.Command{
		Use: "bench", Short: "この機械での速さと大きさを測る (measure against floors taken in the same run)", Args: cobra.NoArgs,
		Long: `Measures this build on this machine, each figure in turns with a floor: what the same machine does without Shomei.
Everything happens in temporary data folders, which are removed afterwards. Other work on the machine spoils both sides.`,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			for _, name := range only {
				if !slices.Contains(bench.Parts(), name) {
					return cli.Usage("--only %q: there are %s", name, strings.Join(bench.Parts(), ", "))
				}
			}
			o := bench.Full
			if quick {
				o = bench.Quick
			}
			o.Only, o.Progress = only, cmd.ErrOrStderr()
			if profile != "" {
				stop, err := startProfile(profile)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, stop()) }()
			}
			figures, err := bench.Run(cmd.Context(), o)
			fmt.Fprintf(cmd.OutOrStdout(), "shomei-lab %s\n%s\n", strings.Join(os.Args[1:], " "), bench.Machine())
			bench.Print(cmd.OutOrStdout(), figures)
			return err
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&quick, "quick", false, "fewer and shorter turns")
	flags.StringVar(&profile, "profile", "", "write a CPU profile of the whole run to this file")
	flags.StringSliceVar(&only, "only", nil, "measure only these parts: "+strings.Join(bench.Parts(), ", "))
	return cmd
}

// startProfile records a CPU profile until stop is called.
func startProfile(path string) (stop func() error, err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error { pprof.StopCPUProfile(); return file.Close() }, nil
}
