package counterlink

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// ErrSealed: a sealed part does not open. It was sealed to another key, for another claim or counter, or was changed.
var ErrSealed = errors.New("sealed part does not open with this key")

// The suite of everything sealed on this wire (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
func sealKEM() hpke.KEM   { return hpke.DHKEM(ecdh.X25519()) }
func sealKDF() hpke.KDF   { return hpke.HKDFSHA256() }
func sealAEAD() hpke.AEAD { return hpke.AES256GCM() }

// NewSealKey makes a key to which others can seal. Its Bytes are secret; PublicKey().Bytes() is enrolled.
func NewSealKey() (hpke.PrivateKey, error) {
	key, err := sealKEM().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("making a seal key: %w", err)
	}
	return key, nil
}

// ParseSealKey reads the 32 secret bytes of a seal key.
func ParseSealKey(secret []byte) (hpke.PrivateKey, error) {
	key, err := sealKEM().NewPrivateKey(secret)
	if err != nil {
		return nil, fmt.Errorf("seal key of %d bytes, it has 32 (RFC 9180, X25519): %w", len(secret), err)
	}
	return key, nil
}

// ParseSealPublicKey reads the 32 public bytes of a seal key, as CounterEnrolled.seal_key holds them.
func ParseSealPublicKey(public []byte) (hpke.PublicKey, error) {
	key, err := sealKEM().NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("public seal key of %d bytes, it has 32 (RFC 9180, X25519): %w", len(public), err)
	}
	return key, nil
}

// SealPersonal seals personal data to the hub's key, bound to the claim with that id.
func SealPersonal(hub hpke.PublicKey, claimID string, personal *events.Personal) ([]byte, error) {
	plain, err := proto.Marshal(personal)
	if err != nil {
		return nil, fmt.Errorf("encoding the personal part of claim %s: %w", claimID, err)
	}
	defer clear(plain)
	sealed, err := hpke.Seal(hub, sealKDF(), sealAEAD(), personalInfo(claimID), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing the personal part of claim %s: %w", claimID, err)
	}
	return sealed, nil
}

// OpenPersonal opens the personal data of a claim with the hub's key; the result is empty if the claim has none.
func OpenPersonal(hub hpke.PrivateKey, claim *events.Claim) (*events.Personal, error) {
	personal := &events.Personal{}
	if len(claim.GetSealed()) == 0 {
		return personal, nil
	}
	plain, err := hpke.Open(hub, sealKDF(), sealAEAD(), personalInfo(claim.GetId()), claim.GetSealed())
	if err != nil {
		return nil, fmt.Errorf("personal part of claim %s: %w", claim.GetId(), ErrSealed)
	}
	defer clear(plain)
	if err := proto.Unmarshal(plain, personal); err != nil {
		return nil, fmt.Errorf("personal part of claim %s: %w", claim.GetId(), err)
	}
	return personal, nil
}

func personalInfo(claimID string) []byte { return []byte("shomei personal 1\x00" + claimID) }

func sealDownlink(counter hpke.PublicKey, d *events.Downlink) ([]byte, error) {
	plain, err := proto.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding downlink %s: %w", d.GetId(), err)
	}
	defer clear(plain)
	sealed, err := hpke.Seal(counter, sealKDF(), sealAEAD(), downlinkInfo(d.GetCounter()), plain)
	if err != nil {
		return nil, fmt.Errorf("sealing downlink %s: %w", d.GetId(), err)
	}
	return sealed, nil
}

// OpenDownlink opens what the hub sealed to a counter. Verify the signature first if it came over the wire.
func OpenDownlink(key hpke.PrivateKey, counter string, sealed []byte) (*events.Downlink, error) {
	plain, err := hpke.Open(key, sealKDF(), sealAEAD(), downlinkInfo(counter), sealed)
	if err != nil {
		return nil, fmt.Errorf("downlink to counter %s: %w", counter, ErrSealed)
	}
	defer clear(plain)
	d := &events.Downlink{}
	if err := proto.Unmarshal(plain, d); err != nil {
		return nil, fmt.Errorf("downlink to counter %s: %w", counter, err)
	}
	return d, nil
}

func downlinkInfo(counter string) []byte { return []byte("shomei downlink 1\x00" + counter) }

// derivedKey is a key pair derived from its seed once. nkeys derives it again for each signature, which doubles the
// cost.
type derivedKey struct {
	nkeys.KeyPair
	private ed25519.PrivateKey
	public  string
}

// ParseSigningKey reads the seed of a key that signs often.
func ParseSigningKey(seed []byte) (nkeys.KeyPair, error) {
	key, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, err
	}
	return derive(key)
}

func derive(key nkeys.KeyPair) (nkeys.KeyPair, error) {
	public, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("reading the writer's public key: %w", err)
	}
	seed, err := key.Seed()
	if err != nil {
		return nil, fmt.Errorf("reading the writer's seed: %w", err)
	}
	_, raw, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("decoding the writer's seed: %w", err)
	}
	return derivedKey{key, ed25519.NewKeyFromSeed(raw), public}, nil
}

// PublicKey returns the encoded public key.
func (k derivedKey) PublicKey() (string, error) { return k.public, nil }

// Sign returns the Ed25519 signature over the input.
func (k derivedKey) Sign(input []byte) ([]byte, error) { return ed25519.Sign(k.private, input), nil }

// SealWaiting seals what waits for a second officer to the key of the claim that asked for it at the console.
func SealWaiting(to hpke.PublicKey, claimID string, w Waiting) ([]byte, error) {
	plain, err := proto.Marshal(&events.ApprovalAnswer{Open: w.Open, Claim: w.Claim, Personal: w.Personal})
	if err != nil {
		return nil, fmt.Errorf("encoding what waits for claim %s: %w", claimID, err)
	}
	defer clear(plain)
	return hpke.Seal(to, sealKDF(), sealAEAD(), waitingInfo(claimID), plain)
}

// OpenWaiting is the inverse of SealWaiting.
func OpenWaiting(key hpke.PrivateKey, claimID string, sealed []byte) (Waiting, error) {
	plain, err := hpke.Open(key, sealKDF(), sealAEAD(), waitingInfo(claimID), sealed)
	if err != nil {
		return Waiting{}, fmt.Errorf("what waits for claim %s: %w", claimID, ErrSealed)
	}
	defer clear(plain)
	a := &events.ApprovalAnswer{}
	if err := proto.Unmarshal(plain, a); err != nil {
		return Waiting{}, fmt.Errorf("what waits for claim %s: %w", claimID, err)
	}
	return Waiting{Open: a.GetOpen(), Claim: a.GetClaim(), Personal: a.GetPersonal()}, nil
}

func waitingInfo(claimID string) []byte { return []byte("shomei waiting 1\x00" + claimID) }
