package hub

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// Desk is a counter in this process, on the real wire but without a store of its own: what it forgets is gone. It is how
// the hub's work is measured.
type Desk struct {
	// Down are the commands and answers to this counter as it takes them.
	Down   chan *events.Downlink
	id     string
	office string
	voice  Voice
	link   *counterlink.Link

	mu        sync.Mutex
	head      counterlink.Head
	signed    []byte // the last claim
	delivered counterlink.Head
	changed   chan struct{}
}

// Desk enrols a counter and links it up until Close.
func (p *Parts) Desk(ctx context.Context, office, counter, code string) (*Desk, error) {
	voice, err := p.Voice(ctx, office, counter, "counter", code)
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(filepath.Join(p.path("counters", counter), "seal.key"))
	if err != nil {
		return nil, err
	}
	key, err := counterlink.ParseSealKey(secret)
	if err != nil {
		return nil, err
	}
	bundle, err := counterlink.ReadBundle(p.path("counters", counter))
	if err != nil {
		return nil, err
	}
	conn, err := bundle.Dial(voice.Key)
	if err != nil {
		return nil, err
	}
	p.atEnd(func() error { conn.Close(); return nil })
	d := &Desk{Down: make(chan *events.Downlink, 64), id: counter, office: office, voice: voice, changed: make(chan struct{})}
	d.head.Epoch = uuid.NewString()
	d.link, err = counterlink.NewLink(counterlink.LinkConfig{
		Conn: conn, Counter: counter, Outbox: d, SealKey: key, Writers: bundle.HubWriters, Received: d.received, Logger: p.Logger,
	})
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.link.Run(run) }()
	p.atEnd(func() error { cancel(); return <-ended })
	return d, nil
}

func (d *Desk) received(ctx context.Context, down *events.Downlink, _ []byte) error {
	select {
	case d.Down <- down:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Last, Delivered, Claim and MarkDelivered are the chain of claims that the link sends (counterlink.Outbox).
func (d *Desk) Last() counterlink.Head {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.head
}

// Delivered is the newest claim known to be at the hub.
func (d *Desk) Delivered() counterlink.Head {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.delivered
}

// Claim gives the last claim, which alone is kept.
func (d *Desk) Claim(number uint64) (signed, hash []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number != d.head.Number {
		return nil, nil, fmt.Errorf("claim %d of a desk that keeps the last one, %d", number, d.head.Number)
	}
	return d.signed, d.head.Hash, nil
}

// MarkDelivered notes that the hub has every claim up to a number.
func (d *Desk) MarkDelivered(number uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number == d.head.Number {
		d.delivered = d.head
	}
	close(d.changed)
	d.changed = make(chan struct{})
	return nil
}

// Report signs a claim in the counter's chain and returns when the hub has it.
func (d *Desk) Report(ctx context.Context, claim *events.Claim, personal *events.Personal) error {
	claim.Id, claim.Counter, claim.Office = uuid.NewString(), d.id, d.office
	head := d.Last()
	claim.StoreEpoch, claim.Number, claim.PreviousHash = head.Epoch, head.Number+1, head.Hash
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
	d.mu.Lock()
	d.head, d.signed = head.Advance(claim, hash), signed
	changed := d.changed
	d.mu.Unlock()
	d.link.Kick()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reporting from %s: %w", d.id, ctx.Err())
	}
}
