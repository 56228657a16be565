package events

import (
	"errors"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// ErrOfficer says that a text is no officer's code. It does not repeat the text, which may be a name.
var ErrOfficer = errors.New("an officer's code is 1 to 16 of A-Z a-z 0-9 . _ -, with a digit among them, and no name")

const maxOfficer = 16

// ParseOfficer returns an officer's code as it stands in claims and in the log: what a person typed, in its plain form
// (NFKC) and without blanks around it, so that "017", " 017" and "０１７" are one officer. A code holds a digit, because
// names don't. The error is ErrOfficer.
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
