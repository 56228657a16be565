package warehouse

import (
	"context"
	"time"

	"shomei/events"
)

// noticeRow is what one event adds to the row of a notice.
type noticeRow struct {
	subscriber, notice, kind      string
	serial                        uint64
	lastDay, medium, outcome      string
	due, sent, failed, suppressed int64
}

type noticeRows struct{ rows []noticeRow }

func (r *noticeRows) add(s source) {
	recorded := s.event.RecordedMs
	row := noticeRow{subscriber: s.commit.Id}
	switch b := s.body.(type) {
	case *events.NoticeDue:
		row.notice, row.kind, row.lastDay, row.due = b.Notice, word(b.Kind), b.LastDay, recorded
		if len(b.Serials) > 0 {
			row.serial = b.Serials[0]
		}
	case *events.NoticeSent:
		row.notice, row.medium, row.outcome, row.sent = b.Notice, b.Medium, "sent", recorded
	case *events.NoticeFailed:
		row.notice, row.medium, row.outcome, row.failed = b.Notice, b.Medium, "failed: "+b.Code, recorded
	case *events.NoticeSuppressed:
		row.notice, row.outcome, row.suppressed = b.Notice, "suppressed: "+b.Reason, recorded
	default:
		return
	}
	r.rows = append(r.rows, row)
}

func (r *noticeRows) columns() []column {
	return []column{
		gather("subscriber", r.rows, func(n *noticeRow) string { return n.subscriber }),
		gather("notice", r.rows, func(n *noticeRow) string { return n.notice }),
		gather("kind", r.rows, func(n *noticeRow) string { return n.kind }),
		gather("serial", r.rows, func(n *noticeRow) uint64 { return n.serial }),
		gather("last_day", r.rows, func(n *noticeRow) time.Time { return day(n.lastDay) }),
		gather("medium", r.rows, func(n *noticeRow) string { return n.medium }),
		gather("outcome", r.rows, func(n *noticeRow) string { return n.outcome }),
		gather("due", r.rows, func(n *noticeRow) int64 { return n.due }),
		gather("sent", r.rows, func(n *noticeRow) int64 { return n.sent }),
		gather("failed", r.rows, func(n *noticeRow) int64 { return n.failed }),
		gather("suppressed", r.rows, func(n *noticeRow) int64 { return n.suppressed }),
	}
}

// Notice is one notice as it stands now. Instants of what has not happened
// are zero; an empty Outcome means that it is still owed.
type Notice struct {
	Subscriber string    `ch:"subscriber" json:"subscriber"`
	Notice     string    `ch:"notice" json:"notice"`
	Kind       string    `ch:"kind" json:"kind"`
	Serial     uint64    `ch:"serial" json:"serial"` // the first certificate it is about
	LastDay    time.Time `ch:"last_day" json:"last_day,omitzero"`
	Medium     string    `ch:"medium" json:"medium"`
	Outcome    string    `ch:"outcome" json:"outcome"`
	Due        time.Time `ch:"due" json:"due,omitzero"`
	Sent       time.Time `ch:"sent" json:"sent,omitzero"`
	Failed     time.Time `ch:"failed" json:"failed,omitzero"`
	Suppressed time.Time `ch:"suppressed" json:"suppressed,omitzero"`
}

// Notices returns a subscriber's notices in the order in which they fell due.
func (w *Warehouse) Notices(ctx context.Context, subscriber string) ([]Notice, error) {
	var rows []Notice
	err := w.query(ctx, &rows, "notices", `
		SELECT * FROM {notices} FINAL WHERE subscriber = {id:String} ORDER BY due, notice`, param("id", subscriber))
	for i := range rows {
		n := &rows[i]
		clearAbsent(&n.LastDay, &n.Due, &n.Sent, &n.Failed, &n.Suppressed)
	}
	return rows, err
}
