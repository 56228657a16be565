package console

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/page"
	"shomei/pkg/place"
	"shomei/pkg/regime"
	"shomei/pkg/sheet"
	"shomei/pkg/warehouse"
)

// reportAnswer is what a report answers a program.
type reportAnswer struct {
	Report string `json:"report"`
	// By are the dimensions whose values a row has, in its order.
	By   []string              `json:"by"`
	Per  string                `json:"per"`
	Rows []warehouse.ReportRow `json:"rows"`
	// Known is the instant as of which the log was counted.
	Known time.Time `json:"known"`
	// Next is the cursor of the rows that follow; empty after the last.
	Next string `json:"next,omitempty"`
}

func (c *Console) apiReport(ctx context.Context, q question) (any, error) {
	asked := q.report
	asked.Limit++ // one more tells whether there is a next page
	rows, err := c.Warehouse.Report(ctx, asked)
	if err != nil {
		return nil, err
	}
	a := reportAnswer{q.report.Report.Name, orEmpty(q.report.By), q.report.Per, orEmpty(rows), q.report.Known, ""}
	if len(rows) > q.report.Limit {
		a.Rows, a.Next = rows[:q.report.Limit], q.cursor()
	}
	return a, nil
}

// reportView is the data of a report's page.
type reportView struct {
	Reports  []choice
	Path     string
	Only     []filter // what it is restricted to
	By, Then string   // the dimensions that it is counted by
	Per      string
	From, To string
	At       string
	Known    string
	Fresh    string
	Periods  []choice
	Counts   []choice // by what it can be counted
	Table    page.Table
	// Chart: a chart is drawn of the table; Lying: of lying bars.
	Chart, Lying bool
	Files        []choice
	Cut          string // said if there are more rows than are shown
	Place        warehouse.Place
	Offices      choices
}

// choice is something that a reader can choose.
type choice struct {
	Value, Text, Href string
	Chosen            bool
}

// filter is a value to which a dimension is restricted, both also in words, with the URL of the report without it.
type filter struct{ Dimension, Value, Name, Words, Without string }

// rowsOnPage is how many rows a page shows; files hold all.
const rowsOnPage = 500

// monthsOnPage is how many months back a page begins, this one included.
const monthsOnPage = 13

func (c *Console) serveReport(w http.ResponseWriter, r *http.Request) {
	report, err := warehouse.ReportOf(r.PathValue("report"))
	if err != nil {
		http.Redirect(w, r, "/reports/"+warehouse.Reports()[0].Name, http.StatusSeeOther)
		return
	}
	r = withDefaults(r, report, civil.Of(c.Clock()))
	q, err := c.parse(r, endpoint{parameters: append(reportParameters(report), "then"), report: &report})
	if then := r.URL.Query().Get("then"); err == nil && then != "" && !slices.Contains(q.report.By, then) {
		q.report.By = append(q.report.By, then)
		err = q.report.Check()
	}
	read := c.readerOf(r, q)
	data := read.reportView(r, q, report)
	data.Offices, err = c.placesFor(r.Context(), q, err)
	if err == nil {
		err = c.fillReport(r.Context(), q, read, &data)
	}
	status := http.StatusOK
	show := page.View{Title: "report." + report.Name, Scripts: []string{"vendor/echarts.min.js", "chart.js"}}
	if err != nil {
		status, show.Errors = c.failed(r.Context(), q, read, err)
	}
	show.Data = data
	c.render(w, r, status, "report", show)
}

// withDefaults fills in what a reader who comes without a question sees: the last months, by the report's first dimension.
func withDefaults(r *http.Request, report warehouse.Report, today civil.Date) *http.Request {
	query := r.URL.Query()
	if !query.Has("per") && !query.Has("by") && !query.Has("from") {
		query.Set("per", "month")
		query.Set("by", report.Dimensions[0])
		query.Set("from", civil.New(today.Year, today.Month, 1).AddMonthsClamped(1-monthsOnPage).String())
	}
	return withQuery(r, query)
}

