// Package vault keeps the keys under which personal data stands in the log: one per person and record class. Destroying
// a key destroys, everywhere and in every backup of the log, whatever was sealed under it
// (law.md 12.1). Whoever comes back after an erasure gets the next version of the key.
//
// Keys stand in 16 bbolt files, spread by SHA-256 of the person's id as the log is, each wrapped by a master key that
// lives in a file of its own, best on another disk than the data. One process at a time opens a vault.
//
// Beside the keys stands an index by which persons are found (Vault.Index, Vault.Find).
package vault

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"shomei/events"
	"shomei/pkg/durable"
	"shomei/pkg/secret"
)

// The record classes: each person has one key for each, erased each by itself (law.md 12.1).
const (
	// Identity is the facts of the resident record.
	Identity = "identity"
	// Certificate is certificates and what was signed to make them: a signature certificate is personal data.
	Certificate = "certificate"
	// Contact is where the person wants to be reached.
	Contact = "contact"
	// Operations is what officers write about their own orders, and claims that were put aside. The key is that of one
	// aggregate (an office, an authority, a quarantine, a subscriber); no person's order erases it.
	Operations = "operations"
)

// Classes lists every record class of a person.
var Classes = []string{Identity, Certificate, Contact}

var (
	// ErrErased says that the key was destroyed: what it sealed is gone for ever, and nothing new is sealed until Renew.
	ErrErased = errors.New("erased")
	// ErrBinding says that sealed bytes are not what was sealed for this person, id, revision and field.
	ErrBinding = errors.New("sealed data does not belong here")
	// ErrNoKey says that there never was a key: the person is unknown, or the vault is older than the log.
	ErrNoKey = errors.New("no key")
	// ErrMasterKey says that the master key is missing, readable by others, damaged or of another vault.
	ErrMasterKey = errors.New("master key")
	// ErrGone says that a vault that must be there is not, or not all of its files are.
	ErrGone = errors.New("the vault is gone")
	// ErrOtherVault says that the vault, or one of its files, is another one's.
	ErrOtherVault = errors.New("another vault")
	// ErrMissing says that there was a key and this copy of the vault, which is older, has not got it. None is made in its
	// place: what was sealed can be read again once the right copy is put back.
	ErrMissing = errors.New("the key is missing in this copy of the vault")
	// ErrInUse says that another process has the vault open.
	ErrInUse = errors.New("vault is in use by another process")
)

// shards is how many files a vault has: the first four bits of SHA-256 of the person's id choose one.
const shards = 16

// Config says where a vault is.
type Config struct {
	// Dir holds the key files; it is made with mode 0700 if missing.
	Dir string
	// MasterKey is the path of the master key file. It is made, with mode 0600, only where there is no vault yet.
	MasterKey string
	// Secrets reads and writes it; nil: in the clear.
	Secrets *secret.Store
	// Existing says that something was sealed already: a vault that is not there is ErrGone, none is made.
	Existing bool
	// Identity of the vault that belongs here; another is ErrOtherVault. Empty takes any.
	Identity string
	// CacheSize is how many unwrapped keys are kept in memory; zero means 4096.
	CacheSize int
	// Logger is told of erasures that a crash left unfinished; nil means slog.Default.
	Logger *slog.Logger
}

// Vault seals and opens personal data. Its methods are safe for concurrent use.
type Vault struct {
	dir      string
	identity string
	lock     *os.File
	master   *masterKeys
	shards   [shards]*shard
	cache    *cache
	log      *slog.Logger

	rewrapping sync.Mutex
	searchable atomic.Bool
}

