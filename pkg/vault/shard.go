package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"shomei/pkg/crashpoint"
	"shomei/pkg/durable/shred"
)

var (
	metaBucket = []byte("meta")
	keysBucket = []byte("keys")
	// missingBucket names the keys that NoteMissing has noted.
	missingBucket = []byte("missing")

	// masterEntry holds the version and fingerprint of the master key that wraps this file's keys.
	masterEntry = []byte("master")
	// dueEntry stands while the file still holds bytes that must go: it has to be compacted.
	dueEntry = []byte("compaction due")
)

// Where a crash test may end the process: between every two durable steps.
var (
	pointMade       = crashpoint.Register("vault.master.made")
	pointCreated    = crashpoint.Register("vault.keys.created")
	pointTombstoned = crashpoint.Register("vault.erase.tombstoned")
	pointCopied     = crashpoint.Register("vault.compact.copied")
	pointRotated    = crashpoint.Register("vault.rewrap.rotated")
	pointRewrapped  = crashpoint.Register("vault.rewrap.rewrapped")
)

// compactionStep bounds one transaction of a compaction, in bytes.
const compactionStep = 16 << 20

// rewrapStep bounds one transaction of a rewrap, in records.
const rewrapStep = 10_000

// gatherFor is how long new keys wait for others to be stored with. It is short beside the fsync that they share, and long
// enough for as many to gather as would while another transaction runs (2026-11-29: 1, 8 and 64 at a time; the library's
// 10 ms cost a single one three times as much).
const gatherFor = 200 * time.Microsecond

// record is one wrapped key, or a tombstone, under its name.
type record struct {
	name  string
	value []byte
}

// shard is one file of keys.
type shard struct {
	path string
	// swap is held for reading while keys are in use, for writing while keys are destroyed and the file is replaced.
	swap sync.RWMutex
	db   *bbolt.DB
}

func openShard(path string, master *masterKeys, log *slog.Logger) (*shard, error) {
	if err := shred.Finish(path); err != nil {
		return nil, fmt.Errorf("finishing an erasure: %w", err)
	}
	db, err := openFile(path)
	if err != nil {
		return nil, err
	}
	s := &shard{path: path, db: db}
	if err := s.recognise(master); err != nil {
		db.Close()
		return nil, err
	}
	due, err := s.compactionDue()
	if err == nil && due {
		log.Warn("finishing an erasure that was interrupted", "file", path)
		err = s.compact()
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("finishing an erasure: %w", err)
	}
	return s, nil
}

func openFile(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.MaxBatchDelay = gatherFor
	return db, nil
}

func (s *shard) close() error {
	s.swap.Lock()
	defer s.swap.Unlock()
	return s.db.Close()
}

// recognise notes the master key in a new file and compares it in an old one.
func (s *shard) recognise(master *masterKeys) error {
	fresh := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if fresh = meta == nil; fresh {
			return nil
		}
		return checkMaster(meta.Get(masterEntry), master, s.path)
	})
	if err != nil || !fresh {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucket(keysBucket); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(metaBucket); err != nil {
			return err
		}
		return noteMaster(tx, master)
	})
}

func noteMaster(tx *bbolt.Tx, master *masterKeys) error {
	version := master.currentVersion()
	fingerprint, err := master.fingerprint(version)
	if err != nil {
		return err
	}
	return tx.Bucket(metaBucket).Put(masterEntry, append(binary.BigEndian.AppendUint32(nil, version), fingerprint...))
}

func checkMaster(noted []byte, master *masterKeys, path string) error {
	if len(noted) != 4+fingerprintSize {
		return fmt.Errorf("%s is damaged: restore the vault from its copy", path)
	}
	version := binary.BigEndian.Uint32(noted)
	fingerprint, err := master.fingerprint(version)
	if err != nil {
		return err
	}
	if !bytes.Equal(fingerprint, noted[4:]) {
		return fmt.Errorf("%w: %s was wrapped by another one (version %d) than %s holds; give the file that belongs to this vault",
			ErrMasterKey, path, version, master.path)
	}
	return nil
}

// read gives a copy of a record's value, nil when there is none.
func (s *shard) read(name string) (value []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(keysBucket).Get([]byte(name)))
		return nil
	})
	return value, err
}

