package lifecycle

import (
	"cmp"
	"slices"

	"shomei/events"
	"shomei/pkg/regime"
)

// recordHandOver ends the procedure: fee, paper copy, card. The certificates come into force; a card taken back in
// exchange ends with its certificates.
func (d *decision) recordHandOver(c RecordHandOver) error {
	d.filedAt(c.Filed)
	p := d.state.Open()
	if p == nil || p.Id != c.Procedure || !readyToHandOver(p) || otherCard(p, c.Card) {
		d.factRefused("HandedOver", "no procedure waits for this hand-over", d.unawaited(c.Procedure)...)
		return nil
	}
	if c.Yen > 0 {
		d.emit(&events.FeeCollected{Procedure: c.Procedure, Yen: c.Yen})
	}
	if err := d.replaceFormer(p, c.Switches); err != nil {
		return err
	}
	if err := d.handCardOver(p, c.Switches); err != nil {
		return err
	}
	rules := regime.Usable(cardRegime(p.CardKind), regime.Cause(p.Cause))
	if c.PaperCopy {
		rules = append(rules, regime.PaperCopy(cardRegime(p.CardKind)))
	}
	d.emit(&events.Delivered{
		Procedure: c.Procedure, PaperCopy: c.PaperCopy, Card: p.Carrier.Card(), Serials: d.undelivered(p),
	}, rules...)
	return nil
}

// replaceFormer ends what the certificates on a factory's card replace, in the commit that hands it over.
func (d *decision) replaceFormer(p *events.Procedure, switches regime.Switches) error {
	for _, held := range slices.Clone(d.state.Certificates) {
		if !held.Carrier.Is(p.Carrier) || held.Status != issued || p.Operation != events.Operation_OPERATION_HAND_OVER {
			continue
		}
		if err := d.replace(certificate(d.state, held.Replaces), switches); err != nil {
			return err
		}
	}
	return nil
}

func readyToHandOver(p *events.Procedure) bool {
	if p.Operation == events.Operation_OPERATION_UNBLOCK || p.Operation == events.Operation_OPERATION_HAND_OVER {
		return p.Step == stepWritten || len(p.Pins) == 0
	}
	return p.Step == stepWritten
}

// handCardOver gives the holder the card, unless it is in hand already, and ends the one it replaces.
func (d *decision) handCardOver(p *events.Procedure, switches regime.Switches) error {
	if p.Carrier.Card() == d.state.OldCard.GetCard() && d.state.OldCard != nil {
		return nil // work on a juki card while a My Number card waits
	}
	if d.state.Card != nil && d.state.Card.Card != p.Carrier.Card() {
		d.emit(d.assigned(p), d.assignment(p)...)
	}
	if d.state.Card.GetStatus() == events.CardStatus_CARD_STATUS_HELD {
		return nil
	}
	d.emit(&events.CardHandedOver{Card: p.Carrier.Card(), TakenBack: cmp.Or(d.state.OldCard.GetCard(), p.TakenBack)})
	d.submitCard(regime.WithinDeadline)
	return d.takeBack(p, switches)
}

// FormerCard returns the known card that goes out of use when the open procedure's card is handed over, or "".
func FormerCard(s *events.SubscriberState) string {
	p, held, old := s.Open(), s.GetCard(), s.GetOldCard()
	switch {
	case p.GetCarrier().Card() == "", p.GetCarrier().Card() == old.GetCard():
		return ""
	case p.GetCarrier().Card() == held.GetCard() && held.GetStatus() == events.CardStatus_CARD_STATUS_HELD:
		return ""
	case p.GetCarrier().Card() != held.GetCard() && held.GetStatus() != events.CardStatus_CARD_STATUS_VOID:
		return held.GetCard()
	}
	return old.GetCard()
}

// assigned returns the assignment of the procedure's card to the holder.
func (d *decision) assigned(p *events.Procedure) *events.CardAssigned {
	card := &events.CardAssigned{Card: p.Carrier.Card(), Kind: p.CardKind, LastDay: p.CardLastDay}
	if p.CardStayCaps {
		card.Candidates = []*events.Candidate{{RuleId: regime.StayCap, Day: p.CardLastDay, Binds: true}}
	}
	return card
}

// assignment returns the rules by which the card replaces another.
func (d *decision) assignment(p *events.Procedure) []string {
	return append(plannedRules(p, kindAuth), plannedRules(p, kindSign)...)
}

// takeBack ends the card given in exchange: a juki card at the hand-over of the first My Number card (law.md 5.9),
// otherwise the card of the same kind that the new one replaces. The card that is handed over stays, whatever is known of its
// number.
func (d *decision) takeBack(p *events.Procedure, switches regime.Switches) error {
	old := d.state.OldCard
	juki := Live(d.state, events.Regime_REGIME_JUKI, kindSign)
	switch {
	case cardRegime(p.CardKind) == regime.MyNumber && (juki != nil || old != nil && old.Kind == events.CardKind_CARD_KIND_JUKI):
		return d.end(consequence{event: regime.EvMyNumberHandOver, regime: regime.Juki, spare: []string{p.Carrier.Card()}, switches: switches})
	case old == nil:
		return nil
	case p.Operation == events.Operation_OPERATION_RENEW:
		return d.voidCard(old, regime.EvRenewed, switches)
	default:
		return d.voidCard(old, regime.EvReissued, switches)
	}
}
