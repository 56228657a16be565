package events

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOfficersHaveCodes(t *testing.T) {
	for typed, want := range map[string]string{
		"017": "017", " 017": "017", "０１７": "017", "017　": "017", "\t017\n": "017", "clerk-1": "clerk-1", "A.0_7-b": "A.0_7-b",
		"1234567890123456": "1234567890123456",
		"":                 "", " ": "", "佐藤": "", "佐藤1": "", "sato": "", "Sato Hanako": "", "clerk A": "", "clerk 1": "", "017;": "", "12345678901234567": "",
		"017\x00": "", "01\u200b7": "", "٠١٧": "", "017\u00ad": "", "hub": "",
	} {
		got, err := ParseOfficer(typed)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, ErrOfficer) {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
}

// Whatever is typed, what comes out is short and plain, stays what it is, and an error repeats nothing.
func TestWhateverIsTypedAsAnOfficer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typed := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ 　]?[0-9０-９A-Za-z._-]{1,16}[ 　]?`)).Draw(t, "typed")
		code, err := ParseOfficer(typed)
		if err != nil {
			if err.Error() != ErrOfficer.Error() {
				t.Fatalf("the error speaks of %q: %v", typed, err)
			}
			return
		}
		if len(code) > maxOfficer || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			t.Fatalf("%q became %q", typed, code)
		}
		if again, err := ParseOfficer(code); again != code || err != nil {
			t.Fatalf("%q became %q, then %q, %v", typed, code, again, err)
		}
	})
}
