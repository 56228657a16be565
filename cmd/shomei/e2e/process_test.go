package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"shomei/pkg/crashpoint"
	"shomei/pkg/warehouse"
	"shomei/services/projector"
	"shomei/services/ra"
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

// centre is a hub in a process of its own, started again whenever it dies.
type centre struct {
	t          *testing.T
	data       string
	port, mail int
	begin      time.Time

	mu      sync.Mutex
	process *exec.Cmd
	url     string
	deaths  int
	stopped bool
	ended   chan struct{} // closed when the process that runs now has ended
	said    *bytes.Buffer
}

func newCentre(t *testing.T, begin time.Time) *centre {
	t.Helper()
	c := &centre{t: t, data: t.TempDir(), port: freePort(t), begin: begin, said: new(bytes.Buffer)}
	t.Cleanup(c.stop)
	return c
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start starts the process; crash, when not empty, is where it is to die. After that it is started again by itself,
// without one.
func (c *centre) start(crash string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startLocked(crash)
}

func (c *centre) startLocked(crash string) {
	log, err := os.OpenFile(filepath.Join(c.data, "centre.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Errorf("starting the centre: %v", err)
		return
	}
	defer log.Close()
	process := exec.Command(os.Args[0], "centre", "--data", c.data, "--port", strconv.Itoa(c.port), "--mail", strconv.Itoa(c.mail), "--begin", c.begin.Format(time.RFC3339))
	process.Env = append(os.Environ(), crashpoint.Variable+"="+crash)
	process.Stderr = log
	out, err := process.StdoutPipe()
	if err == nil {
		err = startChild(process)
	}
	if err != nil {
		c.t.Errorf("starting the centre: %v", err)
		return
	}
	ended := make(chan struct{})
	c.process, c.url, c.ended = process, "", ended
	go c.watch(process, out, ended)
}

// watch learns the address, waits for the end and starts the next process unless the centre was stopped.
func (c *centre) watch(process *exec.Cmd, out io.Reader, ended chan struct{}) {
	var line [64]byte
	n, _ := io.ReadAtLeast(out, line[:], 16)
	c.mu.Lock()
	c.url = string(bytes.TrimSpace(line[:n]))
	c.mu.Unlock()
	_, _ = io.Copy(io.Discard, out)
	_ = process.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	close(ended)
	c.url = ""
	if !c.stopped {
		c.deaths++
		if status, ok := process.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			c.t.Errorf("the centre ended by itself: %v\n%s", process.ProcessState, c.tail())
			c.stopped = true
			return
		}
		c.startLocked("")
	}
}

// tail is the end of what the centre wrote to its log.
func (c *centre) tail() []byte {
	text, _ := os.ReadFile(filepath.Join(c.data, "centre.log"))
	return text[max(0, len(text)-3000):]
}

// kill ends the process as a power failure does; it starts again by itself.
func (c *centre) kill() {
	c.mu.Lock()
	process := c.process
	c.mu.Unlock()
	_ = process.Process.Kill()
}

// stop ends the process in order.
func (c *centre) stop() {
	c.mu.Lock()
	c.stopped = true
	process, ended := c.process, c.ended
	c.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(30*time.Second, func() { _ = process.Process.Kill() })
	defer timer.Stop()
	<-ended
}

// restart stops the process in order and starts it with a crash point armed.
func (c *centre) restart(crash string) {
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = false
	c.startLocked(crash)
}

func (c *centre) died() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deaths
}

// order asks the centre, again and again while it is away or can't do it yet, and reads the answer.
func (c *centre) order(method, path string, into any) {
	c.t.Helper()
	var last error
	poll(c.t, "the centre to answer "+path, func() bool {
		c.mu.Lock()
		url, gone := c.url, c.stopped
		c.mu.Unlock()
		if gone {
			c.t.Fatalf("%s: the centre has ended", path)
		}
		if url == "" {
			return false
		}
		last = ask(c.t.Context(), method, url+path, nil, into)
		return last == nil
	}, func() string { return fmt.Sprintf("%v\n%s", last, c.tail()) })
}

// ask is one request; into takes a JSON answer.
func ask(ctx context.Context, method, url string, body any, into any) error {
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

// poll waits for something that tells nobody when it happens.
func poll(t *testing.T, what string, done func() bool, why func() string) {
	t.Helper()
	deadline := time.NewTimer(90 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: the test has ended", what)
		case <-deadline.C:
			t.Fatalf("waited in vain for %s: %s", what, why())
		}
	}
}

// subscriber is the id of a person by the resident-record code.
func (c *centre) subscriber(code string) string {
	c.t.Helper()
	secret, err := os.ReadFile(filepath.Join(c.data, "keys", "subscriber-ids.key"))
	if err != nil {
		c.t.Fatal(err)
	}
	return ra.SubscriberID(secret, code)
}

func (c *centre) certificates(subscriber string) (list []warehouse.Certificate) {
	c.t.Helper()
	c.order("POST", "/settle", nil)
	c.order("GET", "/certificates?subscriber="+subscriber, &list)
	return list
}

// whole checks everything against everything.
func (c *centre) whole() {
	c.t.Helper()
	c.order("POST", "/settle", nil)
	c.order("POST", "/lists", nil)
	var report projector.Report
	c.order("GET", "/fsck", &report)
	for _, f := range report.Findings {
		c.t.Errorf("fsck: %s", f)
	}
	if report.Commits == 0 {
		c.t.Error("fsck looked at nothing")
	}
}

func (c *centre) advance(to time.Time) {
	c.t.Helper()
	c.order("POST", "/advance?to="+to.UTC().Format(time.RFC3339), nil)
}
