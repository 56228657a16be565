package counterlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"shomei/events"
	"shomei/pkg/wait"
)

// The pending limits of one counter at the gate: what comes while its last message is worked on.
const (
	pendingMessages = 256
	pendingBytes    = 4 << 20
)

// gate stands between the account of the counters and that of the log. It listens to each enrolled counter by itself,
// holds its bounds, stores its claims and answers into its own inbox, and nowhere else.
type gate struct {
	hub     *Hub
	handle  func(context.Context, Received) error
	ctx     context.Context // ends with Claims
	running *sync.WaitGroup
}

// guard is what the gate knows of one counter.
type guard struct {
	hub     *Hub
	counter string
	limits  limits
	lines   rate.Sometimes // log lines about this counter's misbehaviour

	mu      sync.Mutex
	gate    *gate // nil while Claims does not run
	gone    bool  // the counter is enrolled no more
	subs    []*nats.Subscription
	strikes int
	cuts    int
	cutOff  time.Time // until when; zero when it was never
	timer   *time.Timer
	session session
	down    outflow
	trouble trouble

	resuming bool
}

// session is the agent that is linked up as a counter.
type session struct {
	id     string
	client uint64
	link   string // the nonce of its last link-up
	heard  time.Time
}

// Admit sets the counters that are listened to. Whoever is not among them is deaf and dumb from now on; what it sent
// before is settled as that of a counter that is not enrolled.
func (h *Hub) Admit(counters []string) error {
	h.mu.Lock()
	var added, gone []*guard
	for _, counter := range counters {
		if h.guards[counter] == nil {
			h.guards[counter] = h.newGuard(counter)
			added = append(added, h.guards[counter])
		}
	}
	for counter, g := range h.guards {
		if !slices.Contains(counters, counter) {
			delete(h.guards, counter)
			gone = append(gone, g)
		}
	}
	gate := h.gate
	h.mu.Unlock()
	for _, g := range gone {
		g.dismiss()
	}
	var errs []error
	for _, g := range added {
		if gate != nil {
			errs = append(errs, g.listen(gate))
		}
	}
	return errors.Join(errs...)
}

func (h *Hub) newGuard(counter string) *guard {
	return &guard{
		hub: h, counter: counter, limits: newLimits(h.cfg.Bounds), lines: rate.Sometimes{First: 3, Interval: time.Minute},
		down: outflow{kick: make(chan struct{}, 1)},
	}
}

// openGate listens to every counter that is admitted, until the function it returns is called.
func (h *Hub) openGate(ctx context.Context, handle func(context.Context, Received) error, running *sync.WaitGroup) (shut func(), err error) {
	g := &gate{hub: h, handle: handle, ctx: ctx, running: running}
	for _, guard := range h.opened(g) {
		if err := guard.listen(g); err != nil {
			h.shutGate()
			return nil, err
		}
	}
	running.Go(func() { h.feed(ctx) })
	if h.cfg.Crowded != nil {
		running.Go(func() { h.countConnections(ctx) })
	}
	return h.shutGate, nil
}

func (h *Hub) opened(g *gate) []*guard {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate = g
	return slices.Collect(maps.Values(h.guards))
}

func (h *Hub) shutGate() {
	for _, g := range h.opened(nil) {
		g.mu.Lock()
		g.gate = nil
		g.deaf()
		g.mu.Unlock()
	}
}

// listen begins to hear the counter.
func (g *guard) listen(gate *gate) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gate, g.down.flowing = gate, false
	return g.hear()
}

// hear subscribes to what the counter says; the caller holds mu.
func (g *guard) hear() error {
	if g.gone || g.gate == nil || len(g.subs) > 0 {
		return nil
	}
	for subject, do := range map[string]func(*nats.Msg){
		ClaimSubject(g.counter): g.claim, ClaimSubject(g.counter) + ".*": g.said,
	} {
		sub, err := g.hub.cfg.Gate.Subscribe(subject, func(m *nats.Msg) { g.admit(m, do) })
		if err == nil {
			err = sub.SetPendingLimits(pendingMessages, pendingBytes)
		}
		if err != nil {
			g.deaf()
			return fmt.Errorf("listening to counter %s: %w", g.counter, err)
		}
		g.subs = append(g.subs, sub)
	}
	return nil
}

// deaf stops listening: the server drops what the counter sends. The caller holds mu.
func (g *guard) deaf() {
	for _, sub := range g.subs {
		_ = sub.Unsubscribe() // the connection is closed
	}
	g.subs, g.session = nil, session{}
	g.down.wake()
}

