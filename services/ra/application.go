package ra

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/intake"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
)

// application decides on an application. If it would be accepted, its card is claimed first unless it is this person's
// already: of two counters at once, only one gets the claim. A refused application leaves a blank card to the next
// person.
func (a *attempt) application(ctx context.Context, fact *events.ApplicationReceived) error {
	command, err := a.apply(fact)
	if err != nil {
		return err
	}
	a.unclaimed = fact.Card != "" && regime.HandlingOf(fact.Operation).Claims
	if !a.unclaimed || a.needsSecond() || !a.promises(ctx, command) {
		if _, err = a.update(ctx, constantly(&command)); !errors.Is(err, errUnclaimed) {
			return err
		}
	}
	var meanwhile sync.WaitGroup
	meanwhile.Go(a.makeKeys)
	claimed, err := a.claimCard(ctx, fact)
	meanwhile.Wait()
	if err != nil {
		return err
	}
	command.CardTaken, a.unclaimed = !claimed, false
	_, err = a.update(ctx, constantly(&command))
	return err
}

// promises reports whether an application would be accepted by what this process knows, which spares the log a look.
// What it doesn't know the update finds.
func (a *attempt) promises(ctx context.Context, command lifecycle.Apply) bool {
	head, err := a.Log.LoadSince(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: a.subscriber})
	if err != nil || a.received.Redelivered {
		return false
	}
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err != nil {
		return false
	}
	decided, err := lifecycle.Decide(state, command, head.Now)
	return err == nil && accepts(decided)
}

// makeKeys has the vault write a new person's keys to disk while the card is being claimed, because the decision will
// need them. A failure here shows up again when something is sealed for the log.
func (a *attempt) makeKeys() {
	sealer := dossier.Sealer{Vault: a.Vault, Subscriber: a.subscriber}
	_, _ = sealer.Identity(&events.ResidentRecord{})
}

// errUnclaimed: an application would be accepted with a card that is not claimed.
var errUnclaimed = errors.New("the card is not claimed")

func constantly(command *lifecycle.Apply) func(eventlog.Head, *events.SubscriberState) (lifecycle.Command, error) {
	return func(eventlog.Head, *events.SubscriberState) (lifecycle.Command, error) { return *command, nil }
}

// refuses reports whether a decision refuses what was asked for.
func refuses(decided []*events.Event) bool {
	return slices.ContainsFunc(decided, func(e *events.Event) bool {
		return e.GetApplicationRefused() != nil || e.GetRequestRefused() != nil || e.GetFactRefused() != nil
	})
}

func accepts(decided []*events.Event) bool {
	return slices.ContainsFunc(decided, func(e *events.Event) bool { return e.GetApplicationAccepted() != nil })
}

// claimCard claims the presented card for this subscriber and reports false if it is another's or retired.
func (a *attempt) claimCard(ctx context.Context, fact *events.ApplicationReceived) (bool, error) {
	env := a.envelope()
	_, err := a.Log.Update(ctx, events.KindCard, fact.Card, env, func(h eventlog.Head) ([]*events.Event, error) {
		return lifecycle.ClaimCard(h.State, a.subscriber, fact.CardKind)
	})
	if errors.Is(err, lifecycle.ErrCardClaimed) {
		return false, nil
	}
	return err == nil, err
}

func (a *attempt) apply(fact *events.ApplicationReceived) (lifecycle.Apply, error) {
	if err := intake.First(intake.Application(fact, civil.Of(a.filed))); err != nil {
		return lifecycle.Apply{}, unfit("application: %v", err)
	}
	factory := a.received.Enrolment.Role == "factory"
	if factory != (fact.Operation == events.Operation_OPERATION_FACTORY_ISSUE) {
		// A factory sees no documents, and a counter makes no card without an applicant.
		return lifecycle.Apply{}, unfit("a %s may not apply for %v", a.received.Enrolment.Role, fact.Operation)
	}
	shown, err := regime.ParseShown(fact.Documents)
	if err != nil {
		return lifecycle.Apply{}, unfit("documents: %v", err)
	}
	channel, err := lifecycle.LawChannel(fact.Channel, shown, fact.NoticeAnswer)
	if err != nil {
		return lifecycle.Apply{}, unfit("channel: %v", err)
	}
	person, err := lawPerson(a.personal.GetRecord())
	if err != nil {
		return lifecycle.Apply{}, unfit("resident record: %v", err)
	}
	office, err := a.Directory.Office(a.claim.Office, civil.Of(a.filed))
	if err != nil {
		return lifecycle.Apply{}, unfit("office: %v", err)
	}
	applied, err := civil.Parse(fact.AppliedOn)
	if err != nil {
		return lifecycle.Apply{}, unfit("the day of the application: %v", err)
	}
	return lifecycle.Apply{
		Procedure: a.claim.Procedure, Operation: fact.Operation, Channel: channel, Kinds: fact.Kinds, Shown: shown,
		Card: fact.Card, CardKind: fact.CardKind, Pins: fact.Pins, Cause: regime.Cause(fact.Cause), Express: fact.Express,
		TakenBack: fact.TakenBack, Clerk: a.claim.Officer, GrantedBy: a.grantedBy(), PINsMatch: fact.PinsMatch,
		Letter: letterNumber(), Factory: factory, AppliedOn: applied, Office: office, OfficeID: a.claim.Office,
		Counter: a.claim.Counter, Person: person,
		Filed: a.filed, Entered: a.entered, Switches: a.law(),
	}, nil
}

// letterNumber returns 40 unpredictable bits.
func letterNumber() string { return strings.ToLower(rand.Text()[:8]) }

// lawPerson returns what the law needs of a resident record.
func lawPerson(r *events.ResidentRecord) (regime.Person, error) {
	birth, err := civil.ParsePartial(r.GetBirthDate())
	if err != nil {
		return regime.Person{}, fmt.Errorf("the birth date is not a date")
	}
	stay, err := civil.Parse(r.GetPeriodOfStay())
	if err != nil {
		return regime.Person{}, fmt.Errorf("the period of stay is not a date")
	}
	overseas, err := civil.Parse(r.GetOverseasOn())
	if err != nil {
		return regime.Person{}, fmt.Errorf("the day of moving abroad is not a date")
	}
	return regime.Person{
		BirthDate: birth.Latest(), Registered: r.GetRegistered(), Municipality: r.GetMunicipality(), AdultWard: r.GetAdultWard(),
		Foreign: r.GetForeign(), Alias: r.GetAlias() != "", StayUntil: stay, StayPending: r.GetStayPending(), Overseas: overseas,
	}, nil
}
