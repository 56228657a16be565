package counterlink

import (
	"context"
	"crypto/hpke"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"shomei/events"
)

// PersonRequest is a counter's question about a person: Sealed is a Personal sealed to the hub, which OpenPersonal opens under ID, or
// Subscriber is whose history is asked for.
type PersonRequest struct {
	Asker
	Sealed     []byte
	Subscriber string
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
	q := &events.PersonQuestion{Counter: c.Counter, Nonce: newNonce(), Officer: officer}
	var err error
	if q.Sealed, err = c.sealRecord(q.Nonce, &events.ResidentRecord{ResidentCode: code, BirthDate: birthDate}); err != nil {
		return Person{}, err
	}
	return c.askPerson(ctx, q)
}

// AskHistory asks the centre what a subscriber's history holds. Any error means that the centre could not be asked.
func (c PersonClient) AskHistory(ctx context.Context, officer, subscriber string) (Person, error) {
	return c.askPerson(ctx, &events.PersonQuestion{Counter: c.Counter, Nonce: newNonce(), Officer: officer, Subscriber: subscriber})
}

func (c PersonClient) askPerson(ctx context.Context, q *events.PersonQuestion) (Person, error) {
	told := &events.PersonAnswer{}
	if err := personExchange.put(ctx, c.CardClient, q, told); err != nil {
		return Person{}, err
	}
	return Person{Known: told.GetKnown(), Initials: told.GetInitials(), Held: told.GetHeld()}, nil
}

// sealRecord seals what a question says about a person.
func (c PersonClient) sealRecord(nonce []byte, record *events.ResidentRecord) ([]byte, error) {
	return SealPersonal(c.HubSealKey, hex.EncodeToString(nonce), &events.Personal{Record: record})
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

// AnswerPersons answers questions about persons until ctx ends, one at a time for each counter, with a bound on those
// answered with no. Questions from a role without pages are dropped, and so are those with an error: to the counter,
// the centre can't be asked then.
func (h *Links) AnswerPersons(ctx context.Context, find func(context.Context, PersonRequest) (Person, error)) error {
	empty := func() *events.PersonQuestion { return &events.PersonQuestion{} }
	return answerOfficers(ctx, h, personExchange, withPages, empty, func(ctx context.Context, asker Asker, q *events.PersonQuestion) (answer, error) {
		var person Person
		err := h.persons.count(asker.Counter, func() (_ bool, err error) {
			person, err = find(ctx, PersonRequest{asker, q.GetSealed(), q.GetSubscriber()})
			return person.Known, err
		})
		return &events.PersonAnswer{Nonce: q.GetNonce(), Known: person.Known, Initials: person.Initials, Held: person.Held}, err
	})
}
