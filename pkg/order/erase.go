package order

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
)

// ErrNobody: the log has no subscriber with that id.
var ErrNobody = errors.New("no such subscriber")

// ErasureOrder is an officer's order to erase a person's sealed data of one record class.
type ErasureOrder struct {
	Subscriber string
	// Class is a record class of pkg/vault.
	Class string
	// Number is the number or mark of the written order. It stays in the log, sealed; empty where the order of two operators has it.
	Number string
	// Asking: the order is only judged. A refusal is recorded, what the law allows is not: another operator has to approve it.
	Asking bool
	// Envelope says who gave the order.
	Envelope eventlog.Envelope
}

// Ordered is the outcome of an order.
type Ordered struct {
	// New: ordered now. Before: already ordered. Kept: a retention period still runs.
	New, Before, Kept bool
	// Retentions are the periods that protect the class, with the last day of each.
	Retentions []lifecycle.Retention
}

// Decide decides on an order and commits the decision, which may be a refusal; the eraser then destroys the key.
// Errors are ErrNobody, those of the log, and one for an unknown class.
func (o ErasureOrder) Decide(ctx context.Context, log *eventlog.Log, v dossier.Keys) (Ordered, error) {
	for {
		ordered, err := o.try(ctx, log, v)
		if !errors.Is(err, errMoved) {
			return ordered, err
		}
	}
}

func (o ErasureOrder) try(ctx context.Context, log *eventlog.Log, v dossier.Keys) (Ordered, error) {
	history, err := log.History(ctx, events.KindSubscriber, o.Subscriber)
	if err != nil {
		return Ordered{}, err
	}
	if len(history) == 0 {
		return Ordered{}, fmt.Errorf("%w: %s", ErrNobody, o.Subscriber)
	}
	commits := make([]*events.Commit, len(history))
	for i, r := range history {
		commits[i] = r.Commit
	}
	command, err := lifecycle.PrepareErasure(commits, o.Class)
	if err != nil {
		return Ordered{}, err
	}
	retentions, err := command.Retentions()
	if err != nil {
		return Ordered{}, err
	}
	outcome, err := log.Update(ctx, events.KindSubscriber, o.Subscriber, o.Envelope, func(h eventlog.Head) ([]*events.Event, error) {
		if h.Revision != uint64(len(history)) {
			return nil, errMoved
		}
		decided, err := o.judge(v, h, command)
		if slices.ContainsFunc(decided, func(e *events.Event) bool { return e.GetErasureOrdered() != nil }) && o.Asking {
			return nil, nil
		}
		return decided, err
	})
	if err != nil {
		return Ordered{}, err
	}
	ordered := Ordered{Before: command.Ordered, Retentions: retentions}
	for _, event := range outcome.Commit.GetEvents() {
		ordered.New = ordered.New || event.GetErasureOrdered() != nil
		ordered.Kept = ordered.Kept || event.GetRequestRefused() != nil
	}
	return ordered, nil
}

// judge decides on the order, and seals its number into the decision.
func (o ErasureOrder) judge(v dossier.Keys, h eventlog.Head, command lifecycle.OrderErasure) ([]*events.Event, error) {
	state, err := lifecycle.DecodeSubscriber(h.State)
	if err != nil {
		return nil, err
	}
	decided, err := lifecycle.Decide(state, command, h.Now)
	if err != nil {
		return nil, err
	}
	sealer := dossier.Sealer{Vault: v, Subscriber: o.Subscriber, Revision: h.Revision + 1}
	for _, event := range decided {
		b := event.GetErasureOrdered()
		if b == nil || o.Number == "" {
			continue
		}
		if b.SealedOrder, err = sealer.Remark(o.Number); err != nil {
			return nil, err
		}
	}
	return decided, nil
}
