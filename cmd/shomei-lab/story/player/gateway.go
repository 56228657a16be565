package player

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// gateway is the app gateway with its smartphones. To the hub it is a counter of role phone. Its claims and the phones' keys
// exist as long as the story.
type gateway struct {
	bundle  counterlink.Bundle
	secrets counterlink.Secrets
	conn    *nats.Conn
	link    *counterlink.Link
	now     func() int64
	stop    context.CancelFunc
	stopped chan struct{}

	mu        sync.Mutex
	epoch     string
	claims    []signedClaim
	delivered uint64
	made      int64                          // MadeMs of the last application; each must be later than the one before
	answers   map[string]chan *events.Answer // by claim
	installed map[string]chan struct{}       // by procedure until the certificates come, then by the claim about them
	keys      map[[32]byte]string            // SHA-256 of a key's SubjectPublicKeyInfo → the smartphone that made it
}

type signedClaim struct{ signed, hash []byte }

// openGateway opens the gateway of a bundle and links it to the hub.
func openGateway(folder string, now func() int64, logger *slog.Logger) (*gateway, error) {
	bundle, err := counterlink.ReadBundle(folder)
	if err != nil {
		return nil, err
	}
	g := &gateway{
		bundle: bundle, now: now, epoch: uuid.NewString(), stopped: make(chan struct{}), answers: make(map[string]chan *events.Answer),
		installed: make(map[string]chan struct{}), keys: make(map[[32]byte]string),
	}
	if g.secrets, err = bundle.Secrets(); err != nil {
		return nil, err
	}
	if g.conn, err = bundle.Dial(g.secrets.Key); err != nil {
		return nil, err
	}
	g.link, err = counterlink.NewLink(counterlink.LinkConfig{
		Conn: g.conn, Counter: bundle.Counter, Outbox: g, SealKey: g.secrets.SealKey, Writers: bundle.HubWriters,
		Received: g.received, Logger: logger,
	})
	if err != nil {
		g.conn.Close()
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	go func() {
		defer close(g.stopped)
		_ = g.link.Run(ctx) // ends only with ctx
	}()
	return g, nil
}

func (g *gateway) close() {
	g.stop()
	<-g.stopped
	g.conn.Close()
}

// Last returns the newest claim (counterlink.Outbox).
func (g *gateway) Last() counterlink.Head {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.head(uint64(len(g.claims)))
}

// Delivered returns the newest claim known to be at the hub.
func (g *gateway) Delivered() counterlink.Head {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.head(g.delivered)
}

func (g *gateway) head(number uint64) counterlink.Head {
	h := counterlink.Head{Epoch: g.epoch, Number: number}
	if number > 0 {
		h.Hash = g.claims[number-1].hash
	}
	return h
}

// Claim returns a signed claim and its hash.
func (g *gateway) Claim(number uint64) (signed, hash []byte, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if number == 0 || number > uint64(len(g.claims)) {
		return nil, nil, fmt.Errorf("claim %d of %d", number, len(g.claims))
	}
	c := g.claims[number-1]
	return c.signed, c.hash, nil
}

// MarkDelivered records that the hub has every claim up to a number.
func (g *gateway) MarkDelivered(number uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delivered = number
	return nil
}

// file appends a claim to the chain and sends it.
func (g *gateway) file(claim *events.Claim) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	claim.Counter, claim.Office, claim.ClockEvidence = g.bundle.Counter, g.bundle.Office, "simulated"
	claim.FiledMs = g.now()
	claim.CausedMs = claim.FiledMs
	before := g.head(uint64(len(g.claims)))
	claim.StoreEpoch, claim.Number, claim.PreviousHash = g.epoch, before.Number+1, before.Hash
	signed, hash, err := counterlink.SignClaim(g.secrets.Key, claim)
	if err != nil {
		return err
	}
	g.claims = append(g.claims, signedClaim{signed, hash})
	g.link.Kick()
	return nil
}

