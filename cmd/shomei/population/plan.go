package population

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

const (
	opIssue = events.Operation_OPERATION_ISSUE
	opRenew = events.Operation_OPERATION_RENEW
)

// plan is what the person will go to a counter for next, as things stand.
func (p *Person) plan(s *events.SubscriberState, now time.Time) Act {
	if s.Ended || s.MovedOut {
		return Act{}
	}
	next := Act{}
	for _, plan := range []func(*events.SubscriberState) Act{
		p.firstJuki, p.renewJuki, p.firstCard, p.collect, p.renew, p.lapsed, p.signAgain, p.afterLoss, p.continueUse, p.extendCard, p.newAfterEnd,
	} {
		act := plan(s)
		if act.At.After(now) && (next.At.IsZero() || act.At.Before(next.At)) {
			next = act
		}
	}
	return next
}

func (p *Person) firstJuki(s *events.SubscriberState) Act {
	if p.Juki.IsZero() || s.Revision > 0 {
		return Act{}
	}
	at := arrival(p.dice("juki", 0), p.Juki)
	return p.apply(at, &events.ApplicationReceived{Operation: opIssue, Card: p.newCard(at) + "-juki", CardKind: events.CardKind_CARD_KIND_JUKI})
}

func (p *Person) renewJuki(s *events.SubscriberState) Act {
	for _, c := range s.Certificates {
		if c.Regime != events.Regime_REGIME_JUKI || c.Status != valid || s.Card.GetKind() != events.CardKind_CARD_KIND_JUKI {
			continue
		}
		last := date(c.LastDay)
		dice := p.dice("renew juki "+c.LastDay, 0)
		if dice.Float64() > 0.5 {
			return Act{}
		}
		at := arrival(dice, last.AddDays(-35+dice.IntN(25)))
		return p.apply(at, &events.ApplicationReceived{Operation: opRenew, Card: s.Card.Card, CardKind: s.Card.Kind})
	}
	return Act{}
}

// firstCard is the factory's work of one night on the first My Number card.
func (p *Person) firstCard(s *events.SubscriberState) Act {
	if p.First.IsZero() || s.Card.GetKind() == events.CardKind_CARD_KIND_MYNUMBER {
		return Act{}
	}
	dice := p.dice("factory", 0)
	at := p.First.At(civil.Clock(0, 30)).Add(time.Duration(dice.IntN(2*3600)) * time.Second)
	act := p.from(at, Factory)
	act.What = Apply
	act.Application = &events.ApplicationReceived{
		Operation: events.Operation_OPERATION_FACTORY_ISSUE, Channel: events.Channel_CHANNEL_SELF, Card: p.newCard(at),
		CardKind: events.CardKind_CARD_KIND_MYNUMBER,
	}
	return act
}

// collect is the hand-over at the office, some weeks after the factory's work.
func (p *Person) collect(s *events.SubscriberState) Act {
	if s.Card.GetStatus() != events.CardStatus_CARD_STATUS_ASSIGNED || p.First.IsZero() {
		return Act{}
	}
	dice := p.dice("collect", 0)
	return p.apply(arrival(dice, p.First.AddDays(18+dice.IntN(30))), &events.ApplicationReceived{
		Operation: events.Operation_OPERATION_HAND_OVER, Card: s.Card.Card, CardKind: s.Card.Kind,
	})
}

// renewing is the share that renews inside the window, lateness the share of the others that comes afterwards.
const renewing, lateness = 0.83, 0.55

// renew is the renewal inside the window: most come within weeks of the notice. A card that ends with its certificates
// is renewed with them.
func (p *Person) renew(s *events.SubscriberState) Act {
	c := p.living(s, kindAuth)
	if c == nil || !c.WindowOpened || s.Card.GetStatus() != held {
		return Act{}
	}
	dice := p.dice("renew "+c.LastDay, 0)
	if dice.Float64() > renewing {
		return Act{}
	}
	opens, last := date(c.WindowOpens), date(c.LastDay)
	days := min(8+int(dice.ExpFloat64()*25), max(1, opens.DaysUntil(last)-4))
	at := arrival(dice, opens.AddDays(days))
	return p.apply(at, p.renewal(s, at, c.LastDay))
}

func (p *Person) renewal(s *events.SubscriberState, at time.Time, last string) *events.ApplicationReceived {
	a := &events.ApplicationReceived{Operation: opRenew, Card: s.Card.Card, CardKind: s.Card.Kind}
	if s.Card.LastDay == last {
		a.Card, a.TakenBack = p.newCard(at), s.Card.Card
	}
	return a
}

