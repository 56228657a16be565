package agent

import (
	"bytes"
	"crypto/hpke"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/regime"
)

// The resident's screen says whose procedure it shows, also after a restart. What an application says of its applicant is
// sealed to the hub, so the name alone is kept once more, sealed to this counter, until the procedure is closed.

// keepName keeps the name in an application whose applicant may be asked for a PIN, in the step that stores its claim.
func (t *Tx) keepName(claim *events.Claim, name string, key hpke.PrivateKey) error {
	application := claim.GetApplicationReceived()
	if application == nil || name == "" || regime.HandlingOf(application.GetOperation()).Settled {
		return nil
	}
	personal := &events.Personal{Record: &events.ResidentRecord{Name: name}}
	sealed, err := counterlink.SealPersonal(key.PublicKey(), claim.GetProcedure(), personal)
	if err != nil {
		return err
	}
	return t.tx.Bucket(bucketNames).Put([]byte(claim.GetProcedure()), sealed)
}

// Applicant returns the name in a procedure's application; empty when it was taken elsewhere, or the procedure is closed.
func (c *Counter) Applicant(procedure string) (name string, err error) {
	var sealed []byte
	err = c.store.db.View(func(tx *bolt.Tx) error {
		sealed = bytes.Clone(tx.Bucket(bucketNames).Get([]byte(procedure)))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("looking up whose procedure %s is: %w", procedure, err)
	}
	personal, err := counterlink.OpenPersonal(c.cfg.SealKey, &events.Claim{Id: procedure, Sealed: sealed})
	if err != nil {
		return "", fmt.Errorf("the name kept for procedure %s, is this still the counter's seal key?: %w", procedure, err)
	}
	return personal.GetRecord().GetName(), nil
}

// forgetNames removes the names of procedures that are closed or forgotten. What fails on the disk is tried again with the
// next ones.
func (c *Counter) forgetNames() {
	if len(c.idleNames()) == 0 {
		return
	}
	c.recording.Lock() // a procedure that is closed may be opened anew by a claim that is being stored
	defer c.recording.Unlock()
	idle := c.idleNames()
	err := c.store.db.Update(func(tx *bolt.Tx) error {
		for _, procedure := range idle {
			if err := tx.Bucket(bucketNames).Delete(procedure); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		c.cfg.Logger.Warn("names of closed procedures could not be removed from the counter's store, trying again later", "counter", c.cfg.Counter, "error", err)
	}
}

// idleNames returns the procedures that a name is kept of and needed no longer.
func (c *Counter) idleNames() (idle [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.store.db.View(func(tx *bolt.Tx) error { // a view fails only where the file is closed
		return tx.Bucket(bucketNames).ForEach(func(procedure, _ []byte) error {
			if p := c.procedures[string(procedure)]; p == nil || p.status.closed() {
				idle = append(idle, bytes.Clone(procedure))
			}
			return nil
		})
	})
	return idle
}
