package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
)

// stream is one JetStream stream with the shards it owns.
type stream struct {
	name   string
	handle jetstream.Stream
	mark   *mark
	tail   *tail

	mu sync.Mutex
	// checked is the connection's number of reconnects, plus one, when the stream was last compared with its mark: a
	// restarted server may have lost something.
	checked uint64
	// broken is why the stream must not be served, or nil.
	broken error
	// gaps lists what is known to be missing in it.
	gaps blocks.Gaps
}

func (l *Log) openStreams(ctx context.Context) error {
	if err := l.openMarks(); err != nil {
		return err
	}
	if err := l.checkLayout(ctx); err != nil {
		return err
	}
	served := false
	var errs []error
	for i, s := range l.streams {
		err := l.openStream(ctx, i, s)
		if err == nil {
			err = l.serve(ctx, s)
		}
		if err != nil && !notServed(err) {
			return err
		}
		served = served || err == nil
		errs = append(errs, err)
	}
	if l.config.Marks != "" {
		if err := l.openPositions(ctx); err != nil {
			return err
		}
	}
	if err := errors.Join(errs...); err != nil && !served {
		return err
	}
	for i, err := range errs {
		if err != nil {
			l.config.Logger.Error("not serving a stream; the others are served", "stream", l.streams[i].name, "error", err)
		}
	}
	return nil
}

// notServed reports whether an error concerns one stream, whose messages are lost or changed.
func notServed(err error) bool { return errors.Is(err, ErrBehindMark) || errors.Is(err, ErrDamaged) }

// setUp returns a JetStream client that may create streams.
func (l *Log) setUp() (jetstream.JetStream, error) {
	if l.config.SetUp == nil {
		return l.js, nil
	}
	return jetstream.New(l.config.SetUp, jetstream.WithDefaultTimeout(l.config.PublishTimeout))
}

func (l *Log) openMarks() error {
	var err error
	if l.config.Marks != "" {
		if l.lock, err = lockMarks(l.config.Marks); err != nil {
			return err
		}
	}
	for i := range l.config.Streams {
		s := &stream{name: events.StreamName(i, l.config.Streams), mark: new(mark), tail: newTail()}
		if l.config.Marks != "" {
			if s.mark, err = openMark(l.markPath(s.name)); err != nil {
				return err
			}
		}
		l.streams = append(l.streams, s)
	}
	return nil
}

// checkLayout refuses to add streams beside others that own the same shards.
func (l *Log) checkLayout(ctx context.Context) error {
	names := l.js.StreamNames(ctx)
	for name := range names.Name() {
		if strings.HasPrefix(name, events.StreamPrefix) &&
			!slices.ContainsFunc(l.streams, func(s *stream) bool { return s.name == name }) {
			return fmt.Errorf("stream %s exists, which a log of %d streams does not have; set the number of streams it was made with: %w",
				name, l.config.Streams, ErrLayout)
		}
	}
	if err := names.Err(); err != nil {
		return fmt.Errorf("listing streams: %w", err)
	}
	return nil
}

func (l *Log) openStream(ctx context.Context, i int, s *stream) error {
	if gaps, err := l.readGaps(ctx, s); err != nil || gaps.Withheld != "" {
		return err // a withheld stream exists where the server does not see it: comparing it says why
	}
	want := l.streamConfig(i)
	handle, err := l.js.Stream(ctx, s.name)
	absent := errors.Is(err, jetstream.ErrStreamNotFound)
	if sequence, _ := s.mark.get(); absent && sequence > 0 {
		return l.gone(s, sequence)
	}
	if absent && l.config.Marks == "" {
		return fmt.Errorf("stream %s does not exist, and a log opened for reading makes none: %w", s.name, ErrLayout)
	}
	if err != nil && !absent {
		return fmt.Errorf("opening stream %s: %w", s.name, err)
	}
	if l.config.Marks != "" && (absent || !sameRules(handle.CachedInfo().Config, want)) {
		if handle, err = l.makeStream(ctx, want, !absent); err != nil {
			return fmt.Errorf("opening stream %s: %w", s.name, err)
		}
	}
	s.handle = handle
	return nil
}

