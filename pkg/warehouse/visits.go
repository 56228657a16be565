package warehouse

import (
	"context"
	"strings"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
)

// VisitsQuery asks for what a forecast of visits learns from.
type VisitsQuery struct {
	At     time.Time // nothing that happened later is counted
	Extent Extent
}

// learnedYears is of how many years before At visits are counted.
const learnedYears = 5

// visitRow is one row of a history as the tables give it; the first of January 1970 is no day.
type visitRow struct {
	Day       Date   `ch:"day"`
	Office    string `ch:"office"`
	Kind      string `ch:"kind"`
	Procedure string `ch:"procedure"`
	LastDay   Date   `ch:"last_day"`
	Window    Date   `ch:"window"`
	Since     Date   `ch:"since"`
	Count     uint64 `ch:"count"`
}

// holdersSQL is who holds what: one row for each subscriber and last day of certificates on cards, whatever became of them by t. They were
// issued at an office, and taken along to others by a move.
const holdersSQL = `toDateTime64(0, 3) AS never, fromUnixTimestamp64Milli({at:Int64}) AS t, toDate32('1970-01-01') AS no_day,
	holders AS (
		SELECT subscriber, last_day, arrayStringConcat(arraySort(groupUniqArray(toString(kind))), ' ') AS kinds, max(window_opens) AS window,
			min(toDate32(issued)) AS since, argMin(office, issued) AS at_office, argMin(municipality, issued) AS at_municipality,
			if(countIf(revoked = never OR revoked > t) > 0, no_day, max(toDate32(revoked))) AS ended, argMax(cause, revoked) AS why,
			last_day - 100 AS near
		FROM {certificates} FINAL
		WHERE device = '' AND issued > never AND issued <= t AND abandoned = never AND last_day > no_day
		GROUP BY subscriber, last_day
	),
	asked AS (
		SELECT subscriber, procedure, toString(operation) AS operation, office, municipality,
			arrayStringConcat(arraySort(arrayFilter(k -> k != '', splitByChar(' ', toString(kinds)))), ' ') AS wanted,
			toDate32(filed) AS day, if(letter > never AND letter <= t, toDate32(letter), no_day) AS letter_day,
			accepted > never AND accepted <= t AS granted, refused > never AND refused <= t AS denied
		FROM {applications} FINAL
		WHERE filed > never AND filed <= t AND operation NOT IN ('factory-issue', 'phone-issue', 'phone-release', 'phone-revoke')
	)`

// visitsSQL is who came, with the last day of what they came to replace because it ends: a first visit, one in vain (refused, or put off
// until a letter is answered), or the one after that.
const visitsSQL = holdersSQL + `,
	stood AS (
		SELECT *, lagInFrame(day, 1, no_day) OVER w AS before, lagInFrame(denied, 1, false) OVER w AS denied_before
		FROM asked WINDOW w AS (PARTITION BY subscriber, operation ORDER BY day, procedure ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
	),
	came AS (
		SELECT subscriber, operation, office, municipality, wanted, letter_day AS day, 'refused' AS what, no_day AS since FROM stood WHERE letter_day > no_day
		UNION ALL
		SELECT subscriber, operation, office, municipality, wanted, day, 'returned', letter_day FROM stood WHERE letter_day > no_day AND granted AND day > letter_day
		UNION ALL
		SELECT subscriber, operation, office, municipality, wanted, day, multiIf(denied, 'refused', denied_before AND before < day AND before + 90 >= day, 'returned', 'visit'),
			if(denied_before AND NOT denied AND before < day AND before + 90 >= day, before, no_day)
		FROM stood WHERE letter_day = no_day AND (granted OR denied)
	),
	matched AS (
		SELECT c.what AS what, c.day AS day, c.office AS office, c.municipality AS municipality, c.operation AS procedure, c.since AS since, c.subscriber AS subscriber,
			c.operation IN ('issue', 'renew', 'hand-over') AND h.since < c.day AND h.last_day + 365 >= c.day AND (h.ended = no_day OR h.ended >= c.day)
				AND h.last_day > no_day AS replaces,
			if(replaces, h.last_day, no_day) AS last_day, if(replaces, h.kinds, c.wanted) AS kind
		FROM came AS c ASOF LEFT JOIN holders AS h ON c.subscriber = h.subscriber AND c.day >= h.near
	)`

// stationsSQL is where holders belonged: the office of issue, and then those to which they moved.
const stationsSQL = visitsSQL + `,
	stations AS (
		SELECT subscriber, last_day, since AS day, at_office AS office, at_municipality AS municipality FROM holders
		UNION ALL
		SELECT h.subscriber AS subscriber, h.last_day AS last_day, a.day AS day, a.office AS office, a.municipality AS municipality
		FROM asked AS a INNER JOIN holders AS h ON a.subscriber = h.subscriber
		WHERE a.operation = 'continue-use' AND a.granted AND h.since < a.day AND h.last_day >= a.day AND (h.ended = no_day OR h.ended >= a.day)
	),
	stays AS (
		SELECT *, leadInFrame(day, 1, no_day) OVER w AS until, leadInFrame(office, 1, '') OVER w AS next_office
		FROM stations WINDOW w AS (PARTITION BY subscriber, last_day ORDER BY day ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING)
	)`

