package simulation

import (
	"fmt"
	"slices"

	"shomei/cmd/shomei-lab/population"
	"shomei/events"
)

// claim returns a source's claim about an act. Its id follows from person and instant.
func (l *lane) claim(p *population.Person, s *events.SubscriberState, act population.Act) (*events.Claim, *events.Personal) {
	c := &events.Claim{
		Id: fmt.Sprintf("simulated-%d-%d-%d", p.Index, act.At.UnixMilli(), act.What), Counter: act.Source, Office: act.Office,
		Officer: "clerk-1", FiledMs: act.At.UnixMilli(), CausedMs: act.At.UnixMilli(), ClockEvidence: "simulated",
		Procedure: act.Procedure,
	}
	switch act.What {
	case population.Apply:
		c.Fact = &events.Claim_ApplicationReceived{ApplicationReceived: act.Application}
		personal := &events.Personal{Record: p.Record(act.At)}
		if act.Application.Operation == events.Operation_OPERATION_HAND_OVER {
			personal.Contact = p.Contact()
		}
		return c, personal
	case population.Changed:
		c.Fact = &events.Claim_RecordChangeNotified{RecordChangeNotified: act.Change}
		return c, &events.Personal{Record: p.Record(act.At)}
	}
	l.atCounter(c, p, s, act)
	return c, nil
}

// atCounter fills in claims without personal data, mostly about the card.
func (l *lane) atCounter(c *events.Claim, p *population.Person, s *events.SubscriberState, act population.Act) {
	open := s.Open()
	switch act.What {
	case population.Lost:
		c.Fact = &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "telephone"}}
	case population.Found:
		c.Fact = &events.Claim_CardFoundNotified{CardFoundNotified: &events.CardFoundNotified{Card: s.Card.Card}}
	case population.Blocked:
		c.Fact = &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{Pins: act.Pins, Card: s.Card.Card}}
	case population.Dropped:
		c.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: &events.ApplicationDropped{Why: "resident-left"}}
	case population.Keys:
		c.Fact = &events.Claim_KeysGenerated{KeysGenerated: l.keys(p, s)}
	case population.Written:
		c.Fact = &events.Claim_CardWritten{CardWritten: written(s)}
	case population.WriteFailed:
		c.Fact = &events.Claim_WriteFailed{WriteFailed: &events.WriteFailed{
			Obligation: obligation(s, events.ObligationKind_OBLIGATION_KIND_WRITE_CARD), Card: open.Carrier.Card(), Stage: "write",
			Reason: "simulated", Repairable: act.Repairable,
		}}
	case population.Unblocked:
		c.Fact = &events.Claim_PinsUnblocked{PinsUnblocked: &events.PinsUnblocked{
			Obligation: obligation(s, events.ObligationKind_OBLIGATION_KIND_UNBLOCK_PIN), Pins: open.Pins, Card: open.Carrier.Card(),
		}}
	case population.HandedOver:
		c.Fact = &events.Claim_HandedOver{HandedOver: &events.HandedOver{FeeYen: open.FeeYen, PaperCopy: true, Card: open.Carrier.Card()}}
	}
}

// keys returns requests from the pool, a different one for each certificate of a person.
func (l *lane) keys(p *population.Person, s *events.SubscriberState) *events.KeysGenerated {
	fact := &events.KeysGenerated{
		Obligation: obligation(s, events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS), Card: s.Open().Carrier.Card(),
	}
	for i, planned := range s.Open().Planned {
		request := l.requests[(p.Index+int(s.Revision)+i)%len(l.requests)]
		fact.Keys = append(fact.Keys, &events.KeyRequest{Kind: planned.Kind, Request: request})
	}
	return fact
}

func written(s *events.SubscriberState) *events.CardWritten {
	fact := &events.CardWritten{Obligation: obligation(s, events.ObligationKind_OBLIGATION_KIND_WRITE_CARD), Card: s.Open().Carrier.Card()}
	for _, c := range s.Certificates {
		if c.Procedure == s.Open().Id && c.Status == events.CertificateStatus_CERTIFICATE_STATUS_ISSUED && !c.Written {
			fact.Serials = append(fact.Serials, c.Serial)
			fact.CertificatesSha256 = append(fact.CertificatesSha256, c.CertificateSha256)
		}
	}
	return fact
}

// obligation returns the id of what the open application is owed, as a command would carry it.
func obligation(s *events.SubscriberState, kind events.ObligationKind) string {
	i := slices.IndexFunc(s.Obligations, func(o *events.Obligation) bool { return o.Kind == kind && o.Target == s.Open().Id })
	if i < 0 {
		return ""
	}
	return s.Obligations[i].Id
}
