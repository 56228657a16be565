package ca

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base32"
	"fmt"
	"time"

	"shomei/pkg/civil"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Municipality is where a certificate is issued, in romaji, as subject and CRL distribution point name it.
type Municipality struct {
	Prefecture string // "Chiba-ken"
	City       string // "Togane-shi"; with the ward in a designated city: "Sapporo-shi-Chuo-ku"
}

// Input is the content of a certificate.
type Input struct {
	Generation *Generation // the authority's generation that will sign; it decides the kind
	Serial     uint64      // of NewSerial
	NotBefore  time.Time   // the instant of issue; cut to the second (law.md 3.5)
	LastDay    civil.Date  // notAfter is 23:59:59 of this day in Japan (law.md 3.5)
	PublicKey  *rsa.PublicKey
	Office     Municipality
	// Counter is the counter id: five digits of the local government code without check digit, then four upper-case
	// letters or digits ("122130A01").
	Counter string
	// Sequence tells apart the signature certificates of one counter and one second, 0 to 999.
	Sequence int
	// Holder stands in signature certificates (sign, juki) and must be nil for authentication.
	Holder *Holder
	// Phone: the certificate is for a smartphone; only its policy differs.
	Phone bool

	// addressless: the certificate names no address of lists and of the authority's certificate. A log may hold an
	// authorisation of such bytes that is yet to be signed.
	addressless bool
}

// BuildTBS makes the complete to-be-signed bytes of a certificate (DER of TBSCertificate, RFC 5280 section 4.1) in
// the structure of profile.md 2. The same input gives the same bytes. Errors wrap [ErrProfile], [ErrKey]
// or [ErrOutsideAuthority] and never repeat personal data.
func BuildTBS(in Input) ([]byte, error) {
	if in.Generation == nil {
		return nil, fmt.Errorf("building a certificate: %w", ErrNoGeneration)
	}
	der, err := in.build()
	if err != nil {
		return nil, fmt.Errorf("building a certificate of kind %s: %w", in.Generation.Kind, err)
	}
	return der, nil
}

func (in *Input) build() ([]byte, error) {
	if !in.Generation.Kind.carriesHolder() {
		if in.Holder != nil {
			return nil, fmt.Errorf("%w: an authentication certificate holds no personal data", ErrProfile)
		}
		return in.encode(altValues{})
	}
	holder, err := in.Holder.values()
	if err != nil {
		return nil, err
	}
	return in.encode(holder)
}

// encode checks the input except its holder, who is given as certificate values, and encodes it.
func (in *Input) encode(holder altValues) ([]byte, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	spki, keyID, err := encodeKey(in.PublicKey)
	if err != nil {
		return nil, err
	}
	return encodeTBS(tbs{
		serial: in.Serial, issuer: in.Generation.cert.RawSubject, subject: in.subject(spki),
		notBefore: in.NotBefore, notAfter: in.LastDay.EndInstant(), spki: spki, extensions: in.extensions(keyID, holder),
	})
}

func (in *Input) check() error {
	g := in.Generation
	switch {
	case in.Serial == 0 || in.Serial == g.Serial:
		return fmt.Errorf("%w: serial %d is never a subscriber's", ErrProfile, in.Serial)
	case !validCounter(in.Counter):
		return fmt.Errorf("%w: counter id %q is not five digits and four of A-Z, 0-9", ErrProfile, in.Counter)
	case in.Sequence < 0 || in.Sequence > 999:
		return fmt.Errorf("%w: sequence %d is not from 0 to 999: issue in the next second", ErrProfile, in.Sequence)
	case !romaji(in.Office.Prefecture) || !romaji(in.Office.City):
		return fmt.Errorf("%w: office %q, %q must be romaji", ErrProfile, in.Office.Prefecture, in.Office.City)
	case !in.LastDay.Valid():
		return fmt.Errorf("%w: no last day", ErrProfile)
	case g.Kind == Juki && in.Office.Prefecture != g.Prefecture.Romaji:
		return fmt.Errorf("%w: an office in %s gets its certificates from its own prefecture, not from %s",
			ErrProfile, in.Office.Prefecture, g)
	}
	if in.policy() == nil {
		return fmt.Errorf("%w: a smartphone has no certificate of kind %s", ErrProfile, g.Kind)
	}
	if err := CheckKey(g.Kind, in.PublicKey); err != nil {
		return err
	}
	return g.Covers(in.NotBefore, in.LastDay.EndInstant())
}

