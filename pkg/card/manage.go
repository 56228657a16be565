package card

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ChallengeSize is the length of the random numbers of both sides in bytes.
const ChallengeSize = 16

// HostProof is what the host shows the card in MUTUAL AUTHENTICATE.
func HostProof(key, cardChallenge, hostChallenge []byte, cardID string) []byte {
	return proof(key, "shomei host", cardChallenge, hostChallenge, cardID)
}

// CardProof is what the card answers.
func CardProof(key, cardChallenge, hostChallenge []byte, cardID string) []byte {
	return proof(key, "shomei card", hostChallenge, cardChallenge, cardID)
}

func proof(key []byte, who string, first, second []byte, cardID string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range [][]byte{[]byte(who), first, second, []byte(cardID)} {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// Authenticate gives the session the administrative key of the card with that
// id and proves it to the card. The session proves it again by itself whenever
// it comes back from the JPKI application; no tries are counted. Another card
// in the reader is ErrForeignCard, a key that does not match ErrAdminKey.
func (s *Session) Authenticate(cardID string, adminKey []byte) error {
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
	s.cardID, s.adminKey, s.admin = cardID, bytes.Clone(adminKey), false
	return s.manage()
}

// manage enters the management application with the administrative key proven.
func (s *Session) manage() error {
	if len(s.adminKey) == 0 {
		return fmt.Errorf("managing the card without its administrative key, call Authenticate first: %w", ErrSecurityNotSatisfied)
	}
	if err := s.enter(AIDManagement); err != nil {
		return fmt.Errorf("selecting the management application: %w", err)
	}
	if s.admin {
		return nil
	}
	theirs, err := s.send(Command{INS: 0x84, Le: ChallengeSize})
	if err != nil {
		return fmt.Errorf("asking the card for a challenge: %w", err)
	}
	ours := make([]byte, ChallengeSize)
	rand.Read(ours)
	data := append(bytes.Clone(ours), HostProof(s.adminKey, theirs, ours, s.cardID)...)
	answer, err := s.send(Command{INS: 0x82, P2: 0x01, Data: data, Le: sha256.Size})
	if errors.Is(err, ErrSecurityNotSatisfied) {
		return fmt.Errorf("proving the administrative key to card %s: %w", s.cardID, ErrAdminKey)
	}
	if err != nil {
		return fmt.Errorf("proving the administrative key to card %s: %w", s.cardID, err)
	}
	if !hmac.Equal(answer, CardProof(s.adminKey, theirs, ours, s.cardID)) {
		return fmt.Errorf("card %s does not prove its administrative key: %w", s.cardID, ErrAdminKey)
	}
	s.admin = true
	return nil
}

// Tags of the template that tells about one slot.
const (
	TagLivePublicKey     = cbasn1.Tag(0x81)
	TagLiveCertificate   = cbasn1.Tag(0x82)
	TagLiveOperation     = cbasn1.Tag(0x83)
	TagStagedPublicKey   = cbasn1.Tag(0x84)
	TagStagedCertificate = cbasn1.Tag(0x85)
	TagStagedCA          = cbasn1.Tag(0x86)
	TagStagedOperation   = cbasn1.Tag(0x87)
	TagStagedPIN         = cbasn1.Tag(0x88)
)

// KeyPair tells what lies in one place, live or staged. Digests are SHA-256,
// of the SubjectPublicKeyInfo for a key, of the DER for a certificate; nil
// means there is none, or none that is whole.
type KeyPair struct {
	PublicKey, Certificate, CA []byte
	Operation                  Operation
	// PIN tells that a new PIN waits in staging.
	PIN bool
}

// SlotState is one slot of a card: what works now and what is being prepared.
type SlotState struct{ Live, Staged KeyPair }

// Inventory is everything a managed card tells about its keys.
type Inventory struct {
	Identity
	Slots map[Slot]SlotState
}

// Inventory reads the state of all slots; it changes nothing. The session has
// been authenticated.
func (s *Session) Inventory() (Inventory, error) {
	id, err := s.managementIdentity()
	if err != nil {
		return Inventory{}, fmt.Errorf("asking the card for its number: %w", err)
	}
	inv := Inventory{Identity: id, Slots: map[Slot]SlotState{}}
	if id.CardID != s.cardID {
		return inv, fmt.Errorf("card %s is in the reader, not card %s: %w", id.CardID, s.cardID, ErrForeignCard)
	}
	for _, slot := range id.Kind.Slots() {
		if inv.Slots[slot], err = s.slotState(slot); err != nil {
			return Inventory{}, err
		}
	}
	return inv, nil
}

func (s *Session) slotState(slot Slot) (SlotState, error) {
	if err := s.manage(); err != nil {
		return SlotState{}, err
	}
	tlv, err := s.send(Command{INS: 0xCA, P1: 0x02, P2: byte(slot), Le: maxShortLe})
	if err != nil {
		return SlotState{}, fmt.Errorf("asking for the state of the %s slot: %w", slot, err)
	}
	state, ok := parseSlotState(tlv)
	if !ok {
		return SlotState{}, fmt.Errorf("state of the %s slot, %d bytes, cannot be read: %w", slot, len(tlv), ErrMalformedTemplate)
	}
	return state, nil
}

func parseSlotState(tlv []byte) (st SlotState, ok bool) {
	in := cryptobyte.String(tlv)
	for !in.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadAnyASN1(&value, &tag) {
			return st, false
		}
		switch tag {
		case TagLivePublicKey:
			st.Live.PublicKey = value
		case TagLiveCertificate:
			st.Live.Certificate = value
		case TagStagedPublicKey:
			st.Staged.PublicKey = value
		case TagStagedCertificate:
			st.Staged.Certificate = value
		case TagStagedCA:
			st.Staged.CA = value
		case TagStagedPIN:
			st.Staged.PIN = true
		case TagLiveOperation, TagStagedOperation:
			if len(value) != OperationSize {
				return st, false
			}
			if tag == TagLiveOperation {
				st.Live.Operation = Operation(value)
			} else {
				st.Staged.Operation = Operation(value)
			}
		}
	}
	return st, true
}

// ResetPIN sets a slot's PIN anew and gives it back all its tries. The holder
// is known and stands at the counter (domain.md 1.4.4); callers clear pin.
func (s *Session) ResetPIN(slot Slot, pin []byte) error {
	return s.setPIN(slot, byte(slot), pin)
}

// StagePIN lays down a new PIN that comes into force with Activate; the old
// one works until then. Repeating it replaces what was laid down.
func (s *Session) StagePIN(slot Slot, pin []byte) error {
	return s.setPIN(slot, 0x80|byte(slot), pin)
}

func (s *Session) setPIN(slot Slot, reference byte, pin []byte) error {
	if err := s.manage(); err != nil {
		return err
	}
	if _, err := s.send(Command{INS: 0x2C, P1: 0x02, P2: reference, Data: pin}); err != nil {
		return fmt.Errorf("setting the %s PIN: %w", slot, err)
	}
	return nil
}

// SetUp makes a card from the factory ready for its holder: last day
// (YYYY-MM-DD, a civil date in Japan) and PINs. It can be repeated until it
// succeeded; after that it is ErrAlreadySetUp and changes nothing.
func (s *Session) SetUp(lastDay string, pins map[Slot][]byte) error {
	day, err := time.Parse(time.DateOnly, lastDay)
	if err != nil {
		return fmt.Errorf("last day of the card: %w", err)
	}
	id, err := s.managementIdentity()
	if err != nil {
		return fmt.Errorf("asking the card for its number: %w", err)
	}
	if id.LifeCycle == Operational {
		return fmt.Errorf("setting up card %s: %w", id.CardID, ErrAlreadySetUp)
	}
	if err := s.manage(); err != nil {
		return err
	}
	digits := []byte(day.Format("20060102"))
	if _, err := s.send(Command{INS: 0xDA, P1: 0x01, P2: byte(TagLastDay), Data: digits}); err != nil {
		return fmt.Errorf("writing the last day of the card: %w", err)
	}
	for _, slot := range id.Kind.Slots() {
		if err := s.ResetPIN(slot, pins[slot]); err != nil {
			return err
		}
	}
	if _, err := s.send(Command{INS: 0x44, P1: 0x01}); err != nil {
		return fmt.Errorf("taking card %s into use: %w", id.CardID, err)
	}
	return nil
}

// Retire ends the card for ever: keys, certificates and PINs are destroyed.
// Repeating it succeeds.
func (s *Session) Retire() error {
	if err := s.manage(); err != nil {
		return err
	}
	if _, err := s.send(Command{INS: 0xFE}); err != nil {
		return fmt.Errorf("terminating card %s: %w", s.cardID, err)
	}
	return nil
}
