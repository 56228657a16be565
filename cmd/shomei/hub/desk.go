package hub

import (
	"context"
	"crypto/hpke"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// Desk is a counter in this process, on the real wire but without a store of its own: what it forgets is gone. It is how
// the hub's work is measured.
type Desk struct {
	// Down are the commands and answers to this counter as they are published.
	Down   chan *events.Downlink
	id     string
	office string
	voice  Voice
	js     jetstream.JetStream
	head   counterlink.Head
}

// Desk enrols a counter and opens its voice and ear.
func (h *Hub) Desk(ctx context.Context, office, counter, code string) (*Desk, error) {
	voice, err := h.Voice(ctx, office, counter, "counter", code)
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(filepath.Join(h.path("counters", counter), "seal.key"))
	if err != nil {
		return nil, err
	}
	key, err := counterlink.ParseSealKey(secret)
	if err != nil {
		return nil, err
	}
	d := &Desk{Down: make(chan *events.Downlink, 64), id: counter, office: office, voice: voice}
	d.head.Epoch = uuid.NewString()
	if d.js, err = jetstream.New(h.conn); err != nil {
		return nil, err
	}
	_, err = h.conn.Subscribe(counterlink.CommandSubject(counter), func(m *nats.Msg) { d.hear(key, h.keys.public, m) })
	return d, err
}

func (d *Desk) hear(key hpke.PrivateKey, writer string, m *nats.Msg) {
	down, err := counterlink.VerifyDownlink([]string{writer}, key, d.id, m.Data)
	if err == nil {
		d.Down <- down
	}
}

// Report signs a claim in the counter's chain and returns when the stream of claims holds it.
func (d *Desk) Report(ctx context.Context, claim *events.Claim, personal *events.Personal) error {
	claim.Id, claim.Counter, claim.Office = uuid.NewString(), d.id, d.office
	claim.StoreEpoch, claim.Number, claim.PreviousHash = d.head.Epoch, d.head.Number+1, d.head.Hash
	if personal != nil {
		sealed, err := counterlink.SealPersonal(d.voice.Hub, claim.Id, personal)
		if err != nil {
			return err
		}
		claim.Sealed = sealed
	}
	signed, hash, err := counterlink.SignClaim(d.voice.Key, claim)
	if err != nil {
		return err
	}
	if _, err := d.js.Publish(ctx, counterlink.ClaimSubject(d.id), signed); err != nil {
		return fmt.Errorf("reporting from %s: %w", d.id, err)
	}
	d.head = d.head.Advance(claim, hash)
	return nil
}

// Conn is the hub's own connection, for measuring what the server does without us.
func (h *Hub) Conn() *nats.Conn { return h.conn }
