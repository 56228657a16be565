package counterlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/nats-io/nuid"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/crashpoint"
	"shomei/pkg/wait"
)

var crashPublished = crashpoint.Register("counterlink.claim.published")

// Outbox is a counter's chain of claims as a Link needs it: durable, ordered, safe for concurrent use.
type Outbox interface {
	// Last returns the newest claim of the store, delivered or not; Number 0 if there is none.
	Last() Head
	// Delivered returns the newest claim known to be at the hub.
	Delivered() Head
	// Claim returns a signed claim by number, and its hash. Numbers from Delivered on are always there.
	Claim(number uint64) (signed, hash []byte, err error)
	// MarkDelivered records, durably before it returns, that all claims up to number are at the hub.
	MarkDelivered(number uint64) error
}

// LinkState is the state of a counter's link to its hub.
type LinkState int32

// The states of a link.
const (
	// Away: the hub is unreachable; claims wait in the store.
	Away LinkState = iota
	// Comparing: connected, comparing heads for the first time since the hub was away.
	Comparing
	// Up: claims are sent as they are made.
	Up
	// Mismatched: hub and counter disagree (ErrHeadMismatch); claims wait for a person's decision.
	Mismatched
	// Taken: another agent is linked up as this counter (ErrSession); claims wait until it leaves.
	Taken
)

// String returns the English word for the state.
func (s LinkState) String() string {
	return [...]string{"away", "comparing", "up", "mismatched", "taken"}[s]
}

// LinkConfig configures a Link; all but Alarm, Changed, Now and Timed are required.
type LinkConfig struct {
	Conn    *nats.Conn
	Counter string
	Outbox  Outbox
	// SealKey opens what the hub sealed to this counter.
	SealKey hpke.PrivateKey
	// Writers are the trusted public nkeys of the hub.
	Writers []string
	// Received is called with each command or answer in order, and with its sealed form for storage. It is acknowledged
	// once Received returns nil, so it must be durable by then; after an error it comes again.
	Received func(ctx context.Context, d *events.Downlink, signed []byte) error
	// Alarm is called with what needs a person: ErrHeadMismatch, ErrSession, downlinks that don't verify.
	Alarm func(error)
	// Changed is called with each change of state, and with Up again after each delivered claim.
	Changed func(LinkState)
	// Now is the counter's clock, which is sent to the hub; nil: the system clock.
	Now func() time.Time
	// Timed is called with the hub's time at each link-up whose heads agree, before the state is Up; it may be nil.
	Timed  func(HubTime) error
	Logger *slog.Logger
}

// Link is the counter's end of the wire. It talks to the hub's gate and nothing else.
type Link struct {
	cfg     LinkConfig
	session string
	kick    chan struct{}
	state   atomic.Int32

	mu    sync.Mutex
	link  string // the nonce of the last link-up
	taken uint64 // position of the last command received in it
}

const (
	answerTime = 5 * time.Second
	// A failed attempt is repeated after a twentieth of a second, then more and more slowly.
	shortestRetry = 50 * time.Millisecond
	retryTime     = 2 * time.Second
	longestReturn = 4 * time.Second
	// compareEvery is how often an open link compares again, so that hub and counter see each other's clocks.
	compareEvery = time.Minute
)

// ConnectOptions returns the options of a counter's connection: its nkey and its JWT, its own inbox, and endless
// reconnecting. Callers add nats.Secure for TLS.
func ConnectOptions(counter, jwt string, key nkeys.KeyPair) []nats.Option {
	return []nats.Option{
		nats.Name("counter " + counter), nats.UserJWT(func() (string, error) { return jwt, nil }, key.Sign),
		nats.CustomInboxPrefix(InboxPrefix(counter)),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(comeBack), nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
	}
}

// comeBack returns the wait before the next attempt to connect: short at first, because somebody is standing at the
// counter, then longer, and never the same for all counters.
func comeBack(attempts int) time.Duration {
	longest := min(200*time.Millisecond<<min(attempts, 5), longestReturn)
	return longest/4 + rand.N(longest)
}

// NewLink makes a Link. It sends nothing before Run.
func NewLink(cfg LinkConfig) (*Link, error) {
	if !events.ValidID(cfg.Counter) {
		return nil, fmt.Errorf("link of counter %q: %w", cfg.Counter, ErrMisaddressed)
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
	return &Link{cfg: cfg, session: nuid.Next(), kick: make(chan struct{}, 1)}, nil
}

// State returns the current state of the link.
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

// Run keeps the link up until ctx ends: it compares heads, sends the outbox in order, and receives what the hub sends.
// It survives every loss of the connection and returns nil once ctx has ended.
func (l *Link) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.receive(ctx)
	}()
	defer func() { <-done; l.bye() }()
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
		if finding := l.fell(err); finding != "" && finding != alarmed { // once per finding, not per attempt
			alarmed = finding
			l.cfg.Alarm(err)
		}
		l.pause(ctx, max(wait, retryAfter(err)))
		wait = min(2*wait, retryTime)
	}
	l.enter(Away)
	return nil
}

// fell enters the state that an error implies, and returns what to alarm a person with, if anything.
func (l *Link) fell(err error) (finding string) {
	switch {
	case errors.Is(err, ErrSession):
		l.enter(Taken)
		return ErrSession.Error()
	case needsPerson(err):
		l.enter(Mismatched)
		return err.Error()
	}
	l.enter(Away)
	l.cfg.Logger.Info("hub unavailable, claims wait in the store", "counter", l.cfg.Counter, "why", err)
	return ""
}

// retryAfter returns how long the hub has asked this counter to wait, or 0.
func retryAfter(err error) time.Duration {
	var busy *busyError
	if errors.As(err, &busy) {
		return busy.after
	}
	return 0
}

