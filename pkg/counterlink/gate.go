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

// Limits on what may be pending from one counter while its last message is handled.
const (
	pendingMessages = 256
	pendingBytes    = 4 << 20
)

// gate stands between the counters' account and the log's. It listens to each enrolled counter separately, enforces its
// bounds, stores its claims, and answers only to its own inbox.
type gate struct {
	hub     *Links
	handle  func(context.Context, Received) error
	ctx     context.Context // ends with Claims
	running *sync.WaitGroup
}

// guard is the gate's state for one counter.
type guard struct {
	hub     *Links
	counter string
	limits  limits
	lines   rate.Sometimes // log lines about this counter's misbehaviour

	mu      sync.Mutex
	gate    *gate // nil while Claims does not run
	gone    bool  // the counter is no longer enrolled
	subs    []*nats.Subscription
	strikes int
	cuts    int
	cutOff  time.Time // until when; zero if never
	timer   *time.Timer
	session session
	heard   time.Time // when the counter last sent anything
	version string    // of its program, at its last link-up
	down    outflow
	trouble trouble

	resuming bool
}

// session is the agent linked up as a counter.
type session struct {
	id     string
	client uint64
	link   string // the nonce of its last link-up
	heard  time.Time
}

// Admit sets the counters that are listened to. All others are cut off; what they sent before is settled as from a
// counter that is not enrolled.
func (h *Links) Admit(counters []string) error {
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

func (h *Links) newGuard(counter string) *guard {
	return &guard{
		hub: h, counter: counter, limits: newLimits(h.cfg.Bounds), lines: rate.Sometimes{First: 3, Interval: time.Minute},
		down: outflow{kick: make(chan struct{}, 1)},
	}
}

// openGate listens to every admitted counter until the returned function is called.
func (h *Links) openGate(
	ctx context.Context,
	handle func(context.Context, Received) error,
	running *sync.WaitGroup,
) (shut func(), err error) {
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

func (h *Links) opened(g *gate) []*guard {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate = g
	return slices.Collect(maps.Values(h.guards))
}

func (h *Links) shutGate() {
	for _, g := range h.opened(nil) {
		g.mu.Lock()
		g.gate = nil
		g.deaf()
		g.mu.Unlock()
	}
}

// listen starts hearing the counter.
func (g *guard) listen(gate *gate) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gate, g.down.flowing = gate, false
	return g.hear()
}

// hear subscribes to the counter's subjects; the caller holds mu.
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

// dismiss ends the session of a retired counter.
func (g *guard) dismiss() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
	if g.timer != nil {
		g.timer.Stop()
	}
	g.deaf()
}

// admit passes a message to do if its reply subject is allowed and it is within the bounds.
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
	g.strikes, g.heard = 0, now
	if g.session.id != "" && g.session.id == m.Header.Get(headerSession) {
		g.session.heard = now
	}
	g.mu.Unlock()
	do(m)
}

// countConnections cuts off each counter with too many connections, until ctx ends: they all share the account's.
func (h *Links) countConnections(ctx context.Context) {
	for wait.For(ctx, countEvery) == nil {
		crowded, err := h.cfg.Crowded(maxConnections)
		if err != nil {
			h.cfg.Logger.Warn("can't count the counters' connections, retrying", "error", err)
		}
		for _, g := range h.allGuards() {
			if n := crowded[g.counter]; n > 0 {
				g.cut(fmt.Sprintf("it has %d connections, a counter may have %d", n, maxConnections))
			}
		}
	}
}

// attempt records a message whose reply subject is not the counter's own.
func (g *guard) attempt(reply string) {
	g.hub.metrics.refused.WithLabelValues(g.counter, "reply").Inc()
	g.say("a counter asks for an answer to a subject that is not its own; nothing was done. Its agent does not do that: find out who has its credentials, and retire it",
		"subject", fmt.Sprintf("%.80q", reply))
	g.remember(fmt.Sprintf("asked for an answer to %.80q, which is not its own", reply))
	g.strike()
}

// busy asks the counter to wait, if it is listening.
func (g *guard) busy(m *nats.Msg, wait time.Duration) {
	g.hub.metrics.refused.WithLabelValues(g.counter, "rate").Inc()
	if g.strike() {
		return
	}
	busy := &denial{Code: codeBusy, Description: "this counter is beyond its bounds; go on in " + wait.Round(time.Millisecond).String()}
	g.answerWith(m, retryHeader(wait), stored{Error: busy})
}

// strike counts an excess message, and reports whether it was one too many.
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

// cut stops listening to the counter for a time that doubles, and disconnects it: what a connected counter sends costs
// the server even if nobody listens.
func (g *guard) cut(why string) {
	d := g.stopListening(why)
	if d == 0 || g.hub.cfg.Suspend == nil {
		return
	}
	if err := g.hub.cfg.Suspend(g.counter, d); err != nil {
		g.say("a counter that is cut off could not be disconnected; what it sends is dropped", "error", err)
	}
}

