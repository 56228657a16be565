package forecast

import (
	"fmt"
	"slices"

	"shomei/pkg/civil"
)

// What a Record counts.
const (
	Place    = "office"   // an office exists, in a municipality
	Merged   = "merged"   // from a day on, an office's work is done by another
	Closed   = "closed"   // an office (or all) is closed on a working day
	Opened   = "open"     // an office (or all) is open on a day that is none
	Issued   = "issued"   // holders got a certificate, or brought one from another office
	Noticed  = "notice"   // holders were sent the notice that theirs ends
	Ended    = "ended"    // holders lost theirs before its last day other than by a visit
	Visit    = "visit"    // people came and got what they came for
	Refused  = "refused"  // people came for the first time and were refused
	Returned = "returned" // people who had been refused came again and got it
)

// Record is one line of a history. Which fields it needs depends on What (Format); all others are zero.
type Record struct {
	What                       string
	Day                        civil.Date
	Office, Municipality, Into string
	Kind                       string // of the certificates that somebody holds: sign, auth or "auth sign"
	Procedure                  string // what somebody came for; of Ended: why
	LastDay                    civil.Date
	Window, Since              civil.Date
	Count                      int
}

// FieldError is what is wrong with one column of a Record.
type FieldError struct{ Column, Problem string }

// Error implements error.
func (e *FieldError) Error() string { return fmt.Sprintf("column %s: %s", e.Column, e.Problem) }

func wrong(column, problem string, args ...any) error {
	return &FieldError{column, fmt.Sprintf(problem, args...)}
}

// Office is an office and where it lies.
type Office struct{ ID, Municipality string }

// Prefecture returns the two digits with which the municipality begins.
func (o Office) Prefecture() string { return o.Municipality[:min(2, len(o.Municipality))] }

// History is what is known of some offices: days by cohort and procedure, as counts. The zero value is empty and ready to use.
type History struct {
	Offices []Office

	index      map[string]int
	kinds      names
	procedures names
	mergers    []merger
	exceptions []exception
	cohorts    [][]movement // by office
	visits     [][]arrival  // by office
	notices    [][]letter   // by office
	first      int          // of the days on which anything was counted
	last       int
	counted    bool
}

// Days are numbers from 2000-01-01 on.
var dayZero = civil.New(2000, 1, 1)

const noDay = -1 << 30

// number returns the number of a day; noDay if it is absent. It is asked millions of times and so counts by itself: whole years of a
// calendar that begins in March, with a leap year every four but in three centuries of four.
func number(d civil.Date) int {
	if d.IsZero() {
		return noDay
	}
	year, month := d.Year, int(d.Month)-3
	if month < 0 {
		year, month = year-1, month+12
	}
	const toZero = 730425 // of 2000-01-01
	return 365*year + year/4 - year/100 + year/400 + (153*month+2)/5 + d.Day - 1 - toZero
}

func dateOf(day int) civil.Date { return dayZero.AddDays(day) }

// names numbers words in the order in which they come.
type names struct {
	words []string
	index map[string]int
}

// most bounds the kinds and procedures of a history: each has a model of its own.
const most = 60

func (n *names) of(column, word string) (uint8, error) {
	if i, ok := n.index[word]; ok {
		return uint8(i), nil
	}
	if len(n.words) == most {
		return 0, wrong(column, "%.40q is one word too many; at most %d are told apart", word, most)
	}
	if n.index == nil {
		n.index = map[string]int{}
	}
	n.index[word] = len(n.words)
	n.words = append(n.words, word)
	return uint8(len(n.words) - 1), nil
}

// movement is holders who join a cohort (count > 0) or leave it.
type movement struct {
	last, day int32
	count     int32
	window    int32
	kind      uint8
	cause     cause
}

type cause uint8

const (
	byIssue cause = iota
	byEnd
	byVisit
)

// arrival is people at the counter. A last of noDay: none was announced.
type arrival struct {
	last, day, since int32
	count            int32
	kind, procedure  uint8
	how              how
}

type how uint8

const (
	served how = iota
	refused
	returned
)

