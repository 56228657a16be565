package lifecycle

import (
	"errors"
	"slices"

	"shomei/events"
	"shomei/pkg/regime"
)

// maxWrongNumbers is how many answers with a wrong number void a letter of inquiry.
const maxWrongNumbers = 5

// refuse refuses the application. Its letter of inquiry stays open unless its number is being guessed.
func (a *application) refuse() {
	guessed := slices.ContainsFunc(a.ruling.Refused, regime.WrongLetter) && a.letter().GetWrong()+1 >= maxWrongNumbers
	if guessed {
		a.ruling.Refuse(regime.LetterGuessed)
		defer func() { a.emit(&events.ApplicationWithdrawn{Procedure: a.Procedure}, regime.LetterGuessed) }()
	}
	if slices.ContainsFunc(a.ruling.Refused, func(id regime.ID) bool { return !slices.Contains(a.early, id) }) {
		a.alternative = nil // it would be refused as well
	}
	a.emit(&events.ApplicationRefused{
		Procedure: a.Procedure, Operation: a.Operation, Channel: logChannel(a.Channel), Kinds: a.kinds,
		Refusals: distinct(a.ruling.Refused), Municipality: municipality(a.Office), AlternativePlanned: a.alternative,
		Alternative: a.alternativeOperation(),
	}, a.ruling.Rules()...)
}

func (a *application) alternativeOperation() events.Operation {
	if len(a.alternative) > 0 {
		return events.Operation_OPERATION_REISSUE
	}
	return events.Operation_OPERATION_UNSPECIFIED
}

// postpone has a letter of inquiry posted; the application is judged again when the answer is brought.
func (a *application) postpone() error {
	if a.Letter == "" {
		return errors.New("a letter of inquiry is due, but the command has no number for it")
	}
	for _, waiting := range slices.Clone(a.state.Letters) {
		a.emit(&events.ApplicationWithdrawn{Procedure: waiting.Procedure}, regime.OneAtATime)
	}
	due := &events.InquiryLetterDue{
		Procedure: a.Procedure, Letter: a.Letter, Operation: a.Operation, Channel: logChannel(a.Channel), Kinds: a.kinds,
		Municipality: municipality(a.Office), CardKind: a.CardKind, Pins: a.Pins, Cause: string(a.Cause), Card: a.Card,
	}
	for _, paper := range regime.LeftWithOffice(a.Shown) {
		due.Documents = append(due.Documents, string(paper))
	}
	a.emit(due, a.ruling.Rules()...)
	return nil
}

func (a *application) accept() error {
	if a.GrantedBy != "" {
		a.emit(&events.SpecialCircumstancesGranted{Procedure: a.Procedure}, a.ruling.Applied...)
	}
	accepted := &events.ApplicationAccepted{
		Procedure: a.Procedure, Operation: a.Operation, Channel: logChannel(a.Channel), Regime: logRegime(a.regime),
		Kinds: a.kinds, Planned: a.planned, Card: a.Card, CardKind: a.CardKind, Municipality: municipality(a.Office),
		SpecialCircumstances: a.GrantedBy != "", Express: a.Express, Pins: a.pins(), Cause: string(a.cause()),
		CardLastDay: a.state.Card.GetLastDay(), Office: a.OfficeID, Counter: a.Counter, TakenBack: a.TakenBack,
	}
	for _, s := range a.Shown {
		accepted.Documents = append(accepted.Documents, string(s.Document))
	}
	if a.Factory && !a.AppliedOn.IsZero() {
		accepted.AppliedOn = a.AppliedOn.String()
	}
	if !a.Factory {
		accepted.Fee = a.feeItems()
	}
	if a.cardTerm != nil {
		accepted.CardLastDay, accepted.CardCandidates = a.cardTerm.LastDay.String(), logCandidates(*a.cardTerm)
	}
	a.emit(accepted, a.ruling.Applied...)
	a.withdrawPhones()
	if err := a.voidUncollected(); err != nil {
		return err
	}
	if a.newCard && !a.swapsCard() {
		if err := a.assignCard(); err != nil {
			return err
		}
	}
	return a.carryOut()
}

