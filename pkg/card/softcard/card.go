// Package softcard is a smart card in software: it answers the APDUs of the
// JPKI application and of Shomei's management application (see package card),
// keeps its state in one file, and plugs into pcscd through vpcd ([Reader]).
//
// A change is on the disk before the answer leaves, so whatever kills the
// process, the file holds the state before a command or the state after it.
// Private keys lie in the file in the clear: it is a card for tests, stories
// and demonstrations, not a place for anyone's real key.
package softcard

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"

	"shomei/pkg/card"
)

// Status words (ISO 7816-4, 5.1.3) that the card answers.
const (
	swOK             = 0x9000
	swMemory         = 0x6581
	swWrongLength    = 0x6700
	swSecurity       = 0x6982
	swBlocked        = 0x6984 // what myna reports as blocked (card.md 4)
	swConditions     = 0x6985
	swNoCurrentEF    = 0x6986
	swBadData        = 0x6A80
	swNotFound       = 0x6A82
	swBadP1P2        = 0x6A86
	swDataNotFound   = 0x6A88
	swOffset         = 0x6B00
	swUnknownINS     = 0x6D00
	swUnknownCLA     = 0x6E00
	swTries          = 0x63C0
	swMore           = 0x6100
	maxShortResponse = 256
)

// ATR is the card's answer to reset: that of the real card (card.md 1).
var ATR = []byte{0x3B, 0xE0, 0x00, 0xFF, 0x81, 0x31, 0xFE, 0x45, 0x14}

// Fault is what goes wrong with one command.
type Fault int

// The faults a test can order.
const (
	NoFault Fault = iota
	// RemoveBefore: the card is pulled out before the command takes effect.
	RemoveBefore
	// RemoveAfter: the card is pulled out after the effect, before the answer.
	RemoveAfter
)

// Card is a card in software. It is safe for concurrent use; there is still only one card behind it.
type Card struct {
	log    *slog.Logger
	newKey func() (*rsa.PrivateKey, error)
	id     string

	mu    sync.Mutex
	file  file
	store *store
	fault func(n int, command card.Command) Fault
	count int
	keys  keyCache

	// Volatile, lost when the card leaves the field or is reset.
	app       application
	ef        uint16
	verified  map[card.Slot]bool
	challenge []byte
	exchange  *card.Exchange // nil unless the administrative key was proven in app
	pending   []byte         // rest of an answer, for GET RESPONSE
}

// Config configures Open.
type Config struct {
	// Path is the card's file, as Personalise wrote it.
	Path string
	// Log reports what goes wrong with the file; nil discards it. It never gets APDUs: they hold PINs.
	Log *slog.Logger
	// NewKey makes the card's RSA keys; nil generates each one.
	NewKey func() (*rsa.PrivateKey, error)
}

// Open opens a card's file. One file belongs to one process: a card whose file another process changed answers 6581 to
// every change.
func Open(c Config) (*Card, error) {
	f, s, err := openFile(c.Path)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.NewKey == nil {
		c.NewKey = func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, keyBits) }
	}
	opened := &Card{log: c.Log, newKey: c.NewKey, id: s.CardID, file: f, store: s, keys: keyCache{}}
	opened.reset()
	return opened, nil
}

// ID returns the number of the card.
func (c *Card) ID() string { return c.id }

// Path returns the card's file.
func (c *Card) Path() string { return c.file.path }

// SetFault injects faults: f is called at each command, n counting from 1 since SetFault. A nil f ends it.
func (c *Card) SetFault(f func(n int, command card.Command) Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault, c.count = f, 0
}

// Reset clears selection and security status, as power does.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

func (c *Card) reset() {
	c.app, c.pending = nil, nil
	c.deselect()
}

func (c *Card) deselect() {
	c.ef, c.verified, c.challenge, c.exchange = 0, map[card.Slot]bool{}, nil, nil
}

// Transmit answers one command APDU. The error is card.ErrRemoved if a fault removed the card, and nil otherwise.
func (c *Card) Transmit(apdu []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	command, err := card.ParseCommand(apdu)
	if err != nil {
		return status(swWrongLength), nil
	}
	c.count++
	fault := NoFault
	if c.fault != nil {
		fault = c.fault(c.count, command)
	}
	if fault == RemoveBefore {
		c.reset()
		return nil, fmt.Errorf("before command %d: %w", c.count, card.ErrRemoved)
	}
	resp := c.answer(command)
	if fault == RemoveAfter {
		c.reset()
		return nil, fmt.Errorf("after command %d: %w", c.count, card.ErrRemoved)
	}
	return resp, nil
}

func status(sw uint16) []byte { return binary.BigEndian.AppendUint16(nil, sw) }

// answer runs a command and splits an answer that is longer than the command allows.
func (c *Card) answer(cmd card.Command) []byte {
	if cmd.INS == 0xC0 && len(c.pending) > 0 {
		return c.part(c.pending, cmd.Le)
	}
	c.pending = nil
	data, sw := c.run(cmd)
	if sw != swOK {
		return status(sw)
	}
	return c.part(data, maxShortResponse)
}

func (c *Card) part(data []byte, le int) []byte {
	n := min(len(data), max(le, 1), maxShortResponse)
	c.pending = data[n:]
	sw := uint16(swOK)
	if rest := len(c.pending); rest > 0 {
		sw = swMore | uint16(min(rest, 0xFF))
	}
	return append(bytes.Clone(data[:n]), status(sw)...)
}

// application answers the commands sent after its selection.
type application func(c *Card, cmd card.Command) ([]byte, uint16)

func (c *Card) run(cmd card.Command) ([]byte, uint16) {
	switch {
	case cmd.CLA != 0x00 && cmd.CLA != 0x80:
		return nil, swUnknownCLA
	case cmd.INS == 0xA4 && cmd.P1 == 0x04:
		return nil, c.selectApplication(cmd.Data)
	case c.app == nil && cmd.INS == 0xA4:
		return nil, swNotFound
	case c.app == nil:
		return nil, swUnknownINS
	}
	return c.app(c, cmd)
}

// selectApplication clears every security status, even if it fails: a card that kept one would let the next program use
// it.
func (c *Card) selectApplication(aid []byte) uint16 {
	c.deselect()
	c.app = nil
	switch {
	case bytes.Equal(aid, card.AIDManagement):
		c.app = (*Card).management
	case c.store.LifeCycle == card.Terminated:
	case bytes.Equal(aid, card.AIDJPKI):
		c.app = (*Card).jpki
	case c.store.Kind == card.MyNumber.String():
		c.app = stubOf(aid)
	}
	if c.app == nil {
		return swNotFound
	}
	return swOK
}

// commit makes the changed state durable. If that fails the card returns to the last good state and answers that it
// could not store the change.
func (c *Card) commit() uint16 {
	err := c.file.save(c.store)
	if err == nil {
		return swOK
	}
	c.log.Error("card could not store a change", "card", c.store.CardID, "error", err)
	if last, err := decodeStore(c.file.good); err == nil {
		c.store = last
	}
	return swMemory
}

func (c *Card) kind() card.Kind {
	kind, _ := c.store.kind() // checked when the file was opened
	return kind
}

func newChallenge() []byte {
	challenge := make([]byte, card.ChallengeSize)
	rand.Read(challenge)
	return challenge
}
