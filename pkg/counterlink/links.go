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
	// HostName is the name under which it serves its pages to its office; empty: to its own machine only.
	HostName string
	// Since is when the counter was first enrolled with this key.
	Since time.Time
}

// Received is one claim in the order of its counter, with signature and chain verified.
type Received struct {
	Claim *events.Claim
	// Signed is the SignedClaim as it came, to be kept as evidence; Hash is SHA-256 of the claim in it.
	Signed    []byte
	Hash      []byte
	Enrolment Enrolment
	// Redelivered: it may have been passed on before; its id makes handling it again harmless.
	Redelivered bool
	// Link is what the hub knows about when the claim was made.
	Link Evidence
}

// Quarantined is a rejected message, whole.
type Quarantined struct {
	// ID is the same for the same message, however often it is rejected.
	ID      string
	Counter string
	// Number as the claim states it, 0 if it can't be decoded.
	Number uint64
	Signed []byte
	// Beyond is above zero once the counter has used up its entries in quarantine: it counts the messages since, of
	// which this is the last. They are not kept.
	Beyond uint64
	// Why wraps events.ErrSignature, events.ErrMalformed, ErrMisaddressed, ErrNotEnrolled, ErrEpoch, ErrGap, ErrLate,
	// ErrFork or ErrTooLarge.
	Why error
}

// LinksConfig configures the hub's end. Gate, Connected, Crowded, Suspend, Mismatch, Now, Simulated, Bounds, Silence and
// Workers are optional.
type LinksConfig struct {
	// Conn is a connection to the log's account.
	Conn *nats.Conn
	// Gate is a connection to the counters' account, with GateMayPublish and GateMaySubscribe; nil: another process is
	// the gate, and this one handles claims and sends commands.
	Gate *nats.Conn
	// Connected reports whether the client with that server-assigned number is still connected; nil: unknown.
	Connected func(client uint64) bool
	// Crowded returns the number of connections of each counter that has more than most; nil: unknown.
	Crowded func(most int) (map[string]int, error)
	// Suspend closes a counter's connections and refuses new ones for a time; nil: a counter that is cut off stays
	// connected, and what it sends is dropped.
	Suspend func(counter string, d time.Duration) error
	// Writer signs what is sent to counters; they know its public key.
	Writer nkeys.KeyPair
	// Enrolled looks a counter up. ErrNotEnrolled sends the claim to quarantine, any other error is retried.
	Enrolled func(ctx context.Context, counter string) (Enrolment, error)
	// Quarantine records a rejected message. It must be durable once nil is returned, and harmless if repeated with the
	// same ID.
	Quarantine func(ctx context.Context, q Quarantined) error
	// Mismatch is called when heads differ at link-up (ErrHeadMismatch), to alarm people.
	Mismatch func(counter string, err error)
	Logger   *slog.Logger
	// Now is the hub's clock, which counters are told; nil: the system clock. Simulated: it is a settable one.
	Now       func() time.Time
	Simulated bool
	// Bounds limits what one counter may do.
	Bounds Bounds
	// Silence is how long a session may be silent before another agent may take its counter; 0: 15 s.
	Silence time.Duration
	// Workers bounds how many counters are handled at once; 0: 32.
	Workers int
}

// Links are the hub's end of the wire. Several processes may run one on the same streams, one of them with a gate.
type Links struct {
	cfg     LinksConfig
	js      jetstream.JetStream
	slots   chan struct{}
	metrics metrics

	claims, commands, heads jetstream.Stream

	mu         sync.Mutex
	queues     map[string]*queue
	guards     map[string]*guard
	gate       *gate                 // nil while Claims does not run
	responders map[string]*responder // by the question's token; absent while nobody answers it

	mismatches mismatches
	clocks     clocks

	persons, cases misses // questions that name a person, and those that name a case or a card
}

// NewLinks makes the hub's end. The streams must exist (EnsureStreams).
func NewLinks(ctx context.Context, cfg LinksConfig) (*Links, error) {
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
	h := &Links{
		cfg: cfg, js: js, slots: make(chan struct{}, cfg.Workers), metrics: newMetrics(), queues: map[string]*queue{},
		guards: map[string]*guard{}, responders: map[string]*responder{},
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

// Send seals a command or answer to its counter, signs and stores it; it is durable once Send returns nil. The same id
// sent again within ten minutes is stored once; later the counter drops it. The error is ErrNotEnrolled if there is no
// such counter.
func (h *Links) Send(ctx context.Context, d *events.Downlink) error {
	stored, err := h.Begin(ctx, d)
	if err != nil {
		return err
	}
	return stored(ctx)
}

// Begin is Send without waiting: what was begun first is stored first. The returned function waits until the message is
// durable, and must be called.
func (h *Links) Begin(ctx context.Context, d *events.Downlink) (stored func(context.Context) error, err error) {
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

func (h *Links) wrap(enrolment Enrolment, d *events.Downlink) ([]byte, error) {
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
	// claimWait is how long a claim held by a hub that died waits before it is delivered again, unless its counter
	// links up before that. A live hub extends it for each unsettled claim, every saveEvery.
	claimWait = 6 * time.Second
	// maxPending sets no bound: what waits is bounded per counter, so that none uses up the others' share.
	maxPending  = -1
	saveEvery   = time.Second
	fetchExpiry = 15 * time.Second
)

// Claims passes every claim to handle, in order for each counter and normally once, until ctx ends; then it returns
// nil. If handle returns an error, that counter's claim is retried while other counters continue. A claim may be passed
// again after a crash: handle recognises it by its id. Claims also runs the gate, if there is one.
func (h *Links) Claims(ctx context.Context, handle func(context.Context, Received) error) error {
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
			h.cfg.Logger.Error("can't read claims, retrying", "error", err)
			_ = wait.For(ctx, retryTime)
		}
	}
	return nil
}

func (h *Links) dispatch(ctx context.Context, handle func(context.Context, Received) error, running *sync.WaitGroup) error {
	setup, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	consumer, err := h.js.CreateOrUpdateConsumer(setup, ClaimStream, jetstream.ConsumerConfig{
		Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: claimWait, MaxAckPending: maxPending,
	})
	if err != nil {
		return fmt.Errorf("consumer of claims: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullExpiry(fetchExpiry), jetstream.PullHeartbeat(retryTime))
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
		l := h.queue(counter)
		if l.enqueue(msg) {
			running.Go(func() { l.run(ctx, handle) })
		}
	}
}

func (h *Links) queue(counter string) *queue {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.queues[counter]
	if l == nil {
		l = h.newQueue(counter)
		h.queues[counter] = l
	}
	return l
}
