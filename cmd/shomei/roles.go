package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
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
			t.AppendHeader(table.Row{"role", "aggregate", "events"})
			for _, role := range eventlog.Roles() {
				byKind := make(map[string][]string)
				for event, kind := range role.Writable() {
					byKind[kind] = append(byKind[kind], event)
				}
				for _, kind := range slices.Sorted(maps.Keys(byKind)) {
					slices.Sort(byKind[kind])
					t.AppendRow(table.Row{role, kind, wrapped(byKind[kind])})
				}
				t.AppendSeparator()
			}
			t.Render()
			return nil
		},
	}
}

// wrapped writes a list in lines of about 80 letters.
func wrapped(list []string) string {
	var out strings.Builder
	line := 0
	for i, word := range list {
		if line += len(word) + 1; line > 80 {
			out.WriteByte('\n')
			line = len(word)
		} else if i > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(word)
	}
	return out.String()
}
