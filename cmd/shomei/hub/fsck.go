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
func (h *Hub) Fsck(ctx context.Context, progress func(commits uint64)) (*fsck.Report, error) {
	c := fsck.Config{Log: h.Log, Warehouse: h.Warehouse, Lists: h.path("crl"), Now: h.judgingTime(ctx), Keys: h.AskVault, Progress: progress}
	if c.Keys == nil && h.Vault != nil {
		c.Keys = h.KeyStatuses
	}
	if h.Projector != nil && h.Projector.Applied() != nil { // this process brings the tables forward
		c.CaughtUp = h.Projector.CaughtUp
	}
	report, err := fsck.Run(ctx, c)
	if err == nil {
		report.Findings = append(h.mended(), report.Findings...)
	}
	return report, err
}

// mended is what was damaged on the disk until this program, which opened the streams itself, put it right.
func (h *Hub) mended() (findings []fsck.Finding) {
	if h.server == nil {
		return nil
	}
	for _, r := range h.server.Mended() {
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
func (h *Hub) judgingTime(ctx context.Context) time.Time {
	if h.Clock.Simulated() {
		return h.Clock.Now()
	}
	state, err := h.logState(ctx)
	if err != nil || state.Simulated {
		return time.Time{} // what is wrong with the log the check itself will say
	}
	return h.Clock.Now()
}
