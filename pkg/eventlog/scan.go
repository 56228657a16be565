package eventlog

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"shomei/events"
)

// Streams gives the names of the log's streams, in order of the shards they own.
func (l *Log) Streams() []string {
	names := make([]string, len(l.streams))
	for i, s := range l.streams {
		names[i] = s.name
	}
	return names
}

// LastSequences gives the ends of all streams that are served now. The difference to a follower's Positions is its lag in commits.
func (l *Log) LastSequences(ctx context.Context) (Positions, error) {
	ends := make(Positions, len(l.streams))
	for _, s := range l.streams {
		err := l.patiently(ctx, func() error {
			if err := l.serve(ctx, s); err != nil {
				return err
			}
			info, err := s.handle.Info(ctx)
			if err == nil {
				ends[s.name] = info.State.LastSeq
			}
			return err
		})
		if notServed(err) && len(l.streams) > 1 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the end of stream %s: %w", s.name, err)
		}
	}
	return ends, nil
}

// Positions gives how far the follower of this name has come, as last saved (at most a second ago while it runs);
// empty when it never ran.
func (l *Log) Positions(ctx context.Context, follower string) (Positions, error) {
	kept, err := l.restore(ctx, Follower{Name: follower})
	if err != nil {
		return nil, fmt.Errorf("reading the position of %s: %w", follower, err)
	}
	return kept.Sequences, nil
}

// Verify checks that a record was signed by a trusted writer whose role may write its kind. The error is ErrForged.
func (l *Log) Verify(r Record) error {
	if r.Commit == nil {
		return fmt.Errorf("%s/%s at %s sequence %d can't be read: %w", r.Kind, r.ID, r.Stream, r.Sequence, ErrForged)
	}
	return (*l.trust.Load()).verify(r)
}

// Scan gives fn every record of some kinds (all, when kinds is empty) that stands in the log when it is called, stream by
// stream and in order in each; after holds the positions to start behind (nil: everything). It costs what it gives: commits
// of other kinds are not read. Streams that are not served are left out: Check names them. Signatures are not verified
// (Verify does it); a record that can't be read has a nil Commit and its reason in err, and so has one that is known to be
// lost. An error of fn ends the scan and comes back.
func (l *Log) Scan(ctx context.Context, after Positions, kinds []string, fn func(r Record, err error) error) error {
	ends, err := l.LastSequences(ctx)
	if err != nil {
		return err
	}
	for _, s := range l.streams {
		if ends[s.name] <= after[s.name] {
			continue
		}
		if err := l.scanStream(ctx, &scan{log: l, stream: s, kinds: kinds, next: after[s.name] + 1, end: ends[s.name]}, fn); err != nil {
			return err
		}
	}
	return nil
}

// scanBatch is how many records a scan reads ahead.
const scanBatch = 2000

func (l *Log) scanStream(ctx context.Context, s *scan, fn func(Record, error) error) error {
	group, ctx := errgroup.WithContext(ctx)
	records := make(chan read, scanBatch)
	s.out = records
	group.Go(func() error { defer close(records); return s.read(ctx) })
	group.Go(func() error {
		for next := range records {
			if err := fn(next.record, next.err); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// scan is one stream being read to an end, its commits of some kinds alone.
type scan struct {
	log       *Log
	stream    *stream
	kinds     []string
	next, end uint64
	out       chan<- read
}

// read passes over the stream until its end is reached, again after each interruption.
func (s *scan) read(ctx context.Context) error {
	for attempt := 0; s.next <= s.end; attempt++ {
		before := s.next
		err := s.pass(ctx)
		switch {
		case err == nil, ctx.Err() != nil, notServed(err):
			return err
		case s.next > before:
			attempt = 0
		}
		s.log.config.Logger.Info("reading a stream anew", "stream", s.stream.name, "sequence", s.next, "reason", err)
		if err := backOff(ctx, attempt); err != nil {
			return err
		}
	}
	return nil
}

// pass reads with one consumer until it has given all there is up to the end.
func (s *scan) pass(ctx context.Context) error {
	if err := s.log.serve(ctx, s.stream); err != nil {
		return err
	}
	consumer, err := s.consumer(ctx)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(scanBatch), jetstream.PullHeartbeat(pullHeartbeat), jetstream.PullExpiry(pullExpiry))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	defer context.AfterFunc(s.log.link.Load().ended, messages.Stop)()
	for sent := range consumer.CachedInfo().NumPending {
		message, err := messages.Next()
		if err != nil {
			return err
		}
		meta, err := message.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != sent+1 {
			return fmt.Errorf("message %d came after %d: %w", meta.Sequence.Consumer, sent, errGap)
		}
		if meta.Sequence.Stream > s.end {
			break
		}
		if err := s.give(ctx, meta.Sequence.Stream, message, meta.Timestamp); err != nil {
			return err
		}
	}
	if err := s.lost(ctx, s.end); err != nil {
		return err
	}
	return s.whole(ctx)
}

// consumer makes one that gives the kinds alone.
func (s *scan) consumer(ctx context.Context) (jetstream.Consumer, error) {
	config := consumerFrom(s.next)
	for _, kind := range s.kinds {
		config.FilterSubjects = append(config.FilterSubjects, events.KindSubjects(kind))
	}
	return s.stream.handle.CreateConsumer(ctx, config)
}

// whole says that nothing was lost while the stream was read: who doesn't read everything sees no hole.
func (s *scan) whole(ctx context.Context) error {
	seen, _ := s.stream.mark.get()
	info, err := s.stream.handle.Info(ctx)
	if err != nil {
		return err
	}
	return s.log.complete(s.stream, counted{Messages: info.State.Msgs, LastSeq: info.State.LastSeq}, seen)
}

func (s *scan) give(ctx context.Context, sequence uint64, message jetstream.Msg, at time.Time) error {
	if err := s.lost(ctx, sequence-1); err != nil {
		return err
	}
	writers := *s.log.trust.Load()
	record, err := writers.read(message.Subject(), message.Data(), s.stream.name, sequence, at)
	s.next = sequence + 1
	return s.tell(ctx, read{record: record, err: err})
}

// lost tells what is known to be lost from the next place up to another.
func (s *scan) lost(ctx context.Context, to uint64) error {
	for _, gap := range s.stream.gapsBetween(s.next, to) {
		for _, p := range parkedBy(s.stream.name, gap) {
			if !wanted(s.kinds, p.Kind) {
				continue
			}
			record := Record{Kind: p.Kind, ID: p.ID, Stream: s.stream.name, Sequence: gap.Sequence}
			if err := s.tell(ctx, read{record: record, err: p.Err()}); err != nil {
				return err
			}
		}
	}
	s.next = to + 1
	return nil
}

func (s *scan) tell(ctx context.Context, r read) error {
	select {
	case s.out <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
