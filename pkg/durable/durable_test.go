package durable_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"shomei/pkg/durable"
)

// watch returns what happens in a folder: a line for each name made, in order.
func watch(t *testing.T, dir string) func() []string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
		t.Fatal(err)
	}
	return func() []string {
		var names []string
		buffer := make([]byte, 16<<10)
		for {
			n, err := unix.Read(fd, buffer)
			if err != nil { // nothing more: EAGAIN
				return names
			}
			for at := 0; at < n; {
				length := int(buffer[at+12]) | int(buffer[at+13])<<8
				names = append(names, string(buffer[at+unix.SizeofInotifyEvent:at+unix.SizeofInotifyEvent+length]))
				at += unix.SizeofInotifyEvent + length
			}
		}
	}
}

// TestASecretGrowsBesideItsTarget: the temporary folder, on the same disk, sees no name at all.
func TestASecretGrowsBesideItsTarget(t *testing.T) {
	temporary, dir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	inTemporary, beside := watch(t, temporary), watch(t, dir)
	path := filepath.Join(dir, "key")
	for _, content := range []string{"one", "two"} {
		if err := durable.WriteSecret(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Fatalf("read back %q: %v", got, err)
		}
	}
	if names := inTemporary(); len(names) > 0 {
		t.Errorf("made in the temporary folder: %q", names)
	}
	if names := beside(); len(names) != 4 { // two made, two put in place
		t.Errorf("made beside the target: %q", names)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left beside the target: %v %v", left, err)
	}
}

// TestOnlyItsOwnerReadsASecret, whatever the umask is and whatever stood there.
func TestOnlyItsOwnerReadsASecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	before := unix.Umask(0)
	defer unix.Umask(before)
	if err := durable.WriteSecret(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600: %v", info.Mode(), err)
	}
}

func TestAMissingFolderIsNamed(t *testing.T) {
	if err := durable.WriteFile(filepath.Join(t.TempDir(), "none", "list"), nil); err == nil {
		t.Error("a file in a folder that is not there was written")
	}
}

// TestALockIsTakenOnce, until it is given back; its folder is made.
func TestALockIsTakenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "lock")
	first, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Lock(path); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("a second time: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := durable.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestAFolderIsRenamedIntoAnother(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "a", "stream"), filepath.Join(dir, "b", "stream")
	for _, folder := range []string{from, filepath.Dir(to)} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(to); err != nil || !info.IsDir() {
		t.Errorf("%v: %v", info, err)
	}
	if _, err := os.Stat(from); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old name: %v", err)
	}
}
