package main

import (
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/directory"
)

const resolveHelp = `保留になっているものを、確かめ終えたものとして記録します。保留の中身は shomei log quarantine/ID (センターを止めていれば --open) で
見られます。--outcome は rejected (信じられないものだった) か repeated (手続きをもう一度受け付けた)。理由は封をして記録されます。
Records that somebody has looked at what is in quarantine and that nothing is left to do. Read it with shomei log quarantine/ID,
with --open while the hub is stopped. --outcome is rejected (it is not to be believed) or repeated (the act was taken again). The
reason is sealed in the log.`

// quarantineCommand lists and resolves what nothing was decided on.
func (a *app) quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "quarantine list|resolve|release", Short: "保留になっている届け (claims that nothing was decided on)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "保留の一覧 (everything that waits for an officer)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			return printAside(cmd, h.Directory.Aside(), asJSON)
		},
	}
	list.Flags().BoolVar(&asJSON, "json", false, "one JSON object a claim")
	var officer string
	var resolution hub.Resolution
	resolve := &cobra.Command{
		Use: "resolve ID --outcome OUTCOME --why TEXT", Short: "確かめ終えたことを記録する (record that it was looked at)", Long: resolveHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			if err := orders.Resolve(cmd.Context(), args[0], resolution); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), a.Say("保留 %s を確かめ終えました。\n", "%s is resolved.\n"), args[0])
			return nil
		},
	}
	resolve.Flags().StringVar(&resolution.Outcome, "outcome", "", "rejected | repeated")
	resolve.Flags().StringVar(&resolution.Why, "why", "", "理由、1行 (reason, one line)")
	officerFlag(resolve, &officer, itself)
	cmd.AddCommand(list, resolve, a.releaseCommand())
	return cmd
}

const releaseHelp = `受付の時刻が端末の接続と合わないため保留になった届け出を、端末の時計の時刻に受け付けたものとして判定します。その時刻が正しいことを、ふたりの
職員がそれぞれの資格で請け合います。ひとりが求め、別のひとりが承認します(shomei approval)。だれが請け合ったかは判定とともに記録されます。
Has a claim that is held, because the counter's link does not explain its time of receipt, decided as received when the counter's clock
said so. Two operators with credentials of their own vouch for that time: one asks, another approves (shomei approval). Who vouches
stands beside the decision.`

func (a *app) releaseCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use: "release ID --why TEXT", Short: "保留の届け出を、その時刻のまま判定する、ふたりで (decide a held claim as of its clock, by two operators)", Long: releaseHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			orders, done, err := a.orders(cmd, itself)
			if err != nil {
				return err
			}
			defer done()
			asked, err := orders.AskRelease(cmd.Context(), args[0], why)
			if err == nil {
				a.tellAsked(cmd.OutOrStdout(), orders, asked)
			}
			return err
		},
	}
	whyFlag(cmd, &why)
	return cmd
}

// asideLine is one thing in quarantine, in a list.
type asideLine struct {
	ID      string    `json:"id"`
	Since   time.Time `json:"since"`
	Counter string    `json:"counter"`
	Number  uint64    `json:"number"`
	Why     string    `json:"why"`
}

func printAside(cmd *cobra.Command, all []directory.Aside, asJSON bool) error {
	var lines []asideLine
	for _, s := range all {
		why := s.Why
		switch {
		case s.Receipt != nil:
			why = "held: " + s.Receipt.GetReason().String()
		case s.Beyond > 0:
			why = fmt.Sprintf("%s (%d more were only counted)", s.Why, s.Beyond)
		}
		lines = append(lines, asideLine{s.ID, s.Since, s.Counter, s.Number, why})
	}
	if asJSON {
		return printLines(cmd.OutOrStdout(), lines)
	}
	t := table.NewWriter()
	t.SetOutputMirror(cmd.OutOrStdout())
	t.AppendHeader(table.Row{"id", "since", "counter", "claim", "why"})
	for _, l := range lines {
		t.AppendRow(table.Row{l.ID, tokyo(l.Since), l.Counter, l.Number, l.Why})
	}
	t.Render()
	return nil
}
