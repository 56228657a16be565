package counterlink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

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
	Counter, Office, Officer string
	ID                       string
	Number, Card             string
	Sealed                   []byte
}

// FindCases asks the centre for applications of the counter's office that await the answer to a letter of inquiry; an
// empty result is an answer. Any error means that the centre could not be asked.
func (c PersonClient) FindCases(ctx context.Context, officer string, key CaseKey) ([]*events.OpenCase, error) {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	data, err := c.caseQuestion(nonce, officer, key)
	if err != nil {
		return nil, err
	}
	reply, err := caseExchange.ask(ctx, c.Conn, c.Counter, data)
	if err != nil {
		return nil, fmt.Errorf("asking the hub for a case: %w", err)
	}
	a := &events.CaseAnswer{}
	if err := caseExchange.open(c.CardClient, nonce, reply, &events.SealedCaseAnswer{}, a); err != nil {
		return nil, err
	}
	return a.GetCases(), nil
}

func (c PersonClient) caseQuestion(nonce []byte, officer string, key CaseKey) ([]byte, error) {
	q := &events.CaseQuestion{Counter: c.Counter, Nonce: nonce, Officer: officer, Number: key.Number, Card: key.Card}
	if key.Code != "" {
		personal := &events.Personal{Record: &events.ResidentRecord{ResidentCode: key.Code, BirthDate: key.BirthDate}}
		sealed, err := SealPersonal(c.HubSealKey, hex.EncodeToString(nonce), personal)
		if err != nil {
			return nil, err
		}
		q.Sealed = sealed
	}
	question, err := events.Encode(q)
	if err != nil {
		return nil, err
	}
	return signed(question, c.Key, events.SignCaseQuestion)
}

// AnswerCases answers questions for cases until ctx ends, one at a time for each counter, with a bound on those that
// find nothing; those that name a person count with AnswerPersons' own. Questions from a role without pages are
// dropped, and so are those with an error: to the counter, the centre can't be asked then.
func (h *Links) AnswerCases(ctx context.Context, answer func(context.Context, CaseRequest) ([]*events.OpenCase, error)) error {
	return h.answerCounters(ctx, caseExchange, func(ctx context.Context, counter string, enrolment Enrolment, question []byte) ([]byte, error) {
		asked, q := &events.SignedCaseQuestion{}, &events.CaseQuestion{}
		if err := caseExchange.parse(counter, enrolment, question, asked, asked.GetQuestion, q); err != nil {
			return nil, err
		}
		missed := &h.cases
		if len(q.GetSealed()) > 0 {
			missed = &h.persons
		}
		var found []*events.OpenCase
		err := missed.count(counter, func() (bool, error) {
			var err error
			found, err = answer(ctx, CaseRequest{
				Counter: counter, Office: enrolment.Office, Officer: q.GetOfficer(), ID: hex.EncodeToString(q.GetNonce()),
				Number: q.GetNumber(), Card: q.GetCard(), Sealed: q.GetSealed(),
			})
			return len(found) > 0, err
		})
		if err != nil {
			return nil, err
		}
		sealed, err := caseExchange.seal(counter, enrolment, &events.CaseAnswer{Nonce: q.GetNonce(), Cases: found})
		if err != nil {
			return nil, err
		}
		return signed(sealed, h.cfg.Writer, events.SignCaseAnswer)
	})
}
