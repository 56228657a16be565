package counterlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/nats-io/nuid"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/crashpoint"
)

var crashPublished = crashpoint.Register("counterlink.claim.published")

// Outbox is a counter's chain of claims as a Link needs it: durable, in order, safe for use by several goroutines.
type Outbox interface {
	// Last is the newest claim of the store, delivered or not; Number 0 when there is none.
	Last() Head
	// Delivered is the newest claim known to be at the hub.
	Delivered() Head
	// Claim returns the signed claim of a number and its hash. Numbers from Delivered on are always there.
	Claim(number uint64) (signed, hash []byte, err error)
	// MarkDelivered records, durably before it returns, that all claims up to number are at the hub.
	MarkDelivered(number uint64) error
}

// LinkState is how a counter stands to its hub.
type LinkState int32

// The states of a link.
const (
	// Away: the hub can't be reached; claims wait in the store.
	Away LinkState = iota
	// Comparing: connected, heads are being compared.
	Comparing
	// Up: claims go up as they come.
	Up
	// Mismatched: hub and counter disagree (ErrHeadMismatch); claims wait until a person has decided.
	Mismatched
)

// String returns the English word for the state.
func (s LinkState) String() string {
	return [...]string{"away", "comparing", "up", "mismatched"}[s]
}

// LinkConfig is what the counter's end needs; all but Alarm, Changed, Now and Timed are required.
type LinkConfig struct {
	Conn    *nats.Conn
	Counter string
	Outbox  Outbox
	// SealKey opens what the hub sealed to this counter.
	SealKey hpke.PrivateKey
	// Writers are the public nkeys of the hub that are believed.
	Writers []string
	// Received gets each command or answer, with its sealed form to be kept at rest. The message is acknowledged when
	// nil came back, so it must be durable by then; an error brings it again.
	Received func(ctx context.Context, d *events.Downlink, signed []byte) error
	// Alarm gets what needs a person: ErrHeadMismatch, downlinks that don't verify.
	Alarm func(error)
	// Changed is told each change of state, and Up again after each delivered claim.
	Changed func(LinkState)
	// Now is the counter's clock, which the hub is told; nil means the system's.
	Now func() time.Time
	// Timed is told the hub's time at each link-up at which heads agree, before the state is Up; it may be nil.
	Timed  func(HubTime) error
	Logger *slog.Logger
}

// Link is the counter's end of the wire.
type Link struct {
	cfg   LinkConfig
	js    jetstream.JetStream
	kick  chan struct{}
	state atomic.Int32
}

const (
	answerTime = 5 * time.Second
	// An attempt that failed is repeated after a twentieth of a second, then ever more slowly.
	shortestRetry = 50 * time.Millisecond
	retryTime     = 2 * time.Second
	redeliveries  = 5 * time.Second
	longestReturn = 4 * time.Second
	// compareEvery is how often a link that is up compares again: the hub sees the counter's clock, and the counter the hub's.
	compareEvery = time.Minute
)

// ConnectOptions are those of a counter's connection: its nkey, an inbox of its own, and never giving up. Callers add
// nats.Secure for TLS.
func ConnectOptions(counter string, key nkeys.KeyPair) ([]nats.Option, error) {
	public, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("public key of counter %s: %w", counter, err)
	}
	return []nats.Option{
		nats.Name("counter " + counter), nats.Nkey(public, key.Sign), nats.CustomInboxPrefix(InboxPrefix(counter)),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(comeBack), nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
	}, nil
}

// comeBack is how long to wait before the next attempt to connect: soon at first, because somebody stands at the counter,
// then ever later and never all counters at once.
func comeBack(attempts int) time.Duration {
	longest := min(200*time.Millisecond<<min(attempts, 5), longestReturn)
	return longest/4 + rand.N(longest)
}

// NewLink makes the counter's end. Nothing is sent before Run.
func NewLink(cfg LinkConfig) (*Link, error) {
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, fmt.Errorf("link of counter %s: %w", cfg.Counter, err)
	}
	if cfg.Alarm == nil {
		cfg.Alarm = func(error) {}
	}
	if cfg.Changed == nil {
		cfg.Changed = func(LinkState) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Timed == nil {
		cfg.Timed = func(HubTime) error { return nil }
	}
	return &Link{cfg: cfg, js: js, kick: make(chan struct{}, 1)}, nil
}

// State tells how the link stands now.
func (l *Link) State() LinkState { return LinkState(l.state.Load()) }

// Kick tells the link that the outbox has grown. It never blocks.
func (l *Link) Kick() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

func (l *Link) enter(s LinkState) {
	if LinkState(l.state.Swap(int32(s))) != s {
		l.cfg.Changed(s)
	}
}

