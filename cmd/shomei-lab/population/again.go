package population

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// afterLoss plans the new card and certificates for a card reported lost, by some in a hurry (特急発行).
func (p *Person) afterLoss(s *events.SubscriberState) Act {
	if s.Card.GetStatus() != suspended {
		return Act{}
	}
	for _, c := range s.Certificates {
		if c.SuspendedMs == 0 || c.Status != onHold {
			continue
		}
		dice := p.dice("after loss", c.SuspendedMs)
		at := arrival(dice, civil.Of(time.UnixMilli(c.SuspendedMs)).AddDays(10+dice.IntN(30)))
		return p.apply(s, at, &events.ApplicationReceived{
			Operation: opReissue, Card: p.newCard(at), CardKind: s.Card.Kind, Cause: "loss",
			Express: civil.Of(at).After(civil.New(2024, 12, 1)) && dice.Float64() < 0.3,
		})
	}
	return Act{}
}

// afterFound plans the new pair of certificates on a card that was found: suspended ones are never released.
func (p *Person) afterFound(s *events.SubscriberState) Act {
	last := p.lastEnded(s)
	if s.Card.GetStatus() != held || last == nil || last.SuspendedMs == 0 || last.Reason != events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE {
		return Act{}
	}
	dice := p.dice("after found", last.EndedMs)
	at := time.UnixMilli(last.EndedMs).Add(time.Duration(10+dice.IntN(20)) * time.Minute)
	if dice.Float64() < 0.3 || !office.Open("", at).Open {
		at = arrival(dice, civil.Of(at).AddDays(1+dice.IntN(10)))
	}
	return p.apply(s, at, &events.ApplicationReceived{Operation: opIssue, Card: s.Card.Card, CardKind: s.Card.Kind})
}

// afterFault plans another card for one that could not be written: at once, if the office is open, and free.
func (p *Person) afterFault(s *events.SubscriberState) Act {
	last := p.lastEnded(s)
	if last == nil || last.Reason != events.RevocationReason_REVOCATION_REASON_CRL_UNSPECIFIED || s.Card == nil {
		return Act{}
	}
	dice := p.dice("after fault", last.EndedMs)
	at := time.UnixMilli(last.EndedMs).Add(time.Duration(8+dice.IntN(20)) * time.Minute)
	if !office.Open("", at).Open {
		at = arrival(dice, civil.Of(at).AddDays(1))
	}
	return p.apply(s, at, &events.ApplicationReceived{Operation: opReissue, Card: p.newCard(at), CardKind: s.Card.Kind, Cause: "fault"})
}

// afterBlock plans the setting of new PINs, minutes after the old ones were found to be blocked.
func (p *Person) afterBlock(s *events.SubscriberState) Act {
	for _, c := range p.changes {
		if c.visit != blocked || c.at.UnixMilli() != s.RecordedMs || s.Card.GetStatus() != held || p.living(s, kindAuth) == nil {
			continue
		}
		at := c.at.Add(time.Duration(120+p.dice("unblock", c.at.Unix()).IntN(900)) * time.Second)
		return p.apply(s, at, &events.ApplicationReceived{
			Operation: events.Operation_OPERATION_UNBLOCK, Card: s.Card.Card, CardKind: s.Card.Kind, Pins: p.forgotten(s, c.at),
		})
	}
	return Act{}
}

// lastEnded returns the certificate that ended last, if none is in force on the My Number card; otherwise nil.
func (p *Person) lastEnded(s *events.SubscriberState) *events.Certificate {
	var last *events.Certificate
	for _, c := range s.Certificates {
		if c.Regime != events.Regime_REGIME_MYNUMBER || c.EndedMs == 0 {
			continue
		}
		if last == nil || c.EndedMs > last.EndedMs || c.EndedMs == last.EndedMs && c.Kind == kindAuth {
			last = c
		}
	}
	if last != nil && p.living(s, kindAuth) != nil {
		return nil
	}
	return last
}

// newAfterEnd plans another card, months after the last one ended without renewal, or after the return to the country.
func (p *Person) newAfterEnd(s *events.SubscriberState) Act {
	status, last := s.Card.GetStatus(), p.lastEnded(s)
	if status != events.CardStatus_CARD_STATUS_VOID && status != events.CardStatus_CARD_STATUS_EXPIRED ||
		s.Card.GetKind() != myNumber || p.Foreign && !p.Permanent || last == nil {
		return Act{}
	}
	dice := p.dice("after end", last.EndedMs)
	if dice.Float64() > 0.6 {
		return Act{}
	}
	since := civil.Of(time.UnixMilli(last.EndedMs))
	if back := date(s.MovedOn); back.After(since) {
		since = back
	}
	at := arrival(dice, since.AddDays(20+int(dice.ExpFloat64()*120)))
	return p.apply(s, at, &events.ApplicationReceived{Operation: opIssue, Card: p.newCard(at), CardKind: s.Card.Kind})
}
