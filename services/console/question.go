package console

import (
	"encoding/base64"
	"errors"
	"fmt"
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
var places = []string{"prefecture", "municipality", "office"}

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
		q.known = knownOn.EndInstant()
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
	}
	for _, d := range r.Dimensions {
		if value := query.Get(d); value != "" {
			q.report.Only[d] = value
		}
	}
	var err error
	for name, day := range map[string]*civil.Date{"from": &q.report.From, "to": &q.report.To} {
		if *day, err = dayOf(query, name); err != nil {
			return err
		}
	}
	if !q.at.IsZero() && (q.report.To.IsZero() || q.at.Before(q.report.To)) {
		q.report.To = q.at
	}
	q.report.Known = q.known
	if q.format == "" {
		if err := q.readPage(query); err != nil {
			return err
		}
	}
	return q.report.Check()
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
	skip, known, err := readCursor(text)
	if err != nil {
		return &valueError{"cursor", text, "the next of an answer"}
	}
	q.report.Skip, q.report.Known = skip, known
	return nil
}

// cursorOf returns the cursor of the rows after some, as known at the same instant.
func cursorOf(skip int, known time.Time) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", skip, known.UnixMilli()))
}

func readCursor(text string) (skip int, known time.Time, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return 0, known, fmt.Errorf("reading a cursor: %w", err)
	}
	var ms int64
	if _, err := fmt.Sscanf(string(raw), "%d.%d", &skip, &ms); err != nil || skip < 0 {
		return 0, known, errors.New("reading a cursor: it is not one of ours")
	}
	return skip, time.UnixMilli(ms), nil
}
