package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// feed is the one consumer of a stream from which the tail grows while followers ride on it. Each of them would
// otherwise be sent every commit by itself.
type feed struct {
	riders int
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended
}

var (
	// errLate: the tail no longer holds, or never held, what a follower is to read next.
	errLate = errors.New("further behind than the tail of the stream")
	// errRide: everything from here on is in the tail.
	errRide = errors.New("caught up with the tail of the stream")
)

// rides reports whether a reader can go on from the tail alone. Only one that wants everything and has arrived at the
// end does.
func (r *reader) rides() bool {
	if len(r.filter) > 0 || r.bounded || !r.arrived {
		return false
	}
	t := r.stream.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.feed == nil || r.next > t.fed || t.commits[r.next] != nil
}

// board returns the feed of the tail, which it starts if there is none; the caller leaves it.
func (r *reader) board() *feed {
	t := r.stream.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.feed == nil {
		ctx, cancel := context.WithCancel(context.Background())
		f := &feed{cancel: cancel, ended: make(chan struct{})}
		t.feed, t.fed = f, r.next-1
		go func(from uint64) {
			f.err = r.log.feed(ctx, r.stream, from)
			close(f.ended)
		}(r.next)
	}
	t.feed.riders++
	return t.feed
}

// leave ends the feed after its last rider.
func (t *tail) leave(f *feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.riders--; f.riders > 0 {
		return
	}
	f.cancel()
	if t.feed == f {
		t.feed = nil
	}
}

// ride hands on what comes into the tail until the feed ends. The error is errLate if the reader has to look for itself.
func (r *reader) ride(ctx context.Context) error {
	t := r.stream.tail
	f := r.board()
	defer t.leave(f)
	for {
		if _, ok := r.stream.gap(r.next); ok {
			if err := r.passOver(ctx, r.next); err != nil {
				return err
			}
			continue
		}
		c, passed, grown := t.at(r.next)
		switch {
		case c != nil:
			if err := r.take(ctx, c); err != nil {
				return err
			}
			continue
		case passed:
			return errLate
		}
		select {
		case <-grown:
		case <-f.ended:
			return f.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take hands on the next commit, from the tail.
func (r *reader) take(ctx context.Context, c *tailed) error {
	r.next = c.sequence + 1
	if skipped, ok := r.unwanted(c.subject, c.data, c.sequence); ok {
		return r.tell(ctx, skipped)
	}
	record, err := c.read(r.log.trust.Load(), r.stream.name, r.verified)
	return r.tell(ctx, item{record: record, err: err})
}

// feed fills a stream's tail with everything from a sequence on, until the consumer fails or ctx ends.
func (l *Log) feed(ctx context.Context, s *stream, from uint64) error {
	connection := l.connection.Load().ended
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(connection, cancel)() // a question to a server that is gone is not waited for
	consumer, err := s.handle.CreateConsumer(ctx, consumerFrom(from, nil))
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(longestTail),
		jetstream.PullHeartbeat(pullHeartbeat), jetstream.PullExpiry(pullExpiry))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for sent := uint64(1); ; sent++ {
		message, err := messages.Next()
		if err != nil {
			return err
		}
		meta, err := message.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Consumer != sent {
			return fmt.Errorf("got message %d, want %d: %w", meta.Sequence.Consumer, sent, errGap)
		}
		s.tail.feedWith(message.Subject(), stored{meta.Sequence.Stream, meta.Timestamp, message.Data()})
	}
}
