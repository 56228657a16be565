package hubserver

import (
	"errors"
	"testing"
)

func TestLimitFor(t *testing.T) {
	const mb = 1 << 20
	for name, row := range map[string]struct{ used, free, reserve, want int64 }{
		"a large disk":      {used: 10 * mb, free: 100_000 * mb, want: 99_754 * mb},
		"a small disk":      {used: 0, free: 64 * mb, want: 48 * mb},
		"nearly full":       {used: 900 * mb, free: 20 * mb, want: 915 * mb},
		"a reserve by name": {used: 0, free: 64 * mb, reserve: 10 * mb, want: 54 * mb},
		"no reserve":        {used: 0, free: 64 * mb, reserve: -1, want: 64 * mb},
	} {
		if got := limitFor(row.used, row.free, row.reserve); got != row.want {
			t.Errorf("%s: %d MB, want %d", name, got/mb, row.want/mb)
		}
	}
}

func TestAReserveThatNoDiskHas(t *testing.T) {
	if _, err := (Config{StoreDir: t.TempDir(), Reserve: 1 << 60}).storeLimit(); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v", err)
	}
}
