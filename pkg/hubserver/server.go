// Package hubserver runs a NATS server with JetStream inside the process, for `shomei all`: file storage, every write
// synced before it is acknowledged, accounts with users by JWT, and a restart when a write error has frozen a stream.
package hubserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"shomei/pkg/eventlog/blocks"
)

// Config configures a server. StoreDir is required.
type Config struct {
	// Name of the server, unique in a cluster; empty: "shomei".
	Name string
	// Host and Port to listen on; empty: 127.0.0.1; -1: any free port; 0: 4222.
	Host string
	Port int
	// StoreDir holds JetStream's files.
	StoreDir string
	// MaxStore limits what JetStream may store, in bytes; 0: whatever the disk has free beyond Reserve.
	MaxStore int64
	// Reserve is kept free on the disk, in bytes: JetStream stops before the disk is full, because a stream that hits a
	// full disk freezes. 0: 256 MB, or a quarter of the free space if that is less; negative: nothing.
	Reserve int64
	// Blocks says how damaged streams are mended before each start of the server; its Store is always StoreDir, its
	// Logger this one.
	Blocks blocks.Config
	// Accounts of the server; nil lets everyone do everything, on a loopback address only.
	Accounts *Accounts
	// TLS of the client port; nil: none.
	TLS *tls.Config
	// Cluster joins other servers; nil: alone.
	Cluster *Cluster
	// Logger receives the server's warnings and errors; nil: slog.Default.
	Logger *slog.Logger
	// CheckEvery is how often the server's health is checked (0: 1 s).
	CheckEvery time.Duration
	// SyncAtEnd acknowledges what is written but not yet synced; Shutdown syncs everything. What was acknowledged then
	// survives the death of the process but not of the machine: only for an invented history that is promised to nobody
	// (`shomei-lab simulate`). Such a store may be opened without it afterwards.
	SyncAtEnd bool
}

// Cluster is a server's membership in a cluster. Use TLS on routes that leave the machine.
type Cluster struct {
	Name   string
	Host   string
	Port   int
	Routes []*url.URL
	TLS    *tls.Config
}

// Server is a running server. Its URL stays the same when it is restarted.
type Server struct {
	config  Config
	options *server.Options

	// life is held while the server is being stopped or started.
	life sync.Mutex

	mu      sync.Mutex
	running *server.Server
	health  error
	limit   int64 // of what JetStream may store
	over    bool  // streams have reserved more
	mended  []blocks.Report
	revoked Revoked
	// suspended users are kept out until a time
	suspended map[string]time.Time

	ending  sync.Once
	stop    chan struct{}
	stopped sync.WaitGroup
}

// startWithin bounds how long a server may take to recover its streams before it listens.
const startWithin = 2 * time.Minute

var (
	// ErrConfig: the configuration can't be run.
	ErrConfig = errors.New("bad configuration of the embedded NATS server")
	// ErrUnhealthy: the server runs but does not serve all streams.
	ErrUnhealthy = errors.New("embedded NATS server is not healthy")
)

// Start starts a server and returns once clients can connect. It runs until Shutdown.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.CheckEvery == 0 {
		config.CheckEvery = time.Second
	}
	options, err := config.options()
	if err != nil {
		return nil, err
	}
	config.Blocks.Store, config.Blocks.Logger = config.StoreDir, config.Logger
	if config.Accounts != nil {
		if err := config.moveStreams(); err != nil {
			return nil, err
		}
	}
	s := &Server{config: config, options: options, stop: make(chan struct{}), revoked: make(Revoked), suspended: make(map[string]time.Time)}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	s.stopped.Go(s.supervise)
	return s, nil
}

// run starts a server that may store up to limit bytes, and waits until it listens.
func (s *Server) run(ctx context.Context, limit int64) error {
	s.options.JetStreamMaxStore = limit
	options := s.options.Clone()
	running, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("making the NATS server: %w", err)
	}
	running.SetLoggerV2(newServerLog(s.config.Logger.With("part", "nats")), false, false, false)
	running.Start()
	if err := waitReady(ctx, running); err != nil {
		running.Shutdown()
		running.WaitForShutdown()
		return err
	}
	if address, ok := running.Addr().(*net.TCPAddr); ok {
		s.options.Port = address.Port // a restart keeps the port that clients know
	}
	s.mu.Lock()
	s.running, s.health = running, nil
	s.mu.Unlock()
	return nil
}

// mend checks every block before the server opens it: the server cuts a damaged one and destroys what follows.
func (s *Server) mend(ctx context.Context) error {
	begin := time.Now()
	reports, err := blocks.Mend(ctx, s.config.Blocks)
	if err != nil {
		return fmt.Errorf("reading the streams of the NATS server: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mended = nil
	var read int64
	for _, r := range reports {
		read += r.Bytes
		if r.Findings = slices.DeleteFunc(r.Findings, func(f blocks.Finding) bool { return f.Known }); len(r.Findings) > 0 {
			s.mended = append(s.mended, r)
		}
	}
	s.config.Logger.Debug("blocks of all streams were read", "streams", len(reports), "megabytes", read>>20, "took", time.Since(begin))
	return nil
}

func waitReady(ctx context.Context, running *server.Server) error {
	deadline := time.Now().Add(startWithin)
	for !running.ReadyForConnections(50 * time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("starting the NATS server: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the NATS server did not listen within %v; see its messages above: %w", startWithin, ErrUnhealthy)
		}
	}
	return nil
}

// URL returns where clients connect.
func (s *Server) URL() string {
	scheme := "nats"
	if s.config.TLS != nil {
		scheme = "tls"
	}
	return fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(s.options.Host, fmt.Sprint(s.options.Port)))
}

// InProcessConn connects without a socket (nats.InProcessServer). It reaches the current server, so a client reconnects
// after a restart.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running == nil {
		return nil, fmt.Errorf("connecting: the server is stopped: %w", ErrUnhealthy)
	}
	return running.InProcessConn()
}

// NATS returns the current server, for tests of clusters; nil while it restarts.
func (s *Server) NATS() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

// Mended returns the damage found when the server last started, except what was known before.
func (s *Server) Mended() []blocks.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mended
}

// Health returns nil if all streams are served, or ErrUnhealthy with the reason.
func (s *Server) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return fmt.Errorf("the server is being restarted: %w", ErrUnhealthy)
	}
	return s.health
}

// Restart stops the server in order and starts it on the same store and port.
func (s *Server) Restart(ctx context.Context) error {
	s.life.Lock()
	defer s.life.Unlock()
	return s.restart(ctx)
}

func (s *Server) restart(ctx context.Context) error {
	s.halt()
	return s.start(ctx)
}

// Shutdown stops the server in order: what was acknowledged is on disk. It may be called again.
func (s *Server) Shutdown() {
	s.ending.Do(func() { close(s.stop) })
	s.stopped.Wait()
	s.life.Lock()
	defer s.life.Unlock()
	s.halt()
	if s.config.SyncAtEnd {
		if err := syncFiles(s.config.StoreDir); err != nil {
			s.config.Logger.Error("the store of the NATS server is not synced: a power failure now would lose a part of it", "error", err)
		}
	}
}

// syncFiles makes every file under a folder durable.
func syncFiles(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(file.Sync(), file.Close())
	})
}

func (s *Server) halt() {
	s.mu.Lock()
	running := s.running
	s.running = nil
	s.mu.Unlock()
	if running != nil {
		running.Shutdown()
		running.WaitForShutdown()
	}
}
