package counterlink

import (
	"context"

	"shomei/events"
)

// FindKey is what a person is looked for by: a card that the person holds, the resident-record code, or the name or its furigana with
// the date of birth.
type FindKey struct {
	Card, Code, Name, BirthDate string
}

// FindRequest is a search for a person. Sealed, if any, is a Personal sealed to the hub under ID (OpenPersonal).
type FindRequest struct {
	Asker
	Card   string
	Sealed []byte
}

// Found are the persons of a search.
type Found struct {
	Persons []*events.FoundPerson
	// More were found than are told of.
	More bool
	// Refused is a word of pkg/officer: why the officer is told nothing; empty if the officer is.
	Refused string
	// Unready: the index of names is being made, so not everybody is found yet.
	Unready bool
}

// Find asks the centre who a person is; finding nobody is an answer. Any error means that the centre could not be asked.
func (c PersonClient) Find(ctx context.Context, officer string, key FindKey) (Found, error) {
	q := &events.FindQuestion{Counter: c.Counter, Nonce: newNonce(), Officer: officer, Card: key.Card}
	if key.Card == "" {
		var err error
		record := &events.ResidentRecord{ResidentCode: key.Code, Name: key.Name, BirthDate: key.BirthDate}
		if q.Sealed, err = c.sealRecord(q.Nonce, record); err != nil {
			return Found{}, err
		}
	}
	told := &events.FindAnswer{}
	err := findExchange.put(ctx, c.CardClient, q, told)
	return Found{told.GetPersons(), told.GetMore(), told.GetRefused(), told.GetUnready()}, err
}

// whoFinds are the roles of those who look for persons.
var whoFinds = []string{"counter", "telephone"}

// AnswerFinds answers searches for persons until ctx ends, one at a time for each counter or telephone desk, with the bound of
// AnswerPersons on those that find nobody. Searches with an error are dropped: to the counter, the centre can't be asked then.
func (h *Links) AnswerFinds(ctx context.Context, find func(context.Context, FindRequest) (Found, error)) error {
	empty := func() *events.FindQuestion { return &events.FindQuestion{} }
	return answerOfficers(ctx, h, findExchange, whoFinds, empty, func(ctx context.Context, asker Asker, q *events.FindQuestion) (answer, error) {
		var found Found
		err := h.persons.count(asker.Counter, func() (_ bool, err error) {
			found, err = find(ctx, FindRequest{asker, q.GetCard(), q.GetSealed()})
			return len(found.Persons) > 0 || found.Refused != "" || found.Unready, err
		})
		return &events.FindAnswer{
			Nonce: q.GetNonce(), Persons: found.Persons, More: found.More, Refused: found.Refused, Unready: found.Unready,
		}, err
	})
}