// create stores records durably, leaving those that exist as they are. Whoever comes at the same time shares the
// transaction and its fsync.
func (s *shard) create(records []record) error {
	err := s.db.Batch(func(tx *bbolt.Tx) error {
		keys := tx.Bucket(keysBucket)
		for _, r := range records {
			if keys.Get([]byte(r.name)) != nil {
				continue
			}
			if err := keys.Put([]byte(r.name), r.value); err != nil {
				return err
			}
		}
		return nil
	})
	pointCreated.Hit()
	return err
}

// bury puts tombstones in place of keys and removes the keys' bytes from the file. The caller holds swap.
// Names that are buried already cost nothing.
func (s *shard) bury(names []string) error {
	tombstone := []byte{statusErased}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		keys, changed := tx.Bucket(keysBucket), false
		for _, name := range names {
			if bytes.Equal(keys.Get([]byte(name)), tombstone) {
				continue
			}
			changed = true
			if err := keys.Put([]byte(name), tombstone); err != nil {
				return err
			}
			if noted := tx.Bucket(missingBucket); noted != nil {
				if err := noted.Delete([]byte(name)); err != nil {
					return err
				}
			}
			if err := unindexErased(tx, name); err != nil {
				return err
			}
		}
		if !changed {
			return nil
		}
		return tx.Bucket(metaBucket).Put(dueEntry, []byte{1})
	})
	if err != nil {
		return fmt.Errorf("writing tombstones: %w", err)
	}
	pointTombstoned.Hit()
	due, err := s.compactionDue()
	if err != nil {
		return err
	}
	if !due {
		return shred.Finish(s.path)
	}
	return s.compact()
}

func (s *shard) compactionDue() (due bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		due = tx.Bucket(metaBucket).Get(dueEntry) != nil
		return nil
	})
	return due, err
}

// compact writes the file anew without what was removed from it, and shreds the old one. The caller holds swap.
// On failure the keys in use are whole, and the next erasure or Open tries again.
func (s *shard) compact() error {
	if err := shred.Finish(s.path); err != nil {
		return fmt.Errorf("compacting %s: %w", s.path, err)
	}
	if err := s.copyLive(s.path + shred.Fresh); err != nil {
		return fmt.Errorf("compacting %s: %w", s.path, err)
	}
	pointCopied.Hit()
	swapErr := shred.SwapIn(s.path+shred.Fresh, s.path)
	// Whether it failed before or after the rename: what stands under the path now is what is used from here on.
	closeErr := s.db.Close()
	db, err := openFile(s.path)
	if err == nil {
		s.db = db
	}
	if err := errors.Join(swapErr, closeErr, err); err != nil {
		return fmt.Errorf("replacing %s: %w", s.path, err)
	}
	if err := shred.Finish(s.path); err != nil {
		return fmt.Errorf("shredding what %s was: %w", s.path, err)
	}
	return nil
}

func (s *shard) copyLive(fresh string) (err error) {
	target, err := openFile(fresh)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := target.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := bbolt.Compact(target, s.db, compactionStep); err != nil {
		return err
	}
	return target.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Delete(dueEntry) })
}

// rewrap wraps every key of the file under the current master key. The caller holds swap.
func (s *shard) rewrap(master *masterKeys) error {
	for from := []byte(nil); ; {
		next, err := s.rewrapFrom(from, master)
		if err != nil {
			return err
		}
		if next == nil {
			break
		}
		from = next
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := noteMaster(tx, master); err != nil {
			return err
		}
		return tx.Bucket(metaBucket).Put(dueEntry, []byte{1})
	})
	if err != nil {
		return err
	}
	pointRewrapped.Hit()
	return s.compact()
}

// rewrapFrom wraps some records anew and gives the name where the next call goes on, nil at the end.
func (s *shard) rewrapFrom(from []byte, master *masterKeys) (next []byte, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		var found []record
		cursor := tx.Bucket(keysBucket).Cursor()
		name, value := cursor.Seek(from)
		for ; name != nil && len(found) < rewrapStep; name, value = cursor.Next() {
			found = append(found, record{string(name), bytes.Clone(value)})
		}
		next = bytes.Clone(name)
		return rewrapAll(tx.Bucket(keysBucket), found, master)
	})
	return next, err
}

func rewrapAll(keys *bbolt.Bucket, found []record, master *masterKeys) error {
	for _, r := range found {
		if len(r.value) > 0 && r.value[0] != statusKey {
			continue
		}
		key, err := master.unwrap(r.name, r.value)
		if err != nil {
			return err
		}
		value, err := master.wrap(r.name, key)
		clear(key)
		if err != nil {
			return err
		}
		if err := keys.Put([]byte(r.name), value); err != nil {
			return err
		}
	}
	return nil
}