// dismiss ends what a counter that is retired had here.
func (g *guard) dismiss() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
	if g.timer != nil {
		g.timer.Stop()
	}
	g.deaf()
}

// admit lets a message through to do when its answer may go where it asks for, and when it is within the bounds.
func (g *guard) admit(m *nats.Msg, do func(*nats.Msg)) {
	if m.Reply != "" && !ownInbox(g.counter, m.Reply) {
		g.attempt(m.Reply)
		return
	}
	if dropped, _ := m.Sub.Dropped(); dropped > 0 {
		g.cut("it sends more than can be taken in")
		return
	}
	now := time.Now()
	wait := max(spend(now, 1, g.limits.messages), spend(now, len(m.Data)+messageCost, g.limits.bytes))
	if wait > 0 {
		g.busy(m, wait)
		return
	}
	g.mu.Lock()
	g.strikes = 0
	if g.session.id != "" && g.session.id == m.Header.Get(headerSession) {
		g.session.heard = now
	}
	g.mu.Unlock()
	do(m)
}

// countConnections cuts off, until ctx ends, each counter that has too many connections: they share what the account has.
func (h *Hub) countConnections(ctx context.Context) {
	for wait.For(ctx, countEvery) == nil {
		crowded, err := h.cfg.Crowded(maxConnections)
		if err != nil {
			h.cfg.Logger.Warn("the connections of counters can't be counted, trying again", "error", err)
		}
		for _, g := range h.allGuards() {
			if n := crowded[g.counter]; n > 0 {
				g.cut(fmt.Sprintf("it has %d connections, a counter may have %d", n, maxConnections))
			}
		}
	}
}

// attempt names a message whose answer was to go to a subject that is not the counter's own.
func (g *guard) attempt(reply string) {
	g.hub.metrics.refused.WithLabelValues(g.counter, "reply").Inc()
	g.say("a counter asks for an answer to a subject that is not its own; nothing was done. Its agent does not do that: find out who has its credentials, and retire it",
		"subject", fmt.Sprintf("%.80q", reply))
	g.remember(fmt.Sprintf("asked for an answer to %.80q, which is not its own", reply))
	g.strike()
}

// busy asks the counter to wait, as long as it listens.
func (g *guard) busy(m *nats.Msg, wait time.Duration) {
	g.hub.metrics.refused.WithLabelValues(g.counter, "rate").Inc()
	if g.strike() {
		return
	}
	busy := &denial{Code: codeBusy, Description: "this counter is beyond its bounds; go on in " + wait.Round(time.Millisecond).String()}
	g.answerWith(m, retryHeader(wait), stored{Error: busy})
}

// strike counts a message that should not have come, and reports whether it was one too many.
func (g *guard) strike() (cut bool) {
	g.mu.Lock()
	g.strikes++
	cut = g.strikes > strikes
	g.mu.Unlock()
	if cut {
		g.cut("it goes on beyond its bounds although it was told to wait")
	}
	return cut
}

// cut stops listening to the counter for a time that doubles, and has it disconnected: what a connected counter sends costs
// the server even when nobody listens.
func (g *guard) cut(why string) {
	d := g.stopListening(why)
	if d == 0 || g.hub.cfg.Suspend == nil {
		return
	}
	if err := g.hub.cfg.Suspend(g.counter, d); err != nil {
		g.say("a counter that is cut off could not be disconnected; what it sends is dropped", "error", err)
	}
}

// stopListening returns for how long; 0 when nobody listens to the counter now.
func (g *guard) stopListening(why string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.subs) == 0 || g.gate == nil {
		return 0
	}
	now := time.Now()
	if now.Sub(g.cutOff) > forgiven {
		g.cuts = 0
	}
	d := cutFor(g.cuts)
	g.cuts++
	g.strikes, g.cutOff = 0, now.Add(d)
	g.deaf()
	g.timer = time.AfterFunc(d, g.again)
	g.trouble.note(why, now)
	g.hub.metrics.cuts.WithLabelValues(g.counter).Inc()
	g.say("a counter is cut off", "why", why, "for", d)
	return d
}

// again listens to a counter that was cut off.
func (g *guard) again() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.hear(); err != nil {
		g.timer = time.AfterFunc(longestCut, g.again)
		g.say("a counter that was cut off can't be listened to again yet", "error", err)
	}
}

// say writes a line about the counter, now and then.
func (g *guard) say(line string, args ...any) {
	g.lines.Do(func() { g.hub.cfg.Logger.Warn(line, append([]any{"counter", g.counter}, args...)...) })
}

