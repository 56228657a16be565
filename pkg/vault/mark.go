package vault

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"shomei/pkg/namekey"
)

// Mark is what a file of the vault notes about how far the log is applied to it.
type Mark string

// The marks.
var (
	// ErasuresApplied: the erasures that the log orders.
	ErasuresApplied Mark = "erasures applied"
	// IdentitiesIndexed: the identities that the log has; of indexes of another version nothing is marked.
	IdentitiesIndexed = Mark(fmt.Sprintf("identities indexed %d", namekey.Version))
)

// SetMark writes a mark into every file of the vault. It lives with the keys so that an old copy of any file brings its old mark back
// with it.
func (v *Vault) SetMark(of Mark, mark []byte) error {
	for _, s := range v.shards {
		if err := s.setMark(of, mark); err != nil {
			return fmt.Errorf("marking %s: %w", s.path, err)
		}
	}
	return nil
}

func (s *shard) setMark(of Mark, mark []byte) error {
	s.swap.RLock()
	defer s.swap.RUnlock()
	same := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		same = bytes.Equal(tx.Bucket(metaBucket).Get([]byte(of)), mark)
		return nil
	})
	if err != nil || same {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put([]byte(of), mark) })
}

// Marks gives a mark of every file; nil for one that was never marked.
func (v *Vault) Marks(of Mark) ([][]byte, error) {
	var marks [][]byte
	var errs []error
	for _, s := range v.shards {
		s.swap.RLock()
		errs = append(errs, s.db.View(func(tx *bbolt.Tx) error {
			marks = append(marks, bytes.Clone(tx.Bucket(metaBucket).Get([]byte(of))))
			return nil
		}))
		s.swap.RUnlock()
	}
	return marks, errors.Join(errs...)
}
