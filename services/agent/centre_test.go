package agent_test

import (
	"context"
	"crypto"
	"crypto/hpke"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/pcsc"
	"shomei/pkg/card/softcard"
	"shomei/pkg/counterlink"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
	"shomei/services/agent"
)

const (
	desk      = "12237-main-1"
	waitLimit = 60 * time.Second
	signPIN   = "ABC123"
	authPIN   = "1234"
	cardEnds  = "2035-06-18"
	certEnds  = "2031-06-18"
)

var (
	sign  = events.CertificateKind_CERTIFICATE_KIND_SIGN
	auth  = events.CertificateKind_CERTIFICATE_KIND_AUTH
	both  = []events.CertificateKind{sign, auth}
	noLog = slog.New(slog.DiscardHandler)
)

// centre is a hub on a real server, with an authority of its own. It answers every application and, if auto is set,
// commands keys and certificates.
type centre struct {
	t      testing.TB
	server *natstest.Operated
	url    string
	conn   *nats.Conn // of a user with all rights in the log's account
	js     jetstream.JetStream
	hub    *counterlink.Links
	stop   func() // stops it
	writer nkeys.KeyPair
	seal   hpke.PrivateKey
	key    nkeys.KeyPair // the counter's
	own    hpke.PrivateKey
	ca     *x509.Certificate
	caKey  *rsa.PrivateKey
	auto   bool
	cardID string
	clock  *clock // the hub's; it stands still unless it runs
	// mismatched counts refused link-ups, for tests that expect them.
	mismatched chan error

	mu      sync.Mutex
	claims  []*events.Claim
	issued  map[events.CertificateKind][]byte
	changed chan struct{}
}

func newCentre(t testing.TB) *centre {
	t.Helper()
	server := natstest.StartOperated(t)
	c := &centre{t: t, server: server, url: server.URL(), issued: map[events.CertificateKind][]byte{}, changed: make(chan struct{}), cardID: "CARD-1", clock: running()}
	c.writer, c.key, c.seal, c.own = userKey(t), userKey(t), sealKey(t), sealKey(t)
	c.conn = server.As(t, server.Accounts.Log, natstest.Everything)
	var err error
	c.js, err = jetstream.New(c.conn)
	must(t, err)
	must(t, counterlink.EnsureStreams(t.Context(), c.conn, counterlink.StreamLimits{}))
	c.makeAuthority()
	c.stop = c.open()
	t.Cleanup(func() { c.stop() })
	return c
}

// open runs the gate until the returned function is called.
func (c *centre) open() (stop func()) {
	t := c.t
	public, _ := c.key.PublicKey()
	gate := c.server.As(t, c.server.Accounts.Counters, hubserver.Rights{Publish: counterlink.GateMayPublish(), Subscribe: counterlink.GateMaySubscribe()})
	var err error
	c.hub, err = counterlink.NewLinks(t.Context(), counterlink.LinksConfig{
		Conn: c.conn, Gate: gate, Connected: c.server.Connected, Writer: c.writer, Logger: noLog,
		Enrolled: func(_ context.Context, counter string) (counterlink.Enrolment, error) {
			if counter != desk {
				return counterlink.Enrolment{}, counterlink.ErrNotEnrolled
			}
			return counterlink.Enrolment{PublicKey: public, SealKey: c.own.PublicKey().Bytes(), Role: "counter"}, nil
		},
		Quarantine: func(_ context.Context, q counterlink.Quarantined) error {
			t.Errorf("quarantined: %v", q.Why)
			return nil
		},
		Mismatch: c.mismatch, Now: c.clock.now,
	})
	must(t, err)
	must(t, c.hub.Admit([]string{desk}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := c.hub.Claims(ctx, c.handle); err != nil {
			t.Errorf("Claims: %v", err)
		}
	}()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_ = c.hub.AnswerPersons(ctx, c.compare)
	}()
	return func() { cancel(); <-done; <-asked }
}

