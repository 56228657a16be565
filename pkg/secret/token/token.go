//go:build cgo

package token

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"filippo.io/age"
	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"shomei/pkg/secret"
)

// bits is the size of a key that Make makes.
const bits = 3072

// key is an RSA key inside a token. It wraps a file's key by OAEP with SHA-1, which every token knows: OAEP needs no more
// of its hash than SHA-1 has.
type key struct {
	Config
	public *rsa.PublicKey
}

// Open finds the key inside the token.
func Open(c Config) (secret.Unlock, error) {
	k := &key{Config: c}
	err := k.use(func(pair crypto11.SignerDecrypter) error {
		public, ok := pair.Public().(*rsa.PublicKey)
		if !ok {
			return fmt.Errorf("the key %q in token %q is no RSA key", c.Key, c.Token)
		}
		k.public = public
		return nil
	})
	return secret.Unlock{Identity: k, Recipient: k}, err
}

// Make makes the key inside the token unless it is there. It reports whether it made it.
func Make(c Config) (made bool, err error) {
	err = c.in(func(token *crypto11.Context) error {
		if found, err := token.FindKeyPairs(nil, []byte(c.Key)); err != nil || len(found) > 0 {
			return err
		}
		id := make([]byte, 16)
		rand.Read(id)
		_, err := token.GenerateRSAKeyPairWithLabel(id, []byte(c.Key), bits)
		made = err == nil
		return err
	})
	return made, err
}

// in calls do with an open token.
func (c Config) in(do func(*crypto11.Context) error) (err error) {
	token, err := crypto11.Configure(&crypto11.Config{Path: c.Module, TokenLabel: c.Token, Pin: c.PIN})
	if err != nil {
		return c.explain(err)
	}
	defer func() { err = errors.Join(err, token.Close()) }()
	return c.explain(do(token))
}

// use calls do with the key.
func (c Config) use(do func(crypto11.SignerDecrypter) error) error {
	return c.in(func(token *crypto11.Context) error {
		pairs, err := token.FindKeyPairs(nil, []byte(c.Key))
		if err != nil {
			return err
		}
		if len(pairs) == 1 {
			if able, ok := pairs[0].(crypto11.SignerDecrypter); ok {
				return do(able)
			}
		}
		return fmt.Errorf("%d keys are named %q, and one RSA key is wanted: %w", len(pairs), c.Key, secret.ErrWrong)
	})
}

// explain says what a token's error means.
func (c Config) explain(err error) error {
	var code pkcs11.Error
	if errors.As(err, &code) && (code == pkcs11.CKR_PIN_INCORRECT || code == pkcs11.CKR_PIN_LEN_RANGE || code == pkcs11.CKR_PIN_LOCKED) {
		return fmt.Errorf("token %q does not take the PIN (%w): %w", c.Token, err, secret.ErrWrong)
	}
	if err != nil {
		return fmt.Errorf("PKCS#11 token %q: %w", c.Token, err)
	}
	return nil
}

// name tells this key from others in the header of a file.
func (k *key) name() string {
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(k.public))
	return base64.RawStdEncoding.EncodeToString(sum[:8])
}

// Wrap implements age.Recipient.
func (k *key) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	body, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, k.public, fileKey, nil)
	return []*age.Stanza{{Type: secret.TokenStanza, Args: []string{k.name()}, Body: body}}, err
}

// Unwrap implements age.Identity.
func (k *key) Unwrap(stanzas []*age.Stanza) (fileKey []byte, err error) {
	for _, s := range stanzas {
		if s.Type != secret.TokenStanza || len(s.Args) != 1 || s.Args[0] != k.name() {
			continue
		}
		err := k.use(func(pair crypto11.SignerDecrypter) (err error) {
			fileKey, err = pair.Decrypt(nil, s.Body, &rsa.OAEPOptions{Hash: crypto.SHA1})
			return err
		})
		return fileKey, err
	}
	return nil, fmt.Errorf("it was sealed by another key than %q of token %q: %w", k.Key, k.Token, age.ErrIncorrectIdentity)
}
