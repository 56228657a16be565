package eventlog

import (
	"errors"
	"fmt"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
)

// Foreign finds, in a store that no server runs on, the messages on the subject of an aggregate that never were commits:
// what can't be decoded, belongs elsewhere, carries a signature that does not hold, or repeats an old commit. It gives
// why, by stream and sequence, for blocks.Config.Unwanted. What a writer signed who is not among writers, or may not
// write this, may have been a commit once: the error is ErrForged then, as ErrDamaged where the chain itself is broken.
func Foreign(store, kind, id string, writers map[string]Role) (map[string]map[uint64]string, error) {
	names, err := blocks.Streams(store)
	if err != nil {
		return nil, err
	}
	set, err := newTrust(writers)
	if err != nil {
		return nil, err
	}
	found := make(map[string]map[uint64]string)
	subject := events.LogSubject(kind, id)
	for _, name := range names {
		s := sifting{trust: set, unwanted: make(map[uint64]string)}
		err := blocks.Read(store, name, func(m blocks.Message) error {
			if m.Subject != subject {
				return nil
			}
			return s.take(m)
		})
		if err != nil {
			return nil, err
		}
		found[name] = s.unwanted
	}
	return found, nil
}

// sifting parts the commits of one aggregate from what never was one.
type sifting struct {
	trust    trust
	last     *Record
	unwanted map[uint64]string
}

func (s *sifting) take(m blocks.Message) error {
	r, err := s.trust.read(m.Subject, append([]byte(nil), m.Payload...), m.Stream, m.Sequence, m.Time)
	if errors.Is(err, events.ErrUnknownEvent) {
		return err // a newer program wrote it
	}
	if err != nil {
		s.unwanted[m.Sequence] = err.Error()
		return nil
	}
	if writer, known := s.trust.writers[r.Writer]; !known || !writer.role.MayWrite(r.Kind) {
		return s.trust.verify(r)
	}
	if err := s.trust.verify(r); err != nil {
		s.unwanted[m.Sequence] = err.Error()
		return nil
	}
	err = r.follows(s.last)
	switch {
	case err == nil:
		s.last = &r
	case s.last != nil && r.Commit.GetRevision() <= s.last.Commit.GetRevision():
		s.unwanted[m.Sequence] = fmt.Sprintf("revision %d stands in the log before", r.Commit.GetRevision())
	default:
		return err
	}
	return nil
}
