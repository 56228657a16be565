package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/durable"
)

// Keep is how long a store keeps what is finished: a day longer than the hub's streams, so that whatever the server may
// deliver again is still recognised. Commands hold personal data, sealed to the counter, and must not stay for ever.
const Keep = counterlink.Retention + 24*time.Hour

// eachClaim and eachEntry hand on what the store holds of remembered procedures, oldest first.
func (s *Store) eachClaim(do func(*events.Claim) error) error {
	return s.each(bucketCarriedClaims, bucketClaims, func(_, v []byte) error {
		c, _, err := counterlink.ParseClaim(v)
		if err != nil {
			return err
		}
		return do(c)
	})
}

func (s *Store) eachEntry(do func(Entry) error) error {
	return s.each(bucketCarried, bucketJournal, func(_, v []byte) error {
		var e Entry
		if err := json.Unmarshal(v, &e); err != nil {
			return fmt.Errorf("journal entry: %w: %w", err, ErrTampered)
		}
		return do(e)
	})
}

func (s *Store) each(carried, chain []byte, do func(k, v []byte) error) error {
	return s.db.View(func(tx *bolt.Tx) error {
		if err := tx.Bucket(carried).ForEach(do); err != nil {
			return err
		}
		return tx.Bucket(chain).ForEach(do)
	})
}

// compact writes the file anew without the bytes of what was removed, which bbolt leaves in free pages.
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
			err = to.Sync() // once, before it takes the other's place: a start waits for this
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

// compacted returns the store in a compact file when something was removed from it, and itself otherwise.
func (s *Store) compacted() (*Store, error) {
	if !s.uncompacted() {
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

func (s *Store) uncompacted() (yes bool) {
	_ = s.db.View(func(tx *bolt.Tx) error {
		yes = tx.Bucket(bucketMeta).Get(keyUncompacted) != nil
		return nil
	})
	return yes
}

// openStore opens the store and takes up the last link-up it knows of.
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

// oldest is the instant from which on what is finished is kept. A clock that runs ahead must not clear what the server
// may still deliver again. It is zero with a simulated clock: years pass in a story.
func (c *Counter) oldest() time.Time {
	if c.cfg.ClockEvidence() == Simulated {
		return time.Time{}
	}
	return c.time.past().Add(-Keep)
}
