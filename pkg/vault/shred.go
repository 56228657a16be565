package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"shomei/pkg/durable"
)

// A file whose old content must go is replaced in four steps: the new content is written beside it (.new), the old file
// gets a second name (.shred), the new one takes its place, the old one is overwritten and removed. A crash between any
// two leaves a whole file in place and the rest for finishShredding.
//
// Overwriting reaches the disk's own blocks on file systems that write in place. On those that copy on write, and on
// flash, old blocks may outlive it: there Rewrap, which retires the master key they are wrapped by, is the remedy.
const (
	freshSuffix = ".new"
	shredSuffix = ".shred"
)

// replaceShredding puts what write makes at path+".new" in the place of path, and shreds what was there.
func replaceShredding(path string, write func(fresh string) error) error {
	if err := finishShredding(path); err != nil {
		return err
	}
	if err := write(path + freshSuffix); err != nil {
		return err
	}
	if err := swapIn(path); err != nil {
		return err
	}
	return finishShredding(path)
}

// swapIn puts the durable file path+".new" in the place of path, which lives on as path+".shred".
func swapIn(path string) error {
	if err := os.Link(path, path+shredSuffix); err != nil {
		return err
	}
	pointLinked.Hit()
	if err := durable.Rename(path+freshSuffix, path); err != nil {
		return err
	}
	pointReplaced.Hit()
	return nil
}

// finishShredding overwrites and removes what an earlier replacement of path left behind.
func finishShredding(path string) error {
	for _, suffix := range []string{freshSuffix, shredSuffix} {
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
