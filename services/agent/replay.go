package agent

import (
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"shomei/pkg/counterlink"
	"shomei/pkg/durable"
)

// Keep is how long a store keeps what is finished: a day longer than the hub's streams, so that any redelivery is still
// recognised. Commands hold sealed personal data and must not stay for ever.
const Keep = counterlink.Retention + 24*time.Hour

// compact rewrites the file without the bytes of removed records, which bbolt leaves in free pages.
func compact(path string) error {
	fresh := path + ".compact"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("compacting the counter's store: %w", err)
	}
	from, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: openWait, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("compacting the counter's store: %w", err)
	}
	to, err := bolt.Open(fresh, 0o600, &bolt.Options{Timeout: openWait, NoSync: true})
	if err == nil {
		err = bolt.Compact(to, from, 1<<20)
		if err == nil {
			err = to.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyUncompacted) })
		}
		if err == nil {
			err = to.Sync() // once, before the rename: a start waits for this
		}
		err = errors.Join(err, to.Close())
	}
	if err = errors.Join(err, from.Close()); err != nil {
		return fmt.Errorf("compacting the counter's store: %w", err)
	}
	if err := durable.Rename(fresh, path); err != nil {
		return fmt.Errorf("compacting the counter's store: %w", err)
	}
	return nil
}

// compacted returns the store, reopened in a compact file if something was removed from it.
func (s *Store) compacted() (*Store, error) {
	if s.meta(keyUncompacted) == nil {
		return s, nil
	}
	path := s.db.Path()
	if err := s.Close(); err != nil {
		return nil, fmt.Errorf("closing the counter's store to compact it: %w", err)
	}
	if err := compact(path); err != nil {
		return nil, err
	}
	return OpenStore(path, s.counter, s.key)
}

// openStore opens the store and loads its last link-up.
func (c *Counter) openStore() (*Store, error) {
	store, err := OpenStore(c.cfg.StorePath, c.cfg.Counter, c.cfg.Key)
	if err != nil {
		return nil, err
	}
	if c.time.last, err = store.linkUp(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// oldest returns the time before which finished entries are removed. A fast clock must not remove what the server may still
// redeliver. It is zero with a simulated clock, because years pass in a story.
func (c *Counter) oldest() time.Time {
	if c.cfg.ClockEvidence() == Simulated {
		return time.Time{}
	}
	return c.time.past().Add(-Keep)
}