// Run keeps the link up until ctx ends: it compares heads, sends what the outbox holds in order, and takes what the hub
// sends down. It survives every cut of the connection; it returns nil when ctx ended.
func (l *Link) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.receive(ctx)
	}()
	defer func() { <-done }()
	var alarmed string
	wait := shortestRetry
	for ctx.Err() == nil {
		err := l.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		if l.State() == Up {
			wait = shortestRetry // it worked until now
		}
		if needsPerson(err) {
			l.enter(Mismatched)
			if err.Error() != alarmed { // once per finding, not once per attempt
				alarmed = err.Error()
				l.cfg.Alarm(err)
			}
		} else {
			l.enter(Away)
			l.cfg.Logger.Info("counter link is down, claims wait", "counter", l.cfg.Counter, "why", err)
		}
		l.pause(ctx, wait)
		wait = min(2*wait, retryTime)
	}
	l.enter(Away)
	return nil
}

func needsPerson(err error) bool {
	return errors.Is(err, ErrHeadMismatch) || errors.Is(err, events.ErrSignature) || errors.Is(err, events.ErrMalformed)
}

// pause waits until another attempt makes sense: connected anew, or a time of about that length has passed. Counters that
// lost the hub in the same moment do not all come back in the same moment.
func (l *Link) pause(ctx context.Context, about time.Duration) {
	connected := l.cfg.Conn.StatusChanged(nats.CONNECTED)
	defer l.cfg.Conn.RemoveStatusListener(connected)
	timer := time.NewTimer(about/2 + rand.N(about))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-connected:
	case <-timer.C:
	}
}

// serve is one link-up: compare, then send until something is in doubt.
func (l *Link) serve(ctx context.Context) error {
	ctx, cancel := l.whileConnected(ctx)
	defer cancel()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.enter(Comparing)
	expected, err := l.linkUp(ctx)
	if err != nil {
		return err
	}
	l.enter(Up)
	again := time.NewTicker(compareEvery)
	defer again.Stop()
	for {
		if expected, err = l.drain(ctx, expected); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.kick:
		case <-again.C:
			if expected, err = l.linkUp(ctx); err != nil {
				return err
			}
		}
	}
}

// whileConnected is a context that ends when the line breaks: an answer that was on its way then never comes.
func (l *Link) whileConnected(ctx context.Context) (context.Context, context.CancelFunc) {
	lost := l.cfg.Conn.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	connected, cancel := context.WithCancelCause(ctx)
	if !l.cfg.Conn.IsConnected() {
		cancel(nats.ErrDisconnected)
	}
	go func() {
		defer l.cfg.Conn.RemoveStatusListener(lost)
		select {
		case <-lost:
			cancel(nats.ErrDisconnected)
		case <-connected.Done():
		}
	}()
	return connected, func() { cancel(nil) }
}

// linkUp compares heads both ways and returns the sequence that the next publish must expect.
func (l *Link) linkUp(ctx context.Context) (uint64, error) {
	delivered := l.cfg.Outbox.Delivered()
	if delivered.Epoch == "" {
		delivered.Epoch = l.cfg.Outbox.Last().Epoch
	}
	question := hello{head: delivered, nonce: nuid.Next()}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	msg := &nats.Msg{Subject: HelloSubject(l.cfg.Counter), Header: l.ask(question.header())}
	reply, err := l.cfg.Conn.RequestMsgWithContext(ctx, msg)
	if err != nil {
		return 0, fmt.Errorf("asking the hub for the head of counter %s: %w", l.cfg.Counter, err)
	}
	w, err := parseWelcome(reply.Header, l.cfg.Writers, l.cfg.Counter, question.nonce)
	if err == nil {
		err = compareAtCounter(l.cfg.Outbox, w.head)
	}
	if err == nil && !w.time.At.IsZero() {
		err = l.cfg.Timed(w.time)
	}
	if err != nil {
		return 0, fmt.Errorf("link-up of counter %s: %w", l.cfg.Counter, err)
	}
	if w.head.Number > delivered.Number {
		return w.expected, l.cfg.Outbox.MarkDelivered(w.head.Number)
	}
	return w.expected, nil
}

// drain publishes every claim that is not delivered, each with the sequence it must follow. After an error the outcome
// of the last publish is unknown, so the caller compares heads again.
func (l *Link) drain(ctx context.Context, expected uint64) (uint64, error) {
	for number := l.cfg.Outbox.Delivered().Number + 1; number <= l.cfg.Outbox.Last().Number; number++ {
		signed, _, err := l.cfg.Outbox.Claim(number)
		if err != nil {
			return 0, fmt.Errorf("reading claim %d to send it: %w", number, err)
		}
		if expected, err = l.Publish(ctx, signed, expected); err != nil {
			return 0, fmt.Errorf("sending claim %d: %w", number, err)
		}
		crashPublished.Hit()
		if err := l.cfg.Outbox.MarkDelivered(number); err != nil {
			return 0, fmt.Errorf("recording that claim %d is at the hub: %w", number, err)
		}
		l.cfg.Changed(Up)
	}
	return expected, nil
}

