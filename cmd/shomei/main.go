// Command shomei is the centre of Shomei: every service of the hub, and the tools that look at its log and tables.
package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/ops"
)

func main() {
	ctx, stop := ops.Signals(context.Background())
	defer stop()
	a := &app{}
	if err := ops.ForbidCores(); err != nil {
		os.Exit(a.outcome(ctx, nil, err, os.Stderr))
	}
	cmd, err := a.root().ExecuteContextC(ctx)
	os.Exit(a.outcome(ctx, cmd, err, os.Stderr))
}

// app is what every command shares.
type app struct {
	data     string
	logLevel string
	lang     string
	// begun says that the command line was understood.
	begun bool
}

// root is the whole command line.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "shomei", Short: "証明 — カードに載る電子証明書の一生 (certificates on smart cards, from the municipal counter to expiry)",
		SilenceErrors: true, SilenceUsage: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", defaultData(), "データのフォルダー (folder of the hub's keys, log and tables; also from "+dataVariable+")")
	flags.StringVar(&a.logLevel, "log-level", "warn", "debug, info, warn or error")
	flags.StringVar(&a.lang, "lang", defaultLang(), "表示の言語 ja か en (language of what people read)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmd.ValidateRequiredFlags(); err != nil { // cobra asks only after this
			return err
		}
		if a.lang != "ja" && a.lang != "en" {
			return usage("--lang %q: use ja or en", a.lang)
		}
		a.begun = true
		return nil
	}
	root.AddCommand(a.allCommand(), a.upCommand(), engineCommand(), a.logCommand(), a.stateCommand(), a.forecastCommand(),
		a.rebuildCommand(), a.fsckCommand(), a.ddlCommand(), a.rulesCommand(), a.officeCommand(), a.counterCommand(), a.authorityCommand(), a.cardsCommand(), a.eraseCommand(), a.reportCommand(), a.storyCommand(), a.simulateCommand(), a.benchCommand(), crashpointsCommand(), a.versionCommand())
	mendCompletion(root)
	return root
}

// mendCompletion makes `completion` refuse a shell that it does not know, as every other command does.
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

// dataVariable names the data folder for every command, as it does for the configuration of the hub.
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

func (a *app) logger() (*slog.Logger, error) {
	return ops.NewLogger(os.Stderr, ops.LogConfig{Level: a.logLevel})
}

// attach opens the data folder for looking at its log and tables.
func (a *app) attach(ctx context.Context) (*hub.Hub, error) {
	c, err := a.looking()
	if err != nil {
		return nil, err
	}
	return hub.Attach(ctx, c)
}

// attachLog opens the data folder for looking at its log, which needs no engine.
func (a *app) attachLog(ctx context.Context) (*hub.Hub, error) {
	c, err := a.looking()
	if err != nil {
		return nil, err
	}
	return hub.AttachLog(ctx, c)
}

func (a *app) looking() (hub.Config, error) {
	logger, err := a.logger()
	return hub.Config{Data: a.data, Logger: logger}, err
}
