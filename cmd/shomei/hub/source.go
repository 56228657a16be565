package hub

import (
	"context"

	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/ops"
)

// Source enrols a source of a role (register, telephone, operator) for an office, if it is not enrolled yet, and gives
// its voice.
func (h *Hub) Source(ctx context.Context, office, role string) (*counterlink.Source, error) {
	counter := office + "-" + role
	if _, err := h.EnrolCounter(ctx, office, counter, role, ""); err != nil {
		return nil, err
	}
	seed, err := secretFile(h.path("counters", counter, "counter.nk"), newWriterSeed)
	if err != nil {
		return nil, err
	}
	key, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, err
	}
	return &counterlink.Source{
		Conn: h.conn, Counter: counter, Office: office, Key: key, HubSealKey: h.keys.seal.PublicKey(), Now: h.Clock.Now,
		ClockEvidence: h.clockEvidence(),
	}, nil
}

// clockEvidence says how the hub's own clock stands, as a claim says it.
func (h *Hub) clockEvidence() string {
	if h.Clock.Simulated() {
		return counterlink.ClockSimulated
	}
	if kept, err := ops.Synchronised(); err != nil || !kept {
		return counterlink.ClockUnsynchronised
	}
	return counterlink.ClockSynchronised
}
