package lifecycle

import (
	"slices"

	"shomei/events"
)

func (d *decision) recordUnblocked(c RecordUnblocked) {
	d.filedAt(c.Filed)
	p := d.state.Procedure
	if p.GetId() != c.Procedure || !d.owes(events.ObligationKind_OBLIGATION_KIND_UNBLOCK_PIN, c.Procedure) {
		d.factRefused("PinsUnblocked", "no procedure waits for PINs on this card")
		return
	}
	d.emit(&events.PinUnblocked{Procedure: c.Procedure, Pins: c.Pins, Card: c.Card})
}

func (d *decision) owes(kind events.ObligationKind, target string) bool {
	return slices.ContainsFunc(d.state.Obligations, func(o *events.Obligation) bool {
		return o.Kind == kind && o.Target == target
	})
}

func (d *decision) recordPinsBlocked(c RecordPinsBlocked) {
	d.filedAt(c.Filed)
	for _, pin := range c.Pins {
		d.emit(&events.PinBlocked{Pin: pin, Card: c.Card})
	}
}

// recordConfirmationFailed ends a command that was not begun. The procedure stays open: the clerk may drop it.
func (d *decision) recordConfirmationFailed(c RecordConfirmationFailed) {
	d.filedAt(c.Filed)
	owed := slices.ContainsFunc(d.state.Obligations, func(o *events.Obligation) bool { return o.Id == c.Obligation })
	if !owed {
		d.factRefused("ConfirmationFailed", "nothing of that id is owed")
		return
	}
	d.emit(&events.CommandFailed{Obligation: c.Obligation, Reason: c.Reason})
}

func (d *decision) recordCustody(c RecordCustody) {
	d.filedAt(c.Filed)
	d.emit(&events.CardTakenIntoCustody{Card: c.Card, Procedure: c.Procedure})
}

// dropApplication withdraws the open application. What was already made for it is discarded.
func (d *decision) dropApplication(c DropApplication) error {
	d.filedAt(c.Filed)
	p := d.state.Procedure
	waiting := slices.ContainsFunc(d.state.Letters, func(l *events.Letter) bool { return l.Procedure == c.Procedure })
	switch {
	case waiting:
		d.emit(&events.ApplicationWithdrawn{Procedure: c.Procedure})
	case p.GetId() != c.Procedure:
		d.factRefused("ApplicationDropped", "no such procedure is open")
	case p.Step == stepAccepted || p.Operation == events.Operation_OPERATION_UNBLOCK || p.Operation == events.Operation_OPERATION_HAND_OVER:
		d.emit(&events.ApplicationWithdrawn{Procedure: c.Procedure})
	default:
		return d.discard(c.Procedure, c.Switches)
	}
	return nil
}
