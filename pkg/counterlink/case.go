package counterlink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"shomei/events"
)

// CaseKey is what a case is looked for by: one of its number, a card that the person holds, and the person's
// resident-record code with the date of birth.
type CaseKey struct {
	Number, Card, Code, BirthDate string
}

// CaseRequest is a counter's question for cases. Sealed, when there is any, is a Personal sealed to the hub under ID
// (OpenPersonal).
type CaseRequest struct {
	Counter, Office, Officer string
	ID                       string
	Number, Card             string
	Sealed                   []byte
}

// FindCases asks the centre for the applications of the counter's office that wait for the answer to a letter of inquiry;
// none is an answer. Every error says that it could not be asked.
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

// AnswerCases has questions for cases answered until ctx ends, one of a counter at a time, and not many that find nothing;
// those that name a person count with AnswerPersons' own. Questions of whoever has no desk are dropped, and so are those with
// an error: the counter can't ask now.
func (h *Hub) AnswerCases(ctx context.Context, answer func(context.Context, CaseRequest) ([]*events.OpenCase, error)) error {
	return h.answerDesks(ctx, caseExchange, func(ctx context.Context, counter string, enrolment Enrolment, question []byte) ([]byte, error) {
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
