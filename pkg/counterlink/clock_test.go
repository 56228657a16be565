package counterlink

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"pgregory.net/rapid"

	"shomei/events"
)

// wire is one counter and its hub in true time: claims are made and wait, questions for the head are sent and arrive at
// once, late or never, and their answers arrive or are lost. Claims are sent only after an answer.
type wire struct {
	now    time.Time
	truth  []time.Time // when claim i+1 was made
	stored uint64      // claims in the stream; the sequence of a claim is its number
	line   timeline
	up     bool
	stuck  []uint64 // questions on their way, by the newest claim they mention
}

// For every honest counter the hub knows an interval that contains the truth, however its messages are delayed or lost.
// The seconds in which a question travels are within the tolerance.
func TestContactsNeverContradictTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &wire{now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"time", "time", "claim", "claim", "ask", "lost", "stuck", "late", "cut", "send", "send"}).Draw(t, "what") {
			case "time":
				w.now = w.now.Add(time.Duration(rapid.Int64Range(1, 360_000_000).Draw(t, "ms")) * time.Millisecond)
			case "claim":
				w.truth = append(w.truth, w.now)
			case "ask":
				w.greet(w.made())
				w.up = true
			case "lost": // the answer
				w.up = false
				w.greet(w.made())
			case "stuck": // the question, when the line breaks
				w.up = false
				w.stuck = append(w.stuck, w.made())
			case "late":
				if len(w.stuck) > 0 && !w.up { // once the line is up, an old one has ended
					w.greet(w.stuck[0])
					w.stuck = w.stuck[1:]
				}
			case "cut":
				w.up = false
			case "send":
				w.send(t)
			}
		}
	})
}

func (w *wire) made() uint64 { return uint64(len(w.truth)) }

func (w *wire) greet(last uint64) {
	if last >= w.stored {
		w.line = w.line.met(w.now, last, w.stored)
	}
}

// send brings the next claim to the hub.
func (w *wire) send(t *rapid.T) {
	if !w.up || w.stored == w.made() {
		return
	}
	w.stored++
	made := w.truth[w.stored-1]
	w.line = w.line.proved(w.stored)
	known := w.line.evidence(w.stored, w.now)
	if made.Before(known.After) || made.After(known.Before) {
		t.Fatalf("claim %d was made at %v, known is %v to %v; contacts %+v", w.stored, made, known.After, known.Before, w.line.Contacts)
	}
	w.line = w.line.took(&events.Claim{Number: w.stored, FiledMs: made.UnixMilli()}, known)
	if len(w.line.Contacts) > contactsKept {
		t.Fatalf("%d contacts are kept", len(w.line.Contacts))
	}
}

// What the hub knows is not only true, it is useful.
func TestContactsBoundAClaim(t *testing.T) {
	begin := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
	line := timeline{}.met(at(0), 0, 0).proved(1)
	line = line.took(&events.Claim{Number: 1, FiledMs: at(0).UnixMilli()}, Evidence{Before: at(0)})
	for minute := range 60 { // online, with nothing to say
		line = line.met(at(minute), 1, 1)
	}
	line = line.met(at(500), 3, 1) // two claims were made in between
	if e := line.evidence(2, at(501)); !e.Before.Equal(at(500)) {
		t.Errorf("a claim that was there at the link-up is known to be made by %v", e.Before)
	}
	line = line.proved(2)
	line = line.took(&events.Claim{Number: 2, FiledMs: at(100).UnixMilli()}, line.evidence(2, at(501)))
	line = line.took(&events.Claim{Number: 3, FiledMs: at(110).UnixMilli()}, line.evidence(3, at(501)))
	e := line.evidence(4, at(700))
	if !e.After.Equal(at(500)) || !e.Before.Equal(at(700)) || !e.Clock.Equal(at(110)) {
		t.Errorf("a claim made after the link-up: %+v", e)
	}
	if len(line.Contacts) != 1 {
		t.Errorf("contacts that no claim needs are kept: %+v", line.Contacts)
	}
	if back := line.met(at(-10_000), 3, 3); len(back.Contacts) != 1 || !ofMS(back.Contacts[0].AtMS).Equal(at(-10_000)) {
		t.Errorf("contacts from before the hub's clock was set back: %+v", back.Contacts)
	}
}

// The hub's time in a welcome is signed: on its way nobody can change, remove or insert it.
func TestTheHubsTimeIsSigned(t *testing.T) {
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		told   HubTime
		change func(nats.Header)
		bad    bool
	}{
		"as it was":            {told: HubTime{At: now}},
		"a settable clock":     {told: HubTime{At: now, Simulated: true}},
		"an older hub":         {},
		"another time":         {told: HubTime{At: now}, change: func(h nats.Header) { h.Set(headerTime, "1767225600000") }, bad: true},
		"taken out":            {told: HubTime{At: now}, change: func(h nats.Header) { h.Del(headerTime) }, bad: true},
		"put in":               {change: func(h nats.Header) { h.Set(headerTime, "1767225600000") }, bad: true},
		"made a settable one":  {told: HubTime{At: now}, change: func(h nats.Header) { h.Set(headerTimeKind, ClockSimulated) }, bad: true},
		"made the system's":    {told: HubTime{At: now, Simulated: true}, change: func(h nats.Header) { h.Del(headerTimeKind) }, bad: true},
		"of another link-up":   {told: HubTime{At: now}, change: func(h nats.Header) { h.Set(headerNumber, "7") }, bad: true},
		"an older hub, forged": {change: func(h nats.Header) { h.Set(headerNumber, "7") }, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := welcome{head: Head{Epoch: "E1", Number: 3}, time: row.told}.header(key, "c1", "nonce", nil)
			if err != nil {
				t.Fatal(err)
			}
			if row.change != nil {
				row.change(h)
			}
			got, err := parseWelcome(h, []string{public}, "c1", "nonce")
			if (err != nil) != row.bad {
				t.Fatalf("error %v, want one: %v", err, row.bad)
			}
			if err == nil && (!got.time.At.Equal(row.told.At) || got.time.Simulated != row.told.Simulated) {
				t.Errorf("told %+v, want %+v", got.time, row.told)
			}
		})
	}
}

// A counter whose battery ran down learns the time from the hub; its own time does not keep it out.
func TestASlowClockReachesTheHub(t *testing.T) {
	made := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: made, NotAfter: made.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	b := Bundle{CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
	for name, row := range map[string]struct {
		now time.Time
		bad bool
	}{
		"the right time":          {now: made.AddDate(1, 0, 0)},
		"the clock's first day":   {now: time.Unix(0, 0)},
		"the certificate's end":   {now: made.AddDate(10, 0, 1), bad: true},
		"the moment it was made":  {now: made},
		"a year before it was so": {now: made.AddDate(-1, 0, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := b.trust(func() time.Time { return row.now })
			if err != nil {
				t.Fatal(err)
			}
			client.ServerName = "localhost"
			here, there := net.Pipe()
			defer here.Close()
			go tls.Server(there, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}).Handshake()
			if err := tls.Client(here, client).HandshakeContext(t.Context()); (err != nil) != row.bad {
				t.Errorf("handshake: %v, want an error: %v", err, row.bad)
			}
		})
	}
}
