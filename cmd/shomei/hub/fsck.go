package hub

import (
	"context"
	"fmt"
	"time"

	"shomei/pkg/eventlog/blocks"
	"shomei/services/fsck"
)

// Fsck checks the log, the tables and the revocation lists against each other, of a hub that was started or attached.
// progress, when set, hears how many commits have been looked at.
func (p *Parts) Fsck(ctx context.Context, progress func(commits uint64)) (*fsck.Report, error) {
	c := fsck.Config{Log: p.Log, Warehouse: p.Warehouse, Lists: p.path("crl"), Now: p.judgingTime(ctx), Keys: p.AskVault, Progress: progress}
	if c.Keys == nil && p.Vault != nil {
		c.Keys = p.KeyStatuses
	}
	if p.Projector != nil && p.Projector.Applied() != nil { // this process brings the tables forward
		c.CaughtUp = p.Projector.CaughtUp
	}
	report, err := fsck.Run(ctx, c)
	if err == nil {
		report.Findings = append(p.mended(), report.Findings...)
	}
	return report, err
}

// mended is what was damaged on the disk until this program, which opened the streams itself, put it right.
func (p *Parts) mended() (findings []fsck.Finding) {
	if p.server == nil {
		return nil
	}
	for _, r := range p.server.Mended() {
		for _, f := range r.Findings {
			if f.Outcome == blocks.Mended || f.Outcome == blocks.Spliced || f.Outcome == blocks.Removed {
				findings = append(findings, fsck.Finding{
					Where: fmt.Sprintf("%s sequence %d", r.Stream, f.Sequence), What: fmt.Sprintf("%s; it is put right (%s)", f.Why, f.Outcome),
					Next: "look at the disk; what was cut out is kept as evidence in " + r.Evidence,
				})
			}
		}
	}
	return findings
}

// judgingTime is the clock; zero for a simulated log that is looked at without its clock.
func (p *Parts) judgingTime(ctx context.Context) time.Time {
	if p.Clock.Simulated() {
		return p.Clock.Now()
	}
	state, err := p.logState(ctx)
	if err != nil || state.Simulated {
		return time.Time{} // what is wrong with the log the check itself will say
	}
	return p.Clock.Now()
}
