package forecast

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"shomei/pkg/civil"
)

// Format describes the CSV that Read reads, for people.
const Format = `A history is a CSV file in UTF-8. Its first line is

  what,day,office,municipality,into,kind,procedure,last_day,window,since,count

Days are YYYY-MM-DD. A row fills the columns that it needs and leaves the others empty:

  office    office, municipality (five digits)           before anything else names the office
  merged    day, office, into; since                     from this day on the work of office is done by into
  closed    day; office, since                           closed on a working day (no office: all)
  open      day; office, since                           open on a weekend or holiday
  issued    office, kind, last_day, count; day, window   holders got a certificate that ends on last_day, or moved here with one; no day:
                                                         they held it when the history began. (Issued more than a year before the
                                                         last day, the day may be left out.) window is the first day to renew it
  notice    day, office, kind, last_day, count           holders were sent the notice that it ends
  ended     day, office, kind, last_day, count; procedure
                                                         it ended early without a visit here: death, loss, moved (in procedure)
  visit     day, office, procedure, count; kind, last_day
                                                         people got what they came for; last_day of the certificate that they came to
                                                         replace because it ends or has ended, else empty: a PIN, a move, a re-issue
  refused   as visit                                     people came for the first time and were refused
  returned  as visit; since                              refused people came again (since: the day of the refusal) and got it

What stands before the semicolon must be filled, what stands behind it may. since of merged, closed and open is the day on which that
was announced (empty: always known); a forecast as of an earlier day does not know it. kind is who holds what, such as sign, auth or
"auth sign" (who holds both comes once). count is at least 1. Working days are Monday to Friday without holidays and 29 December to
3 January. Rows may come in any order, apart from office.
`

// LineError is what is wrong with one line of a CSV.
type LineError struct {
	Line int
	Err  error
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("line %d, %v", e.Line, e.Err) }

// Unwrap returns what is wrong.
func (e *LineError) Unwrap() error { return e.Err }

// ErrEmpty: a history has no visits, so nothing can be learned from it.
var ErrEmpty = errors.New("the history has no visits")

// Read reads a history from CSV (Format). What it can't read is a *LineError.
func Read(in io.Reader) (*History, error) {
	reader := csv.NewReader(in)
	reader.ReuseRecord = true
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.name
	}
	first, err := reader.Read()
	if err != nil && !errors.Is(err, csv.ErrFieldCount) {
		return nil, &LineError{1, fmt.Errorf("is no CSV: %w", err)}
	}
	if got, want := strings.TrimPrefix(strings.Join(first, ","), "\ufeff"), strings.Join(header, ","); got != want {
		return nil, &LineError{1, fmt.Errorf("is %.200q, but must be %q", got, want)}
	}
	h, days := &History{}, map[string]civil.Date{"": {}}
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err // names line and column by itself
		}
		line, _ := reader.FieldPos(0)
		r, err := recordOf(fields, days)
		if err == nil {
			err = h.Add(r)
		}
		if err != nil {
			return nil, &LineError{line, err}
		}
	}
	if !h.counted {
		return nil, ErrEmpty
	}
	return h, nil
}

func recordOf(fields []string, days map[string]civil.Date) (r Record, err error) {
	r = Record{
		What: fields[0], Office: strings.Clone(fields[2]), Municipality: strings.Clone(fields[3]), Into: strings.Clone(fields[4]),
		Kind: strings.Clone(fields[5]), Procedure: strings.Clone(fields[6]),
	}
	for _, f := range []struct {
		at int
		to *civil.Date
	}{{1, &r.Day}, {7, &r.LastDay}, {8, &r.Window}, {9, &r.Since}} {
		if *f.to, err = parseDay(fields[f.at], days); err != nil {
			return r, wrong(columns[f.at].name, "%.40q is not a day (2026-04-01)", fields[f.at])
		}
	}
	if text := fields[10]; text != "" {
		if r.Count, err = strconv.Atoi(text); err != nil || r.Count < 1 {
			return r, wrong("count", "%.40q is not a number from 1 on", text)
		}
	}
	return r, nil
}

// parseDay parses a day as civil.Parse does, each text once.
func parseDay(text string, days map[string]civil.Date) (civil.Date, error) {
	if d, ok := days[text]; ok {
		return d, nil
	}
	d, err := civil.Parse(text)
	if err == nil {
		days[strings.Clone(text)] = d
	}
	return d, err
}

// A Writer writes a history as CSV.
type Writer struct{ out *csv.Writer }

// NewWriter returns a Writer to out that has written the first line.
func NewWriter(out io.Writer) *Writer {
	w := &Writer{csv.NewWriter(out)}
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.name
	}
	w.out.Write(header) //nolint:errcheck // the error stays until Flush
	return w
}

// Write writes one record, if it is whole; the error is a *FieldError, or the writer's.
func (w *Writer) Write(r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	count := ""
	if r.Count > 0 {
		count = strconv.Itoa(r.Count)
	}
	return w.out.Write([]string{
		r.What, r.Day.String(), r.Office, r.Municipality, r.Into, r.Kind, r.Procedure, r.LastDay.String(), r.Window.String(), r.Since.String(), count,
	})
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	w.out.Flush()
	return w.out.Error()
}