// withQuery returns a request with another query, without the fields that a form sends empty, so that they mean the same as absent ones.
func withQuery(r *http.Request, query url.Values) *http.Request {
	for name := range query {
		if query.Get(name) == "" && len(query[name]) == 1 {
			query.Del(name)
		}
	}
	clone := r.Clone(r.Context())
	clone.URL.RawQuery = query.Encode()
	return clone
}

// reports returns the links to all pages that count, of which one is shown.
func (r reader) reports(shown string) []choice {
	all := []choice{{Text: r.say("console.counts"), Href: "/"}}
	if r.forecasts {
		all = append(all, choice{Text: r.say("visits.title"), Href: "/forecast"})
	}
	for _, other := range warehouse.Reports() {
		all = append(all, choice{Text: r.say("report." + other.Name), Href: "/reports/" + other.Name})
	}
	for i := range all {
		all[i].Chosen = all[i].Href == shown
	}
	return all
}

// filesOf returns the links to an endpoint's answer as a file.
func filesOf(path string, query url.Values) (all []choice) {
	for _, f := range sheet.Formats {
		query.Set("format", string(f))
		all = append(all, choice{Text: strings.ToUpper(string(f)), Href: path + "?" + query.Encode()})
	}
	return all
}

// reportView returns all of the page but its rows.
func (r reader) reportView(req *http.Request, q question, report warehouse.Report) reportView {
	query := req.URL.Query()
	data := reportView{
		Path: req.URL.Path, Per: q.report.Per, From: query.Get("from"), To: query.Get("to"), At: query.Get("at"), Known: query.Get("known"),
		Place: q.extent.Place, By: query.Get("by"), Then: query.Get("then"),
	}
	data.Reports = r.reports(data.Path)
	for _, per := range warehouse.Periods() {
		data.Periods = append(data.Periods, choice{Value: per, Text: r.say("report.per." + per)})
	}
	for _, d := range report.All() {
		data.Counts = append(data.Counts, choice{Value: d, Text: r.say("report.by." + d)})
	}
	for _, d := range report.Dimensions {
		if value := q.report.Only[d]; value != "" {
			without := req.URL.Query()
			without.Del(d)
			data.Only = append(data.Only, filter{d, value, r.say("report.by." + d), r.value(report, d, value), data.Path + "?" + without.Encode()})
		}
	}
	file := req.URL.Query()
	file.Set("by", strings.Join(q.report.By, ","))
	file.Del("then")
	data.Files = filesOf("/api/reports/"+report.Name, file)
	return data
}

func (c *Console) fillReport(ctx context.Context, q question, read reader, data *reportView) error {
	q.report.Skip, q.report.Limit = 0, maxRows+1 // a pivot adds up many rows in few
	rows, err := c.Warehouse.Report(ctx, q.report)
	if err != nil {
		return err
	}
	data.Fresh = read.fresh(c.freshness(ctx, q))
	switch {
	case q.report.Per != "" && len(q.report.By) == 1 && len(rows) <= maxRows:
		data.Table, data.Chart = read.pivot(q.report, rows), true
	default:
		if len(rows) > rowsOnPage {
			rows = rows[:rowsOnPage]
			data.Cut = read.say("report.cut", rowsOnPage)
		}
		data.Table = read.list(q.report, rows, data.Path)
		data.Chart, data.Lying = data.Cut == "" && len(data.Table.Columns) == 1+amounts(q.report), q.report.Per == ""
	}
	return nil
}

// amounts returns how many columns of numbers a list has.
func amounts(q warehouse.ReportQuery) int {
	if q.Report.Yen {
		return 2
	}
	return 1
}

// amount is what a pivot adds up: yen where there are some.
func amount(q warehouse.ReportQuery, row warehouse.ReportRow) uint64 {
	if q.Report.Yen {
		return row.Yen
	}
	return row.Count
}

// columnsOfPivot is how many values have a column of their own; the others share one.
const columnsOfPivot = 5

