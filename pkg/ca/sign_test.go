package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"shomei/pkg/civil"

	"pgregory.net/rapid"
)

// forge builds to-be-signed bytes without the checks of BuildTBS, as somebody who controls the log could.
func forge(t *testing.T, in Input, change func(*tbs)) []byte {
	t.Helper()
	spki, keyID, err := encodeKey(in.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var holder altValues
	if in.Holder != nil {
		if holder, err = in.Holder.values(); err != nil {
			t.Fatal(err)
		}
	}
	parts := tbs{
		serial: in.Serial, issuer: in.Generation.cert.RawSubject, subject: in.subject(spki),
		notBefore: in.NotBefore, notAfter: in.LastDay.EndInstant(), spki: spki, extensions: in.extensions(keyID, holder),
	}
	if change != nil {
		change(&parts)
	}
	der, err := encodeTBS(parts)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSignRefusesForgedBytes(t *testing.T) {
	generations := everyGeneration(t)
	g, other := generations[Auth], generations[Sign]
	in := testInput(t, g)
	key := testKey(t, "authority")
	if _, err := SignTBS(g, key, forge(t, in, nil)); err != nil {
		t.Fatalf("unchanged bytes are refused: %v", err)
	}
	foreign := testGeneration(t, Auth, "", 2, 20_169_545, testKey(t, "successor"))
	at := func(i int, e extension) func(*tbs) { return func(p *tbs) { p.extensions[i] = e } }
	tests := []struct {
		name   string
		change func(*tbs)
		want   error
	}{
		{"another issuer", func(p *tbs) { p.issuer = other.cert.RawSubject }, ErrProfile},
		{"another generation's key id", at(6, authorityKeyID(foreign)), ErrProfile},
		{"serial zero", func(p *tbs) { p.serial = 0 }, ErrProfile},
		{"the authority's serial", func(p *tbs) { p.serial = g.Serial }, ErrProfile},
		{"outlives the authority", func(p *tbs) { p.notAfter = g.NotAfter.Add(time.Second) }, ErrOutsideAuthority},
		{"begins before the authority", func(p *tbs) { p.notBefore = g.NotBefore.Add(-time.Second) }, ErrOutsideAuthority},
		{"ends before it begins", func(p *tbs) { p.notAfter = p.notBefore.Add(-time.Second) }, ErrOutsideAuthority},
		{"key usage to sign certificates", at(0, keyUsage(1, 0x06)), ErrProfile},
		{"a signature certificate's policy", at(2, certificatePolicies(policySign)), ErrProfile},
		{"the real policy", at(2, certificatePolicies(under(jpkiSAN[0][:7], 1))), ErrFalseColours},
		{"the real name", func(p *tbs) { p.subject = encodeName(attribute{oidOrganisation, "JPKI"}) }, ErrFalseColours},
		{"a real host", at(5, access("http://ocspauthnorm.jpki.go.jp", "")), ErrFalseColours},
		{"a CA certificate", func(p *tbs) { p.extensions = append(p.extensions, basicConstraintsCA()) }, ErrProfile},
		{"an extension missing", func(p *tbs) { p.extensions = p.extensions[:7] }, ErrProfile},
		{"extensions in another order", func(p *tbs) {
			p.extensions[3], p.extensions[4] = p.extensions[4], p.extensions[3]
		}, ErrProfile},
		{"policies not critical", func(p *tbs) { p.extensions[2].critical = false }, ErrProfile},
		{"another key's id", at(7, subjectKeyID(make([]byte, 20))), ErrProfile},
		{"a server's purpose", at(1, extKeyUsage(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1})), ErrProfile},
		{"another status server", at(5, access("http://ocsp.elsewhere.example", repository+g.CertificateFile())), ErrProfile},
		{"another distribution point", at(4, crlPoints(authorityName(Auth, Prefecture{}), repository+g.ListFile())), ErrProfile},
		{"lists elsewhere", at(4, crlPoints(crlPointName(Auth, togane), "http://elsewhere.example/auth-03.crl")), ErrProfile},
		{"another generation's list", at(4, crlPoints(crlPointName(Auth, togane), repository+foreign.ListFile())), ErrProfile},
		{"no address of the list, one of the authority", at(4, crlPoints(crlPointName(Auth, togane), "")), ErrProfile},
		{"the authority's certificate elsewhere", at(5, access(ocspURI(Auth), "http://elsewhere.example/auth-03.cer")), ErrProfile},
		{"another common name", func(p *tbs) { p.subject = encodeName(attribute{oidCommonName, "AAAAAAAAAAAAAA122130A01"}) }, ErrProfile},
		{"a short common name", func(p *tbs) { p.subject = encodeName(attribute{oidCommonName, "A"}) }, ErrProfile},
		{"a name among the names", func(p *tbs) { p.subject = encodeName(attribute{oidLocality, "試験"}) }, ErrProfile},
		{"not the end of a day", func(p *tbs) { p.notAfter = p.notAfter.Add(-time.Hour) }, ErrProfile},
		{"a key of 1024 bits", func(p *tbs) { p.spki, _, _ = encodeKey(&testKey(t, "holder1024").PublicKey) }, ErrKey},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			der, err := SignTBS(g, key, forge(t, in, test.change))
			if !errors.Is(err, test.want) || der != nil {
				t.Errorf("got %d bytes and %v, want %v", len(der), err, test.want)
			}
		})
	}
}