// lapsed is the renewal after the last day, on a card that lives on.
func (p *Person) lapsed(s *events.SubscriberState) Act {
	if p.living(s, kindAuth) != nil || s.Card.GetStatus() != held || s.Card.GetKind() != events.CardKind_CARD_KIND_MYNUMBER {
		return Act{}
	}
	for _, c := range s.Certificates {
		if c.Kind != kindAuth || c.Status != events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED {
			continue
		}
		dice := p.dice("lapsed "+c.LastDay, 0)
		if dice.Float64() > lateness {
			continue
		}
		at := arrival(dice, date(c.LastDay).AddDays(2+int(dice.ExpFloat64()*90)))
		return p.apply(at, &events.ApplicationReceived{Operation: opRenew, Card: s.Card.Card, CardKind: s.Card.Kind})
	}
	return Act{}
}

// signAgain is the new signature certificate after a change of name or address took the old one: mostly on the same day.
func (p *Person) signAgain(s *events.SubscriberState) Act {
	if p.living(s, kindSign) != nil || p.living(s, kindAuth) == nil || s.Card.GetStatus() != held {
		return Act{}
	}
	for _, c := range s.Certificates {
		if c.Kind != kindSign || c.Reason != events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED {
			continue
		}
		dice := p.dice("sign again", c.EndedMs)
		if dice.Float64() > 0.75 {
			continue
		}
		ended := civil.Of(time.UnixMilli(c.EndedMs))
		if s.MovedOn != "" && date(s.MovedOn).After(ended) {
			ended = date(s.MovedOn)
		}
		return p.apply(arrival(dice, ended.AddDays(dice.IntN(12))), &events.ApplicationReceived{
			Operation: opIssue, Card: s.Card.Card, CardKind: s.Card.Kind, Kinds: []events.CertificateKind{kindSign},
		})
	}
	return Act{}
}

// afterLoss is the new card and certificates for a card that was reported lost.
func (p *Person) afterLoss(s *events.SubscriberState) Act {
	if s.Card.GetStatus() != events.CardStatus_CARD_STATUS_SUSPENDED {
		return Act{}
	}
	for _, c := range s.Certificates {
		if c.SuspendedMs == 0 {
			continue
		}
		dice := p.dice("after loss", c.SuspendedMs)
		at := arrival(dice, civil.Of(time.UnixMilli(c.SuspendedMs)).AddDays(10+dice.IntN(30)))
		return p.apply(at, &events.ApplicationReceived{
			Operation: events.Operation_OPERATION_REISSUE, Card: p.newCard(at), CardKind: s.Card.Kind, Cause: "loss",
		})
	}
	return Act{}
}

// continueUse brings the card to the new municipality before the ninety days are over; one in ten forgets.
func (p *Person) continueUse(s *events.SubscriberState) Act {
	for _, d := range s.Deadlines {
		dice := p.dice("continue "+d.LastDay, 0)
		if d.Kind != events.DeadlineKind_DEADLINE_KIND_CARD_90 || s.Card.GetStatus() != held || dice.Float64() > 0.9 {
			continue
		}
		return p.apply(arrival(dice, date(d.LastDay).AddDays(-80+dice.IntN(70))), &events.ApplicationReceived{
			Operation: events.Operation_OPERATION_CONTINUE_USE, Card: s.Card.Card, CardKind: s.Card.Kind,
		})
	}
	return Act{}
}

// extendCard gives the card of a foreign resident the end of the new period of stay.
func (p *Person) extendCard(s *events.SubscriberState) Act {
	if !p.Foreign || s.Card.GetStatus() != held || s.Card.GetKind() != events.CardKind_CARD_KIND_MYNUMBER {
		return Act{}
	}
	for _, c := range p.changes {
		if c.stay.IsZero() || !date(s.Card.LastDay).Before(c.stay) {
			continue
		}
		at := arrival(p.dice("extend", c.at.Unix()), civil.Of(c.at))
		if civil.Of(at).After(date(s.Card.LastDay)) || at.UnixMilli() <= s.RecordedMs {
			continue
		}
		return p.apply(at, &events.ApplicationReceived{
			Operation: events.Operation_OPERATION_EXTEND_CARD, Card: s.Card.Card, CardKind: s.Card.Kind,
		})
	}
	return Act{}
}

// newAfterEnd is another card, months after the last one ended without being renewed.
func (p *Person) newAfterEnd(s *events.SubscriberState) Act {
	status := s.Card.GetStatus()
	if status != events.CardStatus_CARD_STATUS_VOID && status != events.CardStatus_CARD_STATUS_EXPIRED ||
		s.Card.GetKind() != events.CardKind_CARD_KIND_MYNUMBER || p.Foreign {
		return Act{}
	}
	var ended int64
	for _, c := range s.Certificates {
		ended = max(ended, c.EndedMs)
	}
	dice := p.dice("after end", ended)
	if ended == 0 || dice.Float64() > 0.6 {
		return Act{}
	}
	at := arrival(dice, civil.Of(time.UnixMilli(ended)).AddDays(20+int(dice.ExpFloat64()*120)))
	return p.apply(at, &events.ApplicationReceived{Operation: opIssue, Card: p.newCard(at), CardKind: s.Card.Kind})
}
