package eventlog

import (
	"bytes"
	"errors"
	"fmt"

	"shomei/events"
	"shomei/pkg/eventlog/blocks"
)

// Foreign finds messages on an aggregate's subject that never were commits, in a store that no server runs on: what
// can't be decoded, belongs elsewhere, has an invalid signature, or repeats an old commit. It returns the reasons by
// stream and sequence, for blocks.Config.Unwanted. What was signed by a key that is not among writers, or may not write
// this kind, may once have been a commit: the error is ErrForged then. It is ErrDamaged if the chain itself is broken.
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

// sifting separates an aggregate's commits from what never was one.
type sifting struct {
	trust    trust
	last     *Record
	unwanted map[uint64]string
}

func (s *sifting) take(m blocks.Message) error {
	r, err := s.trust.read(m.Subject, bytes.Clone(m.Payload), m.Stream, m.Sequence, m.Time)
	if errors.Is(err, events.ErrUnknownEvent) && s.trust.signed(r) {
		return err // a newer program wrote it
	}
	if err != nil {
		s.unwanted[m.Sequence] = err.Error()
		return nil
	}
	if writer, known := s.trust.writers[r.Writer]; !known || writer.forbids(r) != nil {
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
