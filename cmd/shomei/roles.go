package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/eventlog"
	"shomei/pkg/officer"
	"shomei/pkg/vaultlink"
)

// rolesCommand prints what each key and each program may do, which is what it is worth when stolen.
func (a *app) rolesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "roles", Short: "どの役割・鍵・命令で何ができるか (what each officer, key and service may do, and who may give which command)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			fmt.Fprintln(out, a.Say("職員の役割でできること", "What officers may do by their roles"))
			a.printActs(out)
			fmt.Fprintln(out, a.Say("だれがどの命令を出せるか", "Who may give which command"))
			a.printGivers(out)
			fmt.Fprintln(out, a.Say("記録に書けるもの", "What each role may write into the log"))
			printRoles(out)
			fmt.Fprintln(out, a.Say("個人情報の鍵でできること", "What each role may have the vault do"))
			printVaultRights(out)
			fmt.Fprintln(out, a.Say("サービスごとのプログラムが NATS でできること", "What each service, as a program of its own, may do at NATS"))
			printPrograms(out)
			fmt.Fprintln(out, a.Say("センターの外から NATS でできること", "What those outside of the centre may do at NATS"))
			printOutside(out)
			return nil
		},
	}
}

// printActs prints which roles of officers may do what, and when that takes a second officer.
func (a *app) printActs(out io.Writer) {
	pairs := map[officer.Pairs]string{
		officer.Single: "", officer.Chosen: a.Say("役所が選べば", "if the office chooses so"),
		officer.Usual: a.Say("役所が別に選ばなければ", "unless the office chooses otherwise"), officer.Always: a.Say("いつも", "always"),
	}
	t := rightsTable(out, "act", a.Say("二人目", "second officer"), "roles")
	for _, act := range officer.Acts() {
		if act.Signed() {
			t.AppendRow(table.Row{act.Word, pairs[act.Pairs], words(act.Roles)})
		}
	}
	t.Render()
}

func printRoles(out io.Writer) {
	t := rightsTable(out, "role", "aggregate", "events")
	for _, role := range eventlog.Roles() {
		byKind := make(map[string][]string)
		for event, kind := range role.Writable() {
			byKind[kind] = append(byKind[kind], event)
		}
		for _, kind := range slices.Sorted(maps.Keys(byKind)) {
			slices.Sort(byKind[kind])
			t.AppendRow(table.Row{role, kind, strings.Join(byKind[kind], " ")})
		}
		t.AppendSeparator()
	}
	t.Render()
}

func printVaultRights(out io.Writer) {
	t := rightsTable(out, "role", "", "record classes")
	for _, r := range vaultlink.Rights() {
		t.AppendRow(table.Row{r.Role, r.Verb, strings.Join(r.Classes, " ")})
	}
	t.Render()
}

func printPrograms(out io.Writer) {
	t := rightsTable(out, "program", "", "subjects and streams")
	for _, p := range hub.RightsOfPrograms() {
		var roles []string
		for _, role := range p.Roles {
			roles = append(roles, string(role))
		}
		for _, row := range []struct {
			what string
			list []string
		}{{"signs as", roles}, {"stores", p.Stores}, {"reads", p.Reads}, {"asks", p.Asks}, {"answers", p.Answers}} {
			if len(row.list) > 0 {
				t.AppendRow(table.Row{p.Program, row.what, strings.Join(row.list, " ")})
			}
		}
		t.AppendSeparator()
	}
	t.Render()
}

func printOutside(out io.Writer) {
	t := rightsTable(out, "credential", "", "subjects")
	for _, r := range hub.RightsOutside() {
		t.AppendRow(table.Row{r.Who, "sends", strings.Join(r.Sends, " ")})
		t.AppendRow(table.Row{r.Who, "hears", strings.Join(r.Hears, " ")})
		t.AppendSeparator()
	}
	t.Render()
}

func rightsTable(out io.Writer, columns ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: 80, WidthMaxEnforcer: text.WrapSoft}})
	t.AppendHeader(columns)
	return t
}
