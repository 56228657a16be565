package hubserver

import (
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

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
	if ip := net.ParseIP(host); c.Accounts == nil && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listening on %s without accounts would let anyone write; give it accounts or listen on 127.0.0.1: %w",
			host, ErrConfig)
	}
	name := c.Name
	if name == "" {
		name = "shomei"
	}
	options := &server.Options{
		ServerName: name, Host: host, Port: c.Port, NoSigs: true, NoLog: false, MaxPayload: maxPayload,
		JetStream: true, StoreDir: c.StoreDir, JetStreamMaxMemory: 256 << 20,
		SyncAlways: !c.SyncAtEnd, TLSConfig: c.TLS, TLS: c.TLS != nil, DisableJetStreamBanner: true,
	}
	if c.Accounts != nil {
		if err := c.Accounts.apply(options); err != nil {
			return nil, err
		}
	}
	if c.TLS != nil {
		options.TLSTimeout = 5
		// The server sends nothing before the TLS handshake; tools that expect its greeting first get it a little
		// later. The server's own limit of 50 ms is too short on a busy machine: a slow client gets a greeting that it
		// can't parse as a handshake.
		options.TLSHandshakeFirst, options.TLSHandshakeFirstFallback = true, 500*time.Millisecond
	}
	if c.Cluster != nil {
		options.Cluster = server.ClusterOpts{
			Name: c.Cluster.Name, Host: c.Cluster.Host, Port: c.Cluster.Port, TLSConfig: c.Cluster.TLS, TLSTimeout: 5,
		}
		options.Routes = c.Cluster.Routes
	}
	return options, nil
}
