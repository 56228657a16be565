package counterlink_test

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

// memory is an outbox without a disk.
type memory struct {
	key     nkeys.KeyPair
	counter string
	epoch   string

	mu        sync.Mutex
	signed    [][]byte
	hashes    [][]byte
	delivered uint64
}

func newMemory(t testing.TB, key nkeys.KeyPair, counter, epoch string) *memory {
	t.Helper()
	return &memory{key: key, counter: counter, epoch: epoch}
}

// add appends a claim of a harmless kind.
func (m *memory) add(t testing.TB, change ...func(*events.Claim)) []byte {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	n := uint64(len(m.signed) + 1)
	claim := &events.Claim{
		Id: fmt.Sprintf("%s-%s-%d", m.counter, m.epoch, n), Counter: m.counter, StoreEpoch: m.epoch, Number: n,
		Fact: &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: "C1"}},
	}
	for _, do := range change {
		do(claim)
	}
	if n > 1 {
		claim.PreviousHash = m.hashes[n-2]
	}
	signed, hash, err := counterlink.SignClaim(m.key, claim)
	if err != nil {
		t.Fatal(err)
	}
	m.signed, m.hashes = append(m.signed, signed), append(m.hashes, hash)
	return signed
}

func (m *memory) head(n uint64) counterlink.Head {
	h := counterlink.Head{Epoch: m.epoch, Number: n}
	if n > 0 {
		h.Hash = m.hashes[n-1]
	}
	return h
}

func (m *memory) Last() counterlink.Head {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head(uint64(len(m.signed)))
}

func (m *memory) Delivered() counterlink.Head {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.head(m.delivered)
}

func (m *memory) Claim(n uint64) (signed, hash []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n == 0 || n > uint64(len(m.signed)) {
		return nil, nil, errors.New("no such claim")
	}
	return m.signed[n-1], m.hashes[n-1], nil
}

func (m *memory) MarkDelivered(n uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delivered = max(m.delivered, n)
	return nil
}

// world is a hub on a real server with enrolled counters.
type world struct {
	t      testing.TB
	server *natstest.Operated
	url    string
	conn   *nats.Conn // of a user with all rights in the log's account
	js     jetstream.JetStream
	hubs   []*counterlink.Links
	bounds counterlink.Bounds
	writer nkeys.KeyPair
	public string

	mu          sync.Mutex
	enrolled    map[string]counterlink.Enrolment
	handled     []string // ids, in order, with repetitions
	quarantined []counterlink.Quarantined
	mismatches  []error
	refuse      error // what handle returns
	changed     chan struct{}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	server := natstest.StartOperated(t)
	w := &world{
		t: t, server: server, url: server.URL(), writer: userKey(t), enrolled: map[string]counterlink.Enrolment{},
		changed: make(chan struct{}),
	}
	w.public, _ = w.writer.PublicKey()
	w.conn = server.As(t, server.Accounts.Log, natstest.Everything)
	js, err := jetstream.New(w.conn)
	if err != nil {
		t.Fatal(err)
	}
	w.js = js
	if err := counterlink.EnsureStreams(t.Context(), w.conn, counterlink.StreamLimits{}); err != nil {
		t.Fatal(err)
	}
	return w
}

