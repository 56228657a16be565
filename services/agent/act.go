package agent

import (
	"errors"
	"fmt"
	"sync"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/officer"
)

// Act is a claim that is ready to be filed: everything in it is fixed, so that an officer can sign it. It is filed once.
type Act struct {
	counter *Counter
	claim   *events.Claim
	encoded []byte
	// name is the applicant's; it is kept sealed.
	name string
	// still returns why the act no longer fits its procedure; filed is called once it is stored. Both may be nil.
	still func() error
	filed func()

	mu        sync.Mutex
	done      bool
	cancelled bool
}

// ErrCancelled: the act was cancelled before it was filed.
var ErrCancelled = errors.New("the act was cancelled")

// prepare seals the personal part and fixes the claim. A claim may not hold free text outside its sealed part. Errors:
// events.ErrOfficer, *events.ClearTextError.
func (c *Counter) prepare(claim *events.Claim, personal *events.Personal) (*Act, error) {
	for _, code := range []*string{&claim.Officer, &claim.SecondOfficer} {
		if *code == "" {
			continue
		}
		parsed, err := events.ParseOfficer(*code)
		if err != nil {
			return nil, err
		}
		*code = parsed
	}
	if err := events.CheckClaim(claim); err != nil {
		return nil, err
	}
	if personal != nil {
		sealed, err := counterlink.SealPersonal(c.cfg.HubSealKey, claim.Id, personal)
		if err != nil {
			return nil, err
		}
		claim.Sealed = sealed
	}
	claim.Counter = c.cfg.Counter
	encoded, err := events.ActOf(claim)
	if err != nil {
		return nil, err
	}
	return &Act{counter: c, claim: claim, encoded: encoded, name: personal.GetRecord().GetName()}, nil
}

// Claim returns the id of the claim.
func (a *Act) Claim() string { return a.claim.GetId() }

// Procedure returns the procedure that the act begins or continues.
func (a *Act) Procedure() string { return a.claim.GetProcedure() }

// Number returns the receipt number of the procedure, as people are told it.
func (a *Act) Number() string { return events.CaseNumber(a.claim.GetProcedure()) }

// Officer returns the code of the officer who is to sign.
func (a *Act) Officer() string { return a.claim.GetOfficer() }

// Kind returns which act it is.
func (a *Act) Kind() officer.Act { return officer.ActOf(a.claim) }

// Challenge returns what the officer's passkey signs.
func (a *Act) Challenge() []byte { return events.ActChallenge(a.encoded) }

// File verifies the officer's signature and stores the claim; a nil signature files it unsigned, if the office lets it. Filing it
// again does nothing. Errors: an officer.Reason, ErrCancelled, and why the act no longer fits its procedure.
func (a *Act) File(signature *events.Assertion) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.done:
		return nil
	case a.cancelled:
		return ErrCancelled
	}
	c := a.counter
	if err := c.Officers().judge(a.claim, a.encoded, signature, civil.Of(c.Now())); err != nil {
		return fmt.Errorf("filing an act of %s: %w", a.Kind().Word, err)
	}
	if a.still != nil {
		c.ending.Lock()
		defer c.ending.Unlock()
		if err := a.still(); err != nil {
			return err
		}
	}
	if signature != nil {
		a.claim.Act, a.claim.Assertion = a.encoded, signature
	}
	if err := c.keep(a); err != nil {
		return err
	}
	a.done = true
	if a.filed != nil {
		a.filed()
	}
	return nil
}

// Filed reports whether the act is filed.
func (a *Act) Filed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}

// Cancel keeps the act from being filed, and reports whether it is filed already.
func (a *Act) Cancel() (filed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cancelled = true
	return a.done
}

// keep stores the claim and notifies the watchers.
func (c *Counter) keep(a *Act) error {
	defer c.forget()
	c.recording.RLock()
	defer c.recording.RUnlock()
	err := c.store.Record(func(tx *Tx) error {
		return errors.Join(tx.Claim(a.claim), tx.keepName(a.claim, a.name, c.cfg.SealKey))
	})
	if err != nil {
		return err
	}
	crashStored.Hit()
	c.publishClaim(a.claim)
	return nil
}

// fileNow files an act unsigned and returns its claim.
func fileNow(a *Act, err error) (claimID string, _ error) {
	if err != nil {
		return "", err
	}
	return a.Claim(), a.File(nil)
}
