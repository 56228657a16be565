package card

import (
	"bytes"
	"os"
	"regexp"
	"testing"
)

var vectorLine = regexp.MustCompile(`(?m)^([a-z][a-z -]+[a-z]) += ([0-9a-f]+|".*")$`)

// The vectors of deploy/card-keys.md hold: whoever writes a card or a centre by that page alone agrees with this package.
func TestTheVectorsOfTheProtocol(t *testing.T) {
	page, err := os.ReadFile("../../deploy/card-keys.md")
	if err != nil {
		t.Fatal(err)
	}
	v := map[string][]byte{}
	for _, m := range vectorLine.FindAllStringSubmatch(string(page), -1) {
		if text := m[2]; text[0] == '"' {
			v[m[1]] = []byte(text[1 : len(text)-1])
		} else {
			v[m[1]] = unhex(t, text)
		}
	}
	id := string(v["card"])
	old, first, second := Secret(v["master of version zero"]), Secret(v["master of version one"]), Secret(v["master of version two"])
	k0, err := Diversify(&old, nil, id)
	if err != nil {
		t.Fatal(err)
	}
	k1, err := Diversify(&first, v["name one"], id)
	if err != nil {
		t.Fatal(err)
	}
	k2, err := Diversify(&second, v["name two"], id)
	if err != nil {
		t.Fatal(err)
	}
	x := Exchange{Card: v["card random"], Host: v["host random"], Rights: Rights(v["rights"][0]), ID: id}
	for name, got := range map[string][]byte{
		"key of version zero": k0.Secret[:], "key one": k1.Secret[:], "key two": k2.Secret[:],
		"host proof": x.HostProof(&k1.Secret), "card proof": x.CardProof(&k1.Secret), "wrap key": x.wrapKey(&k1.Secret)[:],
		"wrapped": x.Wrap(&k1.Secret, k2), "next proof": x.NextProof(&k2.Secret), "check value": first.CheckValue(),
	} {
		if !bytes.Equal(got, v[name]) {
			t.Errorf("%s = %x, the page says %x", name, got, v[name])
		}
	}
}
