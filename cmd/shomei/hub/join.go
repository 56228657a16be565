package hub

import (
	"context"
	"crypto/hpke"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"golang.org/x/time/rate"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/ops"
	"shomei/pkg/published"
	"shomei/pkg/secret"
	"shomei/pkg/wait"
	"shomei/pkg/warehouse"
)

// Join starts one service of a centre whose services are programs of their own, and returns once it serves. Data is the
// folder that Separate has made for it, Servers says where NATS is.
func Join(ctx context.Context, c Config, name string) (*Hub, error) {
	if len(c.Servers) == 0 {
		return nil, fmt.Errorf("%w: servers of [nats] is missing: shomei nats init writes a file for each service", ops.ErrConfig)
	}
	p := newParts(c)
	p.program = programNamed(name)
	rows := slices.DeleteFunc(slices.Concat(table, joinedRows), func(r row) bool { return r.name != "watch" && !slices.Contains(p.program.rows, r.name) })
	h := &Hub{Parts: p}
	err := h.start(ctx, needed(joining, rows), rows)
	if err == nil {
		h.warnClear()
		err = h.leaveAddress()
	}
	return h.orClose(err)
}

// joinedRows are rows that only a centre of several programs has.
var joinedRows = []row{
	{"ready", []string{"issuer"}, false, (*Parts).answerReady},
	{"console", []string{"projector", "directory"}, false, onlyDoors},
}

// onlyDoors runs nothing: what the program does is asked for at its pages.
func onlyDoors(_ *Parts, ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// joining lists the parts of a service that is a program of its own: those of a serving centre, some of which another program
// has.
var joining = func() []part {
	list := slices.Clone(serving)
	for _, other := range []part{
		{"keys", []string{"data folder"}, (*Parts).readKeys},
		{"NATS", []string{"keys"}, (*Parts).joinNATS},
		{"log", []string{"NATS", "clock"}, (*Parts).joinLog},
		{"vault", []string{"log"}, (*Parts).joinVault},
		{"tables", []string{"log", "derived files"}, (*Parts).joinTables},
	} {
		list[slices.IndexFunc(list, func(p part) bool { return p.name == other.name })] = other
	}
	return list
}()

// credentials names the file of a program's NATS user below keys/, authorityFile that of the authority of the server's
// certificate.
const (
	credentials   = "nats.creds"
	gateFile      = "gate.creds"
	authorityFile = "nats-ca.pem"
)

// joinNATS connects to the server of the centre.
func (p *Parts) joinNATS(ctx context.Context) (err error) {
	if p.port.ca, err = os.ReadFile(p.path("keys", authorityFile)); err != nil {
		return err
	}
	first, err := url.Parse(p.Servers[0])
	if err != nil {
		return fmt.Errorf("%w: servers of [nats]: %w", ops.ErrConfig, err)
	}
	p.port.name = first.Hostname() // which the certificate carries
	if p.conn, err = p.dialServers(credentials); err != nil {
		return err
	}
	if p.bucket, err = published.Open(p.conn, ""); err != nil {
		return err
	}
	lines := rate.Sometimes{First: 1, Interval: time.Minute}
	err = wait.Until(ctx, lookEvery, func() (bool, error) {
		if p.conn.IsConnected() {
			return true, nil
		}
		lines.Do(func() {
			p.Logger.Warn("no connection to NATS yet; trying on", "servers", p.Servers, "error", p.conn.LastError())
		})
		return false, nil
	})
	if err != nil {
		return err
	}
	if err := p.learnPort(); err != nil {
		return err
	}
	return p.alone(ctx)
}

// presenceWait is how long another process of the same program may take to answer.
const presenceWait = 300 * time.Millisecond

// alone refuses to start while another process of this program is there, on a copy of the folder: two vaults would make
// different keys, and two notifiers mail twice.
func (p *Parts) alone(ctx context.Context) error {
	ask, cancel := context.WithTimeout(ctx, presenceWait)
	defer cancel()
	if other, err := p.conn.RequestWithContext(ask, hubserver.Presence, nil); err == nil {
		return fmt.Errorf("another shomei %s is connected to this centre, process %.40q; stop it first: %w", p.program.name, other.Data, ErrRuns)
	}
	here := fmt.Appendf(nil, "%d", os.Getpid())
	_, err := p.conn.Subscribe(hubserver.Presence, func(m *nats.Msg) {
		if strings.HasPrefix(m.Reply, "_INBOX.") {
			_ = m.Respond(here) // without a connection there is no other either
		}
	})
	return err
}

// dialServers connects with the credentials in a file below keys/, or goes on trying.
func (p *Parts) dialServers(file string) (*nats.Conn, error) {
	conn, err := nats.Connect(strings.Join(p.Servers, ","), nats.Name(p.program.name), p.signIn(file),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.RootCAs(p.path("keys", authorityFile)), nats.TLSHandshakeFirst())
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", strings.Join(p.Servers, ", "), err)
	}
	p.atEnd(func() error { conn.Close(); return nil })
	return conn, nil
}

