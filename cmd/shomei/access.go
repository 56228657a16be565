package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/civil"
)

const logHelp = `人の履歴を見たことは、見る前に、だれが・だれの・何を見たかとして記録されます(shomei access)。封をされた欄を開く --open には、
資格 (--creds)、理由 (--why) と、別の職員の承認 (shomei approval) が要ります。承認されたら同じ命令をもう一度。理由は封をして記録されます。
A look at a person's history is recorded before it is shown: who looked, at whose, at what (shomei access). To open sealed fields
(--open) takes credentials (--creds), a reason (--why), which is sealed in the log, and the approval of another operator (shomei
approval); give the same command again then. In a trial, the owner of the data folder opens alone (--officer), the hub stopped.`

// looker holds the flags that say who looks, and why.
type looker struct{ officer, why string }

func (l *looker) bind(cmd *cobra.Command) {
	officerFlag(cmd, &l.officer, itself)
	cmd.Flags().StringVar(&l.why, "why", "", "見る理由、1行。封をして記録される (reason of the look, one line; it is sealed in the log)")
}

// check refuses to open sealed fields for nobody or without a reason.
func (l *looker) check(sealed, credited bool) error {
	switch {
	case sealed && l.officer == itself && !credited:
		return errNoOfficer
	case sealed && l.why == "":
		return cli.Usage(`required flag(s) "why" not set`)
	}
	return nil
}

// recordLook records a look before anything is shown.
func (a *app) recordLook(cmd *cobra.Command, at *hub.Parts, by looker, look hub.Look) error {
	if !at.Records() {
		centre, err := a.operate(cmd.Context(), false)
		if err != nil {
			return err
		}
		defer centre.Close()
		at = centre
	}
	orders, err := at.By(by.officer)
	if err != nil {
		return err
	}
	look.Why = by.why
	return orders.Look(cmd.Context(), look)
}

const accessHelp = `だれが、だれの記録を、いつ、どこで見たかの一覧です。理由は封をされていて、別の職員が承認すれば shomei log access/ID --open で読めます。
Lists who looked at whose records, when and where. Reasons are sealed: shomei log access/ID --open shows them once another operator approves it.`

const reportHelp = `1週間のうち、前後7日以内にその職員もその役所も、その人について何もしていない「見ただけ」を挙げます。あれば終了コード3。
Lists the looks of a week that nothing explains: within seven days around it, neither the officer nor their office did anything about
the person. Exit code 3 if there are any.`

// accessCommand lists looks at records.
func (a *app) accessCommand() *cobra.Command {
	var officer, person, from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "access", Short: "だれがだれの記録を見たか (who looked at whose records)", Long: accessHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := accessQuery(officer, person, from, to)
			if err != nil {
				return err
			}
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			looks, err := access.Looks(cmd.Context(), h.Log, q)
			return errors.Join(printLooks(cmd.OutOrStdout(), looks, asJSON), err)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&officer, "officer", "", "見た職員の番号 (looks of this officer)")
	flags.StringVar(&person, "person", "", "見られた利用者 (looks at this subscriber)")
	flags.StringVar(&from, "from", "", "この日から (first day)")
	flags.StringVar(&to, "to", "", "この日まで (last day)")
	flags.BoolVar(&asJSON, "json", false, "one JSON object a look")
	cmd.AddCommand(a.accessReportCommand())
	return cmd
}

func accessQuery(officer, person, from, to string) (q access.Query, err error) {
	q.Person = person
	if officer != "" {
		if q.Officer = officer; officer != itself {
			if q.Officer, err = events.ParseOfficer(officer); err != nil {
				return q, cli.Usage("--officer: %w", err)
			}
		}
	}
	if q.From, err = civil.Parse(from); err != nil {
		return q, cli.Usage("--from: %w", err)
	}
	if q.To, err = civil.Parse(to); err != nil {
		return q, cli.Usage("--to: %w", err)
	}
	return q, nil
}

func (a *app) accessReportCommand() *cobra.Command {
	var week string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "report", Short: "見ただけで何もしていないもの (looks without an act, of one week)", Long: reportHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			var q access.Query
			if q.From, err = monday(week, civil.Of(h.Clock.Now())); err != nil {
				return err
			}
			q.To = q.From.AddDays(6)
			looks, unread := access.Looks(cmd.Context(), h.Log, q)
			found, err := access.WithoutAct(cmd.Context(), h.Log, looks)
			if err == nil {
				err = printLooks(cmd.OutOrStdout(), found, asJSON)
			}
			if err != nil || unread != nil {
				return errors.Join(err, unread)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), a.Say("%s から %s まで: 見たこと %d 件、うち何もしていないもの %d 件\n",
				"%s to %s: %d looks, %d of them without an act\n"), q.From, q.To, len(looks), len(found))
			if len(found) > 0 {
				return cli.Exit(cli.Found, nil)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&week, "week", "", "週。2026-W48 のように書く。なければ先週 (week; default: the last one)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a look")
	return cmd
}

// monday returns the first day of a week written as 2026-W48 (ISO 8601); of the week before today's if none is given.
func monday(week string, today civil.Date) (civil.Date, error) {
	if week == "" {
		return mondayOf(today).AddDays(-7), nil
	}
	var year, number int
	if n, err := fmt.Sscanf(week, "%4d-W%2d", &year, &number); n == 2 && err == nil {
		fourth, err := civil.Parse(fmt.Sprintf("%04d-01-04", year)) // which is in the first week
		if first := mondayOf(fourth).AddDays(7 * (number - 1)); err == nil && isoWeek(first) == week {
			return first, nil
		}
	}
	return civil.Date{}, cli.Usage("--week %.20q is no week: write it as 2026-W48", week)
}

func mondayOf(day civil.Date) civil.Date {
	return day.AddDays(-(int(day.Weekday()) + 6) % 7)
}

func isoWeek(day civil.Date) string {
	year, week := day.StartInstant().In(civil.Tokyo).ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, week)
}

func printLooks(out io.Writer, looks []access.Look, asJSON bool) error {
	if asJSON {
		return printLines(out, looks)
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"at", "who", "officer", "office", "place", "person", "what", "classes", "reason"})
	for _, l := range looks {
		t.AppendRow(table.Row{
			tokyo(l.At), l.Who, l.Officer, l.Office, l.Place, cmp.Or(l.Person, l.About), l.What, strings.Join(l.Classes, " "),
			fmt.Sprintf("%s %d", l.Reason(), l.Revision),
		})
	}
	t.Render()
	return nil
}
