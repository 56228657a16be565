package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/wait"
)

var spawner = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread() // the death signal comes when the thread that started the child ends
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

// startChild starts a process that does not outlive this one, whatever ends it.
func startChild(process *exec.Cmd) error {
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan error, 1)
	spawner() <- func() { done <- process.Start() }
	return <-done
}

// supervised is a process that is started again whenever it is killed; ending otherwise fails the test.
type supervised struct {
	t       *testing.T
	name    string
	log     string // file of what it says
	command func() *exec.Cmd
	crashes *crashes

	mu      sync.Mutex
	process *exec.Cmd
	url     string // its first line of output
	stopped bool
	failing bool          // it may end by itself: what it needs is away, and whoever supervises it starts it again
	failed  int           // how often it did
	ended   chan struct{} // closed when the process that runs now has ended
}

func (s *supervised) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = false
	s.startLocked()
}

func (s *supervised) startLocked() {
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Errorf("starting the %s: %v", s.name, err)
		return
	}
	defer log.Close()
	process := s.command()
	process.Env = append(process.Environ(), s.crashes.environment()...)
	process.Stderr = log
	out, err := process.StdoutPipe()
	if err == nil {
		err = startChild(process)
	}
	if err != nil {
		s.t.Errorf("starting the %s: %v", s.name, err)
		return
	}
	s.process, s.url, s.ended = process, "", make(chan struct{})
	go s.watch(process, out, s.ended)
}

// watch learns the address, waits for the end and starts the next process unless this one was stopped.
func (s *supervised) watch(process *exec.Cmd, out io.Reader, ended chan struct{}) {
	lines := bufio.NewReader(out)
	line, _ := lines.ReadString('\n')
	s.mu.Lock()
	s.url = strings.TrimRight(line, "/\n")
	s.mu.Unlock()
	_, _ = io.Copy(io.Discard, lines)
	_ = process.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	close(ended)
	s.url = ""
	if s.stopped {
		return
	}
	status, ok := process.ProcessState.Sys().(syscall.WaitStatus)
	if killed := ok && status.Signal() == syscall.SIGKILL; !killed && s.failing {
		s.failed++
	} else if !killed {
		s.t.Errorf("the %s ended by itself: %v\n%s", s.name, process.ProcessState, s.tail())
		s.stopped = true
		return
	}
	s.crashes.note(s.name)
	s.startLocked()
}

// tail is the end of what the process wrote to its log.
func (s *supervised) tail() []byte {
	text, _ := os.ReadFile(s.log)
	return text[max(0, len(text)-3000):]
}

func (s *supervised) running() *os.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.Process
}

// kill ends the process as a power failure does; it starts again by itself.
func (s *supervised) kill() { _ = s.running().Kill() }

// mayFail lets the process end by itself, or not any longer, and tells how often it did.
func (s *supervised) mayFail(may bool) (did int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = may
	return s.failed
}

// last has the process that runs now stay away when it dies, until it is started.
func (s *supervised) last() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

// dead reports whether the process that ran last has ended and none was started since.
func (s *supervised) dead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// down kills the process, and it stays away until it is started.
func (s *supervised) down() {
	s.mu.Lock()
	s.stopped = true
	process, ended := s.process, s.ended
	s.mu.Unlock()
	_ = process.Process.Kill() // ended already is as good
	<-ended
}

// signalChildren sends a signal to the children of a process that run a program, any when it is empty; false when there
// are none at the moment.
func signalChildren(parent int, program string, signal syscall.Signal) (sent bool) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // a thread that ended meanwhile has none
		for _, word := range strings.Fields(string(text)) {
			name, _ := os.ReadFile(filepath.Join("/proc", word, "comm"))
			child, err := strconv.Atoi(word)
			if err == nil && (program == "" || program == strings.TrimSpace(string(name))) && syscall.Kill(child, signal) == nil {
				sent = true
			}
		}
	}
	return sent
}

// stop ends the process in order.
func (s *supervised) stop() {
	s.mu.Lock()
	s.stopped = true
	process, ended := s.process, s.ended
	s.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(30*time.Second, func() { _ = process.Process.Kill() })
	defer timer.Stop()
	<-ended
}

func (s *supervised) restart() {
	s.stop()
	s.start()
}

// address is where the process answers; empty while it does not.
func (s *supervised) address() (url string, stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url, s.stopped
}

// freePort finds a port below those that the system gives to outgoing connections, so that it is still free when a process
// that was killed comes back to it.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// ask is one request; into takes a JSON answer.
func ask(ctx context.Context, method, url string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 400 {
		return &refused{response.StatusCode, string(answer)}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// refused is an answer that is no success.
type refused struct {
	status int
	text   string
}

func (r *refused) Error() string { return fmt.Sprintf("%d %s", r.status, r.text) }

// The pause between two looks of poll grows from one to the other: most of what is waited for takes a moment, and a look at what
// takes long costs as much as the work that is waited for. Some start a program, or ask the engine.
const (
	shortestPause = 10 * time.Millisecond
	longestPause  = 250 * time.Millisecond
)

// poll waits for something that tells nobody when it happens.
func poll(t *testing.T, what string, done func() bool, why func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Second) // an act can meet twenty deaths, and a start takes seconds on a busy machine
	defer cancel()
	for pause := shortestPause; !done(); pause = min(pause*3/2, longestPause) {
		switch err := wait.For(ctx, pause); {
		case t.Context().Err() != nil && err != nil:
			t.Fatalf("waiting for %s: the test has ended", what)
		case err != nil:
			t.Fatalf("waited in vain for %s: %s", what, why())
		}
	}
}
