package ca

import (
	"crypto/rand"
	"encoding/binary"
)

// NewSerial returns a random serial number: 64 unpredictable bits, never 0 (RFC 5280 section 4.1.2.2; CA/Browser Forum
// Baseline Requirements 7.1 ask for at least 64). Nothing counts, so a restored older copy of the log can't assign a
// number again: among n certificates the probability of drawing a taken one is n in 2^64.
func NewSerial() uint64 {
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		if serial := binary.BigEndian.Uint64(b[:]); serial != 0 {
			return serial
		}
	}
}