// received passes an answer to the app, or certificates to the smartphone that made their keys.
func (g *gateway) received(_ context.Context, d *events.Downlink, _ []byte) error {
	switch body := d.GetBody().(type) {
	case *events.Downlink_Answer:
		g.mu.Lock()
		defer g.mu.Unlock()
		if waits := g.answers[body.Answer.GetClaim()]; waits != nil {
			delete(g.answers, body.Answer.GetClaim())
			waits <- body.Answer
		}
		if done := g.installed[body.Answer.GetClaim()]; done != nil {
			delete(g.installed, body.Answer.GetClaim())
			close(done)
		}
	case *events.Downlink_InstallCertificates:
		return g.install(d, body.InstallCertificates)
	}
	return nil
}

func (g *gateway) install(d *events.Downlink, command *events.InstallCertificates) error {
	g.mu.Lock()
	done := g.installed[d.Procedure]
	delete(g.installed, d.Procedure)
	g.mu.Unlock()
	if done == nil {
		return nil // a redelivery, or nobody waits any more
	}
	fact := &events.PhoneInstalled{Obligation: d.Id, Device: command.Device}
	for _, c := range command.Certificates {
		certificate, err := x509.ParseCertificate(c.Certificate)
		if err != nil {
			return err
		}
		if g.madeBy(certificate) != command.Device {
			return fmt.Errorf("certificate %d is for a key that smartphone %s did not make", c.Serial, command.Device)
		}
		sum := sha256.Sum256(c.Certificate)
		fact.Serials, fact.CertificatesSha256 = append(fact.Serials, c.Serial), append(fact.CertificatesSha256, sum[:])
	}
	claim := &events.Claim{
		Id: uuid.NewString(), Subscriber: d.Subscriber, Procedure: d.Procedure,
		Fact: &events.Claim_PhoneInstalled{PhoneInstalled: fact},
	}
	g.mu.Lock()
	g.installed[claim.Id] = done
	g.mu.Unlock()
	return g.file(claim)
}

// madeBy returns the smartphone that made a certificate's key, or "".
func (g *gateway) madeBy(certificate *x509.Certificate) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.keys[sha256.Sum256(certificate.RawSubjectPublicKeyInfo)]
}

// request makes a key pair on the smartphone and returns a certificate request signed with it.
func (g *gateway) request(device string) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	g.keys[sha256.Sum256(spki)] = device
	g.mu.Unlock()
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

// apply sends an application, signed by sign, and returns the answer. If it is accepted and has keys, apply waits until their
// certificates are installed.
func (g *gateway) apply(ctx context.Context, subscriber string, a *events.PhoneApplication, sign func([]byte) ([]byte, error)) (*events.Answer, error) {
	g.mu.Lock()
	g.made = max(g.now(), g.made+1)
	a.Procedure, a.MadeMs = uuid.NewString(), g.made
	g.mu.Unlock()
	received, err := events.SignPhone(a, sign)
	if err != nil {
		return nil, err
	}
	claim := &events.Claim{
		Id: uuid.NewString(), Subscriber: subscriber, Procedure: a.Procedure,
		Fact: &events.Claim_PhoneApplicationReceived{PhoneApplicationReceived: received},
	}
	answered, done := make(chan *events.Answer, 1), make(chan struct{})
	g.mu.Lock()
	g.answers[claim.Id], g.installed[a.Procedure] = answered, done
	g.mu.Unlock()
	if err := g.file(claim); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case answer := <-answered:
		if !answer.Accepted || len(a.Keys) == 0 {
			return answer, nil
		}
		select {
		case <-done:
			return answer, nil
		case <-ctx.Done():
			return answer, fmt.Errorf("waiting for the certificates of smartphone %s: %w", a.Device, ctx.Err())
		}
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("waiting for the answer about smartphone %s", a.Device), ctx.Err())
	}
}
