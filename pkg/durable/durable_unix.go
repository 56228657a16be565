//go:build !windows

package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

var (
	secret = []renameio.Option{renameio.WithPermissions(0o600), renameio.IgnoreUmask()}
	public = []renameio.Option{renameio.WithPermissions(0o644)}
)

func write(path string, content []byte, permissions []renameio.Option) error {
	dir := filepath.Dir(path)
	file, err := renameio.NewPendingFile(path, append(permissions[:len(permissions):len(permissions)], renameio.WithTempDir(dir))...)
	if err != nil {
		return fmt.Errorf("writing beside %s: %w", path, err)
	}
	defer file.Cleanup() // does nothing once the file is in its place
	if _, err := file.Write(content); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return SyncFolder(dir)
}

func replace(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	if filepath.Dir(from) == filepath.Dir(to) {
		return SyncFolder(filepath.Dir(to))
	}
	return errors.Join(SyncFolder(filepath.Dir(from)), SyncFolder(filepath.Dir(to)))
}

// SyncFolder makes the names in a folder durable, which syncing a file does not.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err == nil {
		err = errors.Join(folder.Sync(), folder.Close())
	}
	if err != nil {
		return fmt.Errorf("syncing the folder %s: %w", path, err)
	}
	return nil
}

// ErrLocked says that another process has the lock.
var ErrLocked = errors.New("another process has the lock")

// Lock takes the lock file at path for this process, until the file is closed or the process ends, however that ends. A
// file or folder that is missing is made. It does not wait: ErrLocked.
func Lock(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of a lock: %w", err)
	}
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a lock: %w", err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return lock, nil
}
