// Command shomei-lab tries Shomei out: it plays stories, simulates an invented population, and measures. No office
// needs it.
package main

import (
	"github.com/spf13/cobra"

	"shomei/cmd/cli"
)

func main() {
	a := &app{}
	a.Main(a.root())
}

// app is what every command shares.
type app struct{ cli.App }

// root is the whole command line.
func (a *app) root() *cobra.Command {
	return a.Root("shomei-lab", "証明の試験場 (stories, invented populations and measurements of Shomei)",
		a.storyCommand(), a.simulateCommand(), a.sampleCommand(), a.historiesCommand(), a.benchCommand(), a.analystCommand(), cli.Engine())
}