func (a *application) feeItems() []*events.FeeItem {
	var items []*events.FeeItem
	for _, item := range a.fee.Items {
		items = append(items, &events.FeeItem{RuleId: item.Rule, Yen: uint32(item.Yen)})
	}
	return items
}

// voidUncollected voids a factory's card that never reached its holder when another is made at a counter.
func (a *application) voidUncollected() error {
	held := a.state.Card
	if held == nil || !a.newCard || a.Factory || !waitsAtOffice(held) || held.Kind != a.CardKind || held.Card == a.Card {
		return nil
	}
	return a.voidCard(held, regime.EvReissued, a.Switches)
}

// swapsCard reports whether the new card replaces the one held only at the hand-over.
func (a *application) swapsCard() bool { return a.state.Card != nil && !a.Factory }

// assignCard assigns the new card to the holder. A card assigned before that never reached the holder becomes void.
func (a *application) assignCard() error {
	if held := a.state.Card; held != nil && waitsAtOffice(held) && held.Kind == a.CardKind {
		if err := a.voidCard(held, regime.EvReissued, a.Switches); err != nil {
			return err
		}
	}
	card := &events.CardAssigned{Card: a.Card, Kind: a.CardKind}
	if a.Factory {
		card.Fee = a.feeItems()
	}
	if a.Factory && !a.AppliedOn.IsZero() {
		card.AppliedOn = a.AppliedOn.String()
	}
	if a.cardTerm != nil {
		card.LastDay, card.Candidates = a.cardTerm.LastDay.String(), logCandidates(*a.cardTerm)
	}
	a.emit(card, a.ruling.Applied...)
	return nil
}

// carryOut does what takes effect with the acceptance itself.
func (a *application) carryOut() error {
	switch a.Operation {
	case events.Operation_OPERATION_REVOKE:
		return a.end(consequence{event: regime.RevocationEvent(a.Cause), chosen: a.kinds, regime: a.regime, spare: a.apartFromHeld(), switches: a.Switches})
	case events.Operation_OPERATION_RETURN_CARD:
		return a.end(consequence{event: regime.EvCardReturned, regime: a.regime, spare: a.apartFromHeld(), switches: a.Switches})
	case events.Operation_OPERATION_CONTINUE_USE:
		a.submitCard(regime.WithinDeadline)
		return a.keepUseOverseas()
	case events.Operation_OPERATION_EXTEND_CARD:
		a.emit(&events.CardTermExtended{
			Card: a.state.Card.GetCard(), LastDay: a.cardTerm.LastDay.String(), Candidates: logCandidates(*a.cardTerm),
			StayPending: a.Person.StayPending,
		}, a.cardTerm.Applied...)
	case events.Operation_OPERATION_UNBLOCK, events.Operation_OPERATION_HAND_OVER:
		if len(a.pins()) > 0 {
			a.emit(&events.UnblockAuthorized{Procedure: a.Procedure, Pins: a.pins(), Card: a.Card}, a.ruling.Applied...)
		}
	}
	return nil
}

// apartFromHeld returns the cards that an end of the card in hand does not touch: one waiting to replace it.
func (a *application) apartFromHeld() []string {
	if a.state.OldCard == nil || a.Card == a.state.Card.GetCard() && a.Card != "" {
		return nil
	}
	return waiting(a.state)
}

// pins returns the PINs that the holder sets in this procedure, apart from those set with new keys.
func (a *application) pins() []events.PinKind {
	if a.Operation != events.Operation_OPERATION_UNBLOCK && a.Operation != events.Operation_OPERATION_HAND_OVER {
		return nil
	}
	if len(a.Pins) > 0 {
		return a.Pins
	}
	var pins []events.PinKind
	for _, c := range onCards(a.state) {
		if c.Carrier.Card() == a.Card && !hasEnded(c) {
			pins = append(pins, events.PinKind(c.Kind))
		}
	}
	slices.Sort(pins)
	return pins
}

// recordResidence records the register's facts with the application; ra adds the sealed identity to the event.
func (a *application) recordResidence() {
	if m := a.Person.Municipality; m != "" {
		a.emit(&events.ResidentRecorded{Municipality: m})
	}
}
