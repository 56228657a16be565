package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/counterlink"
)

// counter is a counter in this process, on the real wire but without a durable store.
type counter struct {
	// down receives the commands and answers to this counter.
	down   chan *events.Downlink
	id     string
	office string
	voice  hub.Voice
	conn   *nats.Conn
	link   *counterlink.Link
	stop   context.CancelFunc
	ended  chan error

	mu        sync.Mutex
	head      counterlink.Head
	signed    []byte // the last claim
	delivered counterlink.Head
	changed   chan struct{}
}

// enrolment is a counter that is enrolled, with its bundle in a folder.
type enrolment struct {
	office, id, folder string
	voice              hub.Voice
}

// enrol enrols a counter.
func enrol(ctx context.Context, h *hub.Hub, office, id, code string) (enrolment, error) {
	voice, err := h.Voice(ctx, office, id, "counter", code)
	return enrolment{office, id, filepath.Join(h.Data, "counters", id), voice}, err
}

// link opens a counter's link.
func (e enrolment) link() (*counter, error) {
	secret, err := os.ReadFile(filepath.Join(e.folder, "seal.key"))
	if err != nil {
		return nil, err
	}
	key, err := counterlink.ParseSealKey(secret)
	if err != nil {
		return nil, err
	}
	bundle, err := counterlink.ReadBundle(e.folder)
	if err != nil {
		return nil, err
	}
	d := &counter{
		down: make(chan *events.Downlink, 64), id: e.id, office: e.office, voice: e.voice, changed: make(chan struct{}),
		ended: make(chan error, 1),
	}
	d.head.Epoch = uuid.NewString()
	if d.conn, err = bundle.Dial(e.voice.Key); err != nil {
		return nil, err
	}
	d.link, err = counterlink.NewLink(counterlink.LinkConfig{
		Conn: d.conn, Counter: e.id, Outbox: d, SealKey: key, Writers: bundle.HubWriters, Received: d.received, Logger: silent,
	})
	if err != nil {
		d.conn.Close()
		return nil, err
	}
	run, stop := context.WithCancel(context.Background())
	d.stop = stop
	go func() { d.ended <- d.link.Run(run) }()
	return d, nil
}

// close ends the link.
func (d *counter) close() error {
	d.stop()
	err := <-d.ended
	d.conn.Close()
	return err
}

func (d *counter) received(ctx context.Context, down *events.Downlink, _ []byte) error {
	select {
	case d.down <- down:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Last, Delivered, Claim and MarkDelivered implement counterlink.Outbox.
func (d *counter) Last() counterlink.Head {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.head
}

// Delivered returns the newest claim known to be at the hub.
func (d *counter) Delivered() counterlink.Head {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.delivered
}

// Claim returns the last claim, the only one kept.
func (d *counter) Claim(number uint64) (signed, hash []byte, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number != d.head.Number {
		return nil, nil, fmt.Errorf("claim %d of a counter that keeps only the last one, %d", number, d.head.Number)
	}
	return d.signed, d.head.Hash, nil
}

// MarkDelivered records that the hub has every claim up to a number.
func (d *counter) MarkDelivered(number uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number == d.head.Number {
		d.delivered = d.head
	}
	close(d.changed)
	d.changed = make(chan struct{})
	return nil
}

// report signs a claim in the counter's chain and waits until the hub has it.
func (d *counter) report(ctx context.Context, claim *events.Claim, personal *events.Personal) error {
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
