package ca

import (
	"bytes"
	"encoding/asn1"
	"math/rand/v2"
	"testing"

	"shomei/pkg/civil"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func TestDescribe(t *testing.T) {
	key := testKey(t, "authority")
	lastDays := map[Kind]civil.Date{Sign: civil.New(2029, 6, 18), Auth: civil.New(2029, 6, 18), Juki: civil.New(2015, 12, 2)}
	for kind, g := range everyGeneration(t) {
		d, err := Describe(mustSign(t, g, key, testInput(t, g)))
		if err != nil {
			t.Fatal(err)
		}
		if d.Origin != Shomei || d.Kind != kind || d.LastDay != lastDays[kind] || !bytes.Equal(d.IssuerKeyID, g.KeyID) || len(d.OCSP) != 1 {
			t.Errorf("%s: described as %+v", kind, d)
		}
		if !kind.carriesHolder() {
			if d.Holder != nil {
				t.Error("an authentication certificate names a holder")
			}
			continue
		}
		want := &Described{
			Name: "試験　高子", NameFlags: "00010", BirthDate: civil.PartialDate(civil.New(1980, 6, 18)), BirthDigits: "319800618",
			Sex: Female, Address: "千葉県東金市試験町一丁目２番３号", AddressFlags: "0000000000000000",
		}
		if diff := cmp.Diff(want, d.Holder); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

// A certificate on a smartphone is told from the card's of the same kind, and from the real ones.
func TestDescribePhone(t *testing.T) {
	for kind, g := range everyGeneration(t) {
		if PhonePolicy(kind) == nil {
			continue
		}
		d, err := Describe(mustSign(t, g, testKey(t, "authority"), phoneInput(t, g)))
		if err != nil || d.Origin != ShomeiSmartphone || d.Kind != kind || !OnPhone(d.Certificate) {
			t.Errorf("%s: described as %+v, %v", kind, d, err)
		}
		card, err := Describe(mustSign(t, g, testKey(t, "authority"), testInput(t, g)))
		if err != nil || OnPhone(card.Certificate) {
			t.Errorf("%s on a card passes for one on a smartphone: %v", kind, err)
		}
	}
}

// TestDescribeRealProfile reads the real identifiers, in bytes that stand in this test alone and are never signed.
func TestDescribeRealProfile(t *testing.T) {
	in := testInput(t, everyGeneration(t)[Sign])
	altName := extension{oidSAN, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for i, value := range []string{"試験　子", "420190230", "9", "住所", "0000", "00"} {
				addOtherName(b, jpkiSAN[i], value)
			}
			b.AddASN1(cbasn1.Tag(1).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte("a@b.example")) })
		})
	}}
	tbs := forge(t, in, func(p *tbs) {
		p.extensions[1] = altName
		p.extensions[3] = certificatePolicies(asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 1, 1, 20})
	})
	unsigned, err := assemble(tbs, []byte{0})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Describe(unsigned)
	if err != nil {
		t.Fatal(err)
	}
	if d.Origin != JPKI || d.Kind != Sign {
		t.Errorf("origin %q, kind %q, policies %v", d.Origin, d.Kind, d.Certificate.Policies)
	}
	want := &Described{Name: "試験　子", NameFlags: "0000", BirthDigits: "420190230", Sex: SexUnknown, Address: "住所", AddressFlags: "00"}
	if diff := cmp.Diff(want, d.Holder); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDescribeForeign(t *testing.T) {
	g := everyGeneration(t)[Auth]
	d, err := Describe(g.DER)
	if err != nil || d.Origin != Foreign || d.Kind != "" || d.Holder != nil {
		t.Errorf("an authority's certificate: %+v, %v", d, err)
	}
	if _, err := Describe([]byte("none")); err == nil {
		t.Error("no certificate is described")
	}
}

// TestDescribeNeverCrashes damages a certificate at random places; the seed is printed on failure.
func TestDescribeNeverCrashes(t *testing.T) {
	g := everyGeneration(t)[Sign]
	good := mustSign(t, g, testKey(t, "authority"), testInput(t, g))
	seed := rand.Uint64()
	source := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for range 5000 {
		bad := append([]byte{}, good...)
		for range 1 + source.IntN(3) {
			bad[source.IntN(len(bad))] = byte(source.Uint32())
		}
		if _, err := Describe(bad); err != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Errorf("seed %d: no damage was noticed", seed)
	}
}
