package ca

import (
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/encoding/japanese"
)

// DefaultSubstitute stands for a character that a certificate can't hold and no ordinary character stands for: the geta
// mark 〓, the convention of Japanese printing for a missing type (profile.md 3).
const DefaultSubstitute = '〓'

// Substitute writes text in the characters a certificate can hold: printable ASCII, JIS levels 1 and 2 (JIS X 0208)
// and the supplementary kanji (JIS X 0212). Others become the ordinary character that is agreed to stand for them (髙: 高),
// where there is one, and otherwise mark. Flags has one digit for each code point of value: '0' as recorded, '1' replaced
// (profile.md 3).
//
// An ideographic variation sequence is one character: its selector is dropped and its base flagged as replaced,
// because what then stands in the certificate is readable but not what was recorded.
func Substitute(text string, mark rune) (value, flags string) {
	var out []rune
	var marks []byte
	for _, r := range text {
		switch {
		case unicode.Is(unicode.Variation_Selector, r) && len(out) > 0:
			marks[len(marks)-1] = '1'
		case holdable(r):
			out, marks = append(out, r), append(marks, '0')
		default:
			instead, ok := standIn(r)
			if !ok {
				instead = mark
			}
			out, marks = append(out, instead), append(marks, '1')
		}
	}
	return string(out), string(marks)
}

// holdable reports whether a certificate can hold r.
func holdable(r rune) bool {
	if r >= ' ' && r <= '~' {
		return true
	}
	_, ok := jisCharacters()[r]
	return ok
}

// jisCharacters is the set of JIS X 0208 and JIS X 0212, read from the EUC-JP decoder once. Its table has vendor rows
// beside the standard ones (13 and 89 to 92 of JIS X 0208), which are skipped: 髙 and 﨑 are not in JIS.
var jisCharacters = sync.OnceValue(func() map[rune]struct{} {
	set := make(map[rune]struct{}, 13000)
	for row := 1; row <= 84; row++ {
		if row >= 9 && row <= 15 {
			continue // not assigned in JIS X 0208; row 13 is NEC's
		}
		addRow(set, "", row)
	}
	for row := 1; row <= 77; row++ {
		addRow(set, "\x8f", row)
	}
	// The decoder follows Windows for these; JIS's own readings are as good.
	for _, r := range "〜−‖¢£¬—" {
		set[r] = struct{}{}
	}
	return set
})

func addRow(set map[rune]struct{}, prefix string, row int) {
	var cells strings.Builder
	for cell := 1; cell <= 94; cell++ {
		cells.WriteString(prefix)
		cells.Write([]byte{byte(0xa0 + row), byte(0xa0 + cell)})
	}
	text, err := japanese.EUCJP.NewDecoder().String(cells.String())
	if err != nil {
		return // the decoder marks what it can't read instead of failing
	}
	for _, r := range text {
		if r != unicode.ReplacementChar {
			set[r] = struct{}{}
		}
	}
}
