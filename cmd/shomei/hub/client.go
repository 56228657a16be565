package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/ops"
	"shomei/pkg/vaultlink"
	"shomei/services/cards"
)

// ErrNotRunning: no centre runs on a data folder.
var ErrNotRunning = errors.New("no hub runs on this data folder")

// Credentials are what an operator gives orders with, from any machine that reaches NATS. The file is as secret as a key: it
// lets its holder do what the role operator may do, in the holder's name (shomei roles).
type Credentials struct {
	// Officer is the number under which the log has what is done with them.
	Officer string `json:"officer"`
	// Server is the URL of NATS, CA the authority of its certificate in PEM.
	Server string `json:"server"`
	CA     string `json:"ca"`
	// User is the user of NATS, its JWT and seed as nats.UserCredentials has them; Writer the seed of the key that signs.
	User   string `json:"user"`
	Writer string `json:"writer"`
	// Root and Hub are the public keys of the writers that are trusted without an enrolment; Seal, Vault and Factory, in hex, the
	// public HPKE keys of the centre, of its vault and of the makers of cards.
	Root    string `json:"root"`
	Hub     string `json:"hub"`
	Seal    string `json:"seal"`
	Vault   string `json:"vault"`
	Factory string `json:"factory,omitempty"`
	// Gateway is the public key of the gateway for registers, GatewaySeal the one to which registers seal.
	Gateway     string `json:"gateway,omitempty"`
	GatewaySeal string `json:"gateway_seal,omitempty"`
	// Streams is the number of streams of the log.
	Streams int `json:"streams"`
	// Clock is the file of a settable clock on this machine; empty: the system clock.
	Clock string `json:"clock,omitempty"`
}

// ReadCredentials reads a file that shomei operators enrol has made.
func ReadCredentials(file string) (c Credentials, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil || c.Officer == "" || c.Server == "" {
		return c, fmt.Errorf("%s holds no operator's credentials: shomei operators enrol makes them: %w", file, ops.ErrConfig)
	}
	return c, nil
}

// Write writes the credentials to a file that must not exist, and that only its owner reads.
func (c Credentials) Write(file string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if _, err := os.Stat(file); err == nil {
		return refuse("%s is there already and is no operator's credentials: name another file", file)
	}
	return durable.WriteSecret(file, append(text, '\n'))
}

// keys returns what the credentials hold of keys.
func (c Credentials) keys() (k keys, err error) {
	writer, err := nkeys.FromSeed([]byte(c.Writer))
	if err != nil {
		return k, fmt.Errorf("the key that signs: %w", err)
	}
	k.root, k.public, k.writers = c.Root, c.Hub, map[eventlog.Role]nkeys.KeyPair{eventlog.RoleOperator: writer}
	if k.sealPublic, err = hexPublic([]byte(c.Seal)); err != nil {
		return k, fmt.Errorf("the public key of the centre: %w", err)
	}
	if k.vaultPublic, err = hexPublic([]byte(c.Vault)); err != nil {
		return k, fmt.Errorf("the public key of the vault: %w", err)
	}
	if k.gateway.public = c.Gateway; c.Gateway != "" {
		if k.gateway.sealPublic, err = hexPublic([]byte(c.GatewaySeal)); err != nil {
			return k, fmt.Errorf("the public key of the gateway: %w", err)
		}
	}
	k.factory, err = hex.DecodeString(c.Factory)
	return k, err
}

// Operate opens what orders of an operator need: the log as one of its writers, the way to the vault and to those who answer
// questions. Without credentials it is the centre that runs on the data folder, whose owner's key signs.
func Operate(ctx context.Context, c Config, by *Credentials) (*Parts, error) {
	p := newParts(c)
	p.asks = true
	open := p.nearCentre
	if by != nil {
		open = func(context.Context) error { return p.withCredentials(*by) }
	}
	err := open(ctx)
	if err == nil {
		err = p.open(ctx, giving)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// giving lists the parts that orders need, once it is known where the centre is.
var giving = []part{
	{"clock", nil, (*Parts).openClock},
	{"log", nil, func(p *Parts, ctx context.Context) error {
		return p.openLogWith(ctx, eventlog.Config{KnownGaps: p.gapsOf})
	}},
	{"key", nil, func(p *Parts, _ context.Context) error { return p.openRoles() }},
	{"time", nil, (*Parts).compareClocks},
	{"directory", nil, (*Parts).openDirectory},
	{"vault", nil, (*Parts).openVaultLink},
}

// nearCentre finds the centre that runs on the data folder.
func (p *Parts) nearCentre(context.Context) error {
	if err := owned(p.Data); err != nil {
		return err
	}
	at, runs := p.runsAt()
	if !runs {
		return fmt.Errorf("%s: %w: start it with shomei all, and give the command again", p.Data, ErrNotRunning)
	}
	if err := p.unlock(); err != nil {
		return err
	}
	all, err := openKeys(p.secrets, p.path("keys"))
	if err != nil {
		return err
	}
	if all.factory == nil {
		if all.factory, err = cards.FactoryKey(p.secrets, p.path("keys", "cards.key")); err != nil {
			return err
		}
	}
	p.keys = all
	p.keys.writers = map[eventlog.Role]nkeys.KeyPair{eventlog.RoleOperator: all.writers[eventlog.RoleOperator]}
	p.Config.Clock, p.Host, p.Names, p.Servers, p.Streams = at.Clock, at.Host, at.Names, []string{at.URL}, at.Streams
	if err := p.believe(at); err != nil {
		return err
	}
	as := p.keys.serviceUser(operators.name)
	as.rights = operators.service(max(p.Streams, 1)).Personal()
	if err := p.connect(at.URL, as); err != nil {
		return err
	}
	return p.learnPort()
}

// fitOperators has the operators' account read the streams that the log has.
func (p *Parts) fitOperators(ctx context.Context) error {
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return err
	}
	for i := range p.keys.accounts.Services {
		if s := &p.keys.accounts.Services[i]; s.Name == operators.name {
			s.Asks = operators.service(len(ends)).Asks
		}
	}
	return nil
}

// learnPort notes the certificate that the server has shown.
func (p *Parts) learnPort() error {
	shown, err := p.conn.TLSConnectionState()
	if err == nil {
		p.port.certificate.Leaf = shown.PeerCertificates[0]
	}
	return err
}

// owned returns an error unless the data folder is there and belongs to this user.
func owned(data string) error {
	info, err := os.Stat(data)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", data, ErrNoData)
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user number %d: run the command as that user, for example with sudo -u '#%d'",
			data, owner.Uid, owner.Uid)
	}
	return nil
}

