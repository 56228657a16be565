package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
)

// unreadable are the reasons why one aggregate can't be taken while all the others can.
var unreadable = []error{ErrParked, ErrForged, ErrDamaged, ErrNewerState, ErrState, events.ErrMalformed, events.ErrUnknownEvent}

// Unreadable reports whether an error of Load, History or Update is about this one aggregate, and trying again won't
// help: forged or damaged commits, or ones of a newer version. It is false for a stream that is behind its mark.
func Unreadable(err error) bool {
	is := func(target error) bool { return errors.Is(err, target) }
	return slices.ContainsFunc(unreadable, is) && !errors.Is(err, ErrBehindMark)
}

// Park makes of an error that is about one aggregate the *ParkError that sets it aside; any other error, and nil, come
// back as they are. Whoever handles a record by reading its whole aggregate returns its errors through it.
func Park(kind, id string, err error) error {
	if !Unreadable(err) {
		return err
	}
	return &ParkError{Kind: kind, ID: id, Err: err}
}

// Parked is an aggregate that lost a commit to damage.
type Parked struct {
	Kind, ID, Stream string
	// Sequence is where the commit stood, Why what was wrong with it, Evidence the folder that keeps what was left of it.
	Sequence      uint64
	Why, Evidence string
}

// Err says what is wrong and what to do next. It unwraps to ErrParked.
func (p Parked) Err() error {
	return fmt.Errorf("%s/%s lost a commit at %s sequence %d (%s); put it back with shomei log repair %s/%s --copy FOLDER, what was left of it is kept as evidence %s: %w",
		p.Kind, p.ID, p.Stream, p.Sequence, p.Why, p.Kind, p.ID, p.Evidence, ErrParked)
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

// parkedBy are the aggregates that a gap may be of: none where what was taken out never was a commit.
func parkedBy(stream string, g blocks.Gap) []Parked {
	var all []Parked
	for _, subject := range g.Owners {
		if kind, id, err := events.ParseLogSubject(subject); err == nil {
			all = append(all, Parked{Kind: kind, ID: id, Stream: stream, Sequence: g.Sequence, Why: g.Why, Evidence: g.Evidence})
		}
	}
	return all
}

// admit reports whether an aggregate may be read and decided about: its stream is served, and it lost nothing.
func (l *Log) admit(ctx context.Context, t target) error {
	if err := l.serve(ctx, t.stream); err != nil {
		return err
	}
	return t.stream.parked(t.subject)
}

// parked is why an aggregate of the stream may not be read; nil when it may.
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

// gap gives the gap at a sequence, if there is one that is known.
func (s *stream) gap(sequence uint64) (blocks.Gap, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gaps.At(sequence)
}

// gapsBetween are the known gaps from one sequence to another, both included, in order.
func (s *stream) gapsBetween(from, to uint64) []blocks.Gap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.gaps.Gaps), func(g blocks.Gap) bool { return g.Sequence < from || g.Sequence > to })
}
