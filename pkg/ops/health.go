package ops

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Check is one question about the health of a process.
type Check struct {
	// Name is short and stable ("jetstream", "engine", "reader").
	Name string
	// Hint tells an operator, in one line, what to do if it fails.
	Hint string
	// Vital marks a check that only a restart cures: it fails /livez too.
	Vital bool
	// Elsewhere marks trouble of another machine that this process merely reports: it fails /healthz but not /readyz,
	// so that one counter can't take a hub out of service.
	Elsewhere bool
	// Run answers within its context, two seconds at most.
	Run func(ctx context.Context) error
}

// Finding is the result of one Check.
type Finding struct {
	Check       Check
	Err         error
	LastSuccess time.Time // zero if it never succeeded
}

// Health holds the checks of a process. Use NewHealth; the zero value is not usable.
type Health struct {
	now     func() time.Time
	mu      sync.Mutex
	checks  []Check
	success map[string]time.Time
}

const checkTimeout = 2 * time.Second

// NewHealth returns a Health without checks; now dates their last success.
func NewHealth(now func() time.Time) *Health {
	return &Health{now: now, success: map[string]time.Time{}}
}

// Add adds a check; checks run concurrently.
func (h *Health) Add(c Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, c)
}

// Findings runs every check and returns the results in the order of Add.
func (h *Health) Findings(ctx context.Context) []Finding {
	h.mu.Lock()
	checks := slices.Clone(h.checks)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	findings := make([]Finding, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() { findings[i] = h.run(ctx, c) })
	}
	all.Wait()
	return findings
}

// run gives up on a check that ignores its context, so one hung part can't hide the others.
func (h *Health) run(ctx context.Context, c Check) Finding {
	answer := make(chan error, 1)
	go func() { answer <- c.Run(ctx) }()
	var err error
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = fmt.Errorf("no answer in %s", checkTimeout)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.success[c.Name] = h.now()
	}
	return Finding{Check: c, Err: err, LastSuccess: h.success[c.Name]}
}

// Handler serves /livez (200 unless a vital check fails: restart me), /readyz (200 if every check of this process
// itself passes: send me work) and /healthz (200 if every check passes). With ?verbose each check has its line: name,
// outcome, last success and what to do. Failures give 503.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, func(c Check) bool { return c.Vital }) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		h.serve(w, r, func(c Check) bool { return !c.Elsewhere })
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, func(Check) bool { return true }) })
	return mux
}

// serve responds with failure if a check fails for which counts returns true.
func (h *Health) serve(w http.ResponseWriter, r *http.Request, counts func(Check) bool) {
	var lines strings.Builder
	verdict, status := "ok", http.StatusOK
	for _, f := range h.Findings(r.Context()) {
		if f.Err != nil && counts(f.Check) {
			verdict, status = "failing", http.StatusServiceUnavailable
		}
		lines.WriteString(f.line())
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.URL.Query().Has("verbose") {
		fmt.Fprint(w, lines.String())
	}
	fmt.Fprintln(w, verdict)
}

func (f Finding) line() string {
	last := "never"
	if !f.LastSuccess.IsZero() {
		last = f.LastSuccess.Format(time.RFC3339)
	}
	if f.Err == nil {
		return fmt.Sprintf("[+] %s ok, last success %s\n", f.Check.Name, last)
	}
	return fmt.Sprintf("[-] %s: %s, last success %s; %s\n", f.Check.Name, MaskAddresses(f.Err.Error()), last, f.Check.Hint)
}
