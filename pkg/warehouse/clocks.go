package warehouse

import (
	"context"
	"strings"
	"time"

	"shomei/pkg/civil"
)

// Clocks are the two times of a question: what was true at an instant, as it was known at another.
type Clocks struct {
	At    time.Time
	Known time.Time // zero: as known now
}

// recorded returns until when recorded events count: what is recorded takes effect then, and no event tells of the
// future. Only the end of a certificate by itself is known before it comes.
func (c Clocks) recorded() time.Time {
	if c.Known.IsZero() || c.Known.After(c.At) {
		return c.At
	}
	return c.Known
}

// shown is the status of a row of certificate_sums or certificate_moves at the instant of a question: what has not ended
// otherwise has ended at the instant after notAfter (RFC 5280 4.1.2.5).
const shown = `if(status IN ('authorized', 'issued', 'valid', 'suspended') AND toUnixTimestamp64Milli(not_after) BETWEEN 1 AND {at:Int64} - 1,
	'expired', status)`

// tries is how often a question is asked again because months that it counted on were opened meanwhile.
const tries = 5

// counted asks a question of all moves of certificates until an instant, which stand in sql as {moved}: the sums of the
// closed months before it, and the moves since.
func counted[R any](ctx context.Context, w *Warehouse, what string, when Clocks, in Extent, sql string, params ...any) ([]R, error) {
	for try := 1; ; try++ {
		through, err := w.closed(ctx)
		if err != nil {
			return nil, err
		}
		rows, err := question[R](ctx, w, what, strings.Replace(sql, "{moved}", moved(in), 1),
			append(append(params, in.params()...), movedParams(when, through)...)...)
		if err != nil || try == tries {
			return rows, err
		}
		if now, err := w.closed(ctx); err != nil || !now.Before(through) {
			return rows, err
		}
	}
}

func moved(in Extent) string {
	nation, where := "1", ""
	if in.Area != nil || in.Place != (Place{}) {
		nation, where = "0", " AND "+in.condition()
	}
	const columns = "municipality, regime, kind, not_after, last_day, window_opens, status, "
	return `(SELECT ` + columns + `n FROM {certificate_sums} WHERE nation = ` + nation + ` AND month <= {through:Date}` + where + `
		UNION ALL
		SELECT ` + columns + `toInt64(sign) AS n
		FROM (SELECT * FROM {certificate_moves} FINAL
			WHERE month > {through:Date} AND month <= {month:Date} AND recorded <= fromUnixTimestamp64Milli({recorded:Int64})` + where + `)
		ARRAY JOIN [before, after] AS status, [-1, 1] AS sign WHERE status != '')`
}

// movedParams returns the parameters of moved: the sums count up to the month before that of the question.
func movedParams(when Clocks, closed civil.Date) []any {
	month := firstOf(when.recorded())
	through := closed
	if !through.Before(month) {
		through = month.AddMonthsClamped(-1)
	}
	return []any{
		at("at", when.At), at("recorded", when.recorded()), monthParam("through", through), monthParam("month", month),
	}
}

// InForce is the number of certificates in force in a municipality.
type InForce struct {
	Municipality string `ch:"municipality" json:"municipality"`
	Regime       string `ch:"regime" json:"regime"`
	Kind         string `ch:"kind" json:"kind"`
	Count        uint64 `ch:"n" json:"count"`
}

// InForce counts the certificates in force on cards (issued, not ended; suspended ones count) by municipality: "how many
// expire from under us on 1 April, by what we knew last June".
func (w *Warehouse) InForce(ctx context.Context, when Clocks, in Extent) ([]InForce, error) {
	if in.Area == nil && in.Place == (Place{}) {
		in.Area = everywhere // the sums of the nation have no places
	}
	return counted[InForce](ctx, w, "certificates in force", when, in, `
		SELECT municipality, regime, kind, toUInt64(sum(n)) AS n FROM {moved} WHERE `+shown+` IN ('issued', 'valid', 'suspended')
		GROUP BY municipality, regime, kind HAVING n > 0 ORDER BY municipality, regime, kind`)
}