// A log may hold an authorisation from before certificates named addresses: it is signed as it stands.
func TestSignTakesBytesWithoutAddresses(t *testing.T) {
	for kind, g := range everyGeneration(t) {
		in := testInput(t, g)
		in.addressless = true
		cert, err := x509.ParseCertificate(mustSign(t, g, testKey(t, "authority"), in))
		if err != nil {
			t.Fatal(err)
		}
		if len(cert.CRLDistributionPoints)+len(cert.IssuingCertificateURL) > 0 {
			t.Errorf("%s: addresses %v, %v", kind, cert.CRLDistributionPoints, cert.IssuingCertificateURL)
		}
	}
}

// TestSignRefusesForgedHolder tries values of subjectAltName that BuildTBS never makes.
func TestSignRefusesForgedHolder(t *testing.T) {
	g, key := everyGeneration(t)[Sign], testKey(t, "authority")
	in := testInput(t, g)
	good, err := in.Holder.values()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		item  int
		value string
	}{
		{"name empty", 0, ""},
		{"name with a character that can't be held", 0, "試験　髙子"},
		{"birth date of eight digits", 1, "31980061"},
		{"birth date with a letter", 1, "31980061X"},
		{"sex 9", 2, "9"},
		{"address over 200 characters", 3, strings.Repeat("町", 201)},
		{"flags too short", 4, "0"},
		{"flags of another digit", 4, "00020"},
		{"flags missing", 5, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			values := good
			values[test.item] = test.value
			forged := forge(t, in, func(p *tbs) { p.extensions[1] = values.extension() })
			if _, err := SignTBS(g, key, forged); !errors.Is(err, ErrProfile) {
				t.Errorf("got %v", err)
			}
		})
	}
	missing := forge(t, in, func(p *tbs) { p.extensions[1] = directoryAltName(oidSAN, g.cert.RawSubject) })
	if _, err := SignTBS(g, key, missing); !errors.Is(err, ErrProfile) {
		t.Errorf("no holder: %v", err)
	}
	local := forge(t, in, func(p *tbs) { p.subject = encodeName(attribute{oidCommonName, "20240304100203XX7122130A01"}) })
	if _, err := SignTBS(g, key, local); !errors.Is(err, ErrProfile) {
		t.Errorf("a common name without sequence: %v", err)
	}
}

func TestSignRefusesOtherThings(t *testing.T) {
	g := everyGeneration(t)[Auth]
	key := testKey(t, "authority")
	good := mustTBS(t, testInput(t, g))
	if _, err := SignTBS(g, testKey(t, "successor"), good); !errors.Is(err, ErrKey) {
		t.Errorf("signing with another key: %v", err)
	}
	for _, bad := range [][]byte{nil, {}, []byte("no DER"), good[:len(good)-1], append(append([]byte{}, good...), 0)} {
		if _, err := SignTBS(g, key, bad); !errors.Is(err, ErrProfile) {
			t.Errorf("%d bytes that are no certificate: %v", len(bad), err)
		}
	}
	if _, err := SignTBS(nil, key, good); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("no generation: %v", err)
	}
}

