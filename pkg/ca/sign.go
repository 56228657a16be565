package ca

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SignTBS signs to-be-signed bytes and gives the certificate as DER. The bytes come out of a log and are not
// believed: they are parsed and compared with the generation's name, key id, validity and kind, with the profile's
// extensions and with the rule against false colours, before the key is used. The finished signature is verified,
// because a faulty RSA signature can give the private key away. Signing the same bytes again gives the same
// certificate.
func SignTBS(g *Generation, signer crypto.Signer, tbs []byte) ([]byte, error) {
	if g == nil || signer == nil {
		return nil, fmt.Errorf("signing a certificate: %w: generation and signer are both needed", ErrNoGeneration)
	}
	if !g.PublicKey().Equal(signer.Public()) {
		return nil, fmt.Errorf("signing a certificate: %w: the signer does not hold the key of authority %s", ErrKey, g)
	}
	if _, err := CheckTBS(g, tbs); err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	return seal(signer, g.PublicKey(), tbs)
}

// seal signs tbs and verifies the signature.
func seal(signer crypto.Signer, pub *rsa.PublicKey, tbs []byte) ([]byte, error) {
	digest := sha256.Sum256(tbs)
	signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing with the authority's key: %w", err)
	}
	if err := rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], signature); err != nil {
		return nil, fmt.Errorf("checking a signature just made, take the signing device out of service: %w", err)
	}
	return assemble(tbs, signature)
}

// assemble joins to-be-signed bytes and signature into Certificate or CertificateList.
func assemble(tbs, signature []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+300))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(sha256WithRSA)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// CheckTBS parses to-be-signed bytes of a subscriber's certificate and checks all that [SignTBS] demands. The parsed
// certificate has no valid signature. Errors wrap [ErrProfile], [ErrKey], [ErrOutsideAuthority] or [ErrFalseColours].
func CheckTBS(g *Generation, tbs []byte) (*x509.Certificate, error) {
	unsigned, err := assemble(tbs, []byte{0})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrProfile, err)
	}
	cert, err := x509.ParseCertificate(unsigned)
	if err != nil {
		return nil, fmt.Errorf("%w: the bytes to be signed are no certificate: %v", ErrProfile, err)
	}
	return cert, errors.Join(checkIssuer(g, cert), checkContent(g, cert), checkColours(tbs))
}

func checkIssuer(g *Generation, cert *x509.Certificate) error {
	switch {
	case !bytes.Equal(cert.RawIssuer, g.cert.RawSubject):
		return fmt.Errorf("%w: the issuer is not authority %s", ErrProfile, g)
	case !bytes.Equal(cert.AuthorityKeyId, g.KeyID):
		return fmt.Errorf("%w: authority key id %x is not that of %s", ErrProfile, cert.AuthorityKeyId, g)
	case !cert.SerialNumber.IsUint64() || cert.SerialNumber.Uint64() == 0 || cert.SerialNumber.Uint64() == g.Serial:
		return fmt.Errorf("%w: serial %v is never a subscriber's", ErrProfile, cert.SerialNumber)
	}
	return g.Covers(cert.NotBefore, cert.NotAfter)
}

func checkContent(g *Generation, cert *x509.Certificate) error {
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: a key of algorithm %v", ErrKey, cert.PublicKeyAlgorithm)
	}
	if err := CheckKey(g.Kind, pub); err != nil {
		return err
	}
	_, keyID, err := encodeKey(pub)
	if err != nil {
		return err
	}
	switch {
	case !bytes.Equal(cert.SubjectKeyId, keyID):
		return fmt.Errorf("%w: subject key id %x is not the hash of the key", ErrProfile, cert.SubjectKeyId)
	case cert.IsCA || cert.BasicConstraintsValid:
		return fmt.Errorf("%w: a subscriber's certificate has no basic constraints", ErrProfile)
	case cert.KeyUsage != usageOf(g.Kind):
		return fmt.Errorf("%w: key usage %#b", ErrProfile, cert.KeyUsage)
	case len(cert.Policies) != 1 || !cert.Policies[0].EqualASN1OID(Policy(g.Kind)):
		return fmt.Errorf("%w: certificate policies %v are not those of kind %s", ErrProfile, cert.Policies, g.Kind)
	}
	return checkOrder(g.Kind, cert)
}

func usageOf(k Kind) x509.KeyUsage {
	if k.carriesHolder() {
		return x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	}
	return x509.KeyUsageDigitalSignature
}

var (
	orderSign = []asn1.ObjectIdentifier{oidKeyUsage, oidSAN, oidIAN, oidPolicies, oidCRLPoints, oidAIA, oidAKI, oidSKI}
	orderAuth = []asn1.ObjectIdentifier{oidKeyUsage, oidExtKeyUsage, oidPolicies, oidIAN, oidCRLPoints, oidAIA, oidAKI, oidSKI}
)

// checkOrder compares the extensions with those of the profile, none missing, none added, only keyUsage and
// certificatePolicies critical.
func checkOrder(kind Kind, cert *x509.Certificate) error {
	want := orderAuth
	if kind.carriesHolder() {
		want = orderSign
	}
	if len(cert.Extensions) != len(want) {
		return fmt.Errorf("%w: %d extensions, kind %s has %d", ErrProfile, len(cert.Extensions), kind, len(want))
	}
	for i, e := range cert.Extensions {
		critical := want[i].Equal(oidKeyUsage) || want[i].Equal(oidPolicies)
		if !e.Id.Equal(want[i]) || e.Critical != critical {
			return fmt.Errorf("%w: extension %d is %v (critical %v), should be %v (critical %v)", ErrProfile, i+1, e.Id, e.Critical, want[i], critical)
		}
	}
	return nil
}

// realMarks are byte strings of the real JPKI: DER of the arc 1.2.392.200149, of O=JPKI as UTF8String and as
// PrintableString, and the host in any letter case a verifier would accept.
var realMarks = [][]byte{
	{0x2a, 0x83, 0x08, 0x8c, 0x9b, 0x55},
	append([]byte{0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 4}, "JPKI"...),
	append([]byte{0x06, 0x03, 0x55, 0x04, 0x0a, 0x13, 4}, "JPKI"...),
	[]byte("jpki.go.jp"),
}

// checkColours refuses bytes that hold one of realMarks.
func checkColours(der []byte) error {
	lower := bytes.ToLower(der)
	for _, mark := range realMarks {
		if bytes.Contains(der, mark) || bytes.Contains(lower, mark) {
			return fmt.Errorf("%w: %q", ErrFalseColours, mark)
		}
	}
	return nil
}
