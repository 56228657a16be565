package softcard

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"shomei/pkg/card"
)

// management answers the commands of the management application, documented
// in package card.
func (c *Card) management(cmd card.Command) ([]byte, uint16) {
	switch {
	case cmd.CLA != 0:
		return nil, swUnknownCLA
	case cmd.INS == 0xCA && cmd.P1 == 0x01 && cmd.P2 == 0x01:
		return c.identity(), swOK
	case cmd.INS == 0xCA && cmd.P1 == 0x01 && cmd.P2 == 0x02:
		return c.store.keyName(), swOK
	case cmd.INS == 0x84:
		c.challenge = newChallenge()
		return c.challenge, swOK
	case cmd.INS == 0x82:
		return c.authenticate(cmd)
	case c.exchange == nil || !c.mayDo(cmd):
		return nil, swSecurity
	case cmd.INS == 0xFE:
		return nil, c.terminate()
	case c.store.LifeCycle == card.Terminated:
		return nil, swConditions
	}
	return c.administer(cmd)
}

func (c *Card) administer(cmd card.Command) ([]byte, uint16) {
	switch cmd.INS {
	case 0xCA:
		return c.slotTemplate(cmd)
	case 0x47:
		return c.generate(cmd)
	case 0x2A:
		return c.signStaged(cmd)
	case 0xA4:
		return nil, c.selectEF(cmd, c.stagingHas)
	case 0xD6:
		return nil, c.updateBinary(cmd)
	case 0xB0:
		return c.readStaged(cmd)
	case 0x2C:
		return nil, c.resetRetryCounter(cmd)
	case 0x44:
		return nil, c.activate(cmd)
	case 0xE4:
		return nil, c.discard(cmd)
	case 0xDA:
		return nil, c.putLastDay(cmd)
	case 0xD8:
		return c.putKey(cmd)
	}
	return nil, swUnknownINS
}

// rights maps commands to the set they need; commands that are missing need none.
var rights = map[byte]card.Rights{
	0x47: card.MayStage, 0xE4: card.MayStage, 0x2A: card.MayStage | card.MayWrite, 0xA4: card.MayWrite, 0xD6: card.MayWrite,
	0xB0: card.MayWrite, 0xDA: card.MaySetUp, 0xFE: card.MayRetire,
}

// mayDo reports whether the session was opened for a command.
func (c *Card) mayDo(cmd card.Command) bool {
	needs, bound := rights[cmd.INS]
	switch {
	case cmd.INS == 0x44 && cmd.P1 == 0x01:
		needs, bound = card.MaySetUp, true
	case cmd.INS == 0x44:
		needs, bound = card.MayWrite, true
	case cmd.INS == 0x2C && cmd.P2&stagedReference != 0:
		needs, bound = card.MayStage, true
	case cmd.INS == 0x2C && c.store.LifeCycle == card.Initialised:
		needs, bound = card.MaySetUp|card.MaySetPINs, true
	case cmd.INS == 0x2C:
		needs, bound = card.MaySetPINs, true
	}
	return !bound || c.exchange.Rights&needs != 0
}

func (c *Card) identity() []byte {
	var b cryptobyte.Builder
	add(&b, card.TagCardID, []byte(c.store.CardID))
	add(&b, card.TagKind, []byte{byte(c.kind())})
	add(&b, card.TagLifeCycle, []byte{byte(c.store.LifeCycle)})
	add(&b, card.TagLastDay, []byte(c.store.LastDay))
	return b.BytesOrPanic()
}

func add(b *cryptobyte.Builder, tag cbasn1.Tag, value []byte) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
}

// authenticate accepts a challenge only once, against replay.
func (c *Card) authenticate(cmd card.Command) ([]byte, uint16) {
	theirs := c.challenge
	c.challenge, c.exchange = nil, nil
	if len(cmd.Data) != card.ChallengeSize+1+card.ProofSize {
		return nil, swWrongLength
	}
	if theirs == nil {
		return nil, swConditions
	}
	host, rights, shown := cmd.Data[:card.ChallengeSize], cmd.Data[card.ChallengeSize], cmd.Data[card.ChallengeSize+1:]
	x := card.Exchange{Card: theirs, Host: bytes.Clone(host), Rights: card.Rights(rights), ID: c.store.CardID}
	secret := c.store.secret()
	if subtle.ConstantTimeCompare(shown, x.HostProof(&secret)) != 1 {
		return nil, swSecurity
	}
	c.exchange = &x
	return x.CardProof(&secret), swOK
}

