package ca

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidCountry      = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidLocality     = asn1.ObjectIdentifier{2, 5, 4, 7}
	oidOrganisation = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidUnit         = asn1.ObjectIdentifier{2, 5, 4, 11}
)

// attribute is one relative distinguished name of one attribute.
type attribute struct {
	oid   asn1.ObjectIdentifier
	value string
}

// encodeName encodes a distinguished name that begins with C=JP. C is a PrintableString, all others are UTF8String,
// ASCII or not (profile.md 1); the standard library would choose PrintableString for ASCII.
func encodeName(attributes ...attribute) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addAttribute(b, cbasn1.PrintableString, attribute{oidCountry, "JP"})
		for _, a := range attributes {
			addAttribute(b, cbasn1.UTF8String, a)
		}
	})
	return b.BytesOrPanic() // the builder fails on lengths over 4 GiB and wrong OIDs only
}

func addAttribute(b *cryptobyte.Builder, tag cbasn1.Tag, a attribute) {
	b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(a.oid)
			b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.value)) })
		})
	})
}

// authorityName returns the distinguished name of an authority, which is the same for all its generations.
func authorityName(kind Kind, pref Prefecture) []byte {
	unit, _ := purpose(kind)
	last := operator
	if kind == Juki {
		last = "Demonstration for the Governor of " + pref.Romaji
	}
	return encodeName(attribute{oidOrganisation, organisation}, attribute{oidUnit, unit}, attribute{oidUnit, last})
}

// authorityNameJA returns the Japanese name of an authority, for the subjectAltName of its own certificate and the
// issuerAltName of those it signs.
func authorityNameJA(kind Kind, pref Prefecture) []byte {
	_, unit := purpose(kind)
	last := operatorJA
	if kind == Juki {
		last = "証明デモ" + pref.Japanese + "知事"
	}
	return encodeName(attribute{oidOrganisation, organisationJA}, attribute{oidUnit, unit}, attribute{oidUnit, last})
}

// pointSuffix follows the municipality in the name of its CRL distribution point.
const pointSuffix = " CRLDP"

// crlPointName returns the directory name of a municipality's CRL distribution point: fullName without a URI, one for
// each municipality, or ward of a designated city (profile.md 2, extension 5).
func crlPointName(kind Kind, m Municipality) []byte {
	unit, _ := purpose(kind)
	return encodeName(attribute{oidOrganisation, organisation}, attribute{oidUnit, unit},
		attribute{oidUnit, "CRL Distribution Points"}, attribute{oidUnit, m.Prefecture},
		attribute{oidCommonName, m.City + pointSuffix})
}
