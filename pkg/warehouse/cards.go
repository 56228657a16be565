package warehouse

import (
	"context"
	"time"

	"shomei/events"
)

// cardRow is one event that touched a physical card.
type cardRow struct {
	source
	card, cardKind, lastDay string
	ends                    bool
	stage, reason           string
}

type cardRows struct{ rows []cardRow }

// add makes the row of an event of a card or of a subscriber's card.
func (r *cardRows) add(s source) {
	row := cardRow{source: s, card: cardOf(s.body), reason: causeOf(s.body)}
	switch b := s.body.(type) {
	case *events.CardAssigned:
		row.cardKind, row.lastDay = word(b.Kind), b.LastDay
	case *events.CardTermExtended:
		row.lastDay = b.LastDay
	case *events.CardVoided, *events.CardReturned:
		row.ends = true
	case *events.CardExpired:
		row.lastDay, row.ends = b.LastDay, true
	case *events.CardWriteFailed:
		row.stage, row.reason = b.Stage, b.Reason
	case *events.CardHandedOver, *events.CardSuspended, *events.CardTakenIntoCustody, *events.CardFound,
		*events.LossReported, *events.KeysRecorded, *events.CertificateWritten, *events.Delivered,
		*events.PinBlocked, *events.PinUnblocked, *events.UnblockAuthorized, *events.ReissueOrdered:
	case *events.CardClaimed:
		row.card, row.cardKind = s.commit.Id, word(b.Kind)
	case *events.CardReleased:
		row.card = s.commit.Id
	case *events.CardRetired:
		row.card, row.ends = s.commit.Id, true
	default:
		return
	}
	r.rows = append(r.rows, row)
}

func (r *cardRows) columns() []column {
	return []column{
		gather("kind", r.rows, func(c *cardRow) string { return c.commit.Kind }),
		gather("id", r.rows, func(c *cardRow) string { return c.commit.Id }),
		gather("revision", r.rows, func(c *cardRow) uint64 { return c.commit.Revision }),
		gather("index", r.rows, func(c *cardRow) uint16 { return c.index }),
		gather("card", r.rows, func(c *cardRow) string { return c.card }),
		gather("event", r.rows, func(c *cardRow) string { return c.name }),
		gather("card_kind", r.rows, func(c *cardRow) string { return c.cardKind }),
		gather("last_day", r.rows, func(c *cardRow) time.Time { return day(c.lastDay) }),
		gather("ends", r.rows, func(c *cardRow) bool { return c.ends }),
		gather("filed", r.rows, func(c *cardRow) int64 { return c.event.FiledMs }),
		gather("recorded", r.rows, func(c *cardRow) int64 { return c.event.RecordedMs }),
		gather("office", r.rows, func(c *cardRow) string { return c.commit.Office }),
		gather("counter", r.rows, func(c *cardRow) string { return c.commit.Counter }),
		gather("procedure", r.rows, func(c *cardRow) string { return procedureOf(c.body) }),
		gather("stage", r.rows, func(c *cardRow) string { return c.stage }),
		gather("reason", r.rows, func(c *cardRow) string { return c.reason }),
	}
}

// CardOperation is one thing that was done to a card. A zero
// LastDay means that the event says nothing about the card's term.
type CardOperation struct {
	Kind      string    `ch:"kind" json:"kind"` // subscriber or card: whose event it is
	ID        string    `ch:"id" json:"id"`
	Revision  uint64    `ch:"revision" json:"revision"`
	Index     uint16    `ch:"index" json:"index"`
	Card      string    `ch:"card" json:"card"`
	Event     string    `ch:"event" json:"event"`
	CardKind  string    `ch:"card_kind" json:"card_kind"`
	LastDay   time.Time `ch:"last_day" json:"last_day,omitzero"`
	Ends      bool      `ch:"ends" json:"ends"`
	Filed     time.Time `ch:"filed" json:"filed"`
	Recorded  time.Time `ch:"recorded" json:"recorded"`
	Office    string    `ch:"office" json:"office"`
	Counter   string    `ch:"counter" json:"counter"`
	Procedure string    `ch:"procedure" json:"procedure"`
	Stage     string    `ch:"stage" json:"stage"`
	Reason    string    `ch:"reason" json:"reason"`
}

// CardOperations returns what was done to the cards of a subscriber, in order.
func (w *Warehouse) CardOperations(ctx context.Context, subscriber string) ([]CardOperation, error) {
	var rows []CardOperation
	err := w.query(ctx, &rows, "card operations", `
		SELECT * FROM {card_operations} FINAL WHERE kind = 'subscriber' AND id = {id:String} ORDER BY revision, index`,
		param("id", subscriber))
	for i := range rows {
		clearAbsent(&rows[i].LastDay)
	}
	return rows, err
}