// putKey takes the next administrative key and its name, or neither. The session stays open.
func (c *Card) putKey(cmd card.Command) ([]byte, uint16) {
	n := len(cmd.Data) - card.WrappedSize
	if cmd.P1 != 0x01 || cmd.P2 != 0 || n < 0 {
		return nil, swWrongLength
	}
	name := card.KeyName(bytes.Clone(cmd.Data[:n]))
	if version, err := name.Version(); err != nil || version == card.OldVersion || version == card.FactoryVersion {
		return nil, swBadData
	}
	present := c.store.secret()
	next, err := c.exchange.Unwrap(&present, name, cmd.Data[n:])
	if err != nil {
		return nil, swBadData
	}
	c.store.KeyName, c.store.AdminKey = name, next[:]
	if sw := c.commit(); sw != swOK {
		return nil, sw
	}
	return c.exchange.NextProof(&next), swOK
}

// slotNamed checks a slot number of a command.
func (c *Card) slotNamed(number byte) (card.Slot, slotStore, bool) {
	for _, slot := range c.kind().Slots() {
		if byte(slot) == number {
			return slot, c.store.Slots[slot.String()], true
		}
	}
	return 0, slotStore{}, false
}

func (c *Card) putSlot(slot card.Slot, s slotStore) uint16 {
	c.store.Slots[slot.String()] = s
	return c.commit()
}

func (c *Card) slotTemplate(cmd card.Command) ([]byte, uint16) {
	_, s, ok := c.slotNamed(cmd.P2)
	if !ok || cmd.P1 != 0x02 {
		return nil, swDataNotFound
	}
	var b cryptobyte.Builder
	addDigest(&b, card.TagLivePublicKey, c.spkiOf(s.Live))
	addDigest(&b, card.TagLiveCertificate, s.Live.Certificate)
	if s.Live.Operation != nil {
		add(&b, card.TagLiveOperation, s.Live.Operation)
	}
	addDigest(&b, card.TagStagedPublicKey, c.spkiOf(s.Staged))
	addDigest(&b, card.TagStagedCertificate, whole(s.Staged.Certificate))
	addDigest(&b, card.TagStagedCA, whole(s.Staged.CA))
	if s.Staged.Operation != nil {
		add(&b, card.TagStagedOperation, s.Staged.Operation)
	}
	if s.Staged.PIN != nil {
		add(&b, card.TagStagedPIN, nil)
	}
	return b.BytesOrPanic(), swOK
}

func addDigest(b *cryptobyte.Builder, tag cbasn1.Tag, content []byte) {
	if content != nil {
		sum := sha256.Sum256(content)
		add(b, tag, sum[:])
	}
}

// whole returns content if it is one complete DER value, otherwise nil.
func whole(content []byte) []byte {
	if n := card.DERLength(content); n == 0 || n != len(content) {
		return nil
	}
	return content
}

func (c *Card) spkiOf(pair keyPair) []byte {
	key, err := c.keys.of(pair)
	if err != nil {
		return nil
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil
	}
	return spki
}

const keyBits = 2048

func (c *Card) generate(cmd card.Command) ([]byte, uint16) {
	slot, s, ok := c.slotNamed(cmd.P2)
	if !ok {
		return nil, swBadP1P2
	}
	if cmd.P1 == 0x81 {
		key, err := c.keys.of(s.Staged)
		if err != nil {
			return nil, swDataNotFound
		}
		return card.EncodePublicKey(&key.PublicKey), swOK
	}
	op, err := card.ParseGenerateControl(cmd.Data)
	if err != nil || cmd.P1 != 0x80 {
		return nil, swBadData
	}
	key, err := c.newKey()
	if err != nil {
		return nil, swMemory
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, swMemory
	}
	c.keys[string(der)] = key
	s.Staged = keyPair{Key: der, Operation: op[:], PIN: s.Staged.PIN}
	if sw := c.putSlot(slot, s); sw != swOK {
		return nil, sw
	}
	return card.EncodePublicKey(&key.PublicKey), swOK
}

func (c *Card) signStaged(cmd card.Command) ([]byte, uint16) {
	_, s, ok := c.slotNamed(cmd.P2)
	if !ok || cmd.P1 != 0x9E {
		return nil, swBadP1P2
	}
	return c.signWith(s.Staged, cmd.Data)
}

// stagedReference marks the reference of a PIN that comes into force with the next ACTIVATE.
const stagedReference = 0x80

// resetRetryCounter sets a PIN anew, at once or with the next ACTIVATE.
func (c *Card) resetRetryCounter(cmd card.Command) uint16 {
	slot, _, ok := c.slotNamed(cmd.P2 &^ stagedReference)
	if !ok || cmd.P1 != 0x02 {
		return swBadP1P2
	}
	return c.putPIN(slot, cmd.Data, cmd.P2&stagedReference != 0)
}

func (c *Card) putLastDay(cmd card.Command) uint16 {
	_, err := time.Parse("20060102", string(cmd.Data))
	switch {
	case cmd.P1 != 0x01 || cmd.P2 != byte(card.TagLastDay):
		return swDataNotFound
	case err != nil:
		return swBadData
	case c.store.LifeCycle != card.Initialised:
		return swConditions
	}
	c.store.LastDay = string(bytes.Clone(cmd.Data))
	return c.commit()
}
