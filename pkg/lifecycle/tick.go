package lifecycle

import (
	"slices"

	"shomei/events"
	"shomei/pkg/regime"
)

// tick does what the day brings, each thing once: windows open and notices fall due, statutory deadlines pass, cards
// and certificates expire. What was missed while nobody looked is caught up in the same commit.
func (d *decision) tick(c Tick) error {
	d.openWindows(c)
	if err := d.missDeadlines(c); err != nil {
		return err
	}
	if err := d.expire(c); err != nil {
		return err
	}
	return d.expireCard(c)
}

// openWindows opens the renewal windows that have come and owes one notice for certificates that end together.
func (d *decision) openWindows(c Tick) {
	var opened []*events.Certificate
	for _, held := range d.state.Certificates {
		opens := day(held.WindowOpens)
		if held.WindowOpened || opens.IsZero() || d.today().Before(opens) || held.Status != valid || day(held.LastDay).Before(d.today()) {
			continue
		}
		opened = append(opened, held)
	}
	for _, held := range opened {
		d.caused = day(held.WindowOpens).StartInstant()
		window := c.Switches.Window(lawRegime(held.Regime), day(held.LastDay))
		d.emit(&events.WindowOpened{Serial: held.Serial, Kind: held.Kind, LastDay: held.LastDay}, window.Rules...)
	}
	for len(opened) > 0 {
		last := opened[0].LastDay
		same := func(held *events.Certificate) bool { return held.LastDay == last }
		d.oweNotice(events.NoticeKind_NOTICE_KIND_EXPIRY, slices.DeleteFunc(slices.Clone(opened), func(held *events.Certificate) bool { return !same(held) }))
		opened = slices.DeleteFunc(opened, same)
	}
}

// missDeadlines ends what a statutory deadline ends once it has passed (domain.md 1.4.7).
func (d *decision) missDeadlines(c Tick) error {
	for _, deadline := range slices.Clone(d.state.Deadlines) {
		last := day(deadline.LastDay)
		if !last.Before(d.today()) {
			continue
		}
		d.caused = last.AddDays(1).StartInstant()
		d.emit(&events.DeadlineMissed{Kind: deadline.Kind, LastDay: deadline.LastDay})
		err := d.end(consequence{event: missedEvent(deadline.Kind), regime: regime.MyNumber, switches: c.Switches})
		if err != nil {
			return err
		}
	}
	return nil
}

func missedEvent(kind events.DeadlineKind) regime.Event {
	switch kind {
	case events.DeadlineKind_DEADLINE_KIND_MOVE_IN_14:
		return regime.EvLateMoveIn
	case events.DeadlineKind_DEADLINE_KIND_CARD_90:
		return regime.EvCardNotSubmitted
	default:
		return regime.EvNoMoveIn
	}
}

// expire records the end of the term. The effect does not wait for it: whoever asks on a later day reads the last day.
func (d *decision) expire(c Tick) error {
	var ended []*events.Certificate
	for _, held := range slices.Clone(d.state.Certificates) {
		if hasEnded(held) || held.Status == authorized || !day(held.LastDay).Before(d.today()) {
			continue
		}
		law, err := c.Switches.Consequences(regime.ConsequenceIn{
			Regime: lawRegime(held.Regime), Event: regime.EvTerm, On: d.today(), Chosen: []regime.Kind{lawKind(held.Kind)},
		})
		if err != nil {
			return err
		}
		d.caused = day(held.LastDay).AddDays(1).StartInstant()
		d.emit(&events.CertificateExpired{Serial: held.Serial, Kind: held.Kind, LastDay: held.LastDay}, law.Of(lawKind(held.Kind)).Rule)
		ended = append(ended, held)
	}
	if len(ended) > 0 {
		d.suppressPending(ended, "expired")
		if slices.ContainsFunc(ended, func(c *events.Certificate) bool { return c.Status == valid }) {
			d.oweNotice(events.NoticeKind_NOTICE_KIND_EXPIRED, ended)
		}
	}
	return nil
}

func (d *decision) expireCard(c Tick) error {
	held := d.state.Card
	if held == nil || held.LastDay == "" || !day(held.LastDay).Before(d.today()) || held.Status == events.CardStatus_CARD_STATUS_VOID ||
		held.Status == events.CardStatus_CARD_STATUS_EXPIRED {
		return nil
	}
	d.caused = day(held.LastDay).AddDays(1).StartInstant()
	return d.end(consequence{event: regime.EvCardTerm, regime: cardRegime(held.Kind), switches: c.Switches})
}
