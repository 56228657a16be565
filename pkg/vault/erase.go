package vault

import "fmt"

// Erasure names one key to destroy.
type Erasure struct {
	Person string
	// Class is one of Classes.
	Class string
	// Version of the class's key, from 1; the second is made when the person comes back after the first was erased.
	Version uint32
}

// Erase destroys the first key of a person's record class: when it returns nil, the key's bytes are in no file of the vault
// and nothing can be sealed or opened under it any more. A tombstone stays, so that no new key is ever made for it.
// Whether the law allows it already (law.md 12.1) is decided before, by whoever records ErasureOrdered.
// An error leaves the class erased or not; calling again is safe and finishes what is unfinished.
func (v *Vault) Erase(person, class string) error {
	return v.EraseAll([]Erasure{{person, class, 1}})
}

// EraseAll destroys many keys with one compaction for each file. After any restore of the vault it is called with every
// erasure the log orders, before anything else: keys come back with a backup, and new ones must not be made.
func (v *Vault) EraseAll(erasures []Erasure) error {
	names := map[*shard][]string{}
	for _, e := range erasures {
		name, err := keyName(e.Person, e.Class, e.Version)
		if err != nil {
			return fmt.Errorf("erasing: %w", err)
		}
		s := v.shardOf(e.Person)
		names[s] = append(names[s], name)
	}
	for s, inShard := range names {
		if err := v.bury(s, inShard); err != nil {
			return fmt.Errorf("erasing: %w", err)
		}
	}
	return nil
}

func (v *Vault) bury(s *shard, names []string) error {
	s.swap.Lock()
	defer s.swap.Unlock()
	for _, name := range names {
		v.cache.drop(name)
	}
	return s.bury(names)
}

// Rewrap makes a new master key, wraps every key under it, and retires the old one. It takes the files one after the
// other and may run while the vault is in use; interrupted, it is finished by calling it again. A copy of the master
// key file must be taken anew afterwards: the old copy opens nothing but old backups.
func (v *Vault) Rewrap() error {
	v.rewrapping.Lock()
	defer v.rewrapping.Unlock()
	if err := v.master.rotate(); err != nil {
		return err
	}
	pointRotated.Hit()
	for _, s := range v.shards {
		if err := s.exclusively(func() error { return s.rewrap(v.master) }); err != nil {
			return fmt.Errorf("rewrapping %s: %w", s.path, err)
		}
	}
	return v.master.retire()
}

// Master returns the version of the master key, and what tells it from others without telling what it is.
func (v *Vault) Master() (version uint32, check []byte, err error) {
	version = v.master.currentVersion()
	check, err = v.master.fingerprint(version)
	return version, check, err
}

func (s *shard) exclusively(do func() error) error {
	s.swap.Lock()
	defer s.swap.Unlock()
	return do()
}
