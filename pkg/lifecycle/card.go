package lifecycle

import (
	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// judgeCard checks the presented card against what is known of the holder's cards.
func (a *application) judgeCard() {
	held := a.state.Card
	switch {
	case a.state.Ended: // refused already, whatever the card
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

// judgeHandOver refuses a card that is not the one waiting, or not ready.
func (a *application) judgeHandOver(held *events.HeldCard) {
	switch {
	case held != nil && held.Card != a.Card && waitsAtOffice(held):
		a.ruling.Refuse(regime.OtherCard)
	case held == nil, !waitsAtOffice(held), a.isOver(held), !a.factoryDone():
		a.ruling.Refuse(regime.NoCardReady)
	}
}

// judgeTakenBack refuses to take back another card than the one known as the holder's. A card unknown here, such as one
// that never held a certificate, is taken on the clerk's word.
func (a *application) judgeTakenBack() {
	old := a.state.OldCard
	if old == nil && a.newCard {
		old = a.state.Card
	}
	if a.TakenBack != "" && old != nil && old.Card != a.TakenBack {
		a.ruling.Refuse(regime.OtherCard)
	}
}

// judgeOtherCard accepts another card only if one is to be issued: by a re-issue, with a renewal, or if the one known
// is void or of the former regime. Juki cards are given out and taken back elsewhere, such as after a move: one without
// a live certificate may be replaced. A juki card beside an undelivered My Number card still counts as held.
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

// endsThings reports whether the operation only ends things, for which the card may be in any state.
func (a *application) endsThings() bool {
	return a.Operation == events.Operation_OPERATION_REVOKE || a.Operation == events.Operation_OPERATION_RETURN_CARD
}

// isOver reports whether a card can't be used on the day of filing. Its expiry needs no record to take effect.
func (a *application) isOver(c *events.HeldCard) bool {
	last := day(c.LastDay)
	return unusable(c) || !last.IsZero() && last.Before(a.day)
}

func unusable(c *events.HeldCard) bool {
	return c.Status == events.CardStatus_CARD_STATUS_VOID || c.Status == events.CardStatus_CARD_STATUS_EXPIRED ||
		c.Status == events.CardStatus_CARD_STATUS_SUSPENDED
}

// waitsAtOffice reports whether a card was assigned but has not reached its holder.
func waitsAtOffice(c *events.HeldCard) bool {
	return c.Status == events.CardStatus_CARD_STATUS_ASSIGNED || c.Status == events.CardStatus_CARD_STATUS_CUSTODY
}

// factoryDone reports whether all certificates on the card are written.
func (a *application) factoryDone() bool {
	for _, c := range onCards(a.state) {
		if c.Carrier.Card() == a.Card && !hasEnded(c) && !c.Written {
			return false
		}
	}
	return true
}

// cardsOf returns the person's cards under a regime: the one held, and one that replaces it or is replaced.
func cardsOf(s *events.SubscriberState, r regime.Regime) []*events.HeldCard {
	var list []*events.HeldCard
	for _, c := range []*events.HeldCard{s.Card, s.OldCard} {
		if c != nil && cardRegime(c.Kind) == r {
			list = append(list, c)
		}
	}
	return list
}

// waiting returns the numbers of the cards that have not reached the holder.
func waiting(s *events.SubscriberState) []string {
	var list []string
	for _, c := range []*events.HeldCard{s.Card, s.OldCard} {
		if c != nil && waitsAtOffice(c) {
			list = append(list, c.Card)
		}
	}
	return list
}

// replacesHeld reports whether a factory's card renews the card in hand, near its end or after it, or replaces a lost
// one: that is no double issue (law.md 4.4).
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

// applied returns the day by which age and fee are judged: for a factory's card that of its application (law.md 2.6).
func (a *application) applied() civil.Date {
	if a.Factory && !a.AppliedOn.IsZero() {
		return a.AppliedOn
	}
	return a.day
}

// voidCard voids one card for the event and ends whatever is still in force on it.
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

// lastDayOf returns a card's last day, or zero if it is not kept here.
func lastDayOf(c *events.HeldCard) civil.Date { return day(c.GetLastDay()) }
