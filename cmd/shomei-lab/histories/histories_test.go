package histories_test

import (
	"bytes"
	"strings"
	"testing"

	"shomei/cmd/shomei-lab/histories"
)

// TestSameSeedSameHistory: what a failed judgement names must be there again.
func TestSameSeedSameHistory(t *testing.T) {
	write := func(seed uint64) []byte {
		var out bytes.Buffer
		if err := histories.Draw(seed).Write(&out); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	one := write(3)
	if !bytes.Equal(one, write(3)) {
		t.Error("seed 3 made two histories")
	}
	if bytes.Equal(one, write(4)) {
		t.Error("seeds 3 and 4 made the same history")
	}
	for _, what := range []string{"office", "issued", "notice", "ended", "visit", "refused", "returned"} {
		if !strings.Contains(string(one), "\n"+what+",") {
			t.Errorf("seed 3 has no row of %s", what)
		}
	}
}