// Open opens a vault, or makes one where there is none, and finishes any erasure that a crash interrupted.
// Errors are ErrMasterKey, ErrInUse, ErrGone and ErrOtherVault, or those of the file system.
func Open(cfg Config) (*Vault, error) {
	v := &Vault{dir: cfg.Dir, cache: newCache(cfg.CacheSize), log: cfg.Logger}
	if v.log == nil {
		v.log = slog.Default()
	}
	if cfg.Existing {
		if _, err := os.Stat(cfg.Dir); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("opening vault %s: %w", cfg.Dir, gone(cfg.Dir, nil))
		}
	} else if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the vault: %w", err)
	}
	if err := v.open(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("opening vault %s: %w", cfg.Dir, err), v.Close())
	}
	return v, nil
}

func (v *Vault) open(cfg Config) error {
	var err error
	if v.lock, err = lockDir(cfg.Dir); err != nil {
		return err
	}
	missing, err := missingFiles(cfg.Dir)
	if err != nil {
		return err
	}
	if cfg.Existing && len(missing) > 0 {
		return gone(cfg.Dir, missing)
	}
	if v.master, err = openMaster(cfg.Secrets, cfg.MasterKey, len(missing) == shards); err != nil {
		return err
	}
	if err := v.openShards(missing); err != nil {
		return err
	}
	return v.identify(cfg.Identity)
}

// openShards opens the files that are there, and makes those that are missing where the making of the vault was interrupted
// before it held a key.
func (v *Vault) openShards(missing []string) (err error) {
	for _, fresh := range []bool{false, true} {
		for i := range v.shards {
			path := shardPath(v.dir, i)
			if slices.Contains(missing, path) != fresh {
				continue
			}
			if v.shards[i], err = openShard(path, v.master, v.log); err != nil {
				return err
			}
			if used, err := v.shards[i].used(); err != nil || used && len(missing) > 0 {
				return errors.Join(err, gone(v.dir, missing))
			}
		}
	}
	return nil
}

