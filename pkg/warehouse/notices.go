package warehouse

import (
	"context"
	"time"

	"shomei/events"
)

// Notice is a notice's current state or, for one event, what it adds. What has not happened has a zero time; an empty
// Outcome means that it is still owed.
type Notice struct {
	Subscriber string    `ch:"subscriber" json:"subscriber"`
	Notice     string    `ch:"notice" json:"notice"`
	Kind       string    `ch:"kind" json:"kind"`
	Serial     uint64    `ch:"serial" json:"serial,string"` // the first certificate it is about
	LastDay    Date      `ch:"last_day" json:"last_day,omitzero"`
	Medium     string    `ch:"medium" json:"medium"`
	Outcome    string    `ch:"outcome" json:"outcome"`
	Due        time.Time `ch:"due" json:"due,omitzero"`
	Sent       time.Time `ch:"sent" json:"sent,omitzero"`
	Failed     time.Time `ch:"failed" json:"failed,omitzero"`
	Suppressed time.Time `ch:"suppressed" json:"suppressed,omitzero"`
	// Municipality is where the person lived when it fell due.
	Municipality string `ch:"municipality" json:"municipality"`
}

// noticeOf returns the row of an event about a notice.
func noticeOf(s source) (Notice, bool) {
	n, recorded := Notice{Subscriber: s.commit.Id}, instant(s.event.RecordedMs)
	switch b := s.body.(type) {
	case *events.NoticeDue:
		n.Notice, n.Kind, n.LastDay, n.Due = b.Notice, word(b.Kind), day(b.LastDay), recorded
		n.Municipality = s.municipality
		if len(b.Serials) > 0 {
			n.Serial = b.Serials[0]
		}
	case *events.NoticeSent:
		n.Notice, n.Medium, n.Outcome, n.Sent = b.Notice, b.Medium, "sent", recorded
	case *events.NoticeFailed:
		n.Notice, n.Medium, n.Outcome, n.Failed = b.Notice, b.Medium, "failed: "+b.Code, recorded
	case *events.NoticeSuppressed:
		n.Notice, n.Outcome, n.Suppressed = b.Notice, "suppressed: "+b.Reason, recorded
	default:
		return n, false
	}
	return n, true
}

// Notices returns a subscriber's notices in the order in which they fell due.
func (w *Warehouse) Notices(ctx context.Context, subscriber string) ([]Notice, error) {
	return question[Notice](ctx, w, "notices", `
		SELECT * FROM {notices} FINAL WHERE subscriber = {id:String} ORDER BY due, notice`, param("id", subscriber))
}
