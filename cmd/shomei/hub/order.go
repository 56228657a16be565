package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/order"
	"shomei/pkg/wait"
)

// withCredentialsOnly refuses an officer who is only a number on the command line.
func (o Operator) withCredentialsOnly() error {
	if o.hub.officer == "" {
		return refuse("this takes two officers with credentials of their own: give yours with --creds (shomei operators enrol NUMBER makes them, one file for each of the two)")
	}
	return nil
}

// alone reports whether an order that needs two is given by one: by the owner of the data folder, in a log that is a trial.
func (o Operator) alone() (bool, error) {
	if o.hub.officer == "" && o.hub.Directory.Trial() {
		return true, nil
	}
	return false, o.withCredentialsOnly()
}

// MayAsk returns why this operator can't give an order that needs two, nor ask for it; nil if they can.
func (o Operator) MayAsk() error {
	_, err := o.alone()
	return err
}

// ask records an order, which waits for another operator.
func (o Operator) ask(ctx context.Context, body *events.OrderAsked, flag, why string) (order.Order, error) {
	err := o.withCredentialsOnly()
	if err == nil {
		err = checkRemark(flag, why)
	}
	if err != nil {
		return order.Order{}, err
	}
	_, id := order.Order{Asked: body}.Target()
	asked, err := order.Ask(ctx, o.hub.as(eventlog.RoleOperator), o.envelope(), body, func(revision uint64) (*events.Sealed, error) {
		return dossier.Sealer{Vault: o.hub.sealed, Subscriber: order.HistoryOf(id), Revision: revision}.Remark(why)
	})
	if err != nil {
		return asked, err
	}
	return asked, o.hub.Directory.Refresh(ctx, o.hub.Log)
}

// MayApprove returns the numbers of the officers who can approve this operator's orders.
func (o Operator) MayApprove() (others []string) {
	for _, k := range o.hub.OperatorKeys() {
		if k.Retired.IsZero() && k.Officer != o.officer && !slices.Contains(others, k.Officer) {
			others = append(others, k.Officer)
		}
	}
	return others
}

// Orders returns the operators' orders that wait, and those that are approved and not carried out, oldest first.
func (p *Parts) Orders(ctx context.Context) (list []order.Order, err error) {
	for _, open := range p.Directory.Orders() {
		o, err := order.Of(ctx, p.Log, order.Order{History: open.History, Revision: open.Revision}.Number())
		if errors.Is(err, order.ErrNone) {
			continue // who asked had no right to
		}
		if err != nil {
			return nil, err
		}
		if waits := o.Outcome == order.Waiting && p.Clock.Now().Before(o.Lapses); waits || o.Outcome == order.Approved {
			list = append(list, o)
		}
	}
	return list, nil
}

// OrderOf returns an order by its number.
func (p *Parts) OrderOf(ctx context.Context, number string) (order.Order, error) {
	o, err := order.Of(ctx, p.Log, number)
	if errors.Is(err, order.ErrNone) {
		return o, refuse("%v: shomei approval list shows those that wait", err)
	}
	return o, err
}

// WhyOrdered opens the reason of an order, which is recorded before.
func (o Operator) WhyOrdered(ctx context.Context, one order.Order) (string, error) {
	if err := o.withCredentialsOnly(); err != nil {
		return "", err
	}
	err := access.Record(ctx, o.hub.as(eventlog.RoleOperator), o.hub.sealed, o.envelope(), access.ID("operator", o.officer), nil, &events.RecordOpened{
		About: events.KindApproval + "/" + one.History, Purpose: "reason of an order opened", Place: access.Approval, RecordClasses: []string{one.Asked.GetSealedWhy().GetRecordClass()},
	})
	if err != nil {
		return "", err
	}
	history, err := o.hub.Log.History(ctx, events.KindApproval, one.History)
	if err != nil {
		return "", err
	}
	for _, note := range dossier.Of(o.hub.sealed, one.History, history).Notes() {
		if note.Revision == one.Revision {
			return note.Text, note.Err
		}
	}
	return "", nil
}

// decide records this operator's decision about an order. Judge returns why it can't be taken.
func (o Operator) decideOrder(
	ctx context.Context, number string, judge func(order.Order, time.Time) error, body func(one order.Order, next uint64) (events.Body, error),
) (order.Order, error) {
	if err := o.withCredentialsOnly(); err != nil {
		return order.Order{}, err
	}
	one, err := order.Decide(ctx, o.hub.as(eventlog.RoleOperator), o.envelope(), number, func(one order.Order, next uint64, now time.Time) (events.Body, []string, error) {
		if err := judge(one, now); err != nil {
			return nil, nil, refuse("order %s: %v", one.Number(), err)
		}
		b, err := body(one, next)
		return b, nil, err
	})
	if errors.Is(err, order.ErrNone) {
		return one, refuse("%v: shomei approval list shows those that wait", err)
	}
	return one, err
}

