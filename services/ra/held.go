package ra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
)

// heldError: a claim's receipt time can't be believed.
type heldError struct{ receipt *events.HeldReceipt }

func (e *heldError) Error() string {
	show := func(ms int64) string { return time.UnixMilli(ms).In(civil.Tokyo).Format(time.DateTime) }
	return fmt.Sprintf("%v: the counter's clock showed %s, its link explains %s to %s",
		e.receipt.Reason, show(e.receipt.ClockMs), show(e.receipt.EarliestMs), show(e.receipt.LatestMs))
}

// quarantineID returns the aggregate in which an undecided claim is kept; id is the hex of its hash.
func quarantineID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return encode(sum[:15])
}

// wasPutAside reports whether a redelivered claim was held or quarantined before. That decision stands even if the
// evidence has changed: people resolve it.
func (r *RA) wasPutAside(ctx context.Context, received counterlink.Received) (bool, error) {
	if !received.Redelivered {
		return false, nil
	}
	done, err := r.asidePut(ctx, received.Signed, func(e *events.Event) bool { return e.GetFactQuarantined() != nil || e.GetClaimHeld() != nil })
	if err != nil {
		return false, fmt.Errorf("looking up whether a claim of counter %s was held or quarantined: %w", received.Claim.Counter, err)
	}
	return done, nil
}

// asidePut reports whether an event says that a claim was put aside. That something stands there proves nothing: operators resolve
// there what was put aside, and could say so of what was not.
func (r *RA) asidePut(ctx context.Context, signed []byte, says func(*events.Event) bool) (bool, error) {
	id := quarantineID(hex.EncodeToString(events.Hash(signed)))
	head, err := r.Log.Load(ctx, events.KindQuarantine, id)
	if err != nil || head.Revision == 0 {
		return false, err
	}
	history, err := r.Log.History(ctx, events.KindQuarantine, id)
	return slices.ContainsFunc(history, func(one eventlog.Record) bool { return slices.ContainsFunc(one.Commit.GetEvents(), says) }), err
}

// hold keeps a claim, whole, with the times that don't fit, without deciding on it.
func (r *RA) hold(ctx context.Context, received counterlink.Received, why *events.HeldReceipt) error {
	c := received.Claim
	r.Logger.Warn("claim held, its receipt time can't be believed: set the counter's clock right",
		"counter", c.Counter, "number", c.Number, "why", (&heldError{why}).Error())
	return putAside(ctx, r.Log, r.Vault, counterlink.Quarantined{
		ID: hex.EncodeToString(events.Hash(received.Signed)), Counter: c.Counter, Number: c.Number,
	}, func(s dossier.Sealer) (events.Body, error) {
		sealed, err := s.Claim(received.Signed)
		return &events.ClaimHeld{Counter: c.Counter, Number: c.Number, SealedClaim: sealed, Receipt: why}, err
	})
}
