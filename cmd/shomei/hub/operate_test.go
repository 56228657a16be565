package hub

import (
	"errors"
	"strings"
	"testing"
)

// Orders are recorded under a code, however it is typed; a name is refused and not repeated.
func TestOrdersAreGivenUnderACode(t *testing.T) {
	for typed, want := range map[string]string{"0042": "0042", " ００４２ ": "0042", Itself: Itself} {
		if o, err := (&Parts{}).By(typed); err != nil || o.officer != want {
			t.Errorf("%q orders as %q, %v", typed, o.officer, err)
		}
	}
	for _, name := range []string{"", "山田 太郎", "Yamada Taro", "yamada", "00420042004200420"} {
		_, err := (&Parts{}).By(name)
		if !errors.Is(err, ErrRefused) || name != "" && strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// An officer's text about an order is judged like every other text by officers.
func TestRemarksAreOneLineOfText(t *testing.T) {
	for text, taken := range map[string]bool{
		"令和8年第3号": true, strings.Repeat("長", 200): true,
		"": false, "  ": false, strings.Repeat("長", 201): false, "two\nlines": false,
		"turned \u202e round": false, "hidden\u200btext": false, "broken \xff": false,
	} {
		if err := checkRemark("--why", text); (err == nil) != taken || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}
