package counterlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/crashpoint"
	"shomei/pkg/wait"
)

var crashSaved = crashpoint.Register("counterlink.head.saved")

// nextIn returns the first message on a subject from a sequence on, or nil.
func (h *Links) nextIn(ctx context.Context, stream jetstream.Stream, subject string, from uint64) (*message, error) {
	raw, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s from %d: %w", subject, from, err)
	}
	return &message{sequence: raw.Sequence, data: raw.Data, stored: raw.Time}, nil
}

// storedHead returns the head as it will be once everything the stream holds of the counter is handled, and the last
// sequence on its subject.
func (h *Links) storedHead(ctx context.Context, counter string, enrolment Enrolment) (Head, uint64, error) {
	l := h.queue(counter)
	l.headMu.Lock()
	err := l.load(ctx)
	head := l.head
	l.headMu.Unlock()
	if err != nil {
		return Head{}, 0, err
	}
	last, err := h.lastOf(ctx, counter)
	for err == nil && head.Sequence < last {
		var m *message
		if m, err = h.nextIn(ctx, h.claims, ClaimSubject(counter), head.Sequence+1); err != nil || m == nil {
			break
		}
		if claim, hash, verdict, why := judge(head, counter, enrolment, m.data); why == nil && verdict == Next {
			head = head.Advance(claim, hash)
		}
		head.Sequence = m.sequence
	}
	return head, last, err
}

// lastOf returns the last sequence on a counter's subject, or 0 if the stream holds nothing of it.
func (h *Links) lastOf(ctx context.Context, counter string) (uint64, error) {
	raw, err := h.claims.GetLastMsgForSubject(ctx, ClaimSubject(counter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("last claim of counter %s: %w", counter, err)
	}
	return raw.Sequence, nil
}

// load reads the saved head once.
func (l *queue) load(ctx context.Context) error {
	if l.loaded {
		return nil
	}
	saved, revision, err := l.hub.savedHead(ctx, l.counter)
	if err != nil {
		return err
	}
	l.head, l.revision, l.loaded = saved, revision, true
	return nil
}

// reload adopts what another process saved in the meantime.
func (l *queue) reload(ctx context.Context) error {
	saved, revision, err := l.hub.savedHead(ctx, l.counter)
	if err != nil {
		return err
	}
	l.revision = revision
	if saved.Sequence > l.head.Sequence {
		l.head, l.dirty = saved, false
	}
	return nil
}

func (h *Links) savedHead(ctx context.Context, counter string) (Head, uint64, error) {
	return readHead(ctx, h.heads, counter)
}

// readHead reads the saved head of a counter and its sequence in HeadStream; the zero Head if none is saved.
func readHead(ctx context.Context, heads jetstream.Stream, counter string) (Head, uint64, error) {
	raw, err := heads.GetLastMsgForSubject(ctx, headPrefix+counter)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Head{}, 0, nil
	}
	if err != nil {
		return Head{}, 0, fmt.Errorf("head of counter %s: %w", counter, err)
	}
	var head Head
	if err := json.Unmarshal(raw.Data, &head); err != nil {
		return Head{}, 0, fmt.Errorf("head of counter %s: %w: %w", counter, err, events.ErrMalformed)
	}
	return head, raw.Sequence, nil
}

// save stores the head. If another process stored one meanwhile, the further one is kept.
func (l *queue) save(ctx context.Context) error {
	for attempt := 0; l.dirty && attempt < 3; attempt++ {
		data, err := json.Marshal(l.head)
		if err != nil {
			return fmt.Errorf("encoding the head of counter %s: %w", l.counter, err)
		}
		ack, err := l.hub.js.Publish(ctx, headPrefix+l.counter, data,
			jetstream.WithExpectStream(HeadStream), jetstream.WithExpectLastSequencePerSubject(l.revision))
		if err == nil {
			crashSaved.Hit()
			l.revision, l.dirty = ack.Sequence, false
			return nil
		}
		if err := l.reload(ctx); err != nil {
			return err
		}
	}
	if l.dirty {
		return fmt.Errorf("saving the head of counter %s: other processes keep changing it", l.counter)
	}
	return nil
}

// keepHeads saves changed heads once a second.
func (h *Links) keepHeads(ctx context.Context) {
	for wait.For(ctx, saveEvery) == nil {
		h.saveHeads(ctx)
	}
}

func (h *Links) saveHeads(ctx context.Context) {
	queues := h.allQueues()
	for _, l := range queues {
		l.stillWorking()
	}
	for _, l := range queues {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		l.headMu.Lock()
		err := l.save(ctx)
		l.headMu.Unlock()
		cancel()
		if err != nil && ctx.Err() == nil {
			h.cfg.Logger.Warn("could not save the head of a counter, retrying", "counter", l.counter, "error", err)
		}
	}
	for _, g := range h.allGuards() {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		err := g.saveTaken(ctx)
		cancel()
		if err != nil && ctx.Err() == nil {
			h.cfg.Logger.Warn("could not save what a counter has received, retrying", "counter", g.counter, "error", err)
		}
	}
}
