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

// The resident's screen shows whose procedure it is, also after a restart. Personal data of applications are sealed to the
// hub, so the name is kept a second time, sealed to this counter, until the procedure is closed.

// keepName stores the name from an application whose applicant may be asked for a PIN.
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

// Applicant returns the name from a procedure's application; empty if it was filed elsewhere or the procedure is closed.
func (c *Counter) Applicant(procedure string) (name string, err error) {
	var sealed []byte
	err = c.store.db.View(func(tx *bolt.Tx) error {
		sealed = bytes.Clone(tx.Bucket(bucketNames).Get([]byte(procedure)))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("looking up the applicant of procedure %s: %w", procedure, err)
	}
	personal, err := counterlink.OpenPersonal(c.cfg.SealKey, &events.Claim{Id: procedure, Sealed: sealed})
	if err != nil {
		return "", fmt.Errorf("opening the name kept for procedure %s, check that the counter's seal key is still the same: %w", procedure, err)
	}
	return personal.GetRecord().GetName(), nil
}

// forgetNames removes the names of procedures that are closed or forgotten. A failed write is retried with later ones.
func (c *Counter) forgetNames() {
	if len(c.idleNames()) == 0 {
		return
	}
	c.recording.Lock() // a claim that is being stored may reopen a closed procedure
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
		c.cfg.Logger.Warn("names of closed procedures not removed from the counter's store, retrying later", "counter", c.cfg.Counter, "error", err)
	}
}

// idleNames returns the procedures whose names are kept but no longer needed.
func (c *Counter) idleNames() (idle [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.store.db.View(func(tx *bolt.Tx) error { // View fails only if the file is closed
		return tx.Bucket(bucketNames).ForEach(func(procedure, _ []byte) error {
			if p := c.procedures[string(procedure)]; p == nil || p.status.closed() {
				idle = append(idle, bytes.Clone(procedure))
			}
			return nil
		})
	})
	return idle
}
