package counterlink

import (
	"context"
	"crypto/hpke"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nkeys"

	"shomei/events"
)

// PersonRequest is a counter's question about a person: Sealed is personal data, which OpenPersonal opens under ID, or Subscriber
// is whose history is asked for.
type PersonRequest struct {
	Counter, Office, Officer string
	ID                       string
	Sealed                   []byte
	Subscriber               string
}

// Person is the centre's answer: whether it knows the person, the initials of the name and, if a history was asked for, what that
// holds.
type Person struct {
	Known    bool
	Initials string
	Held     *events.HeldHistory
}

// PersonClient is the counter's end of the questions about persons and their cases; all fields are required.
type PersonClient struct {
	CardClient
	// HubSealKey is the hub's public key for personal data.
	HubSealKey hpke.PublicKey
}

// Ask asks the centre whether it knows a person with a resident-record code and a date of birth. Any error means that
// the centre could not be asked.
func (c PersonClient) Ask(ctx context.Context, officer, code, birthDate string) (Person, error) {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	data, err := c.question(nonce, officer, &events.Personal{Record: &events.ResidentRecord{ResidentCode: code, BirthDate: birthDate}})
	if err != nil {
		return Person{}, err
	}
	return c.answered(ctx, nonce, data)
}

// AskHistory asks the centre what a subscriber's history holds. Any error means that the centre could not be asked.
func (c PersonClient) AskHistory(ctx context.Context, officer, subscriber string) (Person, error) {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	question, err := events.Encode(&events.PersonQuestion{Counter: c.Counter, Nonce: nonce, Officer: officer, Subscriber: subscriber})
	if err != nil {
		return Person{}, err
	}
	data, err := signed(question, c.Key, events.SignPersonQuestion)
	if err != nil {
		return Person{}, err
	}
	return c.answered(ctx, nonce, data)
}

func (c PersonClient) answered(ctx context.Context, nonce, data []byte) (Person, error) {
	reply, err := personExchange.ask(ctx, c.Conn, c.Counter, data)
	if err != nil {
		return Person{}, fmt.Errorf("asking the hub about a person: %w", err)
	}
	a := &events.PersonAnswer{}
	if err := personExchange.open(c.CardClient, nonce, reply, &events.SealedPersonAnswer{}, a); err != nil {
		return Person{}, err
	}
	return Person{Known: a.GetKnown(), Initials: a.GetInitials(), Held: a.GetHeld()}, nil
}

func (c PersonClient) question(nonce []byte, officer string, personal *events.Personal) ([]byte, error) {
	sealed, err := SealPersonal(c.HubSealKey, hex.EncodeToString(nonce), personal)
	if err != nil {
		return nil, err
	}
	question, err := events.Encode(&events.PersonQuestion{Counter: c.Counter, Nonce: nonce, Officer: officer, Sealed: sealed})
	if err != nil {
		return nil, err
	}
	return signed(question, c.Key, events.SignPersonQuestion)
}

const (
	// missesAnHour bounds the questions of a counter that may be answered with no within an hour, against guessing of
	// dates of birth or case numbers.
	missesAnHour = 30
	missesWithin = time.Hour
)

// ErrAskedTooOften: a counter asked about too many unknown persons or cases.
var ErrAskedTooOften = errors.New("too many questions about unknown persons or cases in an hour")

// misses records when counters were recently answered with no.
type misses struct {
	mu sync.Mutex
	of map[string][]time.Time
}

// count calls find for a counter's question, unless the counter was answered with no too often; find reports whether it
// found what was asked for.
func (m *misses) count(counter string, find func() (found bool, err error)) error {
	if m.tooMany(counter) {
		return ErrAskedTooOften
	}
	found, err := find()
	if err == nil && !found {
		m.note(counter)
	}
	return err
}

func (m *misses) note(counter string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = make(map[string][]time.Time)
	}
	m.of[counter] = append(m.of[counter], time.Now())
}

func (m *misses) tooMany(counter string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	lately := slices.DeleteFunc(m.of[counter], func(t time.Time) bool { return time.Since(t) > missesWithin })
	if len(lately) == 0 {
		delete(m.of, counter)
		return false
	}
	m.of[counter] = lately
	return len(lately) >= missesAnHour
}

// answerCounters answers questions of role counter until ctx ends, one at a time for each counter. Others' are
// dropped.
func (h *Links) answerCounters(ctx context.Context, e exchange, reply replier) error {
	return h.answer(ctx, e, func(ctx context.Context, counter string, enrolment Enrolment, question []byte) ([]byte, error) {
		if enrolment.Role != "counter" {
			return nil, fmt.Errorf("a %s by a %s: %w", e.what, enrolment.Role, ErrMisaddressed)
		}
		return reply(ctx, counter, enrolment, question)
	})
}

// AnswerPersons answers questions about persons until ctx ends, one at a time for each counter, with a bound on those
// answered with no. Questions from a role without pages are dropped, and so are those with an error: to the counter,
// the centre can't be asked then.
func (h *Links) AnswerPersons(ctx context.Context, answer func(context.Context, PersonRequest) (Person, error)) error {
	return h.answerCounters(ctx, personExchange, func(ctx context.Context, counter string, enrolment Enrolment, question []byte) ([]byte, error) {
		request, nonce, err := parsePersonQuestion(counter, enrolment, question)
		if err != nil {
			return nil, err
		}
		var person Person
		err = h.persons.count(counter, func() (bool, error) {
			person, err = answer(ctx, request)
			return person.Known, err
		})
		if err != nil {
			return nil, err
		}
		return sealPersonAnswer(h.cfg.Writer, enrolment, counter, nonce, person)
	})
}

// parsePersonQuestion verifies a question from a counter's subject. Its errors are events.ErrMalformed,
// events.ErrSignature and ErrMisaddressed.
func parsePersonQuestion(counter string, enrolment Enrolment, data []byte) (r PersonRequest, nonce []byte, err error) {
	asked, q := &events.SignedPersonQuestion{}, &events.PersonQuestion{}
	if err := personExchange.parse(counter, enrolment, data, asked, asked.GetQuestion, q); err != nil {
		return r, nil, err
	}
	return PersonRequest{
		Counter: counter, Office: enrolment.Office, Officer: q.GetOfficer(), ID: hex.EncodeToString(q.GetNonce()), Sealed: q.GetSealed(),
		Subscriber: q.GetSubscriber(),
	}, q.GetNonce(), nil
}

// sealPersonAnswer seals an answer to the counter that asked, and signs it.
func sealPersonAnswer(writer nkeys.KeyPair, enrolment Enrolment, counter string, nonce []byte, p Person) ([]byte, error) {
	sealed, err := personExchange.seal(counter, enrolment, &events.PersonAnswer{Nonce: nonce, Known: p.Known, Initials: p.Initials, Held: p.Held})
	if err != nil {
		return nil, err
	}
	return signed(sealed, writer, events.SignPersonAnswer)
}
