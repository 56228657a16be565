package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
)

// bookmark is the saved position of a follower. Losing it costs only time: handling twice equals handling once.
type bookmark struct {
	Sequences Positions        `json:"sequences"`
	Parked    map[string]stuck `json:"parked,omitempty"`
}

// stuck is the first commit of an aggregate that a follower could not handle.
type stuck struct {
	Stream   string `json:"stream"`
	Sequence uint64 `json:"sequence"`
	Reason   string `json:"reason"`
}

const (
	positionStream  = "shomei-positions"
	positionSubject = "shomei.position."
)

// restore reads a follower's bookmark.
func (l *Log) restore(ctx context.Context, f Follower) (bookmark, error) {
	kept := bookmark{Sequences: Positions{}, Parked: map[string]stuck{}}
	stream, err := l.positions(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) && l.config.Marks == "" {
		return kept, nil // nobody has followed this log yet
	}
	if err != nil {
		return kept, err
	}
	message, err := stream.GetLastMsgForSubject(ctx, positionSubject+f.Name)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
	case err != nil:
		return kept, err
	default:
		if err := json.Unmarshal(message.Data, &kept); err != nil {
			l.config.Logger.Warn("position of follower can't be read, starting at the beginning", "follower", f.Name, "error", err)
			kept = bookmark{}
		}
	}
	if kept.Parked == nil {
		kept.Parked = map[string]stuck{}
	}
	if f.From != nil || kept.Sequences == nil {
		kept.Sequences = Positions{}
		maps.Copy(kept.Sequences, f.From)
	}
	return kept, nil
}

// Marked returns the positions that all of some marks have reached, which the files of a store hold as JSON. Marks beyond the end of
// the log count for nothing: the log is an older copy then.
func (l *Log) Marked(ctx context.Context, marks [][]byte) (Positions, error) {
	var least Positions
	for i, mark := range marks {
		var at Positions
		if len(mark) > 0 {
			if err := json.Unmarshal(mark, &at); err != nil {
				return nil, fmt.Errorf("the mark of file %d: %w", i, err)
			}
		}
		if i == 0 {
			least = at
		}
		for stream := range least {
			least[stream] = min(least[stream], at[stream])
		}
	}
	ends, err := l.LastSequences(ctx)
	if err != nil {
		return nil, err
	}
	for stream, at := range least {
		if at > ends[stream] {
			l.config.Logger.Warn("a store is ahead of the log: the log is an older copy; see the runbook, Restore",
				"stream", stream, "store", at, "log", ends[stream])
			delete(least, stream)
		}
	}
	return least, nil
}

// positions returns the stream that holds the last bookmark of each follower.
func (l *Log) positions(ctx context.Context) (jetstream.Stream, error) {
	return l.js.Stream(ctx, positionStream)
}

// openPositions creates the stream of bookmarks if there is none.
func (l *Log) openPositions(ctx context.Context) error {
	_, err := l.positions(ctx)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = l.makeStream(ctx, jetstream.StreamConfig{
			Name: positionStream, Subjects: []string{positionSubject + "*"}, Description: "Shomei: how far followers of the log have come.",
			MaxMsgsPerSubject: 1, Storage: jetstream.FileStorage, Replicas: l.config.Replicas, MaxMsgs: -1, MaxBytes: -1,
			MaxMsgSize: -1, MaxConsumers: -1,
		}, false)
	}
	if err != nil {
		return fmt.Errorf("opening stream %s: %w", positionStream, err)
	}
	return nil
}

func (w *following) save(ctx context.Context) error {
	if !w.unsaved {
		return nil
	}
	if err := w.log.saveBookmark(ctx, w.follower.Name, w.saved); err != nil {
		return err
	}
	w.unsaved = false
	return nil
}

func (l *Log) saveBookmark(ctx context.Context, follower string, at bookmark) error {
	encoded, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("encoding the position of %s: %w", follower, err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.config.PublishTimeout)
	defer cancel()
	if _, err := l.js.Publish(ctx, positionSubject+follower, encoded); err != nil {
		return fmt.Errorf("saving the position of %s: %w", follower, err)
	}
	return nil
}

// PassOver marks everything in the log as handled by a follower that isn't running, for a caller that has done the
// follower's work by other means. Its parked aggregates stay parked.
func (l *Log) PassOver(ctx context.Context, follower string) error {
	kept, err := l.restore(ctx, Follower{Name: follower})
	if err != nil {
		return fmt.Errorf("reading the position of %s: %w", follower, err)
	}
	ends, err := l.LastSequences(ctx)
	if err != nil {
		return err
	}
	maps.Copy(kept.Sequences, ends)
	return l.saveBookmark(ctx, follower, kept)
}

var errStillUnreadable = errors.New("still unreadable")

// between reads the commits of a parked aggregate that were skipped.
func (l *Log) between(ctx context.Context, key string, from stuck, to uint64, unverified bool) ([]Record, error) {
	kind, id, _ := strings.Cut(key, "/")
	s, subject := l.streams[events.StreamOfShard(events.Shard(id), len(l.streams))], events.LogSubject(kind, id)
	if s.name != from.Stream {
		return nil, fmt.Errorf("%s was parked in stream %s, which is no longer its own: %w", key, from.Stream, errStillUnreadable)
	}
	if err := s.parked(subject); err != nil {
		return nil, fmt.Errorf("%w: %w", errStillUnreadable, err)
	}
	var records []Record
	for sequence := from.Sequence; sequence <= to; sequence++ {
		message, err := l.message(ctx, s, sequence, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && message.Sequence > to {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading parked %s: %w", key, err)
		}
		writers := *l.trust.Load()
		record, err := writers.read(message.Subject, message.Data, s.name, message.Sequence, message.Time)
		if err == nil && !unverified {
			err = writers.verify(record)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errStillUnreadable, err)
		}
		records = append(records, record)
		sequence = message.Sequence
	}
	return records, nil
}
