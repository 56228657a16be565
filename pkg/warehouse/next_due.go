package warehouse

import (
	"context"

	"shomei/pkg/civil"
)

// nextDueSQL finds the first later day that has something due: a window that opens, or the day after a last day.
const nextDueSQL = `WITH toDate32({day:String}) AS today, toDateTime64(0, 3) AS never, toDate32('1970-01-01') AS no_day
SELECT toString(min(due)) AS day FROM (
	SELECT window_opens AS due FROM {certificates} FINAL
	WHERE issued > never AND revoked = never AND expired = never AND abandoned = never AND window_opened = never AND window_opens > today
	UNION ALL
	SELECT last_day + 1 AS due FROM {certificates} FINAL
	WHERE issued > never AND revoked = never AND expired = never AND abandoned = never AND last_day >= today
	UNION ALL
	SELECT argMaxIf(last_day, (revision, index), last_day > no_day) + 1 AS due
	FROM {card_operations} WHERE kind = 'subscriber' AND card != '' GROUP BY id, card
	HAVING max(ends) = false AND due > today
	UNION ALL
	SELECT last_day + 1 AS due FROM {deadlines} FINAL WHERE event = 'DeadlineSet' AND last_day >= today
) HAVING count() > 0`

// NextDue returns the first day after the given one on which Due may return something new, or the zero date.
func (w *Warehouse) NextDue(ctx context.Context, after civil.Date) (civil.Date, error) {
	rows, err := question[struct {
		Day string `ch:"day"`
	}](ctx, w, "what is due next", nextDueSQL, param("day", after.String()))
	if err != nil || len(rows) == 0 {
		return civil.Date{}, err
	}
	return civil.Parse(rows[0].Day)
}
