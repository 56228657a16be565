package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command says who may give it, once, and no row is of a command that is none.
func TestEveryCommandSaysWhoMayGiveIt(t *testing.T) {
	rows := map[string]int{}
	for who, commands := range commandsOf {
		if !slices.IsSorted(commands) {
			t.Errorf("the commands of %d are not sorted", who)
		}
		for _, command := range commands {
			rows[command]++
		}
	}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		_, path, under := strings.Cut(cmd.CommandPath(), " ")
		if under && rows[path] != 1 {
			t.Errorf("who may give %q? It has %d rows in commandsOf", path, rows[path])
		}
		delete(rows, path)
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit((&app{}).root())
	for path := range rows {
		t.Errorf("there is no command %q", path)
	}
}
