package eventlog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/wait"
)

// Envelope describes where a commit comes from.
type Envelope struct {
	// CommandID lets a repeated command get its first outcome. Required.
	CommandID string
	// CausationID is the command or event that led here, CorrelationID the procedure.
	CausationID, CorrelationID string
	// Office and Counter are where it was done.
	Office, Counter string
	// Traceparent is the W3C trace context.
	Traceparent string
	// Actor is who acted, SecondOfficer who approved it.
	Actor, SecondOfficer *events.Actor
	// Proof is what the actor signed, SecondProof what the second officer did; nil: nothing.
	Proof, SecondProof *events.ActProof
	// Receipt is the evidence for the filed times, if that is less than a confirmed clock.
	Receipt *events.ReceiptEvidence
	// Redelivered: the command may have been answered long ago, so the whole history is searched for it.
	Redelivered bool
}

// Outcome is the result of an Update.
type Outcome struct {
	// Commit is what was stored; nil if the decision was that nothing happened.
	Commit *events.Commit
	// State is the encoded state after it. It must not be changed.
	State []byte
	// Repeated: the command had been answered before, and Commit is that first answer.
	Repeated bool
}

// Update decides about one aggregate and stores the outcome as one commit. decide gets the verified end and returns
// events, whose recorded time Update sets; without events and error nothing is stored. It is called again after a
// conflict, so it must be free of side effects, and must not call the log.
//
// Once Update returns a commit, it is on the server's disk (on most of them, if replicated). Errors of decide are
// returned as they are. ErrUnknownOutcome means that the commit may be stored: repeat the command with Redelivered set.
func (l *Log) Update(ctx context.Context, kind, id string, env Envelope, decide func(Head) ([]*events.Event, error)) (Outcome, error) {
	t, err := l.target(kind, id)
	if err != nil {
		return Outcome{}, err
	}
	switch {
	case l.key == nil:
		return Outcome{}, fmt.Errorf("this log was opened for reading: %w", ErrConfig)
	case env.CommandID == "":
		return Outcome{}, fmt.Errorf("a command for %s/%s has no id: %w", kind, id, ErrConfig)
	}
	if err := l.mayWrite(kind, id, env, nil); err != nil {
		return Outcome{}, err
	}
	release, err := l.locks.acquire(ctx, t.subject)
	if err != nil {
		return Outcome{}, fmt.Errorf("waiting for the turn on %s/%s: %w", kind, id, err)
	}
	defer release()
	u := &update{log: l, target: t, env: env, decide: decide, started: time.Now()}
	outcome, err := u.run(ctx)
	l.metrics.count(kind, outcome, err, time.Since(u.started))
	return outcome, err
}

// mayWrite refuses what readers would not believe of this writer: before anything is decided, and what was decided.
func (l *Log) mayWrite(kind, id string, env Envelope, decided []*events.Event) error {
	w, known := l.trust.Load().writers[l.public]
	if !known || !w.retired.IsZero() {
		return fmt.Errorf("this writer, %s, is retired or not trusted: %w", l.public, ErrConfig)
	}
	if err := w.speaksFor(env.Actor, env.SecondOfficer); err != nil {
		return fmt.Errorf("%w: %w", err, ErrConfig)
	}
	if err := w.alone(decided); err != nil {
		return fmt.Errorf("%w: %w", err, ErrConfig)
	}
	if err := l.role.forbids(kind, id, env.Counter, decided); err != nil {
		return &ParkError{Kind: kind, ID: id, Err: fmt.Errorf("%w: %w", err, ErrConfig)} // it would be so each time
	}
	return nil
}

// update is the state of one Update.
type update struct {
	log       *Log
	target    target
	env       Envelope
	decide    func(Head) ([]*events.Event, error)
	started   time.Time
	conflicts int
	searched  bool
	// sent are the commits published without an answer: any of them may be stored.
	sent []sentCommit
}

type sentCommit struct {
	commit *events.Commit
	hash   []byte
	after  uint64 // the sequence it was to follow
}

// errAgain asks run for another attempt.
var errAgain = errors.New("trying again")

// maxConflicts bounds the attempts: every lost one means that another writer got through.
const maxConflicts = 1000

func (u *update) run(ctx context.Context) (Outcome, error) {
	for attempt := 0; ; attempt++ {
		outcome, err := u.attempt(ctx)
		if !errors.Is(err, errAgain) {
			return outcome, u.wrapUnknown(err)
		}
		if u.conflicts > maxConflicts {
			return Outcome{}, fmt.Errorf("deciding about %s/%s: lost %d times against other writers: %w",
				u.target.kind, u.target.id, u.conflicts, ErrConflict)
		}
		if time.Since(u.started) > u.log.config.Patience {
			return Outcome{}, u.wrapUnknown(fmt.Errorf("deciding about %s/%s: no success for %v (%w)",
				u.target.kind, u.target.id, u.log.config.Patience, err))
		}
		if err := backOff(ctx, attempt); err != nil {
			return Outcome{}, u.wrapUnknown(err)
		}
	}
}

