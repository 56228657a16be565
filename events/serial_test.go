package events

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestSerialsAreReadAsToolsSpellThem: our own spelling, and those of openssl (x509 -serial and -text) and certtool.
func TestSerialsAreReadAsToolsSpellThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		serial := rapid.OneOf(rapid.Uint64Min(1), rapid.SampledFrom([]uint64{1, 9, 10, 1 << 63, math.MaxUint64})).Draw(t, "serial")
		octets := new(big.Int).SetUint64(serial).Bytes()
		colons := strings.TrimSuffix(strings.ReplaceAll(fmt.Sprintf("% x", octets), " ", ":"), ":")
		spellings := []string{FormatSerial(serial), fmt.Sprintf("0x%x", serial), fmt.Sprintf("0X%016X", serial), colons + ":", "00:" + colons}
		if upper := fmt.Sprintf("%X", octets); strings.ContainsAny(upper, "ABCDEF") {
			spellings = append(spellings, upper, strings.ToLower(upper))
		}
		for _, text := range spellings {
			if got, err := ParseSerial(text); err != nil || got != serial {
				t.Errorf("%s is read as %d: %v", text, got, err)
			}
		}
	})
	for _, text := range []string{"", "0", "0x", "0x0", "-1", "1.5", "18446744073709551616", "0x10000000000000000", "xyz", "abcdefghijklmnopqrstuvwx", "1 2"} {
		if got, err := ParseSerial(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}
