//go:build linux

// Package vreader runs an own pcscd with virtual readers for cards in software,
// beside whatever PC/SC service the machine has. Stories, the agent's
// demonstration mode and tests use it; several run side by side.
package vreader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"shomei/pkg/card/softcard"
)

// SocketEnv names the environment variable that leads a program to a pcscd
// other than the machine's. libpcsclite reads it once, at a process's first
// use of PC/SC: one process talks to one pcscd.
const SocketEnv = "PCSCLITE_CSOCK_NAME"

// ErrCannotIsolate: this process may not, or this machine cannot, run an own pcscd.
var ErrCannotIsolate = errors.New("cannot run an own pcscd")

// Config configures Start.
type Config struct {
	// Dir gets the socket, the reader configuration and pcscd's log. It is made
	// when missing; its path must fit a socket's name (about 90 bytes).
	Dir string
	// Readers is the number of virtual readers, 1 when zero, at most 16.
	Readers int
	// Log gets what happens to the readers; nil discards.
	Log *slog.Logger
}

// Service is a running pcscd with its virtual readers.
type Service struct {
	// Readers are the slots to insert cards into, in the order of Names.
	Readers []*softcard.Reader

	dir    string
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu     sync.Mutex
	daemon *exec.Cmd
	ended  chan struct{} // closed when daemon has ended
}

const (
	driver     = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	socketName = "pcscd.comm"
	logName    = "pcscd.log"
	maxReaders = 16 // of pcscd
	maxSocket  = 107
)

// Start runs pcscd until Close. It returns when pcscd accepts clients and has
// connected to all virtual readers. It needs root, for a mount namespace, and
// Debian's pcscd and vsmartcard-vpcd; without them the error is
// ErrCannotIsolate and says what to do.
func Start(ctx context.Context, c Config) (*Service, error) {
	if c.Readers == 0 {
		c.Readers = 1
	}
	if err := check(&c); err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.Background())
	s := &Service{dir: c.Dir, cancel: cancel}
	conf, err := s.listen(run, c)
	if err == nil {
		err = s.writeConfig(conf)
	}
	if err == nil {
		err = s.launch()
	}
	if err == nil {
		err = s.ready(ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func check(c *Config) error {
	if c.Readers < 1 || c.Readers > maxReaders {
		return fmt.Errorf("%d virtual readers: pcscd takes 1 to %d", c.Readers, maxReaders)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it needs a mount namespace of its own; run as root, or use the machine's pcscd with \"shomei-agent softcard --vpcd HOST:PORT\"", ErrCannotIsolate)
	}
	for _, tool := range []string{"pcscd", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: %s is missing; run \"apt-get install pcscd vsmartcard-vpcd util-linux\"", ErrCannotIsolate, tool)
		}
	}
	if _, err := os.Stat(driver); err != nil {
		return fmt.Errorf("%w: the driver of the virtual reader is missing; run \"apt-get install vsmartcard-vpcd\": %w", ErrCannotIsolate, err)
	}
	abs, err := filepath.Abs(c.Dir)
	if err != nil {
		return fmt.Errorf("directory of the virtual reader: %w", err)
	}
	c.Dir = abs
	if path := filepath.Join(abs, socketName); len(path) > maxSocket {
		return fmt.Errorf("directory of the virtual reader: %s is longer than the %d bytes of a socket's name; choose a shorter one", path, maxSocket)
	}
	return nil
}

// listen opens one loopback port per reader and returns reader.conf.
func (s *Service) listen(ctx context.Context, c Config) (string, error) {
	var conf strings.Builder
	for i := range c.Readers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", fmt.Errorf("opening virtual reader %d: %w", i+1, err)
		}
		reader := softcard.NewReader(c.Log)
		s.Readers = append(s.Readers, reader)
		s.wait.Go(func() {
			if err := reader.Listen(ctx, l); err != nil && c.Log != nil {
				c.Log.Error("virtual reader ended", "reader", i+1, "error", err)
			}
		})
		fmt.Fprintf(&conf, "FRIENDLYNAME \"Shomei virtual reader %d\"\nDEVICENAME %s\nLIBPATH %s\nCHANNELID 0x%X\n\n",
			i+1, l.Addr(), driver, l.Addr().(*net.TCPAddr).Port)
	}
	return conf.String(), nil
}

func (s *Service) writeConfig(conf string) error {
	if err := os.MkdirAll(filepath.Join(s.dir, "reader.conf.d"), 0o755); err != nil {
		return fmt.Errorf("directory of the virtual reader: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "reader.conf.d", "shomei"), []byte(conf), 0o644); err != nil {
		return fmt.Errorf("configuration of the virtual reader: %w", err)
	}
	return nil
}

// isolate puts the directory in the place where pcscd keeps its socket; pcscd
// has no option for that.
const isolate = `set -e
mkdir -p /run/pcscd
mount --bind "$1" /run/pcscd
exec pcscd --foreground --error --config "$1/reader.conf.d"`

func (s *Service) launch() error {
	log, err := os.OpenFile(filepath.Join(s.dir, logName), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of pcscd: %w", err)
	}
	defer log.Close()
	for _, left := range []string{socketName, "pcscd.pid"} {
		if err := os.Remove(filepath.Join(s.dir, left)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("clearing what an earlier pcscd left: %w", err)
		}
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", isolate, "sh", s.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting pcscd: %w", err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	s.mu.Lock()
	s.daemon, s.ended = cmd, ended
	s.mu.Unlock()
	return nil
}

const (
	readyWithin = 20 * time.Second
	lookEvery   = 20 * time.Millisecond
)

// ready waits for the socket and for pcscd's first look at each reader.
func (s *Service) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		conn, err := net.Dial("unix", s.Socket())
		if err == nil {
			conn.Close()
			break
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%w: pcscd ended at once, its log says: %s", ErrCannotIsolate, s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("pcscd does not open %s: %w", s.Socket(), ctx.Err())
		case <-ticker.C:
		}
	}
	for _, r := range s.Readers {
		if err := r.Settled(ctx); err != nil {
			return fmt.Errorf("%w; pcscd's log says: %s", err, s.logTail())
		}
	}
	return nil
}

func (s *Service) logTail() string {
	f, err := os.Open(filepath.Join(s.dir, logName))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 2000))
	return strings.TrimSpace(string(text))
}

// Socket is the address of this pcscd, the value of SocketEnv for its clients.
func (s *Service) Socket() string { return filepath.Join(s.dir, socketName) }

// Env is the environment entry for programs that shall use this pcscd.
func (s *Service) Env() string { return SocketEnv + "=" + s.Socket() }

// Use leads this very process to this pcscd; call it before the first use of
// PC/SC in the process.
func (s *Service) Use() error { return os.Setenv(SocketEnv, s.Socket()) }

// Restart kills pcscd and starts it again with the same readers and socket,
// as an update of the machine's packages would.
func (s *Service) Restart(ctx context.Context) error {
	s.kill()
	if err := s.launch(); err != nil {
		return err
	}
	return s.ready(ctx)
}

func (s *Service) kill() {
	s.mu.Lock()
	daemon, ended := s.daemon, s.ended
	s.mu.Unlock()
	if daemon == nil {
		return
	}
	// Ended already is as good.
	_ = daemon.Process.Kill()
	<-ended
}

// Close stops pcscd and the readers and waits until they have ended.
func (s *Service) Close() {
	s.kill()
	s.cancel()
	s.wait.Wait()
}
