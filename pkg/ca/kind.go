// Package ca knows how certificates of this system look and how they are made: certificate profiles, the
// generations of each authority, serial numbers, revocation lists, and reading certificates back.
//
// Everything here is pure: time, serial numbers and keys come in as arguments, a key as a [crypto.Signer] (package
// keyfile has one). The complete to-be-signed bytes exist before a key is used ([BuildTBS]); signing the same bytes again gives the
// same certificate ([SignTBS]), because RSASSA-PKCS1-v1_5 draws no random numbers (RFC 8017 section 8.2).
//
// No certificate made here can pass for one of the real JPKI: names, hosts and object identifiers are our own,
// and [SignTBS] refuses bytes that hold the real ones. The real ones are known to [Describe] alone.
package ca

import (
	"encoding/asn1"
	"errors"
	"fmt"
)

// Errors that callers distinguish.
var (
	// ErrNoGeneration: no generation of that authority may sign at that instant, or none has that key id.
	ErrNoGeneration = errors.New("no authority generation")
	// ErrOutsideAuthority: a certificate would begin before its authority or outlive it (profile.md 1).
	ErrOutsideAuthority = errors.New("outside the authority's own validity")
	// ErrKey: a public key does not have the size, kind or exponent of the profile.
	ErrKey = errors.New("unsuitable key")
	// ErrRequest: a certificate request can't be read or does not prove possession of its key.
	ErrRequest = errors.New("bad certificate request")
	// ErrProfile: the content of a certificate does not fit its profile.
	ErrProfile = errors.New("does not fit the profile")
	// ErrFalseColours: bytes to be signed hold a name, host or identifier of the real JPKI.
	ErrFalseColours = errors.New("holds a name of the real JPKI")
)

// Kind is the purpose of a certificate and of the authority that signs it.
type Kind string

// The kinds of certificates. Sign and Auth are those of the My Number card (Act of 2013, articles 3 and 22); Juki
// is the single signature certificate of the juki card (2004-01-29 to 2015-12-22), signed by a prefecture's authority.
const (
	Sign Kind = "sign"
	Auth Kind = "auth"
	Juki Kind = "juki"
)

// Valid reports whether k is one of the kinds.
func (k Kind) Valid() bool { return k == Sign || k == Auth || k == Juki }

// carriesHolder reports whether certificates of the kind name their holder (profile.md 2: only signature certificates
// hold personal data).
func (k Kind) carriesHolder() bool { return k != Auth }

// Our arc: the example arc of ITU-T X.660 and, below it, 31 bits drawn at random once. A 2.25 arc made from a whole
// UUID would be unique by rule, but GnuTLS and zlint, two of the judges, can't read its 128-bit component.
var (
	arc        = asn1.ObjectIdentifier{2, 999, 2106450512}
	arcPolicy  = under(arc, 1)
	arcSAN     = under(arc, 2)
	policySign = under(arcPolicy, 1)
	policyAuth = under(arcPolicy, 2)
	policyJuki = under(arcPolicy, 3)
	// Certificates on smartphones have their own policies, as the real ones do (law.md 10.1; profile.md 5).
	policyPhoneSign = under(arcPolicy, 4)
	policyPhoneAuth = under(arcPolicy, 5)
	ourSAN          = sanOIDs{under(arcSAN, 1), under(arcSAN, 4), under(arcSAN, 3), under(arcSAN, 5), under(arcSAN, 2), under(arcSAN, 6)}
)

// under appends one component to an object identifier.
func under(oid asn1.ObjectIdentifier, component int) asn1.ObjectIdentifier {
	return append(append(asn1.ObjectIdentifier{}, oid...), component)
}

// Policy returns our certificate policy identifier for the kind, or nil.
func Policy(k Kind) asn1.ObjectIdentifier {
	switch k {
	case Sign:
		return policySign
	case Auth:
		return policyAuth
	case Juki:
		return policyJuki
	}
	return nil
}

// PhonePolicy returns the certificate policy identifier of the kind on a smartphone, or nil for a kind without one.
func PhonePolicy(k Kind) asn1.ObjectIdentifier {
	switch k {
	case Sign:
		return policyPhoneSign
	case Auth:
		return policyPhoneAuth
	}
	return nil
}

const (
	organisation   = "Shomei Demonstration"
	organisationJA = "証明デモンストレーション"
	operator       = "Shomei Demonstration Authority"
	operatorJA     = "証明デモ認証局"
	cpsURI         = "http://www.shomei.example/cps.html"
)

// purpose returns the organisational unit that names an authority's purpose, in English and Japanese.
func purpose(k Kind) (english, japanese string) {
	switch k {
	case Auth:
		return "Shomei for user authentication", "証明デモ利用者証明用"
	case Juki:
		return "Shomei for juki card signature", "証明デモ住基カード署名用"
	default:
		return "Shomei for digital signature", "証明デモ署名用"
	}
}

// ocspURI returns where to ask for the status of a certificate of the kind (RFC 6960).
func ocspURI(k Kind) string { return fmt.Sprintf("http://ocsp-%s.shomei.example", k) }
