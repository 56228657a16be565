package ra

import (
	"context"
	"errors"
	"fmt"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
)

// correctsCode reports whether a claim corrects a resident-record code.
func correctsCode(c *events.Claim) bool {
	return c.GetRecordChangeNotified().GetChange() == events.RecordChange_RECORD_CHANGE_RESIDENT_CODE
}

// errAliased: the code that a claim names was corrected to another meanwhile; the claim comes again.
var errAliased = errors.New("the history continues under another code")

// maxAliases bounds how often a person's code can be corrected, and histories be joined.
const maxAliases = 16

// resolve returns the subscriber whose history an id refers to: itself, or the one whose code was corrected to it, or which has
// taken it in. That may be old by a moment; whoever decides on it looks at what the decision is stored behind.
func (a *attempt) resolve(ctx context.Context, id string) (string, error) {
	for range maxAliases {
		if !events.ValidID(id) {
			return id, nil
		}
		head, err := a.Log.LoadSince(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: id})
		if err != nil {
			return "", fmt.Errorf("resolving a subscriber: %w", err)
		}
		state, err := lifecycle.DecodeSubscriber(head.State)
		if err != nil || state.AliasOf == "" {
			return id, err
		}
		a.former = append(a.former, id)
		id = state.AliasOf
	}
	return "", unfit("the resident-record code was corrected, or histories were joined, more than %d times", maxAliases)
}

// wasDecidedBefore reports whether a redelivered claim has led to a commit in a history that has been joined to another since.
func (a *attempt) wasDecidedBefore(ctx context.Context) (bool, error) {
	if !a.received.Redelivered {
		return false, nil
	}
	for _, id := range a.former {
		outcome, err := a.Log.Update(ctx, events.KindSubscriber, id, a.envelope(), func(eventlog.Head) ([]*events.Event, error) { return nil, nil })
		if err != nil || outcome.Repeated {
			return outcome.Repeated, err
		}
	}
	return false, nil
}

// alias records, before the change itself is decided, that the corrected code refers to this subscriber. If that code
// has a history of its own, it returns lifecycle.ErrOtherPerson.
func (a *attempt) alias(ctx context.Context) error {
	if a.corrected == "" || !correctsCode(a.claim) {
		return nil
	}
	id := SubscriberID(a.Secret, a.corrected)
	if known, err := a.resolve(ctx, id); err != nil || known == a.subscriber {
		return err
	}
	env := a.envelope()
	env.CommandID, env.Counter = a.claim.Id+"/alias", "" // the counter is only told of the change itself
	_, err := a.Log.Update(ctx, events.KindSubscriber, id, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.Alias(state, a.subscriber)
	})
	return err
}
