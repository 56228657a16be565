package counterlink

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"shomei/events"
	"shomei/pkg/crashpoint"
	"shomei/pkg/wait"
)

var crashHandled = crashpoint.Register("counterlink.claim.handled")

// queue holds the claims of one counter that wait to be handled, in order, and its head.
//
// The head is saved at most once a second, not for every claim: after a crash it is a little behind, and what lies
// between is read from the stream again and recognised by the chain and, above, by the ids of the claims.
type queue struct {
	hub     *Links
	counter string
	lines   rate.Sometimes // log lines about this counter

	mu       sync.Mutex // messages, bytes, newest, running, stuck, why
	messages []jetstream.Msg
	bytes    int // of messages
	newest   uint64
	running  bool
	stuck    time.Time // since when the first can't be handled; zero if it can
	why      error

	asideMu sync.Mutex // keeps, beyond
	keeps   *rate.Limiter
	beyond  uint64

	headMu   sync.Mutex // everything below; held while a message is settled
	head     Head
	loaded   bool
	revision uint64 // sequence of the saved head in HeadStream
	dirty    bool
	walked   bool // everything between head and messages has been checked in this process
}

func (h *Links) newQueue(counter string) *queue {
	perDay := rate.Every(24 * time.Hour / time.Duration(h.cfg.Bounds.Quarantine))
	return &queue{
		hub: h, counter: counter, lines: rate.Sometimes{First: 3, Interval: time.Minute},
		keeps: rate.NewLimiter(perDay, h.cfg.Bounds.Quarantine),
	}
}

// waiting returns the number of waiting claims, and of their bytes.
func (l *queue) waiting() (messages, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.messages), l.bytes
}

// enqueue queues a delivered message and reports whether the caller must start run. Beyond its counter's bounds a
// message is left for redelivery: it is read from the stream when its turn comes.
func (l *queue) enqueue(msg jetstream.Msg) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	meta, err := msg.Metadata()
	if err != nil || (meta.Sequence.Stream <= l.newest && len(l.messages) > 0) {
		return false // a redelivery of what is in the queue
	}
	if bounds := l.hub.cfg.Bounds; len(l.messages) > 2*bounds.Waiting || l.bytes > 2*bounds.WaitingBytes {
		return false
	}
	l.newest = max(l.newest, meta.Sequence.Stream)
	l.messages = append(l.messages, msg)
	l.bytes += len(msg.Data())
	start := !l.running
	l.running = true
	return start
}

func (l *queue) first() jetstream.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.messages) == 0 {
		l.running = false
		return nil
	}
	return l.messages[0]
}

func (l *queue) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= len(l.messages[0].Data())
	l.messages = l.messages[1:]
	l.stuck, l.why = time.Time{}, nil
}

// stillWorking keeps the server from redelivering what waits here.
func (l *queue) stillWorking() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, msg := range l.messages {
		_ = msg.InProgress() // lost: a redelivery, which is recognised
	}
}

// run settles what waits, in order, until the queue is empty.
func (l *queue) run(ctx context.Context, handle func(context.Context, Received) error) {
	pause := 50 * time.Millisecond
	for msg := l.first(); msg != nil && ctx.Err() == nil; msg = l.first() {
		l.hub.slots <- struct{}{}
		err := l.settleDelivery(ctx, msg, handle)
		<-l.hub.slots
		if err == nil {
			_ = msg.Ack() // lost: a redelivery, which is recognised
			l.drop()
			pause = 50 * time.Millisecond
			continue
		}
		if ctx.Err() == nil {
			l.fails(err)
		}
		l.stillWorking()
		_ = wait.For(ctx, pause)
		pause = min(2*pause, claimWait/4)
	}
	l.abandon(ctx)
}

