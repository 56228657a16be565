package counterlink

import (
	"strings"
	"testing"
)

// TestAVersionIsNoPlaceForMessages: it stands in an operator's list, and comes from a counter.
func TestAVersionIsNoPlaceForMessages(t *testing.T) {
	for said, want := range map[string]string{
		"v1.2.3-0.20261130+dirty": "v1.2.3-0.20261130+dirty", "(devel)": "(devel)", "": "",
		"<b>1</b>": "", "1\n2": "", "第1版": "", strings.Repeat("1", 81): "",
	} {
		header := hello{nonce: "n", session: "s", head: Head{Epoch: "e"}}.header()
		header.Set(headerVersion, said)
		got, err := parseHello(header)
		if err != nil || got.version != want {
			t.Errorf("%.20q is taken as %q, %v", said, got.version, err)
		}
	}
}
