package vault

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// markEntry holds what was last marked.
var markEntry = []byte("erasures applied")

// SetMark writes a mark into every file of the vault: how far the erasures that the log orders are applied to it. The
// mark lives with the keys so that an old copy of any file brings its old mark back with it.
func (v *Vault) SetMark(mark []byte) error {
	for _, s := range v.shards {
		if err := s.setMark(mark); err != nil {
			return fmt.Errorf("marking %s: %w", s.path, err)
		}
	}
	return nil
}

func (s *shard) setMark(mark []byte) error {
	s.swap.RLock()
	defer s.swap.RUnlock()
	same := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		same = bytes.Equal(tx.Bucket(metaBucket).Get(markEntry), mark)
		return nil
	})
	if err != nil || same {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(markEntry, mark) })
}

// Marks gives the mark of every file; nil for one that was never marked.
func (v *Vault) Marks() ([][]byte, error) {
	var marks [][]byte
	var errs []error
	for _, s := range v.shards {
		s.swap.RLock()
		errs = append(errs, s.db.View(func(tx *bbolt.Tx) error {
			marks = append(marks, bytes.Clone(tx.Bucket(metaBucket).Get(markEntry)))
			return nil
		}))
		s.swap.RUnlock()
	}
	return marks, errors.Join(errs...)
}
