// Package cli is shared by the command lines of the hub's programs: their flags, their exit codes, how they report
// failures, and the engine's process, which each of them can be.
package cli

import (
	"cmp"
	"context"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shomei/pkg/ops"
	"shomei/pkg/warehouse/engine"
)

// App holds the flags of a program's root, which every command shares.
type App struct {
	// Data is the folder of the hub's keys, log and tables; LogLevel is debug, info, warn or error; Lang is ja or en.
	Data, LogLevel, Lang string

	name string
	// begun: the command line was understood.
	begun bool
}

// Main runs a program's command line and ends the process.
func (a *App) Main(root *cobra.Command) {
	ctx, stop := ops.Signals(context.Background())
	defer stop()
	if err := ops.ForbidCores(); err != nil {
		os.Exit(a.outcome(ctx, nil, err, os.Stderr))
	}
	cmd, err := root.ExecuteContextC(ctx)
	os.Exit(a.outcome(ctx, cmd, err, os.Stderr))
}

// Root returns a command line with the flags that every command has, and these commands.
func (a *App) Root(name, short string, commands ...*cobra.Command) *cobra.Command {
	a.name = name
	root := &cobra.Command{Use: name, Short: short, SilenceErrors: true, SilenceUsage: true}
	flags := root.PersistentFlags()
	flags.StringVar(&a.Data, "data", defaultData(), "データのフォルダー (folder of the hub's keys, log and tables; also from "+dataVariable+")")
	flags.StringVar(&a.LogLevel, "log-level", "warn", "debug, info, warn or error")
	flags.StringVar(&a.Lang, "lang", defaultLang(), "表示の言語 ja か en (language of what people read)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmd.ValidateRequiredFlags(); err != nil { // cobra asks only after this
			return err
		}
		if a.Lang != "ja" && a.Lang != "en" {
			return Usage("--lang %q: use ja or en", a.Lang)
		}
		a.begun = true
		return nil
	}
	root.AddCommand(commands...)
	mendCompletion(root)
	return root
}

// mendCompletion makes `completion` refuse an unknown shell, as every other command would.
func mendCompletion(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Short = "コマンドの説明 (help about any command)"
		case "completion":
			cmd.Short = "シェルの補完 (completion for bash, zsh, fish, PowerShell)"
			cmd.Args = cobra.NoArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// dataVariable names the data folder for every command, as in the hub's configuration.
const dataVariable = ops.EnvPrefix + "HUB_DATA"

func defaultData() string { return cmp.Or(os.Getenv(dataVariable), "out/data") }

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

// Beside returns the path of another of these programs, in the folder of this one.
func Beside(program string) (string, error) {
	self, err := os.Executable()
	return filepath.Join(filepath.Dir(self), program), err
}

// Logger returns a logger to standard error at the level of the flag.
func (a *App) Logger() (*slog.Logger, error) {
	return ops.NewLogger(os.Stderr, ops.LogConfig{Level: a.LogLevel})
}

// Engine returns the command that runs a program as the ClickHouse engine; the hub starts it.
func Engine() *cobra.Command {
	var c engine.ServeConfig
	cmd := &cobra.Command{
		Use: "engine", Short: "組み込みの ClickHouse エンジン (in its own process; the hub starts it)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return engine.Serve(cmd.Context(), c) },
	}
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	c.Bind(flags)
	cmd.Flags().AddGoFlagSet(flags)
	return cmd
}