// compare knows one person, with two dates of birth because of a correction.
func (c *centre) compare(_ context.Context, q counterlink.PersonRequest) (counterlink.Person, error) {
	personal, err := counterlink.OpenPersonal(c.seal, &events.Claim{Id: q.ID, Sealed: q.Sealed})
	if r := personal.GetRecord(); err != nil || r.GetResidentCode() != "00000000123" || r.GetBirthDate() != "1990-06-18" {
		return counterlink.Person{}, err
	}
	return counterlink.Person{Known: true, Initials: "証・花"}, nil
}

// forgetTaken makes the hub forget which commands the counter has received, so that all are sent again.
func (c *centre) forgetTaken() {
	c.t.Helper()
	c.stop()
	_, err := c.js.Publish(c.t.Context(), "shomei.commandhead."+desk, []byte(`{"sequence":0}`))
	must(c.t, err)
	c.stop = c.open()
}

// jwt returns the counter's credentials.
func (c *centre) jwt() string {
	c.t.Helper()
	public, _ := c.key.PublicKey()
	jwt, err := hubserver.SignUser(c.server.Accounts.Counters, desk, public, hubserver.Rights{
		Publish: counterlink.CounterMayPublish(desk), Subscribe: counterlink.CounterMaySubscribe(desk),
	}, 0)
	must(c.t, err)
	return jwt
}

