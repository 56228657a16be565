package vault

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"shomei/events"
	"shomei/pkg/crashpoint"
	"shomei/pkg/namekey"
)

// ErrIndexing says that the index of names is being made, so that not everybody is found yet.
var ErrIndexing = errors.New("the index of names is being made")

// The index finds persons by a name, or its furigana, and the date of birth. Each file has that of its own persons, under a key of its
// own that is wrapped as theirs are. An entry is an HMAC and a person's id: without the file's key nobody can try a name, and what is
// erased with a person's key goes in the same transaction.
var (
	// indexBucket has the entries: HMAC and person's id.
	indexBucket = []byte("index")
	// indexedBucket has, by person, the version of the key under which the identity is sealed and the HMACs of the person's entries.
	indexedBucket = []byte("indexed")
)

// indexKeyName is the name of the index's key among the keys of a file. No person's id is empty.
const indexKeyName = "\x00index"

const hmacSize = sha256.Size

var pointIndexed = crashpoint.Register("vault.index.filled")

// Identified is what the index knows of a person: how the person is called, and when they were born. Nothing of it is stored.
type Identified struct {
	Person string
	// Version is that of the identity's key.
	Version uint32
	// Names are the person's name and alias, Kana is its furigana; empty ones are passed over.
	Names     []string
	Kana      string
	BirthDate string
}

// Index has persons found by what they are called now, and no more by what they were called. Furigana stay while neither they nor the
// name is told anew. Of whom the identity's key is not held, nothing is kept.
func (v *Vault) Index(persons ...Identified) error {
	inShard := make(map[*shard][]Identified)
	for _, p := range persons {
		if !events.ValidID(p.Person) {
			return fmt.Errorf("indexing: %.80q is no id of a person", p.Person)
		}
		s := v.shardOf(p.Person)
		inShard[s] = append(inShard[s], p)
	}
	for s, list := range inShard {
		if err := v.indexIn(s, list); err != nil {
			return fmt.Errorf("indexing in %s: %w", s.path, err)
		}
	}
	return nil
}

func (v *Vault) indexIn(s *shard, list []Identified) error {
	s.swap.RLock()
	defer s.swap.RUnlock()
	key, err := v.indexKey(s, true)
	if err != nil {
		return err
	}
	defer clear(key)
	if list, err = s.changed(key, list); err != nil || len(list) == 0 {
		return err
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		for _, bucket := range [][]byte{indexBucket, indexedBucket} {
			if _, err := tx.CreateBucketIfNotExists(bucket); err != nil {
				return err
			}
		}
		for _, p := range list {
			if err := indexOne(tx, key, p); err != nil {
				return err
			}
		}
		return nil
	})
	pointIndexed.Hit()
	return err
}

// changed returns those whose entries are others than the file has: most records call a person as before, and a transaction that
// changes nothing costs an fsync, too.
func (s *shard) changed(key []byte, list []Identified) (changed []Identified, err error) {
	seen := make(map[string]bool)
	err = s.db.View(func(tx *bbolt.Tx) error {
		for _, p := range list {
			_, differs, err := entriesOf(tx, key, p)
			if err != nil {
				return err
			}
			if differs || seen[p.Person] { // what comes later in the list may go back to what stands there
				seen[p.Person] = true
				changed = append(changed, p)
			}
		}
		return nil
	})
	return changed, err
}

// entriesOf returns a person's entries, and whether they differ from those that stand in the file.
func entriesOf(tx *bbolt.Tx, key []byte, p Identified) (now indexed, differs bool, err error) {
	name, err := keyName(p.Person, Identity, p.Version)
	if err != nil {
		return now, false, err
	}
	held := tx.Bucket(keysBucket).Get([]byte(name))
	if len(held) == 0 || held[0] != statusKey {
		return now, false, nil
	}
	now = indexed{version: p.Version, kana: hashes(key, p.BirthDate, p.Kana), names: hashes(key, p.BirthDate, p.Names...)}
	var stored []byte
	if entries := tx.Bucket(indexedBucket); entries != nil {
		stored = entries.Get([]byte(p.Person))
	}
	before := decodeIndexed(stored)
	if len(now.kana) == 0 && slices.EqualFunc(now.names, before.names, bytes.Equal) {
		now.kana = before.kana
	}
	return now, !bytes.Equal(stored, now.encode()), nil
}

// indexOne replaces the entries of a person.
func indexOne(tx *bbolt.Tx, key []byte, p Identified) error {
	now, differs, err := entriesOf(tx, key, p)
	if err != nil || !differs {
		return err
	}
	if err := unindex(tx, p.Person); err != nil {
		return err
	}
	for _, hash := range slices.Concat(now.names, now.kana) {
		if err := tx.Bucket(indexBucket).Put(append(hash, p.Person...), []byte{}); err != nil {
			return err
		}
	}
	return tx.Bucket(indexedBucket).Put([]byte(p.Person), now.encode())
}

