package agent

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/regime"
)

// Remembered is how many closed procedures a counter remembers. Those that were closed before them are forgotten: their
// claims stay in the store for [Keep], of what the hub sent for them only the ids stay, so that what comes again is
// still recognised.
const Remembered = 200

// forgetEvery is how many procedures more there may be before the oldest closed ones are forgotten.
const forgetEvery = 50

// forget forgets what is closed once enough new procedures have come since the last time. What fails on the disk is
// tried again with the next ones.
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
		c.cfg.Logger.Warn("closed procedures could not be cleared from the counter's store, trying again later", "counter", c.cfg.Counter, "error", err)
	}
}

// forgetClosed drops all but the newest closed procedures from memory and returns how many it dropped.
func (c *Counter) forgetClosed() int {
	delivered := c.store.Delivered().Number
	c.mu.Lock()
	defer c.mu.Unlock()
	busy := c.busy()
	var closed, old []*procedure
	for id, p := range c.procedures {
		switch {
		case busy[id] || p.last > delivered:
		case c.rested(p):
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
	if len(old) > 0 {
		c.forgetWorks()
	}
	c.forgetAt = len(c.procedures) + forgetEvery
	return len(old)
}

// forgetWorks drops the commands, answers and claim ids of procedures that are no longer remembered; mu is held.
func (c *Counter) forgetWorks() {
	c.order = slices.DeleteFunc(c.order, func(id string) bool {
		gone := c.procedures[c.procedureOf(c.works[id].down)] == nil
		if gone {
			delete(c.works, id)
		}
		return gone
	})
	for claim, procedure := range c.owners {
		if c.procedures[procedure] == nil {
			delete(c.owners, claim)
		}
	}
}

// procedureOf returns the procedure that a command or answer belongs to; mu is held.
func (c *Counter) procedureOf(d *events.Downlink) string {
	return cmp.Or(d.GetProcedure(), c.owners[d.GetAnswer().GetClaim()])
}

// busy names the procedures with a command that has no outcome yet; mu is held.
func (c *Counter) busy() map[string]bool {
	busy := make(map[string]bool)
	for _, w := range c.works {
		if w.done == nil && w.down.GetAnswer() == nil {
			busy[w.down.GetProcedure()] = true
		}
	}
	return busy
}

// closed reports whether nothing is left to do in a procedure at this counter.
func (s *Status) closed() bool {
	switch s.Stage {
	case StageRefused, StageDropped, StageHandedOver:
		return true
	case StageAccepted:
		return s.Report != nil || regime.HandlingOf(s.Application.GetOperation()).Settled
	}
	return false
}

// rested reports whether a procedure, closed or not, is older than [Keep]: a letter of inquiry that nobody brought back.
func (c *Counter) rested(p *procedure) bool {
	return p.status.Filed.Before(c.oldest())
}

// remembered names the procedures, and the commands and answers, that are still remembered.
type remembered struct{ procedures, works map[string]bool }

func (c *Counter) remembered() remembered {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := remembered{make(map[string]bool, len(c.procedures)), make(map[string]bool, len(c.works))}
	for id := range c.procedures {
		r.procedures[id] = true
	}
	for id := range c.works {
		r.works[id] = true
	}
	return r
}

// seen is what the store keeps of a command or answer whose procedure is forgotten.
type seen struct {
	AtMS int64 `json:"at_ms"`
	// Digest is SHA-256 of the SealedDownlink as it came first.
	Digest []byte `json:"digest"`
	// Claim is the number of the claim with its outcome; 0 for an answer.
	Claim uint64 `json:"claim,omitempty"`
}

// seen returns what is kept of a command or answer of a forgotten procedure; false when it never came, or longer ago
// than [Keep].
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

// prune moves what is delivered or done out of the two chains: claims into the archive, the journal of what is remembered
// into what is carried on, and of the rest only its ids. A chain then begins where it was cut. Claims in the archive, and
// ids, that are older than before are removed; a zero before removes none.
func (s *Store) prune(keep remembered, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.db.Update(func(tx *bolt.Tx) error {
		p := pruning{tx: tx, keep: keep, delivered: s.delivered.Number}
		for _, step := range []func() error{p.moveClaims, p.moveJournal, p.dropCarried, func() error { return p.dropOld(before) }} {
			if err := step(); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		if err := meta.Put(keyCarried, carriedDigest(tx)); err != nil || p.removed == 0 {
			return err
		}
		return meta.Put(keyUncompacted, []byte{1})
	})
	if err != nil {
		return fmt.Errorf("clearing what is closed from the counter's store: %w", err)
	}
	return nil
}

// pruning is one transaction of prune.
type pruning struct {
	tx        *bolt.Tx
	keep      remembered
	delivered uint64
	removed   int
}

func (p *pruning) bucket(name []byte) *bolt.Bucket { return p.tx.Bucket(name) }

// moveClaims archives the claims before the newest delivered one, which stays for the comparison of heads.
func (p *pruning) moveClaims() error {
	return p.cut(bucketClaims, keyClaimBase, func(k, v []byte) (at link, move bool, err error) {
		claim, hash, err := counterlink.ParseClaim(v)
		at = link{Number: claim.GetNumber(), Hash: hash}
		if err != nil || at.Number >= p.delivered {
			return at, false, err
		}
		if p.keep.procedures[claim.GetProcedure()] {
			err = p.bucket(bucketCarriedClaims).Put(k, v)
		}
		if err == nil {
			err = p.bucket(bucketArchive).Put(k, v)
		}
		return at, true, err
	})
}

// moveJournal carries on what is remembered and forgets the rest.
func (p *pruning) moveJournal() error {
	return p.cut(bucketJournal, keyJournalBase, func(k, v []byte) (at link, move bool, err error) {
		var e Entry
		if err := json.Unmarshal(v, &e); err != nil {
			return at, false, err
		}
		if p.keep.works[e.ID] {
			err = p.bucket(bucketCarried).Put(k, v)
		} else {
			err = p.see(e)
		}
		return link{Number: e.Number, Hash: events.Hash(v)}, true, err
	})
}

// cut takes records off the front of a chain while move says so, and remembers where the chain begins now.
func (p *pruning) cut(bucket, base []byte, move func(k, v []byte) (link, bool, error)) error {
	cursor := p.bucket(bucket).Cursor()
	var last link
	for k, v := cursor.First(); k != nil; k, v = cursor.First() {
		at, gone, err := move(slices.Clone(k), slices.Clone(v))
		if err != nil {
			return fmt.Errorf("bucket %s: %w", bucket, err)
		}
		if !gone {
			break
		}
		if err := cursor.Delete(); err != nil {
			return fmt.Errorf("bucket %s: %w", bucket, err)
		}
		last = at
	}
	if last.Number == 0 {
		return nil
	}
	return putLink(p.bucket(bucketMeta), base, last)
}

// see keeps the id of a command or answer that is forgotten.
func (p *pruning) see(e Entry) error {
	p.removed++
	if e.Step != StepReceived && e.Step != StepDone {
		return nil
	}
	var record seen
	if raw := p.bucket(bucketSeen).Get([]byte(e.ID)); raw != nil {
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
	return p.bucket(bucketSeen).Put([]byte(e.ID), raw)
}

// dropCarried forgets what was carried on and is remembered no longer.
func (p *pruning) dropCarried() error {
	err := p.drop(bucketCarried, func(v []byte) (bool, error) {
		var e Entry
		if err := json.Unmarshal(v, &e); err != nil || p.keep.works[e.ID] {
			return false, err
		}
		return true, p.see(e)
	})
	if err != nil {
		return err
	}
	return p.drop(bucketCarriedClaims, func(v []byte) (bool, error) {
		claim, _, err := counterlink.ParseClaim(v)
		return err == nil && !p.keep.procedures[claim.GetProcedure()], err
	})
}

// dropOld removes from the archive and from the ids what is older than before.
func (p *pruning) dropOld(before time.Time) error {
	if before.IsZero() {
		return nil
	}
	err := p.drop(bucketArchive, func(v []byte) (bool, error) {
		claim, _, err := counterlink.ParseClaim(v)
		made := max(claim.GetFiledMs(), claim.GetLinkTime().GetHubMs()) // by a clock that may have been slow
		return err == nil && made < before.UnixMilli(), err
	})
	if err != nil {
		return err
	}
	return p.drop(bucketSeen, func(v []byte) (bool, error) {
		var record seen
		err := json.Unmarshal(v, &record)
		return err == nil && record.AtMS < before.UnixMilli(), err
	})
}

// drop removes the records of a bucket that gone names. A cursor that deletes skips the next record, so keys come first.
func (p *pruning) drop(bucket []byte, gone func(v []byte) (bool, error)) error {
	b := p.bucket(bucket)
	var keys [][]byte
	err := b.ForEach(func(k, v []byte) error {
		out, err := gone(v)
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
