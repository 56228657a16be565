package hub

import (
	"context"
	"fmt"
	"time"

	"shomei/pkg/civil"
)

// ByHand names the rows that act when dates arrive. Whoever starts a hub without them moves its clock with Advance and
// calls Issuer.Day and Expiry.Tick.
var ByHand = []string{"ceremonies", "expiry"}

// PublishLists writes the revocation lists to Data/crl.
func (p *Parts) PublishLists(ctx context.Context) error {
	return p.Issuer.PublishLists(ctx, p.Issuer.Lists)
}

// Advance moves the clock forward to an instant, stopping on every day that has something due: it is recorded on that
// day and carried out completely before the next.
func (p *Parts) Advance(ctx context.Context, to time.Time) error {
	for {
		if err := p.Settle(ctx); err != nil {
			return err
		}
		today := civil.Of(p.Clock.Now())
		next, err := p.Warehouse.NextDue(ctx, today)
		if err != nil {
			return fmt.Errorf("setting the clock forward: %w", err)
		}
		if morning := next.At(civil.Clock(3, 0)); !next.IsZero() && morning.Before(to) {
			if err := p.setClock(ctx, morning); err != nil {
				return err
			}
			continue
		}
		return p.setClock(ctx, to)
	}
}

func (p *Parts) setClock(ctx context.Context, to time.Time) error {
	if to.After(p.Clock.Now()) {
		if err := p.Clock.Advance(to); err != nil {
			return err
		}
	}
	if err := p.Issuer.HoldDueCeremonies(ctx); err != nil {
		return err
	}
	if _, err := p.Expiry.Tick(ctx); err != nil {
		return err
	}
	return p.Settle(ctx)
}