// unindex removes the entries of a person.
func unindex(tx *bbolt.Tx, person string) error {
	entries := tx.Bucket(indexedBucket)
	if entries == nil {
		return nil
	}
	before := decodeIndexed(entries.Get([]byte(person)))
	for _, hash := range slices.Concat(before.names, before.kana) {
		if err := tx.Bucket(indexBucket).Delete(append(hash, person...)); err != nil {
			return err
		}
	}
	return entries.Delete([]byte(person))
}

// unindexErased removes the entries of whoever's identity was sealed under a key.
func unindexErased(tx *bbolt.Tx, name string) error {
	person, rest, _ := strings.Cut(name, "\x00")
	if class, _, _ := strings.Cut(rest, "\x00"); class != Identity || tx.Bucket(indexedBucket) == nil {
		return nil
	}
	before := decodeIndexed(tx.Bucket(indexedBucket).Get([]byte(person)))
	if under, err := keyName(person, Identity, max(before.version, 1)); err != nil || under != name {
		return err
	}
	return unindex(tx, person)
}

// indexed are the HMACs of a person's entries.
type indexed struct {
	version     uint32 // of the identity's key
	names, kana [][]byte
}

// encode returns the version, how many names there are, and all HMACs.
func (x indexed) encode() []byte {
	out := append(binary.BigEndian.AppendUint32(nil, x.version), byte(len(x.names)))
	return append(out, bytes.Join(slices.Concat(x.names, x.kana), nil)...)
}

func decodeIndexed(stored []byte) (x indexed) {
	const head = 5
	if len(stored) < head {
		return x
	}
	x.version = binary.BigEndian.Uint32(stored)
	all := slices.Collect(slices.Chunk(bytes.Clone(stored[head:]), hmacSize))
	names := min(int(stored[head-1]), len(all))
	x.names, x.kana = all[:names], all[names:]
	return x
}

// hashes returns the HMACs by which somebody of that birth date is found under some texts, without those that say nothing.
func hashes(key []byte, birthDate string, texts ...string) (list [][]byte) {
	for _, text := range texts {
		if hash := hashOf(key, text, birthDate); hash != nil && !slices.ContainsFunc(list, func(h []byte) bool { return bytes.Equal(h, hash) }) {
			list = append(list, hash)
		}
	}
	return list
}

// hashOf returns nil for a text or a date that says nothing.
func hashOf(key []byte, text, birthDate string) []byte {
	name := namekey.Name(text)
	if name == "" || birthDate == "" {
		return nil
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(birthDate + "\x00" + name))
	return slices.Clip(mac.Sum(nil))
}

// indexKey returns the key of a file's index, made if there is none and create is set; nil if there is none.
func (v *Vault) indexKey(s *shard, create bool) ([]byte, error) {
	value, err := s.read(indexKeyName)
	if err != nil || value == nil && !create {
		return nil, err
	}
	if value == nil {
		if value, err = v.master.wrapNew(indexKeyName); err == nil {
			err = s.create([]record{{indexKeyName, value}})
		}
		if err == nil {
			value, err = s.read(indexKeyName)
		}
		if err != nil {
			return nil, fmt.Errorf("making the key of the index: %w", err)
		}
	}
	key, err := v.master.unwrap(indexKeyName, value)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return hkdf.Key(sha256.New, key, nil, "shomei vault index 1", keySize)
}

// maxFound bounds how many persons one question finds.
const maxFound = 100

// Find returns the ids of those who have a name, or furigana, and a date of birth; at most a hundred. The error is ErrIndexing until
// Searchable.
func (v *Vault) Find(name, birthDate string) ([]string, error) {
	if !v.searchable.Load() {
		return nil, ErrIndexing
	}
	var found []string
	for _, s := range v.shards {
		list, err := v.findIn(s, name, birthDate)
		if err != nil {
			return nil, fmt.Errorf("looking into the index of %s: %w", s.path, err)
		}
		found = append(found, list...)
	}
	slices.Sort(found)
	return found[:min(len(found), maxFound)], nil
}

func (v *Vault) findIn(s *shard, name, birthDate string) (found []string, err error) {
	s.swap.RLock()
	defer s.swap.RUnlock()
	key, err := v.indexKey(s, false)
	if key == nil {
		return nil, err
	}
	defer clear(key)
	hash := hashOf(key, name, birthDate)
	if hash == nil {
		return nil, nil
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		entries := tx.Bucket(indexBucket)
		if entries == nil {
			return nil
		}
		cursor := entries.Cursor()
		for entry, _ := cursor.Seek(hash); bytes.HasPrefix(entry, hash) && len(found) < maxFound; entry, _ = cursor.Next() {
			found = append(found, string(entry[hmacSize:]))
		}
		return nil
	})
	return found, err
}

// Searchable says that everybody whom the log knows is indexed.
func (v *Vault) Searchable() { v.searchable.Store(true) }
