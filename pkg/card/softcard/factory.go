package softcard

import (
	"encoding/json"
	"fmt"
	"os"

	"shomei/pkg/card"
	"shomei/pkg/durable"
)

// Blank describes a card as it leaves the factory: no keys, no PINs.
type Blank struct {
	// Path is the file to write; it must not exist.
	Path string
	// CardID is the number printed on the card, at most 32 ASCII characters.
	CardID string
	Kind   card.Kind
	// Key is the administrative key it has from the factory (card.NewFactoryKey).
	Key card.Key
	// LastDay is the card's last day, YYYYMMDD, if its issuer writes it at the factory; empty: SetUp does.
	LastDay string
}

const maxCardID = 32

// Personalise writes the file of a new card, in the state card.Initialised. Keys and certificates are added as to any
// card, through a card.Session; card.Session.SetUp makes it operational.
func Personalise(b Blank) error {
	if _, err := card.ParseKind(b.Kind.String()); err != nil {
		return fmt.Errorf("making card %s: %w", b.CardID, err)
	}
	if b.CardID == "" || len(b.CardID) > maxCardID {
		return fmt.Errorf("making card %q: its number has 1 to %d characters", b.CardID, maxCardID)
	}
	if _, err := b.Key.Name.Version(); err != nil {
		return fmt.Errorf("making card %s: %w", b.CardID, err)
	}
	s := store{
		Format: storeFormat, CardID: b.CardID, Kind: b.Kind.String(), LifeCycle: card.Initialised, LastDay: b.LastDay,
		KeyName: b.Key.Name, AdminKey: b.Key.Secret[:],
	}
	s.Slots, s.PINs = emptySlots(b.Kind)
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("making card %s: %w", b.CardID, err)
	}
	// Claiming the name first keeps two factories from making one card twice.
	claim, err := os.OpenFile(b.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making card %s: %w", b.CardID, err)
	}
	claim.Close()
	if err := durable.WriteSecret(b.Path, raw); err != nil {
		return fmt.Errorf("saving the card's file: %w", err)
	}
	return nil
}

func emptySlots(kind card.Kind) (map[string]slotStore, map[string]pin) {
	slots, pins := map[string]slotStore{}, map[string]pin{}
	for _, slot := range kind.Slots() {
		_, _, tries := kind.PINLimits(slot)
		slots[slot.String()] = slotStore{}
		pins[slot.String()] = pin{Max: tries}
	}
	return slots, pins
}

// WearOut makes the card in a file refuse certificates, like chips whose memory fails: keys can still be made, but
// writing answers 6581. The file must not be open as a card.
func WearOut(path string) error {
	f, s, err := openFile(path)
	if err != nil {
		return err
	}
	s.Worn = true
	return f.save(s)
}