// visitQuestions are the parts of a history, in the order in which they are read; {extent} is the condition of one.
var visitQuestions = []struct{ what, sql string }{
	{forecast.Issued, `WITH ` + stationsSQL + `
		SELECT if(s.day + 450 < s.last_day, no_day, s.day) AS day, s.office AS office, h.kinds AS kind, '' AS procedure, s.last_day AS last_day,
			if(h.window > no_day, h.window, no_day) AS window, no_day AS since, count() AS count
		FROM stays AS s INNER JOIN holders AS h ON s.subscriber = h.subscriber AND s.last_day = h.last_day
		WHERE s.last_day >= {from:Date32} - 365 AND (s.until = no_day OR s.until >= {from:Date32}) AND (h.ended = no_day OR h.ended >= {from:Date32})
			AND (s.subscriber, s.last_day) NOT IN (SELECT subscriber, last_day FROM matched WHERE replaces AND day < {from:Date32}) AND office != '' AND {extent}
		GROUP BY ALL ORDER BY office, kind, last_day, day`},
	{forecast.Ended, `WITH ` + stationsSQL + `
		SELECT if(s.until > no_day, s.until, h.ended) AS day, s.office AS office, h.kinds AS kind, if(s.until > no_day, 'moved', toString(h.why)) AS procedure,
			s.last_day AS last_day, no_day AS window, no_day AS since, count() AS count
		FROM stays AS s INNER JOIN holders AS h ON s.subscriber = h.subscriber AND s.last_day = h.last_day
		WHERE day >= {from:Date32} AND (s.until > no_day OR (s.subscriber, s.last_day) NOT IN (SELECT subscriber, last_day FROM matched WHERE replaces))
			AND s.last_day >= day AND office != '' AND {extent}
		GROUP BY ALL ORDER BY office, kind, last_day, day`},
	{forecast.Noticed, `WITH ` + holdersSQL + `
		SELECT toDate32(n.sent) AS day, c.office AS office, h.kinds AS kind, '' AS procedure, h.last_day AS last_day, no_day AS window, no_day AS since, count() AS count
		FROM (SELECT subscriber, serial, last_day AS told, sent, municipality FROM {notices} FINAL WHERE kind = 'expiry' AND sent > never AND sent <= t) AS n
		INNER JOIN (SELECT serial, office FROM {certificates} FINAL) AS c ON n.serial = c.serial
		INNER JOIN holders AS h ON n.subscriber = h.subscriber AND n.told = h.last_day
		WHERE day >= {from:Date32} AND office != '' AND {extent}
		GROUP BY ALL ORDER BY office, kind, last_day, day`},
	{forecast.Visit, visitsOf},
	{forecast.Refused, visitsOf},
	{forecast.Returned, visitsOf},
}

const visitsOf = `WITH ` + visitsSQL + `
	SELECT day, office, kind, procedure, last_day, no_day AS window, since, count() AS count FROM matched
	WHERE what = {what:String} AND day >= {from:Date32} AND office != '' AND {extent}
	GROUP BY ALL ORDER BY office, day, kind, procedure, last_day`

// VisitsBegin returns the first day on which anybody applied for anything, or the zero date.
func (w *Warehouse) VisitsBegin(ctx context.Context) (civil.Date, error) {
	rows, err := question[struct {
		Day Date `ch:"day"`
	}](ctx, w, "the first visit", "SELECT min(toDate32(filed)) AS day FROM {applications} WHERE filed > toDateTime64(0, 3) HAVING count() > 0")
	if err != nil || len(rows) == 0 {
		return civil.Date{}, err
	}
	return rows[0].Day.Date, nil
}

// EachVisits calls each for the counts that a forecast learns from: certificates by their last day, notices, ends, visits. Offices are not
// among them; who calls knows them.
func (w *Warehouse) EachVisits(ctx context.Context, q VisitsQuery, each func(forecast.Record) error) error {
	from := civil.Of(q.At).AddYearsClamped(-learnedYears)
	for _, part := range visitQuestions {
		rows, err := question[visitRow](ctx, w, "visits ("+part.what+")", strings.Replace(part.sql, "{extent}", q.Extent.condition(), 1),
			append(q.Extent.params(), at("at", q.At), param("from", from.String()), param("what", part.what))...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := each(r.record(part.what)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r visitRow) record(what string) forecast.Record {
	return forecast.Record{
		What: what, Day: r.Day.Date, Office: r.Office, Kind: r.Kind, Procedure: r.Procedure, LastDay: r.LastDay.Date, Window: r.Window.Date,
		Since: r.Since.Date, Count: int(r.Count),
	}
}
