package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/counterlink"
)

// oldBuckets are those of a store with two chains, claims and journal, and of the entries cut off their fronts.
var oldBuckets = [][]byte{[]byte("archive"), []byte("carried.claims"), []byte("claims"), []byte("carried"), []byte("journal")}

// convert verifies the two chains of a store from before 2026-11-29 and merges them into one. The chains share no order, but
// each claim came before any entry that names it. Error: ErrTampered.
func (s *Store) convert(tx *bolt.Tx) error {
	if tx.Bucket([]byte("journal")) == nil || tx.Bucket(bucketMeta).Get(keyHead) != nil {
		return nil // an old agent creates its empty buckets even in a converted store, before refusing it
	}
	for _, name := range oldBuckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil { // the first agents had only the two chains
			return fmt.Errorf("creating bucket %s: %w", name, err)
		}
	}
	claims, err := s.oldClaims(tx)
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	journal, err := oldEntries(tx, "carried", "journal", func(raw []byte) (e Entry, l ref, err error) {
		err = json.Unmarshal(raw, &e)
		return e, ref{Number: e.Number, Hash: events.Hash(raw)}, err
	})
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	t := &Tx{s: s, tx: tx, claims: getRef(tx.Bucket(bucketMeta), keyClaimHead)}
	for _, e := range merge(claims, journal) {
		if err := t.Enter(e); err != nil {
			return err
		}
	}
	return errors.Join(t.putHeads(), dropOld(tx))
}

// merge puts each claim before the first entry that names it or its procedure, or at the end.
func merge(claims, journal []Entry) (all []Entry) {
	numbers := make(map[string]uint64)
	for _, c := range claims {
		numbers[c.ID] = c.Claim
	}
	for _, e := range journal {
		named := max(e.Claim, numbers[e.Procedure], numbers[strings.TrimPrefix(e.ID, "answer/")])
		for len(claims) > 0 && claims[0].Claim <= named {
			all, claims = append(all, claims[0]), claims[1:]
		}
		all = append(all, e)
	}
	return append(all, claims...)
}

func (s *Store) oldClaims(tx *bolt.Tx) ([]Entry, error) {
	digest, carries := sha256.New(), false
	for _, name := range []string{"carried.claims", "carried"} {
		_ = tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
			carry(digest, k, v)
			carries = true
			return nil
		})
	}
	if known := tx.Bucket(bucketMeta).Get(keyCarried); !bytes.Equal(known, digest.Sum(nil)) && (known != nil || carries) {
		return nil, fmt.Errorf("carried entries: %w", ErrTampered)
	}
	public, err := s.key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("public key of the counter: %w", err)
	}
	return oldEntries(tx, "carried.claims", "claims", func(signed []byte) (Entry, ref, error) {
		c, hash, err := counterlink.VerifyClaim(public, signed)
		e := claimed(c, hash)
		e.Previous = c.GetPreviousHash()
		return e, ref{Number: e.Claim, Hash: hash}, err
	})
}

// oldEntries returns the carried entries of a chain and the chain itself, which it verifies.
func oldEntries(tx *bolt.Tx, carried, chain string, read func([]byte) (Entry, ref, error)) (all []Entry, err error) {
	meta := tx.Bucket(bucketMeta)
	at, head := getRef(meta, []byte(chain+".base")), getRef(meta, []byte(chain+".head"))
	for _, name := range []string{carried, chain} {
		err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
			e, l, err := read(v)
			if err != nil {
				return fmt.Errorf("number %x: %w: %w", k, err, ErrTampered)
			}
			all = append(all, e)
			if name == carried {
				return nil
			}
			if l.Number != at.Number+1 || !bytes.Equal(k, numberKey(l.Number)) || !bytes.Equal(e.Previous, at.Hash) {
				return fmt.Errorf("number %d does not follow number %d: %w", l.Number, at.Number, ErrTampered)
			}
			at = l
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if at.Number != head.Number || !bytes.Equal(at.Hash, head.Hash) {
		return nil, fmt.Errorf("ends at number %d, should end at %d: %w", at.Number, head.Number, ErrTampered)
	}
	return all, nil
}

// dropOld moves all claims into one bucket and removes the two chains.
func dropOld(tx *bolt.Tx) error {
	signed, meta := tx.Bucket(bucketSigned), tx.Bucket(bucketMeta)
	for _, name := range oldBuckets[:3] {
		if err := tx.Bucket(name).ForEach(func(k, v []byte) error { return signed.Put(k, bytes.Clone(v)) }); err != nil {
			return err
		}
	}
	for _, name := range oldBuckets {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	return errors.Join(meta.Delete([]byte("claims.base")), meta.Delete([]byte("journal.base")), meta.Delete([]byte("journal.head")),
		meta.Delete(keyCarried), meta.Put(keyUncompacted, []byte{1}))
}
