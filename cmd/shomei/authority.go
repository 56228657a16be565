package main

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/civil"
)

const authorityHelp = `センターを古い控えから戻すと、控えより後に発行された電子証明書は記録にありません。端末、表、公開済みの失効リストから
分かったものを found が示し、revoke が失効リストに載せます。
After a restore from an older copy the log lacks certificates that were issued since. What counters, tables and published
lists tell of them is listed by found, and put on the revocation lists by revoke.`

// authorityCommand shows and revokes what exists of the authorities outside the log.
func (a *app) authorityCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "authority found|revoke", Short: "記録にない電子証明書を見る、失効する (certificates that the log never issued: list, revoke)",
		Long: authorityHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.foundCommand(), a.revokeFoundCommand())
	return cmd
}

func (a *app) foundCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "found", Short: "記録にない電子証明書の一覧 (certificates and revocations that were found outside the log)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			list, err := h.FoundCertificates(cmd.Context())
			if err != nil {
				return err
			}
			return printFound(cmd.OutOrStdout(), list, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a certificate")
	return cmd
}

func printFound(out io.Writer, list []hub.FoundCertificate, asJSON bool) error {
	if asJSON {
		return printLines(out, list)
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"authority", "serial", "kind", "subscriber", "card", "until", "written", "told by", "revoked"})
	for _, c := range list {
		t.AppendRow(table.Row{c.Authority, c.Serial, c.Kind, c.Subscriber, c.Card + c.Device, tokyo(c.NotAfter), c.Written, c.Source, tokyo(c.Revoked)})
	}
	t.Render()
	return nil
}

// tokyo formats an instant for people; empty for zero.
func tokyo(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.In(civil.Tokyo).Format("2006-01-02 15:04:05")
}

func (a *app) revokeFoundCommand() *cobra.Command {
	var officer, authority string
	var r hub.FoundRevocation
	cmd := &cobra.Command{
		Use: "revoke SERIAL --authority ID", Short: "記録にない電子証明書を失効する (revoke a certificate that the log never issued)",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Serial = args[0]
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			asked, err := orders.RevokeFound(cmd.Context(), authority, r)
			if err != nil {
				return err
			}
			if asked != nil {
				a.tellAsked(cmd.OutOrStdout(), orders, *asked)
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("認証局 %[2]s の %[1]s を失効しました。次の失効リストに載ります。\n",
				"Serial %s of authority %s is revoked. It stands on the next list.\n"), args[0], authority)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&authority, "authority", "", "認証局 (the authority: sign, auth, juki-NN)")
	flags.StringVar(&r.Reason, "reason", "superseded",
		"unspecified, key-compromise, ca-compromise, affiliation-changed, superseded, cessation-of-operation")
	flags.StringVar(&r.Why, "why", "", "理由。封をして記録に残る (why; it stays in the log, sealed)")
	officerFlag(cmd, &officer, "")
	for _, name := range []string{"authority", "why"} {
		_ = cmd.MarkFlagRequired(name) // defined above
	}
	return cmd
}
