package counterlink

import (
	"bytes"
	"context"
	"crypto/hpke"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// PersonSubject is where a counter asks the centre whether somebody is known there; it is no part of a stream.
func PersonSubject(counter string) string { return ClaimSubject(counter) + "." + sayPerson }

// PersonRequest is a counter's question about somebody. Personal is sealed to the hub; OpenPersonal opens it under ID.
type PersonRequest struct {
	Counter, Office, Officer string
	ID                       string
	Sealed                   []byte
}

// Person is the centre's answer: whether somebody has this code and this date of birth, and the initials of the name.
type Person struct {
	Known    bool
	Initials string
}

// PersonClient is the counter's end of the questions about persons; all fields are required.
type PersonClient struct {
	CardClient
	// HubSealKey is the hub's public key for personal data.
	HubSealKey hpke.PublicKey
}

// Ask asks the centre whether it knows somebody with a resident-record code and a date of birth. Every error says that it
// could not be asked.
func (c PersonClient) Ask(ctx context.Context, officer, code, birthDate string) (Person, error) {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	data, err := c.question(nonce, officer, &events.Personal{Record: &events.ResidentRecord{ResidentCode: code, BirthDate: birthDate}})
	if err != nil {
		return Person{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	reply, err := c.Conn.RequestWithContext(ctx, PersonSubject(c.Counter), data)
	if err != nil {
		return Person{}, fmt.Errorf("asking the hub about a person: %w", err)
	}
	return openPersonAnswer(c.SealKey, c.Writers, c.Counter, nonce, reply.Data)
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
	signed, err := events.SignPersonQuestion(question, c.Key)
	if err != nil {
		return nil, err
	}
	return events.Encode(signed)
}

// openPersonAnswer verifies and opens the answer to the question with that nonce. Its errors are events.ErrMalformed,
// events.ErrSignature and ErrSealed.
func openPersonAnswer(key hpke.PrivateKey, writers []string, counter string, nonce, data []byte) (Person, error) {
	signed, a := &events.SealedPersonAnswer{}, &events.PersonAnswer{}
	if err := proto.Unmarshal(data, signed); err != nil {
		return Person{}, fmt.Errorf("answer about a person: %w: %w", err, events.ErrMalformed)
	}
	if !slices.Contains(writers, signed.GetWriter()) {
		return Person{}, fmt.Errorf("a question answered by %.60q, which is none of the hub's writers: %w", signed.GetWriter(), events.ErrSignature)
	}
	if err := signed.Verify(); err != nil {
		return Person{}, err
	}
	plain, err := hpke.Open(key, sealKDF(), sealAEAD(), personAnswerInfo(counter), signed.GetSealed())
	if err != nil {
		return Person{}, fmt.Errorf("answer about a person to counter %s: %w", counter, ErrSealed)
	}
	defer clear(plain)
	if err := proto.Unmarshal(plain, a); err != nil || !bytes.Equal(a.GetNonce(), nonce) {
		return Person{}, fmt.Errorf("answer to another question: %w", errors.Join(err, events.ErrMalformed))
	}
	return Person{Known: a.GetKnown(), Initials: a.GetInitials()}, nil
}

func personAnswerInfo(counter string) []byte { return []byte("shomei person answer 1\x00" + counter) }

const (
	// missesAnHour is how many questions of one counter may be answered with no within an hour: who guesses dates of birth
	// gets no further.
	missesAnHour = 30
	missesWithin = time.Hour
)

// ErrAskedTooOften says that a counter asked about too many persons whom nobody knows.
var ErrAskedTooOften = errors.New("too many questions about unknown persons in an hour")

// personDesk is the hub's end while it runs.
type personDesk struct {
	hub     *Hub
	ctx     context.Context // ends with AnswerPersons
	answer  func(context.Context, PersonRequest) (Person, error)
	running sync.WaitGroup

	mu     sync.Mutex
	busy   map[string]bool        // counters whose question is being answered: one at a time
	misses map[string][]time.Time // when a counter was told no
}

// AnswerPersons has questions about persons answered until ctx ends, one of a counter at a time, and not many that are
// answered with no. Questions of whoever has no desk are dropped, and so are those with an error: the counter can't ask now.
func (h *Hub) AnswerPersons(ctx context.Context, answer func(context.Context, PersonRequest) (Person, error)) error {
	d := &personDesk{hub: h, ctx: ctx, answer: answer, busy: map[string]bool{}, misses: map[string][]time.Time{}}
	h.setPersons(d)
	<-ctx.Done()
	h.setPersons(nil)
	d.running.Wait()
	return nil
}

func (h *Hub) setPersons(d *personDesk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.persons = d
}

// askPerson has a question about a person answered that came through the gate.
func (g *guard) askPerson(m *nats.Msg) {
	g.hub.mu.Lock()
	defer g.hub.mu.Unlock()
	if d := g.hub.persons; d != nil && m.Reply != "" && d.enter(g.counter) {
		d.running.Go(func() { d.serve(g.counter, m) })
	}
}

func (d *personDesk) enter(counter string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[counter] {
		return false
	}
	d.busy[counter] = true
	return true
}

// leave lets the counter's next question in, and notes when it was told no.
func (d *personDesk) leave(counter string, missed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, counter)
	if missed {
		d.misses[counter] = append(d.misses[counter], time.Now())
	}
}

// guesses reports whether a counter was told no too often.
func (d *personDesk) guesses(counter string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.misses[counter] = slices.DeleteFunc(d.misses[counter], func(t time.Time) bool { return time.Since(t) > missesWithin })
	return len(d.misses[counter]) >= missesAnHour
}

// serve answers one question, to the counter's own inbox, which the gate has looked at.
func (d *personDesk) serve(counter string, m *nats.Msg) {
	data, missed, err := d.reply(d.ctx, counter, m)
	defer func() { d.leave(counter, missed) }()
	if err != nil {
		if d.ctx.Err() == nil {
			d.hub.cfg.Logger.Warn("a counter's question about a person was not answered", "counter", counter, "error", err)
			waitOr(d.ctx, refusalPause)
		}
		return
	}
	if err := d.hub.cfg.Gate.Publish(m.Reply, data); err != nil {
		d.hub.cfg.Logger.Warn("the answer about a person could not be sent, the counter asks again", "counter", counter, "error", err)
	}
}

func (d *personDesk) reply(ctx context.Context, counter string, m *nats.Msg) (data []byte, missed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	enrolment, err := d.hub.cfg.Enrolled(ctx, counter)
	if err != nil {
		return nil, false, err
	}
	if enrolment.Role != "counter" {
		return nil, false, fmt.Errorf("a %s asks about persons: %w", enrolment.Role, ErrMisaddressed)
	}
	request, nonce, err := parsePersonQuestion(counter, enrolment, m.Data)
	if err != nil {
		return nil, false, err
	}
	if d.guesses(counter) {
		return nil, false, ErrAskedTooOften
	}
	person, err := d.answer(ctx, request)
	if err != nil {
		return nil, false, err
	}
	data, err = sealPersonAnswer(d.hub.cfg.Writer, enrolment, counter, nonce, person)
	return data, !person.Known, err
}

// parsePersonQuestion verifies a question that came on a counter's subject. Its errors are events.ErrMalformed,
// events.ErrSignature and ErrMisaddressed.
func parsePersonQuestion(counter string, enrolment Enrolment, data []byte) (r PersonRequest, nonce []byte, err error) {
	signed, q := &events.SignedPersonQuestion{}, &events.PersonQuestion{}
	if err := proto.Unmarshal(data, signed); err != nil {
		return r, nil, fmt.Errorf("question about a person: %w: %w", err, events.ErrMalformed)
	}
	if err := signed.Verify(enrolment.PublicKey); err != nil {
		return r, nil, err
	}
	if err := proto.Unmarshal(signed.GetQuestion(), q); err != nil {
		return r, nil, fmt.Errorf("question about a person: %w: %w", err, events.ErrMalformed)
	}
	if q.GetCounter() != counter {
		return r, nil, fmt.Errorf("a question of counter %.60q on the subject of %s: %w", q.GetCounter(), counter, ErrMisaddressed)
	}
	if len(q.GetNonce()) != nonceSize {
		return r, nil, fmt.Errorf("a question with a nonce of %d bytes: %w", len(q.GetNonce()), events.ErrMalformed)
	}
	return PersonRequest{
		Counter: counter, Office: enrolment.Office, Officer: q.GetOfficer(), ID: hex.EncodeToString(q.GetNonce()), Sealed: q.GetSealed(),
	}, q.GetNonce(), nil
}

// sealPersonAnswer seals an answer to the counter that asked, and signs it.
func sealPersonAnswer(writer nkeys.KeyPair, enrolment Enrolment, counter string, nonce []byte, p Person) ([]byte, error) {
	key, err := ParseSealPublicKey(enrolment.SealKey)
	if err != nil {
		return nil, fmt.Errorf("answering a question of counter %s: %w", counter, err)
	}
	plain, err := events.Encode(&events.PersonAnswer{Nonce: nonce, Known: p.Known, Initials: p.Initials})
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed, err := hpke.Seal(key, sealKDF(), sealAEAD(), personAnswerInfo(counter), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing the answer to a question of counter %s: %w", counter, err)
	}
	signed, err := events.SignPersonAnswer(sealed, writer)
	if err != nil {
		return nil, err
	}
	return events.Encode(signed)
}
