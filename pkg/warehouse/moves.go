package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shomei/pkg/civil"
)

// movesOf returns the rows of certificate_moves of the certificates that a condition selects. A certificate on a card
// only goes forward: at each instant its status is the greatest that it has reached, in the order of the list, unless
// it has ended by itself, which is left to whoever counts. Before its authorization is known it has no rows.
func movesOf(condition string) string {
	return `INSERT INTO {certificate_moves}
	(month, municipality, serial, recorded, subscriber, office, regime, kind, not_after, last_day, window_opens, before, after)
	WITH ['', 'authorized', 'issued', 'valid', 'suspended', 'expired', 'revoked', 'abandoned'] AS words,
		[authorized, issued, delivered, suspended, expired, revoked, abandoned] AS reached,
		arrayMap(x -> greatest(x, authorized), reached) AS instants,
		arrayMap((x, i) -> if(x = toDateTime64(0, 3, 'Asia/Tokyo'), 0, i), reached, [1, 2, 3, 4, 5, 6, 7]) AS ranks,
		arrayMax(arrayMap((x, r) -> if(x < instant, r, 0), instants, ranks)) AS rank_before,
		arrayMax(arrayMap((x, r) -> if(x <= instant, r, 0), instants, ranks)) AS rank_after
	SELECT toStartOfMonth(instant), municipality, serial, instant, subscriber, office, regime, kind, not_after, last_day, window_opens,
		words[rank_before + 1], words[rank_after + 1]
	FROM {certificates} FINAL
	ARRAY JOIN arrayDistinct(arrayFilter((x, r) -> r > 0, instants, ranks)) AS instant
	WHERE authorized > toDateTime64(0, 3, 'Asia/Tokyo') AND device = '' AND (` + condition + `)`
}

// serialsAtOnce keeps a statement that lists serial numbers within what the engine parses.
const serialsAtOnce = 5000

// move writes the moves of certificates whose row has changed.
func (w *Warehouse) move(ctx context.Context, serials []uint64) error {
	for some := range slices.Chunk(serials, serialsAtOnce) {
		list := make([]string, len(some))
		for i, serial := range some {
			list[i] = strconv.FormatUint(serial, 10)
		}
		if err := w.conn.Exec(ctx, w.expand(movesOf("serial IN ("+strings.Join(list, ", ")+")"))); err != nil {
			return wrap(fmt.Sprintf("writing the moves of %d certificates", len(some)), err)
		}
	}
	return nil
}

// moveSlices is into how many statements the moves of all certificates are cut, by serial number: each then ends long
// before the driver gives it up.
const moveSlices = 32

// moveAll writes the moves of all certificates.
func (w *Warehouse) moveAll(ctx context.Context) error {
	const width = 1 << 64 / moveSlices
	for i := range uint64(moveSlices) {
		sql := movesOf(fmt.Sprintf("serial BETWEEN %d AND %d", i*width, i*width+(width-1)))
		if err := w.conn.Exec(ctx, w.expand(sql)); err != nil {
			return wrap("writing the moves of all certificates", err)
		}
	}
	return nil
}

// firstOf returns the first day of the month of an instant in Japan.
func firstOf(at time.Time) civil.Date {
	day := civil.Of(at)
	return civil.New(day.Year, day.Month, 1)
}

// sumsOf returns the query for the rows of certificate_sums of the months that a condition selects.
func sumsOf(months string) string {
	return `SELECT month, nation, if(nation, '', municipality) AS municipality, if(nation, '', office) AS office, regime, kind, status,
		not_after, last_day, window_opens, sum(toInt64(sign)) AS n
	FROM (SELECT * FROM {certificate_moves} FINAL WHERE ` + months + `)
	ARRAY JOIN [before, after, before, after] AS status, [-1, 1, -1, 1] AS sign, [0, 0, 1, 1] AS nation
	WHERE status != '' GROUP BY ALL HAVING n != 0`
}

// closed returns the first day of the newest month in certificate_sums, or the zero date.
func (w *Warehouse) closed(ctx context.Context) (civil.Date, error) {
	var newest time.Time
	err := w.conn.QueryRow(ctx, w.expand("SELECT max(month) FROM {certificate_sums}")).Scan(&newest)
	if err != nil || newest.Unix() == 0 {
		return civil.Date{}, wrap("asking ClickHouse for the closed months", err)
	}
	return civil.New(newest.Year(), newest.Month(), 1), nil
}

