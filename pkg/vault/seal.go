package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"shomei/events"
)

const (
	// suiteGCM is AES-256-GCM with the random nonce in front of the ciphertext (sealed.proto).
	suiteGCM = 1
	keySize  = 32
)

// ApprovalField is the field of an act that waits for a second officer: it stands in a history of its own and is sealed with its
// person's key, so that an erasure reaches it.
const ApprovalField = "approval"

// Binding is the one place in the log where sealed data stands; opened anywhere else, it is refused.
type Binding struct {
	// ID is the id of the aggregate.
	ID string
	// Revision is the revision of the commit.
	Revision uint64
	// Field names the field within the commit, such as "resident_recorded.identity".
	Field string
}

// derived is what one stored key is used as, so that one key never serves two algorithms (HKDF, RFC 5869).
type derived struct {
	sealing, digest [keySize]byte
}

func derive(key []byte) (derived, error) {
	var keys derived
	for info, into := range map[string][]byte{"shomei vault seal 1": keys.sealing[:], "shomei vault digest 1": keys.digest[:]} {
		made, err := hkdf.Key(sha256.New, key, nil, info, keySize)
		if err != nil {
			return derived{}, fmt.Errorf("deriving keys: %w", err)
		}
		copy(into, made)
		clear(made)
	}
	return keys, nil
}

// seal seals under this version of the class's key.
func (k *derived) seal(class string, version uint32, binding Binding, plaintext []byte) (*events.Sealed, error) {
	gcm, err := newGCM(k.sealing[:])
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, k.digest[:])
	mac.Write(plaintext)
	s := &events.Sealed{Suite: suiteGCM, KeyVersion: version, RecordClass: class, Digest: mac.Sum(nil)}
	s.Ciphertext = gcm.Seal(nil, nil, plaintext, additionalData(s, binding))
	return s, nil
}

func (k *derived) open(binding Binding, s *events.Sealed) ([]byte, error) {
	if s.GetSuite() != suiteGCM {
		return nil, fmt.Errorf("suite %d is of a newer version of this program", s.GetSuite())
	}
	gcm, err := newGCM(k.sealing[:])
	if err != nil {
		return nil, err
	}
	plaintext, err := gcm.Open(nil, nil, s.GetCiphertext(), additionalData(s, binding))
	if err != nil {
		return nil, fmt.Errorf("at %s/%d: %w", binding.ID, binding.Revision, ErrBinding)
	}
	return plaintext, nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// additionalData binds everything beside the ciphertext. Lengths stand in front of what varies, so that no two places
// give the same bytes.
func additionalData(s *events.Sealed, binding Binding) []byte {
	data := []byte("shomei sealed 1\x00")
	data = binary.BigEndian.AppendUint32(data, s.GetSuite())
	data = binary.BigEndian.AppendUint32(data, s.GetKeyVersion())
	data = binary.BigEndian.AppendUint64(data, binding.Revision)
	for _, part := range []string{s.GetRecordClass(), string(s.GetDigest()), binding.ID, binding.Field} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data
}
