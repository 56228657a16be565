package ra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
)

// Two histories of one person are joined in three commits, because no commit is about two of them: the one that goes on takes the
// other in, which is then ended, and the first one records that. Each can be repeated; the first owes the others.

// join decides whether the claim's subscriber takes another history in.
func (a *attempt) join(ctx context.Context, fact *events.HistoriesJoined) error {
	switch {
	case !events.ValidID(fact.Absorbed):
		return unfit("the claim names no history that ends")
	case !regime.IsJoiningEvidence(fact.Evidence) || a.personal.GetWhy() == "":
		return unfit("the claim does not say why, or what was seen")
	}
	for {
		command, read, err := a.takeIn(ctx, fact)
		if err != nil {
			return err
		}
		_, err = a.update(ctx, func(h eventlog.Head, _ *events.SubscriberState) (lifecycle.Command, error) {
			if h.Revision != read {
				return nil, errMoved
			}
			return command, nil
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

// takeIn reads both histories, and returns the command with the revision of the one that goes on.
func (a *attempt) takeIn(ctx context.Context, fact *events.HistoriesJoined) (c lifecycle.TakeIn, read uint64, err error) {
	mine, err := a.history(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: a.subscriber})
	if err != nil {
		return c, 0, err
	}
	if len(mine) == 0 {
		return c, 0, unfit("the centre has no history under the number that should go on")
	}
	theirs, err := a.history(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: fact.Absorbed})
	if err != nil {
		return c, 0, err
	}
	c = lifecycle.TakeIn{
		From: fact.Absorbed, Evidence: fact.Evidence, Clerk: a.claim.Officer, Second: a.secondOfficer(), Filed: a.filed,
		Other: folded(theirs), Elsewhere: a.claim.Subscriber != a.subscriber,
	}
	end, err := a.resolve(ctx, fact.Absorbed)
	if err != nil {
		return c, 0, err
	}
	c.Same, c.Elsewhere = end == a.subscriber, c.Elsewhere || end != fact.Absorbed
	c.OtherBirthDate, err = a.bornOnOtherDays(fact.Absorbed, mine, theirs)
	return c, uint64(len(mine)), err
}

// folded returns the state that a history leads to.
func folded(history []eventlog.Record) *events.SubscriberState {
	state := &events.SubscriberState{}
	for _, r := range history {
		lifecycle.Evolve(state, r.Commit)
	}
	return state
}

// bornOnOtherDays reports whether the records of both histories can be read and have different dates of birth.
func (a *attempt) bornOnOtherDays(absorbed string, mine, theirs []eventlog.Record) (bool, error) {
	var dates []string
	for id, history := range map[string][]eventlog.Record{a.subscriber: mine, absorbed: theirs} {
		record, err := dossier.Of(a.Vault, id, history).Identity()
		switch {
		case errors.Is(err, dossier.ErrNotFound), errors.Is(err, vault.ErrErased):
			return false, nil
		case err != nil:
			return false, err
		}
		dates = append(dates, record.GetBirthDate())
	}
	return dates[0] != dates[len(dates)-1], nil
}

// Joiner names the follower that carries joinings on.
const Joiner = "joiner"

// followJoinings ends the histories that were taken in, until ctx ends.
func (r *RA) followJoinings(ctx context.Context) error {
	return r.Log.Follow(ctx, eventlog.Follower{
		Name: Joiner, Kinds: []string{events.KindSubscriber}, Lanes: 1, Handled: r.Handled,
		Handle: func(ctx context.Context, records []eventlog.Record) error {
			for _, one := range records {
				if err := r.carryOn(ctx, one); err != nil {
					return eventlog.Park(one.Kind, one.ID, err)
				}
			}
			return nil
		},
		Parked: func(one eventlog.Record, err error) {
			r.Logger.Error("a joining of two histories can't go on: inspect both with shomei log", "subscriber", one.ID, "error", err)
		},
	})
}

// SettleJoinings does what a subscriber owes because of others that it has taken in. It can be repeated at any time.
func (r *RA) SettleJoinings(ctx context.Context, subscriber string) error {
	history, err := r.Log.History(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return err
	}
	for _, one := range history {
		if err := r.carryOn(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// carryOn ends the histories that a commit has taken in, and records that.
func (r *RA) carryOn(ctx context.Context, taken eventlog.Record) error {
	for _, e := range taken.Commit.GetEvents() {
		b := e.GetSubscriberTakenIn()
		if b == nil {
			continue
		}
		closed, err := r.closeHistory(ctx, taken, e, b)
		if err != nil {
			return fmt.Errorf("ending the history %s, which %s has taken in: %w", b.From, taken.ID, err)
		}
		if err := r.settleTakenIn(ctx, taken, b.From, closed); err != nil {
			return fmt.Errorf("recording that %s has ended, which %s has taken in: %w", b.From, taken.ID, err)
		}
	}
	return nil
}

// closeHistory ends a history that another has taken in, and reports whether it is an alias of that one by now.
func (r *RA) closeHistory(ctx context.Context, taken eventlog.Record, e *events.Event, b *events.SubscriberTakenIn) (closed bool, err error) {
	env := joining(taken, "close")
	command := lifecycle.CloseHistory{To: taken.ID, Read: b.FromRevision, Filed: time.UnixMilli(e.FiledMs), Switches: r.Switches}
	outcome, err := r.Log.Update(ctx, events.KindSubscriber, b.From, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		closed = lifecycle.ClosesInto(state, taken.ID, b.FromRevision)
		return lifecycle.Decide(state, command, h.Now)
	})
	return closed || aliases(outcome.Commit, taken.ID), err
}

func aliases(c *events.Commit, to string) bool {
	return slices.ContainsFunc(c.GetEvents(), func(e *events.Event) bool { return e.GetSubscriberAliased().GetTo() == to })
}

func (r *RA) settleTakenIn(ctx context.Context, taken eventlog.Record, from string, closed bool) error {
	_, err := r.Log.Update(ctx, events.KindSubscriber, taken.ID, joining(taken, "settle"), func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.Decide(state, lifecycle.SettleTakenIn{From: from, Closed: closed}, h.Now)
	})
	return err
}

// joining returns the envelope of a step that follows from a commit that takes another history in.
func joining(taken eventlog.Record, step string) eventlog.Envelope {
	env := ofRA(fmt.Sprintf("join/%s/%d/%s", taken.ID, taken.Commit.GetRevision(), step))
	env.CausationID, env.Office = taken.Commit.GetCommandId(), taken.Commit.GetOffice()
	return env
}
