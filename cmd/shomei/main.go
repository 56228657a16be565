// Command shomei is the centre of Shomei: every service of the hub, and the tools that look at its log and tables.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/ops"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
)

// Exit codes (README "Exit codes").
const (
	exitFailed      = 1
	exitUsage       = 2
	exitFound       = 3
	exitItemsFailed = 4
	exitUnreachable = 69
	exitConfig      = 78
	exitInterrupted = 130
)

// exitError carries an exit code; a nil cause has said what there is to say already.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

func main() {
	ctx, stop := ops.Signals(context.Background())
	defer stop()
	root := newRoot()
	err := root.ExecuteContext(ctx)
	os.Exit(exitCode(ctx, err, os.Stderr))
}

// exitCode says why a command failed, once, and gives the code that scripts go by.
func exitCode(ctx context.Context, err error, out io.Writer) int {
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(out, "shomei:", text)
	}
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, engine.ErrNoLibrary), errors.Is(err, warehouse.ErrUnavailable):
		return exitUnreachable
	case errors.Is(err, ops.ErrConfig), errors.Is(err, hub.ErrNoData):
		return exitConfig
	}
	return exitFailed
}

// app is what every command shares.
type app struct {
	data     string
	logLevel string
	lang     string
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use: "shomei", Short: "証明 — certificates on smart cards, from the municipal counter to expiry",
		SilenceErrors: true, SilenceUsage: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", "out/data", "folder that holds the hub's keys, log and tables")
	flags.StringVar(&a.logLevel, "log-level", "warn", "debug, info, warn or error")
	flags.StringVar(&a.lang, "lang", defaultLang(), "language of what people read: ja or en")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitError{exitUsage, err} })
	root.AddCommand(a.allCommand(), a.upCommand(), engineCommand(), a.logCommand(), a.stateCommand(), a.forecastCommand(),
		a.rebuildCommand(), a.rulesCommand(), crashpointsCommand())
	return root
}

func defaultLang() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" && !strings.HasPrefix(v, "C") && !strings.HasPrefix(v, "POSIX") {
			if strings.HasPrefix(v, "en") {
				return "en"
			}
			return "ja"
		}
	}
	return "ja"
}

func (a *app) logger() (*slog.Logger, error) {
	return ops.NewLogger(os.Stderr, ops.LogConfig{Level: a.logLevel})
}

// attach opens the data folder for looking at it.
func (a *app) attach(ctx context.Context) (*hub.Hub, error) {
	logger, err := a.logger()
	if err != nil {
		return nil, err
	}
	return hub.Attach(ctx, hub.Config{Data: a.data, Logger: logger})
}

// usage makes a misuse of a command an exit code of its own.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}
