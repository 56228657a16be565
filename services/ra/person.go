package ra

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/intake"
	"shomei/pkg/vault"
)

// AnswerPerson compares a resident-record code and a date of birth given to a counter with what the log knows, and
// answers yes with the name's initials, or no; or it says what a subscriber's history holds. It records that the person's record was
// opened. An error means that it can't answer.
func (r *RA) AnswerPerson(ctx context.Context, q counterlink.PersonRequest) (counterlink.Person, error) {
	if q.Subscriber != "" {
		return r.heldBy(ctx, q)
	}
	_, known, err := r.identify(ctx, q, "code and date of birth compared for a report")
	if known == nil {
		return counterlink.Person{}, err
	}
	return counterlink.Person{Known: true, Initials: Initials(known.GetName())}, nil
}

// identify returns the subscriber with the code and the date of birth in a question, and their record; nil if there is
// none.
func (r *RA) identify(ctx context.Context, q counterlink.PersonRequest, purpose string) (subscriber string, known *events.ResidentRecord, err error) {
	personal, err := counterlink.OpenPersonal(r.SealKey, &events.Claim{Id: q.ID, Sealed: q.Sealed})
	if err != nil {
		return "", nil, err
	}
	asked := personal.GetRecord()
	if err := intake.First(intake.Personal(personal, civil.Of(r.Clock()))); err != nil || asked.GetResidentCode() == "" || asked.GetBirthDate() == "" {
		return "", nil, err
	}
	a := &attempt{RA: r}
	if a.subscriber, err = a.resolve(ctx, SubscriberID(r.Secret, asked.GetResidentCode())); err != nil {
		return "", nil, err
	}
	history, err := a.history(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: a.subscriber})
	if err != nil || len(history) == 0 {
		return "", nil, err
	}
	if err := r.recordOpened(ctx, q.Asker, purpose, a.subscriber); err != nil {
		return "", nil, err
	}
	known, err = dossier.Of(r.Vault, a.subscriber, history).Identity()
	switch {
	case errors.Is(err, dossier.ErrNotFound), errors.Is(err, vault.ErrErased):
		return "", nil, nil
	case err != nil || known.GetBirthDate() != asked.GetBirthDate():
		return "", nil, err
	}
	return a.subscriber, known, nil
}

// recordOpened records, in the counter's access history, who had the records of some persons opened; of nobody's, that somebody
// looked in vain. A counter makes an id for each question; a repeated one would open a record unrecorded.
func (r *RA) recordOpened(ctx context.Context, q counterlink.Asker, purpose string, subscribers ...string) error {
	if code, err := events.ParseOfficer(q.Officer); q.Officer != "" && (err != nil || code != q.Officer) {
		return fmt.Errorf("a question of counter %s names an officer by what is no code", q.Counter) // which may be a name
	}
	env := eventlog.Envelope{
		CommandID: "person/" + q.ID, Counter: q.Counter, Office: q.Office,
		Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_CLERK, Id: q.Officer},
	}
	looks := []*events.RecordOpened{{Purpose: purpose}}
	if len(subscribers) > 0 {
		looks = nil
	}
	for _, subscriber := range subscribers {
		looks = append(looks, &events.RecordOpened{Subscriber: subscriber, Purpose: purpose, RecordClasses: []string{vault.Identity}})
	}
	return access.Record(ctx, r.Log, r.Vault, env, q.Counter, nil, looks...)
}

// Initials returns the first characters of the parts of a name: 証明　花子 gives 証・花.
func Initials(name string) string {
	var first []string
	for _, part := range strings.Fields(name) {
		first = append(first, string([]rune(part)[:1]))
	}
	return strings.Join(first, "・")
}