// fails records that the first claim can't be handled at present.
func (l *queue) fails(err error) {
	l.lines.Do(func() {
		l.hub.cfg.Logger.Error("could not handle a claim, retrying", "counter", l.counter, "error", err)
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stuck.IsZero() {
		l.stuck = time.Now()
	}
	l.why = err
}

// stuckAfter is how long a claim may wait before health names its counter.
const stuckAfter = 10 * time.Second

func (l *queue) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stuck.IsZero() || time.Since(l.stuck) < stuckAfter {
		return nil
	}
	return fmt.Errorf("%d claims of counter %s wait since %s, the first can't be handled: %w",
		len(l.messages), l.counter, l.stuck.Format(time.TimeOnly), l.why)
}

// abandon empties the queue when ctx has ended: what is not acknowledged is redelivered to the next process.
func (l *queue) abandon(ctx context.Context) {
	if ctx.Err() == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, msg := range l.messages {
		_ = msg.Nak()
	}
	l.messages, l.newest, l.running = nil, 0, false
}

func (l *queue) settleDelivery(ctx context.Context, msg jetstream.Msg, handle func(context.Context, Received) error) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("claim of counter %s: %w", l.counter, err)
	}
	m := message{meta.Sequence.Stream, msg.Data(), meta.NumDelivered > 1, meta.Timestamp}
	return l.settling(ctx, func(e Enrolment) error { return l.settleUpTo(ctx, e, m, handle) })
}

// settling calls do with the head locked and loaded, and the counter's enrolment.
func (l *queue) settling(ctx context.Context, do func(Enrolment) error) error {
	l.headMu.Lock()
	defer l.headMu.Unlock()
	if err := l.load(ctx); err != nil {
		return err
	}
	enrolment, err := l.enrolment(ctx)
	if err != nil {
		return err
	}
	return do(enrolment)
}

// message is one stored message of the counter.
type message struct {
	sequence    uint64
	data        []byte
	redelivered bool
	stored      time.Time
}

// settleUpTo settles a message and everything of the counter between the head and it. Messages come in the stream's
// order, except those delivered before to a process that died; they are read from the stream.
func (l *queue) settleUpTo(ctx context.Context, enrolment Enrolment, m message, handle func(context.Context, Received) error) error {
	if m.sequence > l.head.Sequence && (!l.walked || !l.continues(m)) {
		if err := l.reload(ctx); err != nil {
			return err
		}
		if err := l.settleStored(ctx, enrolment, m.sequence, handle); err != nil {
			return err
		}
		l.walked = true
	}
	return l.settle(ctx, enrolment, m, handle)
}

// settleStored settles what the stream holds of the counter between the head and a sequence, exclusive.
func (l *queue) settleStored(ctx context.Context, enrolment Enrolment, before uint64, handle func(context.Context, Received) error) error {
	for l.head.Sequence < before {
		next, err := l.hub.nextIn(ctx, l.hub.claims, ClaimSubject(l.counter), l.head.Sequence+1)
		if err != nil || next == nil || next.sequence >= before {
			return err
		}
		next.redelivered = true
		if err := l.settle(ctx, enrolment, *next, handle); err != nil {
			return err
		}
	}
	return nil
}

// resume settles everything that the stream holds of the counter beyond the head. Later deliveries of it are
// recognised.
func (l *queue) resume(ctx context.Context, handle func(context.Context, Received) error) error {
	return l.settling(ctx, func(e Enrolment) error {
		last, err := l.hub.lastOf(ctx, l.counter)
		if err != nil || last <= l.head.Sequence {
			return err
		}
		return l.settleStored(ctx, e, last+1, handle)
	})
}

// continues reports whether a message claims to be the next one. Settling it decides whether that is true.
func (l *queue) continues(m message) bool {
	claim, hash, err := ParseClaim(m.data)
	if err != nil {
		return false
	}
	verdict, err := l.head.Judge(claim, hash)
	return err == nil && verdict == Next
}

// judge verifies a message and returns how it relates to the head.
func (l *queue) judge(enrolment Enrolment, data []byte) (claim *events.Claim, hash []byte, verdict Verdict, err error) {
	return judge(l.head, l.counter, enrolment, data)
}

