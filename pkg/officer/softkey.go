package officer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"shomei/events"
)

// SoftKey is a passkey that a program holds, for demonstrations and simulations: it signs without a touch, so nobody believes it
// elsewhere (Passkey.Software).
type SoftKey struct {
	credential []byte
	key        *ecdsa.PrivateKey
	// site is the relying party that it belongs to; empty: counters.
	site string
}

// NewSoftKeyAt makes a passkey of a site that is served by TLS.
func NewSoftKeyAt(relyingParty string) *SoftKey {
	k := NewSoftKey()
	k.site = relyingParty
	return k
}

// origin returns the relying party, and an origin of it.
func (k *SoftKey) origin() (relyingParty, origin string) {
	if k.site == "" {
		return Counters, "http://" + Counters
	}
	return k.site, "https://" + k.site
}

// NewSoftKey makes a passkey.
func NewSoftKey() *SoftKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system's source of randomness does not fail
	}
	id := make([]byte, 16)
	rand.Read(id)
	return &SoftKey{credential: id, key: key}
}

// ParseSoftKey is the inverse of Bytes.
func ParseSoftKey(stored []byte) (*SoftKey, error) {
	if len(stored) < 17 {
		return nil, fmt.Errorf("a key in software has %d bytes", len(stored))
	}
	parsed, err := x509.ParsePKCS8PrivateKey(stored[16:])
	if err != nil {
		return nil, fmt.Errorf("reading a key in software: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key in software is a %T", parsed)
	}
	return &SoftKey{credential: slices.Clone(stored[:16]), key: key}, nil
}

// Bytes returns the key, secret, to be stored.
func (k *SoftKey) Bytes() []byte {
	encoded, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		panic(err) // a key of a known curve
	}
	return slices.Concat(k.credential, encoded)
}

// Passkey returns the public part.
func (k *SoftKey) Passkey() Passkey {
	point, err := k.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // a key of a known curve
	}
	half := (len(point) - 1) / 2
	cose, err := webauthncbor.Marshal(webauthncose.EC2PublicKeyData{
		PublicKeyData: webauthncose.PublicKeyData{KeyType: int64(webauthncose.EllipticKey), Algorithm: int64(webauthncose.AlgES256)},
		Curve:         int64(webauthncose.P256), XCoord: point[1 : 1+half], YCoord: point[1+half:],
	})
	if err != nil {
		panic(err) // the values above
	}
	relyingParty, _ := k.origin()
	return Passkey{Credential: k.credential, PublicKey: cose, RelyingParty: relyingParty, Software: true}
}

// Respond signs a challenge and returns what a browser would send: the assertion's JSON as navigator.credentials.get gives it.
func (k *SoftKey) Respond(challenge []byte) ([]byte, error) {
	a, err := k.Sign(challenge)
	if err != nil {
		return nil, err
	}
	text := base64.RawURLEncoding.EncodeToString
	return json.Marshal(map[string]any{
		"id": text(a.Credential), "rawId": text(a.Credential), "type": "public-key", "response": map[string]string{
			"authenticatorData": text(a.AuthenticatorData), "clientDataJSON": text(a.ClientData), "signature": text(a.Signature),
		},
	})
}

// Sign signs a challenge as an authenticator does that has verified its user.
func (k *SoftKey) Sign(challenge []byte) (*events.Assertion, error) {
	relyingParty, origin := k.origin()
	said, err := json.Marshal(map[string]any{
		"type": "webauthn.get", "challenge": base64.RawURLEncoding.EncodeToString(challenge), "origin": origin, "crossOrigin": false,
	})
	if err != nil {
		return nil, err
	}
	const presentAndVerified = 0x01 | 0x04
	party, hash := sha256.Sum256([]byte(relyingParty)), sha256.Sum256(said)
	data := append(party[:], presentAndVerified, 0, 0, 0, 0)
	digest := sha256.Sum256(slices.Concat(data, hash[:]))
	signature, err := ecdsa.SignASN1(rand.Reader, k.key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("signing with a key in software: %w", err)
	}
	return &events.Assertion{Credential: k.credential, AuthenticatorData: data, ClientData: said, Signature: signature}, nil
}
