package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/published"
	"shomei/pkg/registerlink"
	"shomei/pkg/secret"
	"shomei/pkg/vaultlink"
	"shomei/services/register"
)

// hubAccount is the account of the services that run in one process, readAccount that of tools that read the log beside it,
// registersAccount that of municipalities' registers.
const (
	hubAccount       = "hub"
	readAccount      = "reader"
	registersAccount = "registers"
)

// hubService is the account of the services that run in one process, without its key. They read and write the log, and can't
// create, change or delete a stream.
func hubService() hubserver.Service {
	return hubserver.Service{
		Name: hubAccount, Answers: slices.Concat(registerlink.ServerMaySubscribe(), operators.answered(), vaultlink.ServerMaySubscribe()),
		Asks: slices.Concat(hubserver.ReadStreams("*"), counterlink.HubMayPublish(), eventlog.MayPublish(), published.WriterMayPublish()),
	}
}

// accountFile names the file with the key of a program's account.
func accountFile(program string) string { return program + ".account.nk" }

// registers returns the account of registers, without its key: all they can do is tell the gateway, which is in the account of
// this service, their changes.
func registers(gateway string) hubserver.Service {
	return hubserver.Service{Name: registersAccount, AsksOf: map[string][]string{gateway: registerlink.ServerMaySubscribe()}, Outside: true}
}

// openAccounts reads the keys of the NATS operator and its accounts, or makes them.
func openAccounts(secrets *secret.Store, dir string) (a hubserver.Accounts, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return a, err
	}
	a.Template = hubserver.Rights{
		Publish: counterlink.CounterMayPublish(hubserver.NameOfUser), Subscribe: counterlink.CounterMaySubscribe(hubserver.NameOfUser),
		MaxPayload: counterlink.MaxMessage, MaxSubscriptions: counterlink.MaxSubscriptions,
	}
	a.Services = []hubserver.Service{
		hubService(),
		{Name: readAccount, Asks: append(hubserver.ReadStreams("*"), published.ReaderMayPublish()...)},
		operators.inOneProcess(),
		registers(hubAccount),
		feed(),
	}
	for _, key := range []struct {
		file string
		into *nkeys.KeyPair
		make func() (nkeys.KeyPair, error)
	}{
		{"operator.nk", &a.Operator, nkeys.CreateOperator},
		{"system.nk", &a.System, nkeys.CreateAccount},
		{"log.nk", &a.Log, nkeys.CreateAccount},
		{"counters.nk", &a.Counters, nkeys.CreateAccount},
		{"counters.scoped.nk", &a.Scoped, nkeys.CreateAccount},
		{"hub.nk", &a.Services[0].Key, nkeys.CreateAccount},
		{"reader.nk", &a.Services[1].Key, nkeys.CreateAccount},
		{accountFile(operators.name), &a.Services[2].Key, nkeys.CreateAccount},
		{"registers.nk", &a.Services[3].Key, nkeys.CreateAccount},
		{"feed.nk", &a.Services[4].Key, nkeys.CreateAccount},
	} {
		seed, err := secrets.Make(filepath.Join(dir, key.file), func() ([]byte, error) {
			pair, err := key.make()
			if err != nil {
				return nil, err
			}
			return pair.Seed()
		})
		if err != nil {
			return a, err
		}
		if *key.into, err = nkeys.FromSeed(seed); err != nil {
			return a, fmt.Errorf("reading the key of a NATS account, %s: %w", key.file, err)
		}
	}
	return a, nil
}

// user is a NATS user of this process. Its key and JWT are made for one connection and never stored.
type user struct {
	name    string
	account nkeys.KeyPair
	rights  hubserver.Rights
	valid   time.Duration // 0: until it disconnects
}

// serviceUser is a user of a service, with everything that its account may do.
func (k keys) serviceUser(name string) user {
	s, ok := k.accounts.Service(name)
	if !ok {
		panic("no service " + name + " has an account")
	}
	return user{name: name, account: s.Key, rights: s.Rights()}
}

// gateUser is the hub in the counters' account.
func (k keys) gateUser() user {
	return user{
		name: "gate", account: k.accounts.Counters,
		rights: hubserver.Rights{Publish: counterlink.GateMayPublish(), Subscribe: counterlink.GateMaySubscribe()},
	}
}

