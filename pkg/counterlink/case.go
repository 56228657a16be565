package counterlink

import (
	"context"

	"shomei/events"
)

// CaseKey identifies a case: by its number, by a card that the person holds, or by the person's resident-record code
// and date of birth.
type CaseKey struct {
	Number, Card, Code, BirthDate string
}

// CaseRequest is a counter's question for cases. Sealed, if any, is a Personal sealed to the hub under ID
// (OpenPersonal).
type CaseRequest struct {
	Asker
	Number, Card string
	Sealed       []byte
}

// FindCases asks the centre for applications of the counter's office that await the answer to a letter of inquiry; an
// empty result is an answer. Any error means that the centre could not be asked.
func (c PersonClient) FindCases(ctx context.Context, officer string, key CaseKey) ([]*events.OpenCase, error) {
	q := &events.CaseQuestion{Counter: c.Counter, Nonce: newNonce(), Officer: officer, Number: key.Number, Card: key.Card}
	if key.Code != "" {
		var err error
		if q.Sealed, err = c.sealRecord(q.Nonce, &events.ResidentRecord{ResidentCode: key.Code, BirthDate: key.BirthDate}); err != nil {
			return nil, err
		}
	}
	told := &events.CaseAnswer{}
	err := caseExchange.put(ctx, c.CardClient, q, told)
	return told.GetCases(), err
}

// AnswerCases answers questions for cases until ctx ends, one at a time for each counter, with a bound on those that
// find nothing; those that name a person count with AnswerPersons' own. Questions from a role without pages are
// dropped, and so are those with an error: to the counter, the centre can't be asked then.
func (h *Links) AnswerCases(ctx context.Context, find func(context.Context, CaseRequest) ([]*events.OpenCase, error)) error {
	empty := func() *events.CaseQuestion { return &events.CaseQuestion{} }
	return answerOfficers(ctx, h, caseExchange, withPages, empty, func(ctx context.Context, asker Asker, q *events.CaseQuestion) (answer, error) {
		missed := &h.cases
		if len(q.GetSealed()) > 0 {
			missed = &h.persons
		}
		var found []*events.OpenCase
		err := missed.count(asker.Counter, func() (_ bool, err error) {
			found, err = find(ctx, CaseRequest{asker, q.GetNumber(), q.GetCard(), q.GetSealed()})
			return len(found) > 0, err
		})
		return &events.CaseAnswer{Nonce: q.GetNonce(), Cases: found}, err
	})
}
