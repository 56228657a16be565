package population

import (
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

const (
	opIssue   = events.Operation_OPERATION_ISSUE
	opRenew   = events.Operation_OPERATION_RENEW
	opReissue = events.Operation_OPERATION_REISSUE
)

// plan returns what the person will go to a counter for next.
func (p *Person) plan(s *events.SubscriberState, now time.Time) Act {
	if s.Ended || s.MovedOut {
		return Act{}
	}
	visits := p.visits(s)
	next := Act{}
	consider := func(act Act) {
		if act.At.After(now) && (next.At.IsZero() || act.At.Before(next.At)) {
			next = act
		}
	}
	for _, visit := range visits {
		consider(visit)
		consider(p.slip(visit))
	}
	consider(p.answer(s, visits, now))
	return next
}

// visits returns all visits that the state gives reason for, past ones too. People overseas have few reasons.
func (p *Person) visits(s *events.SubscriberState) []Act {
	var visits []Act
	for _, plan := range []func(*events.SubscriberState) Act{
		p.firstJuki, p.renewJuki, p.firstCard, p.collect, p.tooEarly, p.renew, p.lapsed, p.signAgain, p.signGrown, p.afterLoss,
		p.afterFound, p.afterFault, p.afterBlock, p.continueUse, p.extendCard, p.newAfterEnd,
	} {
		if act := plan(s); act.What != 0 && (!s.Overseas || act.Abroad) {
			visits = append(visits, act)
		}
	}
	return visits
}

func (p *Person) firstJuki(s *events.SubscriberState) Act {
	if p.Juki.IsZero() || s.Card != nil {
		return Act{}
	}
	at := arrival(p.dice("juki", 0), p.Juki)
	return p.apply(s, at, &events.ApplicationReceived{
		Operation: opIssue, Card: p.newCard(at) + "-juki", CardKind: events.CardKind_CARD_KIND_JUKI,
	})
}

// renewingJuki is the share of juki certificates that are renewed; ours: most were let go.
const renewingJuki = 0.5

func (p *Person) renewJuki(s *events.SubscriberState) Act {
	for _, c := range s.Certificates {
		if c.Regime != events.Regime_REGIME_JUKI || c.Status != valid || s.Card.GetKind() != events.CardKind_CARD_KIND_JUKI {
			continue
		}
		dice := p.dice("renew juki "+c.LastDay, 0)
		if dice.Float64() > renewingJuki {
			return Act{}
		}
		at := arrival(dice, date(c.LastDay).AddDays(-35+dice.IntN(25)))
		return p.apply(s, at, &events.ApplicationReceived{Operation: opRenew, Card: s.Card.Card, CardKind: s.Card.Kind})
	}
	return Act{}
}

// firstCard plans the factory's work of one night on the first My Number card.
func (p *Person) firstCard(s *events.SubscriberState) Act {
	if p.First.IsZero() || s.Card.GetKind() == myNumber {
		return Act{}
	}
	dice := p.dice("factory", 0)
	at := p.First.At(civil.Clock(0, 30)).Add(time.Duration(dice.IntN(2*3600)) * time.Second)
	act := p.from(at, Factory)
	act.What, act.Procedure = Apply, p.procedure(at)
	act.Application = &events.ApplicationReceived{
		Operation: events.Operation_OPERATION_FACTORY_ISSUE, Channel: events.Channel_CHANNEL_SELF, Card: p.newCard(at), CardKind: myNumber,
	}
	return act
}

// collect plans the hand-over at the office, some weeks after the factory's work; those who miss the day come a month
// later.
func (p *Person) collect(s *events.SubscriberState) Act {
	if s.Card.GetStatus() != events.CardStatus_CARD_STATUS_ASSIGNED || s.Card.GetKind() != myNumber || p.First.IsZero() {
		return Act{}
	}
	dice := p.dice("collect", 0)
	at := arrival(dice, p.First.AddDays(18+dice.IntN(30)))
	if s.RecordedMs > at.UnixMilli() && len(s.Letters) == 0 {
		at = arrival(dice, civil.Of(at).AddDays(28+dice.IntN(20)))
	}
	return p.apply(s, at, &events.ApplicationReceived{
		Operation: events.Operation_OPERATION_HAND_OVER, Card: s.Card.Card, CardKind: s.Card.Kind,
	})
}

// renewing is the share that renews inside the window, lateness the share of the others that comes afterwards, eager
// the share that comes before it; ours.
const renewing, lateness, eager = 0.83, 0.55, 0.02

// tooEarly plans a renewal before the window opens (law.md 4.2).
func (p *Person) tooEarly(s *events.SubscriberState) Act {
	c := p.living(s, kindAuth)
	if c == nil || c.WindowOpened || s.Card.GetStatus() != held {
		return Act{}
	}
	dice := p.dice("early "+c.LastDay, 0)
	if dice.Float64() > eager {
		return Act{}
	}
	at := arrival(dice, date(c.WindowOpens).AddDays(-10-dice.IntN(60)))
	return p.apply(s, at, &events.ApplicationReceived{Operation: opRenew, Card: s.Card.Card, CardKind: s.Card.Kind})
}

// renew plans the renewal inside the window: most come within weeks of the notice. A card that ends with its
// certificates is renewed with them.
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
	a := &events.ApplicationReceived{Operation: opRenew, Card: s.Card.Card, CardKind: s.Card.Kind}
	if s.Card.LastDay == c.LastDay {
		a.Card, a.TakenBack = p.newCard(at), s.Card.Card
	}
	act := p.apply(s, at, a)
	act.Abroad = !civil.Of(at).Before(abroadInRegister)
	return act
}

