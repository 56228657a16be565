package lifecycle

import (
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// recordEvents maps a change of the resident record to the event of certificate law.
var recordEvents = map[events.RecordChange]regime.Event{
	events.RecordChange_RECORD_CHANGE_NAME:              regime.EvName,
	events.RecordChange_RECORD_CHANGE_SEX:               regime.EvSex,
	events.RecordChange_RECORD_CHANGE_ADDRESS:           regime.EvAddress,
	events.RecordChange_RECORD_CHANGE_BIRTH_DATE:        regime.EvBirthDate,
	events.RecordChange_RECORD_CHANGE_MINOR:             regime.EvMinor,
	events.RecordChange_RECORD_CHANGE_MOVE_OUT:          regime.EvMoveOut,
	events.RecordChange_RECORD_CHANGE_MOVE_IN:           regime.EvAddress, // a new address, also when coming home from overseas
	events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS:     regime.EvOverseas,
	events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF:   regime.EvMoveCalledOff,
	events.RecordChange_RECORD_CHANGE_DEATH:             regime.EvDeath,
	events.RecordChange_RECORD_CHANGE_DELETED:           regime.EvRecordDeleted,
	events.RecordChange_RECORD_CHANGE_INDIVIDUAL_NUMBER: regime.EvNumberChanged,
	events.RecordChange_RECORD_CHANGE_RESIDENT_CODE:     regime.EvCodeCorrected,
	events.RecordChange_RECORD_CHANGE_OUT_OF_SCOPE:      regime.EvOutOfScope,
}

// changeRecord records a change of the resident record and ends what it ends, in every regime with something held. A
// move takes effect on its day and starts deadlines. A corrected code with a history of its own is refused.
func (d *decision) changeRecord(c ChangeRecord) error {
	d.filedAt(c.Filed)
	if c.OtherHistory {
		d.emit(&events.RequestRefused{Request: "correction of the resident-record code", Refusals: []string{regime.CodeHasHistory}}, regime.CodeHasHistory)
		return nil
	}
	on, err := civil.Parse(c.CausedOn)
	if err != nil {
		return fmt.Errorf("changing the resident record: %w", err)
	}
	if !on.IsZero() {
		d.caused = on.StartInstant()
	}
	before := d.state
	d.emit(&events.ResidentRecordChanged{
		Change: c.Change, CausedOn: c.CausedOn, PlannedOn: c.PlannedOn, Municipality: c.Municipality,
		FromMunicipality: d.state.Municipality, KeepUsing: c.KeepUsing, PeriodOfStay: c.StayUntil,
	}, d.withoutEffect(c)...)
	switch c.Change {
	case events.RecordChange_RECORD_CHANGE_MOVE_OUT, events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS:
		return d.moveAway(c, before)
	case events.RecordChange_RECORD_CHANGE_MOVE_CALLED_OFF:
		return d.callOff(c, before)
	}
	if err := d.changeEnds(c); err != nil {
		return err
	}
	if c.Change == events.RecordChange_RECORD_CHANGE_MOVE_IN {
		return d.movedIn(c, on)
	}
	return nil
}

func (d *decision) deadline(kind events.DeadlineKind) *events.Deadline {
	i := slices.IndexFunc(d.state.Deadlines, func(e *events.Deadline) bool { return e.Kind == kind })
	if i < 0 {
		return nil
	}
	return d.state.Deadlines[i]
}

// changeEnds ends what the change itself ends.
func (d *decision) changeEnds(c ChangeRecord) error {
	event, ends := recordEvents[c.Change]
	if !ends {
		return nil
	}
	for _, r := range d.regimesHeld() {
		if r == regime.Juki && event == regime.EvNumberChanged {
			continue // juki cards carry no Individual Number, and that law's tables do not know the event
		}
		if err := d.end(consequence{event: event, regime: r, switches: c.Switches}); err != nil {
			return err
		}
	}
	d.withdrawOutdated(event, c.Switches)
	return nil
}

// withdrawOutdated withdraws an application for a signature certificate that the event would end at once: it would
// certify the former name or address.
func (d *decision) withdrawOutdated(event regime.Event, switches regime.Switches) {
	p := d.state.Open()
	if p.GetStep() != stepAccepted || !slices.ContainsFunc(p.Planned, func(c *events.PlannedCertificate) bool { return c.Kind == kindSign }) {
		return
	}
	law, err := switches.Consequences(regime.ConsequenceIn{Regime: cardRegime(p.CardKind), Event: event, On: d.today()})
	if err == nil && law.Sign.Effect == regime.Revoke {
		d.emit(&events.ApplicationWithdrawn{Procedure: p.Id}, law.Sign.Rule)
	}
}

// regimesHeld returns the regimes under which the person holds a live certificate or a card.
func (d *decision) regimesHeld() []regime.Regime {
	var held []regime.Regime
	add := func(r regime.Regime) {
		if !slices.Contains(held, r) {
			held = append(held, r)
		}
	}
	for _, c := range onCards(d.state) {
		if !hasEnded(c) {
			add(lawRegime(c.Regime))
		}
	}
	for _, c := range []*events.HeldCard{d.state.Card, d.state.OldCard} {
		if c != nil && c.Status != events.CardStatus_CARD_STATUS_VOID {
			add(cardRegime(c.Kind))
		}
	}
	return held
}

// holdsMyNumber reports whether the person has a My Number card that deadlines can end.
func (d *decision) holdsMyNumber() bool {
	c := d.state.Card
	return c != nil && c.Kind == events.CardKind_CARD_KIND_MYNUMBER && c.Status != events.CardStatus_CARD_STATUS_VOID &&
		c.Status != events.CardStatus_CARD_STATUS_EXPIRED
}

func (d *decision) setDeadline(kind events.DeadlineKind, starts civil.Date, law regime.Deadline) {
	d.emit(&events.DeadlineSet{
		Kind: kind, StartsOn: starts.String(), Statutory: law.Counted.String(), LastDay: law.LastDay.String(),
	}, law.Rules...)
}

// movedIn meets or misses the deadlines of the move-out, and starts the 90 days for submitting the card unless it came
// with the notification.
func (d *decision) movedIn(c ChangeRecord, moved civil.Date) error {
	d.dropMove()
	if moved.IsZero() {
		moved = civil.Of(d.filed)
	}
	filed := civil.Of(d.filed)
	if chain := d.deadline(events.DeadlineKind_DEADLINE_KIND_MOVE_IN_30); chain != nil {
		if filed.After(day(chain.LastDay)) {
			return d.missDeadlines(filed, c.Switches)
		}
		d.emit(&events.DeadlineMet{Kind: chain.Kind}, regime.WithinDeadline)
	}
	if !d.holdsMyNumber() {
		return nil
	}
	if law := c.Switches.MoveInWithin14Days(moved, c.Office.Office); filed.After(law.LastDay) {
		return d.miss(events.DeadlineKind_DEADLINE_KIND_MOVE_IN_14, law.LastDay.String(), c.Switches, law.Rules...)
	}
	d.emit(&events.DeadlineMet{Kind: events.DeadlineKind_DEADLINE_KIND_MOVE_IN_14}, regime.WithinDeadline)
	if !c.KeepUsing {
		d.setDeadline(events.DeadlineKind_DEADLINE_KIND_CARD_90, filed, c.Switches.CardWithin90Days(filed, c.Office.Office))
	}
	return nil
}

// reportLoss suspends by telephone, day and night, if the regime allows that, and revokes at the counter. Only what the
// holder has in hand is affected: a card waiting at an office can't have been lost.
func (d *decision) reportLoss(c ReportLoss) error {
	d.filedAt(c.Filed)
	if c.Device != "" {
		return d.losePhone(c)
	}
	event := regime.EvLossReport
	if c.By == "telephone" {
		event = regime.EvPhoneLoss
	}
	d.emit(&events.LossReported{By: c.By, Card: d.state.Card.GetCard()}, d.endsNothing(regime.ConsequenceIn{Event: event}, c.Switches)...)
	spare := waiting(d.state)
	if coming := d.state.Open().GetCarrier().Card(); coming != d.state.Card.GetCard() && coming != d.state.OldCard.GetCard() {
		spare = append(spare, coming)
	}
	for _, r := range d.regimesHeld() {
		if cards := cardsOf(d.state, r); len(cards) > 0 && !slices.ContainsFunc(cards, func(h *events.HeldCard) bool { return !waitsAtOffice(h) }) {
			continue
		}
		if err := d.end(consequence{event: event, regime: r, spare: spare, switches: c.Switches}); err != nil {
			return err
		}
	}
	return nil
}

// withoutEffect returns the rules by which a change of the record ends nothing. A move emits its own.
func (d *decision) withoutEffect(c ChangeRecord) []string {
	switch c.Change {
	case events.RecordChange_RECORD_CHANGE_MOVE_OUT, events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS:
		return nil
	}
	return d.endsNothing(regime.ConsequenceIn{Event: recordEvents[c.Change]}, c.Switches)
}

// endsNothing returns the rules by which an event ends nothing: the reporter must hear that a minor correction ends
// nothing, or that a juki certificate can't be suspended by telephone (law.md 8.2, 8.3).
func (d *decision) endsNothing(in regime.ConsequenceIn, switches regime.Switches) []string {
	var rules []string
	in.On = d.today()
	for _, r := range d.regimesHeld() {
		in.Regime = r
		law, err := switches.Consequences(in)
		if err == nil && law.Sign.Effect == regime.Keep && law.Auth.Effect == regime.Keep && law.Card.Effect == regime.Keep {
			rules = append(rules, law.Rules...)
		}
	}
	return rules
}

func (d *decision) reportFound(c ReportFound) error {
	d.filedAt(c.Filed)
	for _, held := range []*events.HeldCard{d.state.Card, d.state.OldCard} {
		if held != nil && held.Card == c.Card && held.Status == events.CardStatus_CARD_STATUS_SUSPENDED {
			return d.end(consequence{event: regime.EvFound, regime: cardRegime(held.Kind), spare: waiting(d.state), switches: c.Switches})
		}
	}
	d.factRefused("CardFound", "the card is not suspended", regime.CardNotSuspended)
	return nil
}

// orderByAuthority revokes certificates that the authority itself found wrong. An order that changes nothing is
// recorded, too, because its giver waits for the answer.
func (d *decision) orderByAuthority(c OrderByAuthority) error {
	d.filedAt(c.Filed)
	event := regime.EvCertificateError
	if c.Reason == events.RevocationReason_REVOCATION_REASON_CA_COMPROMISE {
		event = regime.EvCACompromise
	}
	for _, serial := range c.Serials {
		held := certificate(d.state, serial)
		if held == nil || hasEnded(held) {
			continue
		}
		err := d.end(consequence{
			event: event, regime: lawRegime(held.Regime), chosen: []events.CertificateKind{held.Kind}, serial: serial, switches: c.Switches,
		})
		if err != nil {
			return err
		}
	}
	if len(d.events) == 0 {
		d.factRefused("AuthorityOrder", "none of the certificates named is this person's and in force", regime.NothingToRevoke)
	}
	return nil
}