// ApproveOrder approves another operator's order, and waits a while until the centre has carried it out. It returns the order as it
// stands then.
func (o Operator) ApproveOrder(ctx context.Context, number string) (order.Order, error) {
	writer, err := o.key()
	if err != nil {
		return order.Order{}, err
	}
	one, err := o.decideOrder(ctx, number,
		func(one order.Order, now time.Time) error { return one.Approvable(o.officer, writer, now) },
		func(one order.Order, _ uint64) (events.Body, error) {
			return &events.OrderApproved{Order: one.Revision, Digest: one.Asked.GetDigest()}, nil
		})
	if err != nil {
		return one, err
	}
	return o.hub.awaitOrder(ctx, number)
}

// key returns the public key that signs for this operator.
func (o Operator) key() (string, error) {
	if o.hub.officer == "" {
		return "", o.withCredentialsOnly()
	}
	return o.hub.keys.writers[eventlog.RoleOperator].PublicKey()
}

// awaitOrder waits until an approved order is carried out, where the centre does that. It returns the order as it stands then.
func (p *Parts) awaitOrder(ctx context.Context, number string) (one order.Order, err error) {
	waiting, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	err = wait.Until(waiting, lookEvery, func() (bool, error) {
		one, err = order.Of(waiting, p.Log, number)
		return err == nil && (one.Outcome != order.Approved || one.Act().Used()), err
	})
	if waiting.Err() != nil && ctx.Err() == nil {
		return one, nil
	}
	return one, err
}

// RefuseOrder says that this operator is against another's order, which is not carried out then. The reason is sealed.
func (o Operator) RefuseOrder(ctx context.Context, number, why string) (order.Order, error) {
	if err := checkRemark("--why", why); err != nil {
		return order.Order{}, err
	}
	return o.decideOrder(ctx, number,
		func(one order.Order, now time.Time) error {
			if one.AskedBy == o.officer {
				return errors.New("it is your own: shomei approval withdraw takes it back")
			}
			return one.Endable(now)
		},
		func(one order.Order, next uint64) (events.Body, error) {
			sealed, err := dossier.Sealer{Vault: o.hub.sealed, Subscriber: one.History, Revision: next}.Remark(why)
			return &events.OrderRefused{Order: one.Revision, SealedWhy: sealed}, err
		})
}

// WithdrawOrder takes back this operator's own order.
func (o Operator) WithdrawOrder(ctx context.Context, number string) (order.Order, error) {
	return o.decideOrder(ctx, number,
		func(one order.Order, now time.Time) error {
			if one.AskedBy != o.officer {
				return errors.New("only the operator who asked withdraws it: shomei approval refuse says that you are against it")
			}
			return one.Endable(now)
		},
		func(one order.Order, _ uint64) (events.Body, error) {
			return &events.OrderWithdrawn{Order: one.Revision}, nil
		})
}

// AskOpening returns whether this operator may open now what is sealed in a history, because another has approved it. Otherwise it is
// asked for, or it waits already, as the order that is returned.
func (o Operator) AskOpening(ctx context.Context, kind, id, why string) (one order.Order, may bool, err error) {
	if err := o.withCredentialsOnly(); err != nil {
		return one, false, err
	}
	one, err = order.Usable(ctx, o.hub.Log, id, o.officer, o.hub.Clock.Now(), order.Opening)
	switch {
	case err == nil:
		return one, true, nil
	case errors.Is(err, order.ErrWaiting):
		return one, false, nil
	case !errors.Is(err, order.ErrNotAsked) && !errors.Is(err, order.ErrLapsed) && !errors.Is(err, order.ErrOthers):
		return one, false, fmt.Errorf("looking for an approval: %w", err)
	}
	one, err = o.ask(ctx, &events.OrderAsked{Act: string(order.Opening), Target: kind + "/" + id}, "--why", why)
	return one, false, err
}

// AskRelease asks for a claim that is held to be decided as of the time that its counter's clock showed.
func (o Operator) AskRelease(ctx context.Context, id, why string) (order.Order, error) {
	if err := o.withCredentialsOnly(); err != nil {
		return order.Order{}, err
	}
	for _, aside := range o.hub.Directory.Aside() {
		switch {
		case aside.ID != id:
		case aside.Receipt == nil:
			return order.Order{}, refuse("%s can't be believed, whatever its time: only what is held for its time of receipt is released; shomei quarantine resolve closes it", id)
		case aside.Receipt.GetReason() == events.HeldReason_HELD_REASON_SIMULATED:
			return order.Order{}, refuse("%s was made by a settable clock, for which nobody can vouch: have the act taken again, and close it with shomei quarantine resolve", id)
		default:
			return o.ask(ctx, &events.OrderAsked{Act: string(order.Release), Target: events.KindQuarantine + "/" + id}, "--why", why)
		}
	}
	return order.Order{}, refuse("nothing in quarantine under %.60q waits for an officer: shomei quarantine list shows what does", id)
}