func (l *Log) gone(s *stream, sequence uint64) error {
	return fmt.Errorf("stream %s is gone, sequence %d was seen in it; stop, and put its folder back from a copy, or move its mark %s away after deciding that the loss is accepted: %w",
		s.name, sequence, l.markPath(s.name), ErrBehindMark)
}

func (l *Log) readGaps(ctx context.Context, s *stream) (blocks.Gaps, error) {
	if l.config.KnownGaps != nil {
		return l.config.KnownGaps(ctx, s.name)
	}
	if l.config.Gaps == "" {
		return blocks.Gaps{}, nil
	}
	gaps, err := blocks.ReadGaps(l.config.Gaps, s.name)
	if errors.Is(err, blocks.ErrGaps) {
		err = fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return gaps, err
}

// makeStream creates or corrects a stream, and opens it for the log's own connection.
func (l *Log) makeStream(ctx context.Context, want jetstream.StreamConfig, exists bool) (jetstream.Stream, error) {
	js, err := l.setUp()
	if err != nil {
		return nil, err
	}
	if exists {
		l.config.Logger.Warn("stream was configured differently, correcting it", "stream", want.Name)
	}
	if _, err := js.CreateOrUpdateStream(ctx, want); err != nil {
		return nil, err
	}
	return l.js.Stream(ctx, want.Name)
}

// streamConfig returns the configuration of the log's streams: nothing leaves them, a full one refuses, and none is
// read from a replica that may be late (AllowDirect).
func (l *Log) streamConfig(i int) jetstream.StreamConfig {
	limit := l.config.MaxBytes
	if limit == 0 {
		limit = -1
	}
	return jetstream.StreamConfig{
		Name: events.StreamName(i, l.config.Streams), Subjects: events.StreamSubjects(i, l.config.Streams),
		Description: "Shomei: the log of what happened. Never purge, never delete, never edit.",
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, Storage: jetstream.FileStorage,
		MaxBytes: limit, MaxMsgs: -1, MaxMsgsPerSubject: -1, MaxConsumers: -1, MaxMsgSize: -1,
		Replicas: l.config.Replicas, DenyDelete: true, DenyPurge: true, AllowDirect: false,
		// Whoever may read may make consumers: none outlives its reader for long.
		ConsumerLimits: jetstream.StreamConsumerLimits{InactiveThreshold: idleLife},
	}
}

// sameRules compares the settings that someone with rights on the server could have changed to our harm.
func sameRules(got, want jetstream.StreamConfig) bool {
	return got.MaxBytes == want.MaxBytes && got.Replicas == want.Replicas && got.AllowDirect == want.AllowDirect &&
		got.ConsumerLimits == want.ConsumerLimits && got.Discard == want.Discard && got.MaxAge == want.MaxAge && got.MaxMsgs == want.MaxMsgs &&
		got.MaxMsgsPerSubject == want.MaxMsgsPerSubject && got.DenyDelete == want.DenyDelete &&
		got.DenyPurge == want.DenyPurge && !got.AllowRollup && !got.AllowMsgTTL && !got.AllowMsgCounter &&
		!got.AllowAtomicPublish && !got.AllowBatchPublish && !got.AllowMsgSchedules && slices.Equal(got.Subjects, want.Subjects)
}

// Check compares every stream with its high-water mark and returns which must not be served, for start-up, health pages
// and fsck. The error is ErrBehindMark or ErrDamaged.
func (l *Log) Check(ctx context.Context) error {
	var errs []error
	for _, s := range l.streams {
		s.mu.Lock()
		s.checked = 0
		s.mu.Unlock()
		errs = append(errs, l.serve(ctx, s))
	}
	return errors.Join(errs...)
}

// lateLeaderTries, at up to half a second each, give a new leader time to apply what it has before it counts as behind.
const lateLeaderTries = 8

// serve checks that a stream may be served, comparing it with its mark after each reconnection.
func (l *Log) serve(ctx context.Context, s *stream) error {
	reconnects := l.config.Conn.Stats().Reconnects + 1
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checked == reconnects {
		return s.broken
	}
	err := l.compare(ctx, s)
	for try := 0; errors.Is(err, ErrBehindMark) && l.config.Replicas > 1 && try < lateLeaderTries; try++ {
		if backOff(ctx, 10) != nil {
			break
		}
		err = l.compare(ctx, s)
	}
	if err != nil && !notServed(err) {
		return fmt.Errorf("comparing stream %s with its high-water mark: %w", s.name, err)
	}
	if err != nil {
		l.memory.clear()
		s.tail.clear()
	}
	s.checked, s.broken = reconnects, err
	return err
}

// compare compares a stream with its mark and its known gaps. The stream is locked.
func (l *Log) compare(ctx context.Context, s *stream) error {
	ctx, cancel := l.asking(ctx)
	defer cancel()
	var err error
	if s.gaps, err = l.readGaps(ctx, s); err != nil {
		return err
	}
	if s.gaps.Withheld != "" {
		return fmt.Errorf("stream %s is withheld: %s; nothing of it is served until shomei log repair %s --copy FOLDER has put back what is lost: %w",
			s.name, s.gaps.Withheld, s.name, ErrDamaged)
	}
	sequence, hash := s.mark.get()
	state, err := l.stateOf(ctx, s)
	if errors.Is(err, jetstream.ErrStreamNotFound) && sequence > 0 {
		return l.gone(s, sequence)
	}
	if err != nil {
		return err
	}
	if state.LastSeq < sequence {
		return fmt.Errorf("stream %s ends at sequence %d, but %d was seen in it; commits are lost: stop, keep the store as it is, shomei log repair %s --copy FOLDER puts back what a copy holds up to sequence %d: %w",
			s.name, state.LastSeq, sequence, s.name, sequence, ErrBehindMark)
	}
	if err := s.explain(state); err != nil {
		return err
	}
	return l.compareMark(ctx, s, sequence, hash)
}

func (l *Log) stateOf(ctx context.Context, s *stream) (jetstream.StreamState, error) {
	if s.handle == nil {
		handle, err := l.js.Stream(ctx, s.name)
		if err != nil {
			return jetstream.StreamState{}, err
		}
		s.handle = handle
	}
	info, err := s.handle.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return jetstream.StreamState{}, err
	}
	return info.State, nil
}

