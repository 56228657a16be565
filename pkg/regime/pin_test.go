package regime

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckPIN(t *testing.T) {
	for _, c := range []struct {
		regime  Regime
		pin     PIN
		text    string
		refused []ID
	}{
		{Juki, PINSign, "ab12", nil},
		{Juki, PINSign, "abcdefgh12345678", nil},
		{Juki, PINSign, "1234", nil},
		{Juki, PINSign, "ab1", []ID{"juki.pin.length"}},
		{Juki, PINSign, "abcdefgh123456789", []ID{"juki.pin.length"}},
		{Juki, PINSign, "ab-12", []ID{"juki.pin.characters"}},
		{MyNumber, PINSign, "ABC123", nil},
		{MyNumber, PINSign, "ABCDEFGH12345678", nil},
		{MyNumber, PINSign, "AB123", []ID{"mynumber.pin.sign-length"}},
		{MyNumber, PINSign, "ABCDEFGH123456789", []ID{"mynumber.pin.sign-length"}},
		{MyNumber, PINSign, "abc123", []ID{"mynumber.pin.sign-characters"}},
		{MyNumber, PINSign, "ABCDEF", []ID{"mynumber.pin.sign-mixed"}},
		{MyNumber, PINSign, "123456", []ID{"mynumber.pin.sign-mixed"}},
		{MyNumber, PINSign, "ABC 123", []ID{"mynumber.pin.sign-characters"}},
		{MyNumber, PINSign, "", []ID{"mynumber.pin.sign-length", "mynumber.pin.sign-mixed"}},
		{MyNumber, PINSign, "\uff21BC123", []ID{"pin.full-width"}},
		{MyNumber, PINSign, "ABC12\u30a2", []ID{"mynumber.pin.sign-characters"}},
		{MyNumber, PINAuth, "1234", nil},
		{MyNumber, PINAuth, "123", []ID{"mynumber.pin.four-digits"}},
		{MyNumber, PINAuth, "12345", []ID{"mynumber.pin.four-digits"}},
		{MyNumber, PINAuth, "12a4", []ID{"mynumber.pin.four-digits"}},
		{MyNumber, PINAuth, "12\uff134", []ID{"pin.full-width"}},
		{MyNumber, PINResident, "0000", nil},
		{MyNumber, PINFace, "0000", nil},
		{Juki, PINAuth, "1234", []ID{"pin.unknown"}},
	} {
		got := CheckPIN(c.regime, c.pin, []byte(c.text))
		if !slices.Equal(got.Refused, c.refused) {
			t.Errorf("%s %s case %q: %v, want %v", c.regime, c.pin, c.text, got.Refused, c.refused)
		}
	}
}

func TestPINFormats(t *testing.T) {
	for _, c := range []struct {
		regime          Regime
		pin             PIN
		min, max, tries int
		limit           ID
	}{
		{Juki, PINSign, 4, 16, 5, "juki.pin.tries"},
		{MyNumber, PINSign, 6, 16, 5, "mynumber.pin.sign-tries"},
		{MyNumber, PINAuth, 4, 4, 3, "mynumber.pin.auth-tries"},
		{MyNumber, PINResident, 4, 4, 3, "mynumber.pin.other-tries"},
		{MyNumber, PINFace, 4, 4, 3, "mynumber.pin.other-tries"},
	} {
		f, ok := FormatOf(c.regime, c.pin)
		if !ok || f.Min != c.min || f.Max != c.max || f.Tries != c.tries || f.Limit != c.limit {
			t.Errorf("%s %s: %+v", c.regime, c.pin, f)
		}
	}
	if _, ok := FormatOf(Juki, PINFace); ok {
		t.Error("a juki card has a face PIN")
	}
}

// A PIN is judged as a plain reading of the rule says, left as it was, and never echoed.
func TestCheckPINProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ABYZ0189az-\u3042\uff21")), 0, 18, -1).Draw(t, "text")
		pin := []byte(text)
		got := CheckPIN(MyNumber, PINSign, pin)
		letters, digits, others := 0, 0, 0
		for _, r := range text {
			switch {
			case strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZ", r):
				letters++
			case strings.ContainsRune("0123456789", r):
				digits++
			default:
				others++
			}
		}
		n := letters + digits
		if want := others == 0 && n >= 6 && n <= 16 && letters > 0 && digits > 0; got.Accepted() != want {
			t.Fatalf("accepted %v, want %v: %v", got.Accepted(), want, got.Refused)
		}
		if !bytes.Equal(pin, []byte(text)) || len(text) >= 4 && strings.Contains(fmt.Sprint(got), text) {
			t.Fatalf("the PIN was changed or echoed: %v", got)
		}
	})
}
