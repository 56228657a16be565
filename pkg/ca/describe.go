package ca

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"shomei/pkg/civil"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Origin is whose profile a certificate follows.
type Origin string

// The origins that [Describe] tells apart, by policy identifier.
const (
	Shomei           Origin = "shomei"
	ShomeiSmartphone Origin = "shomei-smartphone"
	JPKI             Origin = "jpki"
	JPKISmartphone   Origin = "jpki-smartphone"
	JPKITest         Origin = "jpki-test"
	Foreign          Origin = "" // none of them
)

type policyMeaning struct {
	origin Origin
	kind   Kind
}

// Description is the displayable content of a certificate, ours or one of the real JPKI.
type Description struct {
	Origin              Origin
	Kind                Kind // empty when Origin is Foreign
	Serial              *big.Int
	Subject, Issuer     string // RFC 2253 order
	NotBefore, NotAfter time.Time
	LastDay             civil.Date // of notAfter, in Japan
	KeyID, IssuerKeyID  []byte
	OCSP                []string
	Holder              *Described // nil if the certificate names no holder. Personal data.
	Certificate         *x509.Certificate
}

// Described is the holder as named in a signature certificate (profile.md 3). Flags have one digit for each character,
// '1' for a substitute: compare such text with the register only where the flag is '0'.
type Described struct {
	Name, NameFlags       string
	BirthDate             civil.PartialDate // unknown parts, and invalid dates, are zero
	BirthDigits           string            // as written, nine digits
	Sex                   Sex
	Address, AddressFlags string
}

// Describe reads a certificate (DER) for display. A certificate of neither profile is described as far as X.509 goes;
// only bytes that are not a certificate, or an unreadable holder's name, are an error. No signature is checked.
func Describe(der []byte) (*Description, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("describing a certificate: %w", err)
	}
	d := &Description{
		Serial: cert.SerialNumber, Subject: cert.Subject.String(), Issuer: cert.Issuer.String(),
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, LastDay: civil.Of(cert.NotAfter),
		KeyID: cert.SubjectKeyId, IssuerKeyID: cert.AuthorityKeyId, OCSP: cert.OCSPServer, Certificate: cert,
	}
	for _, policy := range cert.Policies {
		if m, ok := meaning(policy); ok {
			d.Origin, d.Kind = m.origin, m.kind
		}
	}
	if d.Holder, err = readHolder(cert); err != nil {
		return nil, fmt.Errorf("describing certificate %v: %w", cert.SerialNumber, err)
	}
	return d, nil
}

func meaning(policy x509.OID) (policyMeaning, bool) {
	for _, k := range []Kind{Sign, Auth, Juki} {
		if policy.EqualASN1OID(Policy(k)) {
			return policyMeaning{Shomei, k}, true
		}
		if phone := PhonePolicy(k); phone != nil && policy.EqualASN1OID(phone) {
			return policyMeaning{ShomeiSmartphone, k}, true
		}
	}
	m, ok := jpkiPolicies[policy.String()]
	return m, ok
}

// readHolder reads the otherName values of both arcs; nil if there are none.
func readHolder(cert *x509.Certificate) (*Described, error) {
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidSAN) {
			return readAltName(e.Value)
		}
	}
	return nil, nil
}

func readAltName(value []byte) (*Described, error) {
	in := cryptobyte.String(value)
	var names cryptobyte.String
	if !in.ReadASN1(&names, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, fmt.Errorf("%w: subjectAltName is not a sequence", ErrProfile)
	}
	var found *Described
	for !names.Empty() {
		var content cryptobyte.String
		var tag cbasn1.Tag
		if !names.ReadAnyASN1(&content, &tag) {
			return nil, fmt.Errorf("%w: subjectAltName can't be read", ErrProfile)
		}
		if tag != cbasn1.Tag(0).Constructed().ContextSpecific() {
			continue // another form of name
		}
		item, text, err := readOtherName(content)
		if err != nil {
			return nil, err
		}
		if item < 0 {
			continue
		}
		if found == nil {
			found = &Described{}
		}
		found.set(item, text)
	}
	return found, nil
}

// readOtherName returns the position of an otherName in sanOIDs and its text, or -1 if it is neither's.
func readOtherName(content cryptobyte.String) (item int, text string, err error) {
	var oid asn1.ObjectIdentifier
	var wrapped, value cryptobyte.String
	var tag cbasn1.Tag
	if !content.ReadASN1ObjectIdentifier(&oid) {
		return -1, "", nil // components beyond 31 bits: not ours and not JPKI's
	}
	for i := range ourSAN {
		if !oid.Equal(ourSAN[i]) && !oid.Equal(jpkiSAN[i]) {
			continue
		}
		if !content.ReadASN1(&wrapped, cbasn1.Tag(0).Constructed().ContextSpecific()) || !wrapped.ReadAnyASN1(&value, &tag) ||
			tag != cbasn1.UTF8String && tag != cbasn1.PrintableString {
			return -1, "", fmt.Errorf("%w: otherName %v holds no text", ErrProfile, oid)
		}
		return i, string(value), nil
	}
	return -1, "", nil
}

func (d *Described) set(item int, text string) {
	switch item {
	case 0:
		d.Name = text
	case 1:
		d.BirthDigits, d.BirthDate = text, decodeBirth(text)
	case 2:
		d.Sex = decodeSex(text)
	case 3:
		d.Address = text
	case 4:
		d.NameFlags = text
	case 5:
		d.AddressFlags = text
	}
}

// values is the reverse of set.
func (d *Described) values() altValues {
	return altValues{d.Name, d.BirthDigits, strconv.Itoa(int(d.Sex)), d.Address, d.NameFlags, d.AddressFlags}
}

// decodeBirth reads nine digits. It returns the zero date if they are malformed or not a calendar date: real ones
// aren't always (profile.md 3).
func decodeBirth(digits string) civil.PartialDate {
	if len(digits) != 9 {
		return civil.PartialDate{}
	}
	p, err := civil.ParsePartial(digits[1:5] + "-" + digits[5:7] + "-" + digits[7:9])
	if err != nil {
		return civil.PartialDate{}
	}
	return p
}

func decodeSex(digit string) Sex {
	n, err := strconv.Atoi(digit)
	if err != nil || n < int(Male) || n > int(SexUnknown) {
		return SexUnknown
	}
	return Sex(n)
}
