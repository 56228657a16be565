// Package shred replaces files whose old content must go: it is overwritten before its last name is removed.
package shred

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"shomei/pkg/crashpoint"
	"shomei/pkg/durable"
)

// A file is replaced in four steps: the new content is written beside it (Fresh), the old file gets a second name (Left),
// the new one takes its place, the old one is overwritten and removed. A crash between any two leaves a whole file in
// place and the rest for Finish.
//
// Overwriting reaches the disk's own blocks on file systems that write in place. On those that copy on write, and on
// flash, old blocks may outlive it: there the remedy is to change the key that the content was, or was wrapped by.
const (
	// Fresh ends the name of what is about to take a file's place, Left that of what stood there.
	Fresh = ".new"
	Left  = ".shred"
)

// Where a crash test may end the process: between every two durable steps.
var (
	pointLinked   = crashpoint.Register("shred.linked")
	pointReplaced = crashpoint.Register("shred.replaced")
	pointShredded = crashpoint.Register("shred.shredded")
)

// Replace puts what write makes at path+".new" in the place of path, and shreds what was there.
func Replace(path string, write func(fresh string) error) error {
	if err := Finish(path); err != nil {
		return err
	}
	if err := write(path + Fresh); err != nil {
		return err
	}
	if err := SwapIn(path+Fresh, path); err != nil {
		return err
	}
	return Finish(path)
}

// SwapIn puts the durable file fresh in the place of path, which lives on under a second name until Finish.
func SwapIn(fresh, path string) error {
	if err := os.Link(path, path+Left); err != nil {
		return err
	}
	pointLinked.Hit()
	if err := durable.Rename(fresh, path); err != nil {
		return err
	}
	pointReplaced.Hit()
	return nil
}

// Finish overwrites and removes what an earlier replacement of path left behind.
func Finish(path string) error {
	for _, suffix := range []string{Fresh, Left} {
		left := path + suffix
		same, err := sameFile(path, left)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case !same:
			if err := overwrite(left); err != nil {
				return fmt.Errorf("overwriting %s: %w", left, err)
			}
		}
		pointShredded.Hit()
		// The same file under a second name is the live one: only the name goes.
		if err := os.Remove(left); err != nil {
			return err
		}
		if err := durable.SyncFolder(filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

// sameFile reports whether left is another name of path. The error is fs.ErrNotExist when there is no left.
func sameFile(path, left string) (bool, error) {
	leftInfo, err := os.Lstat(left)
	if err != nil {
		return false, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(info, leftInfo), nil
}

// Remove overwrites and removes a file.
func Remove(path string) error {
	if err := overwrite(path); err != nil {
		return fmt.Errorf("overwriting %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(path))
}

func overwrite(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		_, err = io.CopyN(file, zeros{}, info.Size())
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// zeros reads as zero bytes without end.
type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	clear(into)
	return len(into), nil
}
