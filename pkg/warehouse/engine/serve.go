// Package engine runs the real ClickHouse engine (libchdb) inside a process
// of its own and speaks ClickHouse's HTTP interface on loopback, so that
// clickhouse-go talks to it as to a server. Serve is that process; Start
// supervises it from another one.
package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"shomei/pkg/durable"
	"shomei/pkg/wait"
	"shomei/pkg/warehouse/engine/chdb"
)

// PasswordEnv names the environment variable that hands the engine the
// password its clients must give; a command line would show it to everyone.
const PasswordEnv = "SHOMEI_ENGINE_PASSWORD"

// ErrInUse says that another engine process holds the data directory; a
// process that meets it exits with 75 (try later).
var ErrInUse = errors.New("the data directory is in use by another engine process")

// ErrListen says that the address can't be listened on; exit 78.
var ErrListen = errors.New("the engine can't listen there")

// ServeConfig says how the engine process runs.
type ServeConfig struct {
	Path     string // data directory, made when absent
	Listen   string // loopback host:port, or fd:N for an inherited listener
	Library  string // libchdb.so; empty: FindLibrary looks for it
	Lanes    int    // statements at a time; 0: 4
	MemoryMB int    // limit of the engine's memory in MiB; 0: 1024
	Lifeline bool   // stop when standard input ends, so no engine outlives its owner
	Password string // empty: the value of SHOMEI_ENGINE_PASSWORD, which may be empty too
	Logger   *slog.Logger
	Ready    func(address string) // called once it answers; may be nil
}

// Bind declares the flags of the engine command on fs, with c's values as
// defaults. Start gives the engine these flags.
func (c *ServeConfig) Bind(fs *flag.FlagSet) {
	fs.StringVar(&c.Path, "path", c.Path, "data directory of the ClickHouse engine")
	fs.StringVar(&c.Listen, "listen", c.Listen, "loopback address to listen on, or fd:N for an inherited listener")
	fs.StringVar(&c.Library, "library", c.Library, "libchdb.so (default: $"+LibraryEnv+", then out/engine/libchdb.so)")
	fs.IntVar(&c.Lanes, "lanes", c.Lanes, "statements that run at a time (default 4)")
	fs.IntVar(&c.MemoryMB, "memory", c.MemoryMB, "memory limit of the engine in MiB (default 1024)")
	fs.BoolVar(&c.Lifeline, "lifeline", c.Lifeline, "stop when standard input ends")
}

