package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/warehouse"
)

// badClaims speaks as a second counter that is broken or in bad hands.
func (l *lives) badClaims(p person, card string) {
	var bundle string
	l.c.order("POST", "/second-counter", &bundle)
	mouth := newMouth(l.t, bundle)
	subscriber := l.c.subscriber(p.code)
	first := mouth.claim(subscriber, card)
	second := mouth.claim(subscriber, card)
	third := mouth.claim(subscriber, card)
	stranger, err := nkeys.CreateUser()
	if err != nil {
		l.t.Fatal(err)
	}
	forged, _, err := counterlink.SignClaim(stranger, &events.Claim{Id: uuid.NewString(), Counter: mouth.bundle.Counter, Office: office, Subscriber: subscriber})
	if err != nil {
		l.t.Fatal(err)
	}
	told := l.blocked(subscriber)
	var before, after int
	l.c.order("GET", "/quarantined", &before)
	for _, message := range [][]byte{first, first, third, second, first[:40], forged, first, mouth.lie(subscriber, card)} {
		mouth.say(message)
	}
	poll(l.t, "the bad claims to be set aside", func() bool {
		l.c.order("POST", "/settle", nil)
		l.c.order("GET", "/quarantined", &after)
		return after >= before+4
	}, func() string { return fmt.Sprintf("%d before, %d after", before, after) })
	blocked := l.blocked(subscriber) - told
	if blocked != 2 || after != before+4 {
		l.t.Errorf("%d facts in the history, want the first and the second, once; %d set aside, want the third, which came too early, the torn, the forged and the lie", blocked, after-before)
	}
	expect(l.t, l.c, p, "auth valid", "sign valid")
}

// blocked counts how often the history says that PINs are blocked.
func (l *lives) blocked(subscriber string) (times int) {
	l.t.Helper()
	var history []warehouse.Entry
	l.c.order("GET", "/history?subscriber="+subscriber, &history)
	for _, entry := range history {
		if entry.Event == "PinBlocked" {
			times++
		}
	}
	return times
}

// mouth is a counter without an agent.
type mouth struct {
	t      *testing.T
	bundle counterlink.Bundle
	seal   counterlink.Secrets
	number uint64
	hash   []byte
	send   func(subject string, data []byte) error
}

func newMouth(t *testing.T, folder string) *mouth {
	t.Helper()
	m := &mouth{t: t}
	var err error
	if m.bundle, err = counterlink.ReadBundle(folder); err != nil {
		t.Fatal(err)
	}
	if m.seal, err = m.bundle.Secrets(); err != nil {
		t.Fatal(err)
	}
	conn, err := m.bundle.Dial(m.seal.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	m.send = func(subject string, data []byte) error {
		_, err := conn.Request(subject, data, 10*time.Second)
		return err
	}
	return m
}

// claim is the next of this counter's chain: a fact that changes no certificate.
func (m *mouth) claim(subscriber, card string) []byte {
	m.t.Helper()
	return m.sign(&events.Claim{Subscriber: subscriber, Fact: &events.Claim_PinsBlocked{PinsBlocked: &events.PinsBlocked{
		Card: card, Pins: []events.PinKind{events.PinKind_PIN_KIND_SIGN},
	}}})
}

// lie is a well-signed claim of keys whose request is signed by another key than the one it is for.
func (m *mouth) lie(subscriber, card string) []byte {
	m.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		m.t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		m.t.Fatal(err)
	}
	request[len(request)-1] ^= 1
	return m.sign(&events.Claim{Subscriber: subscriber, Procedure: "lie", Fact: &events.Claim_KeysGenerated{KeysGenerated: &events.KeysGenerated{
		Obligation: subscriber + "/1.0", Card: card, Keys: []*events.KeyRequest{{Kind: events.CertificateKind_CERTIFICATE_KIND_SIGN, Request: request}},
	}}})
}

func (m *mouth) sign(claim *events.Claim) []byte {
	m.t.Helper()
	m.number++
	claim.Id, claim.Counter, claim.Office, claim.StoreEpoch = uuid.Must(uuid.NewV7()).String(), m.bundle.Counter, office, "e2e"
	claim.Number, claim.PreviousHash, claim.FiledMs, claim.CausedMs = m.number, m.hash, opening.UnixMilli(), opening.UnixMilli()
	claim.ClockEvidence, claim.Officer = "simulated", "017"
	signed, hash, err := counterlink.SignClaim(m.seal.Key, claim)
	if err != nil {
		m.t.Fatal(err)
	}
	m.hash = hash
	return signed
}

func (m *mouth) say(message []byte) {
	m.t.Helper()
	if err := m.send(counterlink.ClaimSubject(m.bundle.Counter), message); err != nil {
		m.t.Fatal(err)
	}
}
