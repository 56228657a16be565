package population

import (
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// What is the kind of an act.
type What int

// What can happen next. Keys to Dropped continue the open application; Issue is the authority's part of it. Tick,
// Notice and Letter are what the centre does by itself.
const (
	Apply What = iota + 1
	Keys
	Issue
	Written
	WriteFailed
	Unblocked
	HandedOver
	Dropped
	Changed
	Lost
	Found
	Blocked
	Tick
	Notice
	Letter
)

// Act is what happens next to a person: a claim of a source, or what the hub does by itself (Issue, Tick, Notice, Letter).
type Act struct {
	At   time.Time
	What What
	// Source is the id of the source of the claim; empty for what the hub does.
	Source, Office string
	// Procedure is the id of the application, even of one waiting for the answer to a letter of inquiry.
	Procedure   string
	Application *events.ApplicationReceived
	Change      *events.RecordChangeNotified
	// Notice is the id of the notice or letter that was posted; Undelivered: it came back.
	Notice      string
	Undelivered bool
	// Pins are those that are blocked.
	Pins []events.PinKind
	// Repairable: writing the card failed and may be tried again.
	Repairable bool

	// Abroad is what a person living overseas may also ask for.
	Abroad bool
}

const (
	held      = events.CardStatus_CARD_STATUS_HELD
	suspended = events.CardStatus_CARD_STATUS_SUSPENDED
	valid     = events.CertificateStatus_CERTIFICATE_STATUS_VALID
	onHold    = events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED
	kindSign  = events.CertificateKind_CERTIFICATE_KIND_SIGN
	kindAuth  = events.CertificateKind_CERTIFICATE_KIND_AUTH
	myNumber  = events.CardKind_CARD_KIND_MYNUMBER
)

// Next returns what happens next to the person after an instant, given the log; false if nothing does before the end.
// Every plan is a fixed instant that follows from the state; once it has passed it is not planned again, so a refused
// application is not repeated for ever.
func (p *Person) Next(s *events.SubscriberState, now time.Time) (Act, bool) {
	if s.Open() != nil {
		return p.goOn(s), true
	}
	next := Act{}
	for _, plan := range []Act{p.notice(s), p.letter(s), p.tick(s, now), p.fate(s, now), p.plan(s, now)} {
		if plan.At.After(now) && (next.At.IsZero() || plan.At.Before(next.At)) {
			next = plan
		}
	}
	return next, !next.At.IsZero() && civil.Of(next.At).Before(p.of.To)
}

// What goes wrong at counters, by share of writings and of applications; ours.
const (
	writeRepairable = 0.012
	writeBroken     = 0.004
	droppedShare    = 0.002
)

// goOn plans the next step of the open application, minutes after the last: a hand-over takes about half an hour
// (figures.md 2).
func (p *Person) goOn(s *events.SubscriberState) Act {
	open, now := s.Open(), time.UnixMilli(s.RecordedMs)
	dice := p.dice(open.Id+open.Step, int64(open.Attempt))
	act := p.from(now, Counter)
	factory := open.Operation == events.Operation_OPERATION_FACTORY_ISSUE
	if factory {
		act.Source = p.Place(now).Source(Factory)
	}
	seconds, luck := 60+dice.IntN(180), dice.Float64()
	switch {
	case open.Step == "accepted" && len(open.Planned) > 0 && luck < droppedShare && !factory:
		act.What = Dropped
	case open.Step == "accepted" && len(open.Planned) > 0:
		act.What, seconds = Keys, 180+dice.IntN(600)
	case open.Step == "accepted" && len(open.Pins) > 0:
		act.What, seconds = Unblocked, 300+dice.IntN(900)
	case open.Step == "keys":
		act = Act{What: Issue}
		seconds = 1 + dice.IntN(3)
	case open.Step == "issued" && open.Attempt < 2 && luck < writeRepairable:
		act.What, act.Repairable = WriteFailed, true
	case open.Step == "issued" && luck > 1-writeBroken && !factory:
		act.What = WriteFailed
	case open.Step == "issued":
		act.What = Written
	default:
		act.What = HandedOver
	}
	act.Procedure, act.At = open.Id, now.Add(time.Duration(seconds)*time.Second)
	return act
}

func (p *Person) from(at time.Time, role string) Act {
	place := p.Place(at)
	return Act{At: at, Source: place.Source(role), Office: place.Office}
}

// notice returns when an owed notice has gone out; one in a hundred letters comes back.
func (p *Person) notice(s *events.SubscriberState) Act {
	if len(s.Notices) == 0 {
		return Act{}
	}
	id := s.Notices[0].Id
	dice := p.dice(id, 0)
	at := time.UnixMilli(s.RecordedMs).Add(time.Duration(3600+dice.IntN(3*3600)) * time.Second)
	return Act{At: at, What: Notice, Notice: id, Undelivered: !p.Mail && dice.Float64() < 0.01}
}

// letter returns when an owed letter of inquiry has been posted.
func (p *Person) letter(s *events.SubscriberState) Act {
	for _, l := range s.Letters {
		if !l.Mailed {
			at := time.UnixMilli(s.RecordedMs).Add(time.Duration(1800+p.dice(l.Procedure, 0).IntN(2*3600)) * time.Second)
			return Act{At: at, What: Letter, Notice: l.Id}
		}
	}
	return Act{}
}

// tick returns the next morning on which a date brings something by itself, by the same conditions as lifecycle.Tick.
func (p *Person) tick(s *events.SubscriberState, now time.Time) Act {
	due := dueOn(s)
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

// dueOn returns the first day on which a window opens or something has ended, or zero.
func dueOn(s *events.SubscriberState) (due civil.Date) {
	on := func(d civil.Date) {
		if !d.IsZero() && (due.IsZero() || d.Before(due)) {
			due = d
		}
	}
	for _, c := range s.Certificates {
		live := c.Status == valid || c.Status == onHold || c.Status == events.CertificateStatus_CERTIFICATE_STATUS_ISSUED
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
	return due
}

// fate returns the next thing that happens to the person whatever they plan.
func (p *Person) fate(s *events.SubscriberState, now time.Time) Act {
	if s.Ended && !p.comesBack(now) || s.Revision == 0 {
		return Act{}
	}
	for _, c := range p.changes {
		if !c.at.After(now) {
			continue
		}
		if c.visit == 0 {
			return p.changed(c)
		}
		if act := p.incident(s, c); act.What != 0 {
			return act
		}
	}
	return Act{}
}

// comesBack reports whether somebody whose record has ended will move in again.
func (p *Person) comesBack(now time.Time) bool {
	for _, c := range p.changes {
		if c.at.After(now) && c.what == events.RecordChange_RECORD_CHANGE_MOVE_IN {
			return true
		}
	}
	return false
}

// incident returns what an incident leads to in the present state: a card that is not held can't be lost or blocked,
// and only a lost one is found.
func (p *Person) incident(s *events.SubscriberState, c change) Act {
	holds := s.Card.GetStatus() == held && s.Card.GetKind() == myNumber && p.living(s, kindAuth) != nil
	switch {
	case c.visit == found && s.Card.GetStatus() == suspended:
		act := p.from(c.at, Counter)
		act.What = Found
		return act
	case c.visit == found || !holds:
		return Act{}
	case c.visit == lost:
		act := p.from(c.at, Telephone)
		act.What = Lost
		return act
	case c.visit == blocked:
		act := p.from(c.at, Counter)
		act.What, act.Pins = Blocked, p.forgotten(s, c.at)
		return act
	case c.visit == returned:
		return p.apply(s, c.at, &events.ApplicationReceived{
			Operation: events.Operation_OPERATION_RETURN_CARD, Card: s.Card.Card, CardKind: s.Card.Kind,
		})
	}
	return p.apply(s, c.at, &events.ApplicationReceived{
		Operation: events.Operation_OPERATION_REVOKE, Card: s.Card.Card, CardKind: s.Card.Kind, Kinds: p.livingKinds(s),
	})
}

// forgotten draws the PINs that a person has blocked.
func (p *Person) forgotten(s *events.SubscriberState, at time.Time) []events.PinKind {
	kinds := p.livingKinds(s)
	return []events.PinKind{events.PinKind(kinds[p.dice("forgotten", at.Unix()).IntN(len(kinds))])}
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

// living returns the certificate of a kind on the My Number card that is in force and not suspended.
func (p *Person) living(s *events.SubscriberState, kind events.CertificateKind) *events.Certificate {
	for _, c := range s.Certificates {
		if c.Kind == kind && c.Regime == events.Regime_REGIME_MYNUMBER && c.Status == valid {
			return c
		}
	}
	return nil
}

func (p *Person) livingKinds(s *events.SubscriberState) []events.CertificateKind {
	var kinds []events.CertificateKind
	for _, kind := range []events.CertificateKind{kindAuth, kindSign} {
		if p.living(s, kind) != nil {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// procedure returns the id of an application that the person makes at an instant.
func (p *Person) procedure(at time.Time) string {
	return fmt.Sprintf("simulated-%d-%d", p.Index, at.Unix())
}
