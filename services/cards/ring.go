package cards

import (
	"crypto/hpke"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"shomei/pkg/card"
	"shomei/pkg/secret"
)

// ring holds every master key of cards, and the key to which factories seal transport keys.
type ring struct {
	masters map[uint16]card.Secret
	factory hpke.PrivateKey
}

// ringFile is its form on disk, all in hex. Before 2026-11-28 the file held one master key and nothing else, which is
// that of card.OldVersion.
type ringFile struct {
	Factory string            `toml:"factory"`
	Masters map[string]string `toml:"masters"`
}

// openRing reads the key file, or makes it if there is none. A file of the old form gets its first new version.
func openRing(secrets *secret.Store, path string) (*ring, error) {
	r, err := readRing(secrets, path)
	if err != nil || r.newest() != card.OldVersion {
		return r, err
	}
	if r.factory, err = card.NewFactoryCentre(); err != nil {
		return nil, err
	}
	r.add()
	return r, r.write(secrets, path)
}

// readRing reads the key file; without one, there are no master keys.
func readRing(secrets *secret.Store, path string) (*ring, error) {
	text, err := secrets.Read(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	defer clear(text)
	r, err := parseRing(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; put the file back from the backup", path, err)
	}
	return r, nil
}

func parseRing(text []byte) (*ring, error) {
	r := &ring{masters: make(map[uint16]card.Secret)}
	if len(text) == 0 {
		return r, nil
	}
	if old, err := parseSecret(strings.TrimSpace(string(text))); err == nil {
		r.masters[card.OldVersion] = old
		return r, nil
	}
	var f ringFile
	if err := toml.Unmarshal(text, &f); err != nil {
		return nil, errors.New("it holds no master keys of cards") // the text of the error would repeat part of the file
	}
	for number, secret := range f.Masters {
		version, err := strconv.ParseUint(number, 10, 16)
		if err != nil || version == card.FactoryVersion {
			return nil, fmt.Errorf("%.10q is not a version of a master key", number)
		}
		if r.masters[uint16(version)], err = parseSecret(secret); err != nil {
			return nil, fmt.Errorf("master key %d: %w", version, err)
		}
	}
	secret, err := parseSecret(f.Factory)
	if err == nil {
		r.factory, err = card.ParseFactoryCentre(secret[:])
	}
	if err != nil {
		return nil, fmt.Errorf("the key that transport keys are sealed to: %w", err)
	}
	return r, nil
}

func parseSecret(text string) (card.Secret, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != card.SecretSize {
		return card.Secret{}, fmt.Errorf("it is not a key of %d bytes in hex", card.SecretSize)
	}
	return card.Secret(b), nil
}

// newest returns the version to which cards are moved.
func (r *ring) newest() uint16 {
	return slices.Max(append(slices.Collect(maps.Keys(r.masters)), card.OldVersion))
}

func (r *ring) add() (version uint16) {
	var master card.Secret
	rand.Read(master[:])
	version = r.newest() + 1
	r.masters[version] = master
	return version
}

// write replaces the file with the ring, durably, by way of a temporary file.
func (r *ring) write(secrets *secret.Store, path string) error {
	secret, err := r.factory.Bytes()
	if err != nil {
		return err
	}
	f := ringFile{Factory: hex.EncodeToString(secret), Masters: make(map[string]string)}
	for version, master := range r.masters {
		f.Masters[strconv.Itoa(int(version))] = hex.EncodeToString(master[:])
	}
	text, err := toml.Marshal(f)
	if err != nil {
		return err
	}
	defer clear(text)
	return secrets.Write(path, text)
}

// FactoryKey returns the public key to which factories seal the transport keys of new cards, from a file of card keys; nil
// if there is none.
func FactoryKey(secrets *secret.Store, path string) ([]byte, error) {
	r, err := readRing(secrets, path)
	if err != nil || r.factory == nil {
		return nil, err
	}
	return r.factory.PublicKey().Bytes(), nil
}
