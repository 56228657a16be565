package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"shomei/events"
)

// Streams returns the names of the log's streams, in order of the shards they own.
func (l *Log) Streams() []string {
	names := make([]string, len(l.streams))
	for i, s := range l.streams {
		names[i] = s.name
	}
	return names
}

// LastSequences returns the ends of all streams being served. Their distance from a follower's Positions is its lag in
// commits.
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

// StoredAfter returns when the server stored the oldest message behind these positions; the zero time if there is none, or
// only in streams that are not served.
func (l *Log) StoredAfter(ctx context.Context, at Positions) (oldest time.Time, err error) {
	for _, s := range l.streams {
		err := l.patiently(ctx, func() error {
			if err := l.serve(ctx, s); err != nil {
				return err
			}
			next, err := s.handle.GetMsg(ctx, at[s.name]+1, jetstream.WithGetMsgSubject(events.LogSubjects))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return nil
			}
			if err == nil && (oldest.IsZero() || next.Time.Before(oldest)) {
				oldest = next.Time
			}
			return err
		})
		if err != nil && !(notServed(err) && len(l.streams) > 1) {
			return time.Time{}, fmt.Errorf("reading when stream %s was written to: %w", s.name, err)
		}
	}
	return oldest, nil
}

// Positions returns the last saved positions of a follower, at most a second old while it runs; empty if it never ran.
func (l *Log) Positions(ctx context.Context, follower string) (Positions, error) {
	kept, err := l.restore(ctx, Follower{Name: follower})
	if err != nil {
		return nil, fmt.Errorf("reading the position of %s: %w", follower, err)
	}
	return kept.Sequences, nil
}

// Verify checks that a record is signed by a trusted writer whose role may write its events. The error is ErrForged.
func (l *Log) Verify(r Record) error {
	if r.Commit == nil {
		return fmt.Errorf("%s/%s at %s sequence %d can't be read: %w", r.Kind, r.ID, r.Stream, r.Sequence, ErrForged)
	}
	return (*l.trust.Load()).verify(r)
}

// TrustDigest returns a digest of the writers that are trusted by configuration, and their roles: whatever was derived
// from verified records must be derived again if it changes. An enrolment or a retirement changes nothing that stands in
// the log before it, and the root writes nothing else.
func (l *Log) TrustDigest() []byte {
	writers := l.anchors.Load().writers
	var text []byte
	for _, public := range slices.Sorted(maps.Keys(writers)) {
		if role := writers[public].role; role != RoleRoot {
			text = fmt.Appendf(text, "%s %s\n", public, role)
		}
	}
	return events.Hash(text)
}

// Scan calls fn for every record of some kinds (all, if kinds is empty) that is in the log when it is called, stream by
// stream and in order in each; after holds the positions to start behind (nil: the beginning). Other kinds are not
// sent, unless subscribers are wanted. Streams that are not served are left out: Check names them. Signatures are not
// verified (Verify does that); a record that is unreadable or known to be lost has a nil Commit and its reason in err.
// Scan stops at the first error of fn and returns it.
func (l *Log) Scan(ctx context.Context, after Positions, kinds []string, fn func(r Record, err error) error) error {
	ends, err := l.LastSequences(ctx)
	if err != nil {
		return err
	}
	for _, s := range l.streams {
		if ends[s.name] <= after[s.name] {
			continue
		}
		if err := l.scanStream(ctx, s, after[s.name], ends[s.name], kinds, fn); err != nil {
			return err
		}
	}
	return nil
}

// scanBatch is how many records a scan reads ahead.
const scanBatch = 2000

func (l *Log) scanStream(ctx context.Context, s *stream, after, end uint64, kinds []string, fn func(Record, error) error) error {
	group, ctx := errgroup.WithContext(ctx)
	records := make(chan item, scanBatch)
	group.Go(func() error { defer close(records); return l.readTo(ctx, s, after, end, kinds, records) })
	group.Go(func() error {
		for next := range records {
			if next.skip {
				continue
			}
			if err := fn(next.record, next.err); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}
