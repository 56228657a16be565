// Package console is the page for analysts and operators: how many
// certificates stand in which status, how many end in which month, and one
// subscriber's history, each as of any day; and the same as JSON. It reads
// ClickHouse and nothing else, so it holds nothing that names a person.
package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/page"
	"shomei/pkg/warehouse"
)

// Config is what the console needs.
type Config struct {
	Warehouse *warehouse.Warehouse
	Clock     func() time.Time
	Logger    *slog.Logger
	// Behind tells how many commits the tables have not seen yet, for the
	// freshness stamp; nil leaves the number out.
	Behind func(context.Context) (uint64, error)
	// Hosts are the names under which the page is served, without port; none means any.
	Hosts []string
}

// Console answers the page and the API.
type Console struct {
	Config
	pages *page.Set
}

//go:embed pages/*.html
var files embed.FS

// New returns the console; it fails when a template or phrase is missing.
func New(c Config) (*Console, error) {
	folder, err := fs.Sub(files, "pages")
	if err != nil {
		return nil, fmt.Errorf("opening the console's pages: %w", err)
	}
	pages, err := page.New(folder, words)
	if err != nil {
		return nil, fmt.Errorf("reading the console's pages: %w", err)
	}
	return &Console{Config: c, pages: pages}, nil
}

// Handler serves the page at /, the API under /api/ and the assets.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", page.Assets())
	mux.HandleFunc("GET /{$}", c.servePage)
	mux.HandleFunc("GET /api/status", c.api(c.apiStatus))
	mux.HandleFunc("GET /api/expiries", c.api(c.apiExpiries))
	mux.HandleFunc("GET /api/history", c.api(c.apiHistory))
	return page.Protect(mux, c.Hosts...)
}

// errDay says that ?at= holds no day.
var errDay = errors.New("at is not a day written YYYY-MM-DD")

// errKey says that ?q= is missing.
var errKey = errors.New("q is missing: give a serial number or a subscriber id")

// question is what the address asks for: the whole state of the page stands in it.
type question struct {
	at      civil.Date // zero: now
	key     string     // serial or subscriber id; "" asks for no history
	instant time.Time
}

// ask reads ?at= and ?q=. A past day is looked at as it ended; today as it is now.
func (c *Console) ask(query url.Values) (question, error) {
	now := c.Clock()
	q := question{key: query.Get("q"), instant: now}
	at, err := civil.Parse(query.Get("at"))
	if err != nil {
		return q, errDay
	}
	if !at.IsZero() && at != civil.Of(now) {
		q.at, q.instant = at, at.EndInstant()
	}
	return q, nil
}

// history is one subscriber's certificates and events.
type history struct {
	Subscriber   string                  `json:"subscriber"`
	Certificates []warehouse.Certificate `json:"certificates"`
	Events       []warehouse.Entry       `json:"events"`
}

// history finds a subscriber by id or by the serial of one of its certificates.
// A subscriber without a certificate yet is found too.
func (c *Console) history(ctx context.Context, q question) (history, error) {
	h := history{Subscriber: q.key, Certificates: []warehouse.Certificate{}}
	certificates, err := c.Warehouse.State(ctx, q.key, q.instant)
	switch {
	case err == nil:
		h.Subscriber = certificates[0].Subscriber
		if h.Certificates, err = c.Warehouse.State(ctx, h.Subscriber, q.instant); err != nil {
			return h, fmt.Errorf("reading a subscriber's certificates: %w", err)
		}
	case !errors.Is(err, warehouse.ErrNotFound):
		return h, fmt.Errorf("looking for a certificate: %w", err)
	}
	if h.Events, err = c.Warehouse.History(ctx, h.Subscriber, q.instant); err != nil {
		return h, fmt.Errorf("reading a subscriber's history: %w", err)
	}
	return h, nil
}

// freshness is how old the answer is.
type freshness struct {
	AsOf time.Time `json:"as_of"`
	// Behind is how many commits of the log the tables lack; absent when nobody counts.
	Behind *uint64 `json:"behind,omitempty"`
}

func (c *Console) freshness(ctx context.Context, q question) freshness {
	f := freshness{AsOf: q.instant.In(civil.Tokyo).Truncate(time.Second)}
	if c.Behind == nil {
		return f
	}
	n, err := c.Behind(ctx)
	switch {
	case err == nil:
		f.Behind = &n
	case ctx.Err() == nil: // otherwise the reader has gone, or the hub stops
		c.Logger.WarnContext(ctx, "counting what the tables have not seen", "err", err)
	}
	return f
}
