package lifecycle

import (
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// tick does what has become due, each thing once: windows open and notices fall due, statutory deadlines pass, cards
// and certificates expire. Days that were missed are caught up in the same commit.
func (d *decision) tick(c Tick) error {
	d.openWindows(c)
	if err := d.missDeadlines(d.today(), c.Switches); err != nil {
		return err
	}
	if err := d.expire(c); err != nil {
		return err
	}
	return d.expireCards(c)
}

// catchUp calls do for what past days have brought, and then restores the times of the command.
func (d *decision) catchUp(do func() error) error {
	filed, caused := d.filed, d.caused
	defer func() { d.filed, d.caused = filed, caused }()
	d.filed = time.Time{}
	return do()
}

// openWindows opens the renewal windows that have come and owes one notice for certificates that end together. A window
// that opened and closed unseen is opened all the same: the expiry in the same commit suppresses its notice, so that
// every certificate near its end has one explained outcome.
func (d *decision) openWindows(c Tick) {
	var opened []*events.Certificate
	for _, held := range d.state.Certificates {
		opens := day(held.WindowOpens)
		if held.WindowOpened || opens.IsZero() || d.today().Before(opens) || held.Status != valid {
			continue
		}
		opened = append(opened, held)
	}
	var rules []string
	for _, held := range opened {
		d.caused = day(held.WindowOpens).StartInstant()
		window := c.Switches.Window(lawRegime(held.Regime), day(held.LastDay))
		rules = append(rules, window.Rules...)
		d.emit(&events.WindowOpened{Serial: held.Serial, Kind: held.Kind, LastDay: held.LastDay}, window.Rules...)
	}
	d.oweNotices(events.NoticeKind_NOTICE_KIND_EXPIRY, opened, rules...)
}

// missDeadlines ends what statutory deadlines that passed before a day end (law.md 8.7).
func (d *decision) missDeadlines(before civil.Date, switches regime.Switches) error {
	for _, deadline := range slices.Clone(d.state.Deadlines) {
		last := day(deadline.LastDay)
		if !last.Before(before) {
			continue
		}
		d.caused = last.AddDays(1).StartInstant()
		if err := d.pass(deadline, switches); err != nil {
			return err
		}
	}
	return nil
}

// pass handles a deadline that has passed: it was missed, or the day of a move has come.
func (d *decision) pass(deadline *events.Deadline, switches regime.Switches) error {
	m, ok := pendingMove(deadline)
	if !ok {
		return d.miss(deadline.Kind, deadline.LastDay, switches)
	}
	rules, err := d.moveRules(m, switches)
	if err != nil {
		return err
	}
	d.emit(&events.DeadlineMet{Kind: deadline.Kind}, append(rules, m.onItsDay())...)
	return d.leave(m, switches)
}

// miss records that a deadline passed or can't be kept, and ends what that ends.
func (d *decision) miss(kind events.DeadlineKind, lastDay string, switches regime.Switches, rules ...string) error {
	event := missedEvent(kind)
	law, err := switches.Consequences(regime.ConsequenceIn{Regime: regime.MyNumber, Event: event, On: d.today()})
	if err != nil {
		return err
	}
	d.emit(&events.DeadlineMissed{Kind: kind, LastDay: lastDay}, append(rules, law.Card.Rule)...)
	return d.end(consequence{event: event, regime: regime.MyNumber, switches: switches})
}

func missedEvent(kind events.DeadlineKind) regime.Event {
	switch kind {
	case events.DeadlineKind_DEADLINE_KIND_MOVE_IN_14:
		return regime.EvLateMoveIn
	case events.DeadlineKind_DEADLINE_KIND_CARD_90:
		return regime.EvCardNotSubmitted
	case events.DeadlineKind_DEADLINE_KIND_OVERSEAS_CALLED_OFF:
		return regime.EvOverseasKept
	default:
		return regime.EvNoMoveIn
	}
}

// expire records that certificates expired. Expiry does not wait for this record: the last day is enough.
func (d *decision) expire(c Tick) error {
	var ended, unrenewed []*events.Certificate
	var rules []string
	for _, held := range onCards(d.state) {
		if hasEnded(held) || held.Status == authorized || !day(held.LastDay).Before(d.today()) {
			continue
		}
		law, err := c.Switches.Consequences(regime.ConsequenceIn{
			Regime: lawRegime(held.Regime), Event: regime.EvTerm, On: d.today(), Chosen: []regime.Kind{lawKind(held.Kind)},
		})
		if err != nil {
			return err
		}
		if held.Status == valid {
			unrenewed = append(unrenewed, held)
		}
		d.caused = day(held.LastDay).AddDays(1).StartInstant()
		d.emit(&events.CertificateExpired{Serial: held.Serial, Kind: held.Kind, LastDay: held.LastDay}, law.Of(lawKind(held.Kind)).Rule)
		ended, rules = append(ended, held), append(rules, law.Of(lawKind(held.Kind)).Rule)
	}
	d.suppressPending(ended, "expired", rules...)
	d.oweNotices(events.NoticeKind_NOTICE_KIND_EXPIRED, unrenewed, rules...)
	return nil
}

// expireCards records that cards expired.
func (d *decision) expireCards(c Tick) error {
	for _, held := range []*events.HeldCard{d.state.Card, d.state.OldCard} {
		if held == nil || held.LastDay == "" || !day(held.LastDay).Before(d.today()) || held.Status == events.CardStatus_CARD_STATUS_VOID ||
			held.Status == events.CardStatus_CARD_STATUS_EXPIRED {
			continue
		}
		if err := d.expireCard(held, c.Switches); err != nil {
			return err
		}
	}
	return nil
}

func (d *decision) expireCard(held *events.HeldCard, switches regime.Switches) error {
	d.caused = day(held.LastDay).AddDays(1).StartInstant()
	var others []string
	for _, other := range cardsOf(d.state, cardRegime(held.Kind)) {
		if other.Card != held.Card {
			others = append(others, other.Card)
		}
	}
	err := d.end(consequence{event: regime.EvCardTerm, regime: cardRegime(held.Kind), spare: others, switches: switches})
	if err != nil {
		return err
	}
	return d.endOutliving(held, switches)
}

// endOutliving revokes certificates that would outlive an expired card, if the law ends them with it. They were issued
// when the card's term was longer: the period of stay has become shorter since (law.md 3.4).
func (d *decision) endOutliving(card *events.HeldCard, switches regime.Switches) error {
	law, err := switches.Consequences(regime.ConsequenceIn{Regime: cardRegime(card.Kind), Event: regime.EvCardTerm, On: d.today()})
	if err != nil || law.Sign.Effect != regime.Expire {
		return err
	}
	return d.end(consequence{event: regime.EvCardVoid, regime: cardRegime(card.Kind), onCard: card.Card, switches: switches})
}
