package hub

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nkeys"

	"shomei/pkg/durable"
	"shomei/pkg/hubserver"
	"shomei/pkg/secret"
	"shomei/services/cards"
)

// ErrSeparated: the services of the centre are programs of their own; no process runs all of them.
var ErrSeparated = errors.New("the services of this centre are programs of their own")

const (
	// hubPublic holds the public key of the gate, where its own key is with other programs; sealPublic that to which claims
	// are sealed.
	hubPublic  = "hub.pub"
	sealPublic = "seal.pub"
	// separatedTo holds, in the operator's folder, where the other folders are.
	separatedTo = "separated"
)

// separated reports whether the keys in a folder are those of a program of its own, such as the operator.
func separated(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, hubPublic))
	return err == nil
}

// Separated reports whether the services of the centre are programs of their own, and this the data folder of one of them.
func (p *Parts) Separated() bool { return separated(p.path("keys")) }

// Separation says how the services of a centre become programs of their own.
type Separation struct {
	// Out is the folder for those of the services and of NATS; it must not exist.
	Out string
	// Tables is where the projector's engine is to listen: a loopback address and port.
	Tables string
	// Settings returns the configuration of a program, which has this data folder and reaches NATS at this URL.
	Settings func(program, data, server string) ([]byte, error)
}

func (s *Separation) check() (err error) {
	if err := Loopback(s.Tables); err != nil {
		return fmt.Errorf("--tables: %w", err)
	}
	if s.Out, err = filepath.Abs(s.Out); err != nil {
		return err
	}
	if _, err := os.Stat(s.Out); err == nil {
		return fmt.Errorf("%s exists already: give a folder that doesn't", s.Out)
	}
	return nil
}

// Separate makes a folder for each service and for an external NATS server, from the data folder of a centre that has run in
// one process and has stopped. The operator goes on in the data folder, where the keys stay that make users and enrol
// counters; the log stays where it is, for the NATS server. All other secrets move to the programs that need them.
//
// Nothing is taken from the data folder before everything is in its new place, and is there as it was. What is interrupted
// before that can be begun anew with another folder, after the first was deleted; after that, the same call takes away
// the rest. It reports whether it has made the folders.
func Separate(ctx context.Context, c Config, s Separation) (made bool, err error) {
	p := newParts(c)
	if _, err := os.Stat(p.path("keys", "hub.nk")); err != nil && !p.Separated() {
		return false, fmt.Errorf("%s: %w: give the folder with --data", c.Data, ErrNoData)
	}
	if p.Separated() {
		err := p.hold(ctx)
		if err == nil {
			err = p.takeAway()
		}
		return false, errors.Join(err, p.Close())
	}
	if err := s.check(); err != nil {
		return false, err
	}
	revoked, err := begin(ctx, c)
	if err == nil {
		err = p.open(ctx, needed(serving, []row{{needs: []string{"certificate"}}}))
	}
	if err == nil {
		one := separation{Parts: p, Separation: s, revoked: revoked}
		if err = one.make(); err != nil {
			err = fmt.Errorf("separating the services: %w; delete %s and begin anew", err, s.Out)
		}
	}
	if err == nil {
		err = p.takeAway()
	}
	return true, errors.Join(err, p.Close())
}

// begin starts and stops what a centre in one process starts with, so that the log is there and belongs to these keys, this
// vault, this clock and this number of streams. It returns who was retired.
func begin(ctx context.Context, c Config) (revoked hubserver.Revoked, err error) {
	c.Host, c.Port = "127.0.0.1", -1 // nobody is to connect
	p := newParts(c)
	if err = p.open(ctx, needed(serving, []row{{needs: []string{"cards", "issuer"}}})); err == nil {
		revoked, err = p.revoked()
	}
	return revoked, errors.Join(err, p.Close())
}

// separation is the making of the folders.
type separation struct {
	*Parts
	Separation
	accounts hubserver.Accounts
	revoked  hubserver.Revoked
}

func (s *separation) make() (err error) {
	if s.accounts, err = apart(s.secrets, s.keys.accounts, s.path("keys", "nats"), s.Streams); err != nil {
		return err
	}
	if err := s.sharedSecrets(); err != nil {
		return err
	}
	if err := s.serverFolder(); err != nil {
		return err
	}
	for _, g := range programs {
		if err := s.folder(g); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	if err := syncFolders(s.Out); err != nil {
		return err
	}
	if err := durable.WriteFile(s.path("keys", separatedTo), []byte(s.Out+"\n")); err != nil {
		return err
	}
	return durable.WriteFile(s.path("keys", hubPublic), []byte(s.keys.public+"\n"))
}

// syncFolders makes the names in a folder, in those below it and its own durable.
func syncFolders(folder string) error {
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return durable.SyncFolder(path)
	})
	return errors.Join(err, durable.SyncFolder(filepath.Dir(folder)))
}

