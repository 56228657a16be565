package warehouse

import (
	"context"
	"strings"
	"time"

	"shomei/events"
)

// applicationRow is what one event adds to the row of an application.
type applicationRow struct {
	subscriber, procedure               string
	operation, channel, regime, kinds   string
	office, municipality, card, refusal string
	feeYen, paidYen                     uint32
	filed, letter, accepted, refused    int64
	withdrawn, keys, issued, written    int64
	failed, delivered                   int64
}

type applicationRows struct{ rows []applicationRow }

// add makes the row of an event that belongs to a procedure.
func (r *applicationRows) add(s source) {
	procedure := procedureOf(s.body)
	if procedure == "" {
		return
	}
	row := applicationRow{subscriber: s.commit.Id, procedure: procedure}
	if row.fill(s) {
		r.rows = append(r.rows, row)
	}
}

func (row *applicationRow) fill(s source) bool {
	recorded := s.event.RecordedMs
	switch b := s.body.(type) {
	case *events.ApplicationAccepted:
		row.accept(s, b)
	case *events.ApplicationRefused:
		row.refused, row.filed, row.office = recorded, s.event.FiledMs, s.commit.Office
		row.operation, row.channel, row.kinds = word(b.Operation), word(b.Channel), kindsOf(b.Kinds)
		row.municipality = b.Municipality
		if len(b.Refusals) > 0 {
			row.refusal = b.Refusals[0]
		}
	case *events.InquiryLetterDue:
		row.letter, row.filed, row.office = recorded, s.event.FiledMs, s.commit.Office
		row.operation, row.channel, row.kinds = word(b.Operation), word(b.Channel), kindsOf(b.Kinds)
		row.municipality = b.Municipality
	case *events.ApplicationWithdrawn:
		row.withdrawn = recorded
	case *events.KeysRecorded:
		row.keys, row.card = recorded, b.Card
	case *events.CertificateIssued:
		row.issued, row.regime = recorded, word(b.Regime)
	case *events.CertificateWritten:
		row.written = recorded
	case *events.CardWriteFailed:
		row.failed = recorded
	case *events.Delivered:
		row.delivered = recorded
	case *events.FeeCollected:
		row.paidYen = b.Yen
	default:
		return false
	}
	return true
}

func (row *applicationRow) accept(s source, b *events.ApplicationAccepted) {
	row.accepted, row.filed, row.office = s.event.RecordedMs, s.event.FiledMs, s.commit.Office
	row.operation, row.channel, row.regime = word(b.Operation), word(b.Channel), word(b.Regime)
	row.kinds, row.municipality, row.card = kindsOf(b.Kinds), b.Municipality, b.Card
	for _, item := range b.Fee {
		row.feeYen += item.Yen
	}
}

func kindsOf(kinds []events.CertificateKind) string {
	all := make([]string, len(kinds))
	for i, kind := range kinds {
		all[i] = word(kind)
	}
	return strings.Join(all, " ")
}

func (r *applicationRows) columns() []column {
	return []column{
		gather("subscriber", r.rows, func(a *applicationRow) string { return a.subscriber }),
		gather("procedure", r.rows, func(a *applicationRow) string { return a.procedure }),
		gather("operation", r.rows, func(a *applicationRow) string { return a.operation }),
		gather("channel", r.rows, func(a *applicationRow) string { return a.channel }),
		gather("regime", r.rows, func(a *applicationRow) string { return a.regime }),
		gather("kinds", r.rows, func(a *applicationRow) string { return a.kinds }),
		gather("office", r.rows, func(a *applicationRow) string { return a.office }),
		gather("municipality", r.rows, func(a *applicationRow) string { return a.municipality }),
		gather("card", r.rows, func(a *applicationRow) string { return a.card }),
		gather("refusal", r.rows, func(a *applicationRow) string { return a.refusal }),
		gather("fee_yen", r.rows, func(a *applicationRow) uint32 { return a.feeYen }),
		gather("paid_yen", r.rows, func(a *applicationRow) uint32 { return a.paidYen }),
		gather("filed", r.rows, func(a *applicationRow) int64 { return a.filed }),
		gather("letter", r.rows, func(a *applicationRow) int64 { return a.letter }),
		gather("accepted", r.rows, func(a *applicationRow) int64 { return a.accepted }),
		gather("refused", r.rows, func(a *applicationRow) int64 { return a.refused }),
		gather("withdrawn", r.rows, func(a *applicationRow) int64 { return a.withdrawn }),
		gather("keys", r.rows, func(a *applicationRow) int64 { return a.keys }),
		gather("issued", r.rows, func(a *applicationRow) int64 { return a.issued }),
		gather("written", r.rows, func(a *applicationRow) int64 { return a.written }),
		gather("failed", r.rows, func(a *applicationRow) int64 { return a.failed }),
		gather("delivered", r.rows, func(a *applicationRow) int64 { return a.delivered }),
	}
}

// Application is one application as it stands now. Instants of what has not
// happened are zero.
type Application struct {
	Subscriber   string    `ch:"subscriber" json:"subscriber"`
	Procedure    string    `ch:"procedure" json:"procedure"`
	Operation    string    `ch:"operation" json:"operation"`
	Channel      string    `ch:"channel" json:"channel"`
	Regime       string    `ch:"regime" json:"regime"`
	Kinds        string    `ch:"kinds" json:"kinds"` // separated by spaces
	Office       string    `ch:"office" json:"office"`
	Municipality string    `ch:"municipality" json:"municipality"`
	Card         string    `ch:"card" json:"card"`
	Refusal      string    `ch:"refusal" json:"refusal"` // id of the first rule that refused
	FeeYen       uint32    `ch:"fee_yen" json:"fee_yen"`
	PaidYen      uint32    `ch:"paid_yen" json:"paid_yen"`
	Filed        time.Time `ch:"filed" json:"filed,omitzero"`
	Letter       time.Time `ch:"letter" json:"letter,omitzero"`
	Accepted     time.Time `ch:"accepted" json:"accepted,omitzero"`
	Refused      time.Time `ch:"refused" json:"refused,omitzero"`
	Withdrawn    time.Time `ch:"withdrawn" json:"withdrawn,omitzero"`
	Keys         time.Time `ch:"keys" json:"keys,omitzero"`
	Issued       time.Time `ch:"issued" json:"issued,omitzero"`
	Written      time.Time `ch:"written" json:"written,omitzero"`
	Failed       time.Time `ch:"failed" json:"failed,omitzero"`
	Delivered    time.Time `ch:"delivered" json:"delivered,omitzero"`
}

// Applications returns a subscriber's applications in the order of their
// receipt.
func (w *Warehouse) Applications(ctx context.Context, subscriber string) ([]Application, error) {
	var rows []Application
	err := w.query(ctx, &rows, "applications", `
		SELECT * FROM {applications} FINAL WHERE subscriber = {id:String} ORDER BY filed, procedure`,
		param("id", subscriber))
	for i := range rows {
		a := &rows[i]
		clearAbsent(&a.Filed, &a.Letter, &a.Accepted, &a.Refused, &a.Withdrawn, &a.Keys, &a.Issued, &a.Written, &a.Failed, &a.Delivered)
	}
	return rows, err
}
