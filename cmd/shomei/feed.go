package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/durable"
)

const feedHelp = `センターが外に知らせるもの (shomei.feed.<都道府県>.>) を読む人に、NATS の資格を出します。読めるのは示した都道府県の分だけで、書くことはできません。
いまはまだ何も知らせていません。
Gives readers outside credentials for what the centre publishes (shomei.feed.<prefecture>.>): to hear what is about the prefectures
that are named, and nothing else. Nothing is published yet.`

// feedCommand gives and takes the credentials of readers of the outward feed.
func (a *app) feedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "feed enrol|list|retire", Short: "外に知らせるものを読む資格 (credentials of readers of the outward feed: give, list, retire)", Long: feedHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.enrolReaderCommand(), a.listReadersCommand(), a.retireReaderCommand())
	return cmd
}

func (a *app) enrolReaderCommand() *cobra.Command {
	var officer, out string
	var prefectures []string
	cmd := &cobra.Command{
		Use: "enrol NAME --prefecture CODE --out FILE", Short: "資格を出す (give a reader credentials, in NATS' own form)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Lstat(out); err == nil {
				return cli.Usage("%s is there already: name another file", out)
			}
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			if err := enrolReader(cmd, orders, args[0], prefectures, out); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("%s の資格を %s に作りました。読む人だけが使えるところへ移してください。\n",
				"The credentials of %s are in %s. Move them to where only that reader has them.\n"), args[0], out)
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&prefectures, "prefecture", nil, "都道府県コード、2桁。何度でも (code of a prefecture, two digits; may be repeated)")
	cmd.Flags().StringVar(&out, "out", "", "資格のファイル (file of the credentials, *.creds)")
	_ = cmd.MarkFlagRequired("prefecture") // defined above
	_ = cmd.MarkFlagRequired("out")
	officerFlag(cmd, &officer, itself)
	return cmd
}

// enrolReader makes a reader's key, which nobody else gets, and writes its credentials.
func enrolReader(cmd *cobra.Command, orders hub.Operator, name string, prefectures []string, out string) error {
	key, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	defer key.Wipe()
	public, err := key.PublicKey()
	if err != nil {
		return err
	}
	seed, err := key.Seed()
	if err != nil {
		return err
	}
	defer clear(seed)
	token, err := orders.EnrolFeedReader(cmd.Context(), name, public, prefectures)
	if err != nil {
		return err
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err == nil {
		err = durable.WriteSecret(out, text)
	}
	if err != nil {
		return fmt.Errorf("%s is enrolled and its file can't be written: shomei feed retire %s, and enrol it again: %w", name, name, err)
	}
	return nil
}

func (a *app) listReadersCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "資格を持つ人、持っていた人 (who has credentials, and who had)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			if asJSON {
				return printLines(cmd.OutOrStdout(), h.Directory.FeedReaders())
			}
			t := table.NewWriter()
			t.SetOutputMirror(cmd.OutOrStdout())
			t.AppendHeader(table.Row{"reader", "prefectures", "since", "retired"})
			for _, r := range h.Directory.FeedReaders() {
				t.AppendRow(table.Row{r.Reader, strings.Join(r.Prefectures, " "), tokyo(r.Since), tokyo(r.Retired)})
			}
			t.Render()
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a reader")
	return cmd
}

func (a *app) retireReaderCommand() *cobra.Command {
	var officer string
	cmd := &cobra.Command{
		Use: "retire NAME", Short: "資格を取り上げる (take a reader's credentials away, at once and for good)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			if err := orders.RetireFeedReader(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("%s の資格をやめました。\n", "The credentials of %s are retired.\n"), args[0])
			return nil
		},
	}
	officerFlag(cmd, &officer, itself)
	return cmd
}