type letter struct {
	last, day, count int32
	kind             uint8
}

type merger struct{ from, into, day, since int }

type exception struct {
	office     int // -1: all
	day, since int
	open       bool
}

// Add adds a record. The error is a *FieldError; the history is unchanged then.
func (h *History) Add(r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	switch r.What {
	case Place:
		return h.addOffice(r)
	case Merged:
		return h.addMerger(r)
	case Closed, Opened:
		return h.addException(r)
	}
	office, err := h.office("office", r.Office)
	if err != nil {
		return err
	}
	kind, err := h.kinds.of("kind", r.Kind)
	if err != nil {
		return err
	}
	day, last := int32(number(r.Day)), int32(number(r.LastDay))
	switch r.What {
	case Issued:
		h.cohorts[office] = append(h.cohorts[office], movement{last, day, int32(r.Count), int32(number(r.Window)), kind, byIssue})
	case Ended:
		h.cohorts[office] = append(h.cohorts[office], movement{last, day, -int32(r.Count), noDay, kind, byEnd})
		h.saw(r.Day)
	case Noticed:
		h.notices[office] = append(h.notices[office], letter{last, day, int32(r.Count), kind})
		h.saw(r.Day)
	default:
		return h.addVisit(office, kind, r)
	}
	return nil
}

func (h *History) addVisit(office int, kind uint8, r Record) error {
	procedure, err := h.procedures.of("procedure", r.Procedure)
	if err != nil {
		return err
	}
	a := arrival{
		int32(number(r.LastDay)), int32(number(r.Day)), int32(number(r.Since)), int32(r.Count), kind, procedure,
		map[string]how{Visit: served, Refused: refused, Returned: returned}[r.What],
	}
	h.visits[office] = append(h.visits[office], a)
	if a.last != noDay && a.how != returned {
		h.cohorts[office] = append(h.cohorts[office], movement{a.last, a.day, -a.count, noDay, kind, byVisit})
	}
	h.saw(r.Day)
	return nil
}

func (h *History) saw(d civil.Date) {
	day := number(d)
	if !h.counted {
		h.first, h.last, h.counted = day, day, true
	}
	h.first, h.last = min(h.first, day), max(h.last, day)
}

// First returns the first day on which something was counted, and Last the last; zero if nothing was.
func (h *History) First() civil.Date { return h.bound(h.first) }

// Last returns the last day on which something was counted.
func (h *History) Last() civil.Date { return h.bound(h.last) }

func (h *History) bound(day int) civil.Date {
	if !h.counted {
		return civil.Date{}
	}
	return dateOf(day)
}

func (h *History) office(column, id string) (int, error) {
	i, ok := h.index[id]
	if !ok {
		return 0, wrong(column, "%.60q is no office that an earlier row of %q names", id, Place)
	}
	return i, nil
}

func (h *History) addOffice(r Record) error {
	if _, ok := h.index[r.Office]; ok {
		return wrong("office", "%.60q was named before", r.Office)
	}
	if h.index == nil {
		h.index = map[string]int{}
	}
	h.index[r.Office] = len(h.Offices)
	h.Offices = append(h.Offices, Office{r.Office, r.Municipality})
	h.cohorts, h.visits, h.notices = append(h.cohorts, nil), append(h.visits, nil), append(h.notices, nil)
	return nil
}

func (h *History) addMerger(r Record) error {
	from, err := h.office("office", r.Office)
	if err != nil {
		return err
	}
	into, err := h.office("into", r.Into)
	if err != nil {
		return err
	}
	m := merger{from, into, number(r.Day), number(r.Since)}
	for _, other := range h.mergers {
		if other.from == from || other.into == from || other.from == into {
			return wrong("into", "%.60q and %.60q: an office is merged once, into one that stays", r.Office, r.Into)
		}
	}
	if from == into {
		return wrong("into", "an office is not merged into itself")
	}
	h.mergers = append(h.mergers, m)
	return nil
}

func (h *History) addException(r Record) error {
	e := exception{-1, number(r.Day), number(r.Since), r.What == Opened}
	if r.Office != "" {
		office, err := h.office("office", r.Office)
		if err != nil {
			return err
		}
		e.office = office
	}
	h.exceptions = append(h.exceptions, e)
	return nil
}

