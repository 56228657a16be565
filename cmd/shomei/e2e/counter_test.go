package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/crashpoint"
)

// counter is shomei-agent in a process of its own, with a virtual reader, started again whenever it dies.
type counter struct {
	t      *testing.T
	bundle string
	cards  string
	card   string // what lies on the reader

	mu      sync.Mutex
	process *exec.Cmd
	url     string
	deaths  int
	stopped bool
	ended   chan struct{}
}

func newCounter(t *testing.T, c *centre) *counter {
	t.Helper()
	k := &counter{t: t}
	c.order("POST", "/counter", &k.bundle)
	var err error
	if k.cards, err = os.MkdirTemp("", "vr"); err != nil { // a socket's name is short
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(k.cards) })
	programs(t)
	t.Cleanup(k.stop)
	return k
}

func (k *counter) start(crash string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.startLocked(crash)
}

func (k *counter) startLocked(crash string) {
	log, err := os.OpenFile(k.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		k.t.Errorf("starting the counter: %v", err)
		return
	}
	defer log.Close()
	process := exec.Command(filepath.Join(program.dir, "shomei-agent"), "run", "--bundle", k.bundle, "--virtual-reader", k.cards)
	process.Env = append(os.Environ(), crashpoint.Variable+"="+crash)
	process.Stderr = log
	out, err := process.StdoutPipe()
	if err == nil {
		err = startChild(process)
	}
	if err != nil {
		k.t.Errorf("starting the counter: %v", err)
		return
	}
	k.process, k.url, k.ended = process, "", make(chan struct{})
	go k.watch(process, out, k.ended)
}

func (k *counter) logFile() string { return filepath.Join(filepath.Dir(k.bundle), "agent.log") }

func (k *counter) watch(process *exec.Cmd, out io.Reader, ended chan struct{}) {
	lines := bufio.NewReader(out)
	line, _ := lines.ReadString('\n')
	k.mu.Lock()
	k.url = strings.TrimRight(line, "/\n")
	k.mu.Unlock()
	_, _ = io.Copy(io.Discard, lines)
	_ = process.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	close(ended)
	k.url = ""
	if k.stopped {
		return
	}
	k.deaths++
	if status, ok := process.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		k.t.Errorf("the counter ended by itself: %v\n%s", process.ProcessState, k.tail())
		k.stopped = true
		return
	}
	k.startLocked("")
}

func (k *counter) tail() []byte {
	text, _ := os.ReadFile(k.logFile())
	return text[max(0, len(text)-3000):]
}

func (k *counter) kill() {
	k.mu.Lock()
	process := k.process
	k.mu.Unlock()
	_ = process.Process.Kill()
}

func (k *counter) stop() {
	k.mu.Lock()
	k.stopped = true
	process, ended := k.process, k.ended
	k.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(30*time.Second, func() { _ = process.Process.Kill() })
	defer timer.Stop()
	<-ended
}

func (k *counter) restart(crash string) {
	k.stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = false
	k.startLocked(crash)
}

func (k *counter) died() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.deaths
}

// try asks once.
func (k *counter) try(method, path string, body, into any) error {
	k.mu.Lock()
	url := k.url
	k.mu.Unlock()
	if url == "" {
		return errAway
	}
	return ask(k.t.Context(), method, url+path, body, into)
}

var errAway = errors.New("the counter is being started")

// call asks until the counter answers; a refusal is an answer.
func (k *counter) call(method, path string, body, into any) (r *refused) {
	k.t.Helper()
	var last error
	poll(k.t, "the counter to answer "+path, func() bool {
		last = k.try(method, path, body, into)
		return last == nil || errors.As(last, &r)
	}, func() string { return fmt.Sprintf("%v\n%s", last, k.tail()) })
	return r
}

// must is call for what may not be refused.
func (k *counter) must(method, path string, body, into any) {
	k.t.Helper()
	if r := k.call(method, path, body, into); r != nil {
		k.t.Fatalf("%s %s: %v\n%s", method, path, r, k.tail())
	}
}

