package lifecycle

import (
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// judgeCard asks whether the card presented fits what is known of the holder's cards.
func (a *application) judgeCard() {
	held := a.state.Card
	switch {
	case a.state.Ended: // that is refused already, and no card would help
		return
	case a.CardTaken:
		a.ruling.Refuse(regime.CardClaimedByOther)
	case a.issues() && a.Card == "":
		a.ruling.Refuse(regime.NoCardNamed)
	case a.Operation == events.Operation_OPERATION_FACTORY_ISSUE:
		a.newCard = true
	case a.Operation == events.Operation_OPERATION_HAND_OVER:
		a.judgeHandOver(held)
	case held == nil:
		a.newCard = a.issues()
	case held.Card != a.Card:
		a.judgeOtherCard(held)
	case a.endsThings():
	case a.isOver(held):
		a.ruling.Refuse(regime.CardNotUsable)
	case !a.issues() && held.Status == events.CardStatus_CARD_STATUS_ASSIGNED:
		a.ruling.Refuse(regime.CardNotHandedOver)
	}
	a.judgeTakenBack()
}

// judgeHandOver refuses to hand over what is not ready, and a card that is not the one which waits.
func (a *application) judgeHandOver(held *events.HeldCard) {
	switch {
	case held != nil && held.Card != a.Card && waitsAtOffice(held):
		a.ruling.Refuse(regime.OtherCard)
	case held == nil, !waitsAtOffice(held), a.isOver(held), !a.factoryDone():
		a.ruling.Refuse(regime.NoCardReady)
	}
}

// judgeTakenBack refuses to take another card in exchange than the one that the log knows as the holder's. A card that
// it never knew, as one that never held a certificate, is taken as the clerk says.
func (a *application) judgeTakenBack() {
	old := a.state.OldCard
	if old == nil && a.newCard {
		old = a.state.Card
	}
	if a.TakenBack != "" && old != nil && old.Card != a.TakenBack {
		a.ruling.Refuse(regime.OtherCard)
	}
}

// judgeOtherCard accepts another card only where one is to be issued: by a re-issue, with a renewal, or when the one
// known is void or of the former regime. Juki cards are given out and taken back elsewhere, as after a move: one that
// bears no certificate any more gives way to another. A juki card beside an undelivered My Number card is still the
// holder's.
func (a *application) judgeOtherCard(held *events.HeldCard) {
	gone := a.isOver(held) || held.Kind != a.CardKind || a.regime == regime.Juki && a.live(kindSign) == nil
	replaces := a.Operation == events.Operation_OPERATION_REISSUE || a.Operation == events.Operation_OPERATION_RENEW ||
		a.Operation == events.Operation_OPERATION_ISSUE && gone
	old := a.state.OldCard
	switch {
	case old.GetCard() == a.Card && !a.issues():
		if a.isOver(old) && !a.endsThings() {
			a.ruling.Refuse(regime.CardNotUsable)
		}
	case old.GetCard() == a.Card || !replaces:
		a.ruling.Refuse(regime.OtherCard)
	default:
		a.newCard = true
	}
}

// endsThings reports whether the operation only ends what is there, for which any state of the card is good enough.
func (a *application) endsThings() bool {
	return a.Operation == events.Operation_OPERATION_REVOKE || a.Operation == events.Operation_OPERATION_RETURN_CARD
}

// isOver reports whether a card can't be used on the day of filing. The end of its term needs no record to take effect.
func (a *application) isOver(c *events.HeldCard) bool {
	last := day(c.LastDay)
	return unusable(c) || !last.IsZero() && last.Before(a.day)
}

func unusable(c *events.HeldCard) bool {
	return c.Status == events.CardStatus_CARD_STATUS_VOID || c.Status == events.CardStatus_CARD_STATUS_EXPIRED ||
		c.Status == events.CardStatus_CARD_STATUS_SUSPENDED
}

// waitsAtOffice reports whether a card has been assigned and has not reached its holder.
func waitsAtOffice(c *events.HeldCard) bool {
	return c.Status == events.CardStatus_CARD_STATUS_ASSIGNED || c.Status == events.CardStatus_CARD_STATUS_CUSTODY
}

// factoryDone reports whether the card's certificates, if any were wanted, are written.
func (a *application) factoryDone() bool {
	for _, c := range onCards(a.state) {
		if c.Carrier.Card() == a.Card && !hasEnded(c) && !c.Written {
			return false
		}
	}
	return true
}

// cardsOf are the cards in the person's name under a regime: the one held, and one that replaces it or is replaced.
func cardsOf(s *events.SubscriberState, r regime.Regime) []*events.HeldCard {
	var list []*events.HeldCard
	for _, c := range []*events.HeldCard{s.Card, s.OldCard} {
		if c != nil && cardRegime(c.Kind) == r {
			list = append(list, c)
		}
	}
	return list
}

// waiting are the numbers of the cards that have not reached the holder.
func waiting(s *events.SubscriberState) []string {
	var list []string
	for _, c := range []*events.HeldCard{s.Card, s.OldCard} {
		if c != nil && waitsAtOffice(c) {
			list = append(list, c.Card)
		}
	}
	return list
}

// replacesHeld reports whether a factory's card renews the card in hand, near its end or after it, or replaces one that was
// lost: it is no double issue then (law.md 4.4).
func (a *application) replacesHeld() bool {
	held := a.state.Card
	if !a.Factory || held == nil || cardRegime(held.Kind) != regime.MyNumber || waitsAtOffice(held) {
		return false
	}
	return a.isOver(held) || a.cardNearEnd()
}

// cardNearEnd reports whether the card in hand could be renewed on the day of the application.
func (a *application) cardNearEnd() bool {
	last := lastDayOf(a.state.Card)
	return !last.IsZero() && a.Switches.Window(regime.MyNumber, last).On(a.applied()) == regime.WindowOpen
}

// applied is the day by which age and fee are judged: for a factory's card that of its application (law.md 2.6).
func (a *application) applied() civil.Date {
	if a.Factory && !a.AppliedOn.IsZero() {
		return a.AppliedOn
	}
	return a.day
}

// voidCard takes one card out of use, as the event says, with whatever is still in force on it.
func (d *decision) voidCard(card *events.HeldCard, event regime.Event, switches regime.Switches) error {
	if card.Status == events.CardStatus_CARD_STATUS_VOID {
		return nil
	}
	law, err := switches.Consequences(regime.ConsequenceIn{
		Regime: cardRegime(card.Kind), Event: event, On: d.today(), CardChosen: true,
	})
	if err != nil {
		return err
	}
	d.emit(&events.CardVoided{Card: card.Card, Cause: string(event)}, law.Card.Rule)
	return d.end(consequence{event: regime.EvCardVoid, regime: cardRegime(card.Kind), onCard: card.Card, switches: switches})
}

// lastDayOf is a card's last day; zero when it is not kept here.
func lastDayOf(c *events.HeldCard) civil.Date { return day(c.GetLastDay()) }
