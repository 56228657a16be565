package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
)

// Reporting prepares any fact but an application: a change of the resident record, a loss reported by telephone, an order of the
// authority, a change of the office's officers. It fills in id, office, filed time and clock evidence, and a new procedure if
// there is none.
func (c *Counter) Reporting(claim *events.Claim, personal *events.Personal) (*Act, error) {
	claim = proto.CloneOf(claim)
	fresh := c.newClaim(claim.GetProcedure(), "", "")
	claim.Id, claim.Office, claim.FiledMs = fresh.Id, fresh.Office, fresh.FiledMs
	claim.ClockEvidence, claim.LinkTime = fresh.ClockEvidence, fresh.LinkTime
	if claim.CausedMs == 0 {
		claim.CausedMs = claim.FiledMs
	}
	if claim.Procedure == "" {
		claim.Procedure = claim.Id
	}
	return c.prepare(claim, personal)
}

// Report files any fact but an application unsigned.
func (c *Counter) Report(_ context.Context, claim *events.Claim, personal *events.Personal) (claimID string, err error) {
	return fileNow(c.Reporting(claim, personal))
}

// AskPerson asks the centre whether it knows a person with this resident-record code and date of birth. Any error means
// that it can't be asked now.
func (c *Counter) AskPerson(ctx context.Context, officer, code, birthDate string) (counterlink.Person, error) {
	if c.cfg.AskPerson == nil || c.Link() != counterlink.Up {
		return counterlink.Person{}, ErrOffline
	}
	return c.cfg.AskPerson(ctx, officer, code, birthDate)
}

// AskHistory asks the centre what a subscriber's history holds. Any error means that it can't be asked now.
func (c *Counter) AskHistory(ctx context.Context, officer, subscriber string) (counterlink.Person, error) {
	if c.cfg.AskHistory == nil || c.Link() != counterlink.Up {
		return counterlink.Person{}, ErrOffline
	}
	return c.cfg.AskHistory(ctx, officer, subscriber)
}

// FindCases asks the centre for this office's applications that wait for the answer to a letter of inquiry. Any error means
// that it can't be asked now.
func (c *Counter) FindCases(ctx context.Context, officer string, key counterlink.CaseKey) ([]*events.OpenCase, error) {
	if c.cfg.FindCases == nil || c.Link() != counterlink.Up {
		return nil, ErrOffline
	}
	return c.cfg.FindCases(ctx, officer, key)
}

// Find asks the centre who a person is. Any error means that it can't be asked now.
func (c *Counter) Find(ctx context.Context, officer string, key counterlink.FindKey) (counterlink.Found, error) {
	if c.cfg.Find == nil || c.Link() != counterlink.Up {
		return counterlink.Found{}, ErrOffline
	}
	return c.cfg.Find(ctx, officer, key)
}

// ReportBlocked files that PINs of a card were blocked at this counter. The hub knows whose card it is.
func (c *Counter) ReportBlocked(ctx context.Context, cardID string, pins ...events.PinKind) (claimID string, err error) {
	return c.Report(ctx, &events.Claim{Fact: &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{Card: cardID, Pins: pins}}}, nil)
}

// ReportSignIn files that somebody presented a signature as an officer that proves nothing; reason is a word of pkg/officer. It
// belongs to no procedure.
func (c *Counter) ReportSignIn(code, reason string) error {
	claim := c.newClaim("", "", "")
	claim.Fact = &events.Claim_SignInFailed{SignInFailed: &events.SignInFailed{Officer: code, Reason: reason}}
	if err := events.CheckClaim(claim); err != nil {
		return err
	}
	return c.store.Record(func(tx *Tx) error { return tx.Claim(claim) })
}

// enterReceipt sets a claim's filed time to a receipt time that a clerk entered, and its entered time to the counter's
// clock. A paper received at 16:59 and entered at 17:10 counts by its receipt; yesterday's is refused. A zero time changes
// nothing.
func enterReceipt(claim *events.Claim, filed, now time.Time) error {
	if filed.IsZero() {
		return nil
	}
	if filed.After(now) || civil.Of(filed) != civil.Of(now) {
		return fmt.Errorf("receipt at %s, entered at %s: %w", filed.In(civil.Tokyo).Format(time.DateTime), now.In(civil.Tokyo).Format(time.DateTime), ErrReceiptTime)
	}
	claim.EnteredMs, claim.FiledMs, claim.CausedMs = claim.FiledMs, filed.UnixMilli(), filed.UnixMilli()
	return nil
}

// reported returns the claim of a report without its sealed part, for pages; nil for other claims.
func reported(claim *events.Claim) *events.Claim {
	switch claim.GetFact().(type) {
	case *events.Claim_HistoriesJoined, *events.Claim_RecordChangeNotified, *events.Claim_LossNotified, *events.Claim_CardFoundNotified, *events.Claim_CustodyTaken,
		*events.Claim_PinsBlocked, *events.Claim_OfficerProposed, *events.Claim_OfficerLeft, *events.Claim_InvitationMade,
		*events.Claim_PasskeyOffered, *events.Claim_PasskeyGivenUp, *events.Claim_SignaturesWanted, *events.Claim_FourEyesWanted, *events.Claim_PasswordsWanted,
		*events.Claim_ApprovalDecided:
		shown := proto.CloneOf(claim)
		shown.Sealed = nil
		return shown
	}
	return nil
}

// foldReportAnswer folds the answer to a report. A report that changes nothing is recorded too; only one that the hub could not
// believe is refused.
func (s *Status) foldReportAnswer(a *events.Answer) {
	switch {
	case len(a.GetRefusals()) > 0 && !slices.ContainsFunc(a.GetRefusals(), forPeople):
		s.Stage, s.Message = StageRefused, say("report-refused")
	case len(a.GetRefusals()) > 0:
		s.Stage, s.Message = StageRefused, say("report-unverified")
	case a.GetAccepted():
		s.Stage, s.Message = StageAccepted, say("report-recorded")
	default:
		s.Stage, s.Message = StageAccepted, say("report-nothing")
	}
}
