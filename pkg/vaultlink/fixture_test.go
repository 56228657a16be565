package vaultlink

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/vault"
)

const (
	person = "aaaabbbbccccddddeeeeffff"
	text   = "証明 花子 千葉県山武市殿台296番地"
	limit  = 30 * time.Second
)

// placeOf is a place in an aggregate's history.
func placeOf(id string) vault.Binding { return vault.Binding{ID: id, Revision: 7, Field: "identity"} }

// centre is a NATS server, a vault and its service.
type centre struct {
	t      *testing.T
	url    string
	conn   *nats.Conn
	vault  *vault.Vault
	server *Server

	mu    sync.Mutex
	roles map[string]eventlog.Role
	now   time.Time

	// withheld is why nothing is disclosed to operators; nil: everything is.
	withheld error
}

func (c *centre) disclosed(string, string) error { return c.withheld }

func newCentre(t *testing.T) *centre {
	t.Helper()
	c := &centre{t: t, url: natstest.Start(t).URL(), roles: make(map[string]eventlog.Role), now: time.Date(2020, 1, 15, 1, 0, 0, 0, time.UTC)}
	c.conn = natstest.Connect(t, c.url)
	dir := t.TempDir()
	v, err := vault.Open(vault.Config{
		Dir: filepath.Join(dir, "vault"), MasterKey: filepath.Join(dir, "master.key"), Logger: natstest.Quiet(),
	})
	check(t, err)
	t.Cleanup(func() { check(t, v.Close()) })
	key, err := sealKEM().GenerateKey()
	check(t, err)
	c.vault = v
	c.server = NewServer(ServerConfig{Conn: c.conn, Vault: v, Key: key, Role: c.role, Disclosed: c.disclosed, Clock: c.clock, Logger: natstest.Quiet()})
	return c
}

// start runs the service until the returned function is called, or the test ends.
func (c *centre) start() (stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.server.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(stop)
	return stop
}

// listen subscribes, on a connection of its own.
func (c *centre) listen(subject string) (*nats.Subscription, *nats.Conn) {
	c.t.Helper()
	conn := natstest.Connect(c.t, c.url)
	sub, err := conn.SubscribeSync(subject)
	check(c.t, err)
	check(c.t, conn.Flush())
	return sub, conn
}

func (c *centre) role(public string) (eventlog.Role, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	role, ok := c.roles[public]
	return role, ok
}

func (c *centre) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *centre) setClock(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}

// enrol returns a new key that writes for a role.
func (c *centre) enrol(role eventlog.Role) nkeys.KeyPair {
	c.t.Helper()
	key, err := nkeys.CreateUser()
	check(c.t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[public(c.t, key)] = role
	return key
}

func (c *centre) retire(key nkeys.KeyPair) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.roles, public(c.t, key))
}

func (c *centre) client(key nkeys.KeyPair) *Client {
	c.t.Helper()
	client, err := NewClient(natstest.Connect(c.t, c.url), key, c.server.Key.PublicKey(), c.clock)
	check(c.t, err)
	client.patience = limit // the machine may be busy
	return client
}

// ra returns the client of an ra.
func (c *centre) ra() *Client {
	c.t.Helper()
	return c.client(c.enrol(eventlog.RoleRA))
}

// request makes a request as the client would.
func (c *Client) request(t testing.TB, call *events.VaultCall) *asked {
	t.Helper()
	r, err := newRequest(call, c.key, c.writer, c.vaultKey, c.clock())
	check(t, err)
	return r
}

// raw sends bytes to the vault and returns what it answers.
func (c *centre) raw(verb Verb, data []byte) *events.SealedVaultAnswer {
	c.t.Helper()
	var reply *nats.Msg
	natstest.Wait(c.t, limit, "somebody who listens for the vault", func() bool {
		var err error
		reply, err = c.conn.Request(verb.subject(), data, limit)
		return err == nil
	})
	answer := &events.SealedVaultAnswer{}
	check(c.t, proto.Unmarshal(reply.Data, answer))
	return answer
}

func sealCallOf(id string) *events.VaultCall {
	return &events.VaultCall{Person: id, Verb: &events.VaultCall_Seal{Seal: &events.VaultSeal{
		RecordClass: vault.Identity, Binding: wireBinding(placeOf(id)), Plaintext: []byte(text),
	}}}
}

// untouched fails the test if a key was made for a person.
func (c *centre) untouched(id string) {
	c.t.Helper()
	for _, class := range append([]string{vault.Operations}, vault.Classes...) {
		if status, err := c.vault.Status(vault.Key{Person: id, Class: class, Version: 1}); err != nil || status != vault.Missing {
			c.t.Errorf("the %s key of %s is %s, %v", class, id, status, err)
		}
	}
}

func public(t testing.TB, key nkeys.KeyPair) string {
	t.Helper()
	p, err := key.PublicKey()
	check(t, err)
	return p
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
