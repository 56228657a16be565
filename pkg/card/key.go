package card

import (
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Key is a card's administrative key and the name under which the card holds it.
type Key struct {
	Name   KeyName
	Secret Secret
}

// KeyName identifies the administrative key that a card holds, for whoever has the master keys: a version in two bytes,
// followed by what that version needs (deploy/card-keys.md). It is not secret.
type KeyName []byte

// Versions that are not the number of a master key.
const (
	// OldVersion names the keys of cards from before keys had names: derived from the first master key and the card's
	// number alone. Nothing follows it.
	OldVersion = 0
	// FactoryVersion names a transport key, chosen by the factory and sealed to the centre. The sealed key follows.
	FactoryVersion = 0xFFFF
)

// DiversifierSize is the length, in bytes, of what distinguishes the keys of one card under one master key.
const DiversifierSize = 16

// sealedSize is the size of a transport key sealed by HPKE: an X25519 key, the secret and a tag.
const sealedSize = 32 + SecretSize + 16

// ErrKeyName: a key's name does not have the form of its version.
var ErrKeyName = errors.New("malformed name of a card's administrative key")

// NewKeyName returns a name under a version that no key has had before, so that a key that was once sent out, and may
// have reached someone other than the card, is never the key of a card later.
func NewKeyName(version uint16) KeyName {
	name := binary.BigEndian.AppendUint16(nil, version)
	diversifier := make([]byte, DiversifierSize)
	rand.Read(diversifier)
	return append(name, diversifier...)
}

// Version returns the version in a name; an empty name is OldVersion. The error is ErrKeyName.
func (n KeyName) Version() (uint16, error) {
	if len(n) == 0 {
		return OldVersion, nil
	}
	if len(n) < 2 {
		return 0, fmt.Errorf("%d bytes: %w", len(n), ErrKeyName)
	}
	version := binary.BigEndian.Uint16(n)
	want := DiversifierSize
	switch version {
	case OldVersion:
		want = 0
	case FactoryVersion:
		want = sealedSize
	}
	if len(n) != 2+want {
		return version, fmt.Errorf("version %d followed by %d bytes instead of %d: %w", version, len(n)-2, want, ErrKeyName)
	}
	return version, nil
}

// Diversify returns the administrative key that a card holds under a name, from the master key of the name's version:
// by the KDF of SP 800-108 with the name and the card's number as context, or, for OldVersion, by HKDF-SHA-256 (RFC
// 5869) with the card's number. Transport keys are not derived (OpenFactoryKey). The error is ErrKeyName.
func Diversify(master *Secret, name KeyName, cardID string) (Key, error) {
	version, err := name.Version()
	key := Key{Name: name}
	switch {
	case err != nil:
		return key, err
	case version == FactoryVersion:
		return key, fmt.Errorf("a transport key is derived from no master key: %w", ErrKeyName)
	case version == OldVersion:
		old, err := hkdf.Key(sha256.New, master[:], nil, "shomei card administrative key "+cardID, SecretSize)
		if err != nil {
			return key, fmt.Errorf("deriving the administrative key of card %s: %w", cardID, err)
		}
		key.Secret = Secret(old)
	default:
		key.Secret = Secret(derive(master, "shomei card key", SecretSize, slices.Concat(name, []byte(cardID))))
	}
	return key, nil
}

// CheckValue returns eight non-secret bytes that distinguish master keys.
func (s *Secret) CheckValue() []byte { return derive(s, "shomei card check", 8, nil) }

// NewFactoryKey makes the transport key of one new card and seals it to the centre's public key: the card carries it
// there, and nobody else can open it.
func NewFactoryKey(centre hpke.PublicKey, cardID string) (Key, error) {
	var key Key
	rand.Read(key.Secret[:])
	sealed, err := hpke.Seal(centre, hpke.HKDFSHA256(), hpke.AES256GCM(), factoryInfo(cardID), key.Secret[:])
	if err != nil {
		return key, fmt.Errorf("sealing the transport key of card %s: %w", cardID, err)
	}
	key.Name = append(binary.BigEndian.AppendUint16(nil, FactoryVersion), sealed...)
	return key, nil
}

// OpenFactoryKey returns the transport key in a card's key name. The error is ErrKeyName, also for a name sealed for
// another card or centre.
func OpenFactoryKey(centre hpke.PrivateKey, name KeyName, cardID string) (Key, error) {
	key := Key{Name: name}
	version, err := name.Version()
	if err != nil || version != FactoryVersion {
		return key, fmt.Errorf("not a transport key, version %d: %w", version, errors.Join(err, ErrKeyName))
	}
	secret, err := hpke.Open(centre, hpke.HKDFSHA256(), hpke.AES256GCM(), factoryInfo(cardID), name[2:])
	if err != nil || len(secret) != SecretSize {
		return key, fmt.Errorf("the transport key of card %s was sealed for another card or to another centre: %w", cardID, ErrKeyName)
	}
	key.Secret = Secret(secret)
	return key, nil
}

func factoryInfo(cardID string) []byte { return []byte("shomei card transport 1\x00" + cardID) }

// NewFactoryCentre makes the key pair that transport keys are sealed to (X25519).
func NewFactoryCentre() (hpke.PrivateKey, error) { return factoryKEM().GenerateKey() }

// ParseFactoryCentre reads the secret half of such a key pair, 32 bytes.
func ParseFactoryCentre(secret []byte) (hpke.PrivateKey, error) {
	return factoryKEM().NewPrivateKey(secret)
}

// ParseFactoryPublic reads its public half, 32 bytes.
func ParseFactoryPublic(public []byte) (hpke.PublicKey, error) {
	return factoryKEM().NewPublicKey(public)
}

func factoryKEM() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }

// wrap encrypts a new secret by AES-256-GCM with a key that serves this one exchange, so that the nonce is constant.
func wrap(with *Secret, name KeyName, secret *Secret) []byte {
	gcm := newGCM(with)
	return gcm.Seal(nil, make([]byte, gcm.NonceSize()), secret[:], name)
}

func unwrap(with *Secret, name KeyName, wrapped []byte) (Secret, error) {
	gcm := newGCM(with)
	secret, err := gcm.Open(nil, make([]byte, gcm.NonceSize()), wrapped, name)
	if err != nil || len(secret) != SecretSize {
		return Secret{}, fmt.Errorf("a new administrative key does not open: %w", ErrBadData)
	}
	return Secret(secret), nil
}

func newGCM(key *Secret) cipher.AEAD {
	gcm, err := cipher.NewGCM(newAES(key))
	if err != nil {
		panic(err) // AES has blocks of 128 bits
	}
	return gcm
}
