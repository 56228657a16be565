package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"shomei/events"
)

// TestAFullDiskMakesNoHalfKey: a new key that finds no room is not made and nothing is sealed with it, what was sealed
// stays readable, and with space again the same call succeeds. That a key which was made and not told of stays one key is
// what the kills at vault.keys.created show.
func TestAFullDiskMakesNoHalfKey(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatalf("mounting a small disk needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	cfg := testConfig(t)
	cfg.Dir = filepath.Join(dir, "vault")
	v := mustOpen(t, cfg)
	sealed := map[string]*events.Sealed{person: mustSeal(t, v, person, "identity", here, "kept")}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	binding := func(id string) Binding { b := here; b.ID = id; return b }
	refused := ""
	for n := 0; refused == ""; n++ {
		id := fmt.Sprintf("%024d", n)
		s, err := v.Seal(id, "identity", binding(id), []byte("kept"))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			refused = id
		case err != nil:
			t.Fatal(err)
		default:
			sealed[id] = s
		}
		if n > 100_000 {
			t.Fatal("the vault never filled")
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	sealed[refused] = mustSeal(t, v, refused, "identity", binding(refused), "kept")
	mustClose(t, v)
	v = mustOpen(t, cfg)
	for id, s := range sealed {
		b := binding(id)
		if text, err := v.Open(id, b, s); err != nil || string(text) != "kept" {
			t.Errorf("%s: %q, %v", id, text, err)
		}
	}
	t.Logf("%d persons, the last after there was space again", len(sealed))
}
