package engine

import (
	"cmp"
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

// ErrStart says that the engine does not start on its data: it ended by itself, or gave no answer in time. Another data
// directory may help.
var ErrStart = errors.New("the engine does not start on its data")

// Config says how to start and supervise an engine process.
type Config struct {
	Command  []string      // program and first arguments; empty: this executable with "engine"
	Path     string        // data directory
	Listen   string        // loopback host:port; empty: a free port of 127.0.0.1
	Password string        // what clients must give; empty: one made for this process
	Library  string        // libchdb.so; empty: FindLibrary looks for it
	Lanes    int           // statements at a time; 0: the engine's default
	MemoryMB int           // memory limit in MiB; 0: the engine's default
	Patience time.Duration // how long the first answer of a process is waited for; 0: 60 s
	Silence  time.Duration // how long a process that has answered may be silent before it counts as hanging; 0: 20 s
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

	stop   chan struct{} // closed by Halt
	done   chan struct{} // closed when supervision has ended
	broken chan error    // takes why supervision gave up
}

// Open takes the engine's address, at which clients wait from now on; Begin
// starts it. Errors: ErrNoLibrary, ErrListen.
func Open(c Config) (*Process, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Process{config: c, password: cmp.Or(c.Password, rand.Text())}
	if err := p.listen(); err != nil {
		return nil, err
	}
	return p, nil
}

// Start is Open and Begin.
func Start(ctx context.Context, c Config) (*Process, error) {
	p, err := Open(c)
	if err != nil {
		return nil, err
	}
	if err := p.Begin(ctx); err != nil {
		return nil, errors.Join(err, p.listener.Close())
	}
	return p, nil
}

// Begin starts the engine and waits until it answers; ctx bounds only that
// wait. Afterwards the process is started again whenever it dies or hangs,
// until Halt. Errors: ErrStart, ErrNoLibrary, or how the process ended.
func (p *Process) Begin(ctx context.Context) error {
	p.mu.Lock()
	p.stopping, p.stop, p.done, p.broken = false, make(chan struct{}), make(chan struct{}), make(chan error, 1)
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.config.Patience)
	defer cancel()
	if err := p.first(ctx); err != nil {
		close(p.done)
		return err
	}
	go p.supervise()
	return nil
}

// Broken tells, once, that the engine is not started again: it ended by itself
// several times before it answered (ErrStart).
func (p *Process) Broken() <-chan error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// startTries is how often a process that ends before it answers is started again: what kills it from outside says
// nothing about its data.
const startTries = 3

// first starts the process and waits until it answers.
func (p *Process) first(ctx context.Context) error {
	for try := 1; ; try++ {
		if err := p.spawnUnlessHalted(); err != nil {
			return err
		}
		child, exited := p.current()
		var err error
		if err = p.ask(ctx, exited); err == nil {
			return nil
		}
		hung := errors.Is(ctx.Err(), context.DeadlineExceeded)
		p.kill()
		if err = ending(child, hung); hung || !killed(child) || ctx.Err() != nil || try == startTries {
			return err
		}
		p.config.Logger.Warn("engine was killed at its start, starting it again", "ended", child.ProcessState.String())
	}
}

// ending tells why a process gave no answer.
func ending(child *exec.Cmd, hung bool) error {
	const wrongLibrary = 78 // as cmd/shomei exits for ErrNoLibrary
	switch state := child.ProcessState; {
	case state.ExitCode() == wrongLibrary:
		return fmt.Errorf("%w: the engine process ended with %s; its log says why", ErrNoLibrary, state)
	case hung:
		return fmt.Errorf("%w: it gave no answer in time", ErrStart)
	case killed(child) && signalOf(child) == syscall.SIGKILL:
		return fmt.Errorf("the engine process was killed at its start: %s", state)
	default:
		return fmt.Errorf("%w: the process ended at its start: %s; its log says why", ErrStart, state)
	}
}

func killed(child *exec.Cmd) bool { return signalOf(child) != 0 }

