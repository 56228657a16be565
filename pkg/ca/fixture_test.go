package ca

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shomei/pkg/civil"
)

// testKey reads one of the fixed keys of testdata: they are for tests alone.
func testKey(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}

// testGeneration holds the ceremony of a planned generation with a fixed key.
func testGeneration(t testing.TB, kind Kind, prefecture string, number int, serial uint64, key *rsa.PrivateKey) *Generation {
	t.Helper()
	plans, err := Plans(kind, prefecture)
	if err != nil {
		t.Fatal(err)
	}
	plan := plans[number-1]
	tbs, err := BuildAuthorityTBS(plan, serial, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	g, err := SelfSign(plan, key, tbs)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var (
	togane = Municipality{Prefecture: "Chiba-ken", City: "Togane-shi"}
	chuo   = Municipality{Prefecture: "Hokkaido", City: "Sapporo-shi-Chuo-ku"}
	issued = time.Date(2024, 3, 4, 1, 2, 3, 456, time.UTC)
)

func testHolder() *Holder {
	return &Holder{
		Name: "試験　髙子", BirthDate: civil.PartialDate(civil.New(1980, 6, 18)), Sex: Female,
		Address: "千葉県東金市試験町一丁目２番３号",
	}
}

// testInput is a whole, good input of the generation's kind.
func testInput(t testing.TB, g *Generation) Input {
	t.Helper()
	in := Input{
		Generation: g, Serial: 108_900_001, NotBefore: issued, LastDay: civil.New(2029, 6, 18),
		PublicKey: &testKey(t, "holder").PublicKey, Office: togane, Counter: "122130A01", Sequence: 7,
	}
	if g.Kind == Juki {
		in.NotBefore, in.LastDay = time.Date(2012, 12, 3, 1, 0, 0, 0, time.UTC), civil.New(2015, 12, 2)
	}
	if g.Kind.carriesHolder() {
		in.Holder = testHolder()
	}
	return in
}

func mustTBS(t testing.TB, in Input) []byte {
	t.Helper()
	tbs, err := BuildTBS(in)
	if err != nil {
		t.Fatal(err)
	}
	return tbs
}

func mustSign(t testing.TB, g *Generation, key *rsa.PrivateKey, in Input) []byte {
	t.Helper()
	der, err := SignTBS(g, key, mustTBS(t, in))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// phoneInput is a good input for a certificate on a smartphone.
func phoneInput(t testing.TB, g *Generation) Input {
	t.Helper()
	in := testInput(t, g)
	in.Serial, in.Phone = in.Serial+100, true
	return in
}

// everyGeneration is one generation of each kind, all with the same fixed key.
func everyGeneration(t testing.TB) map[Kind]*Generation {
	t.Helper()
	key := testKey(t, "authority")
	return map[Kind]*Generation{
		Sign: testGeneration(t, Sign, "", 3, 108_816_929, key),
		Auth: testGeneration(t, Auth, "", 3, 114_393_094, key),
		Juki: testGeneration(t, Juki, "12", 2, 1, key),
	}
}
