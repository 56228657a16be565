package softcard

import (
	"crypto"
	"crypto/rsa"
	"fmt"

	"shomei/pkg/card"
)

// jpki answers the commands of card.md 3.
func (c *Card) jpki(cmd card.Command) ([]byte, uint16) {
	switch cmd.INS {
	case 0xA4:
		return nil, c.selectEF(cmd, c.jpkiHas)
	case 0xB0:
		return c.readBinary(cmd)
	case 0x20:
		return nil, c.verify(cmd)
	case 0x24:
		return nil, c.changePIN(cmd)
	case 0x2A:
		return c.sign(cmd)
	}
	return nil, swUnknownINS
}

func (c *Card) selectEF(cmd card.Command, has func(fid uint16) bool) uint16 {
	if cmd.P1 != 0x02 || len(cmd.Data) != 2 {
		return swNotFound
	}
	fid := uint16(cmd.Data[0])<<8 | uint16(cmd.Data[1])
	if !has(fid) {
		c.ef = 0
		return swNotFound
	}
	c.ef = fid
	return swOK
}

func (c *Card) jpkiHas(fid uint16) bool {
	if fid == card.EFLabel {
		return true
	}
	_, ok := c.slotOf(fid)
	return ok
}

// slotOf returns the slot that a file of the JPKI application belongs to.
func (c *Card) slotOf(fid uint16) (card.Slot, bool) {
	for _, slot := range c.kind().Slots() {
		switch fid {
		case card.CertificateEF(slot), card.CAEF(slot), card.PINEF(slot), card.KeyEF(slot):
			return slot, true
		}
	}
	return 0, false
}

// pinSlot returns the slot whose PIN file is selected.
func (c *Card) pinSlot() (card.Slot, bool) {
	slot, ok := c.slotOf(c.ef)
	return slot, ok && c.ef == card.PINEF(slot)
}

// emptyFile is the content of a certificate file without a certificate: the card software reads the first four bytes as
// a DER header (card.md 4).
var emptyFile = []byte{0xFF, 0xFF, 0xFF, 0xFF}

func (c *Card) readBinary(cmd card.Command) ([]byte, uint16) {
	if c.ef == card.EFLabel {
		// myna loops for ever on fewer than 32 bytes (card.md 2).
		return slice([]byte(fmt.Sprintf("%-32s", c.kind().Label())), cmd)
	}
	slot, ok := c.slotOf(c.ef)
	if !ok {
		return nil, swNoCurrentEF
	}
	live := c.store.Slots[slot.String()].Live
	switch c.ef {
	case card.CertificateEF(slot):
		if slot == card.Sign && !c.verified[card.Sign] {
			return nil, swSecurity
		}
		return slice(orEmpty(live.Certificate), cmd)
	case card.CAEF(slot):
		return slice(orEmpty(live.CA), cmd)
	}
	return nil, swSecurity // keys and PINs never leave
}

func orEmpty(content []byte) []byte {
	if content == nil {
		return emptyFile
	}
	return content
}

// slice answers READ BINARY with the requested part of a file.
func slice(content []byte, cmd card.Command) ([]byte, uint16) {
	off := int(cmd.P1)<<8 | int(cmd.P2)
	if off >= len(content) {
		return nil, swOffset
	}
	le := cmd.Le
	if le == 0 {
		le = maxShortResponse
	}
	return content[off:min(len(content), off+le)], swOK
}

// verify counts the try down, durably, before it compares: pulling the card at the right moment gains no free tries.
func (c *Card) verify(cmd card.Command) uint16 {
	slot, ok := c.pinSlot()
	if !ok || cmd.P1 != 0 || cmd.P2 != 0x80 {
		return swConditions
	}
	p := c.store.PINs[slot.String()]
	if len(cmd.Data) == 0 {
		return swTries | uint16(p.Left) // never 6983 or 9000: OpenSC gives up on those
	}
	c.verified[slot] = false
	if p.Left == 0 {
		return swBlocked
	}
	p.Left--
	c.store.PINs[slot.String()] = p
	if sw := c.commit(); sw != swOK {
		return sw
	}
	if !p.matches(cmd.Data) {
		return swTries | uint16(p.Left)
	}
	p.Left = p.Max
	c.store.PINs[slot.String()] = p
	if sw := c.commit(); sw != swOK {
		return sw
	}
	c.verified[slot] = true
	return swOK
}

func (c *Card) changePIN(cmd card.Command) uint16 {
	slot, ok := c.pinSlot()
	switch {
	case !ok || cmd.P1 != 0x01 || cmd.P2 != 0x80:
		return swConditions
	case !c.verified[slot]:
		return swSecurity
	}
	return c.putPIN(slot, cmd.Data, false)
}

// putPIN sets reference data, live or staged.
func (c *Card) putPIN(slot card.Slot, value []byte, staged bool) uint16 {
	shortest, longest, tries := c.kind().PINLimits(slot)
	if len(value) < shortest || len(value) > longest {
		return swWrongLength
	}
	p := newPIN(value, tries)
	if staged {
		s := c.store.Slots[slot.String()]
		s.Staged.PIN = &p
		c.store.Slots[slot.String()] = s
	} else {
		c.store.PINs[slot.String()] = p
	}
	return c.commit()
}

// sign pads its input as PKCS#1 type 1 without inspecting it.
func (c *Card) sign(cmd card.Command) ([]byte, uint16) {
	slot, ok := c.slotOf(c.ef)
	switch {
	case cmd.CLA != 0x80 || cmd.P1 != 0 || cmd.P2 != 0x80:
		return nil, swBadP1P2
	case !ok || c.ef != card.KeyEF(slot):
		return nil, swNoCurrentEF
	case !c.verified[slot]:
		return nil, swSecurity
	}
	return c.signWith(c.store.Slots[slot.String()].Live, cmd.Data)
}

func (c *Card) signWith(pair keyPair, info []byte) ([]byte, uint16) {
	key, err := c.keys.of(pair)
	if err != nil {
		return nil, swDataNotFound
	}
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.Hash(0), info)
	if err != nil {
		return nil, swBadData
	}
	return sig, swOK
}
