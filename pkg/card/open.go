package card

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// ChallengeSize is the length of the random numbers of both sides in bytes.
	ChallengeSize = 16
	// ProofSize is the length of each side's proof, in bytes.
	ProofSize = 16
	// WrappedSize is the length of an encrypted new key, in bytes.
	WrappedSize = SecretSize + 16
)

// Rights are the commands that a card accepts in one session. They are part of the host's proof, so that an answer for
// one set of commands opens the card to no other.
type Rights byte

// The sets of commands; GET DATA and a new administrative key are part of every one.
const (
	// MayStage: stage keys and PINs, make requests, clear staging.
	MayStage Rights = 1 << iota
	// MayWrite: stage certificates, read back, test signature, ACTIVATE.
	MayWrite
	// MaySetPINs: set PINs at once.
	MaySetPINs
	// MaySetUp: last day, first PINs and ACTIVATE of a card that is not yet operational.
	MaySetUp
	// MayRetire: TERMINATE CARD USAGE.
	MayRetire

	// AllRights is for whoever makes cards and tests them.
	AllRights = MayStage | MayWrite | MaySetPINs | MaySetUp | MayRetire
)

var rightNames = []string{"stage", "write", "pins", "set-up", "retire"}

// String lists the sets, such as "stage+set-up".
func (r Rights) String() string {
	var names []string
	for i, name := range rightNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// Challenge is a card's challenge: whoever holds its administrative key can answer it.
type Challenge struct {
	Card   string
	Key    KeyName
	Random []byte
}

// Answer opens a card once, for the commands of Rights.
type Answer struct {
	Random []byte
	Rights Rights
	// Host is sent to the card, Card expected from it.
	Host, Card []byte
	// Next, if set, is a newer administrative key for the card (Session.RenewKey).
	Next *NextKey
}

// NextKey is a card's next administrative key, which only the card can open, and the card's answer once it holds it.
type NextKey struct {
	Name           KeyName
	Wrapped, Proof []byte
}

// Opener answers a card's challenge. At a counter the centre does; whoever holds the key uses Key.Answer.
type Opener func(Challenge) (Answer, error)

// Exchange is what both sides know once the host has answered. Every key derived for one session is bound to it.
type Exchange struct {
	Card, Host []byte
	Rights     Rights
	ID         string
}

func (x Exchange) context() []byte {
	return slices.Concat(x.Card, x.Host, []byte{byte(x.Rights)}, []byte(x.ID))
}

// HostProof returns what the host shows the card.
func (x Exchange) HostProof(key *Secret) []byte {
	return derive(key, "shomei card host", ProofSize, x.context())
}

// CardProof returns what the card answers.
func (x Exchange) CardProof(key *Secret) []byte {
	return derive(key, "shomei card card", ProofSize, x.context())
}

// NextProof returns the card's answer once it holds a next key, from which it is derived.
func (x Exchange) NextProof(next *Secret) []byte {
	return derive(next, "shomei card next", ProofSize, x.context())
}

// Wrap encrypts a next key under the present one.
func (x Exchange) Wrap(present *Secret, next Key) []byte {
	return wrap(x.wrapKey(present), next.Name, &next.Secret)
}

// Unwrap is the card's half of Wrap. The error is ErrBadData.
func (x Exchange) Unwrap(present *Secret, name KeyName, wrapped []byte) (Secret, error) {
	return unwrap(x.wrapKey(present), name, wrapped)
}

func (x Exchange) wrapKey(present *Secret) *Secret {
	key := Secret(derive(present, "shomei card wrap", SecretSize, x.context()))
	return &key
}

// Answer answers a challenge with the key itself. With a next key, the card gets that one too.
func (k Key) Answer(c Challenge, rights Rights, next *Key) (Answer, error) {
	if len(c.Random) != ChallengeSize {
		return Answer{}, fmt.Errorf("a challenge of %d bytes, cards send %d: %w", len(c.Random), ChallengeSize, ErrBadData)
	}
	x := Exchange{Card: c.Random, Host: make([]byte, ChallengeSize), Rights: rights, ID: c.Card}
	rand.Read(x.Host)
	a := Answer{Random: x.Host, Rights: rights, Host: x.HostProof(&k.Secret), Card: x.CardProof(&k.Secret)}
	if next != nil {
		a.Next = &NextKey{Name: next.Name, Wrapped: x.Wrap(&k.Secret, *next), Proof: x.NextProof(&next.Secret)}
	}
	return a, nil
}

// Open opens the session to the card of that number; open answers its challenges, whenever a command needs
// authentication and it isn't in force. Another card in the reader is ErrForeignCard.
func (s *Session) Open(cardID string, open Opener) error {
	id, err := s.managementIdentity()
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnsupported) {
		return fmt.Errorf("this card can't be written by Shomei, it has no management application: %w", ErrForeignCard)
	}
	if err != nil {
		return fmt.Errorf("asking the card for its number: %w", err)
	}
	if id.CardID != cardID {
		return fmt.Errorf("card %s is in the reader, not card %s: %w", id.CardID, cardID, ErrForeignCard)
	}
	s.cardID, s.open, s.admin = cardID, open, false
	return nil
}

