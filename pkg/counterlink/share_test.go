package counterlink

import "testing"

func TestShare(t *testing.T) {
	const mb = 1 << 20
	for name, row := range map[string]struct{ store, holds, want int64 }{
		"a large store":                 {store: 100_000 * mb, want: 1024 * mb},
		"a small store":                 {store: 48 * mb, want: 6 * mb},
		"holds more since it was large": {store: 800 * mb, holds: 400 * mb, want: 500 * mb},
	} {
		if got := Share(row.store, row.holds); got != row.want {
			t.Errorf("%s: %d MB, want %d", name, got/mb, row.want/mb)
		}
	}
}