// Publish stores one signed claim at the hub, provided that expected is the last sequence on the counter's subject, and
// returns the sequence it got. When it returns nil error the claim is durable there. After an error the outcome is
// unknown and heads must be compared before another publish.
func (l *Link) Publish(ctx context.Context, signed []byte, expected uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	ack, err := l.js.Publish(ctx, ClaimSubject(l.cfg.Counter), signed,
		jetstream.WithExpectStream(ClaimStream), jetstream.WithExpectLastSequencePerSubject(expected), jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// receive takes what the hub sends down, from the counter's own durable consumer, until ctx ends.
func (l *Link) receive(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.consume(ctx); err != nil && ctx.Err() == nil {
			l.cfg.Logger.Info("commands can't be taken from the hub", "counter", l.cfg.Counter, "why", err)
			l.pause(ctx, retryTime)
		}
	}
}

func (l *Link) consume(ctx context.Context) error {
	connected, broken := l.whileConnected(ctx)
	defer broken()
	if err := context.Cause(connected); err != nil {
		return err
	}
	setup, cancel := context.WithTimeout(connected, answerTime)
	defer cancel()
	// A consumer in memory: when it is lost everything of the last 30 days comes again, and what was seen is dropped. A hub
	// that was started again has lost it, so a line that broke is not waited for here.
	consumer, err := l.js.CreateOrUpdateConsumer(setup, CommandStream, jetstream.ConsumerConfig{
		Durable: l.cfg.Counter, FilterSubject: CommandSubject(l.cfg.Counter), AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: redeliveries, MemoryStorage: true, InactiveThreshold: Retention,
	})
	if err != nil {
		return fmt.Errorf("consumer of counter %s: %w", l.cfg.Counter, err)
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(retryTime), jetstream.PullExpiry(15*time.Second))
	if err != nil {
		return fmt.Errorf("reading the commands of counter %s: %w", l.cfg.Counter, err)
	}
	stop := context.AfterFunc(connected, messages.Stop)
	defer stop()
	defer messages.Stop()
	for {
		msg, err := messages.Next()
		if err != nil {
			return fmt.Errorf("reading the commands of counter %s: %w", l.cfg.Counter, err)
		}
		l.take(ctx, msg)
	}
}

func (l *Link) take(ctx context.Context, msg jetstream.Msg) {
	d, err := VerifyDownlink(l.cfg.Writers, l.cfg.SealKey, l.cfg.Counter, msg.Data())
	if err != nil {
		l.cfg.Alarm(err) // it can't be believed, and would not become better by coming again
		_ = msg.Term()
		return
	}
	if err := l.cfg.Received(ctx, d, msg.Data()); err != nil {
		if ctx.Err() == nil {
			l.cfg.Logger.Error("a command could not be stored, it will come again", "counter", l.cfg.Counter, "id", d.GetId(), "error", err)
		}
		_ = msg.NakWithDelay(retryTime)
		return
	}
	_ = msg.Ack() // lost: it comes again and is dropped by its id
}

// VerifyDownlink decodes a SealedDownlink, verifies that one of the writers signed it, opens it with the counter's key,
// and checks that it is meant for the counter. Errors: events.ErrMalformed, events.ErrSignature, ErrSealed, ErrMisaddressed.
func VerifyDownlink(writers []string, key hpke.PrivateKey, counter string, signed []byte) (*events.Downlink, error) {
	outer := &events.SealedDownlink{}
	if err := proto.Unmarshal(signed, outer); err != nil {
		return nil, fmt.Errorf("downlink of %d bytes: %w: %w", len(signed), err, events.ErrMalformed)
	}
	if !slices.Contains(writers, outer.GetWriter()) {
		return nil, fmt.Errorf("downlink by %q, which is none of the hub's writers: %w", outer.GetWriter(), events.ErrSignature)
	}
	if err := outer.Verify(); err != nil {
		return nil, err
	}
	d, err := OpenDownlink(key, counter, outer.GetSealed())
	if err != nil {
		return nil, err
	}
	if d.GetCounter() != counter || d.GetId() == "" {
		return nil, fmt.Errorf("downlink %q for counter %q came to %q: %w", d.GetId(), d.GetCounter(), counter, ErrMisaddressed)
	}
	return d, nil
}
