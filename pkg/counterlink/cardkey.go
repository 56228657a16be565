package counterlink

import (
	"bytes"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/card"
)

// ErrCardRefused says that the centre does not open the card for this command; asking again changes nothing.
var ErrCardRefused = errors.New("the centre does not open the card")

// CardRequest is what a counter asks while it carries out a command: to answer the challenge of the card before it.
type CardRequest struct {
	Counter string
	// Command is the id of the downlink.
	Command   string
	Challenge card.Challenge
}

// RolesWithCards are the roles of those that work on cards; the others get nothing that concerns one.
var RolesWithCards = []string{"counter", "factory"}

const nonceSize = 16

// signCardRequest encodes a request and signs it as the counter; the nonce binds the answer to it.
func signCardRequest(key nkeys.KeyPair, r CardRequest) (nonce, data []byte, err error) {
	nonce = make([]byte, nonceSize)
	rand.Read(nonce)
	challenge, err := events.Encode(&events.CardChallenge{
		Counter: r.Counter, Nonce: nonce, Command: r.Command, Card: r.Challenge.Card, Key: r.Challenge.Key, Random: r.Challenge.Random,
	})
	if err != nil {
		return nil, nil, err
	}
	signed, err := events.SignCardChallenge(challenge, key)
	if err != nil {
		return nil, nil, err
	}
	data, err = events.Encode(signed)
	return nonce, data, err
}

// parseCardRequest verifies a request that came on a counter's subject. Its errors are events.ErrMalformed,
// events.ErrSignature and ErrMisaddressed.
func parseCardRequest(counter string, enrolment Enrolment, data []byte) (r CardRequest, nonce []byte, err error) {
	signed, c := &events.SignedCardChallenge{}, &events.CardChallenge{}
	if err := proto.Unmarshal(data, signed); err != nil {
		return r, nil, fmt.Errorf("card request: %w: %w", err, events.ErrMalformed)
	}
	if err := signed.Verify(enrolment.PublicKey); err != nil {
		return r, nil, err
	}
	if err := proto.Unmarshal(signed.GetChallenge(), c); err != nil {
		return r, nil, fmt.Errorf("card request: %w: %w", err, events.ErrMalformed)
	}
	if c.GetCounter() != counter {
		return r, nil, fmt.Errorf("a card request of counter %.60q on the subject of %s: %w", c.GetCounter(), counter, ErrMisaddressed)
	}
	if len(c.GetNonce()) != nonceSize {
		return r, nil, fmt.Errorf("a card request with a nonce of %d bytes: %w", len(c.GetNonce()), events.ErrMalformed)
	}
	r = CardRequest{Counter: counter, Command: c.GetCommand(), Challenge: card.Challenge{Card: c.GetCard(), Key: c.GetKey(), Random: c.GetRandom()}}
	return r, c.GetNonce(), nil
}

// sealCardAnswer seals an answer, or why there is none, to the counter that asked, and signs it.
func sealCardAnswer(writer nkeys.KeyPair, enrolment Enrolment, counter string, nonce []byte, a card.Answer, refusal error) ([]byte, error) {
	answer := &events.CardAnswer{Nonce: nonce, Random: a.Random, Rights: uint32(a.Rights), Host: a.Host, Card: a.Card}
	if a.Next != nil {
		answer.NextName, answer.NextWrapped, answer.NextProof = a.Next.Name, a.Next.Wrapped, a.Next.Proof
	}
	if refusal != nil {
		answer = &events.CardAnswer{Nonce: nonce, Refused: refusal.Error()}
	}
	key, err := ParseSealPublicKey(enrolment.SealKey)
	if err != nil {
		return nil, fmt.Errorf("answering a card request of counter %s: %w", counter, err)
	}
	plain, err := events.Encode(answer)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	sealed, err := hpke.Seal(key, sealKDF(), sealAEAD(), cardAnswerInfo(counter), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing the answer to a card request of counter %s: %w", counter, err)
	}
	signed, err := events.SignCardAnswer(sealed, writer)
	if err != nil {
		return nil, err
	}
	return events.Encode(signed)
}

// openCardAnswer verifies and opens the answer to the request with that nonce. Its errors are events.ErrMalformed,
// events.ErrSignature, ErrSealed and ErrCardRefused.
func openCardAnswer(key hpke.PrivateKey, writers []string, counter string, nonce, data []byte) (card.Answer, error) {
	signed, a := &events.SealedCardAnswer{}, &events.CardAnswer{}
	if err := proto.Unmarshal(data, signed); err != nil {
		return card.Answer{}, fmt.Errorf("answer to a card request: %w: %w", err, events.ErrMalformed)
	}
	if !slices.Contains(writers, signed.GetWriter()) {
		return card.Answer{}, fmt.Errorf("a card request answered by %.60q, which is none of the hub's writers: %w", signed.GetWriter(), events.ErrSignature)
	}
	if err := signed.Verify(); err != nil {
		return card.Answer{}, err
	}
	plain, err := hpke.Open(key, sealKDF(), sealAEAD(), cardAnswerInfo(counter), signed.GetSealed())
	if err != nil {
		return card.Answer{}, fmt.Errorf("answer to a card request of counter %s: %w", counter, ErrSealed)
	}
	defer clear(plain)
	if err := proto.Unmarshal(plain, a); err != nil || !bytes.Equal(a.GetNonce(), nonce) {
		return card.Answer{}, fmt.Errorf("answer to another card request: %w", errors.Join(err, events.ErrMalformed))
	}
	if a.GetRefused() != "" {
		return card.Answer{}, fmt.Errorf("%w: %s", ErrCardRefused, a.GetRefused())
	}
	answer := card.Answer{Random: a.GetRandom(), Rights: card.Rights(a.GetRights()), Host: a.GetHost(), Card: a.GetCard()}
	if len(a.GetNextName()) > 0 {
		answer.Next = &card.NextKey{Name: a.GetNextName(), Wrapped: a.GetNextWrapped(), Proof: a.GetNextProof()}
	}
	return answer, nil
}

func cardAnswerInfo(counter string) []byte { return []byte("shomei card answer 1\x00" + counter) }
