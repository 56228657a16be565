package ca

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestBlocksAreOneCounter: taking from block after block counts up without gap or repeat.
func TestBlocksAreOneCounter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint64Range(0, 1<<40).Draw(t, "start")
		last := start
		for range rapid.IntRange(1, 5).Draw(t, "blocks") {
			block, err := NewBlock(last, rapid.Uint64Range(1, 50).Draw(t, "size"))
			if err != nil {
				t.Fatal(err)
			}
			for left := block.Remaining(); left > 0; left-- {
				var serial uint64
				if serial, block, err = block.Take(); err != nil || serial != last+1 || block.Remaining() != left-1 {
					t.Fatalf("after %d came %d (%v), %d left", last, serial, err, block.Remaining())
				}
				last = serial
			}
			if _, _, err := block.Take(); !errors.Is(err, ErrBlockUsedUp) || last != block.Last {
				t.Fatalf("a used-up block at %d gives %v", last, err)
			}
		}
	})
}

func TestBlockEdges(t *testing.T) {
	if _, _, err := (Block{}).Take(); !errors.Is(err, ErrBlockUsedUp) {
		t.Errorf("the zero block: %v", err)
	}
	for _, bad := range [][2]uint64{{0, 0}, {math.MaxUint64, 1}, {math.MaxUint64 - 5, 6}} {
		if b, err := NewBlock(bad[0], bad[1]); err == nil {
			t.Errorf("block %v after %v: %v", bad[1], bad[0], b)
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
