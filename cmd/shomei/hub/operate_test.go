package hub

import (
	"errors"
	"strings"
	"testing"
)

// Orders stand under a code, however it is typed; a name is turned away and not repeated.
func TestOrdersAreGivenUnderACode(t *testing.T) {
	for typed, want := range map[string]string{"0042": "0042", " ００４２ ": "0042", Itself: Itself} {
		if o, err := (&Hub{}).By(typed); err != nil || o.officer != want {
			t.Errorf("%q orders as %q, %v", typed, o.officer, err)
		}
	}
	for _, name := range []string{"", "山田 太郎", "Yamada Taro", "yamada", "00420042004200420"} {
		_, err := (&Hub{}).By(name)
		if !errors.Is(err, ErrRefused) || name != "" && strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