// pivot has a row for each period and a column for each of the most frequent values, so that a chart can be drawn of it.
func (r reader) pivot(q warehouse.ReportQuery, rows []warehouse.ReportRow) page.Table {
	of := map[string]uint64{}
	for _, row := range rows {
		of[row.Values[0]] += amount(q, row)
	}
	values := slices.Collect(maps.Keys(of))
	slices.SortFunc(values, func(a, b string) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), strings.Compare(a, b)) // the most frequent first
	})
	column := map[string]int{}
	for i, value := range values {
		column[value] = min(i, columnsOfPivot)
	}
	table := r.reportTable(q, page.Column{Label: r.say("report.per." + q.Per), Short: true})
	if q.Report.Yen {
		table.Caption += r.say("report.inyen")
	}
	for i, value := range values[:min(len(values), columnsOfPivot+1)] {
		label := r.value(q.Report, q.By[0], value)
		if i == columnsOfPivot {
			label = r.say("report.others")
		}
		table.Columns = append(table.Columns, page.Column{Label: label, Numeric: true, Series: true})
	}
	table.Columns = append(table.Columns, page.Column{Label: r.say("console.sum"), Numeric: true})
	for _, starts := range r.periods(q, rows) {
		counts, sum := make([]uint64, len(table.Columns)-2), uint64(0)
		for ; len(rows) > 0 && !rows[0].Starts.After(starts); rows = rows[1:] { // they are in the order of periods
			counts[column[rows[0].Values[0]]] += amount(q, rows[0])
			sum += amount(q, rows[0])
		}
		cells := []page.Cell{{Text: r.period(q.Per, starts)}}
		for _, n := range counts {
			cells = append(cells, page.Cell{Text: number(n)})
		}
		table.Rows = append(table.Rows, append(cells, page.Cell{Text: number(sum)}))
	}
	return table
}

// periods returns the periods from the first to the last row, the empty ones included, so that the chart's axis is time.
func (r reader) periods(q warehouse.ReportQuery, rows []warehouse.ReportRow) (all []civil.Date) {
	if len(rows) == 0 {
		return nil
	}
	last := rows[len(rows)-1].Starts.Date
	for day := rows[0].Starts.Date; !day.After(last); day = next(q.Per, day) {
		all = append(all, day)
	}
	return all
}

// next returns the first day of the period after the one that begins on a day.
func next(per string, day civil.Date) civil.Date {
	switch per {
	case "day":
		return day.AddDays(1)
	case "week":
		return day.AddDays(7)
	case "month":
		return day.AddMonthsClamped(1)
	}
	return day.AddYearsClamped(1)
}

// list has a row for each row of the report. Each value leads to what lies under it.
func (r reader) list(q warehouse.ReportQuery, rows []warehouse.ReportRow, path string) page.Table {
	var columns []page.Column
	if q.Per != "" {
		columns = append(columns, page.Column{Label: r.say("report.per." + q.Per), Short: true})
	}
	for _, d := range q.By {
		columns = append(columns, page.Column{Label: r.say("report.by." + d)})
	}
	if len(columns) == 0 {
		columns = append(columns, page.Column{Label: r.say("report." + q.Report.Name)})
	}
	table := r.reportTable(q, columns...)
	table.Columns = append(table.Columns, page.Column{Label: r.say("report.count"), Numeric: true, Series: !q.Report.Yen})
	if q.Report.Yen {
		table.Columns = append(table.Columns, page.Column{Label: r.say("report.yen"), Numeric: true, Series: true})
	}
	for _, row := range rows {
		var cells []page.Cell
		if q.Per != "" {
			cells = append(cells, page.Cell{Text: r.period(q.Per, row.Starts.Date)})
		}
		for i, d := range q.By {
			cells = append(cells, page.Cell{Text: r.value(q.Report, d, row.Values[i]), Href: r.under(q, d, row.Values[i], path)})
		}
		if len(cells) == 0 {
			cells = append(cells, page.Cell{Text: r.say("console.sum")})
		}
		cells = append(cells, page.Cell{Text: number(row.Count)})
		if q.Report.Yen {
			cells = append(cells, page.Cell{Text: number(row.Yen)})
		}
		table.Rows = append(table.Rows, cells)
	}
	return table
}

