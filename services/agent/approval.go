package agent

import (
	"context"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// Approvals asks the centre which acts of this office wait for a second officer and, with an approval's id, what that one is. Any
// error means that it can't be asked now.
func (c *Counter) Approvals(ctx context.Context, officer, approval string) (counterlink.Waiting, error) {
	if c.cfg.AskApprovals == nil || c.Link() != counterlink.Up {
		return counterlink.Waiting{}, ErrOffline
	}
	return c.cfg.AskApprovals(ctx, officer, approval)
}

// Deciding prepares an officer's decision on an act that waits: approved, refused or withdrawn. Why, which may be empty, is sealed
// to the hub.
func (c *Counter) Deciding(officer string, waits *events.OpenApproval, outcome, why string) (*Act, error) {
	claim := c.newClaim("", officer, "")
	claim.Procedure = claim.Id
	claim.Fact = &events.Claim_ApprovalDecided{ApprovalDecided: &events.ApprovalDecided{
		Approval: waits.GetId(), Digest: waits.GetDigest(), Outcome: outcome,
	}}
	var personal *events.Personal
	if why != "" {
		personal = &events.Personal{Why: why}
	}
	return c.prepare(claim, personal)
}
