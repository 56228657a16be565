package ca

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var crlDay = time.Date(2024, 4, 1, 15, 0, 0, 0, time.UTC)

func testCRL(g *Generation, entries ...Revocation) CRLInput {
	return CRLInput{Generation: g, Number: 74, ThisUpdate: crlDay, NextUpdate: crlDay.Add(CRLPeriod), Entries: entries}
}

func entry(serial uint64, reason Reason) Revocation {
	return Revocation{Serial: serial, RevokedAt: crlDay.Add(-time.Hour), Reason: reason}
}

func TestCRLContent(t *testing.T) {
	g, key := everyGeneration(t)[Sign], testKey(t, "authority")
	in := testCRL(g, entry(9, CertificateHold), entry(3, Unspecified), entry(1, KeyCompromise),
		entry(1<<63, CessationOfOperation), entry(5, Superseded))
	der, err := BuildCRL(key, in)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(g.cert); err != nil || !list.ThisUpdate.Equal(crlDay) || !list.NextUpdate.Equal(crlDay.Add(CRLPeriod)) {
		t.Errorf("signed: %v; from %v to %v", err, list.ThisUpdate, list.NextUpdate)
	}
	want := map[uint64]Reason{1: KeyCompromise, 3: Unspecified, 5: Superseded, 9: CertificateHold, 1 << 63: CessationOfOperation}
	last := uint64(0)
	for _, e := range list.RevokedCertificateEntries {
		serial := e.SerialNumber.Uint64()
		reason, ok := want[serial]
		if !ok || Reason(e.ReasonCode) != reason || serial <= last || !e.RevocationTime.Equal(crlDay.Add(-time.Hour)) {
			t.Errorf("entry %d reason %d at %v after %d", serial, e.ReasonCode, e.RevocationTime, last)
		}
		if reason == Unspecified && len(e.Extensions) != 0 {
			t.Error("unspecified must be left out (RFC 5280 section 5.3.1)")
		}
		delete(want, serial)
		last = serial
	}
	if len(want) != 0 || list.Number.Uint64() != 74 || !bytes.Equal(list.AuthorityKeyId, g.KeyID) {
		t.Errorf("missing %v, number %v, key id %x", want, list.Number, list.AuthorityKeyId)
	}
}

func TestCRLIsDeterministic(t *testing.T) {
	g, key := everyGeneration(t)[Sign], testKey(t, "authority")
	one, err := BuildCRL(key, testCRL(g, entry(2, KeyCompromise), entry(1, Superseded)))
	if err != nil {
		t.Fatal(err)
	}
	two, err := BuildCRL(key, testCRL(g, entry(1, Superseded), entry(2, KeyCompromise)))
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("the same entries in another order gave another list (%v)", err)
	}
}

func TestCRLRefuses(t *testing.T) {
	g, key := everyGeneration(t)[Sign], testKey(t, "authority")
	late := entry(4, Superseded)
	late.RevokedAt = crlDay.Add(time.Second)
	tests := []struct {
		name   string
		change func(*CRLInput)
		want   error
	}{
		{"a serial twice", func(in *CRLInput) { in.Entries = []Revocation{entry(2, 1), entry(3, 1), entry(2, 4)} }, ErrProfile},
		{"serial zero", func(in *CRLInput) { in.Entries = []Revocation{entry(0, 1)} }, ErrProfile},
		{"reason removeFromCRL", func(in *CRLInput) { in.Entries = []Revocation{entry(2, 8)} }, ErrProfile},
		{"revoked after thisUpdate", func(in *CRLInput) { in.Entries = []Revocation{late} }, ErrProfile},
		{"number zero", func(in *CRLInput) { in.Number = 0 }, ErrProfile},
		{"next before this", func(in *CRLInput) { in.NextUpdate = in.ThisUpdate }, ErrProfile},
		{"after the authority's end", func(in *CRLInput) {
			in.ThisUpdate, in.NextUpdate = g.NotAfter.Add(time.Second), g.NotAfter.Add(time.Hour)
		}, ErrOutsideAuthority},
		{"no generation", func(in *CRLInput) { in.Generation = nil }, ErrNoGeneration},
	}
	for _, test := range tests {
		in := testCRL(g)
		test.change(&in)
		if der, err := BuildCRL(key, in); !errors.Is(err, test.want) || der != nil {
			t.Errorf("%s: %d bytes, %v", test.name, len(der), err)
		}
	}
	if _, err := BuildCRL(testKey(t, "successor"), testCRL(g)); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v", err)
	}
}

func BenchmarkBuildCRL10000(b *testing.B) {
	g, key := everyGeneration(b)[Sign], testKey(b, "authority")
	in := testCRL(g)
	for i := range 10_000 {
		in.Entries = append(in.Entries, entry(uint64(i+1), Superseded))
	}
	for b.Loop() {
		if _, err := BuildCRL(key, in); err != nil {
			b.Fatal(err)
		}
	}
}

// Only the very bytes that this key signed, of a whole list, are taken.
func TestParseCRL(t *testing.T) {
	g, other := everyGeneration(t)[Sign], testGeneration(t, Sign, "", 2, 20_104_363, testKey(t, "successor"))
	key := testKey(t, "authority")
	good, err := BuildCRL(key, testCRL(g, entry(1, Unspecified), entry(2, KeyCompromise)))
	if err != nil {
		t.Fatal(err)
	}
	crl, err := ParseCRL(g.Certificate(), good)
	if err != nil || len(crl.RevokedCertificateEntries) != 2 {
		t.Fatalf("a list of its own: %v", err)
	}
	made := func(change func(*x509.RevocationList)) []byte {
		template := &x509.RevocationList{
			SignatureAlgorithm: x509.SHA256WithRSA, Number: big.NewInt(5), ThisUpdate: crlDay, NextUpdate: crlDay.Add(CRLPeriod),
		}
		change(template)
		der, err := x509.CreateRevocationList(rand.Reader, template, g.cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}
	broken := append([]byte{}, good...)
	broken[len(broken)-1] ^= 1
	var inside cryptobyte.Builder
	inside.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(crl.RawTBSRevocationList)
		b.AddBytes(sha256WithRSA)
		b.AddASN1BitString(crl.Signature)
		b.AddASN1Int64(1)
	})
	foreign, err := BuildCRL(testKey(t, "successor"), testCRL(other))
	if err != nil {
		t.Fatal(err)
	}
	sameKey, err := BuildCRL(key, testCRL(everyGeneration(t)[Auth]))
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{
		"nothing": nil, "no DER": []byte("list"), "a certificate": g.DER, "bytes behind it": append(append([]byte{}, good...), 0),
		"bytes inside it": inside.BytesOrPanic(), "another signature": broken, "another generation's": foreign, "another authority's with the same key": sameKey,
		"a delta list": made(func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{critical} }),
		"a critical entry": made(func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = []x509.RevocationListEntry{
				{SerialNumber: big.NewInt(1), RevocationTime: crlDay, ExtraExtensions: []pkix.Extension{critical}},
			}
		}),
		"a number over 64 bits":   made(func(l *x509.RevocationList) { l.Number = new(big.Int).Lsh(big.NewInt(1), 64) }),
		"without the next update": crlWithoutNextUpdate(t, g),
	} {
		if _, err := ParseCRL(g.Certificate(), der); !errors.Is(err, ErrCRL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseCRL(g.Certificate(), made(func(*x509.RevocationList) {})); err != nil {
		t.Errorf("an empty list: %v", err)
	}
}
