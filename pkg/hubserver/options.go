package hubserver

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const defaultReserve = 256 << 20

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
		return nil, fmt.Errorf("listening on %s without accounts would let anyone write; give it accounts or listen on 127.0.0.1: %w", host, ErrConfig)
	}
	limit, err := c.storeLimit()
	if err != nil {
		return nil, err
	}
	name := c.Name
	if name == "" {
		name = "shomei"
	}
	options := &server.Options{
		ServerName: name, Host: host, Port: c.Port, NoSigs: true, NoLog: false, MaxPayload: maxPayload,
		JetStream: true, StoreDir: c.StoreDir, JetStreamMaxStore: limit, JetStreamMaxMemory: 256 << 20,
		SyncAlways: !c.SyncAtEnd, TLSConfig: c.TLS, TLS: c.TLS != nil, DisableJetStreamBanner: true,
	}
	if c.Accounts != nil {
		if err := c.Accounts.apply(options); err != nil {
			return nil, err
		}
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

// storeLimit is what JetStream may use: what it uses already plus what is free, without the reserve.
func (c Config) storeLimit() (int64, error) {
	if c.MaxStore > 0 {
		return c.MaxStore, nil
	}
	reserve := c.Reserve
	if reserve == 0 {
		reserve = defaultReserve
	}
	if err := os.MkdirAll(c.StoreDir, 0o700); err != nil {
		return 0, fmt.Errorf("making the store of the NATS server: %w", err)
	}
	free, err := freeBytes(c.StoreDir)
	if err != nil {
		return 0, err
	}
	used, err := usedBytes(c.StoreDir)
	if err != nil {
		return 0, err
	}
	limit := used + free - max(reserve, 0)
	if limit <= 0 {
		return 0, fmt.Errorf("the disk of %s has %d MB free, %d MB are kept in reserve; make space: %w", c.StoreDir, free>>20, reserve>>20, ErrConfig)
	}
	return limit, nil
}

func freeBytes(dir string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}
