package vault

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// Key names one version of the key of a person's record class.
type Key struct {
	Person  string `json:"person"`
	Class   string `json:"class"`
	Version uint32 `json:"version"`
}

// Status is how the vault stands to a key.
type Status string

// The statuses of a key.
const (
	Held    Status = "held"
	Erased  Status = "erased"
	Missing Status = "missing" // this copy never had it
)

// Status reports whether the vault holds a key, holds the tombstone of one that was erased, or lacks it.
func (v *Vault) Status(k Key) (Status, error) {
	name, err := keyName(k.Person, k.Class, k.Version)
	if err != nil {
		return "", fmt.Errorf("looking for a key: %w", err)
	}
	s := v.shardOf(k.Person)
	s.swap.RLock()
	defer s.swap.RUnlock()
	value, err := s.read(name)
	switch {
	case err != nil:
		return "", fmt.Errorf("looking for the key of %s: %w", k.Person, err)
	case len(value) == 0 || value[0] == statusMissing:
		return Missing, nil
	case value[0] == statusErased:
		return Erased, nil
	}
	return Held, nil
}

// NoteMissing notes keys that the log needs and this copy of the vault lacks, so that no new key is made under the same
// version: two keys of one version would hide that what the first sealed is unreadable. The notes stand in the files of this
// copy and go with it when a newer one is put in its place.
func (v *Vault) NoteMissing(keys []Key) error {
	for _, k := range keys {
		name, err := keyName(k.Person, k.Class, k.Version)
		if err != nil {
			return fmt.Errorf("noting a missing key: %w", err)
		}
		if err := v.shardOf(k.Person).noteMissing(name); err != nil {
			return fmt.Errorf("noting a missing key of %s: %w", k.Person, err)
		}
	}
	return nil
}

func (s *shard) noteMissing(name string) error {
	s.swap.RLock()
	defer s.swap.RUnlock()
	return s.db.Update(func(tx *bbolt.Tx) error {
		keys := tx.Bucket(keysBucket)
		if keys.Get([]byte(name)) != nil {
			return nil
		}
		noted, err := tx.CreateBucketIfNotExists(missingBucket)
		if err == nil {
			err = noted.Put([]byte(name), nil)
		}
		if err != nil {
			return err
		}
		return keys.Put([]byte(name), []byte{statusMissing})
	})
}

// NotedMissing counts the keys that this copy of the vault is known to lack.
func (v *Vault) NotedMissing() (n int, err error) {
	for _, s := range v.shards {
		s.swap.RLock()
		err = errors.Join(err, s.db.View(func(tx *bbolt.Tx) error {
			if noted := tx.Bucket(missingBucket); noted != nil {
				n += noted.Stats().KeyN
			}
			return nil
		}))
		s.swap.RUnlock()
	}
	return n, err
}