// needs lists the columns that a row must fill and those that it may; count is filled in every row that counts people.
var needs = map[string]struct{ must, may []string }{
	Place:    {must: []string{"office", "municipality"}},
	Merged:   {must: []string{"day", "office", "into"}, may: []string{"since"}},
	Closed:   {must: []string{"day"}, may: []string{"office", "since"}},
	Opened:   {must: []string{"day"}, may: []string{"office", "since"}},
	Issued:   {must: []string{"office", "kind", "last_day", "count"}, may: []string{"day", "window"}},
	Noticed:  {must: []string{"day", "office", "kind", "last_day", "count"}},
	Ended:    {must: []string{"day", "office", "kind", "last_day", "count"}, may: []string{"procedure"}},
	Visit:    {must: []string{"day", "office", "procedure", "count"}, may: []string{"kind", "last_day"}},
	Refused:  {must: []string{"day", "office", "procedure", "count"}, may: []string{"kind", "last_day"}},
	Returned: {must: []string{"day", "office", "procedure", "since", "count"}, may: []string{"kind", "last_day"}},
}

// columns are the columns of the format in their order, each with whether a record fills it.
var columns = []struct {
	name   string
	filled func(Record) bool
}{
	{"what", func(r Record) bool { return r.What != "" }},
	{"day", func(r Record) bool { return !r.Day.IsZero() }},
	{"office", func(r Record) bool { return r.Office != "" }},
	{"municipality", func(r Record) bool { return r.Municipality != "" }},
	{"into", func(r Record) bool { return r.Into != "" }},
	{"kind", func(r Record) bool { return r.Kind != "" }},
	{"procedure", func(r Record) bool { return r.Procedure != "" }},
	{"last_day", func(r Record) bool { return !r.LastDay.IsZero() }},
	{"window", func(r Record) bool { return !r.Window.IsZero() }},
	{"since", func(r Record) bool { return !r.Since.IsZero() }},
	{"count", func(r Record) bool { return r.Count != 0 }},
}

// What lies outside of these years is a slip of the pen.
const (
	firstYear = 2000
	lastYear  = 2199
)

func (r Record) check() error {
	need, ok := needs[r.What]
	if !ok {
		return wrong("what", "%.40q is none of %s, %s, %s, %s, %s, %s, %s, %s, %s, %s", r.What,
			Place, Merged, Closed, Opened, Issued, Noticed, Ended, Visit, Refused, Returned)
	}
	for _, c := range columns[1:] {
		must := slices.Contains(need.must, c.name)
		switch filled := c.filled(r); {
		case must && !filled:
			return wrong(c.name, "is empty (or 0), which a row of %q must fill", r.What)
		case filled && !must && !slices.Contains(need.may, c.name):
			return wrong(c.name, "must be empty in a row of %q", r.What)
		}
	}
	return r.checkValues()
}

func (r Record) checkValues() error {
	for i, day := range [...]civil.Date{r.Day, r.LastDay, r.Window, r.Since} {
		if !day.IsZero() && (day.Year < firstYear || day.Year > lastYear || !day.Valid()) {
			column := [...]string{"day", "last_day", "window", "since"}[i]
			return wrong(column, "%s is not a day of the years %d to %d", day, firstYear, lastYear)
		}
	}
	if r.Count < 0 || r.Count > 1<<30 {
		return wrong("count", "%d is not a number of people", r.Count)
	}
	if !r.Window.IsZero() && number(r.Window) > number(r.LastDay) {
		return wrong("window", "%s is after the last day %s", r.Window, r.LastDay)
	}
	if r.What == Returned && number(r.Since) >= number(r.Day) {
		return wrong("since", "%s is not before the day %s", r.Since, r.Day)
	}
	if r.What == Place && (len(r.Municipality) != 5 || !digits(r.Municipality)) {
		return wrong("municipality", "%.40q is not a code of five digits", r.Municipality)
	}
	return nil
}

func digits(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < '0' || b > '9' })
}
