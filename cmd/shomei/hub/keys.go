package hub

import (
	"context"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/secret"
	"shomei/services/ra"
)

// keys are the secrets of one hub. Each has its own file under keys/, readable by its owner only and made at the first
// start.
type keys struct {
	// gate signs what counters are told. Before services had keys of their own it signed all commits, too.
	gate   nkeys.KeyPair
	public string
	// root is the public key of the root, whose own key is not kept: it enrols the writers and is not needed after that.
	root    string
	writers map[eventlog.Role]nkeys.KeyPair
	// seal opens what is sealed to the centre with sealPublic.
	seal       hpke.PrivateKey
	sealPublic hpke.PublicKey
	secret     []byte
	// vault opens what others ask the vault's service, sealed with vaultPublic.
	vault       hpke.PrivateKey
	vaultPublic hpke.PublicKey
	// factory is the public key of the makers of cards, engine the password of the tables. Only programs of their own have them
	// in files.
	factory []byte
	engine  string
	// gateway are the keys of the gateway for registers.
	gateway gatewayKeys
	// accounts are the accounts of the NATS server.
	accounts hubserver.Accounts
	// simulator signs simulated commits; nil if there are none.
	simulator nkeys.KeyPair
}

// gatewayKeys are those of the gateway for registers: one signs the claims that it makes, the other opens what registers seal
// to it. Programs that only enrol registers have the public ones.
type gatewayKeys struct {
	sign       nkeys.KeyPair
	public     string
	seal       hpke.PrivateKey
	sealPublic hpke.PublicKey
}

// Files of the gateway's keys below keys/.
const (
	gatewayKey        = "register.nk"
	gatewayPublic     = "register.pub"
	gatewaySealKey    = "register-seal.key"
	gatewaySealPublic = "register-seal.pub"
)

// openGateway reads the gateway's keys, or makes them.
func openGateway(secrets *secret.Store, dir string) (k gatewayKeys, err error) {
	if k.sign, err = writerKey(secrets, filepath.Join(dir, gatewayKey)); err != nil {
		return k, err
	}
	if k.public, err = k.sign.PublicKey(); err != nil {
		return k, err
	}
	if k.seal, err = sealKey(secrets, filepath.Join(dir, gatewaySealKey)); err == nil {
		k.sealPublic = k.seal.PublicKey()
	}
	return k, err
}

// openKeys reads the keys of a centre in one process, and makes those that are missing.
func openKeys(secrets *secret.Store, dir string) (keys, error) {
	var k keys
	if separated(dir) {
		return readKeys(secrets, dir, programNamed("operator"), 0)
	}
	if err := os.MkdirAll(filepath.Join(dir, "ca"), 0o700); err != nil {
		return k, err
	}
	var err error
	if k.gate, err = writerKey(secrets, filepath.Join(dir, "hub.nk")); err != nil {
		return k, err
	}
	if k.public, err = k.gate.PublicKey(); err != nil {
		return k, err
	}
	if k.root, err = rootOf(secrets, dir); err != nil {
		return k, err
	}
	if k.writers, err = openWriters(secrets, filepath.Join(dir, "writers")); err != nil {
		return k, err
	}
	if k.seal, err = sealKey(secrets, filepath.Join(dir, "seal.key")); err != nil {
		return k, err
	}
	k.sealPublic = k.seal.PublicKey()
	if k.vault, err = sealKey(secrets, filepath.Join(dir, "vault.key")); err != nil {
		return k, err
	}
	k.vaultPublic = k.vault.PublicKey()
	ids := filepath.Join(dir, "subscriber-ids.key")
	if k.secret, err = secrets.Make(ids, newRandomSecret); err == nil {
		err = ra.CheckSecret(k.secret)
	}
	if err != nil {
		return k, fmt.Errorf("reading %s: %w; put back the file of this deployment", ids, err)
	}
	if k.gateway, err = openGateway(secrets, dir); err != nil {
		return k, err
	}
	if k.accounts, err = openAccounts(secrets, filepath.Join(dir, "nats")); err != nil {
		return k, err
	}
	k.simulator, err = existingKey(secrets, filepath.Join(dir, simulatorFile))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return k, err
}

// simulatorFile exists only in data folders that a simulation has written to.
const simulatorFile = "simulator.nk"

// makeSimulator makes the simulator's signing key and reads the keys again.
func (p *Parts) makeSimulator(context.Context) (err error) {
	if _, err = p.secrets.Make(p.path("keys", simulatorFile), newWriterSeed); err != nil {
		return err
	}
	p.keys, err = openKeys(p.secrets, p.path("keys"))
	return err
}

// anchors returns the keys that are trusted without an enrolment. They include the simulator's until the log turns out
// not to be simulated (openLog).
func (k keys) anchors(simulated bool) (map[string]eventlog.Role, error) {
	writers := map[string]eventlog.Role{k.root: eventlog.RoleRoot, k.public: eventlog.RoleHub}
	if k.simulator != nil && simulated {
		public, err := k.simulator.PublicKey()
		if err != nil {
			return nil, err
		}
		writers[public] = eventlog.RoleSimulator
	}
	return writers, nil
}

func newWriterSeed() ([]byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	return pair.Seed()
}

// sealKey reads a key that opens what is sealed, or makes it.
func sealKey(secrets *secret.Store, path string) (hpke.PrivateKey, error) {
	text, err := secrets.Make(path, newSealSecret)
	if err != nil {
		return nil, err
	}
	return counterlink.ParseSealKey(text)
}

func newSealSecret() ([]byte, error) {
	key, err := counterlink.NewSealKey()
	if err != nil {
		return nil, err
	}
	return key.Bytes()
}

func newRandomSecret() ([]byte, error) {
	b := make([]byte, 32)
	_, err := rand.Read(b)
	return b, err
}
