// Package bench measures Shomei against what the same machine does without it, in the same run: our figure and its floor
// take turns, and each is the median of its turns. Nothing is compared with a figure from another day or machine.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// Options says how much is measured.
type Options struct {
	// Turns is how often each figure is measured, Span how long a timed turn lasts.
	Turns int
	Span  time.Duration
	// Commits is the number of commits replayed.
	Commits int
	// Settled is how long a process is left alone before its idle memory is read.
	Settled time.Duration
	// Only names the parts to measure; empty: all.
	Only []string
	// Scratch is where temporary data folders are made; empty: the system's place.
	Scratch string
	// Progress is told what is being done.
	Progress io.Writer
}

// Full and Quick are the two usual runs.
var (
	Full  = Options{Turns: 5, Span: 3 * time.Second, Commits: 200_000, Settled: 30 * time.Second}
	Quick = Options{Turns: 3, Span: time.Second, Commits: 50_000, Settled: 3 * time.Second}
)

// Figure is one measured figure with its floor and its goal.
type Figure struct {
	Part, Name string
	Value      float64
	Unit       string
	// Floor is what the machine does without us, 0 if there is none.
	Floor      float64
	FloorsName string
	// Goal is what the project requires: at least that Value (AtLeast), at most (AtMost), or that share of the floor
	// (OfFloor).
	AtLeast, AtMost, OfFloor float64
	// Why says where the time goes, for figures that fall short.
	Why string
}

// Share returns the value as a fraction of the floor; 0 if there is none.
func (f Figure) Share() float64 {
	if f.Floor == 0 {
		return 0
	}
	return f.Value / f.Floor
}

// Reached reports whether the goal is reached or there is none.
func (f Figure) Reached() bool {
	return f.Value >= f.AtLeast && (f.AtMost == 0 || f.Value <= f.AtMost) && f.Share() >= f.OfFloor
}

func (f Figure) goal() string {
	switch {
	case f.OfFloor > 0:
		return fmt.Sprintf("%.0f %% of floor", 100*f.OfFloor)
	case f.AtLeast > 0:
		return "at least " + number(f.AtLeast)
	case f.AtMost > 0:
		return "at most " + number(f.AtMost)
	}
	return ""
}

// part is one group of figures.
type part struct {
	name string
	run  func(context.Context, Options) ([]Figure, error)
}

var parts = []part{{"decisions", decisions}, {"acts", acts}, {"signed", signing}, {"apart", actsApart}, {"replay", replay}, {"idle", idle}}

// Parts returns the names for Options.Only.
func Parts() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// Run measures and returns all figures.
func Run(ctx context.Context, o Options) ([]Figure, error) {
	var all []Figure
	for _, p := range parts {
		if len(o.Only) > 0 && !slices.Contains(o.Only, p.name) {
			continue
		}
		figures, err := p.run(ctx, o)
		if err != nil {
			return all, fmt.Errorf("measuring %s: %w", p.name, err)
		}
		all = append(all, figures...)
	}
	return all, nil
}

func (o Options) say(format string, args ...any) {
	if o.Progress != nil {
		fmt.Fprintf(o.Progress, format+"\n", args...)
	}
}

// scratch makes a data folder and returns how to delete it.
func (o Options) scratch() (folder string, remove func(), err error) {
	folder, err = os.MkdirTemp(o.Scratch, "shomei-bench-")
	return folder, func() { _ = os.RemoveAll(folder) }, err
}

// median returns the median, or 0 without values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// Machine returns the line that says where and with what was measured.
func Machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := "?"
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(text), " ")
	}
	revision := "unknown revision"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, load %s, %s/%s, %s, %s, %s", model, runtime.NumCPU(), load, runtime.GOOS, runtime.GOARCH,
		runtime.Version(), revision, time.Now().Format("2006-01-02"))
}

// Print writes the table, and below it why some figures fall short.
func Print(out io.Writer, figures []Figure) {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.AppendHeader(table.Row{"", "figure", "value", "unit", "floor", "of floor", "goal", ""})
	for _, f := range figures {
		row := table.Row{f.Part, f.Name, number(f.Value), f.Unit, "", "", f.goal(), ""}
		if f.Unit == "" { // not measured
			row[2] = ""
		}
		if f.Floor > 0 {
			row[4], row[5] = number(f.Floor), fmt.Sprintf("%.0f %%", 100*f.Share())
		}
		switch {
		case f.goal() == "":
		case f.Reached():
			row[7] = "reached"
		default:
			row[7] = "short"
		}
		t.AppendRow(row)
	}
	t.Render()
	for _, f := range figures {
		if !f.Reached() && f.Why != "" {
			fmt.Fprintf(out, "%s: %s.\n", f.Name, f.Why)
		}
	}
}

// number formats a figure with a sensible number of digits.
func number(v float64) string {
	switch {
	case v >= 1000:
		whole := fmt.Sprintf("%.0f", v)
		for at := len(whole) - 3; at > 0; at -= 3 {
			whole = whole[:at] + "," + whole[at:]
		}
		return whole
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
