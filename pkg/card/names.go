package card

import (
	"crypto/sha256"
	"fmt"
)

// Slot names one key pair with its PIN and certificates on a card.
type Slot byte

// The slots, and their numbers in the management application.
const (
	Auth Slot = 1 // 利用者証明用: user authentication
	Sign Slot = 2 // 署名用: digital signature
)

// String returns "auth" or "sign".
func (s Slot) String() string {
	switch s {
	case Auth:
		return "auth"
	case Sign:
		return "sign"
	}
	return fmt.Sprintf("slot %d", byte(s))
}

// Kind is the sort of card.
type Kind byte

// The kinds of card, and their numbers in the management application.
const (
	Juki     Kind = 1 // 住民基本台帳カード: one certificate, for signatures
	MyNumber Kind = 2 // 個人番号カード: signature and authentication
)

// String returns "juki" or "mynumber".
func (k Kind) String() string {
	switch k {
	case Juki:
		return "juki"
	case MyNumber:
		return "mynumber"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// ParseKind parses the output of String.
func ParseKind(s string) (Kind, error) {
	switch s {
	case "juki":
		return Juki, nil
	case "mynumber":
		return MyNumber, nil
	}
	return 0, fmt.Errorf("unknown kind of card %q: use juki or mynumber", s)
}

// Slots returns the slots of a card of this kind, authentication first: the signature certificate is capped by it
// (law.md 3.2).
func (k Kind) Slots() []Slot {
	if k == Juki {
		return []Slot{Sign}
	}
	return []Slot{Auth, Sign}
}

// Label returns the token label in EF 0006 of such a card (card.md 2).
func (k Kind) Label() string {
	if k == Juki {
		return "JPKIAPICCTOKEN"
	}
	return "JPKIAPICCTOKEN2"
}

// PINLimits returns the shortest and longest PIN of a slot in bytes and the number of tries (law.md 6.1, 6.2; card.md
// 4). The law, not the card, decides which characters a PIN may hold.
func (k Kind) PINLimits(s Slot) (shortest, longest, tries int) {
	switch {
	case s == Auth:
		return 4, 4, 3
	case k == Juki:
		return 4, 16, 5
	}
	return 6, 16, 5
}

// LifeCycle is the life-cycle status byte (ISO 7816-4, 7.4.10).
type LifeCycle byte

// The states of a card as reported by its management application.
const (
	Initialised LifeCycle = 0x03 // from the factory, not handed to anyone
	Operational LifeCycle = 0x05
	Terminated  LifeCycle = 0x0F
)

// String returns the English word for the state.
func (l LifeCycle) String() string {
	switch l {
	case Initialised:
		return "initialised"
	case Operational:
		return "operational"
	case Terminated:
		return "terminated"
	}
	return fmt.Sprintf("life cycle %02X", byte(l))
}

// OperationSize is the length of an Operation in bytes.
const OperationSize = 14

// Operation marks keys on the card with the work that made them. The zero Operation means none.
type Operation [OperationSize]byte

// OperationOf derives the mark from the id of an obligation: the first bytes of its SHA-256, so that the card reveals
// nothing about it.
func OperationOf(id string) Operation {
	sum := sha256.Sum256([]byte(id))
	return Operation(sum[:OperationSize])
}

// String returns the mark in hexadecimal.
func (o Operation) String() string { return fmt.Sprintf("%x", o[:]) }
