package counterlink

import (
	"crypto/hpke"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/pelletier/go-toml/v2"

	"shomei/pkg/card"
	"shomei/pkg/durable"
)

// ErrBundle: a counter's bundle is unusable; the text says which part.
var ErrBundle = errors.New("the counter's bundle can't be used")

// ErrNoJWT: a bundle lacks the counter's permissions, because it was made before the hub had accounts. It is an
// ErrBundle.
var ErrNoJWT = fmt.Errorf("%w: it has no %s; have the hub's operator run shomei counter renew, and put the file into the bundle's folder",
	ErrBundle, JWTFile)

const (
	// BundleFile names the file in a bundle's folder that refers to the others.
	BundleFile = "counter.toml"
	// JWTFile names the file with the counter's permissions, signed by the hub. It is not secret.
	JWTFile = "counter.jwt"
)

// Bundle is what a counter gets once from the hub: where to connect, who it is, and whom to trust. It is the file
// counter.toml of a folder that also holds the counter's keys.
type Bundle struct {
	Counter string `toml:"counter"`
	Office  string `toml:"office"`
	Role    string `toml:"role"`
	// Hub is the URL to connect to; CA the PEM of the certificate to verify it by.
	Hub string `toml:"hub"`
	CA  string `toml:"ca"`
	// HubSealKey is the hub's public HPKE key, in hex; HubWriters are the writers whose commands are trusted.
	HubSealKey string   `toml:"hub_seal_key"`
	HubWriters []string `toml:"hub_writers"`
	// FactoryKey is the hub's public key for the transport keys of new cards, in hex (card.NewFactoryKey); only for those
	// that work on cards.
	FactoryKey string `toml:"factory_key,omitempty"`
	// Key and SealKey are file names of the counter's own secrets, beside this file.
	Key     string `toml:"key_file"`
	SealKey string `toml:"seal_key_file"`
	// OldCardKey names a file with a master key of cards, in bundles from before 2026-11-28. It is not read; the file
	// is to be deleted.
	OldCardKey string `toml:"card_key_file,omitempty"`
	// HostName is the name under which the counter serves its pages to other machines of its office; empty: to its own only.
	HostName string `toml:"host_name,omitempty"`
	// Clock is the file of the hub's settable clock; empty: the system clock.
	Clock string `toml:"clock,omitempty"`
	// Demonstration are the officers of a demonstration, as whom the counter signs by itself: the first acts, the next approves what
	// needs two. It is empty at a real counter.
	Demonstration []SoftOfficer `toml:"demonstration,omitempty"`
	// JWT is the content of JWTFile; empty in a bundle from before the hub had accounts.
	JWT string `toml:"-"`

	dir string
}

// Write writes the bundle's files to its folder, which already holds the key files.
func (b Bundle) Write(dir string) error {
	text, err := toml.Marshal(b)
	if err != nil {
		return fmt.Errorf("writing the bundle of counter %s: %w", b.Counter, err)
	}
	if err := WriteJWT(dir, b.JWT); err != nil {
		return fmt.Errorf("writing the bundle of counter %s: %w", b.Counter, err)
	}
	if err := durable.WriteSecret(filepath.Join(dir, BundleFile), text); err != nil {
		return fmt.Errorf("writing the bundle of counter %s: %w", b.Counter, err)
	}
	return nil
}

