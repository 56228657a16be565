package hub

import (
	"context"
	"fmt"
	"net/http"

	"shomei/pkg/ops"
)

// farBehind is how many commits the tables may lag before they count as unwell.
const farBehind = 100_000

// Operations serves what operators and their monitors ask: /livez, /readyz, /healthz and /metrics.
func (h *Hub) Operations() http.Handler {
	health := ops.NewHealth(h.Clock.Now)
	for _, check := range []ops.Check{
		{
			Name: "nats", Hint: "look at the disk: a stream freezes on a write error; the server restarts by itself", Vital: true,
			Run: func(context.Context) error { return h.server.Health() },
		},
		{Name: "log", Hint: "commits are lost or changed: stop, keep the folder as it is, restore from a copy", Run: h.Log.Check},
		{Name: "engine", Hint: "the engine restarts by itself; see engine.log in the data folder", Run: h.Warehouse.Ping},
		{Name: "tables", Hint: "shomei rebuild makes the tables anew", Run: h.tablesNear},
		{Name: "issuer", Hint: "put the authority's key file back under keys/ca", Run: h.Issuer.Healthy},
		{Name: "counters", Hint: "look at the counter that is named; shomei counter retire ends what a lost or stolen one does", Run: func(context.Context) error { return h.Links.Check() }},
		{Name: "clock", Hint: "set the clock right and keep it by a time service", Run: func(context.Context) error { return h.trustClock() }},
	} {
		health.Add(check)
	}
	registry := ops.NewRegistry()
	registry.MustRegister(h.Log.Collectors()...)
	registry.MustRegister(h.Links.Collectors()...)
	mux := http.NewServeMux()
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		mux.Handle(path, health.Handler())
	}
	mux.Handle("/metrics", ops.MetricsHandler(registry))
	return mux
}

func (h *Hub) tablesNear(ctx context.Context) error {
	behind, err := h.Projector.Lag(ctx)
	if err == nil && behind > farBehind {
		err = fmt.Errorf("the tables are %d commits behind the log", behind)
	}
	return err
}