func (r reader) reportTable(q warehouse.ReportQuery, columns ...page.Column) page.Table {
	return page.Table{ID: "report", Caption: r.say("report." + q.Report.Name), Columns: columns, Empty: r.say("console.nothing")}
}

// narrower is by what a place is counted next.
var narrower = map[string]string{"prefecture": "municipality", "municipality": "office"}

// under returns the URL of the same report restricted to a value, counted by what lies under it.
func (r reader) under(q warehouse.ReportQuery, dimension, value, path string) string {
	if value == "" {
		return "" // nothing to restrict to
	}
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("per", q.Per)
	for name, day := range map[string]civil.Date{"from": q.From, "to": q.To, "at": r.at, "known": r.knownOn} {
		set(name, day.String())
	}
	set("prefecture", r.place.Prefecture)
	set("municipality", r.place.Municipality)
	set("office", r.place.Office)
	for d, only := range q.Only {
		set(d, only)
	}
	query.Set(dimension, value)
	by := narrower[dimension]
	if by == "" {
		i := slices.IndexFunc(q.Report.Dimensions, func(d string) bool { return !query.Has(d) })
		if i < 0 {
			i = 0
		}
		by = q.Report.Dimensions[i]
	}
	query.Set("by", by)
	return path + "?" + query.Encode()
}

// period writes the period that begins on a day.
func (r reader) period(per string, day civil.Date) string {
	switch per {
	case "month":
		return day.String()[:len("2006-01")]
	case "year":
		return day.String()[:len("2006")]
	case "fiscal-year":
		return r.say("report.fiscal", day.Year)
	}
	return day.String()
}

// value writes a dimension's value in the reader's language.
func (r reader) value(report warehouse.Report, dimension, value string) string {
	switch {
	case value == "":
		return r.say("report.none")
	case dimension == "prefecture", dimension == "municipality":
		return place.Name(value)
	case dimension == "rule":
		return r.sentence(value)
	case dimension == "outcome" && report.Name == "cards":
		return r.word("event.", value)
	}
	return r.word(dimension+".", value)
}

// sentence returns a rule's sentence; the id of one that is not known here.
func (r reader) sentence(id string) string {
	rule, known := regime.Lookup(id)
	switch {
	case !known:
		return id
	case r.lang == page.English:
		return rule.EN
	}
	return rule.JA
}

// reportSheet is a report as a file: each dimension by its code and in words.
func (c *Console) reportSheet(ctx context.Context, q question, read reader) sheet.Sheet {
	var s sheet.Sheet
	if q.report.Per != "" {
		s.Columns = append(s.Columns, sheet.Column{Name: "starts", Label: read.say("report.per." + q.report.Per)})
	}
	for _, d := range q.report.By {
		label := read.say("report.by." + d)
		s.Columns = append(s.Columns, sheet.Column{Name: d, Label: label + read.say("report.code")}, sheet.Column{Name: d + "_words", Label: label})
	}
	s.Columns = append(s.Columns, sheet.Column{Name: "count", Label: read.say("report.count"), Number: true})
	if q.report.Report.Yen {
		s.Columns = append(s.Columns, sheet.Column{Name: "yen", Label: read.say("report.yen"), Number: true})
	}
	s.Rows = func(each func([]any) error) error {
		cells := make([]any, 0, len(s.Columns))
		return c.Warehouse.EachReportRow(ctx, q.report, func(row warehouse.ReportRow) error {
			cells = cells[:0]
			if q.report.Per != "" {
				cells = append(cells, row.Starts.String())
			}
			for i, d := range q.report.By {
				cells = append(cells, row.Values[i], read.value(q.report.Report, d, row.Values[i]))
			}
			cells = append(cells, int64(row.Count))
			if q.report.Report.Yen {
				cells = append(cells, int64(row.Yen))
			}
			return each(cells)
		})
	}
	return s
}

