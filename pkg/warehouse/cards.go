package warehouse

import (
	"context"
	"time"

	"shomei/events"
)

// CardOperation is one operation on a card. A zero LastDay means that the event doesn't concern the card's term.
type CardOperation struct {
	Kind      string    `ch:"kind" json:"kind"` // subscriber or card: whose event it is
	ID        string    `ch:"id" json:"id"`
	Revision  uint64    `ch:"revision" json:"revision"`
	Index     uint16    `ch:"index" json:"index"`
	Card      string    `ch:"card" json:"card"`
	Event     string    `ch:"event" json:"event"`
	CardKind  string    `ch:"card_kind" json:"card_kind"`
	LastDay   Date      `ch:"last_day" json:"last_day,omitzero"`
	Ends      bool      `ch:"ends" json:"ends"`
	Filed     time.Time `ch:"filed" json:"filed"`
	Recorded  time.Time `ch:"recorded" json:"recorded"`
	Office    string    `ch:"office" json:"office"`
	Counter   string    `ch:"counter" json:"counter"`
	Procedure string    `ch:"procedure" json:"procedure"`
	Stage     string    `ch:"stage" json:"stage"`
	Reason    string    `ch:"reason" json:"reason"`

	Municipality string `ch:"municipality" json:"municipality"`
}

// cardOperationOf returns the row of an event of a card or of a subscriber's card.
func cardOperationOf(s source) (CardOperation, bool) {
	c := CardOperation{
		Kind: s.commit.Kind, ID: s.commit.Id, Revision: s.commit.Revision, Index: s.index, Event: s.name,
		Card: cardOf(s.body), Filed: instant(s.event.FiledMs), Recorded: instant(s.event.RecordedMs),
		Office: s.commit.Office, Counter: s.commit.Counter, Procedure: procedureOf(s.body), Reason: causeOf(s.body),
		Municipality: s.municipality,
	}
	if s.commit.Kind == events.KindCard {
		c.Card = s.commit.Id
	}
	switch b := s.body.(type) {
	case *events.CardAssigned:
		c.CardKind, c.LastDay = word(b.Kind), day(b.LastDay)
	case *events.CardTermExtended:
		c.LastDay = day(b.LastDay)
	case *events.CardExpired:
		c.LastDay, c.Ends = day(b.LastDay), true
	case *events.CardWriteFailed:
		c.Stage, c.Reason = b.Stage, b.Reason
	case *events.CardClaimed:
		c.CardKind = word(b.Kind)
	case *events.CardVoided, *events.CardReturned, *events.CardRetired:
		c.Ends = true
	case *events.CardHandedOver, *events.CardSuspended, *events.CardTakenIntoCustody, *events.CardFound,
		*events.LossReported, *events.KeysRecorded, *events.CertificateWritten, *events.Delivered,
		*events.PinBlocked, *events.PinUnblocked, *events.UnblockAuthorized:
	default:
		return c, false
	}
	return c, true
}

// CardOperations returns the operations on a subscriber's cards, in order.
func (w *Warehouse) CardOperations(ctx context.Context, subscriber string) ([]CardOperation, error) {
	return question[CardOperation](ctx, w, "card operations", `
		SELECT * FROM {card_operations} FINAL WHERE kind = 'subscriber' AND id = {id:String} ORDER BY revision, index`,
		param("id", subscriber))
}
