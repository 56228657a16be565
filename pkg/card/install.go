package card

import (
	"fmt"
	"maps"
	"slices"
)

// Issue turns a slot's request into its certificate and the CA's, both DER. The same request may get a different
// certificate the next time.
type Issue func(slot Slot, request []byte) (certificate, ca []byte, err error)

// Install runs an operation on a card from wherever it stands to live certificates: the factory's way, where the CA is
// at hand. An agent that has to wait for the centre takes the steps one by one. PINs that come into force with the new
// keys have been staged by StagePIN.
func (s *Session) Install(intent Intent, issue Issue) error {
	inv, err := s.Inventory()
	if err != nil {
		return err
	}
	switch p := Classify(inv, intent); p.State {
	case Complete:
		return nil
	case Foreign:
		return fmt.Errorf("installing operation %s: %s: %w", intent.Operation, p.Reason, ErrForeignStaging)
	}
	slots := slices.Sorted(maps.Keys(intent.Slots)) // authentication first
	for _, slot := range slots {
		if err := s.installSlot(slot, intent.Operation, issue); err != nil {
			return err
		}
	}
	return s.Activate(intent.Operation, slots...)
}

func (s *Session) installSlot(slot Slot, op Operation, issue Issue) error {
	generated, err := s.GenerateStaged(slot, op)
	if err != nil {
		return err
	}
	certificate, ca, err := issue(slot, generated.Request)
	if err != nil {
		return fmt.Errorf("issuing the %s certificate: %w", slot, err)
	}
	if err := s.WriteStaged(slot, certificate, ca); err != nil {
		return err
	}
	if err := s.ReadBack(slot, certificate, ca); err != nil {
		return err
	}
	return s.TestSign(slot)
}
