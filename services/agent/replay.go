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
)

// Keep is how long a store keeps what is finished: a day longer than the hub's streams, so that whatever the server may
// deliver again is still recognised. Commands hold personal data, sealed to the counter, and must not stay for ever.
const Keep = counterlink.Retention + 24*time.Hour

// eachClaim and eachEntry hand on what the store holds, oldest first.
func (s *Store) eachClaim(do func(*events.Claim) error) error {
	return s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketClaims).ForEach(func(_, v []byte) error {
			c, _, err := counterlink.ParseClaim(v)
			if err != nil {
				return err
			}
			return do(c)
		})
	})
}

func (s *Store) eachEntry(do func(Entry) error) error {
	return s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketJournal).ForEach(func(_, v []byte) error {
			var e Entry
			if err := json.Unmarshal(v, &e); err != nil {
				return fmt.Errorf("journal entry: %w: %w", err, ErrTampered)
			}
			return do(e)
		})
	})
}

// prune removes from the front of both chains what is finished and older than before, and remembers where they begin
// now. The newest delivered claim stays, for the comparison of heads. It tells how many entries went.
func (s *Store) prune(before time.Time) (removed int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.finished()
	if err != nil {
		return 0, err
	}
	err = s.db.Update(func(tx *bolt.Tx) error {
		claims, err := cutFront(tx, bucketClaims, keyClaimBase, func(raw []byte) (link, bool, error) {
			c, hash, err := counterlink.ParseClaim(raw)
			made := max(c.GetFiledMs(), c.GetLinkTime().GetHubMs()) // by a clock that may have been slow
			old := made < before.UnixMilli() && c.GetNumber() < s.delivered.Number
			return link{Number: c.GetNumber(), Hash: hash}, old, err
		})
		if err != nil {
			return fmt.Errorf("claims: %w", err)
		}
		entries, err := cutFront(tx, bucketJournal, keyJournalBase, func(raw []byte) (link, bool, error) {
			var e Entry
			err := json.Unmarshal(raw, &e)
			return link{Number: e.Number, Hash: events.Hash(raw)}, e.AtMS < before.UnixMilli() && done[e.ID], err
		})
		removed = claims + entries
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("clearing old entries from the counter's store: %w", err)
	}
	return removed, nil
}

// cutFront removes entries while they are old.
func cutFront(tx *bolt.Tx, bucket, base []byte, read func([]byte) (link, bool, error)) (removed int, err error) {
	cursor := tx.Bucket(bucket).Cursor()
	var last link
	for k, v := cursor.First(); k != nil; k, v = cursor.First() {
		at, old, err := read(v)
		if err != nil {
			return 0, err
		}
		if !old {
			break
		}
		if err := cursor.Delete(); err != nil {
			return 0, err
		}
		last, removed = at, removed+1
	}
	if removed == 0 {
		return 0, nil
	}
	return removed, putLink(tx.Bucket(bucketMeta), base, last)
}

// finished names the commands that are done, and the answers.
func (s *Store) finished() (map[string]bool, error) {
	done := map[string]bool{}
	err := s.eachEntry(func(e Entry) error {
		if e.Step == StepDone || e.Answer {
			done[e.ID] = true
		}
		return nil
	})
	return done, err
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
	to, err := bolt.Open(fresh, 0o600, &bolt.Options{Timeout: openWait})
	if err == nil {
		err = bolt.Compact(to, from, 1<<20)
		err = errors.Join(err, to.Close())
	}
	if err = errors.Join(err, from.Close()); err != nil {
		return fmt.Errorf("compacting the counter's store: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("compacting the counter's store: %w", err)
	}
	return nil
}

// openStore opens the store, takes up the last link-up it knows of, and clears what is finished and older than [Keep] out
// of its file. A clock that runs ahead must not clear what the server may still deliver again.
func (c *Counter) openStore() (*Store, error) {
	store, err := OpenStore(c.cfg.StorePath, c.cfg.Counter, c.cfg.Key)
	if err != nil {
		return nil, err
	}
	if c.time.last, err = store.linkUp(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if c.cfg.ClockEvidence() == Simulated {
		return store, nil // years pass in a story, and the server still delivers what is a minute old to it
	}
	removed, err := store.prune(c.time.past().Add(-Keep))
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	if removed == 0 {
		return store, nil
	}
	if err := store.Close(); err != nil {
		return nil, fmt.Errorf("closing the counter's store to compact it: %w", err)
	}
	if err := compact(c.cfg.StorePath); err != nil {
		return nil, err
	}
	return OpenStore(c.cfg.StorePath, c.cfg.Counter, c.cfg.Key)
}