// apart returns the accounts of a centre of several programs: one for each of them instead of one for the whole. It reads
// their keys, or makes them.
func apart(secrets *secret.Store, a hubserver.Accounts, dir string, streams int) (hubserver.Accounts, error) {
	a.Services = slices.DeleteFunc(slices.Clone(a.Services), func(s hubserver.Service) bool { return s.Name == hubAccount || s.Name == operators.name })
	for i, s := range a.Services {
		if s.Name == registersAccount {
			a.Services[i] = registers(gatewayProgram)
			a.Services[i].Key = s.Key
		}
	}
	for _, g := range accountHolders() {
		seed, err := secrets.Make(filepath.Join(dir, accountFile(g.name)), newAccountSeed)
		if err != nil {
			return a, err
		}
		service := g.service(max(streams, 1))
		if service.Key, err = nkeys.FromSeed(seed); err != nil {
			return a, err
		}
		a.Services = append(a.Services, service)
	}
	return a, nil
}

func newAccountSeed() ([]byte, error) {
	pair, err := nkeys.CreateAccount()
	if err != nil {
		return nil, err
	}
	return pair.Seed()
}

// sharedSecrets makes what only programs of their own need: the password of the tables, and public keys of what moves.
func (s *separation) sharedSecrets() error {
	if _, err := s.secrets.Make(s.path("keys", "engine.password"), newPassword); err != nil {
		return err
	}
	factory, err := cards.FactoryKey(s.secrets, s.path("keys", "cards.key"))
	if err != nil {
		return err
	}
	for file, public := range map[string][]byte{
		sealPublic: s.keys.sealPublic.Bytes(), "vault.pub": s.keys.vaultPublic.Bytes(), "factory.pub": factory,
		gatewaySealPublic: s.keys.gateway.sealPublic.Bytes(),
	} {
		if err := durable.WriteFile(s.path("keys", file), []byte(hex.EncodeToString(public)+"\n")); err != nil {
			return err
		}
	}
	return durable.WriteFile(s.path("keys", gatewayPublic), []byte(s.keys.gateway.public+"\n"))
}

func newPassword() ([]byte, error) {
	b, err := newRandomSecret()
	return []byte(hex.EncodeToString(b)), err
}

// serverFolder writes the folder of the NATS server, which shows the certificate that counters know.
func (s *separation) serverFolder() error {
	folder := filepath.Join(s.Out, "nats")
	if err := os.MkdirAll(filepath.Join(folder, "accounts"), 0o700); err != nil {
		return err
	}
	certificate, key := s.TLSCert, s.TLSKey
	if certificate == "" {
		certificate, key = s.path("keys", portCert), s.path("keys", portKey)
	}
	if err := copyFile(certificate, filepath.Join(folder, portCert)); err != nil {
		return err
	}
	secrets := s.secrets
	if s.TLSKey != "" {
		secrets = nil // the operator's own file
	}
	// In the clear: another program reads it.
	private, err := secrets.Read(key)
	if err == nil {
		err = durable.WriteSecret(filepath.Join(folder, portKey), private)
	}
	if err != nil {
		return err
	}
	text, err := s.accounts.Conf(hubserver.External{
		Host: s.Host, Port: s.Port, Store: s.path("nats"), Accounts: filepath.Join(folder, "accounts"),
		Certificate: filepath.Join(folder, portCert), Key: filepath.Join(folder, portKey), Revoked: s.revoked,
	})
	if err != nil {
		return err
	}
	return durable.WriteSecret(filepath.Join(folder, "nats.conf"), text)
}

// serverURL returns where programs on this machine reach the server: at a name that its certificate carries.
func (s *separation) serverURL() string {
	host := s.Host
	if s.everywhere() || s.port.carries(host) != nil {
		host = s.port.name
	}
	return "tls://" + net.JoinHostPort(host, strconv.Itoa(s.Port))
}

// folder makes the folder of a program.
func (s *separation) folder(g program) error {
	data, keys := filepath.Join(s.Out, g.name), s.path("keys")
	if g.name == "operator" {
		data = s.Data
	}
	own := filepath.Join(data, "keys")
	if err := os.MkdirAll(filepath.Join(own, "writers"), 0o700); err != nil {
		return err
	}
	if err := s.credentials(g, own); err != nil {
		return err
	}
	if g.name != "operator" {
		if err := copyFile(filepath.Join(keys, rootPublic), filepath.Join(own, rootPublic)); err != nil {
			return err
		}
		if err := durable.WriteFile(filepath.Join(own, hubPublic), []byte(s.keys.public+"\n")); err != nil {
			return err
		}
		for _, name := range g.moves() {
			if err := copyTree(s.path(name), filepath.Join(data, name)); err != nil {
				return err
			}
		}
	}
	return s.settings(g, data)
}

