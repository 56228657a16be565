package hub

import (
	"context"

	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/ops"
)

// Source returns a source of a role (register, telephone, operator) for an office, enrolling it if needed.
func (p *Parts) Source(ctx context.Context, office, role string) (*counterlink.Source, error) {
	counter := office + "-" + role
	if _, err := p.EnrolCounter(ctx, office, counter, role, ""); err != nil {
		return nil, err
	}
	seed, err := p.secrets.Make(p.path("counters", counter, "counter.nk"), newWriterSeed)
	if err != nil {
		return nil, err
	}
	key, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, err
	}
	return p.source(counter, office, key), nil
}

func (p *Parts) source(counter, office string, key nkeys.KeyPair) *counterlink.Source {
	return &counterlink.Source{
		Conn: p.conn, Counter: counter, Office: office, Key: key, HubSealKey: p.keys.sealPublic, Now: p.Clock.Now,
		ClockEvidence: p.clockEvidence(),
	}
}

// clockEvidence returns the state of the hub's own clock, as a claim carries it.
func (p *Parts) clockEvidence() string {
	if p.Clock.Simulated() {
		return counterlink.ClockSimulated
	}
	if kept, err := ops.Synchronised(); err != nil || !kept {
		return counterlink.ClockUnsynchronised
	}
	return counterlink.ClockSynchronised
}
