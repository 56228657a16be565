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
	"shomei/pkg/tether"
	"shomei/pkg/wait"
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
	// Log gets what happens to the readers; nil discards.
	Log *slog.Logger
}

// Slots is the number of virtual readers a Service has: vpcd's driver always
// makes two slots.
const Slots = 2

// Names are what PC/SC clients see the readers as.
var Names = [Slots]string{"Shomei virtual reader 00 00", "Shomei virtual reader 00 01"}

// Service is a running pcscd with its virtual readers.
type Service struct {
	// Readers are there to insert cards into, in the order of Names. They are empty at first.
	Readers [Slots]*softcard.Reader

	dir    string
	log    *slog.Logger
	run    context.Context // ends with Close
	cancel context.CancelFunc
	wait   sync.WaitGroup

	starting sync.Mutex // held while pcscd is stopped and started

	mu      sync.Mutex
	daemon  *exec.Cmd
	ended   chan struct{} // closed when daemon has ended
	network *os.File      // the network namespace of daemon; nil while it is not ready
}

const (
	driver     = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
	socketName = "pcscd.comm"
	logName    = "pcscd.log"
	maxSocket  = 107
	port       = 35963 // and the next one, for the second slot
)

// Start runs pcscd until Close, and returns when it accepts clients. It needs
// root, for namespaces of its own (mounts and network), and Debian's pcscd and
// vsmartcard-vpcd; without them the error is ErrCannotIsolate and says what to
// do. The pcscd ends with this process, however it ends; when it ends by itself
// it is started again, as systemd does with the machine's.
func Start(ctx context.Context, c Config) (*Service, error) {
	if err := check(&c); err != nil {
		return nil, err
	}
	s := &Service{dir: c.Dir, log: c.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.writeConfig(); err != nil {
		return nil, err
	}
	s.run, s.cancel = context.WithCancel(context.Background())
	for i := range s.Readers {
		s.Readers[i] = softcard.NewReader(s.dial(i), s.log)
		s.wait.Go(func() { s.Readers[i].Run(s.run) })
	}
	if err := s.Restart(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func check(c *Config) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: it needs namespaces of its own; run as root, or use the machine's pcscd with \"shomei-agent softcard --vpcd HOST:PORT\"",
			ErrCannotIsolate)
	}
	for _, tool := range []string{"pcscd", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: %s is missing; run \"apt-get install pcscd vsmartcard-vpcd util-linux\"", ErrCannotIsolate, tool)
		}
	}
	if _, err := os.Stat(driver); err != nil {
		return fmt.Errorf("%w: the driver of the virtual reader is missing; run \"apt-get install vsmartcard-vpcd\": %w",
			ErrCannotIsolate, err)
	}
	abs, err := filepath.Abs(c.Dir)
	if err != nil {
		return fmt.Errorf("directory of the virtual reader: %w", err)
	}
	c.Dir = abs
	if path := filepath.Join(abs, socketName); len(path) > maxSocket {
		return fmt.Errorf("directory of the virtual reader: %s is longer than the %d bytes of a socket's name; choose a shorter one",
			path, maxSocket)
	}
	return nil
}

// conf lets the driver listen on its two default ports; in a network of its
// own nobody else can reach them (by itself it listens on all interfaces).
var conf = fmt.Sprintf("FRIENDLYNAME \"Shomei virtual reader\"\nDEVICENAME /dev/null:0x%X\nLIBPATH %s\nCHANNELID 0x%X\n",
	port, driver, port)

func (s *Service) writeConfig() error {
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
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "--net", "sh", "-c", isolate, "sh", s.dir)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process, err := tether.Start(cmd)
	if err != nil {
		return fmt.Errorf("starting pcscd: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = process.Wait() // how it ended stands in its log
	}()
	s.mu.Lock()
	s.daemon, s.ended = cmd, ended
	s.mu.Unlock()
	return nil
}

const (
	readyWithin = 20 * time.Second
	startAfter  = time.Second // that a start failed
	lookEvery   = 20 * time.Millisecond
)

// ready waits for pcscd's socket, which it opens after the readers.
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
	return s.openNetwork()
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

// PID is pcscd's process, 0 while there is none.
func (s *Service) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.daemon == nil {
		return 0
	}
	return s.daemon.Process.Pid
}

// Restart kills pcscd and starts it again with the same readers, cards and
// socket, as an update of the machine's packages would.
func (s *Service) Restart(ctx context.Context) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.kill()
	return s.begin(ctx)
}

// begin is called with starting held and no pcscd running.
func (s *Service) begin(ctx context.Context) error {
	if err := s.run.Err(); err != nil {
		return fmt.Errorf("the virtual reader is closed: %w", err)
	}
	if err := s.launch(); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	daemon, ended := s.daemon, s.ended
	s.wait.Go(func() {
		<-ended
		s.again(daemon)
	})
	return nil
}

// again starts pcscd anew when this one ended by itself, until that succeeds.
func (s *Service) again(ended *exec.Cmd) {
	s.starting.Lock()
	defer s.starting.Unlock()
	if s.daemon != ended {
		return // it was stopped here
	}
	for s.run.Err() == nil {
		s.log.Warn("pcscd of the virtual reader has ended and is started again", "state", ended.ProcessState)
		s.kill()
		err := s.begin(s.run)
		if err == nil {
			return
		}
		s.log.Error("pcscd of the virtual reader does not start", "error", err)
		_ = wait.For(s.run, startAfter)
	}
}

// kill leaves no pcscd running; it is called with starting held.
func (s *Service) kill() {
	s.mu.Lock()
	daemon, ended := s.daemon, s.ended
	s.daemon = nil
	if s.network != nil {
		s.network.Close()
		s.network = nil
	}
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
	s.cancel() // first: a reader whose service went away would try to come back, and say so
	s.starting.Lock()
	s.kill()
	s.starting.Unlock()
	s.wait.Wait()
}