func needsPerson(err error) bool {
	return errors.Is(err, ErrHeadMismatch) || errors.Is(err, events.ErrSignature) || errors.Is(err, events.ErrMalformed)
}

// pause waits until another attempt makes sense: the connection is back, or about that time has passed. The jitter
// keeps counters that lost the hub together from returning together.
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

// serve runs one link-up: compare, then send until something is in doubt.
func (l *Link) serve(ctx context.Context) error {
	ctx, cancel := l.whileConnected(ctx)
	defer cancel()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if s := l.State(); s != Mismatched && s != Taken { // either lasts until a comparison finds otherwise
		l.enter(Comparing)
	}
	expected, err := l.linkUp(ctx)
	if err != nil {
		return err
	}
	l.enter(Up)
	again := time.NewTicker(compareEvery)
	defer again.Stop()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
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
		case <-beat.C:
			if _, err := l.ask(ctx, ClaimSubject(l.cfg.Counter)+"."+sayAlive, nil, nil); err != nil {
				return fmt.Errorf("telling the hub that the counter is there: %w", err)
			}
		}
	}
}

// ask sends the gate a message of this session and returns the sequence it answers. A refusal is a *busyError or a
// *denial.
func (l *Link) ask(ctx context.Context, subject string, header nats.Header, data []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if header == nil {
		header = nats.Header{}
	}
	header.Set(headerSession, l.session)
	answer, err := l.cfg.Conn.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Header: header, Data: data})
	if err != nil {
		return 0, err
	}
	return parseStored(answer)
}

// tell sends the gate a message of this session that has no answer.
func (l *Link) tell(kind string, header nats.Header) error {
	header.Set(headerSession, l.session)
	return l.cfg.Conn.PublishMsg(&nats.Msg{Subject: ClaimSubject(l.cfg.Counter) + "." + kind, Header: header})
}

// bye ends the session. If it is lost, the hub notices the end of the connection or waits.
func (l *Link) bye() {
	if l.cfg.Conn.IsConnected() {
		_ = l.tell(sayBye, nats.Header{})
		_ = l.cfg.Conn.FlushTimeout(retryTime)
	}
}

// whileConnected returns a context that ends when the connection breaks: a pending answer never comes then.
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
	client, _ := l.cfg.Conn.GetClientID() // 0: unknown
	question := hello{head: delivered, nonce: nuid.Next(), session: l.session, client: client}
	l.mu.Lock()
	l.link, l.taken = question.nonce, 0 // before sending: commands may arrive before the answer is read
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	msg := &nats.Msg{Subject: HelloSubject(l.cfg.Counter), Header: l.stamp(question.header())}
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

// drain publishes every undelivered claim, each with the sequence it must follow. After an error the outcome of the
// last publish is unknown, so the caller compares heads again.
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

// Publish stores one signed claim at the hub if expected is the last sequence on the counter's subject, and returns its
// sequence; the claim is durable then. It waits if the hub asks for that. After an error the outcome is unknown and
// heads must be compared before another publish.
func (l *Link) Publish(ctx context.Context, signed []byte, expected uint64) (uint64, error) {
	for {
		header := nats.Header{jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(expected, 10)}}
		sequence, err := l.ask(ctx, ClaimSubject(l.cfg.Counter), header, signed)
		after := retryAfter(err)
		if after == 0 {
			return sequence, err
		}
		_ = wait.For(ctx, after)
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
	}
}

// receive receives what the hub sends, one message after another, until ctx ends.
func (l *Link) receive(ctx context.Context) {
	sent := make(chan *nats.Msg, 2*window)
	sub, err := l.cfg.Conn.ChanSubscribe(CommandSubject(l.cfg.Counter), sent)
	if err != nil {
		l.cfg.Logger.Error("can't receive commands from the hub", "counter", l.cfg.Counter, "error", err)
		return
	}
	defer sub.Unsubscribe()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-sent:
			l.take(ctx, m)
		}
	}
}

// take accepts a command if it is the next one, and tells the gate. One that can't be stored comes again, with
// everything after it.
func (l *Link) take(ctx context.Context, m *nats.Msg) {
	position, err := parseSequence(m.Header, headerPlace)
	l.mu.Lock()
	link, taken := l.link, l.taken
	l.mu.Unlock()
	if err != nil || m.Header.Get(headerLink) != link || position > taken+1 {
		return // of another link-up, or something before it is missing
	}
	if position > taken {
		if !l.received(ctx, m.Data) {
			return
		}
		l.mu.Lock()
		if l.link == link {
			l.taken = position
		}
		l.mu.Unlock()
	}
	_ = l.tell(sayTaken, nats.Header{
		headerLink: {link}, headerPlace: {strconv.FormatUint(max(position, taken), 10)},
	}) // lost: it comes again
}

// received passes a command on and reports whether the counter is done with it.
func (l *Link) received(ctx context.Context, data []byte) bool {
	d, err := VerifyDownlink(l.cfg.Writers, l.cfg.SealKey, l.cfg.Counter, data)
	if err != nil {
		l.cfg.Alarm(err) // not authentic: sending it again would not help
		return true
	}
	if err := l.cfg.Received(ctx, d, data); err != nil {
		if ctx.Err() == nil {
			l.cfg.Logger.Error("could not store a command; the hub will send it again",
				"counter", l.cfg.Counter, "id", d.GetId(), "error", err)
		}
		return false
	}
	return true
}

// VerifyDownlink decodes a SealedDownlink, verifies that one of the writers signed it, opens it with the counter's key,
// and checks that it is for this counter. Errors: events.ErrMalformed, events.ErrSignature, ErrSealed, ErrMisaddressed.
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
