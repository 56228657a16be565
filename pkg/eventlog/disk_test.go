package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

// The disk fills up under the log and gets space again: every command completes, none twice.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=10m"); err != nil {
		t.Fatalf("this test mounts a small disk and has to run as root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := natstest.StartWith(t, hubserver.Config{
		StoreDir: filepath.Join(dir, "store"), Port: -1, MaxStore: 1 << 30, CheckEvery: 20 * time.Millisecond,
	})
	c := config(t, natstest.Connect(t, s.URL()), newKey(t))
	l := open(t, c)
	mustUpdate(t, l, "p0", "first", 1)
	fill(t, filepath.Join(dir, "ballast"))

	const commands = 2000
	people := ids(50)
	var open []int
	update := func(ctx context.Context, i int, again bool) error {
		_, err := l.Update(ctx, events.KindSubscriber, people[i%50], eventlog.Envelope{
			CommandID: fmt.Sprintf("c%d", i), Redelivered: again,
		}, reissue(uint64(i+10)))
		return err
	}
	for i := range commands {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := update(ctx, i, false); err != nil {
			open = append(open, i)
			if !errors.Is(err, eventlog.ErrFull) && !errors.Is(err, eventlog.ErrUnknownOutcome) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("command %d: %v", i, err)
			}
		}
		cancel()
		if len(open) == 5 {
			for rest := i + 1; rest < commands; rest++ {
				open = append(open, rest)
			}
			break
		}
	}
	if len(open) == 0 {
		t.Fatal("the disk was never full")
	}
	t.Logf("%d of %d commands open on the full disk", len(open), commands)
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	for _, i := range open {
		if err := update(t.Context(), i, true); err != nil {
			t.Fatalf("command %d with space again: %v", i, err)
		}
	}
	wantWhole(t, l, people, commands)
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// fill uses up all but a little of the disk.
func fill(t *testing.T, path string) {
	t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &disk); err != nil {
		t.Fatal(err)
	}
	const left = 256 << 10
	if err := os.WriteFile(path, make([]byte, int64(disk.Bavail)*disk.Bsize-left), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The commit is stored but its mark is not: the disk of the marks is full. The caller learns that the outcome is
// unknown, and repeating the command with space again returns the first answer.
func TestACommitWhoseMarkCannotBeWritten(t *testing.T) {
	marks := t.TempDir()
	if err := syscall.Mount("tmpfs", marks, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatalf("this test mounts a small disk and has to run as root: %v", err)
	}
	c := config(t, natstest.Connect(t, natstest.Start(t).URL()), newKey(t))
	c.Marks = marks
	l := open(t, c)
	t.Cleanup(func() { // before the log is closed, which keeps its open file
		if err := syscall.Unmount(marks, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(marks, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	_, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c1"}, reissue(1))
	if !errors.Is(err, eventlog.ErrUnknownOutcome) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("without room for the mark: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	outcome, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c1", Redelivered: true}, reissue(1))
	if err != nil || !outcome.Repeated || outcome.Commit.GetRevision() != 1 {
		t.Errorf("repeated: %+v, %v", outcome, err)
	}
	mustUpdate(t, l, "p", "c2", 2)
	wantWhole(t, l, []string{"p"}, 2)
	if err := l.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