// mismatch fails the test unless it expects a mismatch.
func (c *centre) mismatch(_ string, err error) {
	if c.mismatched == nil {
		c.t.Errorf("mismatch: %v", err)
		return
	}
	select {
	case c.mismatched <- err:
	default:
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func userKey(t testing.TB) nkeys.KeyPair {
	t.Helper()
	key, err := nkeys.CreateUser()
	must(t, err)
	return key
}

func sealKey(t testing.TB) hpke.PrivateKey {
	t.Helper()
	key, err := counterlink.NewSealKey()
	must(t, err)
	return key
}

func (c *centre) makeAuthority() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(c.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(c.t, err)
	c.caKey = key
	c.ca, err = x509.ParseCertificate(der)
	must(c.t, err)
}

// handle handles a claim.
func (c *centre) handle(ctx context.Context, r counterlink.Received) error {
	c.mu.Lock()
	c.claims = append(c.claims, r.Claim)
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	if !c.auto {
		return nil
	}
	switch fact := r.Claim.GetFact().(type) {
	case *events.Claim_ApplicationReceived:
		if err := c.answer(ctx, r.Claim); err != nil {
			return err
		}
		return c.send(ctx, r.Claim.GetProcedure(), "keys", func(d *events.Downlink) {
			d.Body = &events.Downlink_GenerateKeys{GenerateKeys: &events.GenerateKeys{Card: c.cardID, Regime: events.Regime_REGIME_MYNUMBER, Kinds: both, FeeYen: 200}}
		})
	case *events.Claim_KeysGenerated:
		return c.sendCertificates(ctx, r.Claim.GetProcedure(), "write", fact.KeysGenerated.GetKeys())
	}
	return nil
}

func (c *centre) answer(ctx context.Context, claim *events.Claim) error {
	return c.hub.Send(ctx, &events.Downlink{
		Id: claim.GetId(), Counter: desk, Procedure: claim.GetProcedure(), Subscriber: "subscriber-1",
		Body: &events.Downlink_Answer{Answer: &events.Answer{
			Claim: claim.GetId(), Accepted: true, CardLastDay: cardEnds,
			Fee:     []*events.FeeItem{{RuleId: "fee", Yen: 200}},
			Planned: []*events.PlannedCertificate{{Kind: sign, LastDay: certEnds}, {Kind: auth, LastDay: certEnds}},
		}},
	})
}

// send sends a command with the procedure and a suffix as its id, and a deadline in an hour.
func (c *centre) send(ctx context.Context, procedure, suffix string, body func(*events.Downlink)) error {
	d := &events.Downlink{
		Id: procedure + "-" + suffix, Counter: desk, Procedure: procedure, Subscriber: "subscriber-1",
		IssuedMs: time.Now().UnixMilli(), DeadlineMs: time.Now().Add(time.Hour).UnixMilli(),
	}
	body(d)
	return c.hub.Send(ctx, d)
}

func (c *centre) sendCertificates(ctx context.Context, procedure, suffix string, keys []*events.KeyRequest) error {
	write := &events.WriteCertificates{Card: c.cardID, CardLastDay: cardEnds}
	for i, key := range keys {
		request, err := x509.ParseCertificateRequest(key.GetRequest())
		if err == nil {
			err = request.CheckSignature()
		}
		if err != nil {
			c.t.Errorf("request for %v: %v", key.GetKind(), err)
			return nil
		}
		serial := uint64(100 + i)
		template := &x509.Certificate{
			SerialNumber: new(big.Int).SetUint64(serial), Subject: pkix.Name{CommonName: "subject"},
			NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, c.ca, request.PublicKey, c.caKey)
		if err != nil {
			return err
		}
		c.mu.Lock()
		if known := c.issued[key.GetKind()]; known != nil {
			der = known // a repeated claim gets the same certificates
		}
		c.issued[key.GetKind()] = der
		c.mu.Unlock()
		write.Certificates = append(write.Certificates, &events.CertificateToWrite{Serial: serial, Kind: key.GetKind(), Certificate: der, IssuerCertificate: c.ca.Raw})
	}
	return c.send(ctx, procedure, suffix, func(d *events.Downlink) {
		d.Body = &events.Downlink_WriteCertificates{WriteCertificates: write}
	})
}

// until waits until the claims fulfil a condition and returns them.
func (c *centre) until(what string, done func([]*events.Claim) bool) []*events.Claim {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	for {
		c.mu.Lock()
		claims, changed := slices.Clone(c.claims), c.changed
		c.mu.Unlock()
		if done(claims) {
			return claims
		}
		select {
		case <-changed:
		case <-ctx.Done():
			c.t.Fatalf("timed out waiting for %s; claims: %v", what, factsOf(claims))
		}
	}
}

// claim waits for the first claim with that fact.
func (c *centre) claim(fact string) *events.Claim {
	c.t.Helper()
	claims := c.until(fact, func(claims []*events.Claim) bool { return slices.Contains(factsOf(claims), fact) })
	return claims[slices.Index(factsOf(claims), fact)]
}

func factsOf(claims []*events.Claim) []string {
	names := make([]string, len(claims))
	for i, claim := range claims {
		m := claim.ProtoReflect()
		if set := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact")); set != nil {
			names[i] = string(set.Message().Name())
		}
	}
	return names
}

// masters are the master keys of cards: version 0 of new cards, version 1 that they are moved to.
var masters = map[uint16]card.Secret{card.OldVersion: {}, 1: {1}}

// openCard answers any challenge, granting every right, and moves cards to the newest key, as the centre does.
func openCard(_ context.Context, _ string, q card.Challenge) (card.Answer, error) {
	key := func(name card.KeyName) (card.Key, error) {
		version, err := name.Version()
		master, ok := masters[version]
		if err != nil || !ok {
			return card.Key{}, errors.Join(err, fmt.Errorf("key of version %d", version))
		}
		return card.Diversify(&master, name, q.Card)
	}
	present, err := key(q.Key)
	if err != nil {
		return card.Answer{}, err
	}
	if version, _ := q.Key.Version(); version == 1 {
		return present.Answer(q, card.AllRights, nil)
	}
	next, err := key(card.NewKeyName(1))
	if err != nil {
		return card.Answer{}, err
	}
	return present.Answer(q, card.AllRights, &next)
}

// session opens a card with every right.
func session(t testing.TB, of *softcard.Card) *card.Session {
	t.Helper()
	s := card.NewSession(of)
	must(t, s.Open(of.ID(), func(q card.Challenge) (card.Answer, error) { return openCard(t.Context(), "", q) }))
	return s
}

// newCard makes a card in software that was not handed over yet.
func newCard(t testing.TB, id string) *softcard.Card {
	t.Helper()
	path := filepath.Join(t.TempDir(), id+".json")
	master := masters[card.OldVersion]
	key, err := card.Diversify(&master, nil, id)
	must(t, err)
	must(t, softcard.Personalise(softcard.Blank{Path: path, CardID: id, Kind: card.MyNumber, Key: key}))
	c, err := softcard.Open(softcard.Config{Path: path, NewKey: cardtest.NewKey})
	must(t, err)
	return c
}

// usedCard makes a card that its holder already uses, with PINs.
func usedCard(t testing.TB, id string) *softcard.Card {
	t.Helper()
	c := newCard(t, id)
	must(t, session(t, c).SetUp("2030-01-01", map[card.Slot][]byte{card.Sign: []byte("OLD123"), card.Auth: []byte("9876")}))
	c.Reset()
	return c
}

// slot is a reader into which a test puts cards.
type slot struct {
	mu      sync.Mutex
	card    *softcard.Card
	held    bool
	apdus   int // number of APDUs that reached a card
	fails   int // number of failures to come, one at every 23rd APDU
	away    bool
	changed chan struct{}
	// instead answers in the card's place; nil, nil passes the APDU to the card.
	instead func(chip *softcard.Card, apdu []byte) ([]byte, error)
}

func newSlot(c *softcard.Card) *slot { return &slot{card: c, changed: make(chan struct{})} }

func (s *slot) put(c *softcard.Card) { s.set(func() { s.card = c }) }

// set changes the reader and wakes those who wait.
func (s *slot) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *slot) Await(ctx context.Context, present bool) error {
	for {
		s.mu.Lock()
		in, away, changed := s.card != nil, s.away, s.changed
		s.mu.Unlock()
		if away {
			return pcsc.ErrNoService
		}
		if in == present {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *slot) Present(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.card != nil, nil
}

func (s *slot) Connect() (agent.Connection, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.card == nil {
		return nil, card.ErrRemoved
	}
	if s.held {
		return nil, errors.New("the card is in use")
	}
	s.held = true
	s.card.Reset()
	return &contact{slot: s, card: s.card}, nil
}

type contact struct {
	slot *slot
	card *softcard.Card
}

func (c *contact) Transmit(apdu []byte) ([]byte, error) {
	c.slot.mu.Lock()
	gone := c.slot.card != c.card
	c.slot.apdus++
	fails := c.slot.fails > 0 && c.slot.apdus%23 == 0
	if fails {
		c.slot.fails--
	}
	instead := c.slot.instead
	c.slot.mu.Unlock()
	switch {
	case gone:
		return nil, card.ErrRemoved
	case fails:
		return nil, pcsc.ErrNoService
	}
	if instead != nil {
		if resp, err := instead(c.card, apdu); resp != nil || err != nil {
			return resp, err
		}
	}
	resp, err := c.card.Transmit(apdu)
	if err != nil {
		c.slot.put(nil)
	}
	return resp, err
}

func (c *contact) Close() error {
	c.slot.mu.Lock()
	defer c.slot.mu.Unlock()
	c.slot.held = false
	return nil
}

// clock is a settable clock. It stands still, or runs from where it was set.
type clock struct {
	mu   sync.Mutex
	at   time.Time
	runs bool
	from time.Time
}

// running returns a clock that runs from the present time.
func running() *clock { return &clock{at: time.Now(), runs: true, from: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs {
		return c.at.Add(time.Since(c.from))
	}
	return c.at
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.from = t, time.Now()
}

// uptime returns an uptime that follows the clock from now, as on a machine that is not rebooted.
func (c *clock) uptime() agent.Uptime {
	begin := c.now()
	return func() (string, time.Duration) { return "the same start", c.now().Sub(begin) }
}

func (c *centre) config(store string, reader agent.Reader) agent.Config {
	writer, err := c.writer.PublicKey()
	must(c.t, err)
	return agent.Config{
		Counter: desk, Office: "12237-main", Key: c.key, SealKey: c.own, HubSealKey: c.seal.PublicKey(), HubWriters: []string{writer},
		StorePath: store, Reader: reader, OpenCard: openCard, Now: time.Now, ClockEvidence: func() string { return "synchronised" }, Logger: noLog,
	}
}

// counter runs a counter until stop or the end of the test.
func (c *centre) counter(cfg agent.Config) (counter *agent.Counter, stop func()) {
	c.t.Helper()
	if cfg.Conn == nil {
		cfg.Conn = natstest.Connect(c.t, c.url, counterlink.ConnectOptions(desk, c.jwt(), c.key)...)
	}
	cfg.AskPerson = counterlink.PersonClient{
		CardClient: counterlink.CardClient{Conn: cfg.Conn, Counter: desk, Key: cfg.Key, SealKey: cfg.SealKey, Writers: cfg.HubWriters}, HubSealKey: cfg.HubSealKey,
	}.Ask
	counter, err := agent.Open(cfg)
	must(c.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := counter.Run(ctx); err != nil {
			c.t.Errorf("Run: %v", err)
		}
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			<-done
			must(c.t, counter.Close())
		})
	}
	c.t.Cleanup(stop)
	return counter, stop
}

func application(cardID string) agent.Application {
	return agent.Application{Officer: "017", Received: &events.ApplicationReceived{
		Operation: events.Operation_OPERATION_RENEW,
		Channel:   events.Channel_CHANNEL_SELF, Kinds: both, Documents: []string{"photo"}, Card: cardID, CardKind: events.CardKind_CARD_KIND_MYNUMBER,
	}}
}

func pins() agent.PINs {
	return agent.PINs{events.PinKind_PIN_KIND_SIGN: []byte(signPIN), events.PinKind_PIN_KIND_AUTH: []byte(authPIN)}
}

// reach waits until a procedure is in a stage.
func reach(t testing.TB, c *agent.Counter, procedure string, stage agent.Stage) agent.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	var last agent.Update
	for u := range c.Progress(ctx, procedure) {
		last = u
		if u.Stage == stage {
			status, err := c.Status(procedure)
			must(t, err)
			return status
		}
	}
	t.Fatalf("procedure never reached stage %q, last: %+v", stage, last)
	return agent.Status{}
}

