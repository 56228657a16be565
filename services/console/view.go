package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/page"
	"shomei/pkg/place"
	"shomei/pkg/warehouse"
)

// view is the data of the page's template.
type view struct {
	At, Key  string
	Known    string
	Fresh    string
	Total    uint64
	Counts   page.Table
	Expiries page.Table
	History  *historyView
	// Officer is who is signed in; Decides: on what waits for a second officer, too.
	Officer string
	Decides bool
	// Empty: nothing is recorded at all.
	Empty bool
	// Place is what the page is about, Offices what can be chosen.
	Place   warehouse.Place
	Offices choices
	Reports []choice
}

// choices are the places that a reader can choose, by code, with their names.
type choices struct{ Prefectures, Municipalities, Offices []choice }

func choicesOf(offices []warehouse.Office) (all choices) {
	for _, o := range offices {
		all.Offices = append(all.Offices, choice{Value: o.ID, Text: o.ID + " " + place.Name(o.Municipality)})
		all.Municipalities = append(all.Municipalities, choice{Value: o.Municipality, Text: o.Municipality + " " + place.Name(o.Municipality)})
		all.Prefectures = append(all.Prefectures, choice{Value: o.Prefecture(), Text: o.Prefecture() + " " + place.Name(o.Prefecture())})
	}
	for _, list := range []*[]choice{&all.Prefectures, &all.Municipalities} {
		slices.SortFunc(*list, func(a, b choice) int { return strings.Compare(a.Value, b.Value) })
		*list = slices.Compact(*list)
	}
	return all
}

type historyView struct {
	Subscriber   string
	Certificates page.Table
	Events       page.Table
}

// reader makes texts and links in one reader's language.
type reader struct {
	pages *page.Set
	lang  page.Language
	at    civil.Date
	// knownOn is the day as known on which is counted; zero: now.
	knownOn civil.Date
	place   warehouse.Place
	// forecasts: visits are forecast here.
	forecasts bool
}

func (c *Console) readerOf(r *http.Request, q question) reader {
	return reader{c.pages, page.LanguageOf(r), q.at, q.knownOn, q.extent.Place, c.oracle != nil}
}

func (r reader) say(key string, args ...any) string { return r.pages.Say(r.lang, key, args...) }

// href returns the URL of the page about a key, on the reader's day and in the reader's place.
func (r reader) href(key string) string {
	query := url.Values{"q": {key}}
	if !r.at.IsZero() {
		query.Set("at", r.at.String())
	}
	for i, code := range []string{r.place.Prefecture, r.place.Municipality, r.place.Office} {
		if code != "" {
			query.Set(places[i], code)
		}
	}
	return "/?" + query.Encode() + "#history"
}

func (c *Console) servePage(w http.ResponseWriter, r *http.Request) {
	show := page.View{Title: "console.title", Scripts: []string{"vendor/echarts.min.js", "chart.js"}}
	status := http.StatusOK
	q, err := c.parse(r, endpoint{parameters: append([]string{"known", "q"}, places...)})
	read := c.readerOf(r, q)
	data := view{At: r.URL.Query().Get("at"), Known: r.URL.Query().Get("known"), Key: q.key, Officer: q.by.Officer, Place: q.extent.Place, Decides: q.by.decides()}
	data.Reports = read.reports("/")
	data.Offices, err = c.placesFor(r.Context(), q, err)
	if err == nil {
		err = c.fill(r.Context(), q, read, &data)
	}
	if err != nil {
		status, show.Errors = c.failed(r.Context(), q, read, err)
	}
	show.Data = data
	c.render(w, r, status, "console", show)
}

// placesFor returns the places that a reader can choose, also if what was asked is wrong already (err). An unknown place is an error,
// too (*warehouse.UnknownError).
func (c *Console) placesFor(ctx context.Context, q question, err error) (choices, error) {
	offices, unread := c.Warehouse.Offices(ctx, q.extent.Area)
	switch {
	case err != nil:
	case unread != nil:
		err = unread
	default:
		err = q.extent.Place.Among(offices)
	}
	return choicesOf(offices), err
}

// failed returns the status of a page that shows an error, and what it says. What its reader can't mend goes to the log.
func (c *Console) failed(ctx context.Context, q question, read reader, err error) (int, []page.FieldError) {
	status, _ := statusOf(err)
	if status >= http.StatusInternalServerError {
		c.Logger.ErrorContext(ctx, "showing a page of the console", "err", err)
	}
	return status, read.errors(q, status, err)
}

