package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/order"
)

const approvalHelp = `ひとりでは出せない命令(消去、窓口端末の記録を認めること、職権の失効、保留の届け出の解放、封をされた欄を開くこと、開示)を、もうひとりの
職員が承認するか、断ります。ふたりとも自分の資格(--creds)で行います。求めた次の開庁日の終わりに失効します。承認された命令は、センターが
1回だけ行います。開くことと開示は、失効するまで、求めた人と承認した人ができます。
What no operator can order alone (an erasure, adopting a counter, revoking, releasing a held claim, opening sealed fields, a disclosure)
is approved or refused by another one. Each gives credentials of their own (--creds). It lapses at the end of the next working day.
What is approved is carried out once, by the centre; an opening or a disclosure is used by the two until it lapses.`

// approvalCommand decides on orders that need two operators.
func (a *app) approvalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "approval list|show|approve|refuse|withdraw", Short: "ふたりで出す命令を承認する、断る (orders that need two operators: approve, refuse)", Long: approvalHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.listApprovalsCommand(), a.showApprovalCommand(), a.approveCommand(), a.refuseCommand(), a.withdrawCommand())
	return cmd
}

// orderLine is an order that waits, in a list.
type orderLine struct {
	Number  string    `json:"number"`
	Act     string    `json:"act"`
	About   string    `json:"about"`
	AskedBy string    `json:"asked_by"`
	Asked   time.Time `json:"asked"`
	Lapses  time.Time `json:"lapses"`
	Outcome string    `json:"outcome"`
}

func lineOf(o order.Order) orderLine {
	return orderLine{o.Number(), string(o.Act()), o.Asked.GetTarget(), o.AskedBy, o.AskedAt, o.Lapses, string(o.Outcome)}
}

func (a *app) listApprovalsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "待っている命令の一覧 (orders that wait, or are approved and not carried out)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			all, err := h.Orders(cmd.Context())
			if err != nil {
				return err
			}
			return printOrders(cmd.OutOrStdout(), all, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object an order")
	return cmd
}

func printOrders(out io.Writer, all []order.Order, asJSON bool) error {
	var lines []orderLine
	for _, o := range all {
		lines = append(lines, lineOf(o))
	}
	if asJSON {
		return printLines(out, lines)
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"number", "order", "about", "asked by", "at", "until", ""})
	for _, l := range lines {
		t.AppendRow(table.Row{l.Number, l.Act, l.About, l.AskedBy, tokyo(l.Asked), tokyo(l.Lapses), l.Outcome})
	}
	t.Render()
	return nil
}

func (a *app) showApprovalCommand() *cobra.Command {
	var open bool
	cmd := &cobra.Command{
		Use: "show NUMBER", Short: "何が求められているか (exactly what is asked for; --open shows the reason)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			o, err := h.OrderOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := a.printOrder(cmd.OutOrStdout(), o); err != nil || !open {
				return err
			}
			by, err := h.By(itself)
			if err != nil {
				return err
			}
			why, err := by.WhyOrdered(cmd.Context(), o)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), a.Say("  理由 %s\n", "  reason %s\n"), why)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "理由も開く。開いたことは記録される (the sealed reason as well; that it was opened is recorded)")
	return cmd
}

// printOrder prints what is asked for, all but the reason, which is sealed.
func (a *app) printOrder(out io.Writer, o order.Order) error {
	asked := events.New(o.Asked)
	body, err := events.EventJSON(asked)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s  %s  %s  %s\n", o.Number(), o.Act(), o.Asked.GetTarget(), o.Outcome)
	fmt.Fprintf(out, a.Say("  求めた職員 %s  %s  失効 %s\n", "  asked by %s at %s, lapses at %s\n"), o.AskedBy, tokyo(o.AskedAt), tokyo(o.Lapses))
	if o.DecidedBy != "" && o.Outcome != order.Withdrawn {
		fmt.Fprintf(out, a.Say("  決めた職員 %s  %s\n", "  decided by %s at %s\n"), o.DecidedBy, tokyo(o.DecidedAt))
	}
	if o.Refused != "" {
		fmt.Fprintf(out, a.Say("  行えなかった理由: %s\n", "  not carried out: %s\n"), o.Refused)
	}
	fmt.Fprintf(out, "  %s\n  SHA-256 %x\n", body, o.Asked.GetDigest())
	return nil
}

