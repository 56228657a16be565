package counterlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
)

// Enrolment is what the hub knows of a counter (event CounterEnrolled).
type Enrolment struct {
	Office string
	// PublicKey is the counter's public nkey, SealKey its public HPKE key.
	PublicKey string
	SealKey   []byte
	// Role is counter, factory, register, telephone or operator.
	Role string
	// Since is when the counter was first enrolled with this key.
	Since time.Time
}

// Received is one claim in the order of its counter: signature and chain hold.
type Received struct {
	Claim *events.Claim
	// Signed is the SignedClaim as it came, to be kept as evidence; Hash is SHA-256 of the claim in it.
	Signed    []byte
	Hash      []byte
	Enrolment Enrolment
	// Redelivered: it may have been handed on before. Its id makes handling it again harmless.
	Redelivered bool
	// Link is what the hub knows of when the claim was made.
	Link Evidence
}

// Quarantined is a message that was not taken, whole.
type Quarantined struct {
	// ID is the same for the same message, however often it is found.
	ID      string
	Counter string
	// Number as the claim says, 0 when it can't be decoded.
	Number uint64
	Signed []byte
	// Why unwraps to events.ErrSignature, events.ErrMalformed, ErrMisaddressed, ErrNotEnrolled, ErrEpoch, ErrGap, ErrLate or ErrFork.
	Why error
}

// HubConfig is what the hub's end needs; all fields but Now, Simulated and Workers are required.
type HubConfig struct {
	Conn *nats.Conn
	// Writer signs what goes down; the counters know its public key.
	Writer nkeys.KeyPair
	// Enrolled looks a counter up. ErrNotEnrolled sends the claim to quarantine, any other error is tried again.
	Enrolled func(ctx context.Context, counter string) (Enrolment, error)
	// Quarantine records a message that can't be believed; it must be durable when nil comes back, and harmless when
	// called again with the same ID.
	Quarantine func(ctx context.Context, q Quarantined) error
	// Mismatch is told when heads differ at link-up (ErrHeadMismatch): an alarm for people.
	Mismatch func(counter string, err error)
	Logger   *slog.Logger
	// Now is the hub's clock, which counters are told; nil means the system's. Simulated: it is a settable one.
	Now       func() time.Time
	Simulated bool
	// Workers bounds how many counters are handled at once; 0 means 32.
	Workers int
}

// Hub is the hub's end of the wire. Several processes may run one on the same streams.
type Hub struct {
	cfg   HubConfig
	js    jetstream.JetStream
	slots chan struct{}

	claims, heads jetstream.Stream

	mu    sync.Mutex
	lanes map[string]*lane

	mismatches mismatches
	clocks     clocks
}