func (r reader) errors(q question, status int, err error) []page.FieldError {
	if status == http.StatusNotFound && q.by.known {
		return []page.FieldError{{Field: "q", Text: r.say("console.error.elsewhere")}}
	}
	if status == http.StatusNotFound {
		return []page.FieldError{{Field: "q", Text: r.say("console.error.unknown")}}
	}
	if wrong := (*valueError)(nil); errors.As(err, &wrong) {
		return []page.FieldError{{Field: wrong.Name, Text: r.say("console.error.value", r.say(labelOf(wrong.Name)), wrong.Given, wrong.Want)}}
	}
	if wrong := (*parameterError)(nil); errors.As(err, &wrong) {
		return []page.FieldError{{Text: r.say("console.error.parameter", wrong.Given, wrong.Nearest)}}
	}
	if unknown := (*warehouse.UnknownError)(nil); errors.As(err, &unknown) && !slices.Contains(places, unknown.What) {
		return []page.FieldError{{Text: r.say("console.error.word", unknown.Given, unknown.Nearest)}}
	} else if unknown != nil && unknown.Nearest == "" {
		return []page.FieldError{{Field: unknown.What, Text: r.say("console.error.noplace", unknown.Given)}}
	} else if unknown != nil {
		return []page.FieldError{{Field: unknown.What, Text: r.say("console.error.place", unknown.Given, unknown.Nearest)}}
	}
	if rebuilding := (warehouse.Rebuilding{}); errors.As(err, &rebuilding) {
		return []page.FieldError{{Text: r.say("console.error.rebuilding", rebuilding.Percent)}}
	}
	if errors.Is(err, errUnrecorded) {
		return []page.FieldError{{Field: "q", Text: r.say("console.error.unrecorded")}}
	}
	return []page.FieldError{{Text: r.say("console.error.away")}}
}

// labelOf returns the key of a parameter's label on the pages.
func labelOf(parameter string) string {
	switch parameter {
	case "at":
		return "console.at"
	case "from", "to", "known":
		return "report." + parameter
	}
	return meaning(parameter)
}

// fill queries the tables for everything on the page.
func (c *Console) fill(ctx context.Context, q question, read reader, data *view) error {
	counts, err := c.Warehouse.CountsByStatus(ctx, q.clocks(), q.extent)
	if err != nil {
		return err
	}
	buckets, err := c.Warehouse.ExpiriesByMonth(ctx, q.clocks(), q.extent)
	if err != nil {
		return err
	}
	data.Fresh = read.fresh(c.freshness(ctx, q))
	data.Counts, data.Total = read.counts(counts)
	data.Empty = data.Total == 0 && q.at.IsZero() && q.known.IsZero() && q.extent.Area == nil && q.extent.Place == (warehouse.Place{})
	data.Expiries = read.expiries(buckets)
	if q.key == "" {
		return nil
	}
	found, err := c.history(ctx, q)
	if err != nil {
		return err
	}
	data.History = &historyView{found.Subscriber, read.certificates(found.Certificates), read.events(found.Events)}
	return nil
}

func (r reader) fresh(f freshness) string {
	at := r.instant(f.AsOf)
	if f.Behind == nil {
		return r.say("console.fresh", at)
	}
	return r.say("console.fresh.behind", at, *f.Behind)
}

// group is one column of numbers: the juki regime has one kind of certificate, mynumber two.
type group struct{ regime, kind string }

var groups = []group{{"mynumber", "sign"}, {"mynumber", "auth"}, {"juki", "sign"}}

func (r reader) group(g group) string { return r.say("console.group." + g.regime + "." + g.kind) }

// statuses in the order of a life.
var statuses = []string{"authorized", "issued", "valid", "suspended", "revoked", "expired", "abandoned"}

func (r reader) counts(counts []warehouse.StatusCount) (page.Table, uint64) {
	n := map[string]map[group]uint64{}
	var total uint64
	for _, c := range counts {
		if n[c.Status] == nil {
			n[c.Status] = map[group]uint64{}
		}
		n[c.Status][group{c.Regime, c.Kind}] += c.Count
		total += c.Count
	}
	table := page.Table{
		ID: "counts", Caption: r.say("console.counts"), Columns: r.columns("console.status", false), Empty: r.say("console.nothing"),
	}
	for _, status := range statuses {
		table.Rows = append(table.Rows, row(r.say("console.status."+status), n[status]))
	}
	return table, total
}

// columns returns a heading, a column for each group, and their sum.
func (r reader) columns(first string, series bool) []page.Column {
	columns := []page.Column{{Label: r.say(first), Short: true}}
	for _, g := range groups {
		columns = append(columns, page.Column{Label: r.group(g), Numeric: true, Series: series})
	}
	return append(columns, page.Column{Label: r.say("console.sum"), Numeric: true})
}

func row(first string, n map[group]uint64) []page.Cell {
	cells := []page.Cell{{Text: first}}
	var sum uint64
	for _, g := range groups {
		cells = append(cells, page.Cell{Text: number(n[g])})
		sum += n[g]
	}
	return append(cells, page.Cell{Text: number(sum)})
}

