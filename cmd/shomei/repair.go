package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	store "shomei/pkg/eventlog/blocks"
)

// repairCommand reports what is damaged in a stream and what can be done about it, and does it with --yes.
func (a *app) repairCommand() *cobra.Command {
	order := hub.Repair{}
	cmd := &cobra.Command{
		Use: "repair KIND/ID|STREAM", Short: "壊れた記録を調べ、控えから戻す (look for damaged records and put them back from a copy; the hub stopped)",
		Args: cobra.ExactArgs(1),
		Long: `止めたセンターの記録を調べ、壊れた箇所ごとに、何が失われ、どの控えにあり、どうするかを示します。--yes で実行します。
壊れたバイトは、変える前に証拠(evidence)として写されます。推測で直すことはありません。
Read the stream, or the one that an aggregate stands in, of a hub that is stopped. Each damaged place is named, with the copy
that holds what stood there and what will be done; --yes does it. What is cut out is kept as evidence first, and nothing is
guessed: a record comes back when its own checksum proves it, or from a copy that tells the same history around it. What never
was a commit, such as something an intruder put in, is taken out when its KIND/ID is named.

Exit codes: 0 nothing is damaged, or all of it is mended; 3 something is damaged, or stays lost; 75 the hub runs.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.looking()
			if err != nil {
				return err
			}
			order.Target = args[0]
			reports, err := order.Run(cmd.Context(), c)
			if err != nil {
				return err
			}
			return a.tellRepair(cmd.OutOrStdout(), reports, order.Mend)
		},
	}
	cmd.Flags().StringArrayVar(&order.Copies, "copy", nil,
		"控えのフォルダー、繰り返し可 (folder of a backup, of a mirror or of its NATS store; may be repeated)")
	cmd.Flags().BoolVar(&order.Mend, "yes", false, "実行する (do it)")
	return cmd
}

// tellRepair prints what was found and done. It returns an exit code if something is left to do.
func (a *app) tellRepair(out io.Writer, reports []store.Report, done bool) error {
	if len(reports) == 0 {
		fmt.Fprintln(out, a.Say("壊れたところはありません。", "nothing is damaged"))
		return nil
	}
	left, open := 0, false
	for _, r := range reports {
		for _, f := range r.Findings {
			fmt.Fprintf(out, "%s %d.blk +%d (%d bytes), sequence %d%s: %s; %s\n", r.Stream, f.Block, f.Offset, f.Length,
				f.Sequence, owners(f), f.Why, a.outcomeOf(f, done))
			open = open || !f.Known || f.Outcome == store.Spliced
			if !done || f.Outcome == store.Parked || f.Outcome == store.Lost {
				left++
			}
		}
		if r.Evidence != "" {
			fmt.Fprintln(out, a.Say("証拠:", "evidence:"), r.Evidence)
		}
		if r.Withheld != "" {
			left++
			fmt.Fprintf(out, "%s: %s (%s)\n", r.Stream, a.Say("このストリームはサーバーに渡されません。失われた分を持つ控えを --copy で示してください",
				"withheld from the server; name a copy that holds what is lost with --copy"), r.Withheld)
		}
	}
	if left == 0 {
		return nil
	}
	if !done && open {
		fmt.Fprintln(out, a.Say("--yes で実行します。", "--yes does it"))
	}
	return cli.Exit(cli.Found, nil)
}

func owners(f store.Finding) string {
	var names []string
	subjects := f.Owners
	if f.Subject != "" {
		subjects = []string{f.Subject}
	}
	for _, subject := range subjects {
		if kind, id, err := events.ParseLogSubject(subject); err == nil {
			subject = kind + "/" + id
		}
		names = append(names, subject)
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// outcomeOf says what happens, or happened, to a damaged record.
func (a *app) outcomeOf(f store.Finding, done bool) string {
	switch f.Outcome {
	case store.Mended:
		return a.Say("記録自身のチェックサムで元に戻",
			"its own checksum proves what stood there, ") + a.done(done, "せます", "it can be put right", "しました", "it is put right")
	case store.Spliced:
		return a.Say("控え "+f.From+" から戻", "the copy "+f.From+" holds it, ") + a.done(done, "せます", "it can be put back",
			"しました", "it is put back")
	case store.Cut:
		return a.Say("受け付けられる前の書きかけ、", "it was never acknowledged, ") + a.done(done, "除けます", "it can be cut off", "除きました", "it is cut off")
	case store.Removed:
		return a.Say("コミットではないもの、", "it never was a commit, ") + a.done(done, "除けます", "it can be taken out", "除きました", "it is taken out")
	case store.Parked:
		return a.Say("どの控えにもないため、これだけを止めて、ほかは続けます", "no copy holds it: this one is parked, the others go on")
	case store.Lost:
		return a.Say("どの控えにもなく、誰の記録かも分かりません", "no copy holds it, and whose it was can't be told")
	}
	return string(f.Outcome)
}

func (a *app) done(done bool, canJa, can, didJa, did string) string {
	if done {
		return a.Say(didJa, did)
	}
	return a.Say(canJa, can)
}

const closeHelp = `失われたコミットがあり、どの控えにもない履歴を閉じます。ひとりが求め、別のひとりが承認します(shomei approval)。読めなかったバイトは、入るかぎり命令とともに記録に残ります。
履歴の鎖は切れたままで、続きは書かれません。その人の、終わったことが読めない電子証明書は、失効リストに載ります。fsck と healthz は、閉じたものを異常とはしません。
Closes a history that lost a commit which no copy holds: one operator asks, another approves (shomei approval). The unreadable bytes
stay in the log with the order, as far as they fit. The chain stays broken, and nothing is appended to it. Certificates of the person
that nothing readable has ended go on the revocation lists. fsck and healthz list it as closed, and alarm about it no more.`

func (a *app) closeCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "close KIND/ID --why TEXT", Short: "失われたところのある履歴を閉じる、ふたりで (close a history that lost a commit, by two operators)", Long: closeHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, id, _ := strings.Cut(args[0], "/")
			if !slices.Contains(events.Kinds, kind) || !events.ValidID(id) {
				return cli.Usage("%q is not KIND/ID: KIND is one of %s", args[0], strings.Join(events.Kinds, ", "))
			}
			orders, done, err := a.orders(cmd, itself)
			if err != nil {
				return err
			}
			defer done()
			asked, err := orders.AskClosing(cmd.Context(), kind, id, why)
			if err == nil {
				a.tellAsked(cmd.OutOrStdout(), orders, asked)
			}
			return err
		},
	}
	whyFlag(cmd, &why)
	return cmd
}