func (a *app) approveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "approve NUMBER", Short: "承認する (approve what another operator has asked for)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, itself)
			if err != nil {
				return err
			}
			defer done()
			o, err := orders.ApproveOrder(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.tellOutcome(cmd.OutOrStdout(), o)
		},
	}
}

// tellOutcome says what has become of an order that was approved.
func (a *app) tellOutcome(out io.Writer, o order.Order) error {
	switch {
	case o.Outcome == order.Failed:
		return fmt.Errorf(a.Say("命令 %s は承認され、行えませんでした: %s", "order %s is approved and could not be carried out: %s"), o.Number(), o.Refused)
	case o.Outcome == order.Done:
		fmt.Fprintf(out, a.Say("命令 %s を承認し、行われました。\n", "Order %s is approved and carried out.\n"), o.Number())
	case o.Act() == order.Disclosure:
		_, person := o.Target()
		fmt.Fprintf(out, a.Say("職員 %[2]s が求めた文書を承認しました。%[3]s まで、shomei person export write %[4]s で書き出せます。\n",
			"Order %[1]s of officer %[2]s is approved. Until %[3]s, shomei person export write %[4]s writes the document.\n"), o.Number(), o.AskedBy, tokyo(o.Lapses), person)
	case o.Act() == order.Opening:
		fmt.Fprintf(out, a.Say("職員 %[2]s が求めたことを承認しました。%[3]s まで、shomei log %[4]s --open --why 理由 で開けます。\n",
			"Order %[1]s of officer %[2]s is approved. Until %[3]s, shomei log %[4]s --open --why TEXT shows it.\n"), o.Number(), o.AskedBy, tokyo(o.Lapses), o.Asked.GetTarget())
	default:
		return cli.Exit(cli.TryLater, fmt.Errorf(a.Say("命令 %s は承認されましたが、まだ行われていません。shomei ra が動いていれば行われます",
			"order %s is approved and not carried out yet: the centre does so while shomei ra runs"), o.Number()))
	}
	return nil
}

func (a *app) refuseCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "refuse NUMBER --why TEXT", Short: "断る (refuse what another operator has asked for)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.endOrder(cmd, func(orders hub.Operator) (order.Order, error) { return orders.RefuseOrder(cmd.Context(), args[0], why) })
		},
	}
	whyFlag(cmd, &why)
	return cmd
}

func (a *app) withdrawCommand() *cobra.Command {
	return &cobra.Command{
		Use: "withdraw NUMBER", Short: "取り下げる (take back your own order)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.endOrder(cmd, func(orders hub.Operator) (order.Order, error) { return orders.WithdrawOrder(cmd.Context(), args[0]) })
		},
	}
}

func (a *app) endOrder(cmd *cobra.Command, end func(hub.Operator) (order.Order, error)) error {
	orders, done, err := a.orders(cmd, itself)
	if err != nil {
		return err
	}
	defer done()
	o, err := end(orders)
	if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), a.Say("命令 %s は行われません。\n", "Order %s will not be carried out.\n"), o.Number())
	}
	return err
}

// whyFlag adds the reason of an order, which must be given.
func whyFlag(cmd *cobra.Command, why *string) {
	cmd.Flags().StringVar(why, "why", "", "理由、1行。封をして記録される (reason, one line; it is sealed in the log)")
	_ = cmd.MarkFlagRequired("why") // defined on the line above
}

// tellAsked says that an order waits, for whom, and what they do next.
func (a *app) tellAsked(out io.Writer, orders hub.Operator, o order.Order) {
	fmt.Fprintf(out, a.Say("求めました: 命令 %[1]s。%[2]s までに、別の職員が shomei approval approve %[1]s で承認すると行われます。\n",
		"It is asked for: order %[1]s. It is carried out once another operator approves it until %[2]s with shomei approval approve %[1]s.\n"), o.Number(), tokyo(o.Lapses))
	if others := orders.MayApprove(); len(others) == 0 {
		fmt.Fprintln(out, a.Say("承認できる職員がまだいません。shomei operators enrol 職員番号 --out ファイル で、もうひとりに資格を出してください。",
			"Nobody can approve it yet: give another officer credentials with shomei operators enrol NUMBER --out FILE."))
	} else {
		fmt.Fprintf(out, a.Say("承認できる職員: %s\n", "Who can: %s\n"), strings.Join(others, ", "))
	}
}
