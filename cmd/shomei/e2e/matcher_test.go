package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf16"
)

// matcher finds many texts in much content, in every form in which a text can stand there.
type matcher struct {
	two   [1 << 16]bool // the first two bytes of some form
	forms map[[formHead]byte][]form
}

// form is one way in which a secret can stand somewhere.
type form struct {
	bytes  []byte
	secret string
}

// formHead is the length of the shortest form that is looked for: a PIN of six characters, a given name of two.
const formHead = 6

func newMatcher(secrets []string) *matcher {
	m := &matcher{forms: make(map[[formHead]byte][]form)}
	slices.Sort(secrets)
	for _, secret := range slices.Compact(secrets) {
		for _, one := range forms(secret) {
			if len(one) < formHead {
				continue // two characters in UTF-16 say nothing
			}
			m.two[binary.BigEndian.Uint16(one)] = true
			head := [formHead]byte(one)
			m.forms[head] = append(m.forms[head], form{one, secret})
		}
	}
	return m
}

// in names the secrets that stand in the content.
func (m *matcher) in(content []byte) (found []string) {
	for at := 0; at+formHead <= len(content); at++ {
		if !m.two[binary.BigEndian.Uint16(content[at:])] {
			continue
		}
		for _, one := range m.forms[[formHead]byte(content[at:])] {
			if bytes.HasPrefix(content[at:], one.bytes) && !slices.Contains(found, one.secret) {
				found = append(found, one.secret)
			}
		}
	}
	return found
}

// forms are the ways in which a text can stand in a file.
func forms(text string) [][]byte {
	list := [][]byte{[]byte(text), []byte(hex.EncodeToString([]byte(text))), []byte(strings.ToUpper(hex.EncodeToString([]byte(text))))}
	units := utf16.Encode([]rune(text))
	big, little := make([]byte, 0, 2*len(units)), make([]byte, 0, 2*len(units))
	for _, u := range units {
		big, little = binary.BigEndian.AppendUint16(big, u), binary.LittleEndian.AppendUint16(little, u)
	}
	list = append(list, big, little)
	for _, raw := range [][]byte{[]byte(text), big, little} {
		list = append(list, base64Forms(raw)...)
	}
	return list
}

// base64Forms are the three ways in which bytes can stand within a longer base64 text, without what depends on their
// neighbours.
func base64Forms(raw []byte) (list [][]byte) {
	for shift := range 3 {
		padded := append(make([]byte, shift), raw...)
		text := base64.StdEncoding.EncodeToString(padded)
		from := (8*shift + 5) / 6
		whole := 8 * len(padded) / 6
		if whole-from >= 8 {
			list = append(list, []byte(text[from:whole]))
		}
	}
	return list
}