// TestBitFlips flips each bit of good bytes: nothing crashes, and what is signed all the same is a certificate of the
// same authority within its limits.
func TestBitFlips(t *testing.T) {
	g := everyGeneration(t)[Auth]
	good := mustTBS(t, testInput(t, g))
	passed := 0
	for i := range len(good) * 8 {
		bad := append([]byte{}, good...)
		bad[i/8] ^= 1 << (i % 8)
		cert, err := CheckTBS(g, bad)
		if err != nil {
			continue
		}
		passed++
		if cert.IsCA || cert.KeyUsage != x509.KeyUsageDigitalSignature || g.Covers(cert.NotBefore, cert.NotAfter) != nil {
			t.Errorf("bit %d: %v passes", i, cert.Subject)
		}
	}
	if passed == len(good)*8 {
		t.Error("no flipped bit was found")
	}
}

// faulty is a signing device that makes wrong signatures.
type faulty struct{ crypto.Signer }

func (f faulty) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := f.Signer.Sign(rand, digest, opts)
	if err == nil {
		signature[10] ^= 1
	}
	return signature, err
}

func TestFaultySignatureNeverLeaves(t *testing.T) {
	g := everyGeneration(t)[Auth]
	if der, err := SignTBS(g, faulty{testKey(t, "authority")}, mustTBS(t, testInput(t, g))); err == nil || der != nil {
		t.Errorf("a wrong signature came out: %d bytes, %v", len(der), err)
	}
}

// TestWhatIsBuiltIsSigned: whatever input BuildTBS takes, the check before signing takes its bytes.
func TestWhatIsBuiltIsSigned(t *testing.T) {
	generations := everyGeneration(t)
	bases := map[Kind]Input{
		Sign: testInput(t, generations[Sign]), Auth: testInput(t, generations[Auth]), Juki: testInput(t, generations[Juki]),
	}
	rapid.Check(t, func(t *rapid.T) {
		in := bases[rapid.SampledFrom([]Kind{Sign, Auth, Juki}).Draw(t, "kind")]
		g := in.Generation
		in.Serial = rapid.Uint64Range(1, 1<<63).Filter(func(n uint64) bool { return n != g.Serial }).Draw(t, "serial")
		begin := rapid.Int64Range(0, 3*365*86400).Draw(t, "begin")
		in.NotBefore = g.NotBefore.Add(time.Duration(begin) * time.Second)
		in.LastDay = civil.Of(in.NotBefore).AddDays(rapid.IntRange(0, 6*365).Draw(t, "days"))
		in.Sequence = rapid.IntRange(0, 999).Draw(t, "sequence")
		in.Counter = rapid.StringMatching(`[0-9]{5}[0-9A-Z]{4}`).Draw(t, "counter")
		in.Office.City = rapid.StringMatching(`[A-Za-z' -]{1,64}`).Draw(t, "city")
		if g.Kind != Juki {
			in.Office.Prefecture = rapid.SampledFrom(prefectures).Draw(t, "prefecture").Romaji
		}
		tbs, err := BuildTBS(in)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := CheckTBS(g, tbs)
		if err != nil {
			t.Fatal(err)
		}
		if cert.SerialNumber.Uint64() != in.Serial || !cert.NotBefore.Equal(in.NotBefore) || civil.Of(cert.NotAfter) != in.LastDay {
			t.Fatalf("serial %v, %v to %v", cert.SerialNumber, cert.NotBefore, cert.NotAfter)
		}
	})
}

func BenchmarkBuildTBS(b *testing.B) {
	in := testInput(b, everyGeneration(b)[Sign])
	for b.Loop() {
		mustTBS(b, in)
	}
}

func BenchmarkCheckTBS(b *testing.B) {
	g := everyGeneration(b)[Sign]
	tbs := mustTBS(b, testInput(b, g))
	for b.Loop() {
		if _, err := CheckTBS(g, tbs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignTBS(b *testing.B) {
	g, key := everyGeneration(b)[Sign], testKey(b, "authority")
	tbs := mustTBS(b, testInput(b, g))
	for b.Loop() {
		if _, err := SignTBS(g, key, tbs); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRawRSA2048(b *testing.B) {
	key, digest := testKey(b, "authority"), make([]byte, 32)
	for b.Loop() {
		if _, err := key.Sign(nil, digest, crypto.SHA256); err != nil {
			b.Fatal(err)
		}
	}
}