// manage selects the management application and proves the administrative key. Its errors are those of the Opener, and
// ErrAdminKey if card and host do not share the key.
func (s *Session) manage() error {
	if s.open == nil {
		return fmt.Errorf("managing the card without its administrative key, call Open first: %w", ErrSecurityNotSatisfied)
	}
	if err := s.enter(AIDManagement); err != nil {
		return fmt.Errorf("selecting the management application: %w", err)
	}
	if s.admin {
		return nil
	}
	challenge, err := s.challenge()
	if err != nil {
		return err
	}
	answer, err := s.open(challenge)
	if err != nil {
		return fmt.Errorf("answering the challenge of card %s: %w", s.cardID, err)
	}
	return s.prove(answer)
}

func (s *Session) challenge() (Challenge, error) {
	name, err := s.send(Command{INS: 0xCA, P1: 0x01, P2: 0x02, Le: maxShortLe})
	if err != nil {
		return Challenge{}, fmt.Errorf("asking the card for the name of its administrative key: %w", err)
	}
	random, err := s.send(Command{INS: 0x84, Le: ChallengeSize})
	if err != nil {
		return Challenge{}, fmt.Errorf("asking the card for a challenge: %w", err)
	}
	return Challenge{Card: s.cardID, Key: name, Random: random}, nil
}

func (s *Session) prove(a Answer) error {
	data := slices.Concat(a.Random, []byte{byte(a.Rights)}, a.Host)
	shown, err := s.send(Command{INS: 0x82, P2: 0x01, Data: data, Le: ProofSize})
	if errors.Is(err, ErrSecurityNotSatisfied) {
		return fmt.Errorf("proving the administrative key to card %s: %w", s.cardID, ErrAdminKey)
	}
	if err != nil {
		return fmt.Errorf("proving the administrative key to card %s: %w", s.cardID, err)
	}
	if subtle.ConstantTimeCompare(shown, a.Card) != 1 {
		return fmt.Errorf("card %s does not prove its administrative key: %w", s.cardID, ErrAdminKey)
	}
	s.admin, s.next = true, a.Next
	return nil
}

// RenewKey gives the card the newer administrative key that came with the answer to its challenge, and reports whether
// there was one. The card accepts it whole or not at all, and reports from then on under which name it holds it: after
// an interruption the session is simply started again. The error is ErrAdminKey if the card proves another key.
func (s *Session) RenewKey() (renewed bool, err error) {
	if err := s.manage(); err != nil || s.next == nil {
		return false, err
	}
	next := s.next
	shown, err := s.send(Command{INS: 0xD8, P1: 0x01, Data: slices.Concat(next.Name, next.Wrapped), Le: ProofSize})
	if err != nil {
		return false, fmt.Errorf("giving card %s its next administrative key: %w", s.cardID, err)
	}
	if !bytes.Equal(shown, next.Proof) {
		return false, fmt.Errorf("card %s does not prove its next administrative key: %w", s.cardID, ErrAdminKey)
	}
	s.next = nil
	return true, nil
}