// explain checks that everything missing in a stream is known to be missing.
func (s *stream) explain(state jetstream.StreamState) error {
	if state.LastSeq == 0 {
		return nil
	}
	missing := state.Deleted
	for sequence := uint64(1); sequence < state.FirstSeq && len(missing) <= len(s.gaps.Gaps); sequence++ {
		missing = append(missing, sequence)
	}
	for _, sequence := range missing {
		if _, known := s.gaps.At(sequence); !known {
			return s.incomplete(state.Msgs, state.LastSeq)
		}
	}
	if state.Msgs+uint64(len(s.gaps.Gaps)) != state.LastSeq {
		return s.incomplete(state.Msgs, state.LastSeq)
	}
	return nil
}

func (s *stream) incomplete(messages, last uint64) error {
	return fmt.Errorf("stream %s holds %d of the %d messages from sequence 1 to %d, %d are known to be missing; commits are lost inside it: stop, keep the store as it is, shomei log repair %s --copy FOLDER puts back what a copy holds: %w",
		s.name, messages, last, last, len(s.gaps.Gaps), s.name, ErrDamaged)
}

// compareMark checks that a stream still holds at the mark what was seen there.
func (l *Log) compareMark(ctx context.Context, s *stream, sequence uint64, hash [32]byte) error {
	if _, known := s.gaps.At(sequence); known || sequence == 0 {
		return nil
	}
	message, err := s.handle.GetMsg(ctx, sequence)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	if err != nil || string(events.Hash(message.Data)) != string(hash[:]) {
		return fmt.Errorf("stream %s holds something else at sequence %d than was seen there; an old copy was put back and written to: stop, restore the copy that was in use: %w",
			s.name, sequence, ErrBehindMark)
	}
	return nil
}

// condemn stops serving a stream until the server restarts on a whole store.
func (l *Log) condemn(s *stream, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
	l.memory.clear()
	s.tail.clear()
	l.config.Logger.Error("stream is no longer served", "stream", s.name, "error", err)
}
