package hub

import (
	"context"
	"time"

	"shomei/events"
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
	p := h.Projector
	if p == nil { // without tables the rest is checked
		p = projector.New(projector.Config{Log: h.Log, Logger: h.Logger})
	}
	return p.Fsck(ctx, projector.FsckConfig{Lists: h.path("crl"), Now: h.judgingTime(ctx), Holds: holds, Progress: progress})
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
