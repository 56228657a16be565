package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

// disk mounts a disk of a given size.
func disk(t *testing.T, megabytes int) (path string) {
	t.Helper()
	path = t.TempDir()
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatalf("this test mounts small disks and has to run as root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return path
}

func resize(t *testing.T, path string, megabytes int64) {
	t.Helper()
	check(t, syscall.Mount("tmpfs", path, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dm", megabytes)))
}

// used returns how many megabytes of a disk are in use.
func used(t *testing.T, path string) int64 {
	t.Helper()
	var fs syscall.Statfs_t
	check(t, syscall.Statfs(path, &fs))
	return (int64(fs.Blocks)-int64(fs.Bfree))*fs.Bsize>>20 + 1
}

// TestANewHubOnASmallDisk starts with little room.
func TestANewHubOnASmallDisk(t *testing.T) {
	for _, size := range []int{64, 300, 1200} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			path := disk(t, size)
			h, said := started(t, filepath.Join(path, "data"))
			served(t, h, said)
			decide(t, h, "12237-main")
			if limit := h.server.StoreLimit(); limit > int64(size)<<20 {
				t.Errorf("JetStream may store %d MB", limit>>20)
			}
			silent(t, h.Parts)
			check(t, h.Close())
			t.Logf("%d MB used of %d", used(t, path), size)
		})
	}
}

// TestADiskThatShrinks: an earlier program has reserved three gigabytes. The hub starts on each smaller disk, as long
// as there is room at all, and takes more when the disk grows again.
func TestADiskThatShrinks(t *testing.T) {
	path := disk(t, 4000)
	unpack(t, path)
	data := filepath.Join(path, "data")
	var limits []int64
	for i, free := range []int64{3900, 1200, 300, 40, 1200, 9000} {
		resize(t, path, used(t, path)+free)
		h, said := started(t, data)
		served(t, h, said)
		decide(t, h, fmt.Sprintf("12237-%d", i))
		limits = append(limits, h.server.StoreLimit()>>20)
		if limit := h.server.StoreLimit() >> 20; limit > used(t, path)+free {
			t.Errorf("with %d MB free JetStream may store %d MB", free, limit)
		}
		check(t, h.Close())
	}
	t.Logf("limits in MB: %v", limits)
	if limits[3] >= limits[2] || limits[5] <= limits[4] {
		t.Errorf("limits don't follow the disk: %v", limits)
	}
	resize(t, path, used(t, path)+4)
	_, err := Start(t.Context(), Config{Data: data, AnyClock: true, Logger: natstest.Quiet()}, ByHand...)
	if !errors.Is(err, hubserver.ErrSpace) || !strings.Contains(err.Error(), "MB free") || !strings.Contains(err.Error(), path) {
		t.Errorf("without room: %v", err)
	}
	resize(t, path, used(t, path)+300)
	h, said := started(t, data)
	served(t, h, said)
	silent(t, h.Parts)
}

// TestADiskThatFillsUp: nothing more is recorded, and the hub reports it and keeps running. With room again it
// continues by itself.
func TestADiskThatFillsUp(t *testing.T) {
	path := disk(t, 200)
	h, said := started(t, filepath.Join(path, "data"))
	served(t, h, said)
	decide(t, h, "12237-before")
	ballast := filepath.Join(path, "ballast")
	fill(t, ballast)
	full := false
	for i := range 200 {
		ctx, cancel := contextWith(t, 2*time.Second)
		err := h.DefineOffice(ctx, fmt.Sprintf("12237-full-%d", i), large())
		cancel()
		if full = err != nil; full {
			t.Log(err)
			break
		}
	}
	if !full {
		t.Fatal("the disk was never full")
	}
	natstest.Wait(t, time.Minute, "health to say so",
		func() bool { return h.server.Health() != nil || strings.Contains(said.String(), "write error") })
	check(t, os.Remove(ballast))
	natstest.Wait(t, 2*time.Minute, "decisions with room again", func() bool {
		ctx, cancel := contextWith(t, 5*time.Second)
		defer cancel()
		return h.DefineOffice(ctx, "12237-after", tryOutOffice("12237")) == nil
	})
	served(t, h, said)
	ctx, cancel := contextWith(t, 2*time.Minute)
	defer cancel()
	check(t, h.Projector.CaughtUp(ctx))
	silent(t, h.Parts)
}

// fill uses up all but a little of the disk.
func fill(t *testing.T, file string) {
	t.Helper()
	var fs syscall.Statfs_t
	check(t, syscall.Statfs(filepath.Dir(file), &fs))
	const left = 128 << 10
	check(t, os.WriteFile(file, make([]byte, int64(fs.Bavail)*fs.Bsize-left), 0o600))
}

// large returns an office with a large definition.
func large() *events.OfficeDefined {
	def := tryOutOffice("12237")
	for i := range 400 {
		def.Exceptions = append(def.Exceptions, &events.HoursException{
			FromMs: int64(10*i + 10), UntilMs: int64(10*i + 15), RuleId: "office.closed.maintenance",
		})
	}
	return def
}

func contextWith(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
