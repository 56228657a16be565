package warehouse

import (
	"context"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// deadline is the row of one event about a statutory deadline.
type deadline struct {
	Subscriber string    `ch:"subscriber"`
	Deadline   string    `ch:"deadline"`
	Version    uint64    `ch:"version"`
	Event      string    `ch:"event"`
	LastDay    Date      `ch:"last_day"`
	Recorded   time.Time `ch:"recorded"`

	Municipality string `ch:"municipality"`
}

// deadlineOf returns the row of an event about a deadline.
func deadlineOf(s source) (deadline, bool) {
	d := deadline{
		Subscriber: s.commit.Id, Version: s.commit.Revision<<16 | uint64(s.index), Event: s.name,
		Recorded: instant(s.event.RecordedMs), Municipality: s.municipality,
	}
	switch b := s.body.(type) {
	case *events.DeadlineSet:
		d.Deadline, d.LastDay = word(b.Kind), day(b.LastDay)
	case *events.DeadlineMet:
		d.Deadline = word(b.Kind)
	case *events.DeadlineMissed:
		d.Deadline, d.LastDay = word(b.Kind), day(b.LastDay)
	default:
		return d, false
	}
	return d, true
}

// What may be due on a day.
const (
	DueWindow   = "window"   // a renewal window opens; not recorded yet
	DueExpiry   = "expiry"   // a certificate's last day is over; not recorded yet
	DueCard     = "card"     // a card's last day is over; not recorded yet
	DueDeadline = "deadline" // a statutory deadline's last day is over; neither met nor missed yet
)

// Due is a date that has arrived for a subscriber and is not yet recorded.
type Due struct {
	What       string `ch:"what"`
	Subscriber string `ch:"subscriber"`
	Serial     uint64 `ch:"serial"`  // window, expiry
	Target     string `ch:"target"`  // the card, or the kind of deadline
	Day        Date   `ch:"due_day"` // the date that has arrived: the window's first day, or the last day that is over
}

// dueSQL finds what is due on a day. Certificates count unless the log has ended them; Decide judges whether one has
// really expired.
const dueSQL = `WITH toDate32({day:String}) AS today, toDateTime64(0, 3) AS never, toDate32('1970-01-01') AS no_day
SELECT * FROM (SELECT * FROM (
	SELECT if(last_day < today, 'expiry', 'window') AS what, subscriber, serial, '' AS target,
		if(last_day < today, last_day, window_opens) AS due_day
	FROM {certificates} FINAL
	WHERE issued > never AND revoked = never AND expired = never AND abandoned = never
		AND (last_day < today OR window_opens > no_day AND window_opens <= today AND window_opened = never)
	UNION ALL
	SELECT 'card' AS what, id AS subscriber, 0 AS serial, card AS target,
		argMaxIf(last_day, (revision, index), last_day > no_day) AS due_day
	FROM {card_operations} WHERE kind = 'subscriber' AND card != '' GROUP BY id, card
	HAVING max(ends) = false AND due_day > no_day AND due_day < today
	UNION ALL
	SELECT 'deadline' AS what, subscriber, 0 AS serial, deadline AS target, last_day AS due_day
	FROM {deadlines} FINAL WHERE event = 'DeadlineSet' AND last_day < today
) WHERE subscriber > {after:String} ORDER BY subscriber LIMIT {limit:UInt32} WITH TIES) ORDER BY subscriber, due_day, what, serial`

// Due returns what has arrived by the morning of a day and is not recorded, for subscribers with ids after the given
// one (empty: all), in order of ids: a hint for the expiry service. It stops after the subscriber with whom limit rows
// are reached, never in the middle of one.
func (w *Warehouse) Due(ctx context.Context, today civil.Date, after string, limit int) ([]Due, error) {
	return question[Due](ctx, w, "what is due", dueSQL, param("day", today.String()), param("after", after), param("limit", limit))
}
