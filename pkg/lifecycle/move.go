package lifecycle

import (
	"slices"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// move is a move out of the municipality, within Japan or overseas. It takes effect on its day; until then the holder
// is a resident (law.md 8.4, 8.5).
type move struct {
	event   regime.Event // EvMoveOut or EvOverseas
	on      civil.Date
	keepUse bool       // continued use overseas was applied for
	filed   civil.Date // when that was; zero: in time
	foreign bool
	ahead   bool // its day has not come yet
}

// kind returns the kind of deadline that stands for the pending move.
func (m move) kind() events.DeadlineKind {
	switch {
	case m.event == regime.EvMoveOut:
		return events.DeadlineKind_DEADLINE_KIND_MOVE_OUT
	case m.keepUse:
		return events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT
	}
	return events.DeadlineKind_DEADLINE_KIND_OVERSEAS
}

// pendingMove returns the move that a deadline stands for, if any.
func pendingMove(d *events.Deadline) (move, bool) {
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

// onItsDay returns the rule by which the move takes effect on its day.
func (m move) onItsDay() string {
	if m.event == regime.EvMoveOut {
		return regime.MoveOnItsDay
	}
	return regime.OverseasOnItsDay
}

// question returns what to ask the law about the move.
func (m move) question(r regime.Regime) regime.ConsequenceIn {
	return regime.ConsequenceIn{
		Regime: r, Event: m.event, On: m.on, ContinuedUse: m.keepUse, Filed: m.filed, Foreign: m.foreign,
	}
}

// moveOf returns the move that a change of the record describes; before is the state before it. Continued use applied
// for in time is kept when the register repeats the notification on the day.
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

// moveAway ends what a move ends: at once if its day has come, otherwise on its day. The deadline is set even if nothing
// is held, for the move also ends certificates issued before its day.
func (d *decision) moveAway(c ChangeRecord, before *events.SubscriberState) error {
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

// moveRules returns the rules by which the move ends something, under every regime with something held.
func (d *decision) moveRules(m move, switches regime.Switches) (rules []string, err error) {
	for _, r := range d.regimesHeld() {
		law, err := switches.Consequences(m.question(r))
		if err != nil {
			return nil, err
		}
		rules = append(rules, law.Rules...)
	}
	return rules, nil
}

// leave ends what a move ends on its day. A further move before the card was submitted counts as a missed deadline.
func (d *decision) leave(m move, switches regime.Switches) error {
	if err := d.endMoved(m, switches); err != nil {
		return err
	}
	if owed := d.deadline(events.DeadlineKind_DEADLINE_KIND_CARD_90); owed != nil && m.event == regime.EvMoveOut {
		return d.miss(owed.Kind, owed.LastDay, switches)
	}
	return nil
}

// endMoved ends the certificates, cards and applications that a move ends.
func (d *decision) endMoved(m move, switches regime.Switches) error {
	for _, r := range d.regimesHeld() {
		if err := d.end(consequence{event: m.event, regime: r, move: &m, switches: switches}); err != nil {
			return err
		}
	}
	d.withdrawOutdated(m.event, switches)
	return nil
}

// dropMove drops a pending move that was called off or changed.
func (d *decision) dropMove(rules ...string) {
	for _, deadline := range slices.Clone(d.state.Deadlines) {
		if m, waits := pendingMove(deadline); waits {
			d.emit(&events.DeadlineMet{Kind: deadline.Kind}, append(rules, m.onItsDay())...)
		}
	}
}

// callOff calls off a move and its deadlines. A card for which continued use overseas was applied for becomes void unless
// that is undone, with the calling off or by the day before the move (law.md 8.5).
func (d *decision) callOff(c ChangeRecord, before *events.SubscriberState) error {
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

// overseasMove returns the move overseas, filed without continued use, to which an application for continued use
// applies: a pending one, or one that has voided the card.
func (a *application) overseasMove() (m move, known bool) {
	on := day(a.state.LeftOn)
	if waits := a.deadline(events.DeadlineKind_DEADLINE_KIND_OVERSEAS); waits != nil {
		m, known = pendingMove(waits)
	} else if a.state.Card.GetCause() == string(regime.EvOverseas) && !on.IsZero() {
		m, known = move{event: regime.EvOverseas, on: on}, true
	}
	m.keepUse, m.filed, m.foreign, m.ahead = true, a.day, a.Person.Foreign, true
	return m, known
}

// judgeContinuedUse refuses continued use unless a card has yet to be submitted, or the law allows it for a known move
// overseas: until the day before the move (law.md 8.5).
func (a *application) judgeContinuedUse() {
	m, overseas := a.overseasMove()
	switch law, err := a.Switches.Consequences(m.question(a.regime)); {
	case overseas && err == nil && law.Card.Effect == regime.Void:
		a.ruling.Refuse(law.Card.Rule)
	case !overseas && len(a.owesCard()) == 0:
		a.ruling.Refuse(regime.NothingHeld)
	}
}

// keepUseOverseas lets the card outlive the pending move overseas.
func (a *application) keepUseOverseas() error {
	m, overseas := a.overseasMove()
	if !overseas {
		return nil
	}
	a.dropMove()
	return a.leaveOrWait(m, a.Switches)
}

// goesOverseas reports whether a move overseas with continued use is pending.
func (d *decision) goesOverseas() bool {
	return d.deadline(events.DeadlineKind_DEADLINE_KIND_OVERSEAS_KEPT) != nil
}

// owesCard returns the deadlines by which the card has yet to be submitted.
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
