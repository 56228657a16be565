// Command shomei-agent is the counter's program: it talks to cards over PC/SC.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"shomei/pkg/card/pcsc"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
	"shomei/pkg/ops"
	"shomei/services/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := ops.ForbidCores(); err != nil {
		fmt.Fprintf(os.Stderr, "shomei-agent: %v\n", err)
		os.Exit(exitFailed)
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes, the same in every command of Shomei.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitFound       = 3
	exitUnreachable = 69
	exitTryLater    = 75
	exitConfig      = 78
	exitInterrupted = 130
)

// errUsage marks a command line that cannot be understood, errFound a check
// that ran and found something (it has been printed already).
var (
	errUsage = errors.New("usage")
	errFound = errors.New("the check found something")
)

// language is the user's language: Japanese, or English with --lang en.
type language struct{ english bool }

// say returns the text in the user's language.
func (l *language) say(japanese, english string) string {
	if l.english {
		return english
	}
	return japanese
}

// Set, String and Type make it a flag.
func (l *language) Set(s string) error {
	if s != "ja" && s != "en" {
		return fmt.Errorf("%q: ja or en", s)
	}
	l.english = s == "en"
	return nil
}

func (l *language) String() string { return l.say("ja", "en") }

// Type names the value in the usage text.
func (l *language) Type() string { return "ja|en" }

// run is the whole program apart from the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	lang := &language{}
	root := &cobra.Command{
		Use: "shomei-agent", Short: "窓口端末のカード処理 (the counter's program for cards)",
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().Var(lang, "lang", "表示の言語 (language of the output)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(runCommand(lang), showCommand(lang), checkCommand(lang), crashpointsCommand())
	root.AddCommand(platformCommands(lang)...)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err != nil && !errors.Is(err, errFound) && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(errs, "shomei-agent: %s\n", explain(lang, err))
	}
	return exitCode(err)
}

// crashpointsCommand prints where the counter's program can be killed between two durable steps.
func crashpointsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "crashpoints", Short: "試験用の停止点の一覧 (places between two durable steps, for tests with " + crashpoint.Variable + ")",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range crashpoint.List() {
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}
			return nil
		},
	}
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUsage), strings.HasPrefix(err.Error(), "unknown command"), strings.HasPrefix(err.Error(), "required flag"):
		return exitUsage
	case errors.Is(err, errFound):
		return exitFound
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, pcsc.ErrNoService), errors.Is(err, pcsc.ErrNoReader), errors.Is(err, errUnreachable):
		return exitUnreachable
	case errors.Is(err, agent.ErrStoreBusy):
		return exitTryLater
	case errors.Is(err, counterlink.ErrBundle), errors.Is(err, ops.ErrConfig):
		return exitConfig
	}
	return exitFailed
}

// errUnreachable means that something outside this program does not answer.
var errUnreachable = errors.New("not reachable")
