package card

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// publicKeyTag is the template of ISO 7816-8, annex A. cryptobyte knows no tags
// of two bytes, so a SEQUENCE stands in for it while the rest is read or written.
var publicKeyTag = []byte{0x7F, 0x49}

const (
	tagStandIn  = cbasn1.SEQUENCE
	tagModulus  = cbasn1.Tag(0x81)
	tagExponent = cbasn1.Tag(0x82)
)

// EncodePublicKey encodes an RSA public key as GENERATE ASYMMETRIC KEY PAIR returns it: 7F49 {81 modulus, 82 exponent}.
func EncodePublicKey(key *rsa.PublicKey) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tagStandIn, func(b *cryptobyte.Builder) {
		b.AddASN1(tagModulus, func(b *cryptobyte.Builder) { b.AddBytes(key.N.Bytes()) })
		b.AddASN1(tagExponent, func(b *cryptobyte.Builder) { b.AddBytes(big.NewInt(int64(key.E)).Bytes()) })
	})
	out := b.BytesOrPanic()
	return append(bytes.Clone(publicKeyTag), out[1:]...)
}

// ParsePublicKey decodes the output of EncodePublicKey.
func ParsePublicKey(tlv []byte) (*rsa.PublicKey, error) {
	rest, ok := bytes.CutPrefix(tlv, publicKeyTag)
	in := append(cryptobyte.String{byte(tagStandIn)}, rest...)
	var template, n, e cryptobyte.String
	ok = ok && in.ReadASN1(&template, tagStandIn) && in.Empty() &&
		template.ReadASN1(&n, tagModulus) && template.ReadASN1(&e, tagExponent) && template.Empty()
	if !ok || len(e) == 0 || len(e) > 4 {
		return nil, fmt.Errorf("public key template of %d bytes: %w", len(tlv), ErrMalformedTemplate)
	}
	return &rsa.PublicKey{
		N: new(big.Int).SetBytes(n),
		E: int(new(big.Int).SetBytes(e).Int64()),
	}, nil
}