// signalOf is the signal that ended a process; 0 when it ended by itself.
func signalOf(child *exec.Cmd) syscall.Signal {
	status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0
	}
	return status.Signal()
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
	if c.Silence == 0 {
		c.Silence = 20 * time.Second
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

// ask waits for an answer to /ping, for which the engine runs a statement. The
// listener is open already, so one request is enough at the start: it is
// answered as soon as the engine is there. It ends with the process.
func (p *Process) ask(ctx context.Context, exited <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
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
	if err != nil {
		return fmt.Errorf("waiting for the engine to answer on %s: %w", p.address, err)
	}
	return answer.Body.Close()
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

// askEvery is how often a process is asked whether it still answers.
const askEvery = 2 * time.Second

func (p *Process) supervise() {
	defer close(p.done)
	pause, born, early := firstPause, time.Now(), 0
	answered := true // the first process has
	for {
		child, exited := p.current()
		answered = p.watch(exited, answered)
		select {
		case <-p.stop:
			return
		case <-exited:
		}
		if early++; answered || signalOf(child) == syscall.SIGKILL {
			early = 0
		}
		if early == startTries {
			p.broken <- ending(child, false)
			return
		}
		if time.Since(born) > healthyLife {
			pause = firstPause
		}
		select {
		case <-p.stop:
			return
		case <-time.After(pause):
		}
		p.config.Logger.Warn("engine died, starting it again", "ended", child.ProcessState.String(), "after", pause)
		pause, born, answered = min(2*pause, longestPause), time.Now(), false
		if err := p.respawn(); err != nil {
			p.config.Logger.Error("engine not started again", "error", err)
		}
	}
}

// watch asks the process again and again whether it answers, until it ends or
// is halted, and kills it when it is silent for too long. It reports whether
// there was an answer.
func (p *Process) watch(exited <-chan struct{}, answered bool) bool {
	ticker, gone := time.NewTicker(askEvery), either(exited, p.stop)
	defer ticker.Stop()
	for {
		silence := p.config.Silence
		if !answered {
			silence = p.config.Patience
		}
		ctx, cancel := context.WithTimeout(context.Background(), silence)
		err := p.ask(ctx, gone)
		late := ctx.Err() != nil
		cancel()
		answered = answered || err == nil
		if err != nil && late {
			p.config.Logger.Error("engine hangs, it is killed and started again", "silent", silence)
			p.kill()
		}
		select {
		case <-exited:
			return answered
		case <-p.stop:
			return answered
		case <-ticker.C:
		}
	}
}

// either is closed when one of two channels is.
func either(a, b <-chan struct{}) <-chan struct{} {
	one := make(chan struct{})
	go func() {
		defer close(one)
		select {
		case <-a:
		case <-b:
		}
	}()
	return one
}

func (p *Process) respawn() error {
	p.mu.Lock()
	p.restarts++
	p.mu.Unlock()
	return p.spawnUnlessHalted()
}

var errHalted = errors.New("the engine is being stopped")

func (p *Process) spawnUnlessHalted() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return errHalted
	}
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

// Halt asks the engine to end its statements and close its data, waits for
// that, and kills it when ctx ends first. Clients wait until Begin starts it
// again.
func (p *Process) Halt(ctx context.Context) error {
	p.mu.Lock()
	if p.stop == nil {
		p.mu.Unlock()
		return nil // never begun
	}
	if !p.stopping {
		p.stopping = true
		close(p.stop)
	}
	child, exited := p.child, p.exited
	p.mu.Unlock()
	var failed error
	if child != nil {
		_ = child.Process.Signal(syscall.SIGTERM) // fails only when it has ended
		select {
		case <-exited:
		case <-ctx.Done():
			p.kill()
			failed = fmt.Errorf("stopping the engine: killed, it did not end in time: %w", ctx.Err())
		}
	}
	<-p.done
	return failed
}

// Stop is Halt, and gives the address up. Stopping twice is harmless.
func (p *Process) Stop(ctx context.Context) error {
	return errors.Join(p.Halt(ctx), ignoreClosed(p.listener.Close()))
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