func validCounter(id string) bool {
	if len(id) != 9 {
		return false
	}
	for i, c := range []byte(id) {
		digit := c >= '0' && c <= '9'
		if !digit && (i < 5 || c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// romaji reports whether s is a valid place name: letters, hyphens, spaces and apostrophes, 1 to 64 of them.
func romaji(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && c != '-' && c != ' ' && c != '\'' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

// subject returns the distinguished name (profile.md 2). The common name of a signature certificate is the second of
// issue in Japan, the sequence in three digits and the counter id. That of an authentication certificate is 14
// characters drawn from the hash of its key, so that it reveals neither person nor hour, and the counter id.
func (in *Input) subject(spki []byte) []byte {
	if !in.Generation.Kind.carriesHolder() {
		sum := sha256.Sum256(spki)
		token := base32.StdEncoding.EncodeToString(sum[:])[:14]
		return encodeName(attribute{oidCommonName, token + in.Counter})
	}
	cn := fmt.Sprintf("%s%03d%s", in.NotBefore.In(civil.Tokyo).Format("20060102150405"), in.Sequence, in.Counter)
	return encodeName(attribute{oidLocality, in.Office.Prefecture}, attribute{oidLocality, in.Office.City},
		attribute{oidCommonName, cn})
}

// extensions returns the extensions in order (profile.md 2): the table for authentication, the line below it for
// signature. Juki certificates, whose real profile is unknown (law.md 14.3), follow the latter.
func (in *Input) extensions(keyID []byte, holder altValues) []extension {
	g := in.Generation
	issuer := directoryAltName(oidIAN, authorityNameJA(g.Kind, g.Prefecture))
	policies := certificatePolicies(in.policy())
	list, certificate := repository+g.ListFile(), repository+g.CertificateFile()
	if in.addressless {
		list, certificate = "", ""
	}
	rest := []extension{
		crlPoints(crlPointName(g.Kind, in.Office), list), access(ocspURI(g.Kind), certificate), authorityKeyID(g), subjectKeyID(keyID),
	}
	if !g.Kind.carriesHolder() {
		digitalSignature := keyUsage(7, 0x80)
		return append([]extension{digitalSignature, extKeyUsage(oidClientAuth), policies, issuer}, rest...)
	}
	digitalSignatureNonRepudiation := keyUsage(6, 0xc0)
	return append([]extension{digitalSignatureNonRepudiation, holder.extension(), issuer, policies}, rest...)
}

func (in *Input) policy() asn1.ObjectIdentifier {
	if in.Phone {
		return PhonePolicy(in.Generation.Kind)
	}
	return Policy(in.Generation.Kind)
}

// tbs holds the parts of a TBSCertificate; the names and the key are DER.
type tbs struct {
	serial                uint64
	issuer, subject, spki []byte
	notBefore, notAfter   time.Time
	extensions            []extension
}

// sha256WithRSA is the DER of that AlgorithmIdentifier, with the NULL that RFC 4055 section 5 demands.
var sha256WithRSA = []byte{0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00}

func encodeTBS(t tbs) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, 2048))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) }) // v3
		b.AddASN1Uint64(t.serial)
		b.AddBytes(sha256WithRSA)
		b.AddBytes(t.issuer)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, t.notBefore)
			addTime(b, t.notAfter)
		})
		b.AddBytes(t.subject)
		b.AddBytes(t.spki)
		addExtensions(b, t.extensions)
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding a certificate: %w", err)
	}
	return der, nil
}

// addTime writes UTCTime through 2049 and GeneralizedTime from 2050 (RFC 5280 section 4.1.2.5), to the second.
func addTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if t.Year() >= 2050 {
		b.AddASN1GeneralizedTime(t)
		return
	}
	b.AddASN1UTCTime(t)
}

// encodeKey returns the SubjectPublicKeyInfo of a key and its key id: SHA-1 of the key bits (RFC 5280 section 4.2.1.2,
// method 1). SHA-1 is a name here, not a protection.
func encodeKey(pub *rsa.PublicKey) (spki, keyID []byte, err error) {
	spki, err = x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrKey, err)
	}
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrKey, err)
	}
	sum := sha1.Sum(info.Key.Bytes)
	return spki, sum[:], nil
}

// CheckKey checks that a subscriber's key fits the kind: RSA of exactly 2048 bits, or for juki of at least 1024
// (ordinance of 2003, law.md 5.7), with exponent 65537. Errors wrap [ErrKey].
func CheckKey(kind Kind, pub *rsa.PublicKey) error {
	if pub == nil || pub.N == nil {
		return fmt.Errorf("%w: no key", ErrKey)
	}
	bits := pub.N.BitLen()
	switch {
	case kind == Juki && bits < 1024:
		return fmt.Errorf("%w: RSA of %d bits, a juki certificate needs at least 1024", ErrKey, bits)
	case kind != Juki && bits != 2048:
		return fmt.Errorf("%w: RSA of %d bits, a certificate of kind %s needs 2048", ErrKey, bits, kind)
	case pub.E != 65537:
		return fmt.Errorf("%w: public exponent %d, must be 65537", ErrKey, pub.E)
	}
	return nil
}
