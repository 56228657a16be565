package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what `shomei version --json` prints: the parts list that public bodies ask for.
type build struct {
	Version  string   `json:"version"`
	Go       string   `json:"go"`
	Revision string   `json:"revision,omitempty"`
	Built    string   `json:"revision_time,omitempty"`
	Modified bool     `json:"modified,omitempty"`
	Modules  []module `json:"modules"`
}

type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"`
}

// versionCommand shows what this program was built from.
func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "版と、組み込まれた部品 (version, Go's version and the modules linked in)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return errors.New("this program was built without module information; build it with make build")
			}
			return printBuild(cmd.OutOrStdout(), buildOf(info), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func buildOf(info *debug.BuildInfo) build {
	b := build{Version: info.Main.Version, Go: info.GoVersion, Modules: []module{}}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Built = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Modules = append(b.Modules, module{m.Path, m.Version, m.Sum})
	}
	return b
}

func printBuild(out io.Writer, b build, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(b)
	}
	fmt.Fprintf(out, "shomei %s\n%s\n", b.Version, b.Go)
	for _, m := range b.Modules {
		if _, err := fmt.Fprintf(out, "%s %s\n", m.Path, m.Version); err != nil {
			return err
		}
	}
	return nil
}
