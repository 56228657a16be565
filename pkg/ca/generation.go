package ca

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"shomei/pkg/civil"
)

// Generation is one key of an authority with its self-signed certificate. All generations of an authority carry the
// same distinguished name, so an issuer is found by key id, never by name (profile.md 1).
type Generation struct {
	Kind       Kind
	Prefecture Prefecture // of a juki authority; zero otherwise
	Number     int        // 1, 2, 3…
	KeyID      []byte     // subject key identifier: SHA-1 of the public key, 20 bytes
	NotBefore  time.Time  // UTC, to the second
	NotAfter   time.Time  // the authority's own last instant
	Serial     uint64     // of the authority's own certificate
	DER        []byte     // the authority's own certificate

	cert *x509.Certificate
}

// ParseGeneration reads an authority's certificate made by this package. The number is not in the certificate; kind and
// prefecture are compared with its name. The self-signature is verified.
func ParseGeneration(kind Kind, prefectureCode string, number int, der []byte) (*Generation, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of authority %s %02d: %w", kind, number, err)
	}
	pref, err := prefectureOf(kind, prefectureCode)
	if err != nil {
		return nil, err
	}
	switch {
	case !bytes.Equal(cert.RawSubject, authorityName(kind, pref)):
		return nil, fmt.Errorf("%w: %q is not the name of authority %s%s", ErrProfile, cert.Subject, kind, prefectureCode)
	case !cert.IsCA || !cert.SerialNumber.IsUint64():
		return nil, fmt.Errorf("%w: the certificate of authority %s %02d is not one of our authorities", ErrProfile, kind, number)
	}
	if err := cert.CheckSignatureFrom(cert); err != nil {
		return nil, fmt.Errorf("checking the self-signature of authority %s %02d: %w", kind, number, err)
	}
	return &Generation{
		Kind: kind, Prefecture: pref, Number: number, KeyID: cert.SubjectKeyId, NotBefore: cert.NotBefore,
		NotAfter: cert.NotAfter, Serial: cert.SerialNumber.Uint64(), DER: der, cert: cert,
	}, nil
}

// prefectureOf looks up the prefecture of a juki authority; other kinds must have none.
func prefectureOf(kind Kind, code string) (Prefecture, error) {
	switch {
	case !kind.Valid():
		return Prefecture{}, fmt.Errorf("%w: no kind %q: use sign, auth or juki", ErrProfile, kind)
	case kind == Juki:
		return PrefectureByCode(code)
	case code != "":
		return Prefecture{}, fmt.Errorf("%w: authority %s has no prefecture, got %q", ErrProfile, kind, code)
	}
	return Prefecture{}, nil
}

// Certificate returns the authority's own certificate, parsed. It must not be changed.
func (g *Generation) Certificate() *x509.Certificate { return g.cert }

// PublicKey returns the authority's public key.
func (g *Generation) PublicKey() *rsa.PublicKey { return g.cert.PublicKey.(*rsa.PublicKey) }

// String returns the generation's name for logs: "sign 03", "juki-12 01".
func (g *Generation) String() string {
	if g.Kind == Juki {
		return fmt.Sprintf("%s-%s %02d", g.Kind, g.Prefecture.Code, g.Number)
	}
	return fmt.Sprintf("%s %02d", g.Kind, g.Number)
}

