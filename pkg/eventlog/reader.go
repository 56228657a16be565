package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
)

const (
	pullHeartbeat = 2 * time.Second
	pullExpiry    = 30 * time.Second
	reopenWait    = 100 * time.Millisecond
	// idleLife is how long the server keeps a consumer nobody pulls from.
	idleLife = 5 * time.Minute
)

// readOn reads one stream from after a position, for as long as ctx lives. The consumer is one that the server may
// forget at any time; the position is ours, so a new one goes on where the old one ended.
func (l *Log) readOn(ctx context.Context, s *stream, after uint64, f Follower, out chan<- read) error {
	r := &reader{log: l, stream: s, next: after + 1, follower: f, out: out}
	for {
		err := r.pass(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if notServed(err) {
			if len(l.streams) == 1 {
				return err
			}
			l.config.Logger.Error("a stream is not read any more, the others are", "follower", f.Name, "stream", s.name, "error", err)
			if err := l.awaitServer(ctx); err != nil {
				return err
			}
			continue
		}
		l.config.Logger.Info("reading a stream anew", "follower", f.Name, "stream", s.name, "sequence", r.next, "reason", err)
		timer := time.NewTimer(reopenWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// awaitServer waits until the server is another one than now: a stream that it lost may be back then.
func (l *Log) awaitServer(ctx context.Context) error {
	select {
	case <-l.link.Load().ended.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reader is one stream being read.
type reader struct {
	log      *Log
	stream   *stream
	next     uint64
	follower Follower
	out      chan<- read
	// missing is the sequence that a fresh consumer did not give; when the next one does not either, it is gone.
	missing uint64
}

// pass reads with one consumer until something is wrong with it.
func (r *reader) pass(ctx context.Context) error {
	connection := r.log.link.Load().ended
	if err := r.log.serve(ctx, r.stream); err != nil {
		return err
	}
	info, err := r.stream.handle.Info(ctx)
	if err != nil {
		return err
	}
	if info.State.LastSeq+1 < r.next {
		return fmt.Errorf("follower %s has handled sequence %d of stream %s, which ends at %d; commits are lost: stop, restore from a copy: %w",
			r.follower.Name, r.next-1, r.stream.name, info.State.LastSeq, ErrBehindMark)
	}
	consumer, err := r.stream.handle.CreateConsumer(ctx, consumerFrom(r.next))
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(max(r.follower.Batch, 100)),
		jetstream.PullHeartbeat(pullHeartbeat), jetstream.PullExpiry(pullExpiry))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	defer context.AfterFunc(connection, messages.Stop)()
	return r.receive(ctx, messages)
}

// receive takes what the server sends, and what this process itself has stored as soon as it is its turn.
func (r *reader) receive(ctx context.Context, messages jetstream.MessagesContext) error {
	sent := make(chan jetstream.Msg, 64)
	ended := make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			message, err := messages.Next()
			if err != nil {
				ended <- err
				return
			}
			select {
			case sent <- message:
			case <-done:
				return
			}
		}
	}()
	for {
		if gap, ok := r.stream.gap(r.next); ok {
			if err := r.passOver(ctx, gap); err != nil {
				return err
			}
			continue
		}
		own, ok, grown := r.stream.tail.at(r.next)
		if ok {
			if err := r.give(ctx, own.subject, own.data, own.sequence, own.at); err != nil {
				return err
			}
			continue
		}
		select {
		case message := <-sent:
			if err := r.accept(ctx, message); err != nil {
				return err
			}
		case <-grown:
		case err := <-ended:
			return err
		}
	}
}

// consumerFrom is a consumer without acknowledgements, kept in memory: it costs no fsync, and nothing when lost.
func consumerFrom(sequence uint64) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: sequence, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: idleLife,
	}
}

var errGap = errors.New("messages were lost on the way")

// accept takes the next message in order. The whole stream is read, whatever kinds are wanted, because only who reads
// everything sees a hole.
func (r *reader) accept(ctx context.Context, message jetstream.Msg) error {
	meta, err := message.Metadata()
	if err != nil {
		return err
	}
	sequence := meta.Sequence.Stream
	if sequence < r.next {
		return nil
	}
	if sequence > r.next {
		if r.missing == r.next {
			return fmt.Errorf("stream %s gives sequence %d after %d, what is between can't be read; start the hub again, which reads all blocks: %w",
				r.stream.name, sequence, r.next-1, ErrDamaged)
		}
		r.missing = r.next
		return fmt.Errorf("sequence %d came after %d: %w", sequence, r.next-1, errGap)
	}
	return r.give(ctx, message.Subject(), message.Data(), sequence, meta.Timestamp)
}

// passOver hands on that a commit is lost, so that its aggregate is parked, or that nothing of ours stood there.
func (r *reader) passOver(ctx context.Context, gap blocks.Gap) error {
	lost := read{record: Record{Stream: r.stream.name, Sequence: gap.Sequence}, skip: true}
	reads := []read{lost}
	for i, p := range parkedBy(r.stream.name, gap) {
		lost.record.Kind, lost.record.ID, lost.skip, lost.err = p.Kind, p.ID, !wanted(r.follower.Kinds, p.Kind), p.Err()
		reads = append(reads[:i], lost)
	}
	for _, lost := range reads {
		select {
		case r.out <- lost:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.next++
	return nil
}

// wanted reports whether a kind is among those asked for: all are when none is named.
func wanted(kinds []string, kind string) bool { return len(kinds) == 0 || slices.Contains(kinds, kind) }

// give hands on the commit whose turn it is.
func (r *reader) give(ctx context.Context, subject string, data []byte, sequence uint64, at time.Time) error {
	select {
	case r.out <- r.decode(subject, data, sequence, at):
	case <-ctx.Done():
		return ctx.Err()
	}
	r.next++
	return nil
}

func (r *reader) decode(subject string, data []byte, sequence uint64, at time.Time) read {
	if len(r.follower.Kinds) > 0 {
		kind, id, err := events.ParseLogSubject(subject)
		if err == nil && !wanted(r.follower.Kinds, kind) {
			return read{record: Record{Kind: kind, ID: id, Stored: data, Stream: r.stream.name, Sequence: sequence}, skip: true}
		}
	}
	writers := *r.log.trust.Load()
	record, err := writers.read(subject, data, r.stream.name, sequence, at)
	if err == nil && !r.follower.Unverified {
		err = writers.check(record)
	}
	record.verified = err == nil && !r.follower.Unverified
	return read{record: record, err: err}
}
