package hub

import (
	"context"

	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
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
	evidence := "synchronised"
	if h.Clock.Simulated() {
		evidence = "simulated"
	}
	return &counterlink.Source{
		Conn: h.conn, Counter: counter, Office: office, Key: key, HubSealKey: h.keys.seal.PublicKey(), Now: h.Clock.Now,
		ClockEvidence: evidence,
	}, nil
}
