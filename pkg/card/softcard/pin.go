package softcard

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
)

// pin is reference data with its retry counter. The PIN itself is not kept; yet four digits have 10,000 values, so
// whoever has the file can find it. A software card is for tests and demonstrations.
type pin struct {
	Salt       []byte `json:"salt,omitempty"`
	Hash       []byte `json:"hash,omitempty"`
	Iterations int    `json:"iterations,omitempty"`
	Left       int    `json:"left"`
	Max        int    `json:"max"`
}

const pinIterations = 2000

func newPIN(value []byte, tries int) pin {
	p := pin{Salt: make([]byte, 16), Iterations: pinIterations, Left: tries, Max: tries}
	rand.Read(p.Salt)
	p.Hash = p.derive(value)
	return p
}

// derive is PBKDF2 with HMAC-SHA-256 for one block. The library's takes a string, which can't be wiped.
func (p pin) derive(value []byte) []byte {
	prf := hmac.New(sha256.New, value)
	sum := func(text ...[]byte) []byte {
		prf.Reset()
		for _, part := range text {
			prf.Write(part)
		}
		return prf.Sum(nil)
	}
	last := sum(p.Salt, []byte{0, 0, 0, 1})
	hash := bytes.Clone(last)
	for range p.Iterations - 1 {
		last = sum(last)
		subtle.XORBytes(hash, hash, last)
	}
	return hash
}

func (p pin) set() bool { return len(p.Hash) > 0 }

func (p pin) matches(value []byte) bool {
	return subtle.ConstantTimeCompare(p.derive(value), p.Hash) == 1
}
