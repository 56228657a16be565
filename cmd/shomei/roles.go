package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"shomei/pkg/eventlog"
)

// rolesCommand prints what each key may write, which is what it is worth when stolen.
func (a *app) rolesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "roles", Short: "どの鍵で何を記録できるか (what each key may write into the log)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := table.NewWriter()
			t.SetOutputMirror(cmd.OutOrStdout())
			t.SetColumnConfigs([]table.ColumnConfig{{Name: "events", WidthMax: 80, WidthMaxEnforcer: text.WrapSoft}})
			t.AppendHeader(table.Row{"role", "aggregate", "events"})
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
			return nil
		},
	}
}
