package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const rollHelp = `カードの管理鍵の親鍵の、次の版を作ります。カードは、次に書き込むときに新しい版の鍵へ移ります。古い版の親鍵は、その鍵を
持つカードがある間は残ります。作ったあとは keys/cards.key の控えを取り直してください。

Makes the next version of the master key of cards. Each card moves to it with the next command on it; older versions stay
for the cards that hold keys of theirs. Back keys/cards.key up again afterwards.`

// cardsCommand looks after the master keys of cards.
func (a *app) cardsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cards roll", Short: "カードの管理鍵の親鍵 (master keys of cards)",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var officer string
	roll := &cobra.Command{
		Use: "roll", Short: "次の版の親鍵を作る (make the next version)", Long: rollHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			version, err := orders.RollCards(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("カードの親鍵は第%d版になりました。keys/cards.key の控えを取り直してください。\n",
				"The master key of cards is of version %d now. Back keys/cards.key up again.\n"), version)
			return nil
		},
	}
	officerFlag(roll, &officer, itself)
	cmd.AddCommand(roll)
	return cmd
}
