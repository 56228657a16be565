package servicetest

import (
	"context"
	"crypto/hpke"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/lifecycle"
	"shomei/services/ra"
)

// Desk is a source of claims: a counter, or a register, a telephone desk, a factory, an operator.
type Desk struct {
	World            *World
	ID, Office, Role string
	HostName         string
	Key              nkeys.KeyPair
	Seal             hpke.PrivateKey

	sub *nats.Subscription
}

// Enrol enrols a source of claims with an office.
func (w *World) Enrol(office, id, role string) *Desk {
	w.T.Helper()
	return w.EnrolUnder("", office, id, role)
}

// EnrolUnder is Enrol for a counter that other machines of its office reach under a host name.
func (w *World) EnrolUnder(host, office, id, role string) *Desk {
	w.T.Helper()
	d := &Desk{World: w, ID: id, Office: office, Role: role, HostName: host, Key: NewKey(w.T), Seal: must(counterlink.NewSealKey())(w.T)}
	// It listens before it is known: a dispatcher that runs tells it where it stands at once.
	d.sub = must(w.Conn.SubscribeSync(counterlink.CommandSubject(id)))(w.T)
	Check(w.T, w.Conn.Flush())
	w.Record(events.KindOffice, office, &events.CounterEnrolled{
		Counter: id, PublicKey: Public(w.T, d.Key), SealKey: d.Seal.PublicKey().Bytes(), Role: role, CounterCode: office[:5] + "A001",
		HostName: host,
	})
	return d
}

// Enrolled looks a counter up, as the hub does.
func (w *World) Enrolled(_ context.Context, counter string) (counterlink.Enrolment, error) {
	c, ok := w.Directory.Counter(counter)
	if !ok {
		return counterlink.Enrolment{}, fmt.Errorf("counter %s: %w", counter, counterlink.ErrNotEnrolled)
	}
	return counterlink.Enrolment{Office: c.Office, PublicKey: c.PublicKey, SealKey: c.SealKey, Role: c.Role, HostName: c.HostName, Since: c.Since}, nil
}

func (w *World) quarantine(ctx context.Context, q counterlink.Quarantined) error {
	return ra.Quarantine(ctx, w.Log, w.Vault, q)
}

// Source is the desk's voice over the wire.
func (d *Desk) Source() *counterlink.Source {
	return &counterlink.Source{
		Conn: d.World.Conn, Counter: d.ID, Office: d.Office, Key: d.Key, HubSealKey: d.World.seal.PublicKey(),
		Now: d.World.Clock.Now, ClockEvidence: "simulated",
	}
}

// Told gives everything that was sent to the desk by now and not read yet, in order.
func (d *Desk) Told() []*events.Downlink {
	d.World.T.Helper()
	var told []*events.Downlink
	Check(d.World.T, d.World.Conn.Flush())
	for n, _, _ := d.sub.Pending(); n > 0; n-- {
		msg := must(d.sub.NextMsg(1e9))(d.World.T)
		told = append(told, must(counterlink.VerifyDownlink([]string{Public(d.World.T, d.World.Writer)}, d.Seal, d.ID, msg.Data))(d.World.T))
	}
	return told
}

// Claim makes a claim of a fact, filed now. The fact is one of the messages of events.Claim's oneof, wrapped.
func (d *Desk) Claim(procedure, subscriber string, fact func(*events.Claim), personal *events.Personal) *events.Claim {
	d.World.T.Helper()
	now := d.World.Clock.Now().UnixMilli()
	c := &events.Claim{
		Id: uuid.NewString(), Counter: d.ID, Office: d.Office, Officer: "clerk-1", StoreEpoch: "epoch", Number: 1,
		CausedMs: now, FiledMs: now, ClockEvidence: "simulated", Procedure: procedure, Subscriber: subscriber,
	}
	fact(c)
	if personal != nil {
		c.Sealed = must(counterlink.SealPersonal(d.World.seal.PublicKey(), c.Id, personal))(d.World.T)
	}
	return c
}

