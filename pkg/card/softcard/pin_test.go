package softcard

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"
)

// TestPINsAreHashedAsTheLibraryDoes: cards made before it was written out here still know their PINs.
func TestPINsAreHashedAsTheLibraryDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value, salt := rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(t, "value"), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "salt")
		p := pin{Salt: salt, Iterations: rapid.IntRange(1, 20).Draw(t, "iterations")}
		want, err := pbkdf2.Key(sha256.New, string(value), salt, p.Iterations, sha256.Size)
		if err != nil || !bytes.Equal(p.derive(value), want) {
			t.Fatalf("%x, want %x: %v", p.derive(value), want, err)
		}
	})
}
