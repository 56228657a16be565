package dispatcher

import (
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
)

// answer returns what the counter is told about the claim behind a commit: how it was decided, and the status of the
// person's certificates.
func (d *Dispatcher) answer(r eventlog.Record, state *events.SubscriberState) *events.Downlink {
	c := r.Commit
	a := &events.Answer{Claim: c.CommandId, Accepted: true, CardLastDay: state.GetCard().GetLastDay()}
	if c.CorrelationId == state.Open().GetId() {
		a.FormerCard = lifecycle.FormerCard(state)
	}
	for _, e := range c.Events {
		addTo(a, e)
	}
	if why := rejectedBy(c.Events); why != nil {
		a.Accepted, a.Refusals = false, why
	}
	a.Certificates, a.PhoneCertificates = lifecycle.CertificateStates(state)
	return &events.Downlink{
		Id: "answer/" + c.CommandId, Counter: c.Counter, Procedure: c.CorrelationId, Subscriber: r.ID,
		IssuedMs: d.Clock().UnixMilli(), Body: &events.Downlink_Answer{Answer: a},
	}
}

// addTo adds what one event says to the answer.
func addTo(a *events.Answer, e *events.Event) {
	for _, id := range e.RuleIds {
		if !slices.Contains(a.RuleIds, id) {
			a.RuleIds = append(a.RuleIds, id)
		}
	}
	a.Endings = append(a.Endings, endingsOf(e)...)
	switch b := events.BodyOf(e).(type) {
	case *events.DeadlineSet:
		a.Deadlines = append(a.Deadlines, b)
	case *events.ApplicationAccepted:
		a.Fee, a.Planned, a.CardCandidates = b.Fee, b.Planned, b.CardCandidates
		if b.CardLastDay != "" {
			a.CardLastDay = b.CardLastDay
		}
	case *events.ApplicationRefused:
		a.Accepted, a.Refusals = false, b.Refusals
		a.Alternative, a.AlternativePlanned = b.Alternative, b.AlternativePlanned
	case *events.InquiryLetterDue:
		a.Deferred, a.OnFile = true, b.Documents // without the letter's number, which proves that it arrived
	case *events.RequestRefused:
		a.Accepted, a.Refusals = false, b.Refusals
	case *events.FactRefused:
		a.Accepted = false
	}
}

// refusesProcedure reports whether a rule says that a procedure does not use the claim.
func refusesProcedure(id string) bool { return id == regime.NoLongerOpen || id == regime.NotAwaited }

// rejectedBy returns the rules by which a claim about a procedure changes nothing, or its keys get no certificates; nil
// if it is used.
func rejectedBy(list []*events.Event) []string {
	made := ""
	for _, e := range list {
		if e.GetFactRefused() != nil && slices.ContainsFunc(e.RuleIds, refusesProcedure) {
			return e.RuleIds
		}
		if keys := e.GetKeysRecorded(); keys != nil {
			made = keys.Procedure
		}
	}
	for _, e := range list {
		if w := e.GetApplicationWithdrawn(); w != nil && made != "" && w.Procedure == made {
			return e.RuleIds
		}
	}
	return nil
}

// endingsOf returns how an event changed certificates in force and a holder's card, so that the clerk can say it.
func endingsOf(e *events.Event) (endings []*events.Ending) {
	for _, t := range events.Transitions(e) {
		if t.Held {
			endings = append(endings, &events.Ending{
				Serial: t.Serial, Kind: t.Kind, Status: t.Status, Device: t.Device, Card: t.Card, CardStatus: t.CardStatus, RuleIds: e.RuleIds,
			})
		}
	}
	return endings
}

// answerQuarantined tells a counter that its claim was quarantined or held, so that nobody waits for it; nil if there
// is no counter to tell. A claim signed by the counter is named by its own id. The error is the vault's while it can't be
// asked.
func (d *Dispatcher) answerQuarantined(r eventlog.Record) (*events.Downlink, error) {
	c := r.Commit
	for _, e := range c.GetEvents() {
		quarantined, held := e.GetFactQuarantined(), e.GetClaimHeld()
		if quarantined == nil && held == nil || c.GetCounter() == "" || d.tooOld(c) {
			continue
		}
		refusals, word := []string{regime.ClaimQuarantined}, "answer"
		switch {
		case held != nil: // which is not the last word: two operators may release it
			refusals, word = []string{regime.ClaimHeld}, "held"
		case quarantined.Reason != "":
			refusals = append(refusals, regime.OfficerRefused(quarantined.Reason))
		}
		id := c.CommandId
		// A claim that can't be opened or parsed has no id of its own.
		signed, err := dossier.Of(d.Vault, r.ID, []eventlog.Record{r}).Claim()
		if err != nil && !dossier.Lost(err) {
			return nil, err
		}
		for _, counter := range d.Directory.CounterAt(c.Counter, time.UnixMilli(e.RecordedMs)) {
			if claim, _, err := counterlink.VerifyClaim(counter.PublicKey, signed); err == nil && claim.GetCounter() == c.Counter && claim.GetId() != "" {
				id = claim.Id
			}
		}
		return &events.Downlink{
			Id: word + "/" + id, Counter: c.Counter, IssuedMs: d.Clock().UnixMilli(),
			Body: &events.Downlink_Answer{Answer: &events.Answer{
				Claim: id, Refusals: refusals, Held: held.GetReceipt(),
			}},
		}, nil
	}
	return nil, nil
}
