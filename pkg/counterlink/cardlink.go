package counterlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/card"
)

// CardSubject is where a counter asks the centre to open a card. No stream holds it.
func CardSubject(counter string) string { return cardExchange.subject(counter) }

// CardClient is the counter's end of the card requests; all fields are required.
type CardClient struct {
	Conn    *nats.Conn
	Counter string
	// Key signs the requests, SealKey opens the answers, Writers are the trusted public nkeys of the hub.
	Key     nkeys.KeyPair
	SealKey hpke.PrivateKey
	Writers []string
}

// Open asks the centre for the answer to a card's challenge, for a command. ErrCardRefused is a refusal; any other
// error means that the centre could not be asked.
func (c CardClient) Open(ctx context.Context, command string, challenge card.Challenge) (card.Answer, error) {
	told := &events.CardAnswer{}
	err := cardExchange.put(ctx, c, &events.CardChallenge{
		Counter: c.Counter, Nonce: newNonce(), Command: command, Card: challenge.Card, Key: challenge.Key, Random: challenge.Random,
	}, told)
	if err != nil {
		return card.Answer{}, err
	}
	return openedCard(told)
}

// AnswerCards answers card requests until ctx ends, one at a time for each counter. Errors of answer that wrap
// ErrCardRefused are reported to the counter; after others it asks again. Requests of counters that are not enrolled or
// have no cards are dropped.
func (h *Links) AnswerCards(ctx context.Context, answer func(context.Context, CardRequest) (card.Answer, error)) error {
	return h.answer(ctx, cardExchange, func(ctx context.Context, counter string, enrolment Enrolment, question []byte) ([]byte, error) {
		if !slices.Contains(RolesWithCards, enrolment.Role) {
			return nil, fmt.Errorf("a %s works on no cards: %w", enrolment.Role, ErrCardRefused)
		}
		request, nonce, err := parseCardRequest(counter, enrolment, question)
		if err != nil {
			return nil, err
		}
		opened, refusal := answer(ctx, request)
		if refusal != nil && !errors.Is(refusal, ErrCardRefused) {
			return nil, refusal
		}
		data, err := sealCardAnswer(h.cfg.Writer, enrolment, counter, nonce, opened, refusal)
		return data, errors.Join(refusal, err)
	})
}
