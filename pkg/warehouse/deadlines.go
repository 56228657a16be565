package warehouse

import (
	"context"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// deadlineRow is what one event says of a statutory deadline.
type deadlineRow struct {
	source
	deadline, lastDay string
}

type deadlineRows struct{ rows []deadlineRow }

func (r *deadlineRows) add(s source) {
	row := deadlineRow{source: s}
	switch b := s.body.(type) {
	case *events.DeadlineSet:
		row.deadline, row.lastDay = word(b.Kind), b.LastDay
	case *events.DeadlineMet:
		row.deadline = word(b.Kind)
	case *events.DeadlineMissed:
		row.deadline, row.lastDay = word(b.Kind), b.LastDay
	default:
		return
	}
	r.rows = append(r.rows, row)
}

func (r *deadlineRows) columns() []column {
	return []column{
		gather("subscriber", r.rows, func(d *deadlineRow) string { return d.commit.Id }),
		gather("deadline", r.rows, func(d *deadlineRow) string { return d.deadline }),
		gather("version", r.rows, func(d *deadlineRow) uint64 { return d.commit.Revision<<16 | uint64(d.index) }),
		gather("event", r.rows, func(d *deadlineRow) string { return d.name }),
		gather("last_day", r.rows, func(d *deadlineRow) time.Time { return day(d.lastDay) }),
		gather("recorded", r.rows, func(d *deadlineRow) int64 { return d.event.RecordedMs }),
	}
}

// What may be due on a day.
const (
	DueWindow   = "window"   // a renewal window opens; not recorded yet
	DueExpiry   = "expiry"   // a certificate's last day is over; not recorded yet
	DueCard     = "card"     // a card's last day is over; not recorded yet
	DueDeadline = "deadline" // a statutory deadline's last day is over; neither met nor missed yet
)

// Due is a date that has arrived for a subscriber and is not recorded.
type Due struct {
	What       string
	Subscriber string
	Serial     uint64     // window, expiry
	Target     string     // the card, or the kind of deadline
	Day        civil.Date // the date that has arrived: the window's first day, or the last day that is over
}

// dueSQL finds what is due on a day. Certificates count while the log has not
// ended them; whether the expiry of one is right is for Decide to judge.
const dueSQL = `WITH toDate32({day:String}) AS today, toDateTime64(0, 3) AS never, toDate32('1970-01-01') AS no_day
SELECT * FROM (
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
) WHERE subscriber > {after:String} ORDER BY subscriber, due_day, what, serial LIMIT {limit:UInt32}`

// Due returns what has arrived by the morning of a day and is not recorded,
// for subscribers with ids after the one given (empty: all), at most limit
// rows in the order of ids: a hint for the expiry service.
func (w *Warehouse) Due(ctx context.Context, today civil.Date, after string, limit int) ([]Due, error) {
	var rows []struct {
		What       string    `ch:"what"`
		Subscriber string    `ch:"subscriber"`
		Serial     uint64    `ch:"serial"`
		Target     string    `ch:"target"`
		Day        time.Time `ch:"due_day"`
	}
	err := w.query(ctx, &rows, "what is due", dueSQL, param("day", today.String()), param("after", after), param("limit", limit))
	due := make([]Due, len(rows))
	for i, r := range rows {
		due[i] = Due{r.What, r.Subscriber, r.Serial, r.Target, dateOf(r.Day)}
	}
	return due, err
}
