package counterlink

import (
	"crypto/hpke"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/pelletier/go-toml/v2"
)

// ErrBundle says that a counter's bundle can't be used; the text says which part of it.
var ErrBundle = errors.New("the counter's bundle can't be used")

// ErrNoJWT says that a bundle does not say what its counter may do: it was made before the hub had accounts. It is an
// ErrBundle.
var ErrNoJWT = fmt.Errorf("%w: it has no %s; have the hub's operator run shomei counter renew, and put the file into the bundle's folder", ErrBundle, JWTFile)

const (
	// BundleFile is the name of the file in a bundle's folder that says what the others are.
	BundleFile = "counter.toml"
	// JWTFile is the name of the file that says what the counter may do at the hub, signed by it. It is no secret.
	JWTFile = "counter.jwt"
)

// Bundle is what a counter gets from the hub once: where to connect, who it is, and whom to believe. It is the file
// counter.toml of a folder that also holds the counter's keys.
type Bundle struct {
	Counter string `toml:"counter"`
	Office  string `toml:"office"`
	Role    string `toml:"role"`
	// Hub is the URL to connect to; CA the PEM of the certificate it is believed by.
	Hub string `toml:"hub"`
	CA  string `toml:"ca"`
	// HubSealKey is the hub's public HPKE key, in hex; HubWriters are the writers whose commands are believed.
	HubSealKey string   `toml:"hub_seal_key"`
	HubWriters []string `toml:"hub_writers"`
	// Key and SealKey are the counter's own secrets, CardKey the master key of the cards' administrative keys in hex
	// (card.AdminKey): file names beside this file.
	Key     string `toml:"key_file"`
	SealKey string `toml:"seal_key_file"`
	CardKey string `toml:"card_key_file"`
	// Clock is the file of the settable clock that the hub runs by; empty: the system's.
	Clock string `toml:"clock,omitempty"`
	// JWT is what stands in JWTFile.
	JWT string `toml:"-"`

	dir string
}

// Write puts the bundle's files into its folder, which holds the key files already.
func (b Bundle) Write(dir string) error {
	text, err := toml.Marshal(b)
	if err != nil {
		return fmt.Errorf("writing the bundle of counter %s: %w", b.Counter, err)
	}
	if err := WriteJWT(dir, b.JWT); err != nil {
		return fmt.Errorf("writing the bundle of counter %s: %w", b.Counter, err)
	}
	if err := renameio.WriteFile(filepath.Join(dir, BundleFile), text, 0o600); err != nil {
		return fmt.Errorf("writing the bundle of counter %s: %w", b.Counter, err)
	}
	return nil
}

// WriteJWT puts the file that says what a counter may do into its bundle's folder.
func WriteJWT(dir, jwt string) error {
	return renameio.WriteFile(filepath.Join(dir, JWTFile), []byte(jwt+"\n"), 0o600)
}

// ReadBundle reads the bundle of a folder. Its errors are ErrBundle, for a missing file as for an unknown key.
func ReadBundle(dir string) (Bundle, error) {
	b := Bundle{dir: dir}
	file, err := os.Open(filepath.Join(dir, BundleFile))
	if err != nil {
		return b, fmt.Errorf("%w: %w; it is the folder that the hub made when the counter was enrolled", ErrBundle, err)
	}
	defer file.Close()
	if err := toml.NewDecoder(file).DisallowUnknownFields().Decode(&b); err != nil {
		return b, fmt.Errorf("%w: %s: %w", ErrBundle, file.Name(), err)
	}
	for name, value := range map[string]string{"counter": b.Counter, "office": b.Office, "hub": b.Hub, "key_file": b.Key, "seal_key_file": b.SealKey, "card_key_file": b.CardKey} {
		if value == "" {
			return b, fmt.Errorf("%w: %s: %s is missing; enrol the counter again", ErrBundle, file.Name(), name)
		}
	}
	return b, nil
}

// Secrets are the keys of a counter, out of its bundle's folder.
type Secrets struct {
	// Key signs claims and opens the connection; SealKey opens what the hub sends.
	Key     nkeys.KeyPair
	SealKey hpke.PrivateKey
	// HubSealKey is what personal data are sealed to.
	HubSealKey hpke.PublicKey
	// CardMaster is the master key of the cards' administrative keys (card.AdminKey).
	CardMaster []byte
}

// Secrets reads the key files of a bundle that ReadBundle returned.
func (b Bundle) Secrets() (Secrets, error) {
	var s Secrets
	var seed, secret, master, hub []byte
	err := errors.Join(b.read(b.Key, &seed), b.read(b.SealKey, &secret), b.read(b.CardKey, &master))
	if err == nil {
		defer clear(seed)
		s.Key, err = nkeys.FromSeed(seed)
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
	if err == nil {
		s.CardMaster, err = hex.DecodeString(strings.TrimSpace(string(master)))
	}
	if err != nil {
		return s, fmt.Errorf("%w: keys of counter %s: %w", ErrBundle, b.Counter, err)
	}
	return s, nil
}

func (b Bundle) read(name string, into *[]byte) (err error) {
	*into, err = os.ReadFile(filepath.Join(b.dir, name))
	return err
}

// Dial opens the connection to the hub, over TLS and with the counter's own key. It comes back by itself for ever, also
// when the hub is away at the first attempt; more options are for the caller's logging. Errors are ErrBundle, ErrNoJWT among
// them.
func (b Bundle) Dial(key nkeys.KeyPair, more ...nats.Option) (*nats.Conn, error) {
	var jwt []byte
	if err := b.read(JWTFile, &jwt); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("counter %s: %w", b.Counter, ErrNoJWT)
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBundle, err)
	}
	options := ConnectOptions(b.Counter, strings.TrimSpace(string(jwt)), key)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(b.CA)) {
		return nil, fmt.Errorf("%w: ca holds no certificate in PEM", ErrBundle)
	}
	options = append(options, nats.TLSHandshakeFirst(), nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}))
	options = append(options, more...)
	conn, err := nats.Connect(b.Hub, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting counter %s to %s: %w", b.Counter, b.Hub, err)
	}
	return conn, nil
}