// wrapUnknown turns err into ErrUnknownOutcome if a commit may have been stored.
func (u *update) wrapUnknown(err error) error {
	if err != nil && len(u.sent) > 0 {
		return fmt.Errorf("%s/%s: a commit was sent and not answered (%w); repeat the command: %w",
			u.target.kind, u.target.id, err, ErrUnknownOutcome)
	}
	return err
}

// backOff waits a random time that grows with the attempts, up to half a second.
func backOff(ctx context.Context, attempt int) error {
	limit := min(time.Millisecond<<min(attempt, 10), 500*time.Millisecond)
	return wait.For(ctx, rand.N(limit)+limit/4)
}

func (u *update) attempt(ctx context.Context) (Outcome, error) {
	l, t := u.log, u.target
	if err := l.admit(ctx, t); err != nil {
		return Outcome{}, u.retryable(ctx, err)
	}
	h, cached := l.memory.heads.get(t.subject)
	if !cached {
		var err error
		if h, err = l.load(ctx, t); err != nil {
			return Outcome{}, u.retryable(ctx, err)
		}
	}
	if outcome, found, err := u.answered(ctx, h); found || err != nil {
		return outcome, u.retryable(ctx, err)
	}
	facing := l.facing(h)
	decided, err := u.decide(facing)
	if cached && (err != nil || len(decided) == 0) {
		// Nothing would be stored, so no server would tell us that the head was stale.
		l.memory.drop(t.subject)
		return u.attempt(ctx)
	}
	if err != nil || len(decided) == 0 {
		return Outcome{State: h.state}, err
	}
	return u.store(ctx, h, facing.Now, decided)
}

// retryable turns the server's absence into another attempt.
func (u *update) retryable(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, errAgain) {
		return err
	}
	if isAway(err) || isSilent(err) {
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}

// answered finds the commit that answered this command before.
func (u *update) answered(ctx context.Context, h head) (Outcome, bool, error) {
	if len(u.sent) > 0 {
		if outcome, found, err := u.settle(ctx, h); found || err != nil {
			return outcome, found, err
		}
	}
	_, remembered := u.target.fold.Remembered(h.state, u.env.CommandID)
	if !remembered && (!u.env.Redelivered || u.searched || h.revision == 0) {
		return Outcome{}, false, nil
	}
	commit, used, err := u.log.find(ctx, u.target, 1, u.env.CommandID)
	if err != nil {
		return Outcome{}, false, err
	}
	u.searched = true
	if commit == nil {
		if remembered && !used {
			return Outcome{}, false, fmt.Errorf("the state of %s/%s remembers command %s, its history does not: %w",
				u.target.kind, u.target.id, u.env.CommandID, ErrDamaged)
		}
		return Outcome{}, false, nil
	}
	return Outcome{Commit: commit, State: h.state, Repeated: true}, true, nil
}

// settle finds out whether one of the unanswered commits was stored after all.
func (u *update) settle(ctx context.Context, h head) (Outcome, bool, error) {
	for _, s := range u.sent {
		if bytes.Equal(s.hash, h.hash) {
			u.sent = nil
			return Outcome{Commit: s.commit, State: h.state}, true, nil
		}
	}
	if h.revision < u.sent[0].commit.GetRevision() {
		return Outcome{}, false, nil
	}
	commit, _, err := u.log.find(ctx, u.target, u.sent[0].after+1, u.env.CommandID)
	if err != nil {
		return Outcome{}, false, err
	}
	// Their place is taken: none of them can be stored any more.
	u.sent = nil
	if commit == nil {
		return Outcome{}, false, nil
	}
	return Outcome{Commit: commit, State: h.state}, true, nil
}