// NewHub makes the hub's end. The streams exist already (EnsureStreams).
func NewHub(ctx context.Context, cfg HubConfig) (*Hub, error) {
	js, err := jetstream.New(cfg.Conn, jetstream.WithPublishAsyncTimeout(answerTime))
	if err != nil {
		return nil, fmt.Errorf("hub's end of the counter link: %w", err)
	}
	claims, err := js.Stream(ctx, ClaimStream)
	if err != nil {
		return nil, fmt.Errorf("hub's end of the counter link, stream %s: %w", ClaimStream, err)
	}
	heads, err := js.Stream(ctx, HeadStream)
	if err != nil {
		return nil, fmt.Errorf("hub's end of the counter link, stream %s: %w", HeadStream, err)
	}
	if cfg.Workers == 0 {
		cfg.Workers = 32
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Writer, err = derive(cfg.Writer); err != nil {
		return nil, fmt.Errorf("hub's end of the counter link: %w", err)
	}
	return &Hub{cfg: cfg, js: js, claims: claims, heads: heads, slots: make(chan struct{}, cfg.Workers), lanes: map[string]*lane{}}, nil
}

// Send seals a command or answer to its counter, signs it and stores it for the counter; nil means it is durable. The
// same id sent again within ten minutes is stored once; later the counter drops it. ErrNotEnrolled when there is no such
// counter.
func (h *Hub) Send(ctx context.Context, d *events.Downlink) error {
	stored, err := h.Begin(ctx, d)
	if err != nil {
		return err
	}
	return stored(ctx)
}

// Begin sends as Send does, without waiting: what was begun first is stored first. The function it gives waits until
// the message is durable, and must be called.
func (h *Hub) Begin(ctx context.Context, d *events.Downlink) (stored func(context.Context) error, err error) {
	failed := func(err error) error {
		return fmt.Errorf("sending %s to counter %s: %w", d.GetId(), d.GetCounter(), err)
	}
	enrolment, err := h.cfg.Enrolled(ctx, d.GetCounter())
	if err != nil {
		return nil, failed(err)
	}
	data, err := h.wrap(enrolment, d)
	if err != nil {
		return nil, err
	}
	future, err := h.js.PublishAsync(CommandSubject(d.GetCounter()), data,
		jetstream.WithExpectStream(CommandStream), jetstream.WithMsgID(d.GetId()))
	if err != nil {
		return nil, failed(err)
	}
	return func(ctx context.Context) error {
		select {
		case <-future.Ok():
			return nil
		case err := <-future.Err():
			return failed(err)
		case <-ctx.Done():
			return failed(ctx.Err())
		}
	}, nil
}

func (h *Hub) wrap(enrolment Enrolment, d *events.Downlink) ([]byte, error) {
	key, err := ParseSealPublicKey(enrolment.SealKey)
	if err != nil {
		return nil, fmt.Errorf("enrolment of counter %s: %w", d.GetCounter(), err)
	}
	sealed, err := sealDownlink(key, d)
	if err != nil {
		return nil, err
	}
	signed, err := events.SignDownlink(sealed, h.cfg.Writer)
	if err != nil {
		return nil, err
	}
	return events.Encode(signed)
}

const (
	// claimWait is how long a claim that was given to a hub that died waits before it is given out again, unless its
	// counter links up before that. A hub that lives says so for each claim that it has not settled yet, at every saveEvery.
	claimWait   = 6 * time.Second
	maxPending  = 10_000
	saveEvery   = time.Second
	fetchExpiry = 15 * time.Second
)

// Claims hands every claim of every counter to handle, each counter's in order and once when all goes well, until ctx
// ends; then it returns nil. When handle returns an error that counter waits and its claim is tried again, the others go
// on. A claim may be handed on again after a crash: handle answers it by its id. It also answers the counters' link-ups.
func (h *Hub) Claims(ctx context.Context, handle func(context.Context, Received) error) error {
	sub, err := h.cfg.Conn.QueueSubscribe(claimPrefix+"*"+helloSuffix, consumerName, func(m *nats.Msg) { go h.greet(ctx, m, handle) })
	if err != nil {
		return fmt.Errorf("listening for link-ups: %w", err)
	}
	defer sub.Unsubscribe()
	var running sync.WaitGroup
	defer func() { running.Wait(); h.saveHeads(context.WithoutCancel(ctx)) }()
	running.Go(func() { h.keepHeads(ctx) })
	for ctx.Err() == nil {
		if err := h.dispatch(ctx, handle, &running); err != nil && ctx.Err() == nil {
			h.cfg.Logger.Error("claims can't be read, trying again", "error", err)
			waitOr(ctx, retryTime)
		}
	}
	return nil
}

func (h *Hub) dispatch(ctx context.Context, handle func(context.Context, Received) error, running *sync.WaitGroup) error {
	setup, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	consumer, err := h.js.CreateOrUpdateConsumer(setup, ClaimStream, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: claimWait, MaxAckPending: maxPending,
	})
	if err != nil {
		return fmt.Errorf("consumer of claims: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullExpiry(fetchExpiry))
	if err != nil {
		return fmt.Errorf("reading claims: %w", err)
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	for {
		msg, err := messages.Next()
		if err != nil {
			return fmt.Errorf("reading claims: %w", err)
		}
		counter := strings.TrimPrefix(msg.Subject(), claimPrefix)
		l := h.lane(counter)
		if l.enqueue(msg) {
			running.Go(func() { l.run(ctx, handle) })
		}
	}
}

func (h *Hub) lane(counter string) *lane {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.lanes[counter]
	if l == nil {
		l = &lane{hub: h, counter: counter}
		h.lanes[counter] = l
	}
	return l
}

// greet answers one link-up, and goes on with what the stream holds of that counter and nobody has handled: a process that
// died may have been given it, and a resident stands at that counter.
func (h *Hub) greet(ctx context.Context, m *nats.Msg, handle func(context.Context, Received) error) {
	counter := strings.TrimSuffix(strings.TrimPrefix(m.Subject, claimPrefix), helloSuffix)
	header, err := h.answer(ctx, counter, m.Header)
	if err == nil {
		err = m.RespondMsg(&nats.Msg{Header: header})
	}
	if err != nil && ctx.Err() == nil {
		h.cfg.Logger.Error("a link-up could not be answered, the counter will ask again", "counter", counter, "error", err)
	}
	if header == nil {
		return
	}
	h.slots <- struct{}{}
	defer func() { <-h.slots }()
	if err := h.lane(counter).resume(ctx, handle); err != nil && ctx.Err() == nil {
		h.cfg.Logger.Error("a claim waits and is tried again", "counter", counter, "error", err)
	}
}

func (h *Hub) answer(ctx context.Context, counter string, question nats.Header) (nats.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	now := h.cfg.Now() // before anything is waited for: it is when the question came
	asked, err := parseHello(question)
	if err != nil {
		return nil, err
	}
	enrolment, err := h.cfg.Enrolled(ctx, counter)
	if errors.Is(err, ErrNotEnrolled) {
		return welcome{}.header(h.cfg.Writer, counter, asked.nonce, err)
	}
	if err != nil {
		return nil, err
	}
	head, last, err := h.storedHead(ctx, counter, enrolment)
	if err != nil {
		return nil, err
	}
	differs := compareAtHub(head, asked)
	h.mismatches.note(counter, head, asked.head, differs)
	h.clocks.note(counter, asked.clock, now)
	if differs != nil && h.cfg.Mismatch != nil {
		h.cfg.Mismatch(counter, differs)
	}
	if differs == nil {
		h.lane(counter).meet(now, max(asked.last, head.Number), last)
	}
	answer := welcome{head: head, expected: last}
	if !asked.clock.IsZero() { // a counter of an older version could not verify an answer with the time in it
		answer.time = HubTime{At: now, Simulated: h.cfg.Simulated}
	}
	return answer.header(h.cfg.Writer, counter, asked.nonce, differs)
}

func waitOr(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