func (c ServeConfig) withDefaults() ServeConfig {
	if c.Lanes == 0 {
		c.Lanes = 4
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = 1024
	}
	if c.Password == "" {
		c.Password = os.Getenv(PasswordEnv)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// The bodies of statements are read within bodyWithin, those of clients without the password within strangerWithin.
const (
	strangerWithin = 15 * time.Second
	bodyWithin     = 10 * time.Minute
)

// shutdownGrace is how long running statements may take to end at shutdown.
const shutdownGrace = 20 * time.Second

// Serve opens the engine and answers until ctx ends (or standard input, with
// Lifeline), then lets running statements end and closes the data. It must be
// the first to use libchdb in its process, and is used once. Errors:
// ErrNoLibrary, ErrListen, ErrInUse, or what the engine said.
func Serve(ctx context.Context, c ServeConfig) error {
	c = c.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.Lifeline {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	path, err := FindLibrary(c.Library)
	if err != nil {
		return err
	}
	listener, err := listen(c.Listen, c.Password)
	if err != nil {
		return err
	}
	defer listener.Close()
	lock, err := lockDirectory(ctx, c.Path)
	if err != nil {
		return err
	}
	defer lock.Close()
	if c.Path, err = filepath.Abs(c.Path); err != nil { // the library joins a relative one to itself and finds nothing there
		return fmt.Errorf("finding the engine's data directory: %w", err)
	}
	lib, err := chdb.Load(path)
	if err != nil {
		return fmt.Errorf("%w: %w; run `make engine` again", ErrNoLibrary, err)
	}
	return c.answer(ctx, listener, lib)
}

func (c ServeConfig) answer(ctx context.Context, listener net.Listener, lib *chdb.Library) error {
	lanes, err := newPool(c.Lanes, c.Logger, func() (*chdb.Conn, error) {
		return lib.Open(c.Path, c.sessionSettings(), c.serverSettings())
	})
	if err != nil {
		return err
	}
	who, err := lanes.describe(ctx)
	if err != nil {
		return err
	}
	web := &http.Server{
		Handler:           &server{pool: lanes, password: c.Password, log: c.Logger, hello: who},
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       strangerWithin,
		IdleTimeout:       10 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	go func() { stopped <- web.Serve(listener) }()
	c.Logger.Info("engine ready", "version", who.version, "address", listener.Addr().String(), "path", c.Path)
	if c.Ready != nil {
		c.Ready(listener.Addr().String())
	}
	select {
	case err := <-stopped:
		return fmt.Errorf("serving the engine: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := errors.Join(web.Shutdown(grace), lanes.close(grace)); err != nil {
		return fmt.Errorf("stopping the engine: %w", err)
	}
	c.Logger.Info("engine stopped")
	return nil
}

// serverSettings hold for the whole engine. The caches of a server are sized
// for a machine of its own; here the engine shares a small one.
func (c ServeConfig) serverSettings() []string {
	return []string{
		"--max_server_memory_usage=" + strconv.Itoa(c.MemoryMB<<20),
		"--mark_cache_size=" + strconv.Itoa(32<<20),
		"--primary_index_cache_size=" + strconv.Itoa(32<<20),
		"--uncompressed_cache_size=0",
		"--mmap_cache_size=64",
		"--compiled_expression_cache_size=" + strconv.Itoa(8<<20),
		"--max_thread_pool_size=256",
		"--timezone=UTC",
	}
}

// sessionSettings hold for each connection. The query profiler's signals
// would land in Go's handlers; asynchronous inserts would answer before the
// rows are in a part; a statement without SELECT is an error on a server.
func (c ServeConfig) sessionSettings() map[string]string {
	return map[string]string{
		"implicit_select":                                        "0",
		"async_insert":                                           "0",
		"query_profiler_real_time_period_ns":                     "0",
		"query_profiler_cpu_time_period_ns":                      "0",
		"max_memory_usage":                                       strconv.Itoa(c.MemoryMB << 20 / 4 * 3),
		"max_insert_threads":                                     "1",
		"allow_introspection_functions":                          "0",
		"database_atomic_wait_for_drop_and_detach_synchronously": "1",
	}
}

// listen opens the address, which must be loopback: the engine has no users,
// and its files are as open to its clients as to itself.
func listen(address, password string) (net.Listener, error) {
	if number, ok := strings.CutPrefix(address, "fd:"); ok {
		fd, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("%w: %q is not fd:N", ErrListen, address)
		}
		file := os.NewFile(uintptr(fd), "listener")
		defer file.Close()
		inherited, err := net.FileListener(file)
		if err != nil {
			return nil, fmt.Errorf("%w: inherited listener %s: %v", ErrListen, address, err)
		}
		return inherited, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %v; give host:port", ErrListen, address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%w: %s is not loopback; use 127.0.0.1, or a ClickHouse server for the network", ErrListen, host)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrListen, err)
	}
	return listener, nil
}

// lockWait is how long a new engine waits for the one before it to let go: longer than that one may take to stop, also
// when its hub was killed and started again at once.
const lockWait = shutdownGrace + 10*time.Second

// lockDirectory makes the data directory and takes its lock, waiting for a
// predecessor that is just stopping.
func lockDirectory(ctx context.Context, path string) (lock *os.File, err error) {
	if path == "" {
		return nil, errors.New("the engine needs a data directory: give --path")
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	err = wait.Until(ctx, 20*time.Millisecond, func() (bool, error) {
		lock, err = durable.Lock(filepath.Join(path, "shomei-engine.lock"))
		if errors.Is(err, durable.ErrLocked) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %s", ErrInUse, path)
	}
	return lock, err
}
