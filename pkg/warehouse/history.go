package warehouse

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
)

func revocationReasonOf(body proto.Message) string {
	if b, ok := body.(interface {
		GetReason() events.RevocationReason
	}); ok {
		return reasonWord(b.GetReason())
	}
	return ""
}

func causeOf(body proto.Message) string {
	if b, ok := body.(interface{ GetCause() string }); ok {
		return b.GetCause()
	}
	return ""
}

// Occurrence is one event in the life of one certificate.
type Occurrence struct {
	Kind     string    `ch:"kind" json:"kind"`
	ID       string    `ch:"id" json:"id"`
	Revision uint64    `ch:"revision" json:"revision"`
	Index    uint16    `ch:"index" json:"index"`
	Serial   uint64    `ch:"serial" json:"serial,string"`
	Event    string    `ch:"event" json:"event"`
	Caused   time.Time `ch:"caused" json:"caused,omitzero"`
	Filed    time.Time `ch:"filed" json:"filed,omitzero"`
	Recorded time.Time `ch:"recorded" json:"recorded"`
	Office   string    `ch:"office" json:"office"`
	Reason   string    `ch:"reason" json:"reason"`
	Cause    string    `ch:"cause" json:"cause"`

	Municipality string `ch:"municipality" json:"municipality"`
}

// occurrenceOf returns the row of an event and one of the certificates it touches.
func occurrenceOf(s source, serial uint64) Occurrence {
	return Occurrence{
		Kind: s.commit.Kind, ID: s.commit.Id, Revision: s.commit.Revision, Index: s.index, Serial: serial, Event: s.name,
		Caused: instant(s.event.CausedMs), Filed: instant(s.event.FiledMs), Recorded: instant(s.event.RecordedMs),
		Office: s.commit.Office, Reason: revocationReasonOf(s.body), Cause: causeOf(s.body), Municipality: s.municipality,
	}
}

// CertificateHistory returns the events of one certificate in order; ErrNotFound if there are none.
func (w *Warehouse) CertificateHistory(ctx context.Context, serial uint64) ([]Occurrence, error) {
	rows, err := question[Occurrence](ctx, w, "a certificate's history", `
		SELECT * FROM {certificate_history} FINAL
		WHERE kind = 'subscriber' AND id IN (SELECT subscriber FROM {certificates} WHERE serial = {serial:UInt64})
		  AND serial = {serial:UInt64} ORDER BY revision, index`, param("serial", serial))
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	return rows, err
}
