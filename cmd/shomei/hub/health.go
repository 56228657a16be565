package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/ops"
)

// farBehind is how many commits the tables may lag before they count as unhealthy.
const farBehind = 100_000

// Operations serves /livez, /readyz, /healthz and /metrics to operators and their monitors.
func (p *Parts) Operations() http.Handler {
	health := ops.NewHealth(p.Clock.Now)
	for _, check := range p.checks() {
		health.Add(check)
	}
	registry := ops.NewRegistry()
	registry.MustRegister(p.Log.Collectors()...)
	if p.Links != nil {
		registry.MustRegister(p.clockCollectors()...)
		registry.MustRegister(p.Links.Collectors()...)
	}
	if p.runsTables() {
		registry.MustRegister(p.Projector.Collectors()...)
	}
	if p.Validation != nil {
		registry.MustRegister(p.Validation.Collectors()...)
	}
	if p.Register != nil {
		registry.MustRegister(p.Register.Collectors()...)
	}
	if p.vaultService != nil {
		registry.MustRegister(p.vaultService.Collectors()...)
	}
	mux := http.NewServeMux()
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		mux.Handle(path, health.Handler())
	}
	mux.Handle("/metrics", ops.MetricsHandler(registry))
	return mux
}

// runsTables reports whether this process keeps the tables up to date.
func (p *Parts) runsTables() bool { return p.program == nil || p.program.runs("projector") }

// checks returns the checks of what this process has.
func (p *Parts) checks() (all []ops.Check) {
	for _, c := range []struct {
		here bool
		ops.Check
	}{
		{true, ops.Check{
			Name: "nats", Hint: "look at the disk: a stream freezes on a write error; the server restarts by itself", Vital: p.server != nil,
			Run: func(context.Context) error { return p.natsServes() },
		}},
		{true, ops.Check{Name: "log", Hint: "commits are lost or changed: stop, keep the folder as it is, see shomei log repair STREAM", Run: p.Log.Check}},
		{p.Directory != nil, ops.Check{Name: "damage", Hint: "put back what is lost from a copy: stop, then shomei log repair KIND/ID or STREAM", Run: p.unharmed}},
		{p.Warehouse != nil, ops.Check{Name: "engine", Hint: "the engine restarts by itself; see engine.log in the data folder", Run: func(ctx context.Context) error { return p.Warehouse.Ping(ctx) }}},
		{p.runsTables(), ops.Check{Name: "tables", Hint: "while they are rebuilt, or catch up after a stop, wait; otherwise see engine.log and the load; shomei rebuild makes them anew", Run: p.tablesNear}},
		{p.Vault != nil, ops.Check{Name: "vault", Hint: "put the newest copy of the vault back (runbook, Restore)", Run: p.keysThere}},
		{p.Issuer != nil, ops.Check{Name: "outside", Hint: "shomei authority found lists them, shomei authority revoke ends them (runbook, Restore)", Run: p.foundSettled}},
		{p.Issuer != nil, ops.Check{Name: "issuer", Hint: "put the authority's key file back under keys/ca", Run: func(ctx context.Context) error { return p.Issuer.Healthy(ctx) }}},
		{p.Issuer != nil, ops.Check{
			Name: "publication", Hint: "the lists are made and filed, and tried again within a minute; look at NATS and at the disk's room",
			Run: func(context.Context) error { return p.Issuer.HandedOn() },
		}},
		{p.Validation != nil, ops.Check{
			Name: "lists", Hint: "look at issuer, publication and clock; until it is well, certificates can't be verified (runbook, Revocation lists)", Elsewhere: true,
			Run: func(context.Context) error { return p.Validation.Check() },
		}},
		{p.Links != nil, ops.Check{
			Name: "counters", Hint: "look at the counter that is named; shomei counter retire ends what a lost or stolen one does",
			Run: func(context.Context) error { return p.Links.Check() },
		}},
		{p.notifier != nil, ops.Check{
			Name: "mail", Hint: "look at [smtp] and at the mail server; what waits is sent when it accepts mails again", Elsewhere: true,
			Run: func(context.Context) error { return p.notifier.Check() },
		}},
		{true, ops.Check{Name: "parked", Hint: "look at each with shomei log KIND/ID; a start tries them again", Run: p.nothingParked}},
		{true, ops.Check{Name: "clock", Hint: "set the clock right and keep it by a time service", Run: func(context.Context) error { return p.trust.Check() }}},
		{p.Links != nil, ops.Check{
			Name: "counter-clocks", Hint: "set the clock of that counter right and keep it by a time service", Elsewhere: true,
			Run: func(context.Context) error { return p.counterClocks() },
		}},
		{p.Links != nil, ops.Check{
			Name: "held-claims", Hint: "look at each with shomei log quarantine/ID; the clerk takes the application again, then shomei quarantine resolve; shomei quarantine release where the clock was right", Elsewhere: true,
			Run: func(context.Context) error { return p.heldClaims() },
		}},
		{p.Links != nil, ops.Check{
			Name: "quarantine", Hint: "look at each with shomei log quarantine/ID, find out what the counter did, then shomei quarantine resolve", Elsewhere: true,
			Run: func(context.Context) error { return p.quarantined() },
		}},
	} {
		if c.here {
			all = append(all, c.Check)
		}
	}
	return all
}

// natsServes returns an error unless the server of this process serves all streams, or another one answers.
func (p *Parts) natsServes() error {
	if p.server != nil {
		return p.server.Health()
	}
	if !p.conn.IsConnected() {
		return fmt.Errorf("no connection to %s: %w", strings.Join(p.Servers, ", "), p.conn.LastError())
	}
	return nil
}

// unharmed lists what damage took: parked aggregates, and lost messages of the other streams.
func (p *Parts) unharmed(context.Context) error {
	var errs []error
	closed := p.Directory.Closed()
	for _, p := range p.Log.Parked() {
		if !closed[p.Kind+"/"+p.ID].Names(p.Stream, p.Sequence) {
			errs = append(errs, p.Err())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.Directory.Unreadable())) {
		if err := p.Directory.Unreadable()[key]; !errors.Is(err, eventlog.ErrParked) {
			errs = append(errs, err)
		}
	}
	all, err := blocks.ReadAllGaps(p.path("marks"))
	errs = append(errs, err)
	for _, gaps := range all {
		if strings.HasPrefix(gaps.Stream, events.StreamPrefix) {
			continue
		}
		for _, g := range gaps.Gaps {
			errs = append(errs,
				fmt.Errorf("%s sequence %d is lost (%s), evidence %s", gaps.Stream, g.Sequence, strings.Join(g.Owners, " "), g.Evidence))
		}
	}
	return errors.Join(errs...)
}

// nothingParked lists what followers skip because they can't handle it.
func (p *Parts) nothingParked(context.Context) error {
	var list []string
	skipped, closed := p.Log.Skipped(), p.Directory.Closed()
	for _, follower := range slices.Sorted(maps.Keys(skipped)) {
		for _, what := range skipped[follower] {
			key, _, _ := strings.Cut(what, " ")
			if _, done := closed[key]; done {
				continue
			}
			list = append(list, follower+" skips "+what)
		}
	}
	return nameSome(list, "aggregates are parked")
}

func (p *Parts) tablesNear(ctx context.Context) error {
	if err := p.tables.state(); err != nil {
		return err
	}
	behind, err := p.Projector.Lag(ctx)
	if err == nil && behind > farBehind {
		err = fmt.Errorf("the tables are %d commits behind the log", behind)
	}
	if err == nil {
		err = p.Projector.Timely(ctx)
	}
	return err
}
