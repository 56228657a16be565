package console

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
	"shomei/pkg/intake"
	"shomei/pkg/page"
	"shomei/pkg/place"
	"shomei/pkg/regime"
	"shomei/pkg/sheet"
	"shomei/pkg/warehouse"
)

// visitsAhead is how many days a forecast of visits goes on.
const visitsAhead = 26 * 7

// errLearning: the forecast is being learned.
var errLearning = errors.New("the forecast is being learned from the visits of the past; ask again in some seconds")

// oracle keeps what was learned for the days that were last asked for, because learning takes seconds: everybody who asks for a day
// gets the same forecast.
type oracle struct {
	history func(context.Context, civil.Date) (*forecast.History, error)

	mu       sync.Mutex
	learning bool // one day at a time
	learned  []lesson
}

// lesson is what was learned for a day, or why nothing was.
type lesson struct {
	day      civil.Date
	at       time.Time
	forecast *forecast.Forecast
	err      error
}

const (
	// keptLessons is for how many days what was learned is kept.
	keptLessons = 4
	// learnLimit is how long reading the past may take.
	learnLimit = 10 * time.Minute
	// lessonAgain is after how long what could not be learned is tried again.
	lessonAgain = time.Minute
)

// ask returns the forecast as of the end of a day. It is learned beside the question, which gets errLearning meanwhile.
func (o *oracle) ask(day civil.Date, now time.Time) (*forecast.Forecast, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, l := range o.learned {
		if l.day == day && (l.err == nil || now.Sub(l.at) < lessonAgain) {
			return l.forecast, l.err
		}
	}
	if !o.learning {
		o.learning = true
		go o.learn(day, now)
	}
	return nil, errLearning
}

// learn learns outside of any request, so that nobody who goes away ends it for others.
func (o *oracle) learn(day civil.Date, now time.Time) {
	l := lesson{day: day, at: now}
	l.forecast, l.err = o.forecast(day)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.learning = false
	o.learned = slices.DeleteFunc(o.learned, func(old lesson) bool { return old.day == day })
	o.learned = append(o.learned, l)
	if len(o.learned) > keptLessons {
		newest := slices.MaxFunc(o.learned, func(a, b lesson) int { return a.day.Compare(b.day) }) // is asked for most
		i := slices.IndexFunc(o.learned, func(l lesson) bool { return l.day != newest.day })
		o.learned = slices.Delete(o.learned, i, i+1)
	}
}

func (o *oracle) forecast(day civil.Date) (*forecast.Forecast, error) {
	ctx, cancel := context.WithTimeout(context.Background(), learnLimit)
	defer cancel()
	h, err := o.history(ctx, day)
	if err != nil {
		return nil, err
	}
	if h.First().IsZero() {
		return nil, forecast.ErrShort
	}
	m, err := forecast.Learn(h, day)
	if err != nil {
		return nil, fmt.Errorf("learning from the visits of the past: %w", err)
	}
	return m.Forecast(day.AddDays(visitsAhead), forecast.Plan{}), nil
}

// levels are by which places visits are counted.
var levels = []string{forecast.ByNation, forecast.ByPrefecture, forecast.ByTown, forecast.ByOffice}

// visitPeriods are the periods of a forecast of visits.
var visitPeriods = []string{forecast.ByDay, forecast.ByWeek, forecast.ByMonth, forecast.ByFiscalYear}

// visitParameters are the parameters of a forecast of visits.
var visitParameters = append([]string{"per", "level"}, places...)

// visitsOf returns the visits that a question asks for, of the reader's area.
func (c *Console) visitsOf(q question) ([]forecast.Expected, error) {
	f, err := c.oracle.ask(q.visitsKnown(), q.asked)
	if err != nil {
		return nil, err
	}
	found, err := f.Visits(q.visits)
	if unknown := (*forecast.PlaceError)(nil); errors.As(err, &unknown) {
		return nil, nil // an office where nothing has happened yet
	}
	if err != nil {
		return nil, fmt.Errorf("asking the forecast: %w", err)
	}
	return found, nil
}

// visitsKnown is the day from what was known at whose end visits are forecast.
func (q question) visitsKnown() civil.Date {
	if !q.at.IsZero() {
		return q.at
	}
	return civil.Of(q.asked).AddDays(-1)
}

// readVisits reads what of the visits is asked for.
func (q *question) readVisits(query url.Values) error {
	q.visits = forecast.Query{By: forecast.ByWeek, Level: forecast.ByNation}
	for name, of := range map[string]struct {
		into  *string
		words []string
	}{"per": {&q.visits.By, visitPeriods}, "level": {&q.visits.Level, levels}} {
		if given := query.Get(name); given != "" {
			*of.into = given
			if !slices.Contains(of.words, given) {
				return &warehouse.UnknownError{What: name, Given: given, Nearest: intake.Nearest(given, of.words)}
			}
		}
	}
	p := q.extent.Place
	for _, code := range []string{p.Prefecture, p.Municipality, p.Office} { // the narrowest counts
		if code != "" {
			q.visits.Place = code
		}
	}
	q.visits.Area = q.extent.Area
	// What was known at the end of a day: at the earliest when the numbering of the resident record began, at the latest yesterday.
	latest := civil.Of(q.asked).AddDays(-1)
	if !q.at.IsZero() && (q.at.After(latest) || q.at.Before(regime.JukiFirstDay)) {
		return &valueError{"at", q.at.String(), latest.String()}
	}
	return nil
}

