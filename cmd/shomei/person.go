package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/durable"
)

const exportHelp = `ひとりについて持っているすべてを、ひとつの文書にします。開示請求に応えるためのもので、ふたりの職員が、それぞれの資格 (--creds) で行います。
  1. ひとりが理由を添えて求める:              shomei person export ask 利用者 --why 理由
  2. 別のひとりが承認する:                    shomei approval approve 番号
  3. ふたりのどちらかが書き出す:              shomei person export write 利用者 --out ファイル
求めた次の開庁日の終わりに失効します。求めたこと、承認したこと、書き出したことは記録され(shomei access)、理由は封をされます。
Writes one document of everything held on a person, to answer a request for disclosure. It takes two officers, each with credentials
of their own (--creds): one asks with a reason, another approves (shomei approval), and either of the two writes the document. It
lapses at the end of the next working day. Each step is recorded (shomei access); the reason is sealed.`

// personCommand holds what is about one person.
func (a *app) personCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "person export", Short: "ひとりについて持っているもの (what is held on a person)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	export := &cobra.Command{
		Use: "export ask|write", Short: "すべてをひとつの文書にする、ふたりで (everything in one document, by two officers)", Long: exportHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	export.AddCommand(a.askDisclosureCommand(), a.writeDisclosureCommand())
	cmd.AddCommand(export)
	return cmd
}

func (a *app) askDisclosureCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "ask SUBSCRIBER --why TEXT", Short: "求める (ask)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, itself)
			if err != nil {
				return err
			}
			defer done()
			asked, err := orders.AskDisclosure(cmd.Context(), args[0], why)
			for _, one := range asked {
				a.tellAsked(cmd.OutOrStdout(), orders, one)
			}
			return err
		},
	}
	whyFlag(cmd, &why)
	return cmd
}

func (a *app) writeDisclosureCommand() *cobra.Command {
	var out string
	var text bool
	cmd := &cobra.Command{
		Use: "write SUBSCRIBER --out FILE", Short: "書き出す (write the document, JSON or --text)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(out); err == nil {
				return cli.Usage("--out: %s is there already: name another file", out)
			}
			orders, done, err := a.orders(cmd, itself)
			if err != nil {
				return err
			}
			defer done()
			held, err := orders.Disclose(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := writeHeld(out, held, text); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("%s に書き出しました。渡したら消してください。\n", "It is written to %s. Delete it once it was handed over.\n"), out)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "文書のファイル。あってはならない (file of the document; it must not exist)")
	cmd.Flags().BoolVar(&text, "text", false, "読むための文にする (a text to read instead of JSON)")
	_ = cmd.MarkFlagRequired("out") // defined above
	return cmd
}

// writeHeld writes the document to a file that only its owner reads.
func writeHeld(file string, held hub.Held, text bool) error {
	var b strings.Builder
	if text {
		printHeld(&b, held)
	} else {
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(held); err != nil {
			return err
		}
	}
	return durable.WriteSecret(file, []byte(b.String()))
}

// printHeld writes the document for who reads it.
func printHeld(out io.Writer, h hub.Held) {
	fmt.Fprintf(out, "保有する情報 Everything held on %s\n%s  求めた職員 %s  認めた職員 %s\n", h.Person, tokyo(h.Made), h.AskedBy, h.ReleasedBy)
	section := func(title string) { fmt.Fprintf(out, "\n%s\n", title) }
	section("本人 Identity")
	fmt.Fprintf(out, "  %s\n", h.Identity)
	section("連絡先 Contact")
	fmt.Fprintf(out, "  %s\n", h.Contact)
	if len(h.Erased) > 0 {
		fmt.Fprintf(out, "\n消去済み Erased: %s\n", strings.Join(h.Erased, ", "))
	}
	section("電子証明書 Certificates")
	for _, c := range h.Certificates {
		fmt.Fprintf(out, "  %s  %s %s  %s から %s まで  %s\n", c.Serial, c.Kind, c.Regime, tokyo(c.Issued), c.LastDay, c.Status)
	}
	section("手続 Procedures")
	for _, p := range h.Procedures {
		fmt.Fprintf(out, "  %s  %s  %s から %s まで\n", p.Number, p.Office, tokyo(p.From), tokyo(p.To))
	}
	section("期限 Deadlines")
	for _, d := range h.Deadlines {
		fmt.Fprintf(out, "  %s  %s\n", d.Kind, d.LastDay)
	}
	section("書かれたこと Texts")
	for _, t := range h.Texts {
		fmt.Fprintf(out, "  %d  %s  %s\n", t.Revision, t.Event, t.Text)
	}
	section("できごと Events")
	for _, e := range h.Events {
		fmt.Fprintf(out, "  %s  %s  %s %s\n", tokyo(e.At), e.Event, e.Office, e.Officer)
		for _, r := range e.Rules {
			fmt.Fprintf(out, "      %s (%s)\n", r.JA, r.ID)
		}
	}
	section("見た人 Who looked")
	for _, l := range h.Looks {
		fmt.Fprintf(out, "  %s  %s %s  %s  %s\n", tokyo(l.At), l.Who, l.Officer, l.Place, l.What)
	}
}
