package events

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// ErrProof: an application from a smartphone is not signed by the right key.
var ErrProof = errors.New("the application is not signed with the card's signature certificate")

const phoneContext = "shomei phone 1\x00"

// PhoneDigest returns what the card's signature key signs of an encoded PhoneApplication: SHA-256, for
// RSASSA-PKCS1-v1_5.
func PhoneDigest(application []byte) []byte {
	sum := sha256.Sum256(append([]byte(phoneContext), application...))
	return sum[:]
}

// SignPhone encodes an application and signs it with the card's signature key; a nil sign leaves it without a proof, as
// at a counter, where a clerk sees the applicant.
func SignPhone(a *PhoneApplication, sign func(digest []byte) ([]byte, error)) (*PhoneApplicationReceived, error) {
	encoded, err := Encode(a)
	if err != nil {
		return nil, err
	}
	received := &PhoneApplicationReceived{Application: encoded}
	if sign == nil {
		return received, nil
	}
	if received.Proof, err = sign(PhoneDigest(encoded)); err != nil {
		return nil, fmt.Errorf("signing an application from a smartphone: %w", err)
	}
	return received, nil
}

// ParsePhone decodes an application about a smartphone without judging its proof. The error wraps ErrMalformed.
func ParsePhone(r *PhoneApplicationReceived) (*PhoneApplication, error) {
	a := &PhoneApplication{}
	if err := proto.Unmarshal(r.GetApplication(), a); err != nil {
		return nil, fmt.Errorf("application about a smartphone of %d bytes: %w: %w", len(r.GetApplication()), err, ErrMalformed)
	}
	return a, nil
}

// VerifyPhone checks the proof by the card's signature certificate (DER). The error wraps ErrProof.
func VerifyPhone(r *PhoneApplicationReceived, certificate []byte) error {
	signer, err := x509.ParseCertificate(certificate)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	key, ok := signer.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: its key is not RSA", ErrProof)
	}
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, PhoneDigest(r.GetApplication()), r.GetProof()); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}
