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
		{Name: "tables", Hint: "while they are rebuilt, wait; otherwise shomei rebuild makes them anew", Run: h.tablesNear},
		{Name: "vault", Hint: "put the newest copy of the vault back (runbook, Restore)", Run: h.keysThere},
		{Name: "outside", Hint: "shomei authority found lists them, shomei authority revoke ends them (runbook, Restore)", Run: h.foundSettled},
		{Name: "issuer", Hint: "put the authority's key file back under keys/ca", Run: h.Issuer.Healthy},
		{Name: "clock", Hint: "set the clock right and keep it by a time service", Run: func(context.Context) error { return h.trustClock() }},
		{
			Name: "counter-clocks", Hint: "set the clock of that counter right and keep it by a time service", Elsewhere: true,
			Run: func(context.Context) error { return h.counterClocks() },
		},
		{
			Name: "held-claims", Hint: "look at each with shomei log quarantine/ID; the clerk takes the application again", Elsewhere: true,
			Run: func(context.Context) error { return h.heldClaims() },
		},
	} {
		health.Add(check)
	}
	registry := ops.NewRegistry()
	registry.MustRegister(h.Log.Collectors()...)
	registry.MustRegister(h.clockCollectors()...)
	mux := http.NewServeMux()
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		mux.Handle(path, health.Handler())
	}
	mux.Handle("/metrics", ops.MetricsHandler(registry))
	return mux
}

func (h *Hub) tablesNear(ctx context.Context) error {
	if err := h.tables.state(); err != nil {
		return err
	}
	behind, err := h.Projector.Lag(ctx)
	if err == nil && behind > farBehind {
		err = fmt.Errorf("the tables are %d commits behind the log", behind)
	}
	return err
}
