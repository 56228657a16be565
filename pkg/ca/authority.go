package ca

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// BuildAuthorityTBS makes the to-be-signed bytes of an authority's own, self-signed certificate
// (profile.md 1): the public key of a new generation, valid as planned. Serial is one of [NewSerial].
// The key must be RSA-2048 with exponent 65537.
func BuildAuthorityTBS(plan Plan, serial uint64, pub *rsa.PublicKey) ([]byte, error) {
	pref, err := prefectureOf(plan.Kind, plan.Prefecture)
	if err != nil {
		return nil, fmt.Errorf("building an authority's certificate: %w", err)
	}
	if err := CheckKey(Sign, pub); err != nil {
		return nil, fmt.Errorf("building an authority's certificate: %w", err)
	}
	if serial == 0 || !plan.NotBefore.Before(plan.NotAfter) {
		return nil, fmt.Errorf("building an authority's certificate: %w: serial %d, %s to %s",
			ErrProfile, serial, stamp(plan.NotBefore), stamp(plan.NotAfter))
	}
	spki, keyID, err := encodeKey(pub)
	if err != nil {
		return nil, fmt.Errorf("building an authority's certificate: %w", err)
	}
	name := authorityName(plan.Kind, pref)
	keyCertSignCRLSign := keyUsage(1, 0x06)
	return encodeTBS(tbs{
		serial: serial, issuer: name, subject: name, spki: spki, notBefore: plan.NotBefore, notAfter: plan.NotAfter,
		extensions: []extension{
			keyCertSignCRLSign, directoryAltName(oidSAN, authorityNameJA(plan.Kind, pref)), basicConstraintsCA(),
			crlPoints(name, ""), subjectKeyID(keyID),
		},
	})
}

// SelfSign signs the bytes of [BuildAuthorityTBS] with the new generation's own key and returns the generation. The
// plan must be the one that the bytes were built from. Signing again gives the same certificate.
func SelfSign(plan Plan, signer crypto.Signer, tbs []byte) (*Generation, error) {
	pub, ok := signer.Public().(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("self-signing authority %s %02d: %w: not an RSA key", plan.Kind, plan.Number, ErrKey)
	}
	if err := checkAuthorityTBS(plan, pub, tbs); err != nil {
		return nil, fmt.Errorf("self-signing authority %s %02d: %w", plan.Kind, plan.Number, err)
	}
	der, err := seal(signer, pub, tbs)
	if err != nil {
		return nil, fmt.Errorf("self-signing authority %s %02d: %w", plan.Kind, plan.Number, err)
	}
	return ParseGeneration(plan.Kind, plan.Prefecture, plan.Number, der)
}

// checkAuthorityTBS builds the bytes again with the serial found in them and compares.
func checkAuthorityTBS(plan Plan, pub *rsa.PublicKey, tbs []byte) error {
	unsigned, err := assemble(tbs, []byte{0})
	if err != nil {
		return fmt.Errorf("%w: %v", ErrProfile, err)
	}
	cert, err := x509.ParseCertificate(unsigned)
	if err != nil {
		return fmt.Errorf("%w: the bytes to be signed are not a certificate: %v", ErrProfile, err)
	}
	again, err := BuildAuthorityTBS(plan, cert.SerialNumber.Uint64(), pub)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, tbs) {
		return fmt.Errorf("%w: the bytes to be signed are not what the plan and the signer's key make", ErrProfile)
	}
	return nil
}