// RemoveOldCardKey deletes the master key of cards that bundles held before 2026-11-28, if there is one.
func RemoveOldCardKey(dir string) error {
	err := os.Remove(filepath.Join(dir, "cards.key"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("deleting the master key of cards from an old bundle: %w", err)
	}
	return nil
}

// RenewBundle writes the JWT to a counter's folder, which need not hold its whole bundle. It removes the master key of
// cards that bundles held before 2026-11-28, and reports whether there was one. Another counter's bundle is ErrBundle,
// and left alone.
func RenewBundle(dir, counter, jwt string) (hadCardKey bool, err error) {
	_, err = os.Stat(filepath.Join(dir, "cards.key"))
	hadCardKey = err == nil
	if _, err := os.Stat(filepath.Join(dir, BundleFile)); errors.Is(err, fs.ErrNotExist) {
		return hadCardKey, errors.Join(WriteJWT(dir, jwt), RemoveOldCardKey(dir))
	}
	b, err := ReadBundle(dir)
	if err != nil {
		return false, err
	}
	if b.Counter != counter {
		return false, fmt.Errorf("%w: %s is the folder of counter %s, not of %s; name that counter's own folder",
			ErrBundle, dir, b.Counter, counter)
	}
	b.OldCardKey, b.JWT = "", jwt
	return hadCardKey, errors.Join(b.Write(dir), RemoveOldCardKey(dir))
}

// WriteJWT writes the file with the counter's permissions.
func WriteJWT(dir, jwt string) error {
	return durable.WriteSecret(filepath.Join(dir, JWTFile), []byte(jwt+"\n"))
}

// ReadBundle reads the bundle in a folder. Every error is ErrBundle, for a missing file as for an unknown key.
func ReadBundle(dir string) (Bundle, error) {
	b := Bundle{dir: dir}
	file, err := os.Open(filepath.Join(dir, BundleFile))
	if err != nil {
		return b, fmt.Errorf("%w: %w; give the folder that the hub made when the counter was enrolled", ErrBundle, err)
	}
	defer file.Close()
	if err := toml.NewDecoder(file).DisallowUnknownFields().Decode(&b); err != nil {
		return b, fmt.Errorf("%w: %s: %w", ErrBundle, file.Name(), err)
	}
	for name, value := range map[string]string{"counter": b.Counter, "office": b.Office, "hub": b.Hub, "key_file": b.Key, "seal_key_file": b.SealKey} {
		if value == "" {
			return b, fmt.Errorf("%w: %s: %s is missing; enrol the counter again", ErrBundle, file.Name(), name)
		}
	}
	jwt, err := os.ReadFile(filepath.Join(dir, JWTFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("%w: %w", ErrBundle, err)
	}
	b.JWT = strings.TrimSpace(string(jwt))
	return b, nil
}

// SoftOfficer is an officer of a demonstration: the code, the file with the key, and the one-time code with which the counter
// offers the key; empty once it is enrolled.
type SoftOfficer struct {
	Officer string `toml:"officer"`
	Key     string `toml:"key_file"`
	Code    string `toml:"code,omitempty"`
}

// Secrets are the keys in a bundle's folder.
type Secrets struct {
	// Key signs claims and authenticates the connection; SealKey opens what the hub sends.
	Key     nkeys.KeyPair
	SealKey hpke.PrivateKey
	// HubSealKey is the key to seal personal data to.
	HubSealKey hpke.PublicKey
	// FactoryKey is the key to seal the transport keys of new cards to; nil if the bundle names none.
	FactoryKey hpke.PublicKey
	// Demonstration are the keys of the demonstration's officers (officer.ParseSoftKey), in the bundle's order.
	Demonstration [][]byte
}

// Secrets reads the key files of a bundle that ReadBundle returned.
func (b Bundle) Secrets() (Secrets, error) {
	var s Secrets
	var seed, secret, hub []byte
	err := errors.Join(b.read(b.Key, &seed), b.read(b.SealKey, &secret))
	if err == nil {
		defer clear(seed)
		s.Key, err = ParseSigningKey(seed)
	}
	if err == nil {
		defer clear(secret)
		s.SealKey, err = ParseSealKey(secret)
	}
	if err == nil {
		hub, err = hex.DecodeString(b.HubSealKey)
	}
	if err == nil {
		s.HubSealKey, err = ParseSealPublicKey(hub)
	}
	if err == nil && b.FactoryKey != "" {
		s.FactoryKey, err = b.Factory()
	}
	for _, o := range b.Demonstration {
		var key []byte
		if err == nil {
			err = b.read(o.Key, &key)
		}
		s.Demonstration = append(s.Demonstration, key)
	}
	if err != nil {
		return s, fmt.Errorf("%w: keys of counter %s: %w", ErrBundle, b.Counter, err)
	}
	return s, nil
}

// Factory returns the key to seal the transport keys of new cards to. The error is ErrBundle, also if the bundle names
// no key.
func (b Bundle) Factory() (hpke.PublicKey, error) {
	public, err := hex.DecodeString(b.FactoryKey)
	if err == nil && len(public) == 0 {
		err = errors.New("it is a bundle of an older version, or of a source without cards: enrol the counter again into the same folder")
	}
	var key hpke.PublicKey
	if err == nil {
		key, err = card.ParseFactoryPublic(public)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: factory_key: %w", ErrBundle, err)
	}
	return key, nil
}

func (b Bundle) read(name string, into *[]byte) (err error) {
	*into, err = os.ReadFile(filepath.Join(b.dir, name))
	return err
}

// trust returns how to verify the hub's certificate. A clock set before the bundle was made is wrong, and must not keep
// the counter from the hub that would tell it the time.
func (b Bundle) trust(now func() time.Time) (*tls.Config, error) {
	roots, begin := x509.NewCertPool(), time.Time{}
	for rest := []byte(b.CA); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: ca: %w", ErrBundle, err)
		}
		roots.AddCert(certificate)
		if certificate.NotBefore.After(begin) {
			begin = certificate.NotBefore
		}
	}
	if begin.IsZero() {
		return nil, fmt.Errorf("%w: ca holds no certificate in PEM", ErrBundle)
	}
	at := func() time.Time {
		if t := now(); t.After(begin) {
			return t
		}
		return begin
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13, Time: at}, nil
}

// Dial connects to the hub, over TLS and with the counter's own key. It reconnects for ever, even if the hub is
// unavailable at first; more options are for the caller's logging. Errors are ErrBundle, ErrNoJWT among them.
func (b Bundle) Dial(key nkeys.KeyPair, more ...nats.Option) (*nats.Conn, error) {
	if b.JWT == "" {
		return nil, fmt.Errorf("counter %s: %w", b.Counter, ErrNoJWT)
	}
	options := ConnectOptions(b.Counter, b.JWT, key)
	config, err := b.trust(time.Now)
	if err != nil {
		return nil, err
	}
	options = append(options, nats.TLSHandshakeFirst(), nats.Secure(config))
	options = append(options, more...)
	conn, err := nats.Connect(b.Hub, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting counter %s to %s: %w", b.Counter, b.Hub, err)
	}
	return conn, nil
}