// make makes a new card and lays it on the reader.
func (k *counter) make(id string) {
	k.t.Helper()
	if r := k.call("POST", "/api/reader/cards", map[string]string{"id": id, "kind": "mynumber"}, nil); r != nil && r.status != http.StatusConflict {
		k.t.Fatal(r)
	}
	k.insert(id)
}

func (k *counter) insert(id string) {
	k.t.Helper()
	k.card = id
	k.must("POST", "/api/reader/insert", map[string]string{"id": id}, nil)
}

// person is somebody who applies.
type person struct{ code, name, birth, address, mail string }

func (p person) record() map[string]any {
	return map[string]any{
		"resident_code": p.code, "name": p.name, "birth_date": p.birth, "sex": 2, "address": p.address, "registered": true, "municipality": "12237",
	}
}

// PINs of every card here.
const (
	signPIN = "QZ7W4K"
	authPIN = "8351"
)

// apply files an application, once, whatever dies meanwhile: the procedure's name is the test's.
func (k *counter) apply(p person, procedure, operation string, more map[string]any) {
	k.t.Helper()
	body := map[string]any{
		"procedure": procedure, "operation": operation, "channel": "self", "clerk": "017", "person": p.record(),
		"documents": []string{"application-form", "card", "photo-id:current-address"}, "contact": map[string]any{"mail": p.mail},
	}
	for field, value := range more {
		body[field] = value
	}
	var last error
	poll(k.t, "the counter to take the application", func() bool {
		var r *refused
		if last = k.try("GET", "/api/procedures/"+procedure, nil, nil); last == nil {
			return true
		} else if !errors.As(last, &r) {
			return false
		}
		k.present()
		last = k.try("POST", "/api/applications", body, nil)
		if errors.As(last, &r) {
			k.t.Fatal(last)
		}
		return last == nil
	}, func() string { return fmt.Sprintf("%v\n%s", last, k.tail()) })
}

// present lays the card on the reader again, if a counter that died left it empty.
func (k *counter) present() {
	var status struct {
		Reader string `json:"reader"`
	}
	if k.card != "" && k.try("GET", "/api/status", nil, &status) == nil && status.Reader != "card" {
		_ = k.try("POST", "/api/reader/insert", map[string]string{"id": k.card}, nil)
	}
}

// procedure is an application as the counter tells it.
type procedure struct {
	State    string `json:"state"`
	AtHub    bool   `json:"at_hub"`
	FeeYen   uint32 `json:"fee_yen"`
	Progress []struct {
		JA string `json:"ja"`
		EN string `json:"en"`
	} `json:"progress"`
	Answer map[string]any `json:"answer"`
	PINs   []string       `json:"pins"`
	Error  map[string]any `json:"error"`
}

// drive does what clerk and resident do until the procedure is in one of the states, or ended otherwise.
func (k *counter) drive(id string, until ...string) procedure {
	k.t.Helper()
	return k.driveWith(id, map[string]string{"sign": signPIN, "auth": authPIN}, until...)
}

func (k *counter) driveWith(id string, pins map[string]string, until ...string) (p procedure) {
	k.t.Helper()
	poll(k.t, "procedure "+id+" to become "+strings.Join(until, " or "), func() bool {
		p = procedure{}
		if k.try("GET", "/api/procedures/"+id, nil, &p) != nil {
			return false
		}
		for _, state := range until {
			if p.State == state {
				return true
			}
		}
		switch p.State {
		case "waiting-confirmation":
			k.present()
			typed := map[string]string{}
			for _, kind := range p.PINs {
				typed[kind] = pins[kind]
			}
			_ = k.try("POST", "/api/procedures/"+id+"/confirm", map[string]any{"pins": typed}, nil)
		case "ready":
			_ = k.try("POST", "/api/procedures/"+id+"/hand-over", map[string]any{"fee_yen": p.FeeYen}, nil)
		case "working":
			k.present()
		case "refused", "failed", "dropped", "done":
			k.t.Fatalf("procedure %s is %s: %v %v\n%s", id, p.State, p.Error, p.Answer, k.tail())
		}
		return false
	}, func() string { return fmt.Sprintf("it is %+v\n%s", p, k.tail()) })
	return p
}
