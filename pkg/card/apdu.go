package card

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Transmitter sends one command APDU to a card and returns its response APDU: data followed by the two status bytes. It
// is the border of this package; a PC/SC reader and the software card implement it. An error concerns the way to the
// card (ErrRemoved, for example), never its answer.
type Transmitter interface {
	Transmit(apdu []byte) ([]byte, error)
}

// Command is one command of ISO 7816-4 in the short form.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte
	// Le is the maximum number of bytes expected back, at most 256; 0: none.
	Le int
}

// ErrMalformedAPDU: a byte string is not a short command APDU.
var ErrMalformedAPDU = errors.New("not a short command APDU (ISO 7816-4, 5.1)")

const (
	maxShortData   = 255
	maxShortLe     = 256
	insGetResponse = 0xC0
)

// Bytes encodes the command; Data has at most 255 bytes.
func (c Command) Bytes() []byte {
	out := []byte{c.CLA, c.INS, c.P1, c.P2}
	if len(c.Data) > 0 {
		out = append(append(out, byte(len(c.Data))), c.Data...)
	}
	if c.Le > 0 {
		out = append(out, byte(c.Le)) // 256 is written as 00
	}
	return out
}

// ParseCommand decodes the four cases of a short command APDU. Data is a slice of apdu, not a copy.
func ParseCommand(apdu []byte) (Command, error) {
	if len(apdu) < 4 {
		return Command{}, fmt.Errorf("%d bytes: %w", len(apdu), ErrMalformedAPDU)
	}
	c := Command{CLA: apdu[0], INS: apdu[1], P1: apdu[2], P2: apdu[3]}
	body := apdu[4:]
	switch {
	case len(body) == 0:
		return c, nil
	case len(body) == 1:
		c.Le = leOf(body[0])
		return c, nil
	}
	n := int(body[0])
	switch {
	case n > 0 && len(body) == 1+n:
		c.Data = body[1:]
	case n > 0 && len(body) == 2+n:
		c.Data, c.Le = body[1:1+n], leOf(body[1+n])
	default:
		return Command{}, fmt.Errorf("length byte Lc %d with %d bytes after it: %w", n, len(body)-1, ErrMalformedAPDU)
	}
	return c, nil
}

func leOf(b byte) int {
	if b == 0 {
		return maxShortLe
	}
	return int(b)
}

// Send transmits c and returns the data of the answer; a long answer is fetched with GET RESPONSE. Any status but 9000
// is an error: see [StatusError] and [PINError].
func Send(t Transmitter, c Command) ([]byte, error) {
	if len(c.Data) > maxShortData {
		return nil, fmt.Errorf("instruction %02X with %d bytes of data: %w", c.INS, len(c.Data), ErrMalformedAPDU)
	}
	data, sw, err := exchange(t, c)
	for err == nil && sw>>8 == 0x61 {
		var more []byte
		more, sw, err = exchange(t, Command{CLA: c.CLA, INS: insGetResponse, Le: leOf(byte(sw))})
		data = append(data, more...)
	}
	if err != nil {
		return nil, err
	}
	return data, statusOf(c.INS, sw)
}

func exchange(t Transmitter, c Command) (data []byte, sw uint16, err error) {
	apdu := c.Bytes()
	defer clear(apdu) // it may hold a PIN
	resp, err := t.Transmit(apdu)
	if err != nil {
		return nil, 0, fmt.Errorf("sending instruction %02X to the card: %w", c.INS, err)
	}
	if len(resp) < 2 {
		return nil, 0, fmt.Errorf("the card answered instruction %02X with %d bytes, fewer than two: %w", c.INS, len(resp), ErrRemoved)
	}
	n := len(resp) - 2
	return resp[:n:n], binary.BigEndian.Uint16(resp[n:]), nil
}
