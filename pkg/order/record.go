package order

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
)

// Ask records an order, which waits for another operator, and returns it as it stands. The body has the act, the target and what is
// ordered; seal seals the reason for the revision that asks.
func Ask(ctx context.Context, log *eventlog.Log, env eventlog.Envelope, body *events.OrderAsked, seal func(revision uint64) (*events.Sealed, error)) (Order, error) {
	_, id := targetOf(body)
	history := HistoryOf(id)
	outcome, err := log.Update(ctx, events.KindApproval, history, env, func(head eventlog.Head) (_ []*events.Event, err error) {
		body.LapsesMs = LapseOf(head.Now).UnixMilli()
		if body.SealedWhy, err = seal(head.Revision + 1); err != nil {
			return nil, err
		}
		if body.Digest, err = Digest(body); err != nil {
			return nil, err
		}
		return []*events.Event{events.New(body)}, nil
	})
	if err != nil {
		return Order{}, fmt.Errorf("recording an order: %w", err)
	}
	c := outcome.Commit
	return Order{
		History: history, Revision: c.GetRevision(), Asked: body, AskedBy: env.Actor.GetId(), AskedAt: time.UnixMilli(c.GetEvents()[0].GetRecordedMs()),
		Lapses: time.UnixMilli(body.LapsesMs), Outcome: Waiting,
	}, nil
}

// errMoved: somebody has decided meanwhile.
var errMoved = errors.New("the history has grown")

// Decide records what becomes of an order. Decide is called with the order as it stands and the next revision of its history; without a
// body nothing is recorded.
func Decide(
	ctx context.Context, log *eventlog.Log, env eventlog.Envelope, number string, decide func(o Order, next uint64, now time.Time) (events.Body, []string, error),
) (Order, error) {
	history, _, err := ParseNumber(number)
	if err != nil {
		return Order{}, err
	}
	for {
		before, err := log.Load(ctx, events.KindApproval, history)
		if err != nil {
			return Order{}, err
		}
		o, err := Of(ctx, log, number)
		if err != nil {
			return o, err
		}
		_, err = log.Update(ctx, events.KindApproval, history, env, func(head eventlog.Head) ([]*events.Event, error) {
			if head.Revision != before.Revision {
				return nil, errMoved
			}
			body, rules, err := decide(o, head.Revision+1, head.Now)
			if body == nil || err != nil {
				return nil, err
			}
			return []*events.Event{events.New(body, rules...)}, nil
		})
		if !errors.Is(err, errMoved) {
			return o, err
		}
	}
}
