package softcard

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"

	"shomei/pkg/card"
)

func (c *Card) stagingHas(fid uint16) bool {
	_, _, ok := c.staged(fid)
	return ok
}

// staged returns the slot of a staging file and whether it is the CA's.
func (c *Card) staged(fid uint16) (slot card.Slot, ca, ok bool) {
	for _, slot := range c.kind().Slots() {
		switch fid {
		case card.StagedEF(card.CertificateEF(slot)):
			return slot, false, true
		case card.StagedEF(card.CAEF(slot)):
			return slot, true, true
		}
	}
	return 0, false, false
}

// content points at the bytes of the selected staging file.
func content(pair *keyPair, ca bool) *[]byte {
	if ca {
		return &pair.CA
	}
	return &pair.Certificate
}

// maxFile is more than any certificate of these profiles needs (profile.md 2).
const maxFile = 8 << 10

func (c *Card) updateBinary(cmd card.Command) uint16 {
	slot, ca, ok := c.staged(c.ef)
	if !ok {
		return swNoCurrentEF
	}
	s := c.store.Slots[slot.String()]
	file := content(&s.Staged, ca)
	off := int(cmd.P1)<<8 | int(cmd.P2)
	switch {
	case s.Staged.Key == nil:
		return swConditions // a certificate waits for its key
	case c.store.Worn:
		return swMemory
	case off != 0 && off != len(*file), off+len(cmd.Data) > maxFile:
		return swOffset
	}
	*file = append(bytes.Clone((*file)[:off]), cmd.Data...)
	return c.putSlot(slot, s)
}

func (c *Card) readStaged(cmd card.Command) ([]byte, uint16) {
	slot, ca, ok := c.staged(c.ef)
	if !ok {
		return nil, swNoCurrentEF
	}
	s := c.store.Slots[slot.String()]
	return slice(orEmpty(*content(&s.Staged, ca)), cmd)
}

// slotsOf reads a mask of slots; every bit must be a slot of this card.
func (c *Card) slotsOf(mask byte) ([]card.Slot, bool) {
	var slots []card.Slot
	for _, slot := range c.kind().Slots() {
		if mask&byte(slot) != 0 {
			slots = append(slots, slot)
			mask &^= byte(slot)
		}
	}
	return slots, mask == 0 && len(slots) > 0
}

// activate swaps all slots of the mask in one write of the file.
func (c *Card) activate(cmd card.Command) uint16 {
	if cmd.P1 == 0x01 {
		return c.takeIntoUse()
	}
	slots, ok := c.slotsOf(cmd.P2)
	if !ok || cmd.P1 != 0 {
		return swBadP1P2
	}
	for _, slot := range slots {
		if !c.complete(c.store.Slots[slot.String()].Staged) {
			return swConditions
		}
	}
	for _, slot := range slots {
		s := c.store.Slots[slot.String()]
		if s.Staged.PIN != nil {
			c.store.PINs[slot.String()] = *s.Staged.PIN
		}
		s.Staged.PIN = nil
		c.store.Slots[slot.String()] = slotStore{Live: s.Staged}
	}
	return c.commit()
}

// complete reports whether there are a CA certificate and a certificate of the staged key.
func (c *Card) complete(pair keyPair) bool {
	key, err := c.keys.of(pair)
	if err != nil || whole(pair.CA) == nil || whole(pair.Certificate) == nil {
		return false
	}
	cert, err := x509.ParseCertificate(pair.Certificate)
	if err != nil {
		return false
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	return ok && public.Equal(&key.PublicKey)
}

func (c *Card) takeIntoUse() uint16 {
	for _, slot := range c.kind().Slots() {
		if !c.store.PINs[slot.String()].set() {
			return swConditions
		}
	}
	if version, err := card.KeyName(c.store.KeyName).Version(); err != nil || version == card.FactoryVersion || c.store.LastDay == "" {
		return swConditions // nobody's card keeps the key it was shipped with
	}
	c.store.LifeCycle = card.Operational
	return c.commit()
}

func (c *Card) discard(cmd card.Command) uint16 {
	slots, ok := c.slotsOf(cmd.P2)
	if !ok || cmd.P1 != 0 {
		return swBadP1P2
	}
	for _, slot := range slots {
		s := c.store.Slots[slot.String()]
		c.store.Slots[slot.String()] = slotStore{Live: s.Live}
	}
	return c.commit()
}

func (c *Card) terminate() uint16 {
	if c.store.LifeCycle == card.Terminated {
		return swOK
	}
	c.store.LifeCycle = card.Terminated
	c.store.Slots, c.store.PINs = emptySlots(c.kind())
	return c.commit()
}
