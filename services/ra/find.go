package ra

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/intake"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/pkg/vault"
)

// Keys seals and opens personal data, and finds persons by it (vault.Vault.Find).
type Keys interface {
	dossier.Keys
	Find(name, birthDate string) ([]string, error)
}

const (
	// mostFound is how many persons one search shows.
	mostFound = 20
	// searched is the purpose of a look by searching, and searching its act.
	searched  = "search"
	searching = "search"
)

// AnswerFind returns the persons that a counter or a telephone desk looks for, with as much as the asking officer may see. It records
// first whom it shows, or that somebody looked in vain; never what for.
func (r *RA) AnswerFind(ctx context.Context, q counterlink.FindRequest) (counterlink.Found, error) {
	roles, err := r.rolesOfAsker(ctx, q.Asker)
	var reason officer.Reason
	if errors.As(err, &reason) {
		return counterlink.Found{Refused: string(reason)}, nil
	}
	if err != nil {
		return counterlink.Found{}, err
	}
	subscribers, hidden, err := r.lookedFor(ctx, q)
	if errors.Is(err, vault.ErrIndexing) {
		return counterlink.Found{Unready: true}, nil
	}
	if err != nil {
		return counterlink.Found{}, err
	}
	some := subscribers[:min(len(subscribers), mostFound)]
	found := counterlink.Found{More: hidden || len(subscribers) > len(some)}
	var shown []string
	for _, subscriber := range some {
		person, err := r.foundPerson(ctx, subscriber, roles)
		if eventlog.Unreadable(err) && len(some) > 1 { // an older commit than the one that lookedFor has read
			r.Logger.Error("a history that a search found can't be read; the others are shown", "subscriber", subscriber, "error", err)
			found.More = true
			continue
		}
		if err != nil {
			return counterlink.Found{}, err
		}
		found.Persons, shown = append(found.Persons, person), append(shown, subscriber)
	}
	if err := r.recordOpened(ctx, q.Asker, searched, shown...); err != nil { // before anything leaves the centre
		return counterlink.Found{}, err
	}
	return found, nil
}

// rolesOfAsker returns the roles in which somebody searches: as the office's officers know them and, at an office that requires no
// signatures, a clerk's for a number that nobody has. A telephone desk is that, whoever sits there. Errors are officer.Reason.
func (r *RA) rolesOfAsker(ctx context.Context, asker counterlink.Asker) ([]officer.Role, error) {
	roles, err := r.rolesKnown(asker)
	if err != nil { // perhaps enrolled a moment ago, by another process
		if err := r.Directory.Refresh(ctx, r.Log); err != nil {
			return nil, err
		}
		roles, err = r.rolesKnown(asker)
	}
	if err == nil && asker.Role == "telephone" {
		roles = []officer.Role{officer.TelephoneDesk}
	}
	return roles, err
}

func (r *RA) rolesKnown(asker counterlink.Asker) ([]officer.Role, error) {
	if asker.Officer == "" {
		return nil, officer.Unknown // nobody would be known to have looked
	}
	now := r.Clock()
	today := civil.Of(now)
	found, err := r.Directory.OfficerAt(asker.Office, asker.Officer, now)
	required := r.Directory.OfficersOf(asker.Office, now).RequiredOn(today) && !r.Directory.Trial()
	if errors.Is(err, officer.Unknown) && !required {
		return []officer.Role{officer.Clerk}, nil
	}
	if err == nil {
		err = found.InTerm(today)
	}
	if act, _ := officer.ActNamed(searching); err == nil && !act.May(found.Roles) {
		err = officer.NotAllowed
	}
	return found.Roles, err
}

// lookedFor returns the subscribers whom a search finds. Those whose history can't be read are left out, which is said, unless
// nobody else is found.
func (r *RA) lookedFor(ctx context.Context, q counterlink.FindRequest) (known []string, hidden bool, err error) {
	ids, err := r.named(ctx, q)
	if err != nil {
		return nil, false, err
	}
	var unreadable error
	for _, id := range ids {
		id, exists, err := r.existing(ctx, id)
		switch {
		case eventlog.Unreadable(err):
			r.Logger.Error("somebody who is looked for is left out, the history can't be read: inspect it with shomei log", "subscriber", id, "error", err)
			unreadable = err
		case err != nil:
			return nil, false, err
		case exists:
			known = append(known, id)
		}
	}
	if len(known) == 0 && unreadable != nil {
		return nil, false, unreadable
	}
	slices.Sort(known)
	return slices.Compact(known), unreadable != nil, nil
}

// existing returns the id under which a subscriber's history goes on, and whether there is one.
func (r *RA) existing(ctx context.Context, id string) (string, bool, error) {
	goesOn, err := (&attempt{RA: r}).resolve(ctx, id)
	if err != nil {
		return id, false, err
	}
	head, err := r.Log.Load(ctx, events.KindSubscriber, goesOn)
	if err != nil {
		return goesOn, false, fmt.Errorf("looking for a person: %w", err)
	}
	return goesOn, head.Revision > 0, nil
}

// named returns the ids under which somebody may be known who holds a card, has a code, or a name and a date of birth.
func (r *RA) named(ctx context.Context, q counterlink.FindRequest) ([]string, error) {
	if q.Card != "" {
		if !events.ValidID(q.Card) {
			return nil, fmt.Errorf("counter %s looks for what is no card", q.Counter)
		}
		holder, err := (&attempt{RA: r}).holderOf(ctx, q.Card)
		return present(holder), err
	}
	personal, err := counterlink.OpenPersonal(r.SealKey, &events.Claim{Id: q.ID, Sealed: q.Sealed})
	if err != nil {
		return nil, err
	}
	if err := intake.First(intake.Personal(personal, civil.Of(r.Clock()))); err != nil {
		return nil, err
	}
	asked := personal.GetRecord()
	if code := asked.GetResidentCode(); code != "" {
		return []string{SubscriberID(r.Secret, code)}, nil
	}
	return r.Vault.Find(asked.GetName(), asked.GetBirthDate())
}

// foundPerson returns what somebody with some roles is shown of a person. Of whom the identity was erased, it is the certificates.
func (r *RA) foundPerson(ctx context.Context, subscriber string, roles []officer.Role) (*events.FoundPerson, error) {
	history, err := r.Log.History(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return nil, err
	}
	known, err := dossier.Of(r.Vault, subscriber, history).Identity()
	if dossier.Lost(err) {
		known, err = &events.ResidentRecord{}, nil
	}
	if err != nil {
		return nil, err
	}
	head, err := r.Log.LoadSince(ctx, eventlog.Record{Kind: events.KindSubscriber, ID: subscriber})
	if err != nil {
		return nil, fmt.Errorf("looking for a person: %w", err)
	}
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err != nil {
		return nil, err
	}
	p := &events.FoundPerson{
		Subscriber: subscriber, Initials: Initials(known.GetName()),
		CardStatus: state.GetCard().GetStatus(), CardLastDay: state.GetCard().GetLastDay(),
	}
	p.Certificates, p.PhoneCertificates = lifecycle.CertificateStates(state)
	if seesNames(roles) {
		p.Name, p.Alias, p.Kana, p.BirthDate = known.GetName(), known.GetAlias(), known.GetKana(), known.GetBirthDate()
		p.Municipality = known.GetMunicipality()
	}
	return p, nil
}

// seesNames reports whether somebody with some roles is shown who a person is, and not only what the person holds.
func seesNames(roles []officer.Role) bool {
	return slices.ContainsFunc(roles, func(r officer.Role) bool { return r == officer.Clerk || r == officer.Approver })
}