func userKey(t testing.TB) nkeys.KeyPair {
	t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sealKey(t testing.TB) hpke.PrivateKey {
	t.Helper()
	key, err := counterlink.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) enrol(counter string, key nkeys.KeyPair, seal hpke.PrivateKey) {
	public, err := key.PublicKey()
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.enrolled[counter] = counterlink.Enrolment{PublicKey: public, SealKey: seal.PublicKey().Bytes(), Role: "counter"}
	w.mu.Unlock()
	w.admit()
}

// admit tells every hub who is enrolled.
func (w *world) admit() {
	w.mu.Lock()
	counters, hubs := slices.Collect(maps.Keys(w.enrolled)), w.hubs
	w.mu.Unlock()
	for _, hub := range hubs {
		if err := hub.Admit(counters); err != nil {
			w.t.Error(err)
		}
	}
}

// logRights are those of the hub's user in the account of the log, gateRights in that of the counters.
func logRights() hubserver.Rights {
	return hubserver.Rights{Publish: append(hubserver.ReadStreams("*"), counterlink.HubMayPublish()...), Subscribe: []string{"_INBOX.>"}}
}

func gateRights() hubserver.Rights {
	return hubserver.Rights{Publish: counterlink.GateMayPublish(), Subscribe: counterlink.GateMaySubscribe()}
}

func counterRights(counter string) hubserver.Rights {
	return hubserver.Rights{
		Publish: counterlink.CounterMayPublish(counter), Subscribe: counterlink.CounterMaySubscribe(counter),
		MaxPayload: counterlink.MaxMessage, MaxSubscriptions: counterlink.MaxSubscriptions,
	}
}

// hubConn connects as the hub's user in the log's account, to the server or to a line to it.
func (w *world) hubConn(url string) *nats.Conn {
	w.t.Helper()
	return natstest.Connect(w.t, url, natstest.Login(w.t, w.server.Accounts.Log, userKey(w.t), logRights()))
}

// counterConn connects as a counter, at the server or at a line to it.
func (w *world) counterConn(counter string, key nkeys.KeyPair, url string, options ...nats.Option) *nats.Conn {
	w.t.Helper()
	public, _ := key.PublicKey()
	jwt, err := hubserver.SignUser(w.server.Accounts.Counters, counter, public, counterRights(counter), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return natstest.Connect(w.t, url, append(counterlink.ConnectOptions(counter, jwt, key), options...)...)
}

// deskConn connects as the counter of a box.
func (w *world) deskConn(box *memory) *nats.Conn { return w.counterConn(box.counter, box.key, w.url) }

func (w *world) note(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
	close(w.changed)
	w.changed = make(chan struct{})
}

// until waits until the hub's callbacks have seen something.
func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	for {
		w.mu.Lock()
		ok, changed := done(), w.changed
		w.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			w.mu.Lock()
			defer w.mu.Unlock()
			w.t.Fatalf("waited in vain for %s; handled %d: %v, quarantined %d, mismatches %v",
				what, len(w.handled), w.handled, len(w.quarantined), w.mismatches)
		}
	}
}

// hub runs the hub's end with its gate until stop is called or the test ends.
func (w *world) hub() (hub *counterlink.Links, stop func()) {
	w.t.Helper()
	return w.run(w.config(w.hubConn(w.url), w.server.As(w.t, w.server.Accounts.Counters, gateRights())))
}

// config returns the configuration of a hub's end; gate may be nil.
func (w *world) config(conn, gate *nats.Conn) counterlink.LinksConfig {
	return counterlink.LinksConfig{
		Conn: conn, Gate: gate, Connected: w.server.Connected, Writer: w.writer, Logger: quiet(), Bounds: w.bounds,
		Enrolled: func(_ context.Context, counter string) (counterlink.Enrolment, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			e, ok := w.enrolled[counter]
			if !ok {
				return e, counterlink.ErrNotEnrolled
			}
			return e, nil
		},
		Quarantine: func(_ context.Context, q counterlink.Quarantined) error {
			w.note(func() { w.quarantined = append(w.quarantined, q) })
			return nil
		},
		Mismatch: func(_ string, err error) { w.note(func() { w.mismatches = append(w.mismatches, err) }) },
	}
}

// run runs a hub's end until stop is called or the test ends.
func (w *world) run(cfg counterlink.LinksConfig) (hub *counterlink.Links, stop func()) {
	w.t.Helper()
	hub, err := counterlink.NewLinks(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.hubs = append(w.hubs, hub)
	w.mu.Unlock()
	w.admit()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := hub.Claims(ctx, w.handle); err != nil {
			w.t.Errorf("Claims: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return hub, stop
}

func (w *world) handle(_ context.Context, r counterlink.Received) error {
	var err error
	w.note(func() {
		if err = w.refuse; err == nil {
			w.handled = append(w.handled, r.Claim.GetId())
		}
	})
	return err
}

// store puts bytes on a counter's subject as anyone with its NATS user could.
func (w *world) store(counter string, data []byte) {
	w.t.Helper()
	if _, err := w.js.Publish(w.t.Context(), counterlink.ClaimSubject(counter), data); err != nil {
		w.t.Fatal(err)
	}
}

// link runs a counter's end until stop is called or the test ends.
func (w *world) link(cfg counterlink.LinkConfig) (link *counterlink.Link, stop func()) {
	w.t.Helper()
	cfg.Writers, cfg.Logger = []string{w.public}, quiet()
	if cfg.Received == nil {
		cfg.Received = func(context.Context, *events.Downlink, []byte) error { return nil }
	}
	if cfg.SealKey == nil {
		cfg.SealKey = sealKey(w.t)
	}
	link, err := counterlink.NewLink(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := link.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return link, stop
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