// Covers checks that a certificate valid from notBefore to notAfter fits inside the authority's own validity; otherwise
// the error wraps [ErrOutsideAuthority] (profile.md 1).
func (g *Generation) Covers(notBefore, notAfter time.Time) error {
	if notBefore.Before(g.NotBefore) || notAfter.After(g.NotAfter) || notAfter.Before(notBefore) {
		return fmt.Errorf("%w: %s to %s does not fit into authority %s (%s to %s): let a newer generation sign",
			ErrOutsideAuthority, stamp(notBefore), stamp(notAfter), g, stamp(g.NotBefore), stamp(g.NotAfter))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Generations are the generations of one or more authorities, in any order.
type Generations []*Generation

// At returns the generation of an authority that signs at an instant: the newest that has begun. Prefecture is the
// two-digit code for juki, empty otherwise. The error is [ErrNoGeneration] before the first (the signature authority of
// the My Number card began on 2015-10-20) and after the end of the last.
func (gs Generations) At(kind Kind, prefecture string, at time.Time) (*Generation, error) {
	var newest *Generation
	for _, g := range gs {
		if g.Kind != kind || g.Prefecture.Code != prefecture || at.Before(g.NotBefore) {
			continue
		}
		if newest == nil || g.NotBefore.After(newest.NotBefore) {
			newest = g
		}
	}
	if newest == nil || at.After(newest.NotAfter) {
		return nil, fmt.Errorf("%w: authority %s has no key at %s: hold its next key ceremony first",
			ErrNoGeneration, strings.TrimSpace(string(kind)+" "+prefecture), stamp(at))
	}
	return newest, nil
}

// InForce returns the generations of an authority that have begun and not ended at an instant, newest first: those
// whose certificates may be in force, so each signs its revocation list.
func (gs Generations) InForce(kind Kind, prefecture string, at time.Time) Generations {
	var found Generations
	for _, g := range gs {
		if g.Kind == kind && g.Prefecture.Code == prefecture && g.Covers(at, at) == nil {
			found = append(found, g)
		}
	}
	slices.SortFunc(found, func(a, b *Generation) int { return b.NotBefore.Compare(a.NotBefore) })
	return found
}

// ByKeyID returns the generation whose subject key identifier is keyID, or [ErrNoGeneration].
func (gs Generations) ByKeyID(keyID []byte) (*Generation, error) {
	for _, g := range gs {
		if bytes.Equal(g.KeyID, keyID) {
			return g, nil
		}
	}
	return nil, fmt.Errorf("%w: none has key id %x", ErrNoGeneration, keyID)
}

// Plan is when one generation of an authority begins and ends.
type Plan struct {
	Kind                Kind
	Prefecture          string // two digits for juki, empty otherwise
	Number              int
	NotBefore, NotAfter time.Time // UTC
}

// Plans returns the generations of an authority in order of time. Those of the My Number card have the dates of
// profile.md 1; the day of authentication 02 and of both 04 is derived from the rhythm (re-keyed after about 3.8 years,
// ten years of life). The dates of juki authorities were not found: ours have ten years each and cover the regime and
// its run-off to 2018-12-21.
func Plans(kind Kind, prefecture string) ([]Plan, error) {
	if _, err := prefectureOf(kind, prefecture); err != nil {
		return nil, err
	}
	plans := make([]Plan, 0, 4)
	for i, span := range planned[kind] {
		from, err1 := time.Parse(time.RFC3339, span[0])
		until, err2 := time.Parse(time.RFC3339, span[1])
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("reading the plan of authority %s %02d: %v %v", kind, i+1, err1, err2)
		}
		plans = append(plans, Plan{Kind: kind, Prefecture: prefecture, Number: i + 1, NotBefore: from, NotAfter: until})
	}
	return plans, nil
}

// PlanNext returns the generation of an authority that follows the given ones, begun at an instant by an order instead of at
// the date of its plan. It has the life of the others: ten years less a day, to the end of the day in Japan.
func PlanNext(kind Kind, prefecture string, known Generations, at time.Time) (Plan, error) {
	if _, err := prefectureOf(kind, prefecture); err != nil {
		return Plan{}, err
	}
	at = at.UTC().Truncate(time.Second)
	last := civil.Of(at).AddYearsClamped(10).AddDays(-1)
	plan := Plan{Kind: kind, Prefecture: prefecture, Number: 1, NotBefore: at, NotAfter: last.EndInstant().UTC()}
	for _, g := range known {
		if g.Kind == kind && g.Prefecture.Code == prefecture {
			plan.Number = max(plan.Number, g.Number+1)
		}
	}
	return plan, nil
}

var planned = map[Kind][][2]string{
	Sign: {
		{"2015-10-20T02:40:28Z", "2025-10-19T14:59:59Z"},
		{"2019-09-14T23:41:56Z", "2029-09-14T14:59:59Z"},
		{"2023-07-16T00:50:27Z", "2033-07-15T14:59:59Z"},
		{"2027-05-16T00:50:00Z", "2037-05-15T14:59:59Z"},
	},
	Auth: {
		{"2015-10-20T03:08:13Z", "2025-10-19T14:59:59Z"},
		{"2019-09-14T23:52:00Z", "2029-09-14T14:59:59Z"},
		{"2023-07-16T01:01:04Z", "2033-07-15T14:59:59Z"},
		{"2027-05-16T01:01:00Z", "2037-05-15T14:59:59Z"},
	},
	Juki: {
		{"2004-01-28T15:00:00Z", "2014-01-28T14:59:59Z"},
		{"2009-01-28T15:00:00Z", "2019-01-28T14:59:59Z"},
	},
}
