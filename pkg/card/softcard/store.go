package softcard

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"shomei/pkg/card"
	"shomei/pkg/durable"
)

// storeFormat is the version of the file; a newer one is refused. In a file of version 1 the administrative key has no
// name.
const storeFormat = 2

// store is the card's persistent state: the content of its file.
type store struct {
	Format    int                  `json:"format"`
	CardID    string               `json:"card_id"`
	Kind      string               `json:"kind"`
	LifeCycle card.LifeCycle       `json:"life_cycle"`
	LastDay   string               `json:"last_day,omitempty"` // YYYYMMDD
	KeyName   []byte               `json:"key_name,omitempty"` // of AdminKey; empty is card.OldVersion
	AdminKey  []byte               `json:"admin_key"`
	PINs      map[string]pin       `json:"pins"`
	Slots     map[string]slotStore `json:"slots"`
	// Worn: the memory for certificates accepts nothing more.
	Worn bool `json:"worn,omitempty"`
}

type slotStore struct {
	Live   keyPair `json:"live"`
	Staged keyPair `json:"staged"`
}

// keyPair holds one key pair, live or staged: PKCS#8, DER certificates and, in staging, the PIN that comes with them.
type keyPair struct {
	Key         []byte `json:"key,omitempty"`
	Certificate []byte `json:"certificate,omitempty"`
	CA          []byte `json:"ca_certificate,omitempty"`
	Operation   []byte `json:"operation,omitempty"`
	PIN         *pin   `json:"pin,omitempty"`
}

// errForeignWriter: another process wrote the file; two cards on one file would undo each other's PIN counters.
var errForeignWriter = errors.New("the card's file was changed by somebody else since it was opened: one card, one process")

// secret returns the administrative key; its length was checked when the file was opened.
func (s *store) secret() card.Secret { return card.Secret(s.AdminKey) }

// keyName returns the name of the administrative key.
func (s *store) keyName() []byte {
	if len(s.KeyName) == 0 {
		return []byte{0, card.OldVersion}
	}
	return s.KeyName
}

func (s *store) kind() (card.Kind, error) { return card.ParseKind(s.Kind) }

// keyCache keeps parsed keys by their DER: parsing checks a key at length.
type keyCache map[string]*rsa.PrivateKey

const cachedKeys = 8 // live and staged of two slots, and as many that went

// of returns the key of a pair, or card.ErrNotFound.
func (cache keyCache) of(pair keyPair) (*rsa.PrivateKey, error) {
	if pair.Key == nil {
		return nil, card.ErrNotFound
	}
	if key := cache[string(pair.Key)]; key != nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(pair.Key)
	if err != nil {
		return nil, fmt.Errorf("parsing the card's key: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the card's key is a %T, not RSA", parsed)
	}
	if len(cache) >= cachedKeys {
		clear(cache)
	}
	cache[string(pair.Key)] = key
	return key, nil
}

func decodeStore(raw []byte) (*store, error) {
	var s store
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	if s.Format < 1 || s.Format > storeFormat {
		return nil, fmt.Errorf("format %d, this program reads formats up to %d", s.Format, storeFormat)
	}
	s.Format = storeFormat
	kind, err := s.kind()
	if err != nil {
		return nil, err
	}
	if s.CardID == "" || len(s.AdminKey) != card.SecretSize {
		return nil, errors.New("no card id or no administrative key of 32 bytes in it")
	}
	if _, err := card.KeyName(s.KeyName).Version(); err != nil {
		return nil, err
	}
	for _, slot := range kind.Slots() {
		if _, ok := s.PINs[slot.String()]; !ok {
			return nil, fmt.Errorf("no PIN entry for slot %s", slot)
		}
	}
	return &s, nil
}

// file is the store on disk with its last good content.
type file struct {
	path string
	info os.FileInfo // of the file this process wrote or read last
	good []byte
}

func openFile(path string) (file, *store, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return file{}, nil, fmt.Errorf("opening the card's file: %w", err)
	}
	s, err := decodeStore(raw)
	if err != nil {
		return file{}, nil, fmt.Errorf("reading the card's file %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return file{}, nil, fmt.Errorf("opening the card's file: %w", err)
	}
	return file{path: path, info: info, good: raw}, s, nil
}

// save replaces the file with s: at any moment the disk holds the old content or the new one, whole. It returns once
// the new one is durable.
func (f *file) save(s *store) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the card's state: %w", err)
	}
	if now, err := os.Stat(f.path); err != nil || !os.SameFile(now, f.info) {
		return fmt.Errorf("saving %s: %w", f.path, errors.Join(errForeignWriter, err))
	}
	if err := durable.WriteSecret(f.path, raw); err != nil {
		return fmt.Errorf("saving the card's file: %w", err)
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("saving the card's file: %w", err)
	}
	f.info, f.good = info, raw
	return nil
}
