package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"shomei/services/agent"
)

// With a full disk, applications are refused with an error. Once there is space again, every acknowledged one is there and
// work continues.
func TestFullDiskRefusesApplicationsAndRecovers(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Fatalf("mounting a small disk failed, run the test as root: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	centre := newCentre(t)
	cfg := centre.config(filepath.Join(dir, "store.db"), nil)
	offline, err := agent.Open(cfg)
	must(t, err)
	var kept int
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 128<<10), 0o600))
	for {
		_, err := offline.Receive(t.Context(), application(centre.cardID))
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		must(t, err)
		if kept++; kept > 10_000 {
			t.Fatal("the disk never filled")
		}
	}
	if got := offline.Outbox(); got != kept {
		t.Errorf("%d were acknowledged, %d are in the outbox", kept, got)
	}
	must(t, os.Remove(ballast))
	_, err = offline.Receive(t.Context(), application(centre.cardID))
	must(t, err)
	must(t, offline.Close())
	again, err := agent.Open(cfg)
	must(t, err)
	defer again.Close()
	if got := again.Outbox(); got != kept+1 {
		t.Errorf("%d claims after opening it again, want %d", got, kept+1)
	}
}
