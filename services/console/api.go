package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"shomei/pkg/forecast"
	"shomei/pkg/intake"
	"shomei/pkg/sheet"
	"shomei/pkg/warehouse"
)

// endpoint is one question that programs can ask under /api/.
type endpoint struct {
	// path is what follows /api/; words of it under "api." say what it answers.
	path string
	// parameters are those that it knows beside at and lang.
	parameters []string
	// answer is the type of its data, for the description.
	answer any
	data   func(context.Context, question) (any, error)
	// sheet is the same as a file; nil: there is none.
	sheet func(context.Context, question, reader) sheet.Sheet
	// report is what is counted; nil for other questions.
	report *warehouse.Report
	// visits: it is the forecast of visits.
	visits bool
}

// endpoints lists all questions.
func (c *Console) endpoints() []endpoint {
	all := []endpoint{
		{"status", append([]string{"known"}, places...), []warehouse.StatusCount{}, c.apiStatus, c.statusSheet, nil, false},
		{"expiries", append([]string{"known"}, places...), []warehouse.Bucket{}, c.apiExpiries, c.expiriesSheet, nil, false},
		{"history", []string{"q"}, history{}, c.apiHistory, nil, nil, false},
	}
	if c.oracle != nil {
		all = append(all, endpoint{"visits", visitParameters, []forecast.Expected{}, c.apiVisits, c.visitsSheet, nil, true})
	}
	for _, r := range warehouse.Reports() {
		all = append(all, endpoint{
			"reports/" + r.Name, slices.Concat(reportParameters(r), []string{"limit", "cursor"}), reportAnswer{}, c.apiReport, c.reportSheet, &r, false,
		})
	}
	return all
}

// known returns the parameters that an endpoint knows, in order.
func (e endpoint) known() []string {
	known := append([]string{"at", "lang"}, e.parameters...)
	if e.sheet != nil {
		known = append(known, "format")
	}
	return known
}

// envelope is the frame of every JSON response; fields are added, never changed.
type envelope struct {
	SchemaVersion int       `json:"schema_version"`
	Freshness     freshness `json:"freshness"`
	Data          any       `json:"data"`
}

// problem is an error in the form of RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// api serves what an endpoint's data finds, as JSON or, by ?format=, as a file.
func (c *Console) api(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := c.ask(r, e)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		if q.format != "" {
			c.sendFile(w, r, e, q)
			return
		}
		found, err := e.data(r.Context(), q)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		c.answer(w, r, envelope{1, c.freshness(r.Context(), q), found})
	}
}

// answer writes an answer, or says that the reader has it (RFC 9110, 8.8.3): it is the same as long as its data are.
func (c *Console) answer(w http.ResponseWriter, r *http.Request, e envelope) {
	data, err := json.Marshal(e.Data)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	same := data
	if a, ok := e.Data.(reportAnswer); ok { // the instant of asking makes no other answer
		a.Known, a.Next = time.Time{}, ""
		same = fmt.Appendf(nil, "%+v", a)
	}
	sum := sha256.Sum256(same)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	e.Data = json.RawMessage(data)
	c.write(w, r, http.StatusOK, "application/json", e)
}

// errFiles: too many files are being made.
var errFiles = errors.New("other files are being made; ask again in a minute")

// filesAtOnce is how many files are made at a time: each has a statement of its own, of which the engine runs four.
const filesAtOnce = 2

// sendFile makes a file of an answer, and sends it when it is whole: so a reader who is slow holds no statement open, and what can't be
// finished is an error and no half a file. The temporary file has no name.
func (c *Console) sendFile(w http.ResponseWriter, r *http.Request, e endpoint, q question) {
	file, err := c.makeFile(r, e, q)
	if err != nil {
		c.refuse(w, r, err)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", q.format.MediaType())
	w.Header().Set("Content-Disposition", `attachment; filename="`+fileName(e, q)+`"`)
	if _, err := io.Copy(w, file); err != nil {
		c.Logger.InfoContext(r.Context(), "a reader disconnected", "err", err)
	}
}

func (c *Console) makeFile(r *http.Request, e endpoint, q question) (file *os.File, err error) {
	if n := c.files.Add(1); n > filesAtOnce {
		err = errFiles
	}
	defer c.files.Add(-1)
	if err != nil {
		return nil, err
	}
	if file, err = os.CreateTemp("", "shomei-file-*"); err != nil {
		return nil, fmt.Errorf("making a file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	if err = os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("making a file: %w", err)
	}
	read := c.readerOf(r, q)
	s := e.sheet(r.Context(), q, read)
	s.Head = c.heading(r.Context(), e, q, read)
	if err = s.Write(file, q.format); err != nil {
		return nil, err
	}
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("making a file: %w", err)
	}
	return file, nil
}

// noEndpoint answers a question that there is none of.
func (c *Console) noEndpoint(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, e := range c.endpoints() {
		names = append(names, e.path)
	}
	given := r.PathValue("path")
	c.refuse(w, r, &warehouse.UnknownError{What: "question", Given: given, Nearest: intake.Nearest(given, names)})
}

func (c *Console) apiStatus(ctx context.Context, q question) (any, error) {
	counts, err := c.Warehouse.CountsByStatus(ctx, q.clocks(), q.extent)
	return orEmpty(counts), err
}

func (c *Console) apiExpiries(ctx context.Context, q question) (any, error) {
	buckets, err := c.Warehouse.ExpiriesByMonth(ctx, q.clocks(), q.extent)
	return orEmpty(buckets), err
}

func (c *Console) apiHistory(ctx context.Context, q question) (any, error) {
	if q.key == "" {
		return nil, errKey
	}
	h, err := c.history(ctx, q)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// orEmpty returns an empty list for nil, so that JSON has [].
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// statusOf returns the HTTP status of an error, and the detail that may be shown outside.
func statusOf(err error) (int, string) {
	var rebuilding warehouse.Rebuilding
	var wrong *parameterError
	var value *valueError
	var unknown *warehouse.UnknownError
	switch {
	case errors.Is(err, errKey), errors.As(err, &wrong), errors.As(err, &value), errors.As(err, &unknown):
		return http.StatusBadRequest, err.Error()
	case errors.Is(err, warehouse.ErrNotFound):
		return http.StatusNotFound, "nothing known under this serial number or subscriber id on that day"
	case errors.Is(err, errLearning), errors.Is(err, errFiles):
		return http.StatusServiceUnavailable, err.Error()
	case errors.Is(err, forecast.ErrShort), errors.Is(err, forecast.ErrEmpty):
		return http.StatusConflict, err.Error()
	case errors.Is(err, errUnrecorded):
		return http.StatusServiceUnavailable, "who looks at a history could not be recorded, so it is not shown; see the log of the console"
	case errors.As(err, &rebuilding):
		return http.StatusServiceUnavailable, rebuilding.Error()
	case errors.Is(err, warehouse.ErrUnavailable):
		return http.StatusServiceUnavailable, "ClickHouse is away; the log goes on, try again in a minute"
	}
	return http.StatusInternalServerError, "internal error; see the log of the console"
}

func (c *Console) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := statusOf(err)
	if status >= http.StatusInternalServerError {
		c.Logger.ErrorContext(r.Context(), "answering "+r.URL.Path, "err", err)
	}
	c.write(w, r, status, "application/problem+json", problem{http.StatusText(status), status, detail})
}

func (c *Console) write(w http.ResponseWriter, r *http.Request, status int, kind string, body any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		c.Logger.InfoContext(r.Context(), "a reader disconnected", "err", err)
	}
}
