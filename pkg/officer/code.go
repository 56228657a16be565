package officer

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// NewCode makes the code of an invitation, in groups that people can read out.
func NewCode() string {
	text := rand.Text()[:20]
	return strings.Join([]string{text[:5], text[5:10], text[10:15], text[15:]}, "-")
}

// TidyCode returns the code of an invitation, however it was typed: its letters and digits.
func TidyCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToUpper(norm.NFKC.String(typed)))
}

// CodeHash returns the hash of an invitation's code, however it was typed, as events have it.
func CodeHash(typed string) []byte {
	hash := sha256.Sum256([]byte(TidyCode(typed)))
	return hash[:]
}