// Received is a claim as the hub's end of the wire hands it on, signed by the desk.
func (d *Desk) Received(c *events.Claim) counterlink.Received {
	d.World.T.Helper()
	signed, hash, err := counterlink.SignClaim(d.Key, c)
	Check(d.World.T, err)
	if len(c.Act) > 0 { // what the act says counts
		c, _, err = counterlink.ParseClaim(signed)
		Check(d.World.T, err)
	}
	return counterlink.Received{Claim: c, Signed: signed, Hash: hash, Enrolment: counterlink.Enrolment{
		Office: d.Office, PublicKey: Public(d.World.T, d.Key), SealKey: d.Seal.PublicKey().Bytes(), Role: d.Role, HostName: d.HostName,
	}}
}

// Decide has the registration authority decide on a claim.
func (d *Desk) Decide(c *events.Claim) {
	d.World.T.Helper()
	Check(d.World.T, d.World.RA.Handle(d.World.T.Context(), d.Received(c)))
}

// Code is the resident-record code that a name or short code of a test stands for: eleven digits.
func Code(name string) string {
	const digits = 11
	if strings.Trim(name, "0123456789") != "" {
		sum := fnv.New64a()
		sum.Write([]byte(name))
		name = strconv.FormatUint(sum.Sum64()%1e10+1e10, 10) // a range of its own
	}
	return strings.Repeat("0", max(digits-len(name), 0)) + name
}

// Resident is a person who applies with everything in order; code tells persons apart.
func Resident(code string) *events.Personal {
	return &events.Personal{
		Record: &events.ResidentRecord{
			ResidentCode: Code(code), Name: "試験 " + code, BirthDate: "1980-06-18", Sex: 2, Address: "千葉県山武市試験町1-" + code,
			Registered: true, Municipality: "12237",
		},
		Contact: &events.Contact{Mail: "resident-" + code + "@mail.example", Language: "ja"},
	}
}

// SealKey is the hub's public key for personal data.
func (w *World) SealKey() hpke.PublicKey { return w.seal.PublicKey() }

// Subscriber is the id of the person with a resident-record code.
func (w *World) Subscriber(code string) string { return ra.SubscriberID(w.secret, Code(code)) }

// Applied is the fact of an application by the holder in person with photo ID.
func Applied(op events.Operation, card string) func(*events.Claim) {
	return func(c *events.Claim) {
		c.Fact = &events.Claim_ApplicationReceived{ApplicationReceived: &events.ApplicationReceived{
			Operation: op, Channel: events.Channel_CHANNEL_SELF, Card: card, CardKind: events.CardKind_CARD_KIND_MYNUMBER,
			Documents: []string{"application-form", "card", "photo-id:current-address", "handover-notice"},
		}}
	}
}

// Life is one person's procedure on its way.
type Life struct {
	*Desk
	Code, Subscriber, Procedure, Card string
}

// Apply applies for a card of the person's and has the application decided on.
func (d *Desk) Apply(op events.Operation, code, card string) *Life {
	d.World.T.Helper()
	l := &Life{Desk: d, Code: code, Subscriber: d.World.Subscriber(code), Procedure: uuid.NewString(), Card: card}
	d.Decide(d.Claim(l.Procedure, "", Applied(op, card), Resident(code)))
	return l
}

// Keys is the claim that keys were generated, of key pairs of the pool from the given number on.
func (l *Life) Keys(first int) *events.Claim {
	l.World.T.Helper()
	return l.Claim(l.Procedure, l.Subscriber, func(c *events.Claim) {
		fact := &events.KeysGenerated{Obligation: l.owed(events.ObligationKind_OBLIGATION_KIND_GENERATE_KEYS), Card: l.Card}
		for i, planned := range l.World.State(l.Subscriber).Open().GetPlanned() {
			fact.Keys = append(fact.Keys, &events.KeyRequest{Kind: planned.Kind, Request: Request(l.World, first+i)})
		}
		c.Fact = &events.Claim_KeysGenerated{KeysGenerated: fact}
	}, nil)
}

func (l *Life) owed(kind events.ObligationKind) string {
	for _, o := range l.World.State(l.Subscriber).Obligations {
		if o.Kind == kind {
			return l.Subscriber + "/" + o.Id
		}
	}
	return ""
}

// Written is the claim that the procedure's certificates were written and read back.
func (l *Life) Written() *events.Claim {
	l.World.T.Helper()
	return l.Claim(l.Procedure, l.Subscriber, func(c *events.Claim) {
		fact := &events.CardWritten{Obligation: l.owed(events.ObligationKind_OBLIGATION_KIND_WRITE_CARD), Card: l.Card}
		for _, held := range l.World.State(l.Subscriber).Certificates {
			if held.Procedure != l.Procedure {
				continue
			}
			sum := sha256.Sum256(l.Certificate(held.Serial))
			fact.Serials, fact.CertificatesSha256 = append(fact.Serials, held.Serial), append(fact.CertificatesSha256, sum[:])
		}
		c.Fact = &events.Claim_CardWritten{CardWritten: fact}
	}, nil)
}

