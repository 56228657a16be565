// Command shomei is the centre of Shomei: every service of the hub, and the tools that look at its log and tables.
package main

import (
	"context"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
)

func main() {
	a := &app{}
	a.Main(a.root())
}

// app is what every command shares.
type app struct {
	cli.App
	// unlockFile holds what unlocks sealed keys.
	unlockFile string
}

// root is the whole command line.
func (a *app) root() *cobra.Command {
	root := a.Root("shomei", "証明 — カードに載る電子証明書の一生 (certificates on smart cards, from the municipal counter to expiry)",
		a.allCommand(), a.upCommand(), cli.Engine(), a.logCommand(), a.stateCommand(), a.forecastCommand(), a.rebuildCommand(), a.fsckCommand(),
		a.ddlCommand(), a.rulesCommand(), a.officeCommand(), a.counterCommand(), a.authorityCommand(), a.rolesCommand(), a.cardsCommand(), a.eraseCommand(),
		a.reportCommand(), a.residentsCommand(), a.quarantineCommand(), storyCommand(), crashpointsCommand(), a.versionCommand(), a.natsCommand(), a.keysCommand())
	root.AddCommand(a.serviceCommands()...)
	root.PersistentFlags().StringVar(&a.unlockFile, "unlock-file", "",
		"暗号化された鍵を開くもの: 合言葉、資格、PIN のファイル (file of what unlocks sealed keys: passphrase, credential or PIN)")
	return root
}

// attach opens the data folder to read its log and tables.
func (a *app) attach(ctx context.Context) (*hub.Parts, error) {
	c, err := a.looking()
	if err != nil {
		return nil, err
	}
	return hub.Attach(ctx, c)
}

// attachLog opens the data folder to read its log, which needs no engine.
func (a *app) attachLog(ctx context.Context) (*hub.Parts, error) {
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
