package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestGenerationAt follows profile.md 1: the newest generation that has begun signs.
func TestGenerationAt(t *testing.T) {
	key := testKey(t, "authority")
	gs := Generations{testGeneration(t, Juki, "12", 1, 1, key), testGeneration(t, Juki, "12", 2, 900, key)}
	for n := 4; n >= 1; n-- { // order must not matter
		gs = append(gs, testGeneration(t, Sign, "", n, uint64(n), key), testGeneration(t, Auth, "", n, uint64(n), key))
	}
	tests := []struct {
		kind       Kind
		prefecture string
		at         string
		number     int // 0: refused
	}{
		{Sign, "", "2015-10-20T02:40:27Z", 0},
		{Sign, "", "2015-10-20T02:40:28Z", 1},
		{Auth, "", "2015-10-20T02:40:28Z", 0},
		{Auth, "", "2016-01-12T00:00:00Z", 1},
		{Sign, "", "2019-09-14T23:41:55Z", 1},
		{Sign, "", "2019-09-14T23:41:56Z", 2},
		{Sign, "", "2021-09-01T01:00:00Z", 2},
		{Sign, "", "2023-07-16T00:50:26Z", 2},
		{Sign, "", "2023-07-16T00:50:27Z", 3},
		{Auth, "", "2023-07-16T01:01:03Z", 2},
		{Auth, "", "2023-07-16T01:01:04Z", 3},
		{Sign, "", "2027-05-16T00:50:00Z", 4},
		{Sign, "", "2037-05-15T14:59:59Z", 4},
		{Sign, "", "2037-05-15T15:00:00Z", 0},
		{Juki, "12", "2004-01-28T14:59:59Z", 0},
		{Juki, "12", "2004-01-28T15:00:00Z", 1},
		{Juki, "12", "2012-12-03T01:00:00Z", 2},
		{Juki, "13", "2012-12-03T01:00:00Z", 0},
		{Sign, "12", "2024-01-01T00:00:00Z", 0},
	}
	for _, test := range tests {
		g, err := gs.At(test.kind, test.prefecture, instant(t, test.at))
		switch {
		case test.number == 0 && !errors.Is(err, ErrNoGeneration):
			t.Errorf("%s%s at %s: got %v, %v", test.kind, test.prefecture, test.at, g, err)
		case test.number != 0 && (err != nil || g.Number != test.number || g.Kind != test.kind):
			t.Errorf("%s%s at %s: got %v, %v, want %02d", test.kind, test.prefecture, test.at, g, err, test.number)
		}
	}
}

// TestRekey: generations share a name and differ in key id; the issuer is found by the latter.
func TestRekey(t *testing.T) {
	first := testGeneration(t, Sign, "", 1, 1, testKey(t, "authority"))
	second := testGeneration(t, Sign, "", 2, 20_104_363, testKey(t, "successor"))
	gs := Generations{first, second}
	if !bytes.Equal(first.Certificate().RawSubject, second.Certificate().RawSubject) || bytes.Equal(first.KeyID, second.KeyID) {
		t.Fatal("a re-key must keep the name and change the key id")
	}
	in := testInput(t, second)
	cert, err := x509.ParseCertificate(mustSign(t, second, testKey(t, "successor"), in))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := gs.ByKeyID(cert.AuthorityKeyId)
	if err != nil || issuer != second {
		t.Errorf("issuer by key id: %v, %v", issuer, err)
	}
	if cert.CheckSignatureFrom(second.Certificate()) != nil || cert.CheckSignatureFrom(first.Certificate()) == nil {
		t.Error("the signature is the second generation's alone")
	}
	if _, err := gs.ByKeyID(make([]byte, 20)); !errors.Is(err, ErrNoGeneration) {
		t.Errorf("unknown key id: %v", err)
	}
}

// TestPlansCoverTheirCertificates: whichever generation signs, the longest certificate of the regime fits (six years
// in the literal case of law.md 3.6, three in the juki regime).
func TestPlansCoverTheirCertificates(t *testing.T) {
	longest := map[Kind]int{Sign: 6, Auth: 6, Juki: 3}
	for kind, years := range longest {
		prefecture := ""
		if kind == Juki {
			prefecture = "12"
		}
		plans, err := Plans(kind, prefecture)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range plans[:len(plans)-1] {
			if last := plans[i+1].NotBefore.AddDate(years, 0, 0); last.After(p.NotAfter) {
				t.Errorf("%s %02d: its last certificate may end %v, after %v", kind, p.Number, last, p.NotAfter)
			}
		}
	}
	for _, bad := range []struct {
		kind       Kind
		prefecture string
	}{{Juki, ""}, {Juki, "48"}, {Sign, "12"}, {"x", ""}} {
		if _, err := Plans(bad.kind, bad.prefecture); err == nil {
			t.Errorf("%s %q has a plan", bad.kind, bad.prefecture)
		}
	}
}

