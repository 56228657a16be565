package console

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
	"shomei/pkg/intake"
	"shomei/pkg/regime"
	"shomei/pkg/sheet"
	"shomei/pkg/warehouse"
)

// errKey: ?q= is missing.
var errKey = errors.New("q is missing: give a serial number or a subscriber id")

// parameterError says that the URL asks for something that this address does not know, or twice for the same.
type parameterError struct {
	// Given is the parameter's name, Nearest the known one that is most like it; the same if it is there twice.
	Given, Nearest string
}

// Error implements error.
func (e *parameterError) Error() string {
	if e.Given == e.Nearest {
		return fmt.Sprintf("the parameter %.40q is there more than once; give it once", e.Given)
	}
	return fmt.Sprintf("there is no parameter %.40q here; the nearest is %q", e.Given, e.Nearest)
}

// valueError says that a parameter can't be read.
type valueError struct {
	// Name is the parameter's, Given its value, and Want what it should look like.
	Name, Given, Want string
}

// Error implements error.
func (e *valueError) Error() string {
	return fmt.Sprintf("%s is %.40q; write it like %s", e.Name, e.Given, e.Want)
}

// places are the parameters that say where.
var places = warehouse.Places()

// The rows of a report that an answer in JSON holds.
const (
	defaultRows = 1_000
	maxRows     = 10_000
)

// question is what the URL asks for: the whole state of the page.
type question struct {
	at      civil.Date // zero: now
	key     string     // serial or subscriber id; "" asks for no history
	instant time.Time
	asked   time.Time // when
	known   time.Time // as known then; zero: now
	knownOn civil.Date
	extent  warehouse.Extent
	by      visitor
	format  sheet.Format // "": JSON
	report  warehouse.ReportQuery
	visits  forecast.Query
}

// ask is parse, and refuses an unknown place, too (*warehouse.UnknownError): neither is an empty answer.
func (c *Console) ask(r *http.Request, e endpoint) (question, error) {
	q, err := c.parse(r, e)
	if err == nil {
		err = c.Warehouse.Known(r.Context(), q.extent)
	}
	return q, err
}

// parse reads ?at= and those of the other parameters that an endpoint knows. A past day is shown as it ended, today as it is now. An
// unknown parameter is an error.
func (c *Console) parse(r *http.Request, e endpoint) (question, error) {
	now, query := c.Clock(), r.URL.Query()
	q := question{key: query.Get("q"), instant: now, asked: now, by: visitorOf(r.Context())}
	q.extent = warehouse.Extent{Area: q.by.area(), Place: warehouse.Place{
		Prefecture: query.Get("prefecture"), Municipality: query.Get("municipality"), Office: query.Get("office"),
	}}
	known := e.known()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known, name) {
			return q, &parameterError{name, intake.Nearest(name, known)}
		}
		if len(query[name]) > 1 {
			return q, &parameterError{name, name}
		}
	}
	at, err := dayOf(query, "at")
	if err != nil {
		return q, err
	}
	if !at.IsZero() && at != civil.Of(now) {
		q.at, q.instant = at, at.EndInstant()
	}
	knownOn, err := dayOf(query, "known")
	if err != nil {
		return q, err
	}
	if !knownOn.IsZero() {
		q.known, q.knownOn = knownOn.EndInstant(), knownOn
		if q.known.After(now) {
			q.known = now // more isn't known yet
		}
	}
	if q.format = sheet.Format(query.Get("format")); q.format == "json" {
		q.format = ""
	}
	if q.format != "" && !slices.Contains(sheet.Formats, q.format) {
		return q, &valueError{"format", string(q.format), "json, csv, xlsx, parquet"}
	}
	switch {
	case e.report != nil:
		err = q.readReport(*e.report, query)
	case e.visits:
		err = q.readVisits(query)
	}
	return q, err
}

// clocks returns at which instant something is true, and as known at which.
func (q question) clocks() warehouse.Clocks { return warehouse.Clocks{At: q.instant, Known: q.known} }

// dayOf reads a parameter that is a day; zero if it is absent.
func dayOf(query url.Values, name string) (civil.Date, error) {
	day, err := civil.Parse(query.Get(name))
	if err != nil {
		return day, &valueError{name, query.Get(name), "2026-11-22"}
	}
	return day, nil
}

// reportParameters are the parameters that a report knows.
func reportParameters(r warehouse.Report) []string {
	return slices.Concat([]string{"by", "per", "from", "to", "known"}, r.Dimensions, places)
}

