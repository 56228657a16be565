package hubserver

import (
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// User is a client that may connect, known by its public nkey (U…).
type User struct {
	Key string
	// Publish and Subscribe are the subjects allowed. Both empty: everything (the hub's own writers).
	Publish, Subscribe []string
}

// Monitor is a user that may look at JetStream and change nothing: it reads no message.
func Monitor(key string) User {
	return User{
		Key: key,
		Publish: []string{
			"$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES",
			"$JS.API.CONSUMER.INFO.*.*", "$JS.API.CONSUMER.LIST.*", "$JS.API.CONSUMER.NAMES.*",
		},
		Subscribe: []string{"_INBOX.>", "$JS.EVENT.ADVISORY.>"},
	}
}

func nkeyUsers(users []User) ([]*server.NkeyUser, error) {
	var list []*server.NkeyUser // nil, not empty, when everyone may connect
	for _, u := range users {
		if !nkeys.IsValidPublicUserKey(u.Key) {
			return nil, fmt.Errorf("%.60q is not a public user nkey (U…): %w", u.Key, ErrConfig)
		}
		user := &server.NkeyUser{Nkey: u.Key}
		if len(u.Publish)+len(u.Subscribe) > 0 {
			user.Permissions = &server.Permissions{Publish: only(u.Publish), Subscribe: only(u.Subscribe)}
		}
		list = append(list, user)
	}
	return list, nil
}

// only allows the subjects given; none given denies all, which the server would take for everything.
func only(subjects []string) *server.SubjectPermission {
	if len(subjects) == 0 {
		return &server.SubjectPermission{Deny: []string{">"}}
	}
	return &server.SubjectPermission{Allow: subjects}
}

// maxPayload leaves room for headers beside the largest commit.
const maxPayload = 2 << 20

func (c Config) options() (*server.Options, error) {
	if c.StoreDir == "" {
		return nil, fmt.Errorf("StoreDir is required: %w", ErrConfig)
	}
	host := c.Host
	if host == "" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); len(c.Users) == 0 && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listening on %s without users would let anyone write; name users or listen on 127.0.0.1: %w", host, ErrConfig)
	}
	users, err := nkeyUsers(c.Users)
	if err != nil {
		return nil, err
	}
	name := c.Name
	if name == "" {
		name = "shomei"
	}
	options := &server.Options{
		ServerName: name, Host: host, Port: c.Port, NoSigs: true, NoLog: false, MaxPayload: maxPayload,
		JetStream: true, StoreDir: c.StoreDir, JetStreamMaxMemory: 256 << 20,
		SyncAlways: !c.SyncAtEnd, Nkeys: users, TLSConfig: c.TLS, TLS: c.TLS != nil, DisableJetStreamBanner: true,
	}
	if c.TLS != nil {
		options.TLSTimeout = 5
		// Nothing of the server is told before the handshake; tools that expect its greeting first get it a little later.
		// The server's own 50 ms are too few on a busy machine: a client that was slow to begin gets a greeting that it can't
		// take for a handshake.
		options.TLSHandshakeFirst, options.TLSHandshakeFirstFallback = true, 500*time.Millisecond
	}
	if c.Cluster != nil {
		options.Cluster = server.ClusterOpts{Name: c.Cluster.Name, Host: c.Cluster.Host, Port: c.Cluster.Port, TLSConfig: c.Cluster.TLS, TLSTimeout: 5}
		options.Routes = c.Cluster.Routes
	}
	return options, nil
}
