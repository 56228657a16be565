package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/wait"
)

const (
	pullHeartbeat = 2 * time.Second
	pullExpiry    = 30 * time.Second
	reopenWait    = 100 * time.Millisecond
	// passingExpiry is that of a consumer which is left for the tail soon: until it has passed, the server goes on sending.
	passingExpiry = 2 * pullHeartbeat
	// idleLife is how long the server keeps a consumer nobody pulls from.
	idleLife = 5 * time.Minute
)

// readOn reads one stream after a position, until ctx ends. The server may forget the consumer at any time; the
// position is ours, so a new consumer continues where the old one ended.
func (l *Log) readOn(ctx context.Context, s *stream, after uint64, f Follower, out chan<- item) error {
	r := l.newReader(s, f.Kinds, after+1, out)
	r.name, r.batch, r.verified = "follower "+f.Name, max(f.Batch, 100), !f.Unverified
	for {
		err := r.pass(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if notServed(err) {
			if len(l.streams) == 1 {
				return err
			}
			l.config.Logger.Error("no longer reading a stream; the others continue", "follower", f.Name, "stream", s.name, "error", err)
			if err := l.awaitServer(ctx); err != nil {
				return err
			}
			continue
		}
		l.config.Logger.Info("reading a stream anew", "follower", f.Name, "stream", s.name, "sequence", r.next, "reason", err)
		if err := wait.For(ctx, reopenWait); err != nil {
			return err
		}
	}
}

// awaitServer waits until another server process answers: a lost stream may be back then.
func (l *Log) awaitServer(ctx context.Context) error {
	select {
	case <-l.connection.Load().ended.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readTo reads one stream from after a position to an end, restarting after each interruption.
func (l *Log) readTo(ctx context.Context, s *stream, after, end uint64, kinds []string, out chan<- item) error {
	r := l.newReader(s, kinds, after+1, out)
	r.name, r.batch, r.end, r.bounded = "a scan", scanBatch, end, true
	for attempt := 0; ; attempt++ {
		before := r.next
		err := r.pass(ctx)
		switch {
		case err == nil, ctx.Err() != nil, notServed(err):
			return err
		case r.next > before:
			attempt = 0
		}
		l.config.Logger.Info("restarting the reading of a stream", "stream", s.name, "sequence", r.next, "reason", err)
		if err := backOff(ctx, attempt); err != nil {
			return err
		}
	}
}

// reader reads one stream: all of it, or its commits of some kinds.
//
// Nearly all commits are about subscribers. A reader that wants those is sent everything: it costs little more, and
// shows at once what is missing. A reader of other kinds is sent only those, however much else there is. The sequences
// it gets have holes, and nothing arrives while other kinds are written, so its position is a promise about its own
// kinds: everything of theirs before next was handed on. The position reaches the stream's end where that is certain:
// the reader first asks for the end, then for the last commit of its kinds; once that commit has arrived, nothing of
// theirs is left up to that end. Both are asked of the leader, which has every acknowledged commit; a consumer's
// pending count would not do, because the server counts new messages a moment after storing them, and late on a
// replica. Beyond that end the position follows the commits of the kinds, and whatever this process stored as long as
// nobody else stores anything in between (tail).
//
// The server silently skips a message that it can't read. A reader of some kinds notices by number: it must get as many
// as the server counted when it made the consumer.
type reader struct {
	log      *Log
	stream   *stream
	name     string
	kinds    []string
	filter   []string // the kinds requested from the server, nil for all
	batch    int
	verified bool
	next     uint64
	out      chan<- item
	// end is the stream's end as known at the beginning of a pass, or where a bounded reader stops; last is the
	// sequence of the last wanted commit, asked for after end.
	end, last uint64
	bounded   bool
	arrived   bool // everything up to end was handed on
	// sent is how many messages the consumer has sent; at least due of them must have come by the sequence counted.
	sent, due, counted uint64
	// missing is a sequence that a fresh consumer skipped; if the next one skips it too, it is gone.
	missing uint64
}

func (l *Log) newReader(s *stream, kinds []string, next uint64, out chan<- item) *reader {
	r := &reader{log: l, stream: s, kinds: kinds, filter: kinds, next: next, out: out}
	if slices.Contains(kinds, events.KindSubscriber) {
		r.filter = nil
	}
	return r
}

// pass reads, with consumers of its own and from the tail, until one of them fails. It returns nil once a bounded reader
// has reached its end.
func (r *reader) pass(ctx context.Context) error {
	if err := r.log.serve(ctx, r.stream); err != nil {
		return err
	}
	if err := r.lookAhead(ctx); err != nil {
		return err
	}
	if err := r.arrive(ctx); err != nil || r.bounded && r.arrived {
		return err
	}
	for {
		if r.rides() {
			if err := r.ride(ctx); !errors.Is(err, errLate) {
				return err
			}
		}
		if err := r.consume(ctx); !errors.Is(err, errRide) {
			return err
		}
	}
}

// consume reads with a consumer of its own. The error is errRide once the tail will do.
func (r *reader) consume(ctx context.Context) error {
	connection := r.log.connection.Load().ended
	r.sent = 0
	consumer, err := r.stream.handle.CreateConsumer(ctx, consumerFrom(r.next, r.filter))
	if err != nil {
		return err
	}
	if len(r.filter) > 0 {
		if r.counted, err = r.log.lastOf(ctx, r.stream, r.filter); err != nil {
			return err
		}
		r.due = consumer.CachedInfo().NumPending
	}
	expiry := pullExpiry
	if len(r.filter) == 0 && !r.bounded {
		expiry = passingExpiry
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(r.batch), jetstream.PullHeartbeat(pullHeartbeat), jetstream.PullExpiry(expiry))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	defer context.AfterFunc(connection, messages.Stop)()
	return r.receive(ctx, messages)
}

// lookAhead asks where the stream ends, and then where its last wanted commit is.
func (r *reader) lookAhead(ctx context.Context) error {
	r.arrived, r.sent, r.due = false, 0, 0
	info, err := r.stream.handle.Info(ctx)
	if err != nil {
		return err
	}
	end := info.State.LastSeq
	if end+1 < r.next {
		return fmt.Errorf("%s has handled sequence %d of stream %s, which ends at %d; commits are lost: stop, restore from a copy: %w",
			r.name, r.next-1, r.stream.name, end, ErrBehindMark)
	}
	if !r.bounded {
		r.end = end
	}
	r.last = r.end
	if len(r.filter) == 0 {
		return nil
	}
	if r.last, err = r.log.lastOf(ctx, r.stream, r.filter); err != nil || info.Cluster == nil {
		return err
	}
	again, err := r.stream.handle.Info(ctx)
	if err == nil && (again.Cluster == nil || again.Cluster.Leader != info.Cluster.Leader) {
		err = fmt.Errorf("stream %s has got another leader: %w", r.stream.name, errGap) // it may have been late for one of the answers
	}
	return err
}

// lastOf returns the sequence of the last commit of some kinds in a stream, or 0.
func (l *Log) lastOf(ctx context.Context, s *stream, kinds []string) (uint64, error) {
	last := uint64(0)
	for _, kind := range kinds {
		sequence, err := l.lastOfKind(ctx, s, kind)
		if err != nil {
			return 0, err
		}
		last = max(last, sequence)
	}
	return last, nil
}

// lastOfKind returns 0 only if the stream has no commit of the kind. The server answers alike if it can't read the last
// one, so it is asked whether there is any, and once more for the last: the first may have come between the questions.
func (l *Log) lastOfKind(ctx context.Context, s *stream, kind string) (uint64, error) {
	for range 2 {
		message, err := s.handle.GetLastMsgForSubject(ctx, events.KindSubjects(kind))
		if err == nil {
			return message.Sequence, nil
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return 0, err
		}
		info, err := s.handle.Info(ctx, jetstream.WithSubjectFilter(events.KindSubjects(kind)))
		if err != nil || len(info.State.Subjects) == 0 {
			return 0, err
		}
	}
	return 0, fmt.Errorf("stream %s has commits of kind %s, but the last can't be read; restart the hub, which checks all blocks: %w",
		s.name, kind, ErrDamaged)
}

// arrive moves to the end if no wanted commit is left before it, and checks that the stream is whole.
func (r *reader) arrive(ctx context.Context) error {
	if r.arrived || r.due > 0 || r.next <= min(r.last, r.end) {
		return nil
	}
	r.arrived = true
	if r.next <= r.end {
		if err := r.passOver(ctx, r.end); err != nil {
			return err
		}
	}
	return r.whole(ctx)
}

// whole checks that nothing was lost in the stream.
func (r *reader) whole(ctx context.Context) error {
	for try := 0; ; try++ {
		seen, _ := r.stream.mark.get()
		info, err := r.stream.handle.Info(ctx)
		if err != nil {
			return err
		}
		err = r.log.complete(r.stream, counted{Messages: info.State.Msgs, LastSeq: info.State.LastSeq}, seen)
		if err == nil || r.log.config.Replicas == 1 || try == lateLeaderTries {
			return err
		}
		if err := backOff(ctx, 10); err != nil {
			return err
		}
	}
}

// receive handles what the server sends and, when its turn comes, what is known already.
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
		if err := r.arrive(ctx); err != nil || r.bounded && r.arrived {
			return err
		}
		if _, ok := r.stream.gap(r.next); ok {
			if err := r.passOver(ctx, r.next); err != nil {
				return err
			}
			continue
		}
		if r.rides() {
			return errRide
		}
		known, _, grown := r.stream.tail.at(r.next)
		if known != nil {
			if err := r.take(ctx, known); err != nil {
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

// consumerFrom returns a consumer without acknowledgements, kept in memory: it costs no fsync, and can be lost. It
// delivers some kinds, or all.
func consumerFrom(sequence uint64, kinds []string) jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: sequence, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: idleLife,
	}
	for _, kind := range kinds {
		config.FilterSubjects = append(config.FilterSubjects, events.KindSubjects(kind))
	}
	return config
}

var errGap = errors.New("messages were lost on the way")

// accept handles the next message in order. The consumer's own count reveals what is lost on the way; what is missing
// in the stream is revealed at once to a reader of everything, and by number to a reader of some kinds.
func (r *reader) accept(ctx context.Context, message jetstream.Msg) error {
	meta, err := message.Metadata()
	if err != nil {
		return err
	}
	if r.sent++; meta.Sequence.Consumer != r.sent {
		return fmt.Errorf("got message %d, want %d: %w", meta.Sequence.Consumer, r.sent, errGap)
	}
	sequence := meta.Sequence.Stream
	if err := r.tally(sequence); err != nil {
		return err
	}
	switch {
	case sequence < r.next:
		return nil
	case sequence > r.next && len(r.filter) == 0:
		return r.hole(sequence)
	case r.bounded && sequence > r.end:
		r.last = r.next - 1 // nothing wanted is left up to the end
		return nil
	case sequence > r.next:
		if err := r.passOver(ctx, sequence-1); err != nil {
			return err
		}
	}
	return r.give(ctx, message.Subject(), message.Data(), sequence, meta.Timestamp)
}

// tally checks the number of messages up to the last one that existed when the server counted. New ones may have come
// in between; as many lost ones would pass here, and be found at the next start, or by a reader of everything.
func (r *reader) tally(sequence uint64) error {
	if r.due == 0 || sequence < r.counted {
		return nil
	}
	came := r.sent
	if sequence > r.counted {
		came--
	}
	if came < r.due {
		return fmt.Errorf("stream %s gives %d of %d commits of %v up to sequence %d, the others can't be read; restart the hub, which checks all blocks: %w",
			r.stream.name, came, r.due, r.filter, r.counted, ErrDamaged)
	}
	r.due = 0
	return nil
}

// hole handles a sequence that came in place of an earlier one, though none is known to be missing.
func (r *reader) hole(sequence uint64) error {
	if r.missing == r.next {
		return fmt.Errorf("stream %s gives sequence %d after %d, what is between can't be read; restart the hub, which checks all blocks: %w",
			r.stream.name, sequence, r.next-1, ErrDamaged)
	}
	r.missing = r.next
	return fmt.Errorf("sequence %d came after %d: %w", sequence, r.next-1, errGap)
}

// passOver continues after a sequence up to which no wanted commit can be delivered. It hands on those known to be
// lost, so that their aggregates are parked.
func (r *reader) passOver(ctx context.Context, to uint64) error {
	for _, gap := range r.stream.gapsBetween(r.next, to) {
		for _, p := range parkedBy(r.stream.name, gap) {
			if !wanted(r.kinds, p.Kind) {
				continue
			}
			lost := Record{Kind: p.Kind, ID: p.ID, Stream: r.stream.name, Sequence: gap.Sequence}
			if err := r.tell(ctx, item{record: lost, err: p.Err()}); err != nil {
				return err
			}
		}
	}
	r.next = to + 1
	return r.tell(ctx, item{record: Record{Stream: r.stream.name, Sequence: to}, skip: true})
}

// wanted reports whether a kind is among kinds, or kinds is empty.
func wanted(kinds []string, kind string) bool { return len(kinds) == 0 || slices.Contains(kinds, kind) }

// give hands on the next commit.
func (r *reader) give(ctx context.Context, subject string, data []byte, sequence uint64, at time.Time) error {
	r.next = sequence + 1
	return r.tell(ctx, r.decode(subject, data, sequence, at))
}

func (r *reader) tell(ctx context.Context, told item) error {
	if r.log.mayBeNew(ctx, told.record, told.err) {
		old := told.record
		told.record, told.err = r.log.trust.Load().believe(events.LogSubject(old.Kind, old.ID), old.Stored, old.Stream, old.Sequence, old.Time)
		told.record.verified = told.err == nil
	}
	select {
	case r.out <- told:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unwanted returns the item for a commit of a kind that the reader does not want, undecoded.
func (r *reader) unwanted(subject string, data []byte, sequence uint64) (item, bool) {
	if len(r.kinds) == 0 {
		return item{}, false
	}
	kind, id, err := events.ParseLogSubject(subject)
	if err != nil || wanted(r.kinds, kind) {
		return item{}, false
	}
	return item{record: Record{Kind: kind, ID: id, Stored: data, Stream: r.stream.name, Sequence: sequence}, skip: true}, true
}

func (r *reader) decode(subject string, data []byte, sequence uint64, at time.Time) item {
	if skipped, ok := r.unwanted(subject, data, sequence); ok {
		return skipped
	}
	writers := *r.log.trust.Load()
	record, err := writers.read(subject, data, r.stream.name, sequence, at)
	if err == nil && r.verified {
		err = writers.check(record)
	}
	record.verified = err == nil && r.verified
	return item{record: record, err: err}
}
