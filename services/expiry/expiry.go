// Package expiry acts when dates arrive: windows open, notices fall due, statutory deadlines pass, certificates and
// cards expire. The tables hint at the subscribers concerned; lifecycle.Decide judges what the day really brings, so a
// superfluous hint does nothing and a late one is caught up.
package expiry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/crashpoint"
	"shomei/pkg/days"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
	"shomei/pkg/warehouse"
)

// Config configures an Expiry; all fields are required.
type Config struct {
	Log       *eventlog.Log
	Warehouse *warehouse.Warehouse
	Switches  regime.Switches
	Clock     func() time.Time
	// Days says how often the tables are queried.
	Days   days.Watch
	Logger *slog.Logger
}

// Expiry acts when dates arrive.
type Expiry struct{ Config }

// New returns an Expiry.
func New(c Config) *Expiry { return &Expiry{c} }

// Run handles each day until ctx ends. While ClickHouse is unavailable nothing is lost: the next query finds it all.
func (x *Expiry) Run(ctx context.Context) error {
	return x.Days.Follow(ctx, func(ctx context.Context) error {
		_, err := x.Tick(ctx)
		if errors.Is(err, warehouse.ErrStarting) || errors.As(err, new(warehouse.Rebuilding)) {
			return days.NotYet{Why: err} // whoever rebuilds the tables reports the progress
		}
		return err
	})
}

var crashTicked = crashpoint.Register("expiry.ticked")

// page is how many hints are queried at once.
const page = 1000

// Tick records what has come by now for every subscriber that the tables name, and returns for how many something was
// recorded.
func (x *Expiry) Tick(ctx context.Context) (int, error) {
	today := civil.Of(x.Clock())
	recorded, after := 0, ""
	for {
		due, err := x.Warehouse.Due(ctx, today, after, page)
		if err != nil {
			return recorded, fmt.Errorf("asking what is due on %s: %w", today, err)
		}
		for _, hint := range due {
			if hint.Subscriber == after {
				continue // several things may be due for one person; one decision covers them all
			}
			done, err := x.tick(ctx, hint.Subscriber, today)
			if eventlog.Unreadable(err) {
				x.Logger.Error("skipping an unreadable subscriber; inspect it with shomei log", "subscriber", hint.Subscriber, "error", err)
				err = nil
			}
			if err != nil {
				return recorded, err
			}
			crashTicked.Hit()
			if done {
				recorded++
			}
			after = hint.Subscriber
		}
		if len(due) < page {
			return recorded, nil
		}
	}
}

// tick decides for one subscriber. The command id names the day, so that a repeat on the same day is the same command
// only if nothing was left to do.
func (x *Expiry) tick(ctx context.Context, subscriber string, today civil.Date) (bool, error) {
	var revision uint64
	for {
		env := eventlog.Envelope{
			CommandID: fmt.Sprintf("tick/%s/%s/%d", subscriber, today, revision),
			Actor:     &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "expiry"},
		}
		outcome, err := x.Log.Update(ctx, events.KindSubscriber, subscriber, env, func(h eventlog.Head) ([]*events.Event, error) {
			state, err := lifecycle.DecodeSubscriber(h.State)
			if err != nil {
				return nil, err
			}
			return lifecycle.Decide(state, lifecycle.Tick{Switches: x.Switches}, h.Now)
		})
		if err != nil {
			return false, fmt.Errorf("recording what %s brings to subscriber %s: %w", today, subscriber, err)
		}
		if !outcome.Repeated {
			return outcome.Commit != nil, nil
		}
		revision = outcome.Commit.Revision // today's tick was answered before; something new may have come since
	}
}