// signIn has a connection sign in with the credentials in a file below keys/, as they are each time.
func (p *Parts) signIn(file string) nats.Option {
	return nats.UserJWT(func() (string, error) {
		text, err := p.secrets.Read(p.path("keys", file))
		if err != nil {
			return "", err
		}
		defer clear(text)
		return nkeys.ParseDecoratedJWT(text)
	}, func(nonce []byte) ([]byte, error) {
		text, err := p.secrets.Read(p.path("keys", file))
		if err != nil {
			return nil, err
		}
		defer clear(text)
		user, err := nkeys.ParseDecoratedUserNKey(text)
		if err != nil {
			return nil, errors.New(file + " of the keys holds no credentials") // the cause would repeat part of it
		}
		defer user.Wipe()
		return user.Sign(nonce)
	})
}

// joinLog opens the log that another program has begun, for each role of this one.
func (p *Parts) joinLog(ctx context.Context) error {
	if err := p.openLogWith(ctx, eventlog.Config{Marks: p.path("marks")}); err != nil {
		return err
	}
	if err := p.takeNext(); err != nil {
		return err
	}
	return p.openRoles()
}

// joinVault opens the vault where it lies, and elsewhere the way to its service.
func (p *Parts) joinVault(ctx context.Context) error {
	if p.program.runs("vault") {
		if err := p.OpenVault(ctx); err != nil {
			return err
		}
		return p.eraseFirst(ctx)
	}
	return p.openVaultLink(ctx)
}

// joinTables opens the tables. The projector runs the engine; the others connect to it.
func (p *Parts) joinTables(ctx context.Context) (err error) {
	if p.program.runs("projector") {
		if err := p.openEngine(ctx); err != nil {
			return err
		}
		return p.connectTables(ctx)
	}
	p.Warehouse, err = warehouse.Connect(warehouse.Config{DSN: p.tablesDSN(), Logger: p.Logger})
	if err == nil {
		p.atEnd(p.Warehouse.Close)
	}
	return err
}

// watch learns of the writers that are enrolled and retired, has the gate admit and refuse counters, and carries out what
// operators have ordered by their commits.
func (p *Parts) watch(ctx context.Context) error {
	return p.Log.Follow(ctx, eventlog.Follower{
		Name: p.watcher(), Kinds: []string{events.KindAuthority, events.KindOffice}, From: eventlog.Positions{},
		Handle: p.heed,
		Parked: func(r eventlog.Record, err error) {
			p.Logger.Error("a change of writers or counters is not heeded: inspect it with shomei log, and restart", "kind", r.Kind, "id", r.ID, "error", err)
		},
	})
}

