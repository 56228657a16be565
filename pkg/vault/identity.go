package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
)

// identityEntry holds the identity of the vault that a file belongs to.
var identityEntry = []byte("identity")

// Identity tells this vault from any other. It is drawn when the vault is made and stands in each of its files.
func (v *Vault) Identity() string { return v.identity }

func shardPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("keys-%02d.db", number))
}

// missingFiles gives the files of a vault that are not there.
func missingFiles(dir string) ([]string, error) {
	var missing []string
	for i := range shards {
		_, err := os.Stat(shardPath(dir, i))
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, shardPath(dir, i))
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}

func gone(dir string, missing []string) error {
	what := "there is none in " + dir
	if n := len(missing); n > 0 && n < shards {
		var names []string
		for _, path := range missing {
			names = append(names, filepath.Base(path))
		}
		what = fmt.Sprintf("%s lacks %s", dir, strings.Join(names, ", "))
	}
	return fmt.Errorf("%w: %s, and what the log has sealed opens with its keys alone; restore it from its newest copy", ErrGone, what)
}

// identify checks that all files are of one vault, the one that is expected, and writes the identity into those of an
// earlier version, which have none.
func (v *Vault) identify(expected string) error {
	v.identity = expected
	for _, s := range v.shards {
		found, err := s.entry(identityEntry)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
		case v.identity == "":
			v.identity = string(found)
		case v.identity != string(found):
			return fmt.Errorf("%w: %s belongs to vault %s, and not to %s; restore the vault of this log", ErrOtherVault, s.path, found, v.identity)
		}
	}
	if v.identity == "" {
		v.identity = rand.Text()
	}
	for _, s := range v.shards {
		if err := s.identify(v.identity); err != nil {
			return err
		}
	}
	return nil
}

func (s *shard) identify(identity string) error {
	if found, err := s.entry(identityEntry); err != nil || len(found) > 0 {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(identityEntry, []byte(identity)) })
}

// entry gives what a file notes about itself; nil when it does not.
func (s *shard) entry(name []byte) (value []byte, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		value = append(value, tx.Bucket(metaBucket).Get(name)...)
		return nil
	})
	return value, err
}

// used reports whether the file holds a key, or did.
func (s *shard) used() (used bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		first, _ := tx.Bucket(keysBucket).Cursor().First()
		used = first != nil
		return nil
	})
	return used, err
}
