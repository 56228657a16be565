package ca

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Reason is a CRLReason (RFC 5280 section 5.3.1). The rules set it from the cause, never the clerk (law.md 8.8).
type Reason int

// The reasons used (law.md 8.8).
const (
	Unspecified          Reason = 0 // discarded before it reached the holder
	KeyCompromise        Reason = 1 // key leak, loss of card
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3 // recorded content changed: move, name
	Superseded           Reason = 4 // replaced by renewal
	CessationOfOperation Reason = 5 // holder's wish, death, card void
	CertificateHold      Reason = 6 // temporary suspension; never lifted for card certificates
)

// Revocation is one entry of a revocation list.
type Revocation struct {
	Serial    uint64
	RevokedAt time.Time // when the authority recorded it: the moment effect is lost (Act article 15)
	Reason    Reason
}

// CRLInput is the content of a full revocation list.
type CRLInput struct {
	Generation             *Generation
	Number                 uint64 // cRLNumber, growing with every list of the kind
	ThisUpdate, NextUpdate time.Time
	Entries                []Revocation // of the whole kind, in any order; each serial once
}

// CRLPeriod is how long a list is valid before the next is due: lists are issued daily (profile.md 4).
const CRLPeriod = 24 * time.Hour

// BuildCRL signs a full revocation list (RFC 5280 section 5, version 2) with cRLNumber, authorityKeyIdentifier and
// a reasonCode for each entry save unspecified, which the RFC wants left out. The same input gives the same bytes.
//
// The list holds every entry of the kind, whichever generation signed the certificate, because all generations share
// one name and one run of serials. A verifier looks for a list by the key that signed the certificate: so the same
// entries are signed once by each generation that still has certificates in force. A full list has no
// issuingDistributionPoint: that would cut its scope down (RFC 5280 section 5.2.5).
//
// Every entry stands on the list: whoever makes it knows which lists were published, and so which entries are no longer
// needed (RFC 5280 section 3.3).
func BuildCRL(signer crypto.Signer, in CRLInput) ([]byte, error) {
	g := in.Generation
	if g == nil {
		return nil, fmt.Errorf("building a revocation list: %w", ErrNoGeneration)
	}
	if !g.PublicKey().Equal(signer.Public()) {
		return nil, fmt.Errorf("building a revocation list: %w: the signer does not hold the key of authority %s", ErrKey, g)
	}
	if in.Number == 0 || !in.ThisUpdate.Before(in.NextUpdate) {
		return nil, fmt.Errorf("building a revocation list: %w: number %d, %s to %s",
			ErrProfile, in.Number, stamp(in.ThisUpdate), stamp(in.NextUpdate))
	}
	if err := g.Covers(in.ThisUpdate, in.ThisUpdate); err != nil {
		return nil, fmt.Errorf("building a revocation list: %w", err)
	}
	entries, err := in.entries()
	if err != nil {
		return nil, fmt.Errorf("building a revocation list of authority %s: %w", g, err)
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		SignatureAlgorithm: x509.SHA256WithRSA, RevokedCertificateEntries: entries,
		Number: new(big.Int).SetUint64(in.Number), ThisUpdate: in.ThisUpdate.UTC(), NextUpdate: in.NextUpdate.UTC(),
	}, g.cert, signer)
	if err != nil {
		return nil, fmt.Errorf("building a revocation list of authority %s: %w", g, err)
	}
	return der, nil
}

// entries returns the checked entries, sorted by serial.
func (in *CRLInput) entries() ([]x509.RevocationListEntry, error) {
	sorted := slices.SortedFunc(slices.Values(in.Entries), func(a, b Revocation) int { return cmp.Compare(a.Serial, b.Serial) })
	out := make([]x509.RevocationListEntry, 0, len(sorted))
	for i, e := range sorted {
		switch {
		case e.Serial == 0 || i > 0 && sorted[i-1].Serial == e.Serial:
			return nil, fmt.Errorf("%w: serial %d is zero or listed twice", ErrProfile, e.Serial)
		case e.Reason < Unspecified || e.Reason > CertificateHold:
			return nil, fmt.Errorf("%w: serial %d has reason %d, a full list takes 0 to 6", ErrProfile, e.Serial, e.Reason)
		case e.RevokedAt.After(in.ThisUpdate):
			return nil, fmt.Errorf("%w: serial %d is revoked at %s, after thisUpdate", ErrProfile, e.Serial, stamp(e.RevokedAt))
		}
		out = append(out, x509.RevocationListEntry{
			SerialNumber: new(big.Int).SetUint64(e.Serial), RevocationTime: e.RevokedAt.UTC(), ReasonCode: int(e.Reason),
		})
	}
	return out, nil
}

// ErrCRL: bytes are not a revocation list of that authority.
var ErrCRL = errors.New("not a revocation list of that authority")

// ParseCRL reads a full revocation list and checks that it is exactly what the key of an authority's certificate signed,
// by name, key id and signature, and that it is of the form that [BuildCRL] makes: with a number and nextUpdate, and
// without a critical extension, which a delta list or one of some certificates has (RFC 5280 section 5.2). Errors wrap
// [ErrCRL].
func ParseCRL(authority *x509.Certificate, der []byte) (*x509.RevocationList, error) {
	crl, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrCRL, err)
	}
	switch {
	case !isWhole(crl, der):
		return nil, fmt.Errorf("%w: it has more than list and signature", ErrCRL)
	case !bytes.Equal(crl.RawIssuer, authority.RawSubject) || !bytes.Equal(crl.AuthorityKeyId, authority.SubjectKeyId):
		return nil, fmt.Errorf("%w: it is of %s with key %x", ErrCRL, crl.Issuer, crl.AuthorityKeyId)
	case crl.Number == nil || !crl.Number.IsUint64() || crl.NextUpdate.IsZero():
		return nil, fmt.Errorf("%w: it has no number or no next update", ErrCRL)
	case isCritical(crl):
		return nil, fmt.Errorf("%w: it has a critical extension, so it is no full list", ErrCRL)
	}
	if err := crl.CheckSignatureFrom(authority); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrCRL, err)
	}
	return crl, nil
}

// isWhole reports whether the bytes are list, algorithm and signature and nothing else: only the first is signed.
func isWhole(crl *x509.RevocationList, der []byte) bool {
	again, err := assemble(crl.RawTBSRevocationList, crl.Signature)
	return err == nil && bytes.Equal(again, der)
}

func isCritical(crl *x509.RevocationList) bool {
	critical := func(e pkix.Extension) bool { return e.Critical }
	return slices.ContainsFunc(crl.Extensions, critical) ||
		slices.ContainsFunc(crl.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return slices.ContainsFunc(e.Extensions, critical) })
}