// CloseMonths sums up the months before that of the newest event written, so that questions need not read their moves.
// It costs nothing while that month goes on. The follower calls it when it has caught up: while old events arrive, each
// batch would open again what the last one closed.
func (w *Warehouse) CloseMonths(ctx context.Context) error {
	w.mu.Lock()
	newest, done := w.newest, w.closedBefore
	w.mu.Unlock()
	if newest.IsZero() || newest == done {
		return nil
	}
	through, err := w.closed(ctx)
	if err != nil {
		return err
	}
	type open struct {
		Month time.Time `ch:"month"`
	}
	months, err := ask[open](ctx, w, "the open months", `SELECT DISTINCT month FROM {certificate_moves}
		WHERE month > {through:Date} AND month < {newest:Date} ORDER BY month`, monthParam("through", through), monthParam("newest", newest))
	if err != nil {
		return err
	}
	for _, m := range months {
		if err := w.closeMonth(ctx, civil.New(m.Month.Year(), m.Month.Month(), 1)); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.closedBefore = newest
	w.mu.Unlock()
	return nil
}

// closeMonth writes the sums of a month as one block, so as one part: a kill leaves all of them or none. With the last
// month of a year its parts become one.
func (w *Warehouse) closeMonth(ctx context.Context, month civil.Date) error {
	err := w.conn.Exec(ctx, w.expand("INSERT INTO {certificate_sums} "+sumsOf("month = {month:Date}")+
		" SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 1000000000, min_insert_block_size_bytes = 100000000000"),
		monthParam("month", month))
	if err == nil && month.Month == time.December {
		err = w.conn.Exec(ctx, fmt.Sprintf("OPTIMIZE TABLE %s%s PARTITION %d FINAL", w.name("certificate_sums"), onCluster(w.config.Cluster), month.Year))
	}
	return wrap("closing the month of "+month.String(), err)
}

// openMonths removes the sums of the year of a month and of all later ones, the newest first, so that those which are
// left are whole up to the last.
func (w *Warehouse) openMonths(ctx context.Context, from civil.Date) error {
	for {
		newest, err := w.closed(ctx)
		if err != nil || newest.IsZero() || newest.Before(from) {
			return err
		}
		w.mu.Lock()
		w.closedBefore = civil.Date{}
		w.mu.Unlock()
		err = w.conn.Exec(ctx, fmt.Sprintf("ALTER TABLE %s%s DROP PARTITION %d", w.name("certificate_sums"), onCluster(w.config.Cluster), newest.Year))
		if err != nil {
			return wrap("opening the months of "+newest.String(), err)
		}
	}
}

// monthParam returns a month as a parameter; the zero date is before all.
func monthParam(name string, month civil.Date) any {
	if month.IsZero() {
		return param(name, "1970-01-01")
	}
	return param(name, month.String())
}

// WrongSum is a row of certificate_sums that is not the sum of its moves.
type WrongSum struct {
	Key    string `ch:"key"`
	Stored int64  `ch:"stored"`
	Summed int64  `ch:"summed"`
}

// WrongSums returns the rows of certificate_sums that are not the sums of their month's moves, at most a thousand.
func (w *Warehouse) WrongSums(ctx context.Context) ([]WrongSum, error) {
	const cell = "month, nation, municipality, office, regime, kind, status, not_after, last_day, window_opens"
	return ask[WrongSum](ctx, w, "wrong sums", `
		SELECT arrayStringConcat([toString(nation), municipality, office, regime, kind, status,
			toString(not_after), toString(last_day), toString(window_opens)], '/') AS key, sum(stored) AS stored, sum(summed) AS summed
		FROM (
			SELECT `+cell+`, n AS stored, 0 AS summed FROM {certificate_sums}
			UNION ALL
			SELECT `+cell+`, 0 AS stored, n AS summed FROM (`+sumsOf("month <= (SELECT max(month) FROM {certificate_sums})")+`)
		) GROUP BY `+cell+` HAVING stored != summed ORDER BY key LIMIT 1000`)
}
