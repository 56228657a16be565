package servicetest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"slices"

	"github.com/google/uuid"

	"shomei/events"
)

// Phone is one smartphone of a person, behind the app gateway.
type Phone struct {
	*Desk
	Holder    *Life
	Device    string
	Procedure string
	// CardKey is the number of the key pair (CardKey) that signs the applications: that of the card's signature certificate.
	CardKey int
}

// Phone is a smartphone of the holder of a card, whose applications come through this desk.
func (d *Desk) Phone(holder *Life, device string) *Phone {
	return &Phone{Desk: d, Holder: holder, Device: device, CardKey: 1}
}

// Asks is the claim of an application that the holder signs on the phone with the card; the keys of an issue are key pairs
// of the pool from the given number on, one for each kind.
func (p *Phone) Asks(op events.Operation, first int, kinds ...events.CertificateKind) *events.Claim {
	p.World.T.Helper()
	p.Procedure = uuid.NewString()
	application := &events.PhoneApplication{
		Operation: op, Device: p.Device, Platform: events.PhonePlatform_PHONE_PLATFORM_ANDROID, Procedure: p.Procedure,
		MadeMs: p.World.Clock.Now().UnixMilli(),
	}
	for i, kind := range kinds {
		application.Keys = append(application.Keys, &events.KeyRequest{Kind: kind, Request: Request(p.World, first+i)})
	}
	received, err := events.SignPhone(application, func(digest []byte) ([]byte, error) {
		return rsa.SignPKCS1v15(rand.Reader, CardKey(p.World, p.CardKey), crypto.SHA256, digest)
	})
	Check(p.World.T, err)
	return p.Claim(p.Procedure, p.Holder.Subscriber, func(c *events.Claim) {
		c.Fact = &events.Claim_PhoneApplicationReceived{PhoneApplicationReceived: received}
	}, nil)
}

// Installed is the claim that the phone has what was issued to it.
func (p *Phone) Installed() *events.Claim {
	p.World.T.Helper()
	fact := &events.PhoneInstalled{Device: p.Device}
	for _, held := range p.Holds() {
		if held.CertificateSha256 == nil {
			continue
		}
		sum := sha256.Sum256(p.Holder.Certificate(held.Serial))
		fact.Serials, fact.CertificatesSha256 = append(fact.Serials, held.Serial), append(fact.CertificatesSha256, sum[:])
	}
	return p.Claim(p.Procedure, p.Holder.Subscriber, func(c *events.Claim) {
		c.Fact = &events.Claim_PhoneInstalled{PhoneInstalled: fact}
	}, nil)
}

// Register carries an application through to certificates in force on the phone.
func (p *Phone) Register(first int, kinds ...events.CertificateKind) *Phone {
	p.World.T.Helper()
	p.Decide(p.Asks(events.Operation_OPERATION_PHONE_ISSUE, first, kinds...))
	Check(p.World.T, p.World.Issuer.Settle(p.World.T.Context(), p.Holder.Subscriber))
	p.Decide(p.Installed())
	return p
}

// Status gives what stands on the phone by kind; empty when nothing does.
func (p *Phone) Status() map[events.CertificateKind]events.CertificateStatus {
	p.World.T.Helper()
	found := make(map[events.CertificateKind]events.CertificateStatus)
	for _, held := range p.Holds() {
		found[held.Kind] = held.Status
	}
	return found
}

// Holds are the certificates in force or on their way on the phone.
func (p *Phone) Holds() []*events.Certificate {
	return slices.DeleteFunc(p.World.State(p.Holder.Subscriber).Certificates, func(c *events.Certificate) bool { return c.Carrier.Device() != p.Device })
}