// Certificate opens a certificate of the subscriber as DER.
func (l *Life) Certificate(serial uint64) []byte {
	l.World.T.Helper()
	return must(dossier.Of(l.World.Vault, l.Subscriber, l.World.History(events.KindSubscriber, l.Subscriber)).Certificate(serial))(l.World.T)
}

// HandedOver is the claim that the holder has the card and the fee was taken.
func (l *Life) HandedOver() *events.Claim {
	fee := l.World.State(l.Subscriber).Open().GetFeeYen()
	return l.Claim(l.Procedure, l.Subscriber, func(c *events.Claim) {
		c.Fact = &events.Claim_HandedOver{HandedOver: &events.HandedOver{FeeYen: fee, PaperCopy: true, Card: l.Card}}
	}, nil)
}

// Finish carries an accepted application through to the holder's hands.
func (l *Life) Finish() *Life {
	l.World.T.Helper()
	l.Decide(l.Keys(0))
	Check(l.World.T, l.World.Issuer.Settle(l.World.T.Context(), l.Subscriber))
	l.Decide(l.Written())
	l.Decide(l.HandedOver())
	if p := l.World.State(l.Subscriber).Open(); p != nil {
		l.World.T.Fatalf("the procedure is still open: %v; %v", p, l.World.Events(l.Subscriber))
	}
	return l
}

// Hold gives a person a new card with both certificates.
func (d *Desk) Hold(code string) *Life {
	d.World.T.Helper()
	return d.Apply(events.Operation_OPERATION_ISSUE, code, "card-"+code).Finish()
}

// Serial is the newest serial of a kind on a card that the state remembers.
func (l *Life) Serial(kind events.CertificateKind) uint64 {
	for _, c := range slices.Backward(l.World.State(l.Subscriber).Certificates) {
		if c.Kind == kind && c.Carrier.Device() == "" {
			return c.Serial
		}
	}
	return 0
}

var pool struct {
	mu   sync.Mutex
	keys []*rsa.PrivateKey
}

// CardKey is a key pair as a card would make; those of one number are the same in one test binary.
func CardKey(w *World, number int) *rsa.PrivateKey {
	w.T.Helper()
	pool.mu.Lock()
	defer pool.mu.Unlock()
	for len(pool.keys) <= number {
		pool.keys = append(pool.keys, must(rsa.GenerateKey(rand.Reader, 2048))(w.T))
	}
	return pool.keys[number]
}

// Request is a certificate request signed by a key of the pool.
func Request(w *World, number int) []byte {
	w.T.Helper()
	return must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, CardKey(w, number)))(w.T)
}

// Append puts a commit behind a subscriber's history as whoever controls the NATS server and holds a writer's key can:
// well-formed, chained and folded, and past the log's own judgement.
func (w *World) Append(writer nkeys.KeyPair, subscriber, command, counter string, list ...*events.Event) {
	w.T.Helper()
	c := &events.Commit{
		Kind: events.KindSubscriber, Id: subscriber, Revision: 1, Schema: 1, CommandId: command, Counter: counter, Office: Office, Events: list,
		Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: "clerk-1"},
	}
	var before []byte
	if history := w.History(events.KindSubscriber, subscriber); len(history) > 0 {
		last := history[len(history)-1]
		_, state, err := last.State()
		Check(w.T, err)
		c.Revision, c.PreviousHash, before = last.Commit.Revision+1, events.Hash(last.Stored), state
	}
	for _, e := range list {
		e.CausedMs, e.FiledMs, e.RecordedMs = w.Clock.Now().UnixMilli(), w.Clock.Now().UnixMilli(), w.Clock.Now().UnixMilli()
	}
	raw := must(lifecycle.Folds()[c.Kind].Apply(before, c))(w.T)
	state := must(events.Encode(&events.StateBytes{Version: lifecycle.FoldVersion, State: raw}))(w.T)
	w.Forge(c.Kind, c.Id, must(events.Encode(must(events.Sign(c, state, writer))(w.T)))(w.T))
}