// moves lists the files and folders of the data folder that a program has of its own. Which of them another program has
// as well does not matter.
func (g program) moves() (names []string) {
	for _, file := range g.secrets {
		if file != gateFile {
			names = append(names, filepath.Join("keys", file))
		}
	}
	for _, role := range g.roles {
		names = append(names, filepath.Join("keys", "writers", string(role)+".nk"))
	}
	if len(g.service(1).AsksOf["vault"]) > 0 {
		names = append(names, filepath.Join("keys", "vault.pub"))
	}
	return append(append(names, filepath.Join("keys", secret.LockFile)), g.holds...)
}

// credentials writes how a program signs in to NATS, and by what it believes the server.
func (s *separation) credentials(g program, own string) error {
	service, ok := s.accounts.Service(g.name)
	if !ok {
		return fmt.Errorf("%s has no account", g.name)
	}
	text, err := hubserver.Credentials(service.Key, g.name, service.Rights())
	if err == nil {
		err = s.secrets.Write(filepath.Join(own, credentials), text)
	}
	if err == nil && slices.Contains(g.secrets, gateFile) {
		gate := s.keys.gateUser()
		if text, err = hubserver.Credentials(gate.account, gate.name, gate.rights); err == nil {
			err = s.secrets.Write(filepath.Join(own, gateFile), text)
		}
	}
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(own, authorityFile), s.port.ca)
}

// settings writes a program's configuration, and the marks with which it goes on.
func (s *separation) settings(g program, data string) error {
	text, err := s.Settings(g.name, data, s.serverURL())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.Out, g.name), 0o700); err != nil {
		return err
	}
	if err := durable.WriteSecret(filepath.Join(s.Out, g.name, "shomei.toml"), text); err != nil || g.name == "operator" {
		return err
	}
	if err := copyTree(s.path("marks"), filepath.Join(data, "marks")); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(data, "marks", "lock"))
}

// takeAway removes from the data folder what other programs have now, and the tables, which the projector makes anew. What is
// not in its new place as it is here stays, and is an error.
func (p *Parts) takeAway() error {
	text, err := os.ReadFile(p.path("keys", separatedTo))
	if err != nil {
		return fmt.Errorf("%s is not the data folder of an operator: %w", p.Data, err)
	}
	out, kept := strings.TrimSpace(string(text)), programNamed("operator").moves()
	moved := make(map[string]bool)
	for _, g := range programs {
		for _, name := range g.moves() {
			if slices.Contains(kept, name) || filepath.Ext(name) == ".pub" {
				continue
			}
			if err := sameTree(p.path(name), filepath.Join(out, g.name, name)); err != nil {
				return fmt.Errorf("%s stays in %s: %w", name, p.Data, err)
			}
			moved[name] = true
		}
	}
	for name := range moved {
		if err := os.RemoveAll(p.path(name)); err != nil {
			return fmt.Errorf("taking away %s, which another program has now: %w", name, err)
		}
	}
	if err := os.RemoveAll(p.path("clickhouse")); err != nil {
		return err
	}
	// An earlier release would take the folder for a new centre's, were there no such file.
	return durable.WriteFile(p.path("keys", "hub.nk"), []byte(elsewhere+" the programs in "+out+".\n"))
}

// elsewhere begins the text that stands in the place of a key that other programs have.
const elsewhere = "This key is with"

// sameTree returns an error unless everything in a file or folder is in another as well. What an earlier call took away,
// and the text that it left in the place of the gate's key, count as there.
func sameTree(here, there string) error {
	return filepath.WalkDir(here, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == here {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		rest, err := filepath.Rel(here, path)
		if err != nil {
			return err
		}
		own, err1 := os.ReadFile(path)
		other, err2 := os.ReadFile(filepath.Join(there, rest))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if !bytes.Equal(own, other) && !bytes.HasPrefix(own, []byte(elsewhere)) {
			return fmt.Errorf("%s has been changed since it was copied", filepath.Join(there, rest))
		}
		return nil
	})
}

// copyTree copies a file or folder, durably. What does not exist is left out.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == from {
			return nil
		}
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, rest), 0o700)
		}
		return copyFile(path, filepath.Join(to, rest))
	})
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return durable.WriteSecret(to, text)
}
