// Package console serves the pages for analysts and operators: how many certificates have which status, how many end in
// which month, what was applied for, issued, refused and paid, and one subscriber's history, each as of any day; and the
// same to programs, as JSON and as files. It reads ClickHouse and nothing
// else, so it holds nothing that names a person. Who looks at a history is recorded in the log before it is shown.
package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/forecast"
	"shomei/pkg/page"
	"shomei/pkg/signin"
	"shomei/pkg/warehouse"
)

// Config configures a Console.
type Config struct {
	Warehouse *warehouse.Warehouse
	// Look records that a history is about to be shown. After an error it is not.
	Look   func(context.Context, Look) error
	Clock  func() time.Time
	Logger *slog.Logger
	// Behind returns how many commits the tables lack, for the freshness stamp; nil leaves the number out.
	Behind func(context.Context) (uint64, error)
	// SignIn has officers sign in; nil: whoever reaches the console sees everything.
	SignIn *SignIn
	// Visits returns what a forecast of visits learns from, as of the end of a day; nil: visits are not forecast.
	Visits func(context.Context, civil.Date) (*forecast.History, error)
	// Invented: the log is simulated, and every page says so.
	Invented bool
	// Hosts are the host names, without port, under which the page is served; nil: any.
	Hosts []string
}

// Console serves the page and the API.
type Console struct {
	Config
	pages *page.Set
	// site is where officers sign in; nil without sign-in.
	site *signin.Site
	// accounts are those who are signed in with an account; nil: nobody can.
	accounts *accounts
	tokens   tokens
	files    atomic.Int64 // that are being made
	// oracle forecasts visits; nil: they are not forecast.
	oracle *oracle
	acts   acts
}

//go:embed pages/*.html
var files embed.FS

// New returns a Console. It fails if a template or phrase is missing.
func New(c Config) (*Console, error) {
	folder, err := fs.Sub(files, "pages")
	if err != nil {
		return nil, fmt.Errorf("opening the console's pages: %w", err)
	}
	pages, err := page.New(folder, allWords())
	if err != nil {
		return nil, fmt.Errorf("reading the console's pages: %w", err)
	}
	if c.Invented {
		pages.Note("console.invented")
	}
	made := &Console{Config: c, pages: pages}
	if c.Visits != nil {
		made.oracle = &oracle{history: c.Visits}
	}
	if c.SignIn != nil {
		made.site = made.newSite()
		if by := c.SignIn; by.Accounts != nil {
			made.accounts = newAccounts(*by.Accounts, c.Clock)
		} else if by.Passwords != nil {
			made.accounts = newAccounts(Accounts{}, c.Clock)
		}
	}
	return made, nil
}

// Handler serves the page at /, the API under /api/ and the assets; with sign-in, the page at /sign-in, and the others to those
// who are signed in.
func (c *Console) Handler() http.Handler {
	open := http.NewServeMux()
	for _, r := range c.routes() {
		if r.audience == forAll || c.site == nil {
			open.HandleFunc(r.pattern, r.do)
		} else {
			open.Handle(r.pattern, c.guarded(r.audience, r.do))
		}
	}
	if c.site == nil {
		return page.Protect(open, c.Hosts...)
	}
	open.Handle("/", c.guarded(forReaders, http.NotFound))
	return page.Protect(page.ByTLS(open), c.Hosts...)
}

// audience says who a route is for, where officers sign in.
type audience int

const (
	// forAll shows nothing of the tables.
	forAll audience = iota
	// forReaders is for officers with a role that looks at the console (officer.Reads).
	forReaders
	// forDeciders is for officers with a role that decides on what waits for a second officer.
	forDeciders
)

// route is one of the console's URLs.
type route struct {
	pattern  string
	audience audience
	do       http.HandlerFunc
}

// routes lists all URLs of the console.
func (c *Console) routes() []route {
	routes := []route{
		{"GET /assets/", forAll, page.Assets().ServeHTTP},
		{"GET /{$}", forReaders, c.servePage},
		{"GET /reports/{report}", forReaders, c.serveReport},
		{"GET /api", forReaders, c.serveDescription},
		{"GET /api/openapi.json", forReaders, c.describe},
		{"GET /api/{path...}", forReaders, c.noEndpoint},
	}
	if c.oracle != nil {
		routes = append(routes, route{"GET /forecast", forReaders, c.serveVisits})
	}
	for _, e := range c.endpoints() {
		routes = append(routes, route{"GET /api/" + e.path, forReaders, c.api(e)})
	}
	if c.site != nil {
		routes = append(routes, route{"POST /api", forReaders, c.issueToken})
		routes = slices.Concat(routes, c.signInRoutes(), c.enrolRoutes(), c.approvalRoutes())
	}
	if c.site != nil && c.SignIn.Accounts != nil {
		routes = append(routes, c.accountRoutes()...)
	}
	if c.site != nil && c.SignIn.Passwords != nil {
		routes = append(routes, c.passwordRoutes()...)
	}
	return routes
}

// history holds one subscriber's certificates and events.
type history struct {
	Subscriber   string                  `json:"subscriber"`
	Certificates []warehouse.Certificate `json:"certificates"`
	Events       []warehouse.Entry       `json:"events"`
}

// history finds a subscriber by id, even one without a certificate yet, or by the serial of a certificate, and records that the
// history is shown.
func (c *Console) history(ctx context.Context, q question) (history, error) {
	h, err := c.found(ctx, q)
	if err != nil {
		return history{}, err
	}
	if !q.by.sees(municipalityOf(h)) {
		return history{}, warehouse.ErrNotFound // nobody learns whom others know
	}
	return h, c.recordLook(ctx, q.by, h.Subscriber)
}

// errUnrecorded: it could not be recorded who looks, so nothing is shown.
var errUnrecorded = errors.New("who looks at a history could not be recorded")

// recordWait is how long a reader waits for the log.
const recordWait = 5 * time.Second

// Look is somebody's look at a history.
type Look struct {
	// Subscriber is whose history it is.
	Subscriber string
	// Officer is who looks, and Office the one that enrolled the officer; empty: somebody on this machine.
	Officer, Office string
}

// recordLook records that a history is about to be shown.
func (c *Console) recordLook(ctx context.Context, by visitor, subscriber string) error {
	ctx, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	if err := c.Look(ctx, Look{Subscriber: subscriber, Officer: by.Officer, Office: by.Office}); err != nil {
		return fmt.Errorf("%w: %w", errUnrecorded, err)
	}
	return nil
}

func (c *Console) found(ctx context.Context, q question) (history, error) {
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

// freshness is the age of the response.
type freshness struct {
	AsOf time.Time `json:"as_of"`
	// Behind is how many commits of the log the tables lack; absent if nobody counts.
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
	case ctx.Err() == nil: // otherwise the reader has disconnected, or the hub stops
		c.Logger.WarnContext(ctx, "counting the commits that the tables lack", "err", err)
	}
	return f
}