// heed learns from commits; nothing of it is harmful twice.
func (p *Parts) heed(ctx context.Context, records []eventlog.Record) error {
	writers, counters, facts := false, false, false
	for _, r := range records {
		writers = writers || r.Kind == events.KindAuthority && r.ID == events.AuthorityWriters
		facts = facts || r.Kind == events.KindAuthority && r.ID == events.AuthorityLog
		if (r.Kind == events.KindOffice || r.Kind == events.KindAuthority && r.ID == events.AuthorityFeed) && p.Directory != nil {
			counters = true
			if err := p.Directory.Learn(r.Kind, r.ID, r.Commit); err != nil {
				return err
			}
		}
	}
	if writers {
		if err := p.Log.LearnWriters(ctx); err != nil {
			return err
		}
	}
	if p.Directory != nil && (counters || writers || facts) {
		if err := p.admitCounters(); err != nil {
			return err
		}
	}
	for _, r := range records {
		if err := p.carryOut(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// carryOut does what a commit of an operator orders, where this process can: nothing of it is done twice.
func (p *Parts) carryOut(ctx context.Context, r eventlog.Record) error {
	for _, e := range r.Commit.GetEvents() {
		switch body := events.BodyOf(e).(type) {
		case *events.CardKeyOrdered:
			if p.Cards != nil {
				return p.Cards.CarryOut(ctx, r.Commit.GetCommandId())
			}
		case *events.CounterHeadAdopted:
			if p.Links != nil {
				return p.adopt(ctx, r, body)
			}
		}
	}
	return nil
}

// adopt goes on from the head that an officer decided on, unless it was done or another decision has followed.
func (p *Parts) adopt(ctx context.Context, r eventlog.Record, body *events.CounterHeadAdopted) error {
	if _, enrolled := p.Directory.Counter(body.GetCounter()); !enrolled {
		return nil
	}
	history, err := p.Log.History(ctx, r.Kind, r.ID)
	if err != nil {
		return err
	}
	for _, later := range history[min(r.Commit.GetRevision(), uint64(len(history))):] {
		for _, e := range later.Commit.GetEvents() {
			if e.GetCounterHeadAdopted().GetCounter() == body.GetCounter() {
				return nil
			}
		}
	}
	from := counterlink.Head{Epoch: body.GetHubEpoch(), Number: body.GetHubNumber(), Hash: body.GetHubHash()}
	to := counterlink.Head{Epoch: body.GetEpoch(), Number: body.GetNumber(), Hash: body.GetHash()}
	if err := p.Links.Adopt(ctx, body.GetCounter(), from, to); !errors.Is(err, counterlink.ErrMoved) {
		return err
	}
	return nil
}

// readKeys reads the keys that a program's folder holds. It makes none.
func (p *Parts) readKeys(context.Context) (err error) {
	if err := p.unlock(); err != nil {
		return err
	}
	p.keys, err = readKeys(p.secrets, p.path("keys"), p.program, p.Streams)
	return err
}

func readKeys(secrets *secret.Store, dir string, g *program, streams int) (k keys, err error) {
	if k.root, err = publicKey(dir, rootPublic); err != nil {
		return k, err
	}
	if k.public, err = publicKey(dir, hubPublic); err != nil {
		return k, err
	}
	k.writers = make(map[eventlog.Role]nkeys.KeyPair)
	for _, role := range g.roles {
		k.writers[role], err = existingKey(secrets, filepath.Join(dir, "writers", string(role)+".nk"))
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("the key of the role %s is missing; while this program is stopped, shomei keys change writer %[1]s with the operator's configuration makes one: %[2]w", role, err)
		}
		if err != nil {
			return k, err
		}
	}
	for _, one := range []struct {
		file string
		read func(text []byte) error
	}{
		{sealPublic, func(text []byte) (err error) { k.sealPublic, err = hexPublic(text); return err }},
		{"vault.pub", func(text []byte) (err error) { k.vaultPublic, err = hexPublic(text); return err }},
		{"factory.pub", func(text []byte) (err error) {
			k.factory, err = hex.DecodeString(strings.TrimSpace(string(text)))
			return err
		}},
		{gatewayPublic, func(text []byte) error { k.gateway.public = strings.TrimSpace(string(text)); return nil }},
		{gatewaySealPublic, func(text []byte) (err error) { k.gateway.sealPublic, err = hexPublic(text); return err }},
		{gatewayKey, func(text []byte) (err error) { k.gateway.sign, err = nkeys.FromSeed(text); return err }},
		{gatewaySealKey, func(text []byte) (err error) { k.gateway.seal, err = counterlink.ParseSealKey(text); return err }},
		{"hub.nk", func(text []byte) (err error) { k.gate, err = nkeys.FromSeed(text); return err }},
		{"seal.key", func(text []byte) (err error) { k.seal, err = counterlink.ParseSealKey(text); return err }},
		{"vault.key", func(text []byte) (err error) { k.vault, err = counterlink.ParseSealKey(text); return err }},
		{"subscriber-ids.key", func(text []byte) error { k.secret = text; return nil }},
		{"engine.password", func(text []byte) error { k.engine = strings.TrimSpace(string(text)); return nil }},
	} {
		own, read := slices.Contains(g.secrets, one.file), secrets.Read
		if strings.HasSuffix(one.file, ".pub") {
			read = os.ReadFile
		} else if !own {
			continue
		}
		text, err := read(filepath.Join(dir, one.file))
		if errors.Is(err, os.ErrNotExist) && !own {
			continue
		}
		if err == nil {
			err = one.read(text)
		}
		if err != nil {
			return k, fmt.Errorf("reading keys/%s: %w", one.file, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "nats", "operator.nk")); err == nil {
		if k.accounts, err = openAccounts(secrets, filepath.Join(dir, "nats")); err == nil {
			k.accounts, err = apart(secrets, k.accounts, filepath.Join(dir, "nats"), streams)
		}
		return k, err
	}
	return k, nil
}

// publicKey reads a file that holds a public nkey.
func publicKey(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	public := strings.TrimSpace(string(text))
	if !nkeys.IsValidPublicUserKey(public) {
		return "", fmt.Errorf("keys/%s holds no public user nkey; put back the file of this deployment", name)
	}
	return public, nil
}

// hexPublic decodes a public HPKE key in hex.
func hexPublic(text []byte) (hpke.PublicKey, error) {
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, err
	}
	return counterlink.ParseSealPublicKey(b)
}
