package player

import (
	"testing"

	"shomei/events"
)

// Each name in a story has its own code, always the same; a code stays unchanged.
func TestOfficersOfStoriesHaveCodes(t *testing.T) {
	for called, want := range map[string]string{"": "", "017": "017", "clerk-1": "clerk-1"} {
		if got := officerCode(called); got != want {
			t.Errorf("%q became %q", called, got)
		}
	}
	seen := make(map[string]string)
	for _, called := range []string{"佐藤", "鈴木", "sato", "clerk A", "課長", "窓口の山田太郎さんと佐藤花子さん"} {
		code := officerCode(called)
		if parsed, err := events.ParseOfficer(code); err != nil || parsed != code || seen[code] != "" || code != officerCode(called) {
			t.Errorf("%s became %q, as %q did", called, code, seen[code])
		}
		seen[code] = called
	}
}
