package card

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Identity is what a card reveals without any PIN.
type Identity struct {
	// CardID is the number of the card; empty if it has no management application, like a real card, which Shomei can
	// read but not write.
	CardID string
	// Kind is derived from the token label.
	Kind Kind
	// Label is the token label without its padding; empty on a terminated card.
	Label string
	// LifeCycle is Operational for a card without management application.
	LifeCycle LifeCycle
	// LastDay is the last day of the card as YYYY-MM-DD, a civil date in Japan; empty if unknown.
	LastDay string
	// Tries holds the tries left for the PIN of each slot.
	Tries map[Slot]int
}

// Writable reports whether the card accepts the commands that write certificates.
func (id Identity) Writable() bool { return id.CardID != "" && id.LifeCycle != Terminated }

// Tags of the identity template.
const (
	TagCardID    = cbasn1.Tag(0x80)
	TagKind      = cbasn1.Tag(0x81)
	TagLifeCycle = cbasn1.Tag(0x82)
	TagLastDay   = cbasn1.Tag(0x83)
)

const labelSize = 32

// Identify reads the card's identity. It spends no PIN try and clears the security status. The error is ErrForeignCard
// if the card is none of ours.
func (s *Session) Identify() (Identity, error) {
	id, err := s.managementIdentity()
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnsupported) {
		id, err = Identity{LifeCycle: Operational}, nil
	}
	if err != nil {
		return Identity{}, fmt.Errorf("asking the card for its number: %w", err)
	}
	s.cardID = id.CardID
	if id.LifeCycle == Terminated {
		return id, nil
	}
	if err := s.readLabel(&id); err != nil {
		return Identity{}, err
	}
	id.Tries = map[Slot]int{}
	for _, slot := range id.Kind.Slots() {
		if id.Tries[slot], err = s.Tries(slot); err != nil {
			return Identity{}, err
		}
	}
	return id, nil
}

func (s *Session) readLabel(id *Identity) error {
	if err := s.jpki(EFLabel); err != nil {
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnsupported) {
			err = fmt.Errorf("no JPKI application on it: %w", ErrForeignCard)
		}
		return fmt.Errorf("identifying the card: %w", err)
	}
	raw, err := s.read(labelSize)
	if err != nil {
		return fmt.Errorf("reading the token label: %w", err)
	}
	id.Label = strings.TrimRight(string(raw), " \x00")
	for _, kind := range []Kind{Juki, MyNumber} {
		if kind.Label() == id.Label && (id.Kind == 0 || id.Kind == kind) {
			id.Kind = kind
			return nil
		}
	}
	return fmt.Errorf("token label %q is unknown: %w", id.Label, ErrForeignCard)
}

func (s *Session) managementIdentity() (Identity, error) {
	if err := s.enter(AIDManagement); err != nil {
		return Identity{}, err
	}
	tlv, err := s.send(Command{INS: 0xCA, P1: 0x01, P2: 0x01, Le: maxShortLe})
	if err != nil {
		return Identity{}, err
	}
	return parseIdentity(tlv)
}

func parseIdentity(tlv []byte) (Identity, error) {
	in := cryptobyte.String(tlv)
	var number, kind, life, day cryptobyte.String
	ok := in.ReadASN1(&number, TagCardID) && in.ReadASN1(&kind, TagKind) &&
		in.ReadASN1(&life, TagLifeCycle) && in.ReadASN1(&day, TagLastDay) && in.Empty()
	if !ok || len(number) == 0 || len(kind) != 1 || len(life) != 1 {
		return Identity{}, fmt.Errorf("identity of %d bytes: %w", len(tlv), ErrMalformedTemplate)
	}
	id := Identity{CardID: string(number), Kind: Kind(kind[0]), LifeCycle: LifeCycle(life[0])}
	if len(day) > 0 {
		t, err := time.Parse("20060102", string(day))
		if err != nil {
			return Identity{}, fmt.Errorf("last day of the card: %w: %w", err, ErrMalformedTemplate)
		}
		id.LastDay = t.Format(time.DateOnly)
	}
	return id, nil
}
