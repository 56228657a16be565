package hub

import (
	"context"
	"errors"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/order"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
	"shomei/pkg/wait"
)

// Erasure is an order to erase a person's sealed data of one record class.
type Erasure struct {
	// Class is identity, certificate or contact.
	Class string `json:"class"`
	// Order is the number or mark of the written order, kept sealed.
	Order string `json:"order"`
}

// Erased is the outcome of an order.
type Erased struct {
	// Ordered reports whether the order is in the log; Before, whether it already was. If it isn't, a retention period
	// still runs, and the refusal is in the log.
	Ordered bool `json:"ordered"`
	Before  bool `json:"before,omitempty"`
	// Destroyed reports whether the key is gone. If not, the hub destroys it as soon as it can.
	Destroyed bool `json:"destroyed,omitempty"`
	// Others are the histories that were joined with this one: each is erased by an order of its own.
	Others []string `json:"others,omitempty"`
	// Kept lists the retention periods that still run.
	Kept []Kept `json:"kept,omitempty"`
	// Asked is the order that waits for another operator; nil: none does.
	Asked *order.Order `json:"-"`
}

// Kept is a retention period and its last day.
type Kept struct {
	Rule  regime.ID `json:"rule"`
	Until string    `json:"until"`
}

// orderPatience is how long an order waits for its outcome in the log.
const orderPatience = 10 * time.Second

// Erase orders an erasure and waits for its outcome, up to orderPatience. Where it takes two operators, it is only asked for.
func (o Operator) Erase(ctx context.Context, subscriber string, e Erasure) (Erased, error) {
	if !slices.Contains(vault.Classes, e.Class) {
		return Erased{}, refuse("%.40q is no record class: there are identity, certificate and contact", e.Class)
	}
	if err := checkSubscriber(subscriber); err != nil {
		return Erased{}, err
	}
	if err := checkRemark("--order", e.Order); err != nil {
		return Erased{}, err
	}
	alone, err := o.alone()
	if err != nil {
		return Erased{}, err
	}
	ordered, err := order.ErasureOrder{
		Subscriber: subscriber, Class: e.Class, Number: e.Order, Asking: !alone, Envelope: o.envelope(),
	}.Decide(ctx, o.hub.as(eventlog.RoleOperator), o.hub.sealed)
	if errors.Is(err, order.ErrNobody) {
		return Erased{}, unknownSubscriber(subscriber)
	}
	if err != nil {
		return Erased{}, err
	}
	out := Erased{Ordered: ordered.New || ordered.Before, Before: ordered.Before}
	if out.Others, err = o.joinedWith(ctx, subscriber); err != nil {
		return Erased{}, err
	}
	switch {
	case ordered.Kept:
		out.Kept = stillKept(ordered.Retentions, o.hub.Clock.Now())
		return out, nil
	case !out.Ordered:
		asked, err := o.ask(ctx, &events.OrderAsked{
			Act: string(order.Erasure), Target: events.KindSubscriber + "/" + subscriber,
			What: &events.OrderAsked_Erasure{Erasure: &events.ErasureOrdered{RecordClass: e.Class}},
		}, "--order", e.Order)
		out.Asked = &asked
		return out, err
	}
	out.Destroyed, err = o.hub.awaitErasure(ctx, subscriber, e.Class)
	return out, err
}

// joinedWith returns the other histories of a subscriber's person: what is sealed there has keys of its own.
func (o Operator) joinedWith(ctx context.Context, subscriber string) ([]string, error) {
	person, err := o.known(ctx, subscriber)
	if err != nil {
		return nil, err
	}
	all, err := o.histories(ctx, person)
	return slices.DeleteFunc(all, func(one string) bool { return one == subscriber }), err
}

func stillKept(list []lifecycle.Retention, now time.Time) []Kept {
	var kept []Kept
	for _, r := range list {
		if !r.Last.EndInstant().Before(now) {
			kept = append(kept, Kept{r.Rule, r.Last.String()})
		}
	}
	return kept
}

// awaitErasure waits until the erasure is carried out. It returns false if that takes too long.
func (p *Parts) awaitErasure(ctx context.Context, subscriber, class string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	err := wait.Until(ctx, lookEvery, func() (bool, error) {
		head, err := p.Log.Load(ctx, events.KindSubscriber, subscriber)
		if err != nil {
			return false, err
		}
		state, err := lifecycle.DecodeSubscriber(head.State)
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(state.Obligations, func(o *events.Obligation) bool {
			return o.Kind == events.ObligationKind_OBLIGATION_KIND_DESTROY_KEY && o.Target == class
		}), nil
	})
	if err != nil && ctx.Err() != nil {
		return false, nil
	}
	return err == nil, err
}
