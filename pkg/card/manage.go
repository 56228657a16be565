package card

import (
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Tags of the template about one slot.
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

// KeyPair describes one key pair, live or staged. Digests are SHA-256, of the SubjectPublicKeyInfo for a key, of the
// DER for a certificate; nil if missing or incomplete.
type KeyPair struct {
	PublicKey, Certificate, CA []byte
	Operation                  Operation
	// PIN: a new PIN waits in staging.
	PIN bool
}

// SlotState is one slot of a card: what is in use and what is being prepared.
type SlotState struct{ Live, Staged KeyPair }

// Inventory is everything a managed card reveals about its keys.
type Inventory struct {
	Identity
	Slots map[Slot]SlotState
}

// Inventory reads the state of all slots; it changes nothing. The session must be open.
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

// ResetPIN sets a slot's PIN anew and restores all its tries. The holder is known and present at the counter (law.md
// 6.2); callers clear pin.
func (s *Session) ResetPIN(slot Slot, pin []byte) error {
	return s.setPIN(slot, byte(slot), pin)
}

// StagePIN stages a new PIN that comes into force with Activate; the old one works until then. Repeating it replaces
// the staged PIN.
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

// SetUp prepares a card from the factory for its holder: last day (YYYY-MM-DD, a civil date in Japan) and PINs. It can
// be repeated until it succeeds; then it returns ErrAlreadySetUp and changes nothing.
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

// Retire ends the card for good: keys, certificates and PINs are destroyed. Repeating it succeeds.
func (s *Session) Retire() error {
	if err := s.manage(); err != nil {
		return err
	}
	if _, err := s.send(Command{INS: 0xFE}); err != nil {
		return fmt.Errorf("terminating card %s: %w", s.cardID, err)
	}
	return nil
}
