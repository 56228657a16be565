package hub

import (
	"context"
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/lifecycle"
	"shomei/services/projector"
)

// Fsck checks the log, the tables and the revocation lists against each other, of a hub that was started or attached.
// progress, when set, hears how many commits have been looked at.
func (h *Hub) Fsck(ctx context.Context, progress func(commits uint64)) (*projector.Report, error) {
	holds := h.AskVault
	if holds == nil && h.Vault != nil {
		holds = h.Holds
	}
	report, err := h.Projector.Fsck(ctx, projector.FsckConfig{Lists: h.path("crl"), Now: h.judgingTime(ctx), Holds: holds, Progress: progress})
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
	head, err := h.Log.Load(ctx, events.KindAuthority, events.AuthorityLog)
	if err != nil {
		return time.Time{} // the check itself will say what is wrong with it
	}
	state, err := lifecycle.DecodeAuthority(head.State)
	if err != nil || state.Simulated {
		return time.Time{}
	}
	return h.Clock.Now()
}