// setUpTime is how long the user that creates streams is valid.
const setUpTime = time.Minute

// settingUpUser creates and corrects the streams while a hub starts.
func (k keys) settingUpUser() user {
	return user{
		name: "set-up", account: k.accounts.Log,
		rights: hubserver.Rights{Publish: hubserver.SetUpStreams(), Subscribe: []string{"_INBOX.>"}}, valid: setUpTime,
	}
}

// counterJWT returns a counter's permissions, without expiry: they are valid until it is retired. A register's are those of
// another account, in which it reaches the gateway and nothing else.
func (k keys) counterJWT(c directory.Counter) (string, error) {
	if c.Role != register.Role {
		return k.accounts.SignScoped(c.ID, c.PublicKey)
	}
	account, ok := k.accounts.Service(registersAccount)
	if !ok {
		return "", fmt.Errorf("%s has no account: %w", registersAccount, hubserver.ErrConfig)
	}
	return hubserver.SignUser(account.Key, c.ID, c.PublicKey, registerRights(c.Office, c.ID), 0)
}

// registerRights are those of a register in its account: it hears nothing but the answers to itself.
func registerRights(office, id string) hubserver.Rights {
	return hubserver.Rights{
		Publish: registerlink.ClientMayPublish(office), Subscribe: []string{counterlink.InboxPrefix(id) + ".>"},
		MaxPayload: registerlink.MaxBatch, MaxSubscriptions: registerlink.MaxSubscriptions,
	}
}

// OutsideRights is what a credential outside of the centre may do at its NATS server.
type OutsideRights struct {
	Who string
	// Sends and Hears list subjects.
	Sends, Hears []string
}

// RightsOutside returns the rights of those who are not services of the centre.
func RightsOutside() []OutsideRights {
	register := registerRights("OFFICE", "REGISTER")
	return []OutsideRights{
		{"counter", counterlink.CounterMayPublish("COUNTER"), counterlink.CounterMaySubscribe("COUNTER")},
		{"register", register.Publish, register.Subscribe},
		{"feed reader", []string{"nothing; nor does any service publish here yet"}, readerRights("READER", []string{"PREFECTURE"}).Subscribe},
	}
}

// connectTries bounds the first connection attempts: on a busy machine a handshake can come too late.
const connectTries = 5

// dial opens a connection as dialBriefly does, which Close closes.
func (p *Parts) dial(url string, as user) (*nats.Conn, error) {
	conn, err := p.dialBriefly(url, as)
	if err != nil {
		return nil, err
	}
	p.atEnd(func() error { conn.Close(); return nil })
	return conn, nil
}

// dialBriefly opens an ordinary client's TLS connection. To the server in this process it goes through memory, which
// costs half of what a socket does; all else is the same. The caller closes it.
func (p *Parts) dialBriefly(url string, as user) (conn *nats.Conn, err error) {
	login, err := as.login()
	if err != nil {
		return nil, err
	}
	options := []nats.Option{
		nats.Name(as.name), login, nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond),
		nats.IgnoreAuthErrorAbort(), nats.TLSHandshakeFirst(), nats.Secure(p.port.client()),
	}
	if p.server != nil {
		options = append(options, nats.InProcessServer(p.server))
	}
	for range connectTries {
		conn, err = nats.Connect(url, options...)
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (u user) login() (nats.Option, error) {
	key, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	public, err := key.PublicKey()
	if err != nil {
		return nil, err
	}
	jwt, err := hubserver.SignUser(u.account, u.name, public, u.rights.Of(public), u.valid)
	return func(o *nats.Options) error {
		o.InboxPrefix = hubserver.Inbox(public)
		return nats.UserJWT(func() (string, error) { return jwt, nil }, key.Sign)(o)
	}, err
}

// FloorConn returns a connection that may create streams on subjects below floor, to measure the bare server.
func (p *Parts) FloorConn() (*nats.Conn, error) {
	rights := hubserver.Rights{
		Publish:   slices.Concat(hubserver.SetUpStreams(), hubserver.ReadStreams("*"), published.ReaderMayPublish(), []string{"floor.>"}),
		Subscribe: []string{"_INBOX.>"},
	}
	return p.dial(p.server.URL(), user{name: "floor", account: p.keys.accounts.Log, rights: rights})
}
