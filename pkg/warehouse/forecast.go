package warehouse

import (
	"context"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/intake"
)

// ForecastQuery asks how many certificates end, and how many renewal windows open, in each period.
type ForecastQuery struct {
	By     string     // day, week (from Monday), month, year or fiscal-year (from April)
	From   civil.Date // first day counted; zero: no limit
	To     civil.Date // last day counted; zero: no limit
	When   Clocks     // when the certificates are counted
	Extent Extent
}

// Bucket is one period of a forecast for one kind of certificate.
type Bucket struct {
	Starts   Date   `ch:"starts" json:"starts"` // first day of the period
	Regime   string `ch:"regime" json:"regime"`
	Kind     string `ch:"kind" json:"kind"`
	Expiring uint64 `ch:"expiring" json:"expiring"` // certificates whose last day lies in it
	Opening  uint64 `ch:"opening" json:"opening"`   // certificates whose renewal window opens in it
}

// periodStart are the periods by which is counted.
var periodStart = map[string]string{
	"month": "toDate32(toStartOfMonth(d))", "week": "toDate32(toMonday(d))", "day": "toDate32(d)", "year": "toDate32(toStartOfYear(d))",
	"fiscal-year": "toDate32(addMonths(toStartOfYear(addMonths(d, -3)), 3))", // from 1 April
}

// Periods returns the words of all periods, from the shortest to the longest.
func Periods() []string { return []string{"day", "week", "month", "year", "fiscal-year"} }

// startOf returns the expression for the first day of the period in which d lies, or an *UnknownError.
func startOf(period string) (string, error) {
	start, ok := periodStart[period]
	if !ok {
		return "", &UnknownError{"period", period, intake.Nearest(period, Periods())}
	}
	return start, nil
}

// Forecast counts the certificates in force on cards (issued, valid or suspended; nobody comes to a counter for one on a
// smartphone) by the period of their last day and of their window's first day. Empty periods are left out.
func (w *Warehouse) Forecast(ctx context.Context, q ForecastQuery) ([]Bucket, error) {
	start, err := startOf(q.By)
	if err != nil {
		return nil, err
	}
	from, to := q.From, q.To
	if from.IsZero() {
		from = civil.New(1971, time.January, 1)
	}
	if to.IsZero() {
		to = civil.New(2199, time.December, 31)
	}
	return counted[Bucket](ctx, w, "a forecast", q.When, q.Extent, `
		SELECT `+start+` AS starts, regime, kind, toUInt64(sumIf(n, which = 1)) AS expiring, toUInt64(sumIf(n, which = 2)) AS opening
		FROM {moved} ARRAY JOIN [last_day, window_opens] AS d, [1, 2] AS which
		WHERE `+shown+` IN ('issued', 'valid', 'suspended') AND d BETWEEN toDate32({from:String}) AND toDate32({to:String})
		GROUP BY starts, regime, kind HAVING expiring > 0 OR opening > 0 ORDER BY starts, regime, kind`,
		param("from", from.String()), param("to", to.String()))
}

// ExpiriesByMonth is the forecast by month from a day on.
func (w *Warehouse) ExpiriesByMonth(ctx context.Context, when Clocks, in Extent) ([]Bucket, error) {
	return w.Forecast(ctx, ForecastQuery{By: "month", From: civil.Of(when.At), When: when, Extent: in})
}
