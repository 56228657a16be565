package regime

import "testing"

func TestKeyLength(t *testing.T) {
	for _, c := range []struct {
		regime Regime
		bits   int
		rule   ID
		good   bool
	}{
		{Juki, 1023, "juki.keys.rsa-1024", false},
		{Juki, 1024, "juki.keys.rsa-1024", true},
		{Juki, 2048, "juki.keys.rsa-1024", true},
		{MyNumber, 0, "mynumber.keys.rsa-2048", false},
		{MyNumber, 2047, "mynumber.keys.rsa-2048", false},
		{MyNumber, 2048, "mynumber.keys.rsa-2048", true},
	} {
		got := KeyLength(c.regime, c.bits)
		if got.Accepted() != c.good || len(got.Rules()) != 1 || got.Rules()[0] != c.rule {
			t.Errorf("%s, %d bits: %+v", c.regime, c.bits, got)
		}
	}
}
