package warehouse

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// historyRow is one event that touched one certificate.
type historyRow struct {
	source
	serial uint64
}

type historyRows struct{ rows []historyRow }

func (r *historyRows) add(s source) {
	for _, serial := range serialsOf(s.body) {
		r.rows = append(r.rows, historyRow{s, serial})
	}
}

func (r *historyRows) columns() []column {
	return []column{
		gather("kind", r.rows, func(h *historyRow) string { return h.commit.Kind }),
		gather("id", r.rows, func(h *historyRow) string { return h.commit.Id }),
		gather("revision", r.rows, func(h *historyRow) uint64 { return h.commit.Revision }),
		gather("index", r.rows, func(h *historyRow) uint16 { return h.index }),
		gather("serial", r.rows, func(h *historyRow) uint64 { return h.serial }),
		gather("event", r.rows, func(h *historyRow) string { return h.name }),
		gather("caused", r.rows, func(h *historyRow) int64 { return h.event.CausedMs }),
		gather("filed", r.rows, func(h *historyRow) int64 { return h.event.FiledMs }),
		gather("recorded", r.rows, func(h *historyRow) int64 { return h.event.RecordedMs }),
		gather("office", r.rows, func(h *historyRow) string { return h.commit.Office }),
		gather("reason", r.rows, func(h *historyRow) string { return revocationReasonOf(h.body) }),
		gather("cause", r.rows, func(h *historyRow) string { return causeOf(h.body) }),
	}
}

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
	Serial   uint64    `ch:"serial" json:"serial"`
	Event    string    `ch:"event" json:"event"`
	Caused   time.Time `ch:"caused" json:"caused"`
	Filed    time.Time `ch:"filed" json:"filed"`
	Recorded time.Time `ch:"recorded" json:"recorded"`
	Office   string    `ch:"office" json:"office"`
	Reason   string    `ch:"reason" json:"reason"`
	Cause    string    `ch:"cause" json:"cause"`
}

// CertificateHistory returns the events of one certificate in order; ErrNotFound
// when there are none.
func (w *Warehouse) CertificateHistory(ctx context.Context, serial uint64) ([]Occurrence, error) {
	var rows []Occurrence
	err := w.query(ctx, &rows, "a certificate's history", `
		SELECT * FROM {certificate_history} FINAL
		WHERE kind = 'subscriber' AND id IN (SELECT subscriber FROM {certificates} WHERE serial = {serial:UInt64})
		  AND serial = {serial:UInt64} ORDER BY revision, index`, param("serial", serial))
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	return rows, err
}
