package hub

import (
	"context"

	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/ops"
)

// Source enrols a source of a role (register, telephone, operator) for an office, if it is not enrolled yet, and gives
// its voice.
func (p *Parts) Source(ctx context.Context, office, role string) (*counterlink.Source, error) {
	counter := office + "-" + role
	if _, err := p.EnrolCounter(ctx, office, counter, role, ""); err != nil {
		return nil, err
	}
	seed, err := secretFile(p.path("counters", counter, "counter.nk"), newWriterSeed)
	if err != nil {
		return nil, err
	}
	key, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, err
	}
	return &counterlink.Source{
		Conn: p.conn, Counter: counter, Office: office, Key: key, HubSealKey: p.keys.seal.PublicKey(), Now: p.Clock.Now,
		ClockEvidence: p.clockEvidence(),
	}, nil
}

// clockEvidence says how the hub's own clock stands, as a claim says it.
func (p *Parts) clockEvidence() string {
	if p.Clock.Simulated() {
		return counterlink.ClockSimulated
	}
	if kept, err := ops.Synchronised(); err != nil || !kept {
		return counterlink.ClockUnsynchronised
	}
	return counterlink.ClockSynchronised
}
