package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
)

// unreadable lists the errors that concern one aggregate while all others can be read.
var unreadable = []error{ErrParked, ErrForged, ErrDamaged, ErrNewerState, ErrState, events.ErrMalformed, events.ErrUnknownEvent}

// Unreadable reports whether an error of Load, History or Update concerns this one aggregate and retrying won't help:
// forged or damaged commits, or commits of a newer version. It is false for a stream that is behind its mark.
func Unreadable(err error) bool {
	is := func(target error) bool { return errors.Is(err, target) }
	return slices.ContainsFunc(unreadable, is) && !errors.Is(err, ErrBehindMark)
}

// Park turns an error about one aggregate into a *ParkError; any other error, and nil, it returns as they are. A Handle
// that reads whole aggregates returns its errors through it.
func Park(kind, id string, err error) error {
	if !Unreadable(err) {
		return err
	}
	return &ParkError{Kind: kind, ID: id, Err: err}
}

// Parked is an aggregate that lost a commit to damage.
type Parked struct {
	Kind, ID, Stream string
	// Sequence is where the commit stood, Why what was wrong with it, Evidence the folder with its remains.
	Sequence      uint64
	Why, Evidence string
}

// Err returns what is wrong and what to do next. It wraps ErrParked.
func (p Parked) Err() error {
	return fmt.Errorf("%[1]s/%[2]s lost a commit at %[3]s sequence %[4]d (%[5]s); restore it with shomei log repair %[1]s/%[2]s --copy FOLDER or, if no copy holds it, close it with shomei log close %[1]s/%[2]s; its remains are kept as evidence %[6]s: %[7]w",
		p.Kind, p.ID, p.Stream, p.Sequence, p.Why, p.Evidence, ErrParked)
}

// Parked lists the aggregates that lost commits to damage.
func (l *Log) Parked() []Parked {
	var all []Parked
	for _, s := range l.streams {
		s.mu.Lock()
		for _, g := range s.gaps.Gaps {
			all = append(all, parkedBy(s.name, g)...)
		}
		s.mu.Unlock()
	}
	return all
}

// Readable returns the commits of an aggregate that can be read and believed, each by itself, whatever is lost between them: the last
// word about one that is parked. Nothing may be decided on them.
func (l *Log) Readable(ctx context.Context, kind, id string) ([]Record, error) {
	t, err := l.target(kind, id)
	if err != nil {
		return nil, err
	}
	ends, err := l.LastSequences(ctx)
	if err != nil {
		return nil, err
	}
	var records []Record
	err = l.scanStream(ctx, t.stream, 0, ends[t.stream.name], []string{kind}, func(r Record, err error) error {
		if r.Kind == kind && r.ID == id && err == nil && l.Verify(r) == nil {
			records = append(records, r)
		}
		return nil
	})
	return records, err
}

// parkedBy returns the aggregates that a gap may belong to: none if what was removed never was a commit.
func parkedBy(stream string, g blocks.Gap) []Parked {
	var all []Parked
	for _, subject := range g.Owners {
		if kind, id, err := events.ParseLogSubject(subject); err == nil {
			all = append(all, Parked{Kind: kind, ID: id, Stream: stream, Sequence: g.Sequence, Why: g.Why, Evidence: g.Evidence})
		}
	}
	return all
}

// admit checks that an aggregate may be read and decided about: its stream is served, and it lost nothing.
func (l *Log) admit(ctx context.Context, t target) error {
	if err := l.serve(ctx, t.stream); err != nil {
		return err
	}
	return t.stream.parked(t.subject)
}

// parked returns why an aggregate of the stream must not be read, or nil.
func (s *stream) parked(subject string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gaps.Gaps {
		for _, p := range parkedBy(s.name, g) {
			if events.LogSubject(p.Kind, p.ID) == subject {
				return p.Err()
			}
		}
	}
	return nil
}

// gap returns the known gap at a sequence, if any.
func (s *stream) gap(sequence uint64) (blocks.Gap, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gaps.At(sequence)
}

// gapsBetween returns the known gaps between two sequences, inclusive, in order.
func (s *stream) gapsBetween(from, to uint64) []blocks.Gap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.gaps.Gaps), func(g blocks.Gap) bool { return g.Sequence < from || g.Sequence > to })
}
