package hub

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/services/cards"
)

// ErrSeparated: the services of the centre are programs of their own; no process runs all of them.
var ErrSeparated = errors.New("the services of this centre are programs of their own")

// hubPublic holds the public key of the gate, where its own key is with other programs.
const hubPublic = "hub.pub"

// separated reports whether the keys in a folder are those that the operator has left.
func separated(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, hubPublic))
	return err == nil
}

// Separated reports whether the services of the centre are programs of their own, and this data folder the operator's.
func (p *Parts) Separated() bool { return separated(p.path("keys")) }

// Separation says how the services of a centre become programs of their own.
type Separation struct {
	// Out is the folder for those of the services and of NATS; it must not exist.
	Out string
	// Host and Port are where NATS is to listen, for services and counters; Tables is the address of the engine, a host
	// of this machine and a port.
	Host   string
	Port   int
	Tables string
}

// Separate makes a folder for each service and for an external NATS server, from the data folder of a centre that has run in
// one process and has stopped. The operator goes on in the data folder, where the keys stay that make users and enrol
// counters; the log stays where it is, for the NATS server. All other secrets move: each is with the programs that
// need it, and nowhere else.
//
// Nothing is taken from the data folder before everything is in its new place. What is interrupted before that can be
// begun anew with another folder; after that, the same call takes away the rest.
func Separate(ctx context.Context, c Config, s Separation) error {
	p := newParts(c)
	defer p.Close()
	if _, err := os.Stat(p.path("keys", "hub.nk")); err != nil && !separated(p.path("keys")) {
		return fmt.Errorf("%s: %w: give the folder with --data", c.Data, ErrNoData)
	}
	if err := p.hold(ctx); err != nil {
		return err
	}
	if separated(p.path("keys")) {
		return p.takeAway()
	}
	var err error
	if s.Out, err = filepath.Abs(s.Out); err != nil {
		return err
	}
	if _, err := os.Stat(s.Out); err == nil {
		return fmt.Errorf("%s exists already: give a folder that doesn't", s.Out)
	}
	if err := p.openKeys(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(p.path("vault")); err != nil {
		return fmt.Errorf("%s has no vault: start shomei all once, which begins the log, and stop it", p.Data)
	}
	separation := separation{p, s, nil}
	if err := separation.make(); err != nil {
		return fmt.Errorf("separating the services: %w", err)
	}
	return p.takeAway()
}

// separation is the making of the folders.
type separation struct {
	*Parts
	Separation
	accounts *hubserver.Accounts
}

func (s *separation) make() error {
	if err := s.programAccounts(); err != nil {
		return err
	}
	if err := s.sharedSecrets(); err != nil {
		return err
	}
	if err := s.server(); err != nil {
		return err
	}
	for _, g := range programs {
		if err := s.folder(g); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return durable.WriteFile(s.path("keys", hubPublic), []byte(s.keys.public+"\n"))
}

// programAccounts gives each program an account.
func (s *separation) programAccounts() error {
	a := s.keys.accounts
	for _, g := range programs {
		seed, err := secretFile(s.path("keys", "nats", g.name+".account.nk"), newAccountSeed)
		if err != nil {
			return err
		}
		service := g.service(max(s.Streams, 1))
		if service.Key, err = nkeys.FromSeed(seed); err != nil {
			return err
		}
		a.Services = append(a.Services, service)
	}
	s.accounts = &a
	return nil
}

func newAccountSeed() ([]byte, error) {
	pair, err := nkeys.CreateAccount()
	if err != nil {
		return nil, err
	}
	return pair.Seed()
}

// sharedSecrets makes what only programs of their own need: the key to which they seal what they ask the vault, the
// password of the tables, and public keys of what moves.
func (s *separation) sharedSecrets() error {
	sealed, err := secretFile(s.path("keys", "vault.key"), newSealSecret)
	if err != nil {
		return err
	}
	vault, err := counterlink.ParseSealKey(sealed)
	if err != nil {
		return err
	}
	if _, err := secretFile(s.path("keys", "engine.password"), newPassword); err != nil {
		return err
	}
	factory, err := cards.FactoryKey(s.path("keys", "cards.key"))
	if err != nil {
		return err
	}
	for file, public := range map[string][]byte{
		"seal.pub": s.keys.sealPublic.Bytes(), "vault.pub": vault.PublicKey().Bytes(), "factory.pub": factory,
	} {
		if err := durable.WriteFile(s.path("keys", file), []byte(hex.EncodeToString(public)+"\n")); err != nil {
			return err
		}
	}
	return nil
}

func newPassword() ([]byte, error) {
	b, err := newRandomSecret()
	return []byte(hex.EncodeToString(b)), err
}

// server writes the folder of the NATS server.
func (s *separation) server() error {
	names := append(slices.Clone(thisMachine), s.Host)
	names = append(names, s.Names...)
	for i, name := range names {
		names[i] = canonical(name)
	}
	slices.Sort(names)
	var err error
	if s.port, err = madePort(s.path("keys"), slices.Compact(names)); err != nil {
		return err
	}
	folder := filepath.Join(s.Out, "nats")
	if err := os.MkdirAll(filepath.Join(folder, "accounts"), 0o700); err != nil {
		return err
	}
	for _, file := range []string{portCert, portKey} {
		if err := copyFile(s.path("keys", file), filepath.Join(folder, file)); err != nil {
			return err
		}
	}
	text, err := s.accounts.Conf(hubserver.External{
		Host: s.Host, Port: s.Port, Store: s.path("nats"), Accounts: filepath.Join(folder, "accounts"),
		Certificate: filepath.Join(folder, portCert), Key: filepath.Join(folder, portKey),
	})
	if err != nil {
		return err
	}
	return durable.WriteSecret(filepath.Join(folder, "nats.conf"), text)
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
	for _, secret := range g.secrets {
		if secret != gateFile {
			names = append(names, filepath.Join("keys", secret))
		}
	}
	for _, role := range g.roles {
		names = append(names, filepath.Join("keys", "writers", string(role)+".nk"))
	}
	if len(g.service(1).AsksOf["vault"]) > 0 {
		names = append(names, filepath.Join("keys", "vault.pub"))
	}
	return append(names, g.holds...)
}

// credentials writes how a program signs in to NATS, and by what it believes the server.
func (s *separation) credentials(g program, own string) error {
	i := slices.IndexFunc(s.accounts.Services, func(a hubserver.Service) bool { return a.Name == g.name })
	service := s.accounts.Services[i]
	text, err := hubserver.Credentials(service.Key, g.name, service.Rights())
	if err == nil {
		err = durable.WriteSecret(filepath.Join(own, credentials), text)
	}
	if err == nil && slices.Contains(g.secrets, gateFile) {
		gate := s.keys.gateUser()
		if text, err = hubserver.Credentials(gate.account, gate.name, gate.rights); err == nil {
			err = durable.WriteSecret(filepath.Join(own, gateFile), text)
		}
	}
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(own, authorityFile), s.port.ca)
}

// settings writes a program's configuration, and the high-water marks with which it goes on.
func (s *separation) settings(g program, data string) error {
	text := fmt.Sprintf(`# shomei %s --config FILE: %s
[hub]
data = %q
streams = %d
any_clock = %v
[nats]
servers = [%q]
[clickhouse]
tables = %q
`, g.name, g.words, data, max(s.Streams, 1), s.AnyClock, "tls://"+hostPort(s.Host, s.Port), s.Tables)
	if s.Config.Clock != "" {
		text = strings.Replace(text, "[nats]", fmt.Sprintf("clock = %q\n[nats]", s.Config.Clock), 1)
	}
	if err := os.MkdirAll(filepath.Join(s.Out, g.name), 0o700); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(s.Out, g.name, "shomei.toml"), []byte(text)); err != nil || g.name == "operator" {
		return err
	}
	marks, err := filepath.Glob(s.path("marks", "*.mark"))
	if err != nil {
		return err
	}
	for _, mark := range append(marks, s.path("marks", eventlog.WritersFile)) {
		if err := copyTree(mark, filepath.Join(data, "marks", filepath.Base(mark))); err != nil {
			return err
		}
	}
	return nil
}

func hostPort(host string, port int) string { return host + ":" + strconv.Itoa(port) }

// takeAway removes from the data folder what other programs have now, and the tables, which the projector makes anew.
func (p *Parts) takeAway() error {
	if err := os.RemoveAll(p.path("clickhouse")); err != nil {
		return err
	}
	kept := programNamed("operator").moves()
	for _, g := range programs {
		for _, name := range g.moves() {
			if slices.Contains(kept, name) {
				continue
			}
			if err := os.RemoveAll(p.path(name)); err != nil {
				return fmt.Errorf("taking away %s, which another program has now: %w", name, err)
			}
		}
	}
	return durable.SyncFolder(p.path("keys"))
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
