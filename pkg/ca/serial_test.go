package ca

import (
	"bytes"
	"encoding/asn1"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestSerialsAreUnpredictable: each of the 64 bits is drawn anew for every number.
func TestSerialsAreUnpredictable(t *testing.T) {
	const draws = 4096
	var ones [64]int
	seen := make(map[uint64]bool)
	for range draws {
		serial := NewSerial()
		if serial == 0 || seen[serial] {
			t.Fatalf("serial %d is zero or was drawn twice", serial)
		}
		seen[serial] = true
		for bit := range ones {
			ones[bit] += int(serial >> bit & 1)
		}
	}
	for bit, n := range ones { // 12 standard deviations of 32
		if n < draws/2-12*32 || n > draws/2+12*32 {
			t.Errorf("bit %d is set in %d of %d serials", bit, n, draws)
		}
	}
}

// TestIntegerBytes: the serial in the authority key identifier is DER, also where a sign octet is needed.
func TestIntegerBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 0x7f, 0x80, 0xff, 0x100, 0x8000, math.MaxUint64})).Draw(t, "n")
		want, err := asn1.Marshal(new(big.Int).SetUint64(n))
		if err != nil {
			t.Fatal(err)
		}
		if got := integerBytes(n); !bytes.Equal(got, want[2:]) {
			t.Fatalf("%d: got %x, want %x", n, got, want[2:])
		}
	})
}
