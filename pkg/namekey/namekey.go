// Package namekey reduces names and their furigana to what they are compared by, so that a person is found however the name was
// written: with old characters or new, in hiragana or half-width, with blanks or without. It is pure.
package namekey

import (
	_ "embed"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Version is that of the keys. A change of characters.txt or of this package makes others, and whoever keeps keys makes them anew.
const Version = 1

//go:embed characters.txt
var characters string

// inUse maps characters to those that stand for them today.
var inUse = readCharacters(characters)

func readCharacters(text string) map[rune]string {
	table := make(map[rune]string)
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		for _, variant := range fields[1:] {
			for _, r := range variant {
				table[r] = fields[0]
			}
		}
	}
	return table
}

// Name returns what a name is compared by; empty for a text without a letter.
func Name(text string) string {
	var out []rune
	for _, r := range letters(text) {
		switch today, old := inUse[r]; {
		case old:
			out = append(out, []rune(today)...)
		case r == '々' && len(out) > 0:
			out = append(out, out[len(out)-1])
		default:
			out = append(out, r)
		}
	}
	return string(foldKana(out))
}

// letters returns the letters and digits of a text, each as one character: no case, no marks on Latin letters, no variants of width,
// no variation selectors, blanks or dots. Hiragana are katakana.
func letters(text string) []rune {
	plain := cases.Fold().String(norm.NFKD.String(text))
	plain = norm.NFC.String(strings.Map(func(r rune) rune {
		if r >= '\u0300' && r <= '\u036f' { // not the voicing marks of kana
			return -1
		}
		return r
	}, plain))
	var out []rune
	for _, r := range plain {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.So, r) && inUse[r] != "" {
			out = append(out, katakana(r))
		}
	}
	return out
}

// katakana returns the katakana of a hiragana, and other characters as they are.
func katakana(r rune) rune {
	const shift = 'ア' - 'あ'
	if r >= 'ぁ' && r <= 'ゖ' || r == 'ゝ' || r == 'ゞ' {
		return r + shift
	}
	return r
}

// Kana returns furigana as records have it: full-width katakana, its parts divided by one full-width blank. It reports false for a text
// with anything that is no kana.
func Kana(text string) (string, bool) {
	var parts []string
	for _, part := range strings.Fields(norm.NFKC.String(text)) {
		for _, r := range part {
			if r = katakana(r); !isKatakana(r) {
				return text, false
			}
		}
		parts = append(parts, strings.Map(katakana, part))
	}
	return strings.Join(parts, "　"), true
}

// isKatakana reports whether a character may stand in furigana.
func isKatakana(r rune) bool {
	return r >= 'ァ' && r <= 'ヺ' || r == 'ー' || r == 'ヽ' || r == 'ヾ' || r == '・'
}

// plainKana maps kana to those that are taken for the same: small ones to large, and those that sound like another.
var plainKana = pairs("ァア ィイ ゥウ ェエ ォオ ッツ ャヤ ュユ ョヨ ヮワ ヵカ ヶケ ヰイ ヱエ ヲオ ヂジ ヅズ")

// voiced maps kana to those with a voicing mark.
var voiced = pairs("カガ キギ クグ ケゲ コゴ サザ シジ スズ セゼ ソゾ タダ チジ ツズ テデ トド ハバ ヒビ フブ ヘベ ホボ")

// vowels maps kana to the vowel that they end in.
var vowels = rows("アカサタナハマヤラワガザダバパ", "イキシチニヒミリギジビピ", "ウクスツヌフムユルグズブプヴ", "エケセテネヘメレゲゼデベペ", "オコソトノホモヨロゴゾドボポ")

func pairs(text string) map[rune]rune {
	table := make(map[rune]rune)
	for _, pair := range strings.Fields(text) {
		both := []rune(pair)
		table[both[0]] = both[1]
	}
	return table
}

func rows(list ...string) map[rune]rune {
	table := make(map[rune]rune)
	for _, row := range list {
		all := []rune(row)
		for _, r := range all {
			table[r] = all[0]
		}
	}
	return table
}

// foldKana writes kana that are taken for the same alike: small ones, marks of repetition, and long vowels (コージ, コウジ, コオジ).
func foldKana(text []rune) []rune {
	out := make([]rune, 0, len(text))
	for _, r := range text {
		var before rune
		if len(out) > 0 {
			before = out[len(out)-1]
		}
		if plain, ok := plainKana[r]; ok {
			r = plain
		}
		vowel := vowels[before]
		switch {
		case r == 'ー' && vowel != 0, r == 'ウ' && vowel == 'オ', r == 'イ' && vowel == 'エ':
			r = vowel
		case r == 'ヽ' && before != 0:
			r = before
		case r == 'ヾ' && voiced[before] != 0:
			r = voiced[before]
		}
		out = append(out, r)
	}
	return out
}
