package lifecycle

import (
	"slices"

	"shomei/events"
	"shomei/pkg/regime"
)

// discard withdraws a procedure and the certificates it made that were not handed over or installed. If an undelivered
// card from the factory turns out broken, its certificates go too.
func (d *decision) discard(p *events.Procedure, rules ...string) {
	rules = append(rules, regime.BeforeHandOver)
	for _, held := range slices.Clone(d.state.Certificates) {
		ours := held.Procedure == p.Id || p.Operation == events.Operation_OPERATION_HAND_OVER && held.Carrier.Is(p.Carrier)
		if !ours || hasEnded(held) || held.Status == valid {
			continue
		}
		if held.Status == authorized {
			d.emit(abandonment(held, "procedure-ended"), rules...)
			continue
		}
		d.emit(discarding(held, string(regime.EvDiscarded)), rules...)
	}
	d.emit(&events.ApplicationWithdrawn{Procedure: p.Id}, rules...)
}

// withdrawImpossible withdraws the open procedure if it can't be completed, and letters that nobody can answer: the
// record has ended, the card is out of use, or nothing that the procedure made is left.
func (d *decision) withdrawImpossible() {
	for _, l := range slices.Clone(d.state.Letters) {
		if d.state.Ended {
			d.emit(&events.ApplicationWithdrawn{Procedure: l.Procedure}, regime.RecordEnded)
		}
	}
	p := d.state.Open()
	switch {
	case p == nil:
	case d.state.Ended:
		d.discard(p, regime.RecordEnded)
	case d.cardLost(p):
		d.discard(p, regime.CardNotUsable)
	case (p.Step == stepKeys || p.Step == stepIssued || p.Step == stepWritten) && len(p.Planned) > 0 && !d.hasMade(p):
		d.discard(p)
	}
}

// cardLost reports whether the procedure's card has gone out of use. A card waiting to be handed over leaves the state
// altogether when it ends.
func (d *decision) cardLost(p *events.Procedure) bool {
	for _, c := range []*events.HeldCard{d.state.Card, d.state.OldCard} {
		if c != nil && c.Card == p.Carrier.Card() {
			return unusable(c)
		}
	}
	return p.Operation == events.Operation_OPERATION_HAND_OVER
}

// hasMade reports whether a certificate of the procedure is still authorised or issued.
func (d *decision) hasMade(p *events.Procedure) bool {
	return slices.ContainsFunc(d.state.Certificates, func(c *events.Certificate) bool {
		return c.Procedure == p.Id && (c.Status == authorized || c.Status == issued)
	})
}