// statusSheet is the number by status as a file.
func (c *Console) statusSheet(ctx context.Context, q question, read reader) sheet.Sheet {
	columns := []sheet.Column{
		{Name: "regime", Label: read.say("report.by.regime")},
		{Name: "kind", Label: read.say("report.by.kind")},
		{Name: "status", Label: read.say("console.status")},
		{Name: "count", Label: read.say("report.count"), Number: true},
	}
	return sheet.Sheet{Columns: columns, Rows: func(each func([]any) error) error {
		counts, err := c.Warehouse.CountsByStatus(ctx, q.clocks(), q.extent)
		for _, n := range counts {
			if err == nil {
				err = each([]any{read.word("regime.", n.Regime), read.word("kind.", n.Kind), read.say("console.status." + n.Status), int64(n.Count)})
			}
		}
		return err
	}}
}

// expiriesSheet is the forecast by month as a file.
func (c *Console) expiriesSheet(ctx context.Context, q question, read reader) sheet.Sheet {
	columns := []sheet.Column{
		{Name: "starts", Label: read.say("console.month")},
		{Name: "regime", Label: read.say("report.by.regime")},
		{Name: "kind", Label: read.say("report.by.kind")},
		{Name: "expiring", Label: read.say("report.expiring"), Number: true},
		{Name: "opening", Label: read.say("report.opening"), Number: true},
	}
	return sheet.Sheet{Columns: columns, Rows: func(each func([]any) error) error {
		buckets, err := c.Warehouse.ExpiriesByMonth(ctx, q.clocks(), q.extent)
		for _, b := range buckets {
			if err == nil {
				err = each([]any{
					b.Starts.String(), read.word("regime.", b.Regime), read.word("kind.", b.Kind), int64(b.Expiring), int64(b.Opening),
				})
			}
		}
		return err
	}}
}

// heading says what a file holds, of where, and as known when.
func (c *Console) heading(ctx context.Context, e endpoint, q question, read reader) []sheet.Line {
	where := read.say("console.everywhere")
	switch p := q.extent.Place; {
	case p.Office != "":
		where = p.Office
	case p.Municipality != "":
		where = place.Name(p.Municipality)
	case p.Prefecture != "":
		where = place.Name(p.Prefecture)
	}
	if q.extent.Area != nil { // what somebody may not see is not counted
		names := make([]string, len(q.extent.Area))
		for i, area := range q.extent.Area {
			names[i] = place.Name(area)
		}
		where += read.say("file.within", strings.Join(names, ", "))
	}
	lines := []sheet.Line{
		{Name: read.say("file.what"), Text: read.say(titleOf(e))},
		{Name: read.say("file.where"), Text: where},
		{Name: read.say("file.stand"), Text: read.fresh(c.freshness(ctx, q))},
	}
	known := q.known
	switch {
	case e.visits:
		known = q.visitsKnown().EndInstant()
	case known.IsZero():
		known = q.asked
	}
	lines = append(lines, sheet.Line{Name: read.say("file.known"), Text: read.instant(known)})
	if e.report == nil {
		return lines
	}
	lines = append(lines, sheet.Line{Name: read.say("file.days"), Text: q.report.From.String() + " - " + q.report.To.String()})
	for _, d := range q.report.Report.Dimensions {
		if value := q.report.Only[d]; value != "" {
			lines = append(lines, sheet.Line{Name: read.say("report.by." + d), Text: read.value(q.report.Report, d, value)})
		}
	}
	return lines
}

// titleOf returns the key of an endpoint's title.
func titleOf(e endpoint) string {
	if e.report != nil {
		return "report." + e.report.Name
	}
	return "api." + e.path
}

// fileName returns the name of an answer's file.
func fileName(e endpoint, q question) string {
	return fmt.Sprintf("shomei-%s-%s.%s", e.path[strings.LastIndex(e.path, "/")+1:], civil.Of(q.asked), q.format)
}
