package agent_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/services/agent"
)

func custody(id string) *events.Claim {
	return &events.Claim{Id: id, Procedure: id, Fact: &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{Card: "C"}}}
}

// fill records four claims, each followed by another entry: eight entries.
func fill(t *testing.T, path string) agent.Config {
	t.Helper()
	cfg := agent.Config{Counter: desk, StorePath: path, Key: userKey(t)}
	s, err := agent.OpenStore(path, desk, cfg.Key)
	must(t, err)
	defer s.Close()
	for n := range 4 {
		must(t, s.Record(func(tx *agent.Tx) error {
			return errors.Join(tx.Claim(custody(fmt.Sprint(n))), tx.Enter(agent.Entry{Step: agent.StepBegun, ID: fmt.Sprint(n)}))
		}))
	}
	must(t, s.MarkDelivered(3))
	return cfg
}

func TestTamperedStoreIsRefused(t *testing.T) {
	key := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	flip := func(b []byte, n uint64, at int) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			v := bytes.Clone(tx.Bucket(b).Get(key(n)))
			v[len(v)+at] ^= 1
			return tx.Bucket(b).Put(key(n), v)
		}
	}
	remove := func(b []byte, n uint64) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error { return tx.Bucket(b).Delete(key(n)) }
	}
	swap := func(b []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			one, two := bytes.Clone(tx.Bucket(b).Get(key(1))), bytes.Clone(tx.Bucket(b).Get(key(2)))
			return errors.Join(tx.Bucket(b).Put(key(1), two), tx.Bucket(b).Put(key(2), one))
		}
	}
	claims, chain := []byte("signed"), []byte("chain")
	for name, spoil := range map[string]func(*bolt.Tx) error{
		"a claim was changed":           flip(claims, 2, -70),
		"a signature was changed":       flip(claims, 4, -1),
		"the first claim is missing":    remove(claims, 1),
		"a claim in between is missing": remove(claims, 2),
		"the last claim is missing":     remove(claims, 4),
		"claims were swapped":           swap(claims),
		"a step was changed":            flip(chain, 4, -3),
		"the last step was too":         flip(chain, 8, -3),
		"a step is missing":             remove(chain, 6),
		"the last step is missing":      remove(chain, 8),
		"the entry of a claim changed":  flip(chain, 3, -3),
		"the entry of a claim is gone":  remove(chain, 7),
		"entries were swapped":          swap(chain),
		"delivered beyond the end": func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("delivered"), []byte(`{"number":9}`))
		},
		"the end was moved to the middle": func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("claims.head"), []byte(`{"number":2}`))
		},
		"the end of the chain was too": func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("head"), []byte(`{"number":4}`))
		},
		"the begin of the chain was too": func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("meta")).Put([]byte("base"), []byte(`{"number":4}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			cfg := fill(t, path)
			s, err := agent.OpenStore(path, desk, cfg.Key)
			if err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			must(t, s.Close())
			db, err := bolt.Open(path, 0o600, nil)
			must(t, err)
			must(t, db.Update(spoil))
			must(t, db.Close())
			if s, err := agent.OpenStore(path, desk, cfg.Key); !errors.Is(err, agent.ErrTampered) {
				t.Errorf("got %v", err)
				if err == nil {
					s.Close()
				}
			}
		})
	}
}

func TestStoreBelongsToOneCounterAndKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	cfg := fill(t, path)
	if _, err := agent.OpenStore(path, "12237-main-2", cfg.Key); err == nil {
		t.Error("another counter opened it")
	}
	if _, err := agent.OpenStore(path, desk, userKey(t)); !errors.Is(err, agent.ErrTampered) {
		t.Errorf("with another key: %v", err)
	}
	first, err := agent.OpenStore(path, desk, cfg.Key)
	must(t, err)
	defer first.Close()
	fresh, err := agent.OpenStore(filepath.Join(t.TempDir(), "other.db"), desk, cfg.Key)
	must(t, err)
	defer fresh.Close()
	if first.Last().Epoch == fresh.Last().Epoch {
		t.Error("two stores have one epoch")
	}
}

// A failed transaction stores neither its claim nor its entry, and the chains continue.
func TestRecordIsAllOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	cfg := fill(t, path)
	s, err := agent.OpenStore(path, desk, cfg.Key)
	must(t, err)
	failing := errors.New("no")
	err = s.Record(func(tx *agent.Tx) error { return errors.Join(tx.Claim(custody("x")), failing) })
	if !errors.Is(err, failing) || s.Last().Number != 4 {
		t.Errorf("got %v, last %d", err, s.Last().Number)
	}
	must(t, s.Record(func(tx *agent.Tx) error { return tx.Claim(custody("y")) }))
	must(t, s.Close())
	s, err = agent.OpenStore(path, desk, cfg.Key)
	must(t, err)
	defer s.Close()
	if s.Last().Number != 5 || s.Outbox() != 2 {
		t.Errorf("last %d, outbox %d", s.Last().Number, s.Outbox())
	}
}

// However claims are recorded and delivered and the store reopened, the chain is whole and delivered claims stay delivered.
func TestStoreKeepsTheChain(t *testing.T) {
	key := userKey(t)
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, rapid.StringMatching(`[a-z]{12}`).Draw(rt, "file"))
		os.Remove(path)
		s, err := agent.OpenStore(path, desk, key)
		must(t, err)
		defer func() { s.Close() }()
		var recorded, delivered uint64
		rt.Repeat(map[string]func(*rapid.T){
			"record": func(rt *rapid.T) {
				n := rapid.IntRange(1, 3).Draw(rt, "claims")
				must(t, s.Record(func(tx *agent.Tx) error {
					for i := range n {
						if err := tx.Claim(custody(fmt.Sprint(recorded + uint64(i) + 1))); err != nil {
							return err
						}
					}
					return nil
				}))
				recorded += uint64(n)
			},
			"deliver": func(rt *rapid.T) {
				if recorded == 0 {
					rt.Skip("nothing to deliver")
				}
				n := rapid.Uint64Range(1, recorded).Draw(rt, "up to")
				must(t, s.MarkDelivered(n))
				delivered = max(delivered, n)
			},
			"open again": func(*rapid.T) {
				must(t, s.Close())
				s, err = agent.OpenStore(path, desk, key)
				must(t, err)
			},
			"": func(rt *rapid.T) {
				if s.Last().Number != recorded || s.Delivered().Number != delivered || s.Outbox() != int(recorded-delivered) {
					rt.Fatalf("last %d of %d, delivered %d of %d", s.Last().Number, recorded, s.Delivered().Number, delivered)
				}
				var head counterlink.Head
				for n := uint64(1); n <= recorded; n++ {
					signed, hash, err := s.Claim(n)
					must(t, err)
					claim, _, err := counterlink.ParseClaim(signed) // signatures are verified at each opening
					must(t, err)
					if verdict, err := head.Judge(claim, hash); err != nil || verdict != counterlink.Next {
						rt.Fatalf("claim %d: %v", n, err)
					}
					head = head.Advance(claim, hash)
				}
			},
		})
	})
}

// spoil flips a bit in the first record of a bucket, and returns a function that flips it back.
func spoil(t *testing.T, path, bucket string) (restore func()) {
	t.Helper()
	flip := func() {
		db, err := bolt.Open(path, 0o600, nil)
		must(t, err)
		must(t, db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket([]byte(bucket))
			k, v := b.Cursor().First()
			v = bytes.Clone(v)
			v[len(v)/2] ^= 1
			return b.Put(bytes.Clone(k), v)
		}))
		must(t, db.Close())
	}
	flip()
	return flip
}
