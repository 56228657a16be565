package lifecycle

import (
	"slices"

	"shomei/events"
)

func (d *decision) recordUnblocked(c RecordUnblocked) {
	d.filedAt(c.Filed)
	p := d.state.Open()
	waits := p != nil && p.Id == c.Procedure && waitsFor(p) == owesUnblock
	if !waits || otherCard(p, c.Card) || d.stale(p, c.Obligation) {
		d.factRefused("PinsUnblocked", "no procedure waits for PINs on this card", d.unawaited(c.Procedure)...)
		return
	}
	d.emit(&events.PinUnblocked{Procedure: c.Procedure, Pins: c.Pins, Card: c.Card})
	d.writtenTo(p.Carrier.Card())
}

// waitsFor returns the work at the counter that an open procedure waits for; unspecified if it waits for none.
func waitsFor(p *events.Procedure) events.ObligationKind {
	switch {
	case p.GetStep() == stepAccepted && len(p.Planned) > 0:
		return owesKeys
	case p.GetStep() == stepAccepted && len(p.Pins) > 0:
		return owesUnblock
	case p.GetStep() == stepIssued:
		return writing(p)
	}
	return events.ObligationKind_OBLIGATION_KIND_UNSPECIFIED
}

// writing returns the obligation by which a procedure's certificates reach their carrier.
func writing(p *events.Procedure) events.ObligationKind {
	if p.Carrier.Device() != "" {
		return owesPhone
	}
	return owesWriting
}

// stale reports whether a fact answers an earlier command than the one owed now.
func (d *decision) stale(p *events.Procedure, obligation string) bool {
	if obligation == "" {
		return false
	}
	return slices.ContainsFunc(d.state.Obligations, func(o *events.Obligation) bool {
		return o.Target == p.GetId() && o.Kind == waitsFor(p) && o.Id != obligation
	})
}

// otherCard reports whether a fact concerns another card than the procedure's.
func otherCard(p *events.Procedure, card string) bool {
	return card != "" && card != p.GetCarrier().Card()
}

func (d *decision) recordPinsBlocked(c RecordPinsBlocked) {
	d.filedAt(c.Filed)
	if len(c.Pins) == 0 {
		d.factRefused("PinsBlocked", "it names no PIN")
	}
	for _, pin := range c.Pins {
		d.emit(&events.PinBlocked{Pin: pin, Card: c.Card})
	}
}

// recordConfirmationFailed closes a command that was not started. The procedure stays open: the clerk may drop it.
func (d *decision) recordConfirmationFailed(c RecordConfirmationFailed) {
	d.filedAt(c.Filed)
	owed := slices.ContainsFunc(d.state.Obligations, func(o *events.Obligation) bool { return o.Id == c.Obligation })
	if !owed {
		d.factRefused("ConfirmationFailed", "nothing of that id is owed", d.closed(c.Procedure)...)
		return
	}
	d.emit(&events.CommandFailed{Obligation: c.Obligation, Reason: c.Reason})
}

func (d *decision) recordCustody(c RecordCustody) {
	d.filedAt(c.Filed)
	d.emit(&events.CardTakenIntoCustody{Card: c.Card, Procedure: c.Procedure, Retired: c.Retired})
}

// dropApplication withdraws the open application and discards what was made for it.
func (d *decision) dropApplication(c DropApplication) {
	d.filedAt(c.Filed)
	p := d.state.Open()
	waiting := slices.ContainsFunc(d.state.Letters, func(l *events.Letter) bool { return l.Procedure == c.Procedure })
	switch {
	case waiting:
		d.emit(&events.ApplicationWithdrawn{Procedure: c.Procedure})
	case p == nil || p.Id != c.Procedure:
		d.factRefused("ApplicationDropped", "no such procedure is open")
	case p.Step == stepAccepted || p.Operation == events.Operation_OPERATION_UNBLOCK || p.Operation == events.Operation_OPERATION_HAND_OVER:
		d.emit(&events.ApplicationWithdrawn{Procedure: c.Procedure})
	default:
		d.discard(p)
	}
}
