package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"
	"time"
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