// said takes what is no claim.
func (g *guard) said(m *nats.Msg) {
	switch kind := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]; {
	case kind == sayHello:
		g.greet(m)
	case kind == sayCard: // it is signed, as the next are; the card's own commits bound it
		g.ask(kind, m)
	case kind == sayPerson, kind == sayCase:
		if wait := spend(time.Now(), 1, g.limits.questions); wait > 0 {
			g.busy(m, wait)
			return
		}
		g.ask(kind, m)
	case !g.inSession(m.Header):
		g.answerWith(m, nil, stored{Error: noSession()})
	case kind == sayAlive:
		g.answerWith(m, nil, stored{})
	case kind == sayTaken:
		g.taken(m.Header)
	case kind == sayBye:
		g.leave()
	}
}

func noSession() *denial {
	return &denial{Code: codeSession, Description: "no such session; link up first"}
}

// inSession reports whether a message is of the agent that is linked up.
func (g *guard) inSession(h nats.Header) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.session.id != "" && h.Get(headerSession) == g.session.id
}

func (g *guard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.session = session{}
	g.down.wake()
}

// live reports whether somebody is linked up; the caller holds mu.
func (g *guard) live() bool {
	s, connected := g.session, g.hub.cfg.Connected
	return s.id != "" && time.Since(s.heard) < g.hub.cfg.Silence && (connected == nil || s.client == 0 || connected(s.client))
}

// enter gives the session of the counter to an agent, unless another has it. The error is ErrSession.
func (g *guard) enter(asked hello) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.session.id != asked.session && g.live() {
		return fmt.Errorf("counter %s is in use by another agent, last heard %v ago; stop that one, or, if nobody knows of it, have the counter retired: its credentials were copied: %w",
			g.counter, time.Since(g.session.heard).Round(time.Second), ErrSession)
	}
	g.session = session{asked.session, asked.client, asked.nonce, time.Now()}
	g.down.relink()
	return nil
}

// claim stores a claim and passes the stream's acknowledgement on.
func (g *guard) claim(m *nats.Msg) {
	if m.Reply == "" {
		return // nobody would know whether it is stored
	}
	if why := g.unfit(m); why != nil {
		g.answerWith(m, nil, stored{Error: why})
		return
	}
	if g.full() {
		g.answerWith(m, retryHeader(answerTime), stored{Error: &denial{Code: codeBusy, Description: "too many claims of this counter wait to be handled"}})
		return
	}
	if wait := spend(time.Now(), len(m.Data)+messageCost, g.limits.share); wait > 0 {
		g.remember("has used up its share of the stream of claims")
		g.busy(m, min(wait, longestCut))
		return
	}
	g.answerWith(m, nil, g.store(m))
}

// unfit returns why a message can't be stored as a claim; nil when it can. One that is too large is kept in quarantine as
// far as it is needed to know it again.
func (g *guard) unfit(m *nats.Msg) *denial {
	if session := m.Header.Get(headerSession); session != "" && !g.inSession(m.Header) {
		return noSession()
	}
	if len(m.Data) <= maxClaim {
		return nil
	}
	g.mu.Lock()
	gate := g.gate
	g.mu.Unlock()
	why := fmt.Errorf("message of %d bytes, a claim has at most %d: %w", len(m.Data), maxClaim, ErrTooLarge)
	g.remember("sent " + why.Error())
	if gate != nil {
		if err := g.hub.lane(g.counter).setAside(gate.ctx, g.hub.quarantined(g.counter, 0, m.Data, why)); err != nil {
			return denialOf(err)
		}
	}
	return &denial{Code: codeTooLarge, Description: why.Error()}
}

// full reports whether as many claims wait as may.
func (g *guard) full() bool {
	messages, bytes := g.hub.lane(g.counter).waiting()
	return messages >= g.hub.cfg.Bounds.Waiting || bytes >= g.hub.cfg.Bounds.WaitingBytes
}