// checkCard uses a card as its holder would: with the new PINs both keys must sign, with the issued certificates.
func (c *centre) checkCard(of *softcard.Card) {
	c.t.Helper()
	of.Reset()
	s := card.NewSession(of)
	for _, row := range []struct {
		slot card.Slot
		kind events.CertificateKind
		pin  string
	}{{card.Sign, sign, signPIN}, {card.Auth, auth, authPIN}} {
		if err := s.Verify(row.slot, []byte(row.pin)); err != nil {
			c.t.Fatalf("%s PIN: %v", row.slot, err)
		}
		der, err := s.Certificate(row.slot)
		must(c.t, err)
		if string(der) != string(c.issued[row.kind]) {
			c.t.Errorf("%s certificate is not the one that was issued", row.slot)
		}
		cert, err := x509.ParseCertificate(der)
		must(c.t, err)
		digest := sha256.Sum256([]byte("a text to be signed"))
		must(c.t, s.Verify(row.slot, []byte(row.pin)))
		signature, err := s.SignDigest(row.slot, crypto.SHA256, digest[:])
		must(c.t, err)
		if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], signature); err != nil {
			c.t.Errorf("signature with the %s key: %v", row.slot, err)
		}
	}
	inventory := c.inventory(of)
	for slot, state := range inventory.Slots {
		if state.Staged.PublicKey != nil || state.Staged.PIN {
			c.t.Errorf("the %s slot still has something in staging", slot)
		}
	}
}

func (c *centre) inventory(of *softcard.Card) card.Inventory {
	c.t.Helper()
	of.Reset()
	inventory, err := session(c.t, of).Inventory()
	must(c.t, err)
	return inventory
}

func storePath(t testing.TB) string { return filepath.Join(t.TempDir(), fmt.Sprintf("%s.db", desk)) }