func (u *update) store(ctx context.Context, h head, now time.Time, decided []*events.Event) (Outcome, error) {
	l, t := u.log, u.target
	if err := l.mayWrite(t.kind, t.id, u.env, decided); err != nil {
		return Outcome{}, err
	}
	commit := u.commit(h, now, decided)
	state, payload, err := l.sign(t, h.state, commit)
	if err != nil {
		return Outcome{}, err
	}
	hash := events.Hash(payload)
	l.trust.Load().believed.add([sha256.Size]byte(hash)) // followers may get it before we hear that it is stored
	seen, _ := t.stream.mark.get()
	sequence, err := l.publish(ctx, t, payload, h.sequence)
	if err != nil {
		l.memory.drop(t.subject)
		return Outcome{}, u.failed(ctx, err, sentCommit{commit: commit, hash: hash, after: h.sequence})
	}
	if sequence <= seen {
		err := fmt.Errorf("stream %s gave sequence %d to a new commit, but %d was seen in it; commits are lost: stop, restore from a copy: %w",
			t.stream.name, sequence, seen, ErrBehindMark)
		l.condemn(t.stream, err)
		return Outcome{}, err
	}
	l.took(t, head{revision: commit.GetRevision(), sequence: sequence, hash: hash, state: state, recordedMS: now.UnixMilli()}, payload)
	if err := t.stream.mark.advance(sequence, hash); err != nil {
		return Outcome{}, fmt.Errorf("commit %s/%s revision %d is stored: %w: %w", t.kind, t.id, commit.GetRevision(), err,
			ErrUnknownOutcome)
	}
	return Outcome{Commit: commit, State: state}, nil
}

func (u *update) commit(h head, now time.Time, decided []*events.Event) *events.Commit {
	for _, e := range decided {
		e.RecordedMs = now.UnixMilli()
	}
	return &events.Commit{
		Kind: u.target.kind, Id: u.target.id, Revision: h.revision + 1, PreviousHash: h.hash, Schema: schema,
		CommandId: u.env.CommandID, CausationId: u.env.CausationID, CorrelationId: u.env.CorrelationID,
		Actor: u.env.Actor, SecondOfficer: u.env.SecondOfficer, Office: u.env.Office, Counter: u.env.Counter,
		Traceparent: u.env.Traceparent, Events: decided, Receipt: u.env.Receipt, Proof: u.env.Proof, SecondProof: u.env.SecondProof,
	}
}

// schema is the contract version that commits are written in.
const schema = 1

// sign folds the state after a commit and makes its message's payload.
func (l *Log) sign(t target, before []byte, commit *events.Commit) (state, payload []byte, err error) {
	if state, err = t.fold.Apply(before, commit); err != nil {
		return nil, nil, fmt.Errorf("folding %s/%s revision %d: %w", t.kind, t.id, commit.GetRevision(), err)
	}
	framed, err := events.Encode(&events.StateBytes{Version: t.fold.Version, State: state})
	if err != nil {
		return nil, nil, err
	}
	if limit := events.StateLimit(t.kind); len(framed) > limit {
		return nil, nil, fmt.Errorf("the state of %s/%s after revision %d has %d bytes, %d are allowed: %w",
			t.kind, t.id, commit.GetRevision(), len(framed), limit, ErrState)
	}
	encoded, err := events.Encode(commit)
	if err != nil {
		return nil, nil, err
	}
	payload, err = events.Encode(&events.Stored{
		Commit: encoded, Writer: l.public, State: framed,
		Signature: ed25519.Sign(l.key, events.SigningInput(encoded, framed)),
	})
	if err == nil && len(payload) > events.MaxStored {
		err = fmt.Errorf("commit %s/%s revision %d has %d bytes, %d are allowed: %w",
			t.kind, t.id, commit.GetRevision(), len(payload), events.MaxStored, ErrConfig)
	}
	return state, payload, err
}

// publish stores a payload if the subject still ends where the decision was made.
func (l *Log) publish(ctx context.Context, t target, payload []byte, after uint64) (sequence uint64, err error) {
	ctx, cancel := l.asking(ctx)
	defer cancel()
	ack, err := l.js.PublishMsg(ctx, &nats.Msg{Subject: t.subject, Data: payload},
		jetstream.WithExpectLastSequencePerSubject(after), jetstream.WithExpectStream(t.stream.name), jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, fmt.Errorf("storing %s/%s: %w", t.kind, t.id, err)
	}
	return ack.Sequence, nil
}

// failed classifies why a commit was not acknowledged: lost to another, certainly not stored, or unknown.
func (u *update) failed(ctx context.Context, err error, sent sentCommit) error {
	switch {
	case isConflict(err):
		u.conflicts++
		u.log.metrics.conflicts.Inc()
		return fmt.Errorf("%w: %w", errAgain, err)
	case isFull(err):
		// A write that failed half-way may turn out whole when the server comes back.
		return fmt.Errorf("%w; make space and restart the server, then repeat the command: %w", err, ErrFull)
	case isAway(err):
		return fmt.Errorf("%w: %w", errAgain, err)
	case isSilent(err) || ctx.Err() != nil:
		u.log.metrics.unanswered.Inc()
		u.sent = append(u.sent, sent)
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%w: %w", errAgain, err)
	}
	return err
}
