package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/directory"
	"shomei/pkg/ops"
	"shomei/pkg/regime"
	"shomei/pkg/warehouse"
)

// followDays does what days bring while the hub runs: key ceremonies, expiry, revocation lists. With ExpiryEvery below
// zero only Advance does it, so that a story decides itself when a day begins.
func (h *Hub) followDays(ctx context.Context) error {
	if h.ExpiryEvery < 0 {
		<-ctx.Done()
		return nil
	}
	if !h.Clock.Simulated() {
		go ops.WatchJumps(ctx, time.Second, jumpTolerance, h.clock.jumped)
	}
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		err := h.trustClock()
		if err == nil {
			err = h.bringDay(ctx)
		}
		pause := h.ExpiryEvery
		switch {
		case errors.Is(err, errStarting), errors.As(err, new(warehouse.Rebuilding)): // as at every first start; what makes the tables says how far it is
			pause = min(pause, startingPause)
		case err != nil && ctx.Err() == nil:
			h.Logger.Error("what the day brings could not be done, it is tried again", "error", err)
		}
		next.Reset(pause)
	}
}

// startingPause is how long days wait for tables that are being started or made.
const startingPause = 200 * time.Millisecond

// jumpTolerance is how far the system's clock may be set before dates drive nothing any more.
const jumpTolerance = 30 * time.Second

// clockWatch remembers that the system's clock has jumped.
type clockWatch struct {
	mu sync.Mutex
	by time.Duration
}

func (w *clockWatch) jumped(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.by += by
}

// ErrClock says that the system's clock can't be trusted to say what day it is.
var ErrClock = errors.New("the clock can't be trusted")

// trustClock stops acts that dates drive while the clock has jumped away or nobody keeps it. Claims are still taken:
// they are judged again when it is right. A jump back to where the clock was makes it trusted again; otherwise a person
// looks at the clock and starts the hub anew.
func (h *Hub) trustClock() error {
	if h.Clock.Simulated() {
		return nil
	}
	h.clock.mu.Lock()
	by := h.clock.by
	h.clock.mu.Unlock()
	if by.Abs() > jumpTolerance {
		return fmt.Errorf("%w: it jumped by %v since the start; set it right, or start the hub again if it is right now", ErrClock, by.Round(time.Second))
	}
	if h.AnyClock {
		return nil
	}
	kept, err := ops.Synchronised()
	if err == nil && !kept {
		err = fmt.Errorf("%w: no time service keeps it; start chrony or systemd-timesyncd", ErrClock)
	}
	return err
}

// bringDay does each thing whatever becomes of the others: lists are published also while the tables are away.
func (h *Hub) bringDay(ctx context.Context) error {
	ceremonies := h.HoldCeremonies(ctx)
	_, expiries := h.Expiry.Tick(ctx)
	return errors.Join(ceremonies, expiries, h.Issuer.PublishDue(ctx, h.path("crl")))
}

// HoldCeremonies puts the authorities' keys into service whose time has come, the prefectures' only while the juki
// regime and its run-off last.
func (h *Hub) HoldCeremonies(ctx context.Context) error {
	var prefectures []string
	if !civil.Of(h.Clock.Now()).After(regime.JukiRunOffDay) {
		for _, o := range h.Directory.Offices() {
			kind, p := directory.AuthorityOf(events.Regime_REGIME_JUKI, events.CertificateKind_CERTIFICATE_KIND_SIGN, o.Municipality)
			if kind == ca.Juki && !slices.Contains(prefectures, p) {
				prefectures = append(prefectures, p)
			}
		}
	}
	return h.Issuer.HoldCeremonies(ctx, prefectures)
}

// PublishLists writes the revocation lists into Data/crl.
func (h *Hub) PublishLists(ctx context.Context) error {
	return h.Issuer.PublishLists(ctx, h.path("crl"))
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
	if err := h.HoldCeremonies(ctx); err != nil {
		return err
	}
	if _, err := h.Expiry.Tick(ctx); err != nil {
		return err
	}
	return h.Settle(ctx)
}
