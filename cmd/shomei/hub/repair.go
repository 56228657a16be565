package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/eventlog/blocks"
)

// Repair is an order to mend damaged streams in the data folder of a stopped hub.
type Repair struct {
	// Target is the name of a stream, or KIND/ID of an aggregate.
	Target string
	// Copies are folders that may hold good records, besides the hub's own Copies.
	Copies []string
	// Mend carries out what is found; otherwise it is only reported.
	Mend bool
}

// Run examines the streams of the target and mends them if Mend is set. It returns the streams with findings; for an
// aggregate, only those that may concern it.
func (r Repair) Run(ctx context.Context, c Config) (reports []blocks.Report, err error) {
	p := newParts(c)
	if _, err := os.Stat(p.path("keys", "hub.nk")); err != nil {
		return nil, fmt.Errorf("%s: %w: give the folder with --data", c.Data, ErrNoData)
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.open(ctx, []part{{"data folder", nil, (*Parts).hold}, {"keys", nil, (*Parts).openKeys}}); err != nil {
		return nil, err
	}
	config := p.blocks()
	config.Copies = append(slices.Clone(config.Copies), r.Copies...)
	subject, err := r.aim(p, &config)
	if err != nil {
		return nil, err
	}
	run := blocks.Look
	if r.Mend {
		run = blocks.Mend
	}
	all, err := run(ctx, config)
	return about(all, subject), err
}

// aim sets config to the streams that the target names. It returns the target's subject if it is an aggregate.
func (r Repair) aim(p *Parts, config *blocks.Config) (subject string, err error) {
	names, err := blocks.Streams(config.Store)
	if err != nil {
		return "", err
	}
	kind, id, aggregate := strings.Cut(r.Target, "/")
	if !aggregate {
		if config.Only = []string{r.Target}; !slices.Contains(names, r.Target) {
			return "", refuse("there is no stream %s: the streams are %s", r.Target, strings.Join(names, ", "))
		}
		return "", nil
	}
	if !slices.Contains(events.Kinds, kind) || !events.ValidID(id) {
		return "", refuse("%q is no KIND/ID: KIND is one of %s", r.Target, strings.Join(events.Kinds, ", "))
	}
	config.Only = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, events.StreamPrefix) })
	anchors, err := p.keys.anchors(true)
	if err != nil {
		return "", err
	}
	writers, err := eventlog.Enrolled(p.path("marks"), anchors)
	if err != nil {
		return "", err
	}
	config.Unwanted, err = eventlog.Foreign(config.Store, kind, id, writers)
	if errors.Is(err, eventlog.ErrDamaged) {
		config.Unwanted, err = nil, nil // the chain is broken by what is missing: that comes first
	}
	return events.LogSubject(kind, id), err
}

// about filters reports by subject, if one is given.
func about(all []blocks.Report, subject string) []blocks.Report {
	var some []blocks.Report
	for _, report := range all {
		if subject != "" {
			report.Findings = slices.DeleteFunc(report.Findings, func(f blocks.Finding) bool {
				return f.Outcome != blocks.Lost && !slices.Contains(f.Owners, subject) && f.Subject != subject
			})
		}
		if len(report.Findings) > 0 || report.Withheld != "" {
			some = append(some, report)
		}
	}
	return some
}
