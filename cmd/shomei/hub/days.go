package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shomei/pkg/civil"
)

// ByHand names the rows that act when dates arrive: without them dates bring nothing but by Day and Advance.
var ByHand = []string{"ceremonies", "expiry"}

// Day does what dates and revocations have brought by now. Each thing is done whatever becomes of the others: lists are
// published also while the tables are away.
func (h *Hub) Day(ctx context.Context) error {
	_, expiries := h.Expiry.Tick(ctx)
	return errors.Join(expiries, h.Issuer.Day(ctx))
}

// PublishLists writes the revocation lists into Data/crl.
func (h *Hub) PublishLists(ctx context.Context) error {
	return h.Issuer.PublishLists(ctx, h.Issuer.Lists)
}

// Advance sets the clock forward to an instant, stopping on every day that brings something: what happens then is
// recorded on that day and followed to its end before the next.
func (h *Hub) Advance(ctx context.Context, to time.Time) error {
	for {
		if err := h.Settle(ctx); err != nil {
			return err
		}
		today := civil.Of(h.Clock.Now())
		next, err := h.Warehouse.NextDue(ctx, today)
		if err != nil {
			return fmt.Errorf("setting the clock forward: %w", err)
		}
		if morning := next.At(civil.Clock(3, 0)); !next.IsZero() && morning.Before(to) {
			if err := h.setClock(ctx, morning); err != nil {
				return err
			}
			continue
		}
		return h.setClock(ctx, to)
	}
}

func (h *Hub) setClock(ctx context.Context, to time.Time) error {
	if to.After(h.Clock.Now()) {
		if err := h.Clock.Advance(to); err != nil {
			return err
		}
	}
	if err := h.Issuer.HoldDueCeremonies(ctx); err != nil {
		return err
	}
	if _, err := h.Expiry.Tick(ctx); err != nil {
		return err
	}
	return h.Settle(ctx)
}
