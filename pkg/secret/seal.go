package secret

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"

	"shomei/pkg/crashpoint"
	"shomei/pkg/durable"
	"shomei/pkg/durable/shred"
)

// crossingLine stands in the lock, where only the unlock can write it, while some files may be in the clear.
const crossingLine = "# on the way from the clear, or to it\n"

// Where a crash test may end the process: between every two durable steps.
var (
	pointLocked = crashpoint.Register("secret.locked")
	pointMoved  = crashpoint.Register("secret.moved")
)

// Begin makes the lock of a folder that has no secrets yet.
func Begin(folder string, u Unlock) (*Store, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	s := &Store{identities: []*age.X25519Identity{identity}}
	return s, s.lock(folder, u)
}

// lock writes the lock.
func (s *Store) lock(folder string, u Unlock) error {
	text := bytes.NewBufferString("# The identities that the keys of this folder are sealed to, the newest first.\n")
	if s.crossing {
		text.WriteString(crossingLine)
	}
	for _, identity := range s.identities {
		fmt.Fprintln(text, identity)
	}
	defer clear(text.Bytes())
	sealed, err := encrypt(text.Bytes(), u.Recipient)
	if err != nil {
		return fmt.Errorf("sealing %s: %w", LockFile, err)
	}
	if err := durable.WriteSecret(filepath.Join(folder, LockFile), sealed); err != nil {
		return err
	}
	pointLocked.Hit()
	return nil
}

// Seal seals secret files under a new identity that u unlocks, in the place of those in the clear or of those that s opens.
// The folder can be read at any moment: before, between and after two files. Interrupted, it is finished by calling it
// again with the store of the folder as it is then. Sealing anew leaves nothing that an earlier unlock opens, but for
// copies of the folder.
func (s *Store) Seal(folder string, files []string, u Unlock) (*Store, error) {
	next, err := s.next()
	if err != nil {
		return nil, err
	}
	if err := next.lock(folder, u); err != nil {
		return nil, err
	}
	for _, path := range files {
		if err := move(path, next, next); err != nil {
			return nil, err
		}
		pointMoved.Hit()
	}
	done := &Store{identities: next.identities[:1]}
	return done, done.lock(folder, u)
}

// move puts what one store reads from a file in its place as another writes it. The file keeps its time, which says since
// when the secret is used.
func move(path string, from, to *Store) error {
	content, err := from.Read(path)
	if err != nil {
		return err
	}
	defer clear(content)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return shred.Replace(path, func(fresh string) error {
		if err := to.Write(fresh, content); err != nil {
			return err
		}
		return os.Chtimes(fresh, info.ModTime(), info.ModTime())
	})
}

// next returns the store of the time between: it seals to a new identity and opens what the old ones did.
func (s *Store) next() (*Store, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	next := &Store{identities: []*age.X25519Identity{identity}, crossing: !s.Sealed() || s.crossing}
	if s.Sealed() {
		next.identities = append(next.identities, s.identities...)
	}
	return next, nil
}

// Unseal puts secret files in the clear, and removes the lock. Interrupted, it is finished by calling it again.
func (s *Store) Unseal(folder string, files []string, u Unlock) error {
	if !s.Sealed() {
		return nil
	}
	s.crossing = true
	if err := s.lock(folder, u); err != nil {
		return err
	}
	for _, path := range files {
		if err := move(path, s, nil); err != nil {
			return err
		}
		pointMoved.Hit()
	}
	if err := os.Remove(filepath.Join(folder, LockFile)); err != nil {
		return err
	}
	return durable.SyncFolder(folder)
}
