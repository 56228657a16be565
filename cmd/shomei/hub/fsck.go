package hub

import (
	"context"
	"time"

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
	return p.Fsck(ctx, projector.FsckConfig{Lists: h.path("crl"), Now: h.judgingTime(ctx), Keys: keys, Progress: progress})
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
