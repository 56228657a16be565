package counterlink

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/wait"
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
	// Beyond is above zero when the counter has left as many entries in quarantine as it may: it is the number of messages
	// since, of which this is the last. They are counted, not kept.
	Beyond uint64
	// Why unwraps to events.ErrSignature, events.ErrMalformed, ErrMisaddressed, ErrNotEnrolled, ErrEpoch, ErrGap, ErrLate,
	// ErrFork or ErrTooLarge.
	Why error
}

// HubConfig is what the hub's end needs. Gate, Connected, Crowded, Suspend, Mismatch, Now, Simulated, Bounds, Silence and Workers may be left out.
type HubConfig struct {
	// Conn is a connection to the account of the log.
	Conn *nats.Conn
	// Gate is a connection to the account of the counters, with GateMayPublish and GateMaySubscribe; nil: another process is
	// the gate, and this one handles claims and sends commands.
	Gate *nats.Conn
	// Connected reports whether the client that the server gave a number is still connected; nil: nobody knows.
	Connected func(client uint64) bool
	// Crowded returns the counters that have more than most connections, and how many; nil: nobody knows.
	Crowded func(most int) (map[string]int, error)
	// Suspend closes the connections of a counter and refuses new ones for a time; nil: a counter that is cut off stays
	// connected, and what it sends is dropped.
	Suspend func(counter string, d time.Duration) error
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
	// Bounds are what one counter may do.
	Bounds Bounds
	// Silence is how long a session may say nothing before another agent may have its counter; 0 means 15 s.
	Silence time.Duration
	// Workers bounds how many counters are handled at once; 0 means 32.
	Workers int
}

// Hub is the hub's end of the wire. Several processes may run one on the same streams, one of them with a gate.
type Hub struct {
	cfg     HubConfig
	js      jetstream.JetStream
	slots   chan struct{}
	metrics metrics

	claims, commands, heads jetstream.Stream

	mu     sync.Mutex
	lanes  map[string]*lane
	guards map[string]*guard
	gate   *gate                    // nil while Claims does not run
	desks  map[string]*exchangeDesk // by the word of the question; nil while nobody answers it

	mismatches mismatches
	clocks     clocks

	persons, cases misses // questions that name a person, and those that name a case or a card
}

// NewHub makes the hub's end. The streams exist already (EnsureStreams).
func NewHub(ctx context.Context, cfg HubConfig) (*Hub, error) {
	js, err := jetstream.New(cfg.Conn, jetstream.WithPublishAsyncTimeout(answerTime))
	if err != nil {
		return nil, fmt.Errorf("hub's end of the counter link: %w", err)
	}
	setDefault(&cfg.Workers, 32)
	setDefault(&cfg.Silence, silence)
	cfg.Bounds = cfg.Bounds.withDefaults()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Writer, err = derive(cfg.Writer); err != nil {
		return nil, fmt.Errorf("hub's end of the counter link: %w", err)
	}
	h := &Hub{
		cfg: cfg, js: js, slots: make(chan struct{}, cfg.Workers), metrics: newMetrics(), lanes: map[string]*lane{},
		guards: map[string]*guard{}, desks: map[string]*exchangeDesk{},
	}
	for name, stream := range map[string]*jetstream.Stream{ClaimStream: &h.claims, CommandStream: &h.commands, HeadStream: &h.heads} {
		if *stream, err = js.Stream(ctx, name); err != nil {
			return nil, fmt.Errorf("hub's end of the counter link, stream %s: %w", name, err)
		}
	}
	return h, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
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
	claimWait = 6 * time.Second
	// maxPending is no bound: what waits is bounded for each counter, so that none uses up the others' share.
	maxPending  = -1
	saveEvery   = time.Second
	fetchExpiry = 15 * time.Second
)

// Claims hands every claim of every counter to handle, each counter's in order and once when all goes well, until ctx
// ends; then it returns nil. When handle returns an error that counter waits and its claim is tried again, the others go
// on. A claim may be handed on again after a crash: handle answers it by its id. It also is the gate, when there is one.
func (h *Hub) Claims(ctx context.Context, handle func(context.Context, Received) error) error {
	var running sync.WaitGroup
	defer func() { running.Wait(); h.saveHeads(context.WithoutCancel(ctx)) }()
	if h.cfg.Gate != nil {
		shut, err := h.openGate(ctx, handle, &running)
		if err != nil {
			return err
		}
		defer shut()
	}
	running.Go(func() { h.keepHeads(ctx) })
	for ctx.Err() == nil {
		if err := h.dispatch(ctx, handle, &running); err != nil && ctx.Err() == nil {
			h.cfg.Logger.Error("claims can't be read, trying again", "error", err)
			_ = wait.For(ctx, retryTime)
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
		l = h.newLane(counter)
		h.lanes[counter] = l
	}
	return l
}