// stopListening returns for how long; 0 if nobody listens to the counter anyway.
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

// again resumes listening to a counter that was cut off.
func (g *guard) again() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.hear(); err != nil {
		g.timer = time.AfterFunc(longestCut, g.again)
		g.say("a counter that was cut off can't be listened to again yet", "error", err)
	}
}

// say logs a line about the counter, rate limited.
func (g *guard) say(line string, args ...any) {
	g.lines.Do(func() { g.hub.cfg.Logger.Warn(line, append([]any{"counter", g.counter}, args...)...) })
}

// said handles every message that is not a claim.
func (g *guard) said(m *nats.Msg) {
	switch kind := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]; {
	case kind == sayHello:
		g.greet(m)
	case kind == sayCard: // signed, as are the next four; the card's own commits bound it
		g.ask(kind, m)
	case kind == sayPerson, kind == sayCase, kind == sayApproval, kind == sayFind:
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

// inSession reports whether a message is from the agent that is linked up.
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

// live reports whether an agent is linked up; the caller holds mu.
func (g *guard) live() bool {
	s, connected := g.session, g.hub.cfg.Connected
	return s.id != "" && time.Since(s.heard) < g.hub.cfg.Silence && (connected == nil || s.client == 0 || connected(s.client))
}

// enter gives the counter's session to an agent, unless another has it. The error is ErrSession.
func (g *guard) enter(asked hello) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.session.id != asked.session && g.live() {
		return fmt.Errorf("counter %s is in use by another agent, last heard %v ago; stop that one, or, if nobody knows of it, have the counter retired: its credentials were copied: %w",
			g.counter, time.Since(g.session.heard).Round(time.Second), ErrSession)
	}
	g.session, g.version = session{asked.session, asked.client, asked.nonce, time.Now()}, asked.version
	g.down.relink()
	return nil
}

// claim stores a claim and passes the stream's acknowledgement on.
func (g *guard) claim(m *nats.Msg) {
	if m.Reply == "" {
		return // nobody would learn whether it is stored
	}
	if why := g.unfit(m); why != nil {
		g.answerWith(m, nil, stored{Error: why})
		return
	}
	if g.full() {
		g.answerWith(m, retryHeader(answerTime), stored{Error: &denial{
			Code: codeBusy, Description: "too many claims of this counter wait to be handled",
		}})
		return
	}
	if wait := spend(time.Now(), len(m.Data)+messageCost, g.limits.share); wait > 0 {
		g.remember("has used up its share of the stream of claims")
		g.busy(m, min(wait, longestCut))
		return
	}
	g.answerWith(m, nil, g.store(m))
}

// unfit returns why a message can't be stored as a claim, or nil. Of one that is too large, quarantine keeps only what
// identifies it.
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
		if err := g.hub.queue(g.counter).setAside(gate.ctx, g.hub.quarantined(g.counter, 0, m.Data, why)); err != nil {
			return denialOf(err)
		}
	}
	return &denial{Code: codeTooLarge, Description: why.Error()}
}

// full reports whether as many claims wait as are allowed.
func (g *guard) full() bool {
	messages, bytes := g.hub.queue(g.counter).waiting()
	return messages >= g.hub.cfg.Bounds.Waiting || bytes >= g.hub.cfg.Bounds.WaitingBytes
}

// store publishes a claim to the log's account: its body and the sequence that the counter expects, and nothing else
// that the counter sent.
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

// answerWith answers to the counter's inbox, which admit has checked.
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

// greet answers a link-up and resumes with the counter's unhandled claims in the stream: a process that died may have
// had them, and a resident is standing at that counter.
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

// begin resumes with the counter's waiting claims and, if it is linked up, with its waiting commands.
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
	err := g.hub.queue(g.counter).resume(gate.ctx, gate.handle)
	<-g.hub.slots
	if err != nil && gate.ctx.Err() == nil {
		g.say("could not handle a claim, retrying", "error", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resuming = false
}

// welcome makes the answer to a link-up, which may be a refusal. It is to be sent unless err is set.
func (g *guard) welcome(ctx context.Context, question nats.Header) (nats.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	h := g.hub
	now := h.cfg.Now() // before any waiting: this is when the question came
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
		h.queue(g.counter).meet(now, max(asked.last, head.Number), last)
	}
	if errors.Is(differs, ErrSession) {
		h.metrics.refused.WithLabelValues(g.counter, "session").Inc()
		g.remember("a second agent asks to be this counter")
	}
	answer := welcome{head: head, expected: last, time: HubTime{At: now, Simulated: h.cfg.Simulated}}
	return answer.header(h.cfg.Writer, g.counter, asked.nonce, differs)
}

// commandHeader returns the header sent with a command's sealed body.
func commandHeader(link string, c command) nats.Header {
	return nats.Header{headerLink: {link}, headerPlace: {strconv.FormatUint(c.position, 10)}}
}

// maxClaim bounds a stored claim, in bytes: whatever is quarantined whole must fit into a commit.
const maxClaim = events.MaxStored - 64<<10
