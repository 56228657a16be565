package counterlink

import (
	"context"

	"shomei/events"
)

// ApprovalRequest is a counter's question about acts that wait for a second officer: all of its office, or the one named.
type ApprovalRequest struct {
	Asker
	Approval string
}

// Waiting are acts that wait for a second officer. Claim and Personal are what was claimed, of the one that was asked for.
type Waiting struct {
	Open     []*events.OpenApproval
	Claim    *events.Claim
	Personal *events.Personal
}

// Approvals asks the centre which acts of the counter's office wait for a second officer and, with an approval's id, what that
// one is. Any error means that the centre could not be asked.
func (c PersonClient) Approvals(ctx context.Context, officer, approval string) (Waiting, error) {
	told := &events.ApprovalAnswer{}
	err := approvalExchange.put(ctx, c.CardClient, &events.ApprovalQuestion{
		Counter: c.Counter, Nonce: newNonce(), Officer: officer, Approval: approval,
	}, told)
	return Waiting{Open: told.GetOpen(), Claim: told.GetClaim(), Personal: told.GetPersonal()}, err
}

// AnswerApprovals answers questions about acts that wait until ctx ends, one at a time for each counter. Questions with an error
// are dropped: to the counter, the centre can't be asked then.
func (h *Links) AnswerApprovals(ctx context.Context, find func(context.Context, ApprovalRequest) (Waiting, error)) error {
	empty := func() *events.ApprovalQuestion { return &events.ApprovalQuestion{} }
	return answerOfficers(ctx, h, approvalExchange, withPages, empty, func(ctx context.Context, asker Asker, q *events.ApprovalQuestion) (answer, error) {
		found, err := find(ctx, ApprovalRequest{asker, q.GetApproval()})
		return &events.ApprovalAnswer{Nonce: q.GetNonce(), Open: found.Open, Claim: found.Claim, Personal: found.Personal}, err
	})
}
