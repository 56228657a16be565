package counterlink

import (
	"context"
	"crypto/rand"
	"fmt"

	"shomei/events"
)

// ApprovalRequest is a counter's question about acts that wait for a second officer: all of its office, or the one named.
type ApprovalRequest struct {
	Counter, Office, Officer string
	// ID is of this question alone.
	ID       string
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
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	question, err := events.Encode(&events.ApprovalQuestion{Counter: c.Counter, Nonce: nonce, Officer: officer, Approval: approval})
	if err != nil {
		return Waiting{}, err
	}
	data, err := signed(question, c.Key, events.SignApprovalQuestion)
	if err != nil {
		return Waiting{}, err
	}
	reply, err := approvalExchange.ask(ctx, c.Conn, c.Counter, data)
	if err != nil {
		return Waiting{}, fmt.Errorf("asking the hub for acts that wait: %w", err)
	}
	a := &events.ApprovalAnswer{}
	if err := approvalExchange.open(c.CardClient, nonce, reply, &events.SealedApprovalAnswer{}, a); err != nil {
		return Waiting{}, err
	}
	return Waiting{Open: a.GetOpen(), Claim: a.GetClaim(), Personal: a.GetPersonal()}, nil
}

// AnswerApprovals answers questions about acts that wait until ctx ends, one at a time for each counter. Questions with an error
// are dropped: to the counter, the centre can't be asked then.
func (h *Links) AnswerApprovals(ctx context.Context, answer func(context.Context, ApprovalRequest) (Waiting, error)) error {
	return h.answerCounters(ctx, approvalExchange, func(ctx context.Context, counter string, enrolment Enrolment, question []byte) ([]byte, error) {
		asked, q := &events.SignedApprovalQuestion{}, &events.ApprovalQuestion{}
		if err := approvalExchange.parse(counter, enrolment, question, asked, asked.GetQuestion, q); err != nil {
			return nil, err
		}
		found, err := answer(ctx, ApprovalRequest{
			Counter: counter, Office: enrolment.Office, Officer: q.GetOfficer(), ID: fmt.Sprintf("%x", q.GetNonce()), Approval: q.GetApproval(),
		})
		if err != nil {
			return nil, err
		}
		sealed, err := approvalExchange.seal(counter, enrolment, &events.ApprovalAnswer{
			Nonce: q.GetNonce(), Open: found.Open, Claim: found.Claim, Personal: found.Personal,
		})
		if err != nil {
			return nil, err
		}
		return signed(sealed, h.cfg.Writer, events.SignApprovalAnswer)
	})
}
