package vault

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"shomei/pkg/durable"
	"shomei/pkg/durable/shred"
	"shomei/pkg/secret"
)

const masterHeader = `# Master key of a Shomei vault: version and key. Without it nobody, and nothing, opens what the vault sealed.
# Keep a copy where neither the data nor its backups are.
`

// Statuses of a stored record.
const (
	statusKey    = 1
	statusErased = 2
	// statusMissing stands where the log needs a key that this copy of the vault never had.
	statusMissing = 3
)

// fingerprintSize is the length of what a key file remembers its master key by.
const fingerprintSize = 16

// masterKeys wraps and unwraps persons' keys. It holds two versions only while Rewrap runs.
type masterKeys struct {
	path    string
	secrets *secret.Store

	mu       sync.RWMutex
	current  uint32
	versions map[uint32][]byte
}

// openMaster reads the master key file, or makes it when make is true and there is none.
func openMaster(secrets *secret.Store, path string, mayMake bool) (*masterKeys, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && mayMake {
		if err := makeMaster(secrets, path); err != nil {
			return nil, fmt.Errorf("making the master key %s: %w", path, err)
		}
		info, err = os.Stat(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing, and this vault's keys are wrapped by it; restore it from its copy", ErrMasterKey, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterKey, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %04o and others can reach it; run chmod 600 on it", ErrMasterKey, path, info.Mode().Perm())
	}
	if err := shred.Finish(path); err != nil {
		return nil, fmt.Errorf("shredding an old master key: %w", err)
	}
	text, err := secrets.Read(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMasterKey, err)
	}
	defer clear(text)
	m, err := parseMaster(path, text)
	if err == nil {
		m.secrets = secrets
	}
	return m, err
}

func parseMaster(path string, text []byte) (*masterKeys, error) {
	m := &masterKeys{path: path, versions: map[uint32][]byte{}}
	for number, line := range bytes.Split(text, []byte("\n")) {
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var version uint32
		var encoded string
		if _, err := fmt.Sscanf(string(line), "%d %s", &version, &encoded); err != nil || version == 0 {
			return nil, fmt.Errorf("%w: line %d of %s is not a version and a key", ErrMasterKey, number+1, path)
		}
		key, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(key) != keySize {
			return nil, fmt.Errorf("%w: line %d of %s does not hold a key of %d bytes", ErrMasterKey, number+1, path, keySize)
		}
		m.versions[version] = key
		m.current = max(m.current, version)
	}
	if m.current == 0 {
		return nil, fmt.Errorf("%w: %s holds no key", ErrMasterKey, path)
	}
	return m, nil
}

// makeMaster makes the first master key. A link fails where a file exists, so a key is never written over.
func makeMaster(secrets *secret.Store, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	m := &masterKeys{path: path, secrets: secrets, versions: map[uint32][]byte{1: randomKey()}}
	fresh := path + ".new"
	if err := m.secrets.Write(fresh, m.text()); err != nil {
		return err
	}
	if err := os.Link(fresh, path); err != nil {
		return err
	}
	pointMade.Hit()
	if err := os.Remove(fresh); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(path))
}

func randomKey() []byte {
	key := make([]byte, keySize)
	rand.Read(key) // never fails: crypto/rand ends the process instead
	return key
}

func (m *masterKeys) text() []byte {
	var out strings.Builder
	out.WriteString(masterHeader)
	for version, key := range m.versions {
		fmt.Fprintf(&out, "%d %s\n", version, base64.StdEncoding.EncodeToString(key))
	}
	return []byte(out.String())
}

// save writes the versions held now and shreds the file that was there before.
func (m *masterKeys) save() error {
	return shred.Replace(m.path, func(fresh string) error {
		return m.secrets.Write(fresh, m.text())
	})
}

// rotate adds a new version and makes it current, unless an earlier rotation is unfinished.
func (m *masterKeys) rotate() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.versions) > 1 {
		return nil
	}
	m.versions[m.current+1] = randomKey()
	if err := m.save(); err != nil {
		delete(m.versions, m.current+1)
		return fmt.Errorf("saving the new master key: %w", err)
	}
	m.current++
	return nil
}

// retire forgets every version but the current one.
func (m *masterKeys) retire() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for version, key := range m.versions {
		if version != m.current {
			clear(key)
			delete(m.versions, version)
		}
	}
	if err := m.save(); err != nil {
		return fmt.Errorf("retiring old master keys: %w", err)
	}
	return nil
}

func (m *masterKeys) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range m.versions {
		clear(key)
	}
}

// fingerprint tells one master key from another without telling what it is; nil for a version not held.
func (m *masterKeys) fingerprint(version uint32) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	key := m.versions[version]
	if key == nil {
		return nil, nil
	}
	return hkdf.Key(sha256.New, key, nil, "shomei vault fingerprint 1", fingerprintSize)
}

func (m *masterKeys) currentVersion() uint32 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.current
}

// wrapNew makes a key and wraps it under the current version, as a record's value:
// status, master version (4 bytes), nonce and ciphertext.
func (m *masterKeys) wrapNew(name string) ([]byte, error) {
	key := randomKey()
	defer clear(key)
	return m.wrap(name, key)
}

func (m *masterKeys) wrap(name string, key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	gcm, err := newGCM(m.versions[m.current])
	if err != nil {
		return nil, fmt.Errorf("wrapping a key: %w", err)
	}
	value := binary.BigEndian.AppendUint32([]byte{statusKey}, m.current)
	return gcm.Seal(value, nil, key, wrapData(name)), nil
}

// unwrap gives the key in a record's value. Errors: ErrErased for a tombstone, ErrMissing, ErrMasterKey.
func (m *masterKeys) unwrap(name string, value []byte) ([]byte, error) {
	if len(value) > 0 && value[0] == statusErased {
		return nil, ErrErased
	}
	if len(value) > 0 && value[0] == statusMissing {
		return nil, ErrMissing
	}
	if len(value) < 5 || value[0] != statusKey {
		return nil, fmt.Errorf("a stored key is damaged: restore the vault from its copy")
	}
	version := binary.BigEndian.Uint32(value[1:5])
	m.mu.RLock()
	defer m.mu.RUnlock()
	master := m.versions[version]
	if master == nil {
		return nil, fmt.Errorf("%w: version %d wraps a key and is not in %s", ErrMasterKey, version, m.path)
	}
	gcm, err := newGCM(master)
	if err != nil {
		return nil, err
	}
	key, err := gcm.Open(nil, nil, value[5:], wrapData(name))
	if err != nil {
		return nil, fmt.Errorf("%w: version %d does not open a key it should have wrapped", ErrMasterKey, version)
	}
	return key, nil
}

// wrapData binds a wrapped key to its name, so that records can't be exchanged inside a file.
func wrapData(name string) []byte {
	return []byte("shomei vault key 1\x00" + name)
}