// lapsed plans the renewal after the last day, on a card that lives on.
func (p *Person) lapsed(s *events.SubscriberState) Act {
	if p.living(s, kindAuth) != nil || s.Card.GetStatus() != held || s.Card.GetKind() != myNumber {
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
		return p.apply(s, at, &events.ApplicationReceived{Operation: opRenew, Card: s.Card.Card, CardKind: s.Card.Kind})
	}
	return Act{}
}

// signAgain plans the new signature certificate after a change of name or address ended the old one: mostly on the same
// day, from overseas whenever one is needed.
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
		act := p.sign(s, arrival(dice, ended.AddDays(dice.IntN(12))))
		act.Abroad = !ended.Before(abroadInRegister)
		return act
	}
	return Act{}
}

// sign plans a signature certificate beside an existing authentication certificate.
func (p *Person) sign(s *events.SubscriberState, at time.Time) Act {
	return p.apply(s, at, &events.ApplicationReceived{
		Operation: opIssue, Card: s.Card.Card, CardKind: s.Card.Kind, Kinds: []events.CertificateKind{kindSign},
	})
}

// signGrown plans the first signature certificate of some who turn fifteen; nothing issues it by itself (law.md 2.2).
func (p *Person) signGrown(s *events.SubscriberState) Act {
	if p.Ward || p.living(s, kindSign) != nil || p.living(s, kindAuth) == nil || s.Card.GetStatus() != held {
		return Act{}
	}
	for _, c := range s.Certificates {
		if c.Kind == kindSign {
			return Act{}
		}
	}
	dice := p.dice("grown", 0)
	grown := p.Birth.AddYearsClamped(15)
	if dice.Float64() > 0.2 || !grown.After(p.First) {
		return Act{}
	}
	return p.sign(s, arrival(dice, grown.AddDays(1+dice.IntN(300))))
}

// continueUse plans bringing the card to the new municipality before the ninety days are over; one in ten forgets.
func (p *Person) continueUse(s *events.SubscriberState) Act {
	for _, d := range s.Deadlines {
		dice := p.dice("continue "+d.LastDay, 0)
		if d.Kind != events.DeadlineKind_DEADLINE_KIND_CARD_90 || s.Card.GetStatus() != held || dice.Float64() > 0.9 {
			continue
		}
		return p.apply(s, arrival(dice, date(d.LastDay).AddDays(-80+dice.IntN(70))), &events.ApplicationReceived{
			Operation: events.Operation_OPERATION_CONTINUE_USE, Card: s.Card.Card, CardKind: s.Card.Kind,
		})
	}
	return Act{}
}

// extendCard plans extending a foreign resident's card to the end of the new period of stay.
func (p *Person) extendCard(s *events.SubscriberState) Act {
	if !p.Foreign || s.Card.GetStatus() != held || s.Card.GetKind() != myNumber {
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
		return p.apply(s, at, &events.ApplicationReceived{
			Operation: events.Operation_OPERATION_EXTEND_CARD, Card: s.Card.Card, CardKind: s.Card.Kind,
		})
	}
	return Act{}
}