// number groups digits by three: 1,234,567.
func number(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// expiries adds zeros for the months in which nothing ends, so that the chart's axis is time.
func (r reader) expiries(buckets []warehouse.Bucket) page.Table {
	table := page.Table{
		ID: "expiries", Caption: r.say("console.expiries"), Columns: r.columns("console.month", true), Empty: r.say("console.nothing"),
	}
	n := map[civil.Date]map[group]uint64{}
	var months []civil.Date
	for _, b := range buckets {
		if b.Expiring == 0 {
			continue // only a window opens in it
		}
		month := b.Starts.Date
		if n[month] == nil {
			n[month] = map[group]uint64{}
			months = append(months, month)
		}
		n[month][group{b.Regime, b.Kind}] += b.Expiring
	}
	if len(months) == 0 {
		return table
	}
	first, last := slices.MinFunc(months, civil.Date.Compare), slices.MaxFunc(months, civil.Date.Compare)
	for month := first; !month.After(last); month = month.AddMonthsClamped(1) {
		table.Rows = append(table.Rows, row(month.String()[:len("2006-01")], n[month]))
	}
	return table
}

func (r reader) certificates(list []warehouse.Certificate) page.Table {
	table := page.Table{Caption: r.say("console.certificates"), Empty: r.say("console.nothing"), Columns: []page.Column{
		{Label: r.say("console.serial"), Short: true},
		{Label: r.say("console.kind"), Short: true},
		{Label: r.say("console.status"), Short: true},
		{Label: r.say("console.issued"), Short: true},
		{Label: r.say("console.lastday"), Short: true},
		{Label: r.say("console.window"), Short: true},
		{Label: r.say("console.ended"), Short: true},
		{Label: r.say("console.reason")},
	}}
	for _, c := range list {
		serial := events.FormatSerial(c.Serial)
		table.Rows = append(table.Rows, []page.Cell{
			{Text: serial, Href: r.href(serial)},
			{Text: r.group(group{c.Regime, c.Kind})},
			{Text: r.say("console.status." + c.Status)},
			{Text: r.instant(c.Issued)},
			{Text: c.LastDay.String()},
			{Text: c.WindowOpens.String()},
			{Text: r.instant(ended(c))},
			{Text: r.reason(c)},
		})
	}
	return table
}

func ended(c warehouse.Certificate) time.Time {
	for _, t := range []time.Time{c.Revoked, c.Abandoned, c.Expired, c.Suspended} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// reason returns the CRL's reason and, if recorded, its cause.
func (r reader) reason(c warehouse.Certificate) string {
	why, cause := c.Reason, c.Cause
	if c.Status == "suspended" {
		cause = c.SuspendCause
	}
	why, cause = r.word("reason.", why), r.word("cause.", cause)
	switch {
	case why == "" || cause == "":
		return why + cause
	case r.lang == page.English:
		return why + " (" + cause + ")"
	}
	return why + "（" + cause + "）"
}

// word translates a value of the log; one from a newer hub is shown as it is.
func (r reader) word(prefix, value string) string {
	text := r.say(prefix + value)
	if value == "" || text == prefix+value {
		return value
	}
	return text
}

func (r reader) events(entries []warehouse.Entry) page.Table {
	table := page.Table{Caption: r.say("console.events"), Empty: r.say("console.nothing"), Columns: []page.Column{
		{Label: r.say("console.recorded"), Short: true},
		{Label: r.say("console.event"), Short: true},
		{Label: r.say("console.serial"), Short: true},
		{Label: r.say("console.rules")},
		{Label: r.say("console.where"), Short: true},
		{Label: r.say("console.revision"), Numeric: true},
	}}
	for _, e := range entries {
		var serials []string
		for _, s := range e.Serials {
			serials = append(serials, events.FormatSerial(s))
		}
		table.Rows = append(table.Rows, []page.Cell{
			{Text: r.instant(e.Recorded)},
			{Text: r.say("event." + e.Event)},
			{Text: strings.Join(serials, ", ")},
			r.rules(e.Rules),
			{Text: where(e)},
			{Text: strconv.FormatUint(e.Revision, 10)},
		})
	}
	return table
}

// rules returns the sentence of the first rule, which is why the event happened, and the ids of all, folded if there
// are several.
func (r reader) rules(ids []string) page.Cell {
	if len(ids) == 0 {
		return page.Cell{}
	}
	sentence := r.sentence(ids[0])
	switch {
	case len(ids) > 1:
		return page.Cell{Text: sentence, More: r.say("console.rules.all", len(ids)), Folded: strings.Join(ids, ", ")}
	case sentence == ids[0]:
		return page.Cell{Text: sentence}
	case r.lang == page.English:
		return page.Cell{Text: sentence + " (" + ids[0] + ")"}
	}
	return page.Cell{Text: sentence + "（" + ids[0] + "）"}
}

func where(e warehouse.Entry) string {
	if e.Counter != "" {
		return e.Counter
	}
	return e.Office
}

func (r reader) instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(civil.Tokyo).Format("2006-01-02 15:04:05")
}
