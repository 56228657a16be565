package ca

import (
	"encoding/asn1"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSKI              = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSAN              = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIAN              = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCRLPoints        = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidPolicies         = asn1.ObjectIdentifier{2, 5, 29, 32}
	oidAKI              = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidAIA              = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidOCSP             = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidCAIssuers        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
	oidCPS              = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 2, 1}
	oidClientAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// extension is one X.509 extension (RFC 5280 section 4.1): value writes the content of its OCTET STRING.
type extension struct {
	oid      asn1.ObjectIdentifier
	critical bool
	value    cryptobyte.BuilderContinuation
}

func addExtensions(b *cryptobyte.Builder, list []extension) {
	b.AddASN1(cbasn1.Tag(3).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, e := range list {
				addExtension(b, e)
			}
		})
	})
}

func addExtension(b *cryptobyte.Builder, e extension) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(e.oid)
		if e.critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, e.value)
	})
}

// keyUsage returns a named bit list of one octet: unused is the number of trailing zero bits, which DER omits (X.690
// section 11.2.2).
func keyUsage(unused, bits byte) extension {
	return extension{oidKeyUsage, true, func(b *cryptobyte.Builder) {
		b.AddBytes([]byte{3, 2, unused, bits})
	}}
}

func extKeyUsage(purpose asn1.ObjectIdentifier) extension {
	return extension{oidExtKeyUsage, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(purpose) })
	}}
}

// certificatePolicies is critical in this profile, with a pointer to the practice statement as qualifier.
func certificatePolicies(policy asn1.ObjectIdentifier) extension {
	return extension{oidPolicies, true, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(policy)
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidCPS)
						b.AddASN1(cbasn1.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(cpsURI)) })
					})
				})
			})
		})
	}}
}

// directoryAltName returns a subjectAltName or issuerAltName of one directoryName.
func directoryAltName(oid asn1.ObjectIdentifier, name []byte) extension {
	return extension{oid, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addDirectoryName(b, name) })
	}}
}

// addDirectoryName writes GeneralName directoryName [4]; explicit, since Name is a CHOICE (RFC 5280 section 4.2.1.6).
func addDirectoryName(b *cryptobyte.Builder, name []byte) {
	b.AddASN1(cbasn1.Tag(4).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(name) })
}

// crlPoints returns one distribution point: distributionPoint [0], fullName [0] and in it, unless it is empty, the address
// of the list, and one directoryName (RFC 5280 section 4.2.1.13: each name is another way to the same list). The address
// comes first because Go reads no further than another name.
func crlPoints(name []byte, address string) extension {
	nested := cbasn1.Tag(0).Constructed().ContextSpecific()
	return extension{oidCRLPoints, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(nested, func(b *cryptobyte.Builder) {
					b.AddASN1(nested, func(b *cryptobyte.Builder) {
						if address != "" {
							addURI(b, address)
						}
						addDirectoryName(b, name)
					})
				})
			})
		})
	}}
}

// access returns an authorityInfoAccess: where the status is told and, unless it is empty, where the authority's
// certificate is.
func access(ocsp, certificate string) extension {
	return extension{oidAIA, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addAccess(b, oidOCSP, ocsp)
			if certificate != "" {
				addAccess(b, oidCAIssuers, certificate)
			}
		})
	}}
}

func addAccess(b *cryptobyte.Builder, method asn1.ObjectIdentifier, uri string) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(method)
		addURI(b, uri)
	})
}

// addURI writes GeneralName uniformResourceIdentifier [6].
func addURI(b *cryptobyte.Builder, uri string) {
	b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(uri)) })
}

// authorityKeyID returns the long form: key id, and issuer and serial of the authority's own certificate.
func authorityKeyID(g *Generation) extension {
	return extension{oidAKI, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(g.KeyID) })
			b.AddASN1(cbasn1.Tag(1).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
				addDirectoryName(b, g.cert.RawIssuer)
			})
			b.AddASN1(cbasn1.Tag(2).ContextSpecific(), func(b *cryptobyte.Builder) {
				b.AddBytes(integerBytes(g.Serial))
			})
		})
	}}
}

// integerBytes returns the content octets of a non-negative DER INTEGER.
func integerBytes(n uint64) []byte {
	raw := new(big.Int).SetUint64(n).Bytes()
	if len(raw) == 0 || raw[0]&0x80 != 0 {
		return append([]byte{0}, raw...)
	}
	return raw
}

func subjectKeyID(id []byte) extension {
	return extension{oidSKI, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(id) }}
}

func basicConstraintsCA() extension {
	return extension{oidBasicConstraints, true, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Boolean(true) })
	}}
}
