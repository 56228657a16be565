package eventlog

import (
	"context"
	"fmt"
	"maps"
	"slices"

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

// TrustDigest stands for the writers that are believed now and their roles: what was made of verified records is made anew
// when it has changed.
func (l *Log) TrustDigest() []byte {
	writers := l.trust.Load().writers
	var text []byte
	for _, public := range slices.Sorted(maps.Keys(writers)) {
		text = fmt.Appendf(text, "%s %s\n", public, writers[public].role)
	}
	return events.Hash(text)
}

// Scan gives fn every record of some kinds (all, when kinds is empty) that stands in the log when it is called, stream by
// stream and in order in each; after holds the positions to start behind (nil: everything). It costs what it gives:
// commits of other kinds are not sent, save to who wants subscribers. Streams that are not served are left out: Check names them. Signatures are not verified
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
	records := make(chan read, scanBatch)
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
