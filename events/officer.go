package events

import (
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// ErrOfficer: a text is not an officer's code. It does not repeat the text, which may be a name.
var ErrOfficer = errors.New("an officer's code is 1 to 16 of A-Z a-z 0-9 . _ -, at least one of them a digit, and not a name")

const maxOfficer = 16

// ParseOfficer returns an officer's code as written in claims and in the log: what a person typed, normalised (NFKC)
// and trimmed, so that "017", " 017" and "０１７" are one officer. A code has a digit, because names don't. The error
// is ErrOfficer.
func ParseOfficer(typed string) (string, error) {
	code := strings.TrimSpace(norm.NFKC.String(typed))
	if code == "" || len(code) > maxOfficer || !strings.ContainsAny(code, "0123456789") {
		return "", ErrOfficer
	}
	for i := range len(code) {
		if c := code[i]; c != '.' && !idByte(c) {
			return "", ErrOfficer
		}
	}
	return code, nil
}