func TestInForce(t *testing.T) {
	key := testKey(t, "authority")
	var gs Generations
	for n := 1; n <= 3; n++ {
		gs = append(gs, testGeneration(t, Sign, "", n, uint64(n), key), testGeneration(t, Auth, "", n, uint64(n), key))
	}
	for at, want := range map[string][]int{
		"2015-10-20T02:40:27Z": {}, "2016-01-12T00:00:00Z": {1}, "2021-09-01T00:00:00Z": {2, 1},
		"2025-10-19T14:59:59Z": {3, 2, 1}, "2025-10-19T15:00:00Z": {3, 2}, "2033-07-15T15:00:00Z": {},
	} {
		got := []int{}
		for _, g := range gs.InForce(Sign, "", instant(t, at)) {
			got = append(got, g.Number)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", at, got, want)
		}
	}
}

// TestPrefectures: 47 codes in order, names in romaji that a subject may hold, each with an authority name of its own.
func TestPrefectures(t *testing.T) {
	names := map[string]bool{}
	for n := 1; n <= 47; n++ {
		p, err := PrefectureByCode(fmt.Sprintf("%02d", n))
		if err != nil || !romaji(p.Romaji) {
			t.Fatalf("%02d: %+v, %v", n, p, err)
		}
		names[string(authorityName(Juki, p))] = true
	}
	if len(names) != 47 || len(prefectures) != 47 {
		t.Errorf("%d names of %d prefectures", len(names), len(prefectures))
	}
}

// TestSelfSignRefuses: bytes of another plan or for another key are not signed.
func TestSelfSignRefuses(t *testing.T) {
	plans, err := Plans(Sign, "")
	if err != nil {
		t.Fatal(err)
	}
	key := testKey(t, "authority")
	tbs, err := BuildAuthorityTBS(plans[0], 7, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := SelfSign(plans[0], key, tbs); err != nil || g.Serial != 7 {
		t.Fatalf("good bytes: %v", err)
	}
	if _, err := SelfSign(plans[1], key, tbs); !errors.Is(err, ErrProfile) {
		t.Errorf("another plan: %v", err)
	}
	if _, err := SelfSign(plans[0], testKey(t, "successor"), tbs); !errors.Is(err, ErrProfile) {
		t.Errorf("another key: %v", err)
	}
	if _, err := SelfSign(plans[0], key, tbs[1:]); !errors.Is(err, ErrProfile) {
		t.Errorf("no certificate: %v", err)
	}
}

func TestParseGenerationRefuses(t *testing.T) {
	key := testKey(t, "authority")
	g := testGeneration(t, Sign, "", 1, 1, key)
	same, err := ParseGeneration(Sign, "", 1, g.DER)
	if err != nil || !bytes.Equal(same.KeyID, g.KeyID) || same.Serial != 1 || same.NotAfter != g.NotAfter {
		t.Fatalf("reading it back: %v", err)
	}
	leaf := mustSign(t, everyGeneration(t)[Sign], key, testInput(t, everyGeneration(t)[Sign]))
	broken := append([]byte{}, g.DER...)
	broken[len(broken)-1] ^= 1
	for name, try := range map[string]func() (*Generation, error){
		"another kind":      func() (*Generation, error) { return ParseGeneration(Auth, "", 1, g.DER) },
		"a prefecture":      func() (*Generation, error) { return ParseGeneration(Juki, "12", 1, g.DER) },
		"a subscriber's":    func() (*Generation, error) { return ParseGeneration(Sign, "", 1, leaf) },
		"a wrong signature": func() (*Generation, error) { return ParseGeneration(Sign, "", 1, broken) },
		"no certificate":    func() (*Generation, error) { return ParseGeneration(Sign, "", 1, []byte{0x30}) },
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s is taken for a generation", name)
		}
	}
}

func TestBuildAuthorityRefuses(t *testing.T) {
	plans, err := Plans(Sign, "")
	if err != nil {
		t.Fatal(err)
	}
	pub := &testKey(t, "authority").PublicKey
	if _, err := BuildAuthorityTBS(plans[0], 0, pub); !errors.Is(err, ErrProfile) {
		t.Errorf("serial zero: %v", err)
	}
	if _, err := BuildAuthorityTBS(plans[0], 1, &testKey(t, "holder1024").PublicKey); !errors.Is(err, ErrKey) {
		t.Errorf("1024 bits: %v", err)
	}
	if _, err := BuildAuthorityTBS(Plan{Kind: Sign}, 1, pub); !errors.Is(err, ErrProfile) {
		t.Errorf("no dates: %v", err)
	}
}
