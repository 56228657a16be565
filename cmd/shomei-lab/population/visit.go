package population

import (
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// Ways of applying other than in person with photo ID, by share of applications; ours. Most people represented by
// mandate are old.
const (
	wayNoPhoto    = 0.025
	wayMandate    = 0.012
	wayMandateOld = 0.06 // of those over 75
	wayNotice     = 0.06 // of renewals in the window
	pinsMatch     = 0.85 // of the envelopes that come with them
	answered      = 0.88 // of the letters of inquiry
)

// apply returns an application by the person, or by who acts for them, with everything that must be shown. People
// without photo ID, or who send somebody, get a letter of inquiry first and come again (law.md 5.1, 5.3).
func (p *Person) apply(s *events.SubscriberState, at time.Time, a *events.ApplicationReceived) Act {
	act := p.from(at, Counter)
	act.What, act.Application, act.Procedure = Apply, a, p.procedure(at)
	a.Channel = events.Channel_CHANNEL_SELF
	a.Documents = append(a.Documents, "application-form", "handover-notice")
	if a.Cause != "loss" && a.Cause != "fault" {
		a.Documents = append(a.Documents, "card")
	}
	if p.represented(at) {
		a.Channel = events.Channel_CHANNEL_LEGAL_REPRESENTATIVE
		a.Documents = append(a.Documents, "proof-of-representation", "proxy-photo-id")
		return act
	}
	switch dice := p.dice("way", at.Unix()); {
	case a.Operation == events.Operation_OPERATION_RENEW && inWindow(s) && dice.Float64() < wayNotice:
		a.Channel, a.NoticeAnswer, a.PinsMatch = events.Channel_CHANNEL_PROXY, true, dice.Float64() < pinsMatch
		a.Documents = append(a.Documents, "notice-answer", "proxy-photo-id")
	case slices.Contains(byLetter, a.Operation) && dice.Float64() < p.mandates(at):
		sendProxy(a)
	case slices.Contains(byLetter, a.Operation) && dice.Float64() < wayNoPhoto:
	default:
		a.Documents = append(a.Documents, "photo-id:current-address")
	}
	return act
}

// byLetter are the operations for which people also come without photo ID or send somebody.
var byLetter = []events.Operation{
	events.Operation_OPERATION_ISSUE, events.Operation_OPERATION_RENEW, events.Operation_OPERATION_REISSUE,
	events.Operation_OPERATION_HAND_OVER,
}

func (p *Person) mandates(at time.Time) float64 {
	if civil.AgeDuring(p.Birth, civil.Of(at)) > 75 {
		return wayMandateOld
	}
	return wayMandate
}

func sendProxy(a *events.ApplicationReceived) {
	a.Channel, a.NoticeAnswer, a.PinsMatch = events.Channel_CHANNEL_PROXY, false, false
	a.Documents = append(a.Documents, "mandate:registered-seal", "seal-certificate", "proxy-photo-id")
}

// inWindow reports whether the expiry notice has come with which somebody else may renew.
func inWindow(s *events.SubscriberState) bool {
	return slices.ContainsFunc(s.Certificates, func(c *events.Certificate) bool { return c.WindowOpened && c.Status == valid })
}

// answer plans the second visit, with the answer form of the letter of inquiry posted for the first; some bring the
// form of another letter before they find the right one, and some never do.
func (p *Person) answer(s *events.SubscriberState, visits []Act, now time.Time) Act {
	for _, l := range s.Letters {
		dice := p.dice("answer "+l.Procedure, 0)
		first := slices.IndexFunc(visits, func(v Act) bool { return v.Procedure == l.Procedure })
		if !l.Mailed || first < 0 || dice.Float64() > answered {
			continue
		}
		act := visits[first]
		at := arrival(dice, civil.Of(act.At).AddDays(8+dice.IntN(15)))
		letter := l.Id
		if wrong := at.Add(-48 * time.Hour); dice.Float64() < 0.05 && wrong.After(now) && office.Open("", wrong).Open {
			at, letter = wrong, strings.Repeat("x", len(l.Id))
		}
		place := p.from(at, Counter)
		act.At, act.Source, act.Office = at, place.Source, place.Office
		if act.Application.NoticeAnswer {
			sendProxy(act.Application)
		}
		act.Application.Documents = append(act.Application.Documents, "inquiry-answer:"+letter, "other-id")
		return act
	}
	return Act{}
}

// slips is the share of visits that fail once before they succeed; ours. 1 in 16 or so is refused first.
const slips = 0.065

// slip returns a failing visit some days before one that succeeds: after hours, at the wrong office, without the card,
// with an ID that bears the former address, without the parent, or for more than the card can hold.
func (p *Person) slip(visit Act) Act {
	dice := p.dice("slip", visit.At.Unix())
	if visit.Application == nil || visit.Application.Operation == events.Operation_OPERATION_FACTORY_ISSUE || dice.Float64() > slips {
		return Act{}
	}
	at := arrival(dice, civil.Of(visit.At).AddDays(-1-dice.IntN(5)))
	act := p.from(at, Counter)
	act.What = Apply
	a := copyOf(visit.Application)
	switch kind := dice.IntN(6); {
	case kind == 0:
		at = civil.Of(at).At(civil.Clock(17, 0)).Add(time.Duration(dice.IntN(25*60)) * time.Second)
	case kind == 1:
		other := Places[dice.IntN(len(Places))]
		act.Source, act.Office = other.Source(Counter), other.Office
	case kind == 2 && p.represented(at):
		a.Channel, a.Documents = events.Channel_CHANNEL_SELF, []string{"application-form", "card", "handover-notice", "photo-id:current-address"}
	case kind == 3 && len(a.Kinds) == 1 && a.Kinds[0] == kindSign:
		a.Kinds = nil
	case kind == 4 && slices.Contains(a.Documents, "photo-id:current-address"):
		swap(a.Documents, "photo-id:current-address", "photo-id")
	default:
		a.Documents = slices.DeleteFunc(a.Documents, func(d string) bool { return d == "card" || d == "handover-notice" })
	}
	if at.After(visit.At.Add(-time.Hour)) {
		return Act{}
	}
	act.At, act.Application, act.Procedure = at, a, p.procedure(at)
	return act
}

func swap(documents []string, old, other string) {
	if i := slices.Index(documents, old); i >= 0 {
		documents[i] = other
	}
}

// copyOf gives an application with lists of its own.
func copyOf(a *events.ApplicationReceived) *events.ApplicationReceived {
	return &events.ApplicationReceived{
		Operation: a.Operation, Channel: a.Channel, Kinds: slices.Clone(a.Kinds), Documents: slices.Clone(a.Documents), Card: a.Card,
		CardKind: a.CardKind, Express: a.Express, Cause: a.Cause, Pins: a.Pins, NoticeAnswer: a.NoticeAnswer,
		TakenBack: a.TakenBack, PinsMatch: a.PinsMatch,
	}
}
