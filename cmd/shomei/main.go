// Command shomei is the centre of Shomei: every service of the hub, and the tools that look at its log and tables.
package main

import (
	"context"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/ops"
)

func main() {
	a := &app{}
	a.Main(a.root())
}

// app is what every command shares.
type app struct {
	cli.App
	// creds is the file of an operator's credentials, context the name of some that are kept.
	creds, context string
	// told: the command has said as whom and where it works.
	told bool
	// dataGiven reports whether the command line names a data folder.
	dataGiven func() bool
	// unlockFile holds what unlocks sealed keys.
	unlockFile string
}

// root is the whole command line.
func (a *app) root() *cobra.Command {
	root := a.Root("shomei", "証明 — カードに載る電子証明書の一生 (certificates on smart cards, from the municipal counter to expiry)",
		a.allCommand(), a.upCommand(), cli.Engine(), a.logCommand(), a.stateCommand(), a.forecastCommand(), a.queryCommand(), a.rebuildCommand(), a.fsckCommand(),
		a.ddlCommand(), a.rulesCommand(), a.officeCommand(), a.officerCommand(), a.counterCommand(), a.authorityCommand(), a.rolesCommand(), a.cardsCommand(), a.eraseCommand(),
		a.reportCommand(), a.residentsCommand(), a.feedCommand(), a.quarantineCommand(), storyCommand(), crashpointsCommand(), a.versionCommand(), a.natsCommand(),
		a.operatorsCommand(), a.contextCommand(), a.keysCommand(), a.accessCommand(), a.personCommand(), a.approvalCommand())
	root.AddCommand(a.serviceCommands()...)
	flags := root.PersistentFlags()
	flags.StringVar(&a.creds, "creds", "", "運用者の資格のファイル (file of an operator's credentials; also from "+ops.EnvPrefix+"CREDS)")
	flags.StringVar(&a.context, "context", "", "覚えている資格の名前 (name of credentials that shomei context keeps)")
	flags.StringVar(&a.unlockFile, "unlock-file", "", "暗号化された鍵を開くもの: 合言葉、資格、PIN のファイル (file of what unlocks sealed keys: passphrase, credential or PIN)")
	a.dataGiven = func() bool { return flags.Changed("data") }
	return root
}

// attach opens the data folder to read its log and tables.
func (a *app) attach(ctx context.Context) (*hub.Parts, error) {
	if file, err := a.credited(); err != nil || file != "" {
		if err != nil {
			return nil, err
		}
		return nil, cli.Usage("the tables are asked on the centre's own machine: give its folder with --data, without credentials")
	}
	c, err := a.looking()
	if err != nil {
		return nil, err
	}
	return hub.Attach(ctx, c)
}

// attachLog opens the log for reading, which needs no engine: that of the data folder or, with credentials, of their centre.
func (a *app) attachLog(ctx context.Context) (*hub.Parts, error) {
	if file, err := a.credited(); err != nil || file != "" {
		if err != nil {
			return nil, err
		}
		return a.operate(ctx, false)
	}
	c, err := a.looking()
	if err != nil {
		return nil, err
	}
	return hub.AttachLog(ctx, c)
}

func (a *app) looking() (hub.Config, error) {
	unlock, err := a.unlockingOf()
	if err != nil {
		return hub.Config{}, err
	}
	logger, err := a.Logger()
	return hub.Config{Data: a.Data, Unlocking: unlock, Logger: logger}, err
}