// store publishes a claim to the account of the log: its body and the sequence that the counter expects, and nothing else
// of what the counter sent.
func (g *guard) store(m *nats.Msg) stored {
	options := []jetstream.PublishOpt{jetstream.WithExpectStream(ClaimStream), jetstream.WithRetryAttempts(0)}
	if len(m.Header.Values(jetstream.ExpectedLastSubjSeqHeader)) > 0 {
		expected, err := parseSequence(m.Header, jetstream.ExpectedLastSubjSeqHeader)
		if err != nil {
			return stored{Error: &denial{Code: 400, Description: err.Error()}}
		}
		options = append(options, jetstream.WithExpectLastSequencePerSubject(expected))
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	ack, err := g.hub.js.Publish(ctx, ClaimSubject(g.counter), m.Data, options...)
	if err != nil {
		return stored{Error: denialOf(err)}
	}
	return stored{Stream: ack.Stream, Sequence: ack.Sequence}
}

// answerWith answers a message into the counter's inbox, which admit has looked at.
func (g *guard) answerWith(m *nats.Msg, header nats.Header, body stored) {
	if m.Reply == "" {
		return
	}
	data, err := json.Marshal(body)
	if err == nil {
		err = g.hub.cfg.Gate.PublishMsg(&nats.Msg{Subject: m.Reply, Header: header, Data: data})
	}
	if err != nil {
		g.say("a counter could not be answered, it will ask again", "error", err)
	}
}

// greet answers one link-up, and goes on with what the stream holds of that counter and nobody has handled: a process that
// died may have been given it, and a resident stands at that counter.
func (g *guard) greet(m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	if wait := spend(time.Now(), 1, g.limits.hellos); wait > 0 {
		g.busy(m, wait)
		return
	}
	g.mu.Lock()
	gate := g.gate
	g.mu.Unlock()
	if gate == nil {
		return
	}
	header, err := g.welcome(gate.ctx, m.Header)
	if err == nil {
		err = g.hub.cfg.Gate.PublishMsg(&nats.Msg{Subject: m.Reply, Header: header})
	}
	if err != nil && gate.ctx.Err() == nil {
		g.say("a link-up could not be answered, the counter will ask again", "error", err)
	}
	if header != nil {
		g.begin(gate, header.Get(headerRefused) == "")
	}
}

// begin takes up what waits from the counter, and, when it is linked up, what waits for it.
func (g *guard) begin(gate *gate, linked bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gate == nil {
		return
	}
	if !g.resuming {
		g.resuming = true
		gate.running.Go(func() { g.resume(gate) })
	}
	if linked && !g.down.flowing {
		g.down.flowing = true
		gate.running.Go(func() { g.deliver(gate.ctx) })
	}
	g.down.wake()
}

func (g *guard) resume(gate *gate) {
	g.hub.slots <- struct{}{}
	err := g.hub.lane(g.counter).resume(gate.ctx, gate.handle)
	<-g.hub.slots
	if err != nil && gate.ctx.Err() == nil {
		g.say("a claim waits and is tried again", "error", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resuming = false
}

// welcome makes the answer to a link-up. Without an error it is to be sent, be it a refusal.
func (g *guard) welcome(ctx context.Context, question nats.Header) (nats.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	h := g.hub
	now := h.cfg.Now() // before anything is waited for: it is when the question came
	asked, err := parseHello(question)
	if err != nil {
		return nil, err
	}
	enrolment, err := h.cfg.Enrolled(ctx, g.counter)
	if errors.Is(err, ErrNotEnrolled) {
		return welcome{}.header(h.cfg.Writer, g.counter, asked.nonce, err)
	}
	if err != nil {
		return nil, err
	}
	head, last, err := h.storedHead(ctx, g.counter, enrolment)
	if err != nil {
		return nil, err
	}
	if err := g.loadTaken(ctx); err != nil {
		return nil, err
	}
	differs := compareAtHub(head, asked)
	h.mismatches.note(g.counter, head, asked.head, differs)
	h.clocks.note(g.counter, asked.clock, now)
	if differs != nil && h.cfg.Mismatch != nil {
		h.cfg.Mismatch(g.counter, differs)
	}
	if differs == nil {
		differs = g.enter(asked)
	}
	if differs == nil {
		h.lane(g.counter).meet(now, max(asked.last, head.Number), last)
	}
	if errors.Is(differs, ErrSession) {
		h.metrics.refused.WithLabelValues(g.counter, "session").Inc()
		g.remember("a second agent asks to be this counter")
	}
	answer := welcome{head: head, expected: last, time: HubTime{At: now, Simulated: h.cfg.Simulated}}
	return answer.header(h.cfg.Writer, g.counter, asked.nonce, differs)
}

// commandHeader is what a command carries beside its sealed body.
func commandHeader(link string, c command) nats.Header {
	return nats.Header{headerLink: {link}, headerPlace: {strconv.FormatUint(c.place, 10)}}
}

// maxClaim bounds a claim that is stored, in bytes: what goes to quarantine whole fits into a commit.
const maxClaim = events.MaxStored - 64<<10
