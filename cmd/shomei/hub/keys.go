package hub

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hpke"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
)

// keys are the secrets of one hub. Each lives in a file of its own under keys/, readable by its owner only, and is made
// at the first start.
type keys struct {
	writer nkeys.KeyPair
	public string
	seal   hpke.PrivateKey
	secret []byte
	cards  []byte // master key of the cards' administrative keys, in hex
	tls    tls.Certificate
	caPEM  []byte
	// accounts are those of the NATS server.
	accounts hubserver.Accounts
	// simulator signs what is made up; nil where nothing is.
	simulator nkeys.KeyPair
}

func openKeys(dir string) (keys, error) {
	var k keys
	if err := os.MkdirAll(filepath.Join(dir, "ca"), 0o700); err != nil {
		return k, err
	}
	seed, err := secretFile(filepath.Join(dir, "hub.nk"), newWriterSeed)
	if err != nil {
		return k, err
	}
	if k.writer, err = nkeys.FromSeed(seed); err != nil {
		return k, fmt.Errorf("reading the hub's writer key: %w", err)
	}
	if k.public, err = k.writer.PublicKey(); err != nil {
		return k, err
	}
	sealed, err := secretFile(filepath.Join(dir, "seal.key"), newSealSecret)
	if err != nil {
		return k, err
	}
	if k.seal, err = counterlink.ParseSealKey(sealed); err != nil {
		return k, err
	}
	if k.secret, err = secretFile(filepath.Join(dir, "subscriber-ids.key"), newRandomSecret); err != nil {
		return k, err
	}
	if k.cards, err = secretFile(filepath.Join(dir, "cards.key"), newCardMaster); err != nil {
		return k, err
	}
	if k.accounts, err = openAccounts(filepath.Join(dir, "nats")); err != nil {
		return k, err
	}
	if seed, err = os.ReadFile(filepath.Join(dir, simulatorFile)); err == nil {
		if k.simulator, err = nkeys.FromSeed(seed); err != nil {
			return k, fmt.Errorf("reading the simulator's writer key: %w", err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return k, err
	}
	return k, k.openTLS(dir)
}

// simulatorFile exists only in data folders that a simulation has written into.
const simulatorFile = "simulator.nk"

// makeSimulator makes the key that what is made up is signed with, and reads the keys again.
func (h *Hub) makeSimulator(context.Context) (err error) {
	if _, err = secretFile(h.path("keys", simulatorFile), newWriterSeed); err != nil {
		return err
	}
	h.keys, err = openKeys(h.path("keys"))
	return err
}

// writers are the keys whose commits are believed. The simulator's is one of them until it is known that the log is not
// a simulated one (openLog).
func (k keys) writers(simulated bool) (map[string]eventlog.Role, error) {
	writers := map[string]eventlog.Role{k.public: eventlog.RoleHub}
	if k.simulator != nil && simulated {
		public, err := k.simulator.PublicKey()
		if err != nil {
			return nil, err
		}
		writers[public] = eventlog.RoleSimulator
	}
	return writers, nil
}

// secretFile reads a secret, or makes it where there is none.
func secretFile(path string, create func() ([]byte, error)) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return b, err
	}
	if b, err = create(); err != nil {
		return nil, fmt.Errorf("making %s: %w", filepath.Base(path), err)
	}
	return b, renameio.WriteFile(path, b, 0o600)
}

func newWriterSeed() ([]byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	return pair.Seed()
}

func newSealSecret() ([]byte, error) {
	key, err := counterlink.NewSealKey()
	if err != nil {
		return nil, err
	}
	return key.Bytes()
}

func newCardMaster() ([]byte, error) {
	master, err := newRandomSecret()
	return []byte(hex.EncodeToString(master) + "\n"), err
}

func newRandomSecret() ([]byte, error) {
	b := make([]byte, 32)
	_, err := rand.Read(b)
	return b, err
}

// openTLS gives the certificate of the port that counters connect to. By default the hub makes one for this machine;
// a deployment puts its own two files there instead.
func (k *keys) openTLS(dir string) error {
	certificate, key := filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key")
	if _, err := os.Stat(certificate); errors.Is(err, os.ErrNotExist) {
		if err := makeTLS(certificate, key); err != nil {
			return fmt.Errorf("making a certificate for the counters' port: %w", err)
		}
	}
	var err error
	if k.tls, err = tls.LoadX509KeyPair(certificate, key); err != nil {
		return fmt.Errorf("reading the certificate of the counters' port: %w", err)
	}
	k.caPEM, err = os.ReadFile(certificate)
	return err
}

func makeTLS(certificate, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Shomei hub on this machine"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	err = renameio.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
	if err != nil {
		return err
	}
	return renameio.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