func judge(head Head, counter string, enrolment Enrolment, data []byte) (claim *events.Claim, hash []byte, verdict Verdict, err error) {
	outer, claim, hash, err := parseClaim(data)
	if err != nil {
		return nil, nil, 0, err
	}
	if enrolment.PublicKey == "" {
		return claim, hash, 0, fmt.Errorf("counter %s: %w", counter, ErrNotEnrolled)
	}
	if err := outer.Verify(enrolment.PublicKey); err != nil {
		return claim, hash, 0, fmt.Errorf("claim %s of counter %s: %w", claim.GetId(), claim.GetCounter(), err)
	}
	if claim.GetCounter() != counter {
		return claim, hash, 0, fmt.Errorf("claim of counter %q on the subject of %q: %w", claim.GetCounter(), counter, ErrMisaddressed)
	}
	verdict, err = head.Judge(claim, hash)
	return claim, hash, verdict, err
}

// settle passes a message on, drops it or sends it to quarantine, and moves the head past it.
func (l *queue) settle(ctx context.Context, enrolment Enrolment, m message, handle func(context.Context, Received) error) error {
	claim, hash, verdict, why := l.judge(enrolment, m.data)
	switch {
	case why != nil:
		if l.settledBefore(m, why) {
			return nil
		}
		if err := l.setAside(ctx, l.hub.quarantined(l.counter, claim.GetNumber(), m.data, why)); err != nil {
			return err
		}
	case verdict == Next:
		l.head.Time = l.head.Time.proved(m.sequence)
		known := l.head.Time.evidence(claim.GetNumber(), m.stored)
		r := Received{Claim: claim, Signed: m.data, Hash: hash, Enrolment: enrolment, Redelivered: m.redelivered, Link: known}
		if err := handle(ctx, r); err != nil {
			return fmt.Errorf("handling claim %d of counter %s: %w", claim.GetNumber(), l.counter, err)
		}
		crashHandled.Hit()
		l.head = l.head.Advance(claim, hash)
		l.head.Time = l.head.Time.took(claim, known)
	}
	l.head.Sequence, l.dirty = max(l.head.Sequence, m.sequence), true
	return nil
}

func (h *Links) quarantined(counter string, number uint64, data []byte, why error) Quarantined {
	return Quarantined{ID: hex.EncodeToString(events.Hash(data)), Counter: counter, Number: number, Signed: data, Why: why}
}

// setAside sends a message to quarantine. Once a counter has used up its entries, further ones are counted, and the
// count is recorded each time it doubles.
func (l *queue) setAside(ctx context.Context, q Quarantined) error {
	l.asideMu.Lock()
	defer l.asideMu.Unlock()
	outcome := "kept"
	if l.keeps.Tokens() < 1 {
		outcome = "counted"
		l.beyond++
		q.Beyond = l.beyond
	}
	l.hub.metrics.quarantined.WithLabelValues(l.counter, outcome).Inc()
	if q.Beyond&(q.Beyond-1) != 0 {
		return nil // counted, and not a power of two
	}
	l.lines.Do(func() {
		l.hub.cfg.Logger.Warn("quarantining a claim", "counter", l.counter, "number", q.Number, "beyond", q.Beyond, "why", q.Why)
	})
	if err := l.hub.cfg.Quarantine(ctx, q); err != nil {
		if q.Beyond > 0 {
			l.beyond--
		}
		return fmt.Errorf("sending claim %d of counter %s to quarantine: %w", q.Number, l.counter, err)
	}
	l.keeps.Allow()
	return nil
}

// settledBefore reports whether a message that the head passed long ago has come again, as after the loss of the
// consumer. Its number is too old to compare, and it was checked when the head passed it. Whatever fails to verify is
// quarantined again.
func (l *queue) settledBefore(m message, why error) bool {
	return m.sequence <= l.head.Sequence && errors.Is(why, ErrLate)
}

func (l *queue) enrolment(ctx context.Context) (Enrolment, error) {
	enrolment, err := l.hub.cfg.Enrolled(ctx, l.counter)
	if errors.Is(err, ErrNotEnrolled) {
		return Enrolment{}, nil
	}
	if err != nil {
		return Enrolment{}, fmt.Errorf("looking up counter %s: %w", l.counter, err)
	}
	return enrolment, nil
}
