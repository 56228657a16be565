package population

import (
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// What is the kind of an act.
type What int

// What can happen next. Keys to HandedOver go on with the open application; Issue is the authority's part of it.
const (
	Apply What = iota + 1
	Keys
	Issue
	Written
	Unblocked
	HandedOver
	Changed
	Lost
	Tick
	Notice
)

// Act is what happens next to a person: a claim of a source, or what the hub does by itself (Issue, Tick, Notice).
type Act struct {
	At   time.Time
	What What
	// Source is the id of the source that claims it; empty for what the hub does.
	Source, Office string
	Application    *events.ApplicationReceived
	Change         *events.RecordChangeNotified
	// Notice is the id of the notice that has been posted.
	Notice string
}

const (
	held      = events.CardStatus_CARD_STATUS_HELD
	valid     = events.CertificateStatus_CERTIFICATE_STATUS_VALID
	suspended = events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED
	kindSign  = events.CertificateKind_CERTIFICATE_KIND_SIGN
	kindAuth  = events.CertificateKind_CERTIFICATE_KIND_AUTH
)

// Next gives what happens to the person after an instant, as the log stands; false when nothing does before the end.
// Every plan is a fixed instant that follows from the state; once it has passed it is not planned again, so an
// application that was refused is not repeated for ever.
func (p *Person) Next(s *events.SubscriberState, now time.Time) (Act, bool) {
	if s.Procedure != nil {
		return p.goOn(s), true
	}
	next := Act{}
	for _, plan := range []Act{p.notice(s), p.tick(s, now), p.fate(s, now), p.plan(s, now)} {
		if plan.At.After(now) && (next.At.IsZero() || plan.At.Before(next.At)) {
			next = plan
		}
	}
	return next, !next.At.IsZero() && civil.Of(next.At).Before(p.until)
}

// goOn is the next step of the open application, minutes after the last.
func (p *Person) goOn(s *events.SubscriberState) Act {
	open, now := s.Procedure, time.UnixMilli(s.RecordedMs)
	dice := p.dice(open.Id+open.Step, 0)
	act := p.from(now, Counter)
	seconds := 60 + dice.IntN(180)
	switch {
	case open.Step == "accepted" && len(open.Planned) > 0:
		act.What, seconds = Keys, 120+dice.IntN(300)
	case open.Step == "accepted" && len(open.Pins) > 0:
		act.What = Unblocked
	case open.Step == "keys":
		act = Act{What: Issue}
		seconds = 1 + dice.IntN(3)
	case open.Step == "issued":
		act.What = Written
	default:
		act.What = HandedOver
	}
	if open.Operation == events.Operation_OPERATION_FACTORY_ISSUE && act.Source != "" {
		act.Source = p.Place(now).Source(Factory)
	}
	act.At = now.Add(time.Duration(seconds) * time.Second)
	return act
}

func (p *Person) from(at time.Time, role string) Act {
	place := p.Place(at)
	return Act{At: at, Source: place.Source(role), Office: place.Office}
}

// notice is when a notice that is owed has gone by post.
func (p *Person) notice(s *events.SubscriberState) Act {
	if len(s.Notices) == 0 {
		return Act{}
	}
	id := s.Notices[0].Id
	return Act{At: time.UnixMilli(s.RecordedMs).Add(time.Duration(3600+p.dice(id, 0).IntN(3*3600)) * time.Second), What: Notice, Notice: id}
}

// tick is the next morning on which a date brings something by itself, by the same conditions as lifecycle.Tick.
func (p *Person) tick(s *events.SubscriberState, now time.Time) Act {
	var due civil.Date
	on := func(d civil.Date) {
		if !d.IsZero() && (due.IsZero() || d.Before(due)) {
			due = d
		}
	}
	for _, c := range s.Certificates {
		live := c.Status == valid || c.Status == suspended || c.Status == events.CertificateStatus_CERTIFICATE_STATUS_ISSUED
		if c.Status == valid && !c.WindowOpened {
			on(date(c.WindowOpens))
		}
		if live {
			on(date(c.LastDay).AddDays(1))
		}
	}
	for _, d := range s.Deadlines {
		on(date(d.LastDay).AddDays(1))
	}
	if c := s.Card; c.GetLastDay() != "" && c.Status != events.CardStatus_CARD_STATUS_VOID && c.Status != events.CardStatus_CARD_STATUS_EXPIRED {
		on(date(c.LastDay).AddDays(1))
	}
	if due.IsZero() {
		return Act{}
	}
	morning := func(day civil.Date) time.Time {
		return day.At(civil.Clock(3, 0)).Add(time.Duration(p.dice("tick", 0).IntN(3600)) * time.Second)
	}
	at := morning(due)
	if !at.After(now) {
		at = morning(civil.Of(now).AddDays(1))
	}
	return Act{At: at, What: Tick}
}

// fate is the next thing that happens to the person whatever they do; a card that is not held can't be lost or blocked.
func (p *Person) fate(s *events.SubscriberState, now time.Time) Act {
	if s.Ended || s.Revision == 0 {
		return Act{}
	}
	for _, c := range p.changes {
		if !c.at.After(now) || (c.loss || c.blocked) && (s.Card.GetStatus() != held || p.living(s, kindAuth) == nil) {
			continue
		}
		if c.loss {
			act := p.from(c.at, Telephone)
			act.What = Lost
			return act
		}
		if c.blocked {
			return p.apply(c.at, &events.ApplicationReceived{Operation: events.Operation_OPERATION_UNBLOCK, Card: s.Card.Card, CardKind: s.Card.Kind})
		}
		return p.changed(c)
	}
	return Act{}
}

func (p *Person) changed(c change) Act {
	act := p.from(c.at, Register)
	caused := c.caused
	if caused.IsZero() {
		caused = civil.Of(c.at).AddDays(-p.dice("caused", c.at.Unix()).IntN(7))
	}
	act.What = Changed
	act.Change = &events.RecordChangeNotified{Change: c.what, CausedOn: caused.String(), KeepUsing: c.keep}
	if !c.planned.IsZero() {
		act.Change.PlannedOn = c.planned.String()
	}
	return act
}

// apply is an application of the person, or for a child of the parent, with all that has to be shown.
func (p *Person) apply(at time.Time, a *events.ApplicationReceived) Act {
	act := p.from(at, Counter)
	act.What, act.Application = Apply, a
	a.Channel = events.Channel_CHANNEL_SELF
	a.Documents = append(a.Documents, "application-form", "photo-id:current-address", "handover-notice")
	if civil.CompletedAge(p.Birth, civil.Of(at)) < 15 {
		a.Channel = events.Channel_CHANNEL_LEGAL_REPRESENTATIVE
		a.Documents = append(a.Documents, "proof-of-representation", "proxy-photo-id")
	}
	if a.Cause != "loss" {
		a.Documents = append(a.Documents, "card")
	}
	return act
}

// living is the certificate of a kind on the My Number card that is in force and not suspended.
func (p *Person) living(s *events.SubscriberState, kind events.CertificateKind) *events.Certificate {
	for _, c := range s.Certificates {
		if c.Kind == kind && c.Regime == events.Regime_REGIME_MYNUMBER && c.Status == valid {
			return c
		}
	}
	return nil
}

// newCard names a card by its holder and the day it was applied for.
func (p *Person) newCard(at time.Time) string {
	return fmt.Sprintf("simulated-%d-%s", p.Index, at.In(civil.Tokyo).Format("20060102"))
}

func date(text string) civil.Date {
	d, err := civil.Parse(text)
	if err != nil {
		return civil.Date{}
	}
	return d
}