// lockDir takes the vault for this process. The bbolt files have locks of their own, but compaction swaps the files.
func lockDir(dir string) (*os.File, error) {
	lock, err := durable.Lock(filepath.Join(dir, "lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, ErrInUse
	}
	return lock, err
}

// Close closes the files and clears the keys in memory.
func (v *Vault) Close() error {
	var errs []error
	for _, s := range v.shards {
		if s != nil {
			errs = append(errs, s.close())
		}
	}
	v.cache.clear()
	if v.master != nil {
		v.master.clear()
	}
	if v.lock != nil {
		errs = append(errs, v.lock.Close())
	}
	return errors.Join(errs...)
}

// Seal seals plaintext under the person's key for a record class, for one place in the log only. The person's keys are
// made, durably, when there are none yet. Errors: ErrErased once the class was erased, until Renew; ErrMissing.
func (v *Vault) Seal(person, class string, binding Binding, plaintext []byte) (*events.Sealed, error) {
	s := v.shardOf(person)
	s.swap.RLock()
	defer s.swap.RUnlock()
	keys, version, err := v.newest(s, person, class)
	if err != nil {
		return nil, fmt.Errorf("sealing %s of %s: %w", binding.Field, person, err)
	}
	return keys.seal(class, version, binding, plaintext)
}

// newest gives the key of a record class that is not erased, made if there has been none. The caller holds swap, so that
// nothing is sealed once Erase has returned.
func (v *Vault) newest(s *shard, person, class string) (keys derived, version uint32, err error) {
	for version = 1; ; version++ {
		name, err := keyName(person, class, version)
		if err != nil {
			return derived{}, 0, err
		}
		keys, err = v.lookUp(s, name, person, class, version == 1)
		if errors.Is(err, ErrNoKey) {
			err = ErrErased // all before it are
		} else if errors.Is(err, ErrErased) {
			continue
		}
		return keys, version, err
	}
}

// Open opens what Seal sealed, in the same place and for the same person. Errors: ErrErased, ErrBinding, ErrNoKey, ErrMissing.
func (v *Vault) Open(person string, binding Binding, s *events.Sealed) ([]byte, error) {
	keys, release, err := v.keys(person, s.GetRecordClass(), s.GetKeyVersion())
	if err != nil {
		return nil, fmt.Errorf("opening %s of %s: %w", binding.Field, person, err)
	}
	defer release()
	plaintext, err := keys.open(binding, s)
	if err != nil {
		return nil, fmt.Errorf("opening %s of %s: %w", binding.Field, person, err)
	}
	return plaintext, nil
}

// keys gives the derived keys of one version and holds off erasure until release is called, so that nothing is opened
// once Erase has returned.
func (v *Vault) keys(person, class string, version uint32) (keys derived, release func(), err error) {
	name, err := keyName(person, class, version)
	if err != nil {
		return derived{}, nil, err
	}
	s := v.shardOf(person)
	s.swap.RLock()
	if keys, err = v.lookUp(s, name, person, class, false); err != nil {
		s.swap.RUnlock()
		return derived{}, nil, err
	}
	return keys, s.swap.RUnlock, nil
}

// Renew makes the next version of a record class's key where the newest was erased: for a person who comes back after
// everything was erased. What was erased stays so. Where the class has a key, or never had one, nothing happens.
func (v *Vault) Renew(person, class string) error {
	s := v.shardOf(person)
	s.swap.RLock()
	defer s.swap.RUnlock()
	for version := uint32(1); ; version++ {
		name, err := keyName(person, class, version)
		if err != nil {
			return fmt.Errorf("renewing a key: %w", err)
		}
		value, err := s.read(name)
		switch {
		case err != nil:
			return fmt.Errorf("renewing a key: %w", err)
		case value == nil && version == 1, value != nil && value[0] != statusErased:
			return nil
		case value != nil:
			continue
		}
		if value, err = v.master.wrapNew(name); err == nil {
			err = s.create([]record{{name, value}})
		}
		if err != nil {
			return fmt.Errorf("renewing a key: %w", err)
		}
		return nil
	}
}

func (v *Vault) lookUp(s *shard, name, person, class string, create bool) (derived, error) {
	if keys, ok := v.cache.get(name); ok {
		return keys, nil
	}
	value, err := s.read(name)
	if err != nil {
		return derived{}, err
	}
	if value == nil && create {
		if value, err = v.create(s, name, person, class); err != nil {
			return derived{}, err
		}
	}
	if value == nil {
		return derived{}, ErrNoKey
	}
	key, err := v.master.unwrap(name, value)
	if err != nil {
		return derived{}, err
	}
	defer clear(key)
	keys, err := derive(key)
	if err != nil {
		return derived{}, err
	}
	v.cache.put(name, keys)
	return keys, nil
}

// create makes the keys of all record classes of a person at once: one fsync instead of one for each. Most aggregates never
// need a key of Operations, so that is made by itself.
func (v *Vault) create(s *shard, name, person, class string) ([]byte, error) {
	classes := Classes
	if class == Operations {
		classes = []string{Operations}
	}
	var fresh []record
	for _, class := range classes {
		n, err := keyName(person, class, 1)
		if err != nil {
			return nil, err
		}
		value, err := v.master.wrapNew(n)
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, record{n, value})
	}
	if err := s.create(fresh); err != nil {
		return nil, fmt.Errorf("storing new keys: %w", err)
	}
	return s.read(name)
}

func (v *Vault) shardOf(person string) *shard {
	sum := sha256.Sum256([]byte(person))
	return v.shards[sum[0]>>4]
}

// keyName names one version of the key of a person's record class inside a file. The first has no number: it is the only
// one, unless the class was erased and the person came back.
func keyName(person, class string, version uint32) (string, error) {
	if !events.ValidID(person) {
		return "", fmt.Errorf("%.80q is no id of a person", person)
	}
	if class != Operations && !slices.Contains(Classes, class) {
		return "", fmt.Errorf("%.40q is no record class: identity, certificate, contact and operations are", class)
	}
	switch version {
	case 0:
		return "", errors.New("keys are numbered from 1")
	case 1:
		return person + "\x00" + class, nil
	}
	return fmt.Sprintf("%s\x00%s\x00%d", person, class, version), nil
}
