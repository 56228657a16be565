package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// secrets are what may stand nowhere in the clear.
func secrets(people []person) []string {
	var list []string
	for _, p := range people {
		family, given, _ := strings.Cut(p.name, "　")
		list = append(list, p.code, p.name, family+given, given, p.address, p.birth, strings.ReplaceAll(p.birth, "-", ""), p.mail)
	}
	return append(list, signPIN)
}

// forms are the ways in which a text can stand in a file.
func forms(text string) [][]byte {
	list := [][]byte{[]byte(text), []byte(hex.EncodeToString([]byte(text)))}
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

// scan names the files below the folders that hold a secret in any form; allowed ones are passed over.
func scan(t *testing.T, secrets []string, allowed func(path string) bool, folders ...string) (found []string) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || allowed(path) {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, secret := range secrets {
				for _, form := range forms(secret) {
					if bytes.Contains(content, form) {
						found = append(found, path+": "+secret)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// leaks stops everything and looks through every file that it left, save the mails that were sent. The card's own file
// holds the certificate that names its holder, in the profile's own forms; the mails are for the persons themselves.
func (c *centre) leaks(t *testing.T, k *counter, people ...person) {
	t.Helper()
	k.stop()
	c.stop()
	mails := filepath.Join(c.data, "mail")
	allowed := func(path string) bool {
		return strings.HasPrefix(path, mails) || filepath.Dir(path) == k.cards && strings.HasSuffix(path, ".json")
	}
	if found := scan(t, secrets(people), allowed, c.data, k.cards); len(found) > 0 {
		t.Errorf("personal data in the clear:\n%s", strings.Join(found, "\n"))
	}
	everywhere := func(string) bool { return false }
	if sent, _ := filepath.Glob(filepath.Join(mails, "*.eml")); len(sent) > 0 && len(scan(t, secrets(people), everywhere, mails)) == 0 {
		t.Error("the scan does not find in the mails what is there")
	}
	if found := scan(t, []string{k.card}, everywhere, filepath.Join(c.data, "nats")); len(found) == 0 {
		t.Error("the scan does not find in the log what is there")
	}
}

func TestTheScanFindsWhatIsPlanted(t *testing.T) {
	const secret = "証明　花子"
	for i, form := range forms(secret) {
		folder := t.TempDir()
		planted := slices.Concat(bytes.Repeat([]byte{0xa5}, i), form, []byte("x"))
		if err := os.WriteFile(filepath.Join(folder, "f"), planted, 0o600); err != nil {
			t.Fatal(err)
		}
		if found := scan(t, []string{secret}, func(string) bool { return false }, folder); len(found) == 0 {
			t.Errorf("form %d was not found", i)
		}
	}
	folder := t.TempDir()
	for shift := range 3 {
		inside := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("#", shift) + secret + "!?"))
		if err := os.WriteFile(filepath.Join(folder, "f"), []byte(inside), 0o600); err != nil {
			t.Fatal(err)
		}
		if found := scan(t, []string{secret}, func(string) bool { return false }, folder); len(found) == 0 {
			t.Errorf("inside base64, shifted by %d: not found", shift)
		}
	}
}
