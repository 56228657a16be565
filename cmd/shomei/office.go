package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/directory/officefile"
)

// officeCommand defines and shows offices.
func (a *app) officeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "office define|list|show", Short: "役所を定める、見る (define an office from a file, list offices, show one)",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.defineOfficeCommand(), a.listOfficesCommand(), a.showOfficeCommand())
	return cmd
}

const officeHelp = `役所(本庁・支所)を、TOML のファイルから定めます。定め直すときは effective に新しい適用日(今日以降)を書きます。
Defines an office from a file. To change it, define it again with an effective date of today or later.

  id = "12237-main"                     a-z 0-9 -   (a-z, 0-9 and -; it never changes)
  effective = "2026-12-01"              適用日      (the day from which this holds)
  municipality = "12237"                市区町村コード5桁 (five digits, without the check digit)
  name = "山武市"                       人に見せる名称 (for people)
  municipality_romaji = "Sammu-shi"     証明書に載る名称 (as it stands in certificates)
  telephone = "0475-80-1141"            問合せ先 (for notices)
  branch = false                        支所なら true (true for a branch office)
  last_acceptance = "2015-12-18 17:00"  住基カードの最終受付、あれば (end of juki applications, if any)

  [[hours]]                             なければ月~金 09:00-17:00 (without any: Monday to Friday 09:00-17:00)
  spans = ["09:00-12:00", "13:00-17:00"]
  weekdays = ["月", "火", "水"]         Mon … Sun も可。なければ月~金 (none: Monday to Friday)
  operations = ["new", "renew"]         なければ全部 (none: all of them)
  from = "2026-12-01"                   この日から、あれば (if any)
  until = "2027-03-31"                  この日まで、あれば (if any)

  [[closed]]                            臨時の閉庁 (closed against the rule)
  from = "2026-12-28 12:00"             日だけならその始めから (a day alone: from its beginning)
  until = "2026-12-28"                  日だけならその終わりまで (a day alone: to its end)
  rule = "office.closed.maintenance"    なければ office.closed.exception

  [[open]]                              臨時の開庁 (open against the rule); from, until, operations
  [[term]]                              取扱期間 (does these operations in this time only); from, until, operations

operations: new renew reissue revoke unblock card handover resident-record
祝日と年末年始は書かなくても閉まります。 Public holidays and the year-end are closed by themselves.`

func (a *app) defineOfficeCommand() *cobra.Command {
	var officer string
	cmd := &cobra.Command{
		Use: "define FILE", Short: "ファイルのとおりに役所を定める (define an office, or change it from a date on)", Long: officeHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			office, err := officefile.Read(args[0])
			if err != nil {
				return err
			}
			orders, done, err := a.orders(cmd, officer)
			if err != nil {
				return err
			}
			defer done()
			changed, err := orders.DefineOffice(cmd.Context(), office.ID, office.Definition)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if !changed {
				fmt.Fprintf(out, a.Say("%s はもうそのとおりに定められています。\n", "%s is defined so already.\n"), office.ID)
				return nil
			}
			fmt.Fprintf(out, a.Say("%s を定めました。%s から適用します。\n", "%s is defined, from %s on.\n"), office.ID, office.Definition.EffectiveFrom)
			return nil
		},
	}
	officerFlag(cmd, &officer, itself)
	return cmd
}

// officeLine is an office in a list.
type officeLine struct {
	ID           string `json:"id"`
	Municipality string `json:"municipality"`
	Name         string `json:"name"`
	Branch       bool   `json:"branch"`
	Effective    string `json:"effective_from"`
	Counters     int    `json:"counters"`
}

func (a *app) listOfficesCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "役所の一覧 (every office, as last defined)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			return printOffices(cmd.OutOrStdout(), officeLines(h), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object an office")
	return cmd
}

func officeLines(h *hub.Parts) []officeLine {
	counters := make(map[string]int)
	for _, c := range h.Directory.Counters() {
		counters[c.Office]++
	}
	offices := h.Directory.Offices()
	var lines []officeLine
	for _, id := range slices.Sorted(maps.Keys(offices)) {
		d := offices[id]
		lines = append(lines, officeLine{id, d.Municipality, d.Name, d.Branch, d.EffectiveFrom, counters[id]})
	}
	return lines
}

func printOffices(out io.Writer, lines []officeLine, asJSON bool) error {
	if asJSON {
		return printLines(out, lines)
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"office", "municipality", "name", "branch", "from", "counters"})
	for _, o := range lines {
		t.AppendRow(table.Row{o.ID, o.Municipality, o.Name, o.Branch, o.Effective, o.Counters})
	}
	t.Render()
	return nil
}

// printLines prints one JSON object a line.
func printLines[T any](out io.Writer, lines []T) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, l := range lines {
		if err := encoder.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) showOfficeCommand() *cobra.Command {
	var on string
	cmd := &cobra.Command{
		Use: "show ID", Short: "役所の定めを見る。直して define に渡せる (an office as a file that define takes)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := a.attachLog(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			all := h.Directory.Definitions(args[0])
			if len(all) == 0 {
				return fmt.Errorf("%w %s: shomei office list shows them", cli.ErrNoOffice, args[0])
			}
			shown := all[len(all)-1]
			if on != "" {
				day, err := civil.Parse(on)
				if err != nil {
					return cli.Usage("--on: %v", err)
				}
				if shown, err = h.Directory.Definition(args[0], day); err != nil {
					return err
				}
			}
			return a.printOffice(cmd.OutOrStdout(), args[0], shown, all)
		},
	}
	cmd.Flags().StringVar(&on, "on", "", "この日に適用される定め。なければ最後に記録されたもの (as it holds on this day; default: as last recorded)")
	return cmd
}

func (a *app) printOffice(out io.Writer, id string, shown *events.OfficeDefined, all []*events.OfficeDefined) error {
	for _, d := range all {
		fmt.Fprintf(out, a.Say("# 記録された定め: %s から\n", "# recorded: from %s on\n"), d.EffectiveFrom)
	}
	return officefile.Write(out, officefile.Office{ID: id, Definition: shown})
}
