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

// Report files any other fact that was seen here: a change of the resident record, a loss told by telephone, an order of
// the authority. Id, office, procedure (when empty: a new one), filed time and clock evidence are filled in.
func (c *Counter) Report(_ context.Context, claim *events.Claim, personal *events.Personal) (claimID string, err error) {
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
	return claim.Id, c.file(claim, personal)
}

// AskPerson asks the centre whether it knows somebody with a resident-record code and a date of birth. Every error says
// that it can't be asked now.
func (c *Counter) AskPerson(ctx context.Context, officer, code, birthDate string) (counterlink.Person, error) {
	if c.cfg.AskPerson == nil || c.Link() != counterlink.Up {
		return counterlink.Person{}, ErrOffline
	}
	return c.cfg.AskPerson(ctx, officer, code, birthDate)
}

// FindCases asks the centre for applications of this office that wait for the answer to a letter of inquiry. Every error
// says that it can't be asked now.
func (c *Counter) FindCases(ctx context.Context, officer string, key counterlink.CaseKey) ([]*events.OpenCase, error) {
	if c.cfg.FindCases == nil || c.Link() != counterlink.Up {
		return nil, ErrOffline
	}
	return c.cfg.FindCases(ctx, officer, key)
}

// ReportBlocked files that PINs of a card were seen to block here: the last try was spent at this counter. Whose card it
// is, the hub knows.
func (c *Counter) ReportBlocked(ctx context.Context, cardID string, pins ...events.PinKind) (claimID string, err error) {
	return c.Report(ctx, &events.Claim{Fact: &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{Card: cardID, Pins: pins}}}, nil)
}

// enterReceipt puts the receipt time that a clerk entered into a claim, and the counter's clock beside it as evidence; now says which day is today. A
// paper that came in at 16:59 and is typed in at 17:10 counts by its receipt; yesterday's does not. A zero time leaves
// the claim as it is.
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

// reported is a claim that opened a procedure without being an application, as a page shows it: without the sealed part.
func reported(claim *events.Claim) *events.Claim {
	switch claim.GetFact().(type) {
	case *events.Claim_RecordChangeNotified, *events.Claim_LossNotified, *events.Claim_CardFoundNotified, *events.Claim_CustodyTaken,
		*events.Claim_PinsBlocked:
		shown := proto.CloneOf(claim)
		shown.Sealed = nil
		return shown
	}
	return nil
}

// learnReport folds the answer to a report: it is recorded, whatever it changed. Only what the hub could not believe is
// refused.
func (s *Status) learnReport(a *events.Answer) {
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
