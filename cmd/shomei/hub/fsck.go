package hub

import (
	"context"
	"fmt"
	"time"

	"shomei/pkg/eventlog/blocks"
	"shomei/services/projector"
)

// Fsck checks the log, the tables and the revocation lists against each other, of a hub that was started or attached.
// progress, when set, hears how many commits have been looked at.
func (h *Hub) Fsck(ctx context.Context, progress func(commits uint64)) (*projector.Report, error) {
	keys := h.AskVault
	if keys == nil && h.Vault != nil {
		keys = h.KeyStatuses
	}
	p := h.Projector
	if p == nil { // without tables the rest is checked
		p = projector.New(projector.Config{Log: h.Log, Logger: h.Logger})
	}
	report, err := p.Fsck(ctx, projector.FsckConfig{Lists: h.path("crl"), Now: h.judgingTime(ctx), Keys: keys, Progress: progress})
	if err == nil {
		report.Findings = append(h.mended(), report.Findings...)
	}
	return report, err
}

// mended is what was damaged on the disk until this program, which opened the streams itself, put it right.
func (h *Hub) mended() (findings []projector.Finding) {
	if h.server == nil {
		return nil
	}
	for _, r := range h.server.Mended() {
		for _, f := range r.Findings {
			if f.Outcome == blocks.Mended || f.Outcome == blocks.Spliced || f.Outcome == blocks.Removed {
				findings = append(findings, projector.Finding{
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
