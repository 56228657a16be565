package ra

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/regime"
)

// application decides on an application. A card that the log does not know as this person's is claimed first: whoever
// holds the claim holds the card, whatever two counters do at once.
func (a *attempt) application(ctx context.Context, fact *events.ApplicationReceived) error {
	command, err := a.apply(fact)
	if err != nil {
		return err
	}
	claimed, err := a.claimCard(ctx, fact)
	if err != nil {
		return err
	}
	command.CardTaken = !claimed
	_, err = a.update(ctx, func(_ eventlog.Head, _ *events.SubscriberState) (lifecycle.Command, error) {
		return command, nil
	})
	return err
}

// claimCard makes the presented card this subscriber's; false when it is another's or retired.
func (a *attempt) claimCard(ctx context.Context, fact *events.ApplicationReceived) (bool, error) {
	if fact.Card == "" || !needsCard(fact.Operation) {
		return true, nil
	}
	env := a.envelope()
	_, err := a.Log.Update(ctx, events.KindCard, fact.Card, env, func(h eventlog.Head) ([]*events.Event, error) {
		return lifecycle.ClaimCard(h.State, a.subscriber, fact.CardKind)
	})
	if errors.Is(err, lifecycle.ErrCardClaimed) {
		return false, nil
	}
	return err == nil, err
}

// needsCard tells whether the operation works on the card presented.
func needsCard(op events.Operation) bool {
	switch op {
	case events.Operation_OPERATION_REVOKE, events.Operation_OPERATION_RETURN_CARD, events.Operation_OPERATION_EXTEND_CARD:
		return false
	}
	return true
}

func (a *attempt) apply(fact *events.ApplicationReceived) (lifecycle.Apply, error) {
	shown, err := parseShown(fact.Documents)
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
	granted := ""
	if fact.SpecialCircumstances != "" {
		granted = a.claim.SecondOfficer
	}
	return lifecycle.Apply{
		Procedure: a.claim.Procedure, Operation: fact.Operation, Channel: channel, Kinds: fact.Kinds, Shown: shown,
		Card: fact.Card, CardKind: fact.CardKind, Pins: fact.Pins, Cause: regime.Cause(fact.Cause), Express: fact.Express,
		TakenBack: fact.TakenBack, Clerk: a.claim.Officer, GrantedBy: granted, PINsMatch: fact.PinsMatch,
		Factory: a.received.Enrolment.Role == "factory", Office: office, OfficeID: a.claim.Office,
		Counter: a.claim.Counter, Person: person,
		Filed: a.filed, Switches: a.Switches,
	}, nil
}

// parseShown reads documents as counters write them: the id of pkg/regime, and after a colon what the clerk saw of it.
func parseShown(documents []string) ([]regime.Shown, error) {
	var shown []regime.Shown
	for _, d := range documents {
		name, qualifier, _ := strings.Cut(d, ":")
		s := regime.Shown{Document: regime.Document(name)}
		switch {
		case qualifier == "current-address":
			s.AddressCurrent = true
		case qualifier == "registered-seal":
			s.RegisteredSeal = true
		case s.Document == regime.DocInquiryAnswer:
			s.Letter = qualifier
		case qualifier != "":
			return nil, fmt.Errorf("%q: nothing is known of %q", d, qualifier)
		}
		shown = append(shown, s)
	}
	return shown, nil
}

// lawPerson is what the law asks of a resident record.
func lawPerson(r *events.ResidentRecord) (regime.Person, error) {
	birth, err := civil.ParsePartial(r.GetBirthDate())
	if err != nil {
		return regime.Person{}, fmt.Errorf("the birth date is not a date")
	}
	stay, err := civil.Parse(r.GetPeriodOfStay())
	if err != nil {
		return regime.Person{}, fmt.Errorf("the period of stay: %w", err)
	}
	overseas, err := civil.Parse(r.GetOverseasOn())
	if err != nil {
		return regime.Person{}, fmt.Errorf("the day of moving abroad: %w", err)
	}
	return regime.Person{
		BirthDate: birth.Latest(), Registered: r.GetRegistered(), Municipality: r.GetMunicipality(), AdultWard: r.GetAdultWard(),
		Foreign: r.GetForeign(), Alias: r.GetAlias() != "", StayUntil: stay, Overseas: overseas,
	}, nil
}
