package main

import (
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
)

// giver is who may give a command.
type giver int

const (
	// anybody: the command needs neither the centre nor its folder.
	anybody giver = iota
	// folder: the owner of the data folder.
	folder
	// operators: an operator with credentials, or the owner of the data folder.
	operators
	// founder: the owner of the data folder, who also has the root's key.
	founder
	// rooted: as operators, who also have the root's key.
	rooted
	// credentialed: an operator with credentials and nobody else, because two have to be two.
	credentialed
	// paired: an operator with credentials asks, and another approves before anything is done (pkg/order). In a trial, a simulation or a
	// demonstration, the owner of the data folder can be both.
	paired
	// program: who has the configuration and the keys of that one program.
	program
	// bundled: who has a register's bundle, or the owner of the data folder.
	bundled
)

// commandsOf lists every command by who may give it, by its words after shomei. A name that others follow means what it does by
// itself; what only leads to others prints its help, to anybody.
var commandsOf = map[giver][]string{
	anybody: {
		"approval", "authority", "cards", "completion", "completion bash", "completion fish", "completion powershell", "completion zsh", "context", "context add",
		"context list", "context remove", "context select", "counter", "crashpoints", "ddl", "engine", "feed", "help", "keys", "keys change", "nats",
		"office", "officer", "operators", "person", "person export", "quarantine", "query", "report", "residents", "roles", "rules", "rules apply", "rules list",
		"rules open", "rules validity", "rules window", "story", "version",
	},
	folder: {
		"all", "forecast", "forecast backtest", "forecast history", "forecast visits", "forecast what-if", "fsck", "keys change authority",
		"keys change master", "keys change nats", "keys change writer", "keys list", "keys root", "keys seal", "keys unseal", "log repair", "nats init", "rebuild", "state", "up",
	},
	operators: {
		"access", "access report", "approval list", "approval show", "authority found", "cards roll", "counter enrol", "counter list", "counter renew",
		"counter retire", "feed enrol", "feed list", "feed retire", "log", "office define", "office list", "office show", "officer enrol",
		"officer four-eyes", "officer invite", "officer list", "officer passkeys", "officer passwords", "officer require", "officer retire", "operators list",
		"quarantine list", "quarantine resolve", "report change", "report loss",
	},
	founder:      {"operators enrol"},
	rooted:       {"operators retire"},
	credentialed: {"approval approve", "approval refuse", "approval withdraw", "person export write"},
	paired: {
		"authority revoke", "counter adopt", "erase", "log close", "person export ask", "quarantine release", "report order",
	},
	program: {
		"console", "dispatcher", "expiry", "issuer", "notifier", "operator", "projector", "ra", "register", "validation", "vault",
	},
	bundled: {"residents import"},
}

// printGivers prints who may give which command.
func (a *app) printGivers(out io.Writer) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: 100, WidthMaxEnforcer: wrapAtCommas}})
	t.AppendHeader(table.Row{"who", "commands"})
	for _, row := range []struct {
		who  giver
		text string
	}{
		{anybody, a.Say("だれでも", "anybody")},
		{folder, a.Say("データのフォルダーの持ち主", "the owner of the data folder")},
		{operators, a.Say("資格を持つ運用者、またはデータのフォルダーの持ち主", "an operator with credentials, or the owner of the data folder")},
		{rooted, a.Say("同じ人で、根の鍵も持つ人", "the same, with the root's key")},
		{founder, a.Say("データのフォルダーの持ち主で、根の鍵も持つ人", "the owner of the data folder, with the root's key")},
		{credentialed, a.Say("資格を持つ運用者だけ", "an operator with credentials only")},
		{paired, a.Say("資格を持つ運用者が求め、別の運用者が承認する", "an operator with credentials asks, and another approves")},
		{program, a.Say("そのプログラムの設定と鍵を持つ人", "who has that program's configuration and keys")},
		{bundled, a.Say("住民基本台帳のフォルダーを持つ人、またはデータのフォルダーの持ち主", "who has a register's bundle, or the owner of the data folder")},
	} {
		t.AppendRow(table.Row{row.text, strings.Join(commandsOf[row.who], ", ")})
		t.AppendSeparator()
	}
	t.Render()
}

// wrapAtCommas breaks a list of commands into lines, none of them within a command.
func wrapAtCommas(list string, width int) string {
	var b strings.Builder
	line := 0
	for i, one := range strings.Split(list, ", ") {
		switch {
		case i > 0 && line+len(one)+3 > width:
			b.WriteString(",\n")
			line = 0
		case i > 0:
			b.WriteString(", ")
			line += 2
		}
		b.WriteString(one)
		line += len(one)
	}
	return b.String()
}
