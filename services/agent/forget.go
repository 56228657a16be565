package agent

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/regime"
)

// Remembered is how many closed procedures a counter remembers. Of older ones it keeps the claims and the ids of commands
// and answers for [Keep], so that redeliveries are recognised.
const Remembered = 200

// forgetEvery is how many new procedures may come before closed ones are forgotten again.
const forgetEvery = 50

// forget forgets the oldest closed procedures if enough new ones have come since the last time. A failed write is retried
// with later ones.
func (c *Counter) forget() {
	c.forgetNames()
	c.mu.Lock()
	due := len(c.procedures) >= c.forgetAt
	c.mu.Unlock()
	if !due {
		return
	}
	c.recording.Lock()
	defer c.recording.Unlock()
	if c.forgetClosed() == 0 {
		return
	}
	if err := c.store.prune(c.remembered(), time.Time{}); err != nil {
		c.cfg.Logger.Warn("closed procedures not removed from the counter's store, retrying later", "counter", c.cfg.Counter, "error", err)
	}
}

// forgetClosed drops all but the newest closed procedures from memory and returns how many it dropped.
func (c *Counter) forgetClosed() int {
	delivered := c.store.Delivered().Number
	c.mu.Lock()
	defer c.mu.Unlock()
	var closed, old []*procedure
	for _, p := range c.procedures {
		switch {
		case p.busy() || p.last > delivered:
		case c.expired(p):
			old = append(old, p)
		case p.status.closed():
			closed = append(closed, p)
		}
	}
	slices.SortFunc(closed, func(a, b *procedure) int { return cmp.Compare(a.last, b.last) })
	old = append(old, closed[:max(len(closed)-Remembered, 0)]...)
	for _, p := range old {
		delete(c.procedures, p.status.Procedure)
	}
	c.forgetAt = len(c.procedures) + forgetEvery
	return len(old)
}

// closed reports whether a procedure needs nothing more at this counter.
func (s *Status) closed() bool {
	switch s.Stage {
	case StageRefused, StageDropped, StageHandedOver:
		return true
	case StageAccepted:
		return s.Report != nil || regime.HandlingOf(s.Application.GetOperation()).Settled
	}
	return false
}

// expired reports whether a procedure, closed or not, is older than [Keep]: a letter of inquiry may never be brought back.
func (c *Counter) expired(p *procedure) bool {
	return p.status.Filed.Before(c.oldest())
}

// remembered holds the ids of the remembered procedures and of their commands and answers.
type remembered struct{ procedures, works map[string]bool }

func (c *Counter) remembered() remembered {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := remembered{make(map[string]bool, len(c.procedures)), make(map[string]bool)}
	for id, p := range c.procedures {
		r.procedures[id] = true
		for _, w := range p.works {
			r.works[w.down.GetId()] = true
		}
	}
	return r
}

// seen is what the store keeps about a command or answer of a forgotten procedure.
type seen struct {
	AtMS int64 `json:"at_ms"`
	// Digest is the SHA-256 of the SealedDownlink as first received.
	Digest []byte `json:"digest"`
	// Claim is the number of the outcome's claim; 0 for an answer.
	Claim uint64 `json:"claim,omitempty"`
}

// seen returns the record of a command or answer of a forgotten procedure; false if it never came, or came longer ago than
// [Keep].
func (s *Store) seen(id string) (record seen, found bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		raw := tx.Bucket(bucketSeen).Get([]byte(id))
		if raw == nil {
			return nil
		}
		found = true
		return json.Unmarshal(raw, &record)
	})
	if err != nil {
		return record, false, fmt.Errorf("looking up command %s in the counter's store: %w", id, err)
	}
	return record, found, nil
}

// prune removes forgotten entries from the chain, keeping only the ids of commands and answers. The other entries are
// carried, and the chain begins anew after them. It also removes claims and ids older than before, unless that is zero.
func (s *Store) prune(keep remembered, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.db.Update(func(tx *bolt.Tx) error {
		p := pruning{tx: tx, keep: keep, delivered: s.delivered.Number, wanted: make(map[uint64]bool)}
		if err := errors.Join(p.cut(s.head), p.dropOld(before)); err != nil || p.removed == 0 {
			return err
		}
		return tx.Bucket(bucketMeta).Put(keyUncompacted, []byte{1})
	})
	if err != nil {
		return fmt.Errorf("removing closed procedures from the counter's store: %w", err)
	}
	return nil
}

// pruning is one transaction of prune.
type pruning struct {
	tx        *bolt.Tx
	keep      remembered
	delivered uint64
	wanted    map[uint64]bool // numbers of claims whose entries stay
	removed   int
}

// cut removes forgotten entries from the chain, which then begins after head.
func (p *pruning) cut(head ref) error {
	carried := sha256.New()
	err := p.drop(bucketChain, func(k, raw []byte) (bool, error) {
		var e Entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return false, err
		}
		if p.stays(e) {
			carry(carried, k, raw)
			return false, nil
		}
		return true, p.keepID(e)
	})
	meta := p.tx.Bucket(bucketMeta)
	return errors.Join(err, meta.Put(keyCarried, carried.Sum(nil)), putRef(meta, keyBase, head))
}

// stays reports whether an entry is still needed.
func (p *pruning) stays(e Entry) bool {
	if e.Step != StepClaimed {
		return p.keep.works[e.ID]
	}
	p.wanted[e.Claim] = e.Claim > p.delivered || p.keep.procedures[e.Procedure]
	return p.wanted[e.Claim]
}

// keepID keeps the id of a forgotten command or answer.
func (p *pruning) keepID(e Entry) error {
	if e.Step != StepReceived && e.Step != StepDone {
		return nil
	}
	ids := p.tx.Bucket(bucketSeen)
	var record seen
	if raw := ids.Get([]byte(e.ID)); raw != nil {
		if err := json.Unmarshal(raw, &record); err != nil {
			return err
		}
	}
	record.AtMS, record.Claim = e.AtMS, max(record.Claim, e.Claim)
	if e.Step == StepReceived {
		record.Digest = events.Hash(e.Signed)
	}
	raw, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return ids.Put([]byte(e.ID), raw)
}

// dropOld removes claims and ids older than before. The newest delivered claim stays for the comparison of heads.
func (p *pruning) dropOld(before time.Time) error {
	if before.IsZero() {
		return nil
	}
	err := p.drop(bucketSigned, func(_, signed []byte) (bool, error) {
		claim, _, err := counterlink.ParseClaim(signed)
		made := max(claim.GetFiledMs(), claim.GetLinkTime().GetHubMs()) // the counter's clock may have been slow
		return err == nil && claim.GetNumber() < p.delivered && !p.wanted[claim.GetNumber()] && made < before.UnixMilli(), err
	})
	if err != nil {
		return err
	}
	return p.drop(bucketSeen, func(_, raw []byte) (bool, error) {
		var record seen
		err := json.Unmarshal(raw, &record)
		return err == nil && record.AtMS < before.UnixMilli(), err
	})
}

// drop removes the records for which gone reports true. It collects the keys first, because a deleting cursor skips records.
func (p *pruning) drop(bucket []byte, gone func(k, v []byte) (bool, error)) error {
	b := p.tx.Bucket(bucket)
	var keys [][]byte
	err := b.ForEach(func(k, v []byte) error {
		out, err := gone(k, v)
		if out {
			keys = append(keys, slices.Clone(k))
		}
		return err
	})
	for _, k := range keys {
		err = cmp.Or(err, b.Delete(k))
	}
	if err != nil {
		return fmt.Errorf("bucket %s: %w", bucket, err)
	}
	p.removed += len(keys)
	return nil
}