// withCredentials goes to the centre that the credentials name.
func (p *Parts) withCredentials(c Credentials) (err error) {
	if p.keys, err = c.keys(); err != nil {
		return fmt.Errorf("the credentials of %s: %w", c.Officer, err)
	}
	at, err := url.Parse(c.Server)
	if err != nil {
		return fmt.Errorf("the credentials of %s: %w", c.Officer, err)
	}
	user, err := userIn([]byte(c.User))
	if err != nil {
		return fmt.Errorf("the credentials of %s: %w", c.Officer, err)
	}
	p.officer, p.Config.Clock, p.Servers, p.Streams = c.Officer, c.Clock, []string{c.Server}, c.Streams
	p.Data = "" // no folder of this machine is the centre's
	p.Host, p.port = at.Hostname(), port{ca: []byte(c.CA), name: at.Hostname()}
	p.conn, err = nats.Connect(c.Server, nats.Name(operators.name), nats.UserCredentialBytes([]byte(c.User)), nats.Timeout(askWait),
		nats.CustomInboxPrefix(hubserver.Inbox(user)), nats.NoReconnect(),
		nats.TLSHandshakeFirst(), nats.Secure(p.port.client()))
	if errors.Is(err, nats.ErrAuthorization) {
		return refuse("the centre at %s does not let the credentials of officer %s in: they are retired, another centre's, or its shomei operator has to be started once since the upgrade", c.Server, c.Officer)
	}
	if err != nil {
		return fmt.Errorf("connecting to %s as operator %s: %w", c.Server, c.Officer, err)
	}
	p.atEnd(func() error { p.conn.Close(); return nil })
	return p.learnPort()
}

// clockDifference is how far this machine's clock may be from the centre's: what it signs carries its time.
const clockDifference = time.Minute

// compareClocks refuses a clock that is not the centre's, in kind or time.
func (p *Parts) compareClocks(ctx context.Context) error {
	centre, err := ask[centreClock](ctx, p, clockSubject, struct{}{})
	if err != nil {
		return err
	}
	if centre.Simulated != p.Clock.Simulated() {
		return errors.New("the centre's clock is settable and this command's is not, or the other way round: give orders on the machine where the centre is played")
	}
	if off := p.Clock.Now().Sub(centre.Now).Abs(); off > clockDifference {
		return fmt.Errorf("this machine's clock differs from the centre's by %v: set it right", off.Round(time.Second))
	}
	return nil
}

// openVaultLink opens the way to the vault's service, as the first of this process's roles.
func (p *Parts) openVaultLink(context.Context) error {
	role := eventlog.RoleOperator
	if p.program != nil {
		role = p.program.roles[0]
	}
	client, err := vaultlink.NewClient(p.conn, p.keys.writers[role], p.keys.vaultPublic, p.Clock.Now)
	p.sealed = client
	return err
}

// enrolSource enrols a source of claims, unless it is enrolled with this key already.
func (o Operator) enrolSource(ctx context.Context, office, counter, role string, key nkeys.KeyPair) error {
	public, err := key.PublicKey()
	if err != nil {
		return err
	}
	if known, ok := o.hub.Directory.Counter(counter); ok && known.PublicKey == public {
		return nil
	}
	seal, err := counterlink.NewSealKey() // nothing is sent to it
	if err != nil {
		return err
	}
	return o.hub.recordOffice(ctx, o.envelope(), office, &events.CounterEnrolled{
		Counter: counter, PublicKey: public, SealKey: seal.PublicKey().Bytes(), Role: role,
	})
}

// sourceOf returns a source of claims of this operator for an office: the register, the telephone service or the authority's
// own orders. Its key is made from the operator's, so that it is nowhere else, and each operator has a chain of claims for
// each of them.
func (o Operator) sourceOf(ctx context.Context, office, role string) (*counterlink.Source, error) {
	if !o.hub.asks {
		return o.hub.Source(ctx, office, role)
	}
	seed, err := o.hub.keys.writers[eventlog.RoleOperator].Seed()
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	public, err := o.hub.keys.writers[eventlog.RoleOperator].PublicKey()
	if err != nil {
		return nil, err
	}
	counter := fmt.Sprintf("%s-%s-%.4x", office, role, sha256.Sum256([]byte(public)))
	raw := sha256.Sum256(slices.Concat([]byte("shomei source 1\x00"+counter+"\x00"), seed))
	defer clear(raw[:])
	key, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, raw[:])
	if err != nil {
		return nil, err
	}
	if err := o.enrolSource(ctx, office, counter, role, key); err != nil {
		return nil, err
	}
	return o.hub.source(counter, office, key), nil
}
