package ca

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shomei/pkg/civil"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SignTBS checks to-be-signed bytes as [CheckTBS] does, signs them and returns the certificate as DER.
func SignTBS(g *Generation, signer crypto.Signer, tbs []byte) ([]byte, error) {
	if g == nil || signer == nil {
		return nil, fmt.Errorf("signing a certificate: %w: generation and signer are both needed", ErrNoGeneration)
	}
	checked, err := CheckTBS(g, tbs)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	return checked.Sign(signer)
}

// Checked is a certificate that is still unsigned, from to-be-signed bytes that have passed [CheckTBS].
type Checked struct {
	*x509.Certificate
	generation *Generation
	tbs        []byte
}

// Sign signs the bytes and returns the certificate as DER. The signature is verified, because a faulty RSA signature can
// reveal the private key. Signing the same bytes again gives the same certificate.
func (c *Checked) Sign(signer crypto.Signer) ([]byte, error) {
	key := c.generation.PublicKey()
	if !key.Equal(signer.Public()) {
		return nil, fmt.Errorf("signing a certificate: %w: the signer does not hold the key of authority %s", ErrKey, c.generation)
	}
	return seal(signer, key, c.tbs)
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

// assemble joins to-be-signed bytes and signature into a Certificate or CertificateList.
func assemble(tbs, signature []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+300))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(sha256WithRSA)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// CheckTBS checks to-be-signed bytes, which come from a log and are not trusted: the issuer's name and key id, validity
// within the authority's, the key, the rule against false colours; then it rebuilds the bytes from their content and
// compares, so that only the exact profile passes. Errors wrap [ErrProfile], [ErrKey], [ErrOutsideAuthority] or
// [ErrFalseColours].
func CheckTBS(g *Generation, tbs []byte) (*Checked, error) {
	if err := checkColours(tbs); err != nil {
		return nil, err
	}
	unsigned, err := assemble(tbs, []byte{0})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrProfile, err)
	}
	cert, err := x509.ParseCertificate(unsigned)
	if err != nil {
		return nil, fmt.Errorf("%w: the bytes to be signed are not a certificate: %v", ErrProfile, err)
	}
	switch {
	case !bytes.Equal(cert.RawIssuer, g.cert.RawSubject):
		return nil, fmt.Errorf("%w: the issuer is not authority %s", ErrProfile, g)
	case !bytes.Equal(cert.AuthorityKeyId, g.KeyID):
		return nil, fmt.Errorf("%w: authority key id %x is not that of %s", ErrProfile, cert.AuthorityKeyId, g)
	}
	again, err := rebuild(g, cert)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, tbs) {
		return nil, fmt.Errorf("%w: the bytes to be signed are not what kind %s makes of their content", ErrProfile, g.Kind)
	}
	return &Checked{cert, g, again}, nil
}

// OnPhone reports whether a certificate made here is for a smartphone, by its policy.
func OnPhone(cert *x509.Certificate) bool {
	for _, policy := range cert.Policies {
		if m, ok := meaning(policy); ok && m.origin == ShomeiSmartphone {
			return true
		}
	}
	return false
}

// rebuild makes to-be-signed bytes from the content of a certificate.
func rebuild(g *Generation, cert *x509.Certificate) ([]byte, error) {
	pub, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: a key of algorithm %v", ErrKey, cert.PublicKeyAlgorithm)
	}
	if !cert.SerialNumber.IsUint64() {
		return nil, fmt.Errorf("%w: serial %v is over 64 bits", ErrProfile, cert.SerialNumber)
	}
	in := Input{
		Generation: g, Serial: cert.SerialNumber.Uint64(), NotBefore: cert.NotBefore, LastDay: civil.Of(cert.NotAfter), PublicKey: pub,
		Phone: OnPhone(cert), addressless: len(cert.CRLDistributionPoints) == 0,
	}
	if err := g.Covers(cert.NotBefore, cert.NotAfter); err != nil {
		return nil, err
	}
	var err error
	if in.Office, err = readOffice(cert); err != nil {
		return nil, err
	}
	name := cert.Subject.CommonName
	if len(name) < 23 {
		return nil, fmt.Errorf("%w: a common name of %d characters", ErrProfile, len(name))
	}
	in.Counter = name[len(name)-9:]
	if !g.Kind.carriesHolder() {
		return in.encode(altValues{})
	}
	if in.Sequence, err = strconv.Atoi(name[14 : len(name)-9]); err != nil {
		return nil, fmt.Errorf("%w: a common name without a sequence", ErrProfile)
	}
	holder, err := readHolder(cert)
	if err != nil {
		return nil, err
	}
	if holder == nil {
		return nil, fmt.Errorf("%w: a signature certificate names its holder", ErrProfile)
	}
	values := holder.values()
	if err := values.check(); err != nil {
		return nil, err
	}
	return in.encode(values)
}

// readOffice reads the municipality from the distribution point's name: C, O, OU, OU, OU=prefecture, CN=city CRLDP.
func readOffice(cert *x509.Certificate) (Municipality, error) {
	none := fmt.Errorf("%w: no CRL distribution point that names a municipality", ErrProfile)
	i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidCRLPoints) })
	if i < 0 {
		return Municipality{}, none
	}
	var directoryName cryptobyte.String
	names := cryptobyte.String(cert.Extensions[i].Value)
	nested := cbasn1.Tag(0).Constructed().ContextSpecific()
	for _, tag := range []cbasn1.Tag{cbasn1.SEQUENCE, cbasn1.SEQUENCE, nested, nested} { // points, point, distributionPoint, fullName
		if !names.ReadASN1(&names, tag) {
			return Municipality{}, none
		}
	}
	if !names.SkipOptionalASN1(cbasn1.Tag(6).ContextSpecific()) || !names.ReadASN1(&directoryName, cbasn1.Tag(4).Constructed().ContextSpecific()) {
		return Municipality{}, none
	}
	var sequence pkix.RDNSequence
	if _, err := asn1.Unmarshal(directoryName, &sequence); err != nil {
		return Municipality{}, fmt.Errorf("%w: the name of the CRL distribution point: %v", ErrProfile, err)
	}
	var name pkix.Name
	name.FillFromRDNSequence(&sequence)
	city, ok := strings.CutSuffix(name.CommonName, pointSuffix)
	if !ok || len(name.OrganizationalUnit) != 3 {
		return Municipality{}, none
	}
	return Municipality{Prefecture: name.OrganizationalUnit[2], City: city}, nil
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
