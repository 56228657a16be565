package counterlink

import (
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/card"
)

// ErrCardRefused: the centre refuses to open the card for this command; asking again is pointless.
var ErrCardRefused = errors.New("the centre does not open the card")

// CardRequest asks, for a counter carrying out a command, for the answer to its card's challenge.
type CardRequest struct {
	Counter string
	// Command is the id of the downlink.
	Command   string
	Challenge card.Challenge
}

// RolesWithCards lists the roles that work on cards; the others get nothing that concerns one.
var RolesWithCards = []string{"counter", "factory"}

// parseCardRequest verifies a request from a counter's subject. Its errors are events.ErrMalformed, events.ErrSignature
// and ErrMisaddressed.
func parseCardRequest(counter string, enrolment Enrolment, data []byte) (r CardRequest, nonce []byte, err error) {
	c := &events.CardChallenge{}
	if err := cardExchange.parse(counter, enrolment, data, c); err != nil {
		return r, nil, err
	}
	r = CardRequest{
		Counter: counter, Command: c.GetCommand(), Challenge: card.Challenge{Card: c.GetCard(), Key: c.GetKey(), Random: c.GetRandom()},
	}
	return r, c.GetNonce(), nil
}

// sealCardAnswer seals an answer, or the refusal, to the counter that asked, and signs it.
func sealCardAnswer(writer nkeys.KeyPair, enrolment Enrolment, counter string, nonce []byte, a card.Answer, refusal error) ([]byte, error) {
	answer := &events.CardAnswer{Nonce: nonce, Random: a.Random, Rights: uint32(a.Rights), Host: a.Host, Card: a.Card}
	if a.Next != nil {
		answer.NextName, answer.NextWrapped, answer.NextProof = a.Next.Name, a.Next.Wrapped, a.Next.Proof
	}
	if refusal != nil {
		answer = &events.CardAnswer{Nonce: nonce, Refused: refusal.Error()}
	}
	return cardExchange.sealTo(counter, enrolment, writer, answer)
}

// openedCard returns what the centre answers. The error is ErrCardRefused.
func openedCard(a *events.CardAnswer) (card.Answer, error) {
	if a.GetRefused() != "" {
		return card.Answer{}, fmt.Errorf("%w: %s", ErrCardRefused, a.GetRefused())
	}
	answer := card.Answer{Random: a.GetRandom(), Rights: card.Rights(a.GetRights()), Host: a.GetHost(), Card: a.GetCard()}
	if len(a.GetNextName()) > 0 {
		answer.Next = &card.NextKey{Name: a.GetNextName(), Wrapped: a.GetNextWrapped(), Proof: a.GetNextProof()}
	}
	return answer, nil
}
