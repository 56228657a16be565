package warehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/intake"
)

// Report is one thing that can be counted, with the dimensions by which it can be.
type Report struct {
	// Name is the report's word in URLs and commands.
	Name string
	// Dimensions are those that it can be counted by and restricted to. The first are those that a page begins with.
	Dimensions []string
	// Yen: it adds up yen, too.
	Yen bool

	rows string // the condition on the rows of facts
}

// places are the dimensions of every report: where it happened.
var places = []string{"prefecture", "municipality", "office"}

// reports are all reports, in the order in which they are listed.
var reports = []Report{
	{
		Name: "applications", Dimensions: []string{"outcome", "operation", "channel", "regime", "cause"},
		rows: "fact = 'application' AND outcome IN ('accepted', 'refused')",
	},
	{
		Name: "letters", Dimensions: []string{"outcome", "operation", "channel", "cause"},
		rows: "fact = 'application' AND outcome IN ('letter', 'withdrawn')",
	},
	{
		Name: "issued", Dimensions: []string{"kind", "operation", "channel", "regime", "carrier"},
		rows: "fact = 'certificate' AND outcome = 'issued'",
	},
	{
		Name: "ends", Dimensions: []string{"outcome", "reason", "cause", "kind", "regime", "carrier"},
		rows: "fact = 'certificate' AND outcome IN ('revoked', 'expired', 'abandoned')",
	},
	{
		Name: "refusals", Dimensions: []string{"rule", "operation", "channel"},
		rows: "fact = 'application' AND outcome = 'refused'",
	},
	{
		Name: "fees", Dimensions: []string{"rule", "operation", "channel", "regime", "cause"}, Yen: true,
		rows: "fact = 'fee'",
	},
	{Name: "notices", Dimensions: []string{"outcome", "notice", "medium", "reason"}, rows: "fact = 'notice'"},
	{Name: "cards", Dimensions: []string{"outcome", "stage", "reason"}, rows: "fact = 'card'"},
}

// Places returns the dimensions that say where something happened, from the widest to the narrowest.
func Places() []string { return slices.Clone(places) }

// Reports returns all reports, in the order in which they are listed.
func Reports() []Report { return slices.Clone(reports) }

// ReportOf returns the report with a name, or an *UnknownError.
func ReportOf(name string) (Report, error) {
	names := make([]string, len(reports))
	for i, r := range reports {
		if r.Name == name {
			return r, nil
		}
		names[i] = r.Name
	}
	return Report{}, &UnknownError{"report", name, intake.Nearest(name, names)}
}

// All returns every dimension that the report can be counted by, places included.
func (r Report) All() []string { return slices.Concat(r.Dimensions, places) }

// ReportQuery asks for a report.
type ReportQuery struct {
	Report Report
	// By are the dimensions to count by; nil counts everything as one.
	By []string
	// Per is the period to count by: day, week (from Monday), month, year, fiscal-year (from April); empty counts all time as one.
	Per string
	// From and To are the first and the last day counted; zero: no limit.
	From, To civil.Date
	// Known is the instant as of which the log is counted, zero: now.
	Known  time.Time
	Extent Extent
	// Skip and Limit choose a page of the rows; a zero Limit has no end.
	Skip, Limit int
	// Only restricts dimensions to one value each.
	Only map[string]string
}

// ReportRow is how often something happened.
type ReportRow struct {
	// Starts is the first day of the period; zero if all time is one.
	Starts Date `ch:"starts" json:"starts,omitzero"`
	// Values are those of the dimensions of the query, in its order; an empty one is not known.
	Values []string `ch:"values" json:"values"`
	Count  uint64   `ch:"n" json:"count"`
	Yen    uint64   `ch:"yen" json:"yen,omitempty"`
}

// Check returns an *UnknownError if the report has no such dimension or period.
func (q ReportQuery) Check() error {
	all := q.Report.All()
	for _, d := range slices.Concat(q.By, slices.Sorted(maps.Keys(q.Only))) {
		if !slices.Contains(all, d) {
			return &UnknownError{"dimension", d, intake.Nearest(d, all)}
		}
	}
	if q.Per == "" {
		return nil
	}
	_, err := startOf(q.Per)
	return err
}

// earlier is how much before its recording a fact can have happened by the clock of a counter that is ahead.
const earlier = 3 * 24 * time.Hour

// sql returns the query and its parameters. Names of columns come from the report's own list, values only as parameters.
func (q ReportQuery) sql() (string, []any) {
	start, by := "toDate32('1970-01-01')", []string{}
	if q.Per != "" {
		start = periodStart[q.Per]
	}
	for _, d := range q.By {
		by = append(by, "toString("+quoteName(d)+")")
	}
	where, params := []string{q.Report.rows, q.Extent.condition()}, q.Extent.params()
	for i, d := range slices.Sorted(maps.Keys(q.Only)) {
		name := fmt.Sprintf("only%d", i)
		where, params = append(where, quoteName(d)+" = {"+name+":String}"), append(params, param(name, q.Only[d]))
	}
	if !q.From.IsZero() {
		where = append(where, "day >= toDate32({from:String})", "recorded >= fromUnixTimestamp64Milli({since:Int64})")
		params = append(params, param("from", q.From.String()), at("since", q.From.StartInstant().Add(-earlier)))
	}
	if !q.To.IsZero() {
		where, params = append(where, "day <= toDate32({to:String})"), append(params, param("to", q.To.String()))
	}
	if !q.Known.IsZero() {
		where, params = append(where, "recorded <= fromUnixTimestamp64Milli({known:Int64})"), append(params, at("known", q.Known))
	}
	return "WITH day AS d SELECT " + start + " AS starts, CAST([" + strings.Join(by, ", ") + "], 'Array(String)') AS values, count() AS n, sum(yen) AS yen" +
		" FROM {facts} FINAL WHERE " + strings.Join(where, " AND ") +
		" GROUP BY starts, values ORDER BY starts, values" + q.page() + " SETTINGS do_not_merge_across_partitions_select_final = 1, max_execution_time = 120", params
}

func (q ReportQuery) page() string {
	if q.Limit == 0 {
		return ""
	}
	return fmt.Sprintf(" LIMIT %d, %d", q.Skip, q.Limit)
}

// Report counts. Its rows are in the order of their periods and values; those that count nothing are left out. What Report or
// Reports does not know is an *UnknownError.
func (w *Warehouse) Report(ctx context.Context, q ReportQuery) (rows []ReportRow, err error) {
	err = w.EachReportRow(ctx, q, func(row ReportRow) error {
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// EachReportRow is Report row by row, however many there are; it stops at do's first error and returns it.
func (w *Warehouse) EachReportRow(ctx context.Context, q ReportQuery, do func(ReportRow) error) error {
	if err := q.Check(); err != nil {
		return err
	}
	what := "the report " + q.Report.Name
	if err := w.whyWithheld(what); err != nil {
		return err
	}
	sql, params := q.sql()
	err := each(ctx, w, what, sql, do, params...)
	w.reportDamage(err)
	return err
}
