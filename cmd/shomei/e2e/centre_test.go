package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/crashpoint"
	"shomei/pkg/notice"
	"shomei/pkg/warehouse"
	"shomei/services/projector"
	"shomei/services/ra"
)

const (
	office      = "12237-main"
	counterName = "12237-main-1"
)

// serveCentre runs a whole hub, as shomei all does, and takes orders over HTTP on loopback: what a test needs of it that
// no counter may ask. Its first line of output is the address.
func serveCentre(args []string) int {
	var data string
	var port, mail int
	var begin string
	flags := flag.NewFlagSet("centre", flag.ExitOnError)
	flags.StringVar(&data, "data", "", "")
	flags.IntVar(&port, "port", 0, "")
	flags.IntVar(&mail, "mail", 0, "")
	flags.StringVar(&begin, "begin", "", "")
	_ = flags.Parse(args) // ExitOnError
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := runCentre(ctx, data, port, mail, begin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runCentre(ctx context.Context, data string, port, mail int, begin string) error {
	at, err := time.Parse(time.RFC3339, begin)
	if err != nil {
		return err
	}
	config := hub.Config{
		Data: data, Clock: filepath.Join(data, "clock"), Begin: at, Port: port, ExpiryEvery: -1,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	if mail != 0 {
		config.Mail = notice.Mailer{Host: "127.0.0.1", Port: mail, TLS: "none"}
	}
	h, err := hub.Start(ctx, config)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, h.Close())
	}
	server := &http.Server{Handler: orders(h)}
	go func() { _ = server.Serve(l) }()
	fmt.Printf("http://%s\n", l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- h.Wait() }()
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	_ = server.Close()
	return errors.Join(err, h.Close())
}

// orders are what a test asks of a centre. Each may be given again after a crash.
func orders(h *hub.Hub) http.Handler {
	mux := http.NewServeMux()
	order := func(pattern string, do func(context.Context, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			value, err := do(r.Context(), r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(value)
		})
	}
	order("POST /counter", func(ctx context.Context, _ *http.Request) (any, error) { return h.TryOut(ctx, office, counterName) })
	order("POST /second-counter", func(ctx context.Context, _ *http.Request) (any, error) { return h.TryOut(ctx, office, office+"-2") })
	order("POST /advance", func(ctx context.Context, r *http.Request) (any, error) {
		to, err := time.Parse(time.RFC3339, r.FormValue("to"))
		if err == nil && to.After(h.Clock.Now()) {
			err = h.Advance(ctx, to)
		}
		if err == nil {
			_, err = h.Expiry.Tick(ctx) // what a crash cut off after the clock was set
		}
		return nil, err
	})
	order("POST /settle", func(ctx context.Context, _ *http.Request) (any, error) { return nil, h.Settle(ctx) })
	order("POST /lists", func(ctx context.Context, _ *http.Request) (any, error) {
		return nil, h.Issuer.PublishDue(ctx, filepath.Join(h.Data, "crl"))
	})
	order("GET /fsck", func(ctx context.Context, _ *http.Request) (any, error) { return h.Fsck(ctx, nil) })
	order("GET /certificates", func(ctx context.Context, r *http.Request) (any, error) {
		list, err := h.Warehouse.State(ctx, r.FormValue("subscriber"), h.Clock.Now())
		if errors.Is(err, warehouse.ErrNotFound) {
			return []warehouse.Certificate{}, nil
		}
		return list, err
	})
	order("GET /notices", func(ctx context.Context, r *http.Request) (any, error) {
		return h.Warehouse.Notices(ctx, r.FormValue("subscriber"))
	})
	order("GET /quarantined", func(ctx context.Context, _ *http.Request) (any, error) {
		count := 0
		err := h.Warehouse.Heads(ctx, func(head warehouse.Head) error {
			if head.Kind == events.KindQuarantine {
				count++
			}
			return nil
		})
		return count, err
	})
	order("GET /history", func(ctx context.Context, r *http.Request) (any, error) {
		return h.Warehouse.History(ctx, r.FormValue("subscriber"), time.Time{})
	})
	order("GET /clock", func(context.Context, *http.Request) (any, error) { return h.Clock.Now(), nil })
	order("GET /crashpoints", func(context.Context, *http.Request) (any, error) { return crashpoint.List(), nil })
	order("GET /engine", func(context.Context, *http.Request) (any, error) { return h.EngineDSN(), nil })
	order("POST /loss", func(ctx context.Context, r *http.Request) (any, error) {
		source, err := h.Source(ctx, office, "telephone")
		if err != nil {
			return nil, err
		}
		claim := &events.Claim{Subscriber: r.FormValue("subscriber"), Fact: &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "telephone"}}}
		return source.Report(ctx, claim, nil)
	})
	return mux
}

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