// readReport reads what of a report is asked for.
func (q *question) readReport(r warehouse.Report, query url.Values) error {
	q.report = warehouse.ReportQuery{Report: r, Per: query.Get("per"), Extent: q.extent, Only: map[string]string{}}
	if by := query.Get("by"); by != "" {
		q.report.By = strings.Split(by, ",")
		if len(slices.Compact(slices.Sorted(slices.Values(q.report.By)))) < len(q.report.By) {
			return &valueError{"by", by, "each dimension once"}
		}
	}
	err := q.readOnly(r, query)
	if err != nil {
		return err
	}
	for name, day := range map[string]*civil.Date{"from": &q.report.From, "to": &q.report.To} {
		if *day, err = dayOf(query, name); err != nil {
			return err
		}
	}
	if !q.at.IsZero() && (q.report.To.IsZero() || q.at.Before(q.report.To)) {
		q.report.To = q.at
	}
	if !q.report.From.IsZero() && !q.report.To.IsZero() && q.report.To.Before(q.report.From) {
		return &valueError{"from", q.report.From.String(), q.report.To.String() + " or before"}
	}
	q.report.Known = q.known
	if err := q.report.Check(); err != nil {
		return err
	}
	if q.format == "" {
		return q.readPage(query)
	}
	for _, name := range []string{"limit", "cursor"} {
		if query.Has(name) {
			return &valueError{name, query.Get(name), "nothing: a file holds all rows"}
		}
	}
	return nil
}

// readOnly reads to which values of its dimensions a report is restricted. A value that has no words is an error: it is mistyped.
func (q *question) readOnly(r warehouse.Report, query url.Values) error {
	for _, d := range r.Dimensions {
		value := query.Get(d)
		if value == "" {
			continue
		}
		if known := valuesOf(r, d); known != nil && !slices.Contains(known, value) {
			return &warehouse.UnknownError{What: d, Given: value, Nearest: intake.Nearest(value, known)}
		}
		q.report.Only[d] = value
	}
	return nil
}

// valuesOf returns the values of a dimension that have words; nil if its values are free.
func valuesOf(r warehouse.Report, dimension string) (values []string) {
	switch {
	case dimension == "reason", dimension == "cause", dimension == "medium", dimension == "stage":
		return nil // what a newer program or a mail server says
	case dimension == "rule":
		for _, rule := range regime.Rules() {
			values = append(values, rule.ID)
		}
		return values
	}
	prefix := dimension + "."
	if dimension == "outcome" && r.Name == "cards" {
		prefix = "event."
	}
	for key := range allWords() {
		if value, ok := strings.CutPrefix(key, prefix); ok && value != "" {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return values
}

// readPage reads which rows of a report are asked for.
func (q *question) readPage(query url.Values) error {
	q.report.Limit = defaultRows
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxRows {
			return &valueError{"limit", text, "1000 (at most 10000)"}
		}
		q.report.Limit = n
	}
	text := query.Get("cursor")
	if text == "" {
		if q.report.Known.IsZero() {
			q.report.Known = q.asked // the next pages are of the same state
		}
		return nil
	}
	skip, known, err := q.readCursor(text)
	if err != nil {
		return &valueError{"cursor", text, "the next of an answer to the same question"}
	}
	q.report.Skip, q.report.Known = skip, known
	return nil
}

// cursor returns the cursor of the rows that follow those of a question, as known at the same instant. It is good for that question
// alone.
func (q *question) cursor() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%08x", q.report.Skip+q.report.Limit, q.report.Known.UnixMilli(), q.sum()))
}

func (q *question) readCursor(text string) (skip int, known time.Time, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, known, fmt.Errorf("reading a cursor: %w", err)
	}
	var ms int64
	var sum uint32
	if _, err := fmt.Sscanf(string(raw), "%d.%d.%x", &skip, &ms, &sum); err != nil || skip < 0 || sum != q.sum() {
		return 0, known, errors.New("reading a cursor: it is not one of this question's")
	}
	return skip, time.UnixMilli(ms), nil
}

// sum tells a question from others, whatever page of it is asked for.
func (q *question) sum() uint32 {
	r := q.report
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%s %q %s %s %s %s %v %q", r.Report.Name, r.By, r.Per, r.From, r.To, q.knownOn, r.Extent, r.Only))
}
