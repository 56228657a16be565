package hub

import (
	"context"

	"shomei/services/projector"
)

// Fsck checks the log, the tables and the revocation lists against each other, of a hub that was started or attached.
// progress, when set, hears how many commits have been looked at.
func (h *Hub) Fsck(ctx context.Context, progress func(commits uint64)) (*projector.Report, error) {
	return h.Projector.Fsck(ctx, projector.FsckConfig{Lists: h.path("crl"), Now: h.Clock.Now(), Progress: progress})
}
