package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"shomei/pkg/warehouse"
)

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

// api serves what data finds for ?at= and the other parameters that the address knows.
func (c *Console) api(data func(context.Context, question) (any, error), known ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := c.ask(r, known...)
		var found any
		if err == nil {
			found, err = data(r.Context(), q)
		}
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		c.write(w, r, http.StatusOK, "application/json", envelope{1, c.freshness(r.Context(), q), found})
	}
}

func (c *Console) apiStatus(ctx context.Context, q question) (any, error) {
	counts, err := c.Warehouse.CountsByStatus(ctx, q.instant, q.extent)
	return orEmpty(counts), err
}

func (c *Console) apiExpiries(ctx context.Context, q question) (any, error) {
	buckets, err := c.Warehouse.ExpiriesByMonth(ctx, q.instant, q.extent)
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
	var unknown *parameterError
	var elsewhere *warehouse.UnknownError
	switch {
	case errors.Is(err, errDay), errors.Is(err, errKey), errors.As(err, &unknown), errors.As(err, &elsewhere):
		return http.StatusBadRequest, err.Error()
	case errors.Is(err, warehouse.ErrNotFound):
		return http.StatusNotFound, "nothing known under this serial number or subscriber id on that day"
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
