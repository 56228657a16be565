package regime

import (
	"bytes"
	"unicode/utf8"
)

// PIN names one of the PINs on a card.
type PIN string

const (
	PINSign     PIN = "sign"     // signature certificate
	PINAuth     PIN = "auth"     // authentication certificate
	PINResident PIN = "resident" // 住民基本台帳用
	PINFace     PIN = "face"     // 券面事項入力補助用
)

// PINFormat is the form of a PIN and its number of tries. Tries do not come back with time (law.md 6.2).
type PINFormat struct {
	Min, Max int // length in characters
	Tries    int
	Format   ID // the rule about its form
	Limit    ID // the rule about its tries, which is also the sentence for a blocked PIN
	chars    ID
	allowed  func(byte) bool
	mixed    bool // letters and digits must both occur
}

var pinFormats = map[Regime]map[PIN]PINFormat{
	Juki: {
		PINSign: {
			Min: 4, Max: 16, Tries: 5, Format: jukiPINLength, Limit: jukiPINTries, chars: jukiPINChars,
			allowed: func(b byte) bool { return isUpper(b) || isDigit(b) || b >= 'a' && b <= 'z' },
		},
	},
	MyNumber: {
		PINSign: {
			Min: 6, Max: 16, Tries: 5, Format: signPINLength, Limit: signPINTries, chars: signPINChars,
			allowed: func(b byte) bool { return isUpper(b) || isDigit(b) }, mixed: true,
		},
		PINAuth:     {Min: 4, Max: 4, Tries: 3, Format: fourDigits, Limit: authPINTries, chars: fourDigits, allowed: isDigit},
		PINResident: {Min: 4, Max: 4, Tries: 3, Format: fourDigits, Limit: otherPINTries, chars: fourDigits, allowed: isDigit},
		PINFace:     {Min: 4, Max: 4, Tries: 3, Format: fourDigits, Limit: otherPINTries, chars: fourDigits, allowed: isDigit},
	},
}

func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }
func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// FormatOf returns the format of a PIN under a regime; false if the regime's card has no such PIN.
func FormatOf(r Regime, p PIN) (PINFormat, bool) {
	f, ok := pinFormats[r][p]
	return f, ok
}

// Rules returns the rules about a PIN's form, to explain before one is typed.
func (f PINFormat) Rules() []ID {
	rules := []ID{f.Format}
	if f.chars != f.Format {
		rules = append(rules, f.chars)
	}
	if f.mixed {
		rules = append(rules, signPINMixed)
	}
	return rules
}

// CheckPIN judges the form of a PIN. The PIN is neither kept nor echoed: the ruling names only rules. Full-width
// characters are refused, not converted, because the card compares bytes and what is set must be what the resident
// believes they typed.
func CheckPIN(r Regime, p PIN, pin []byte) Ruling {
	f, ok := FormatOf(r, p)
	if !ok {
		return Ruling{Refused: []ID{noSuchPIN}}
	}
	if fullWidth(pin) {
		return Ruling{Refused: []ID{pinFullWidth}}
	}
	var ruling Ruling
	if n := utf8.RuneCount(pin); n < f.Min || n > f.Max {
		ruling.Refuse(f.Format)
	}
	if f.Format != f.chars || ruling.Accepted() {
		ruling.Merge(f.characters(pin))
	}
	if ruling.Accepted() {
		ruling.Apply(f.Format)
	}
	return ruling
}

// characters judges the characters of a PIN.
func (f PINFormat) characters(pin []byte) Ruling {
	not := func(ok func(byte) bool) func(rune) bool {
		return func(c rune) bool { return c >= utf8.RuneSelf || !ok(byte(c)) }
	}
	var ruling Ruling
	switch {
	case bytes.ContainsFunc(pin, not(f.allowed)):
		ruling.Refuse(f.chars)
	case f.mixed && !(bytes.ContainsFunc(pin, not(isDigit)) && bytes.ContainsFunc(pin, not(isUpper))):
		ruling.Refuse(signPINMixed)
	}
	return ruling
}

// fullWidth reports whether the text contains a full-width form (U+FF01–FF5E, U+3000).
func fullWidth(pin []byte) bool {
	return bytes.ContainsFunc(pin, func(c rune) bool { return c >= 0xFF01 && c <= 0xFF5E || c == 0x3000 })
}
