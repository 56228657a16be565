package softcard

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// pin is reference data with its retry counter. The PIN itself is not kept;
// yet four digits have 10,000 values, so whoever has the file can find it. A
// card in software is for tests and demonstrations.
type pin struct {
	Salt       []byte `json:"salt,omitempty"`
	Hash       []byte `json:"hash,omitempty"`
	Iterations int    `json:"iterations,omitempty"`
	Left       int    `json:"left"`
	Max        int    `json:"max"`
}

const pinIterations = 2000

func newPIN(value []byte, tries int) (pin, error) {
	p := pin{Salt: make([]byte, 16), Iterations: pinIterations, Left: tries, Max: tries}
	rand.Read(p.Salt)
	var err error
	if p.Hash, err = p.derive(value); err != nil {
		return pin{}, err
	}
	return p, nil
}

func (p pin) derive(value []byte) ([]byte, error) {
	hash, err := pbkdf2.Key(sha256.New, string(value), p.Salt, p.Iterations, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("hashing a PIN: %w", err)
	}
	return hash, nil
}

func (p pin) set() bool { return len(p.Hash) > 0 }

func (p pin) matches(value []byte) bool {
	hash, err := p.derive(value)
	return err == nil && subtle.ConstantTimeCompare(hash, p.Hash) == 1
}
