package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Config says how to start and supervise an engine process.
type Config struct {
	Command  []string      // program and first arguments; empty: this executable with "engine"
	Path     string        // data directory
	Listen   string        // loopback host:port; empty: a free port of 127.0.0.1
	Library  string        // libchdb.so; empty: FindLibrary looks for it
	Lanes    int           // statements at a time; 0: the engine's default
	MemoryMB int           // memory limit in MiB; 0: the engine's default
	Patience time.Duration // how long Start waits for the first answer; 0: 60 s
	Stderr   io.Writer     // where the process's log goes; nil: os.Stderr
	Logger   *slog.Logger
}

// Process is a supervised engine process. It keeps its address over
// restarts: the listener belongs to the supervisor and is inherited, so that
// a client which calls during a restart waits instead of being refused.
type Process struct {
	config   Config
	listener *os.File
	address  string
	password string

	mu       sync.Mutex
	child    *exec.Cmd
	exited   chan struct{} // closed when child has ended
	lifeline io.WriteCloser
	restarts int
	stopping bool

	stop chan struct{} // closed by Stop
	done chan struct{} // closed when supervision has ended
}

// Start starts the engine and waits until it answers; ctx bounds only that
// wait. Afterwards the process is restarted whenever it dies, until Stop.
// Errors: ErrNoLibrary, ErrListen, or how the process ended.
func Start(ctx context.Context, c Config) (*Process, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Process{config: c, password: rand.Text(), stop: make(chan struct{}), done: make(chan struct{})}
	if err := p.listen(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	if err := p.first(ctx); err != nil {
		return nil, errors.Join(err, p.listener.Close())
	}
	go p.supervise()
	return p, nil
}

// startTries is how often a process that is killed before it answers is started again: what ends it from outside says
// nothing about its data, what it says itself does.
const startTries = 3

// first starts the process and waits until it answers.
func (p *Process) first(ctx context.Context) error {
	for try := 1; ; try++ {
		p.mu.Lock()
		err := p.spawn()
		p.mu.Unlock()
		if err != nil {
			return err
		}
		if err = p.awaitAnswer(ctx); err == nil {
			return nil
		}
		p.kill()
		child, _ := p.current()
		status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || ctx.Err() != nil || try == startTries {
			return err
		}
		p.config.Logger.Warn("engine was killed at its start, starting it again", "ended", child.ProcessState.String())
	}
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Command) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return c, fmt.Errorf("finding this program to start its engine: %w", err)
		}
		c.Command = []string{exe, "engine"}
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Patience == 0 {
		c.Patience = 60 * time.Second
	}
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	var err error
	c.Library, err = FindLibrary(c.Library)
	return c, err
}

func (p *Process) listen() error {
	listener, err := listen(p.config.Listen, p.password)
	if err != nil {
		return err
	}
	defer listener.Close()
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("%w: %s is not a TCP address", ErrListen, p.config.Listen)
	}
	p.address = tcp.Addr().String()
	if p.listener, err = tcp.File(); err != nil {
		return fmt.Errorf("handing the engine its listener: %w", err)
	}
	return nil
}

// spawn starts the process in its own group, so that Ctrl-C at a terminal
// reaches only the supervisor, which then stops things in order. The caller
// holds p.mu, so that Stop never misses a process that is being started.
func (p *Process) spawn() error {
	c := p.config
	args := append(append([]string{}, c.Command[1:]...), "--path", c.Path, "--listen", "fd:3", "--lifeline",
		"--library", c.Library, "--lanes", strconv.Itoa(c.Lanes), "--memory", strconv.Itoa(c.MemoryMB))
	child := exec.Command(c.Command[0], args...)
	child.Env = append(os.Environ(), PasswordEnv+"="+p.password)
	child.ExtraFiles = []*os.File{p.listener}
	child.Stderr, child.Stdout = c.Stderr, c.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lifeline, err := child.StdinPipe()
	if err != nil {
		return fmt.Errorf("starting the engine: %w", err)
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("starting the engine: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = child.Wait() // how it ended stands in child.ProcessState
		close(exited)
	}()
	p.child, p.lifeline, p.exited = child, lifeline, exited
	return nil
}

// awaitAnswer waits for /ping. The listener is open already, so one request
// is enough: it is answered as soon as the engine is there.
func (p *Process) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	child, exited := p.current()
	go func() {
		select {
		case <-exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/ping", nil)
	if err != nil {
		return fmt.Errorf("asking the engine: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err == nil {
		return answer.Body.Close()
	}
	select {
	case <-exited:
		return fmt.Errorf("the engine process ended at its start: %s; its log says why", child.ProcessState)
	default:
		return fmt.Errorf("waiting for the engine to answer on %s: %w", p.address, err)
	}
}

func (p *Process) current() (*exec.Cmd, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.child, p.exited
}

// Backoff between restarts doubles up to longestPause; a process that lived
// for a healthyLife starts again at once.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
	healthyLife  = time.Minute
)

func (p *Process) supervise() {
	defer close(p.done)
	pause, born := firstPause, time.Now()
	for {
		child, exited := p.current()
		<-exited
		if time.Since(born) > healthyLife {
			pause = firstPause
		}
		select {
		case <-p.stop:
			return
		case <-time.After(pause):
		}
		p.config.Logger.Warn("engine died, starting it again", "ended", child.ProcessState.String(), "after", pause)
		pause, born = min(2*pause, longestPause), time.Now()
		if err := p.respawn(); err != nil {
			p.config.Logger.Error("engine not started again", "error", err)
		}
	}
}

func (p *Process) respawn() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return nil
	}
	p.restarts++
	return p.spawn()
}

// Address returns host:port of the engine's HTTP interface.
func (p *Process) Address() string { return p.address }

// DSN returns what clickhouse.ParseDSN takes to reach the engine. It holds
// the password: not for logs.
func (p *Process) DSN() string {
	u := url.URL{Scheme: "http", User: url.UserPassword("shomei", p.password), Host: p.address, Path: "/default"}
	return u.String()
}

// PID returns the process id of the engine that runs now.
func (p *Process) PID() int {
	child, _ := p.current()
	return child.Process.Pid
}

// Restarts returns how often the engine was started again.
func (p *Process) Restarts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restarts
}

// Stop asks the engine to end its statements and close its data, waits for
// that, and kills it when ctx ends first. Stopping twice is harmless.
func (p *Process) Stop(ctx context.Context) error {
	p.mu.Lock()
	if !p.stopping {
		p.stopping = true
		close(p.stop)
	}
	child, exited := p.child, p.exited
	p.mu.Unlock()
	_ = child.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	var failed error
	select {
	case <-exited:
	case <-ctx.Done():
		p.kill()
		failed = fmt.Errorf("stopping the engine: killed, it did not end in time: %w", ctx.Err())
	}
	<-p.done
	return errors.Join(failed, ignoreClosed(p.listener.Close()))
}

func (p *Process) kill() {
	child, exited := p.current()
	_ = child.Process.Kill() // fails only when it has ended
	<-exited
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
