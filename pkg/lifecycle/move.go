package lifecycle

import (
	"slices"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// move is a move out of the municipality, within Japan or overseas. It takes effect on its day: until then the holder
// lives here (law.md 8.4, 8.5).
type move struct {
	event   regime.Event // EvMoveOut or EvOverseas
	on      civil.Date
	keepUse bool       // continued use overseas was applied for
	filed   civil.Date // when that was; zero: in time
	foreign bool
	ahead   bool // its day is yet to come
}

// kind is the deadline as which the move waits for its day.
func (m move) kind() events.DeadlineKind {
	switch {
	case m.event == regime.EvMoveOut:
		return events.DeadlineKind_DEADLINE_KIND_MOVE_OUT
	case m.keepUse:
		return events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT
	}
	return events.DeadlineKind_DEADLINE_KIND_OVERSEAS
}

// moveThatWaits is the move that a deadline stands for, if it stands for one.
func moveThatWaits(d *events.Deadline) (move, bool) {
	m := move{event: regime.EvOverseas, on: day(d.LastDay).AddDays(1)}
	switch d.Kind {
	case events.DeadlineKind_DEADLINE_KIND_MOVE_OUT:
		m.event = regime.EvMoveOut
	case events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT:
		m.keepUse = true
	case events.DeadlineKind_DEADLINE_KIND_OVERSEAS:
	default:
		return move{}, false
	}
	return m, true
}

// onItsDay is the rule by which the move waits for its day.
func (m move) onItsDay() string {
	if m.event == regime.EvMoveOut {
		return regime.MoveOnItsDay
	}
	return regime.OverseasOnItsDay
}

// asked is what the law is asked about the move.
func (m move) asked(r regime.Regime) regime.ConsequenceIn {
	return regime.ConsequenceIn{
		Regime: r, Event: m.event, On: m.on, ContinuedUse: m.keepUse, Filed: m.filed, Foreign: m.foreign,
	}
}

// moveOf is the move that a change of the record tells of; before is the state before it. Continued use that was applied
// for in time stays so when the register tells of the move once more on its day.
func (d *decision) moveOf(c ChangeRecord, before *events.SubscriberState) move {
	m := move{event: recordEvents[c.Change], on: day(c.PlannedOn), filed: civil.Of(d.filed), foreign: c.Foreign}
	if m.on.IsZero() {
		m.on = day(c.CausedOn)
	}
	if m.on.IsZero() {
		m.on = m.filed
	}
	m.ahead = m.on.After(d.today())
	if m.event == regime.EvOverseas {
		m.keepUse = c.KeepUsing || before.Continued && !m.ahead
	}
	if before.Continued && !m.ahead {
		m.filed = civil.Date{}
	}
	return m
}

// leaves ends what a move ends: at once when its day has come, otherwise on its day. Every certificate in force by then
// is meant, also one issued meanwhile, so the day is waited for even when nothing is held.
func (d *decision) leaves(c ChangeRecord, before *events.SubscriberState) error {
	m := d.moveOf(c, before)
	d.dropMove()
	if err := d.leaveOrWait(m, c.Switches); err != nil {
		return err
	}
	if m.event == regime.EvMoveOut && d.holdsMyNumber() {
		d.setDeadline(events.DeadlineKind_DEADLINE_KIND_MOVE_IN_30, m.on, c.Switches.MoveInWithin30Days(m.on, c.Office.Office))
	}
	return nil
}

func (d *decision) leaveOrWait(m move, switches regime.Switches) error {
	if !m.ahead {
		return d.leave(m, switches)
	}
	rules, err := d.moveRules(m, switches)
	if err != nil {
		return err
	}
	m.keepUse = m.keepUse && !m.foreign
	d.emit(&events.DeadlineSet{
		Kind: m.kind(), StartsOn: civil.Of(d.filed).String(), Statutory: m.on.String(), LastDay: m.on.AddDays(-1).String(),
	}, append(rules, m.onItsDay())...)
	if m.event == regime.EvMoveOut && switches.MoveOutEndsAtFiling {
		return d.endMoved(m, switches)
	}
	return nil
}

// moveRules are the rules by which the move ends something, under every regime of which something is held.
func (d *decision) moveRules(m move, switches regime.Switches) (rules []string, err error) {
	for _, r := range d.regimesHeld() {
		law, err := switches.Consequences(m.asked(r))
		if err != nil {
			return nil, err
		}
		rules = append(rules, law.Rules...)
	}
	return rules, nil
}

// leave ends what a move ends on its day. Moving on before the card was submitted ends it like a missed deadline.
func (d *decision) leave(m move, switches regime.Switches) error {
	if err := d.endMoved(m, switches); err != nil {
		return err
	}
	if owed := d.deadline(events.DeadlineKind_DEADLINE_KIND_CARD_90); owed != nil && m.event == regime.EvMoveOut {
		return d.miss(owed.Kind, owed.LastDay, switches)
	}
	return nil
}

// endMoved ends certificates, cards and applications by a move.
func (d *decision) endMoved(m move, switches regime.Switches) error {
	for _, r := range d.regimesHeld() {
		if err := d.end(consequence{event: m.event, regime: r, move: &m, switches: switches}); err != nil {
			return err
		}
	}
	d.withdrawOutdated(m.event, switches)
	return nil
}

// dropMove forgets a move that was notified and is not to come as it was.
func (d *decision) dropMove(rules ...string) {
	for _, deadline := range slices.Clone(d.state.Deadlines) {
		if m, waits := moveThatWaits(deadline); waits {
			d.emit(&events.DeadlineMet{Kind: deadline.Kind}, append(rules, m.onItsDay())...)
		}
	}
}

// stays calls a move off: it ends nothing any more, and its deadlines stop. A card for which continued use overseas was
// applied for becomes void unless that is undone, with the calling off or by the day before the move (law.md 8.5).
func (d *decision) stays(c ChangeRecord, before *events.SubscriberState) error {
	d.dropMove(regime.MoveCalledOff)
	if chain := d.deadline(events.DeadlineKind_DEADLINE_KIND_MOVE_IN_30); chain != nil {
		d.emit(&events.DeadlineMet{Kind: chain.Kind}, regime.MoveCalledOff)
	}
	if !before.Continued || c.KeepUsing || !d.holdsMyNumber() {
		return nil
	}
	last := day(before.LeftOn).AddDays(-1)
	if last.Before(d.today()) {
		return d.miss(events.DeadlineKind_DEADLINE_KIND_OVERSEAS_CALLED_OFF, last.String(), c.Switches, regime.UndoContinuedUse)
	}
	d.emit(&events.DeadlineSet{
		Kind: events.DeadlineKind_DEADLINE_KIND_OVERSEAS_CALLED_OFF, StartsOn: civil.Of(d.filed).String(),
		Statutory: last.String(), LastDay: last.String(),
	}, regime.UndoContinuedUse)
	return nil
}

// overseasMove is the move overseas, filed without continued use, that an application for continued use is about: one that
// waits for its day, or one that has made the card void.
func (a *application) overseasMove() (m move, known bool) {
	on := day(a.state.LeftOn)
	if waits := a.deadline(events.DeadlineKind_DEADLINE_KIND_OVERSEAS); waits != nil {
		m, known = moveThatWaits(waits)
	} else if a.state.Card.GetCause() == string(regime.EvOverseas) && !on.IsZero() {
		m, known = move{event: regime.EvOverseas, on: on}, true
	}
	m.keepUse, m.filed, m.foreign, m.ahead = true, a.day, a.Person.Foreign, true
	return m, known
}

// judgeContinuedUse asks whether there is anything to go on with: a card that has yet to be submitted, or a move overseas for
// which continued use is applied for by the day before (law.md 8.5).
func (a *application) judgeContinuedUse() {
	m, overseas := a.overseasMove()
	switch law, err := a.Switches.Consequences(m.asked(a.regime)); {
	case overseas && err == nil && law.Card.Effect == regime.Void:
		a.ruling.Refuse(law.Card.Rule)
	case !overseas && len(a.owesCard()) == 0:
		a.ruling.Refuse(regime.NothingHeld)
	}
}

// keepUseOverseas lets the card outlive the move overseas that waits for its day.
func (a *application) keepUseOverseas() error {
	m, overseas := a.overseasMove()
	if !overseas {
		return nil
	}
	a.dropMove()
	return a.leaveOrWait(m, a.Switches)
}

// goesOverseas reports whether the holder is to move overseas with continued use and has not left yet.
func (d *decision) goesOverseas() bool {
	return d.deadline(events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT) != nil
}

// owesCard are the deadlines by which the card has yet to be submitted.
func (d *decision) owesCard() []events.DeadlineKind {
	var owed []events.DeadlineKind
	for _, deadline := range d.state.Deadlines {
		switch deadline.Kind {
		case events.DeadlineKind_DEADLINE_KIND_CARD_90, events.DeadlineKind_DEADLINE_KIND_OVERSEAS_CALLED_OFF:
			owed = append(owed, deadline.Kind)
		}
	}
	return owed
}

// submitCard meets the deadlines for submitting the card.
func (d *decision) submitCard(rules ...string) {
	for _, kind := range d.owesCard() {
		d.emit(&events.DeadlineMet{Kind: kind}, rules...)
	}
}
