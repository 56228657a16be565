// Package natstest runs real NATS servers inside the test process: file storage in the test's own directory, every
// write synced, alone or three as a cluster.
package natstest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/pkg/hubserver"
	"shomei/pkg/wait"
)

// Start runs one server until the test ends.
func Start(t testing.TB) *hubserver.Server {
	t.Helper()
	return StartIn(t, t.TempDir())
}

// StartIn runs one server on a given store until the test ends or it is shut down.
func StartIn(t testing.TB, dir string) *hubserver.Server {
	t.Helper()
	return StartWith(t, hubserver.Config{StoreDir: dir, Port: -1, Reserve: -1})
}

// StartWith runs one server until the test ends. Its messages are dropped unless the config has a logger.
func StartWith(t testing.TB, config hubserver.Config) *hubserver.Server {
	t.Helper()
	if config.Logger == nil {
		config.Logger = Quiet()
	}
	s, err := hubserver.Start(t.Context(), config)
	if err != nil {
		t.Fatalf("starting a NATS server: %v", err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// Operated is a server in operator mode with its keys, so that a test can be any user of it.
type Operated struct {
	*hubserver.Server
	Accounts hubserver.Accounts
}

// Everything are the rights of a user that may do anything in its account: no user of a hub has them.
var Everything = hubserver.Rights{Publish: []string{">"}, Subscribe: []string{">"}}

// StartOperated runs one server in operator mode until the test ends.
func StartOperated(t testing.TB) *Operated {
	t.Helper()
	return StartOperatedIn(t, t.TempDir())
}

// StartOperatedIn runs one server in operator mode on a given store until the test ends.
func StartOperatedIn(t testing.TB, dir string) *Operated {
	t.Helper()
	accounts := NewAccounts(t)
	return &Operated{StartWith(t, hubserver.Config{StoreDir: dir, Port: -1, Reserve: -1, Accounts: &accounts}), accounts}
}

// NewAccounts makes the keys of a server in operator mode.
func NewAccounts(t testing.TB) (a hubserver.Accounts) {
	t.Helper()
	for _, key := range []struct {
		into *nkeys.KeyPair
		make func() (nkeys.KeyPair, error)
	}{{&a.Operator, nkeys.CreateOperator}, {&a.System, nkeys.CreateAccount}, {&a.Log, nkeys.CreateAccount}, {&a.Counters, nkeys.CreateAccount}} {
		var err error
		if *key.into, err = key.make(); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// As connects as a new user of an account with the rights given.
func (o *Operated) As(t testing.TB, account nkeys.KeyPair, rights hubserver.Rights, options ...nats.Option) *nats.Conn {
	t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	return Connect(t, o.URL(), append([]nats.Option{Login(t, account, key, rights)}, options...)...)
}

// Login returns how a user of an account signs in, by a JWT with these rights.
func Login(t testing.TB, account, key nkeys.KeyPair, rights hubserver.Rights) nats.Option {
	t.Helper()
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	token, err := hubserver.SignUser(account, "test", public, rights, 0)
	if err != nil {
		t.Fatal(err)
	}
	return nats.UserJWT(func() (string, error) { return token, nil }, key.Sign)
}

// Cluster runs three servers as one cluster until the test ends, and returns once they have elected a leader.
func Cluster(t testing.TB) []*hubserver.Server {
	t.Helper()
	const size = 3
	ports, routes := freePorts(t, size), []*url.URL(nil)
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	servers := make([]*hubserver.Server, size)
	dir := t.TempDir()
	for i := range servers {
		name := fmt.Sprintf("n%d", i+1)
		servers[i] = StartWith(t, hubserver.Config{
			Name: name, StoreDir: filepath.Join(dir, name), Port: -1, Reserve: -1,
			Cluster: &hubserver.Cluster{Name: "natstest", Host: "127.0.0.1", Port: ports[i], Routes: routes},
		})
	}
	Wait(t, 30*time.Second, "a leader of the cluster", func() bool {
		for _, s := range servers {
			if n := s.NATS(); n != nil && n.JetStreamIsLeader() {
				return len(n.JetStreamClusterPeers()) == size
			}
		}
		return false
	})
	return servers
}

// Connect opens a connection that keeps reconnecting, closed when the test ends. Errors of the connection itself are
// not printed: tests that cut it expect them.
func Connect(t testing.TB, urls string, options ...nats.Option) *nats.Conn {
	t.Helper()
	options = append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond),
		nats.ReconnectJitter(10*time.Millisecond, 10*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	}, options...)
	conn, err := nats.Connect(urls, options...)
	if err != nil {
		t.Fatalf("connecting to %s: %v", urls, err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// Wait polls until done returns true, and ends the test if that takes longer than limit.
func Wait(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if wait.Until(ctx, 5*time.Millisecond, func() (bool, error) { return done(), nil }) != nil {
		t.Fatalf("waited %v in vain for %s", limit, what)
	}
}

// Quiet returns a logger that drops everything: servers that a test stops on purpose complain at length.
func Quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("finding a free port: %v", err)
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}
