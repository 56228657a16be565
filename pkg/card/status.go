package card

import (
	"errors"
	"fmt"
)

// Errors that a caller can act on. Every error of this package that comes from a card wraps one of these, or is a
// StatusError that wraps none.
var (
	// ErrRemoved: the card left the reader. Whether the last command took effect is unknown; put it back and call
	// Inventory.
	ErrRemoved = errors.New("the card was taken out of the reader")
	// ErrWrongPIN: the PIN did not match and a try was spent; PINError says how many remain.
	ErrWrongPIN = errors.New("wrong PIN")
	// ErrBlocked: no tries remain; the PIN must be set anew at a counter (law.md 6.2).
	ErrBlocked = errors.New("the PIN is blocked")
	// ErrSecurityNotSatisfied: a PIN or the administrative key must be presented first.
	ErrSecurityNotSatisfied = errors.New("the card asks for authentication first")
	// ErrNotFound: the application, file or key is not on the card.
	ErrNotFound = errors.New("not on this card")
	// ErrConditions: the command does not fit the state the card is in.
	ErrConditions = errors.New("the card's state does not allow this")
	// ErrUnsupported: the card does not know the command.
	ErrUnsupported = errors.New("the card does not know this command")
	// ErrBadData: the card refuses the data as malformed.
	ErrBadData = errors.New("the card refuses the data")
	// ErrMemory: the card could not store the change.
	ErrMemory = errors.New("the card could not store the change")
	// ErrForeignCard: a card other than the expected one, or none of ours.
	ErrForeignCard = errors.New("not the expected card")
	// ErrForeignStaging: staging holds another operation's work; look into it, then Discard it.
	ErrForeignStaging = errors.New("the card holds another operation's unfinished keys")
	// ErrReadBack: what was read back is not what was written.
	ErrReadBack = errors.New("the card returned something other than what was written")
	// ErrAdminKey: card and host do not share the administrative key.
	ErrAdminKey = errors.New("the card's administrative key does not match")
	// ErrMalformedTemplate: the card answers with unreadable data objects.
	ErrMalformedTemplate = errors.New("malformed data objects (ISO 7816-4, 6)")
	// ErrAlreadySetUp: the card is operational already; its PINs were not touched.
	ErrAlreadySetUp = errors.New("the card has been set up before")
)

// PINError means that a PIN was refused. It wraps ErrBlocked if no try is left, otherwise ErrWrongPIN.
type PINError struct {
	// Left is the number of tries that remain.
	Left int
}

func (e *PINError) Error() string {
	if e.Left == 0 {
		return "wrong PIN, no tries left: the PIN is blocked and must be set anew at a counter"
	}
	return fmt.Sprintf("wrong PIN, tries left: %d", e.Left)
}

// Unwrap returns ErrBlocked or ErrWrongPIN.
func (e *PINError) Unwrap() error {
	if e.Left == 0 {
		return ErrBlocked
	}
	return ErrWrongPIN
}

// StatusError is a status word other than 9000 (ISO 7816-4, 5.1.3). It wraps the sentinel for its meaning, if there is
// one.
type StatusError struct {
	// INS is the instruction that was answered.
	INS byte
	// SW is the status word.
	SW uint16
}

func (e *StatusError) Error() string {
	if cause := e.Unwrap(); cause != nil {
		return fmt.Sprintf("%v (instruction %02X, status %04X)", cause, e.INS, e.SW)
	}
	return fmt.Sprintf("the card answered instruction %02X with status %04X", e.INS, e.SW)
}

// Unwrap returns the sentinel for the status word, or nil.
func (e *StatusError) Unwrap() error {
	switch e.SW {
	case 0x6982:
		return ErrSecurityNotSatisfied
	case 0x6983, 0x6984:
		return ErrBlocked
	case 0x6985, 0x6986:
		return ErrConditions
	case 0x6A82, 0x6A88:
		return ErrNotFound
	case 0x6D00, 0x6E00, 0x6A81, 0x6A86:
		return ErrUnsupported
	case 0x6A80, 0x6700:
		return ErrBadData
	case 0x6581, 0x6A84:
		return ErrMemory
	}
	return nil
}

// statusOf turns a status word into an error; 63Cx is a PIN's.
func statusOf(ins byte, sw uint16) error {
	switch {
	case sw == 0x9000:
		return nil
	case sw&0xFFF0 == 0x63C0:
		return &PINError{Left: int(sw & 0x0F)}
	}
	return &StatusError{INS: ins, SW: sw}
}
