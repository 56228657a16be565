package warehouse

import (
	"context"
	"strings"
	"time"

	"shomei/events"
)

// Application is an application's current state or, for one event, what it adds. What has not happened has a zero time.
type Application struct {
	Subscriber   string    `ch:"subscriber" json:"subscriber"`
	Procedure    string    `ch:"procedure" json:"procedure"`
	Operation    string    `ch:"operation" json:"operation"`
	Channel      string    `ch:"channel" json:"channel"`
	Regime       string    `ch:"regime" json:"regime"`
	Kinds        string    `ch:"kinds" json:"kinds"` // space-separated
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

// applicationOf returns the row of an event that belongs to a procedure.
func applicationOf(s source) (Application, bool) {
	a := Application{Subscriber: s.commit.Id, Procedure: procedureOf(s.body)}
	recorded := instant(s.event.RecordedMs)
	switch b := s.body.(type) {
	case *events.ApplicationAccepted:
		a.received(s, b)
		a.Accepted, a.Regime, a.Card = recorded, word(b.Regime), b.Card
		for _, item := range b.Fee {
			a.FeeYen += item.Yen
		}
	case *events.ApplicationRefused:
		a.received(s, b)
		a.Refused = recorded
		if len(b.Refusals) > 0 {
			a.Refusal = b.Refusals[0]
		}
	case *events.InquiryLetterDue:
		a.received(s, b)
		a.Letter, a.Card = recorded, b.Card
	case *events.ApplicationWithdrawn:
		a.Withdrawn = recorded
	case *events.KeysRecorded:
		a.Keys, a.Card = recorded, b.Card
	case *events.CertificateIssued:
		a.Issued, a.Regime = recorded, word(b.Regime)
	case *events.CertificateWritten:
		a.Written = recorded
	case *events.CardWriteFailed:
		a.Failed = recorded
	case *events.Delivered:
		a.Delivered = recorded
	case *events.FeeCollected:
		a.PaidYen = b.Yen
	default:
		return a, false
	}
	return a, a.Procedure != ""
}

// received fills in what the counter received, whatever was decided on it.
func (a *Application) received(s source, b interface {
	GetOperation() events.Operation
	GetChannel() events.Channel
	GetKinds() []events.CertificateKind
	GetMunicipality() string
},
) {
	a.Filed, a.Office = instant(s.event.FiledMs), s.commit.Office
	a.Operation, a.Channel, a.Municipality = word(b.GetOperation()), word(b.GetChannel()), b.GetMunicipality()
	kinds := make([]string, len(b.GetKinds()))
	for i, kind := range b.GetKinds() {
		kinds[i] = word(kind)
	}
	a.Kinds = strings.Join(kinds, " ")
}

// Inquired returns the subscribers with an application that was postponed until a letter of inquiry is answered,
// whatever became of it: the one with a case number or, if that is empty, those with a card.
func (w *Warehouse) Inquired(ctx context.Context, number, card string) ([]string, error) {
	by, key := "right(procedure, 8)", number
	if number == "" {
		by, key = "card", card
	}
	rows, err := question[struct {
		Subscriber string `ch:"subscriber"`
	}](ctx, w, "applications put off", "SELECT DISTINCT subscriber FROM {applications} WHERE "+by+
		" = {key:String} AND letter != toDateTime64(0, 3) ORDER BY subscriber LIMIT 100", param("key", key))
	subscribers := make([]string, len(rows))
	for i, row := range rows {
		subscribers[i] = row.Subscriber
	}
	return subscribers, err
}

// Applications returns a subscriber's applications in order of receipt.
func (w *Warehouse) Applications(ctx context.Context, subscriber string) ([]Application, error) {
	return question[Application](ctx, w, "applications", `
		SELECT * FROM {applications} FINAL WHERE subscriber = {id:String} ORDER BY filed, procedure`,
		param("id", subscriber))
}
