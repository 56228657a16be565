//go:build !windows

package durable

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
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
	return syncDir(dir)
}

// syncDir makes the names in a folder durable, which syncing a file does not.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing the folder %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing the folder %s: %w", dir, err)
	}
	return nil
}