func (c *Console) apiVisits(_ context.Context, q question) (any, error) {
	found, err := c.visitsOf(q)
	if len(found) > maxRows {
		return nil, &valueError{"level", q.visits.Level, "one with fewer rows, or ask for a file with format=csv"}
	}
	return orEmpty(found), err
}

// visitsSheet is a forecast of visits as a file.
func (c *Console) visitsSheet(_ context.Context, q question, read reader) sheet.Sheet {
	columns := []sheet.Column{
		{Name: "starts", Label: read.say("report.per." + q.visits.By)},
		{Name: "place", Label: read.say("file.where")},
		{Name: "mean", Label: read.say("visits.mean"), Number: true},
		{Name: "p10", Label: read.say("visits.p10"), Number: true},
		{Name: "p50", Label: read.say("visits.p50"), Number: true},
		{Name: "p90", Label: read.say("visits.p90"), Number: true},
		{Name: "expiring", Label: read.say("report.expiring"), Number: true},
		{Name: "opening", Label: read.say("report.opening"), Number: true},
	}
	return sheet.Sheet{Columns: columns, Rows: func(each func([]any) error) error {
		found, err := c.visitsOf(q)
		for _, e := range found {
			if err == nil {
				err = each([]any{
					e.Starts.String(), place.Name(e.Place), whole(e.Mean), whole(e.P10), whole(e.P50), whole(e.P90), whole(e.Expiring), whole(e.Opening),
				})
			}
		}
		return err
	}}
}

func whole(x float64) int64 { return int64(math.Round(x)) }

// visitsView is the data of the forecast's page.
type visitsView struct {
	Reports  []choice
	At       string
	Per      string
	Level    string
	Periods  []choice
	Levels   []choice
	Place    warehouse.Place
	Offices  choices
	Fresh    string
	Learning bool
	Cut      string // said if there are more rows than are shown
	Chart    bool
	Table    page.Table
	Files    []choice
}

// learnWait is after how long a browser asks again while the forecast is being learned.
const learnWait = 2 * time.Second

func (c *Console) serveVisits(w http.ResponseWriter, r *http.Request) {
	r = withQuery(r, r.URL.Query())
	q, err := c.parse(r, endpoint{parameters: visitParameters, visits: true})
	read := c.readerOf(r, q)
	data := visitsView{At: r.URL.Query().Get("at"), Per: q.visits.By, Level: q.visits.Level, Place: q.extent.Place, Reports: read.reports("/forecast")}
	for _, per := range visitPeriods {
		data.Periods = append(data.Periods, choice{Value: per, Text: read.say("report.per." + per)})
	}
	for _, level := range levels {
		data.Levels = append(data.Levels, choice{Value: level, Text: read.say("visits.level." + level)})
	}
	data.Offices, err = c.placesFor(r.Context(), q, err)
	var found []forecast.Expected
	if err == nil {
		found, err = c.visitsOf(q)
	}
	show, status := page.View{Title: "visits.title", Scripts: []string{"vendor/echarts.min.js", "chart.js"}}, http.StatusOK
	switch {
	case errors.Is(err, errLearning):
		data.Learning, show.ReloadAfter, show.Reload = true, learnWait, r.URL.RequestURI()
		w.Header().Set("Refresh", fmt.Sprintf("%.0f", learnWait.Seconds()))
	case errors.Is(err, forecast.ErrShort), errors.Is(err, forecast.ErrEmpty):
		show.Errors = []page.FieldError{{Text: read.say("visits.short")}}
	case err != nil:
		status, show.Errors = c.failed(r.Context(), q, read, err)
	default:
		data.Fresh = read.fresh(c.freshness(r.Context(), q))
		if len(found) > rowsOnPage {
			found, data.Cut = found[:rowsOnPage], read.say("report.cut", rowsOnPage)
		}
		data.Table, data.Chart = read.visits(q.visits, found)
		data.Files = filesOf("/api/visits", r.URL.Query())
	}
	show.Data = data
	c.render(w, r, status, "visits", show)
}

// visits returns the table of a forecast, and whether a chart of it makes sense: it does of one place.
func (r reader) visits(q forecast.Query, found []forecast.Expected) (page.Table, bool) {
	one := !slices.ContainsFunc(found, func(e forecast.Expected) bool { return e.Place != found[0].Place })
	table := page.Table{ID: "visits", Caption: r.say("visits.caption"), Empty: r.say("console.nothing"), Columns: []page.Column{{Label: r.say("report.per." + q.By), Short: true}}}
	if !one {
		table.Columns = append(table.Columns, page.Column{Label: r.say("file.where"), Short: true})
	}
	table.Columns = append(table.Columns,
		page.Column{Label: r.say("visits.p10"), Numeric: true, Band: page.Low}, page.Column{Label: r.say("visits.p50"), Numeric: true, Band: page.Middle},
		page.Column{Label: r.say("visits.p90"), Numeric: true, Band: page.High}, page.Column{Label: r.say("visits.mean"), Numeric: true},
		page.Column{Label: r.say("report.expiring"), Numeric: true}, page.Column{Label: r.say("report.opening"), Numeric: true})
	for _, e := range found {
		cells := []page.Cell{{Text: r.period(q.By, e.Starts)}}
		if !one {
			cells = append(cells, page.Cell{Text: place.Name(e.Place)})
		}
		for _, x := range []float64{e.P10, e.P50, e.P90, e.Mean, e.Expiring, e.Opening} {
			cells = append(cells, page.Cell{Text: number(uint64(max(0, whole(x))))})
		}
		table.Rows = append(table.Rows, cells)
	}
	return table, one && len(found) > 1
}
