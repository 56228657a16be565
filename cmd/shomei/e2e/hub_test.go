package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/warehouse"
	"shomei/services/fsck"
	"shomei/services/ra"
)

// centre is a hub in a process of its own: this test's own, which takes orders, or shomei all.
type centre struct {
	supervised
	data       string
	port, mail int
	page       int // of shomei all
	begin      time.Time
	real       bool // shomei all runs

	secrets  string     // the folder of the registration authority; empty: data
	engineOf func() int // the process whose child the engine is; nil: the centre's

	tables  *warehouse.Warehouse // of shomei all
	address string               // where they were found
}

func newCentre(t *testing.T, begin time.Time) *centre {
	t.Helper()
	c := &centre{data: t.TempDir(), port: freePort(t), page: freePort(t), begin: begin}
	c.supervised = supervised{t: t, name: "centre", log: filepath.Join(c.data, "centre.log"), command: c.program, crashes: newCrashes(t, t.TempDir())}
	t.Cleanup(c.stop)
	t.Cleanup(c.look)
	return c
}

func (c *centre) program() *exec.Cmd {
	if c.real {
		return exec.Command(filepath.Join(program.dir, "shomei"), "all", "--data", c.data, "--port", strconv.Itoa(c.port), "--log-level", "info",
			"--clock", filepath.Join(c.data, "clock"), "--console", "127.0.0.1:"+strconv.Itoa(c.page))
	}
	return exec.Command(os.Args[0], "centre", "--data", c.data, "--port", strconv.Itoa(c.port), "--mail", strconv.Itoa(c.mail), "--begin", c.begin.Format(time.RFC3339))
}

// order asks the test's own centre, again and again while it is away or can't do it yet, and reads the answer.
func (c *centre) order(method, path string, into any) {
	c.t.Helper()
	var last error
	poll(c.t, "the centre to answer "+path, func() bool {
		url, gone := c.supervised.address()
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

// look forgets the tables, whose engine may have another address by now.
func (c *centre) look() {
	if c.tables != nil {
		_ = c.tables.Close() // of an engine that is gone
	}
	c.tables = nil
}

var errAbsent = errors.New("not there yet")

// warehouse opens the tables of shomei all, as its own tools find them.
func (c *centre) warehouse() (*warehouse.Warehouse, error) {
	text, err := os.ReadFile(filepath.Join(c.data, "running.json"))
	if err != nil {
		return nil, err
	}
	if c.tables != nil && c.address == string(text) {
		return c.tables, nil
	}
	c.look()
	var at struct {
		PID    int    `json:"pid"`
		Engine string `json:"engine"`
	}
	if err := json.Unmarshal(text, &at); err != nil || at.PID != c.running().Pid {
		return nil, errors.Join(err, errAbsent)
	}
	c.tables, err = warehouse.Open(c.t.Context(), warehouse.Config{DSN: c.signedIn(at.Engine), Logger: slog.New(slog.DiscardHandler)})
	c.address = string(text)
	return c.tables, err
}

// signedIn adds the password of tables that a program of its own serves: its address alone stands in running.json.
func (c *centre) signedIn(tables string) string {
	c.t.Helper()
	at, err := url.Parse(tables)
	if err != nil {
		c.t.Fatal(err)
	}
	if at.User == nil {
		password, err := os.ReadFile(filepath.Join(c.data, "keys", "engine.password"))
		if err != nil {
			c.t.Fatal(err)
		}
		at.User = url.UserPassword("shomei", strings.TrimSpace(string(password)))
	}
	return at.String()
}

// ask asks the tables of shomei all until they answer.
func (c *centre) ask(what string, do func(*warehouse.Warehouse) error) {
	c.t.Helper()
	var last error
	poll(c.t, "the tables to tell "+what, func() bool {
		tables, err := c.warehouse()
		if err == nil {
			err = do(tables)
		}
		if last = err; err != nil {
			c.look()
		}
		return err == nil
	}, func() string { return fmt.Sprintf("%v\n%s", last, c.tail()) })
}

// up waits until shomei all runs: a command that finds none takes the folder for itself.
func (c *centre) up() {
	c.t.Helper()
	c.ask("that they are there", func(*warehouse.Warehouse) error { return nil })
	c.look()
}

// subscriber is the id of a person by the resident-record code.
func (c *centre) subscriber(code string) string {
	c.t.Helper()
	secret, err := os.ReadFile(filepath.Join(cmp.Or(c.secrets, c.data), "keys", "subscriber-ids.key"))
	if err != nil {
		c.t.Fatal(err)
	}
	return ra.SubscriberID(secret, code)
}

// now is what the clock of the world shows.
func (c *centre) now() time.Time {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.data, "clock"))
	if err != nil {
		c.t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, string(text[:len(text)-1]))
	if err != nil {
		c.t.Fatal(err)
	}
	return at
}

func (c *centre) certificates(subscriber string) (list []warehouse.Certificate) {
	c.t.Helper()
	if !c.real {
		c.order("POST", "/settle", nil)
		c.order("GET", "/certificates?subscriber="+subscriber, &list)
		return list
	}
	c.ask("certificates", func(w *warehouse.Warehouse) (err error) {
		list, err = w.State(c.t.Context(), subscriber, c.now())
		if errors.Is(err, warehouse.ErrNotFound) {
			return nil
		}
		return err
	})
	return list
}

func (c *centre) notices(subscriber string) (list []warehouse.Notice) {
	c.t.Helper()
	if !c.real {
		c.order("POST", "/settle", nil)
		c.order("GET", "/notices?subscriber="+subscriber, &list)
		return list
	}
	c.ask("notices", func(w *warehouse.Warehouse) (err error) {
		list, err = w.Notices(c.t.Context(), subscriber)
		return err
	})
	return list
}

// whole checks everything against everything, and that nothing is owed any more that the hub owes by itself.
func (c *centre) whole() {
	c.t.Helper()
	if c.real {
		c.wholeFromOutside()
		return
	}
	c.order("POST", "/settle", nil)
	c.order("POST", "/lists", nil)
	var report fsck.Report
	c.order("GET", "/fsck", &report)
	for _, f := range report.Findings {
		c.t.Errorf("fsck: %s", f)
	}
	if report.Commits == 0 {
		c.t.Error("fsck looked at nothing")
	}
	var owed []string
	c.order("GET", "/owed", &owed)
	for _, what := range owed {
		c.t.Errorf("still owed: %s", what)
	}
}

// wholeFromOutside lets the commands look, beside a centre that runs, until the tables have caught up.
func (c *centre) wholeFromOutside() {
	c.t.Helper()
	c.up()
	var said string
	poll(c.t, "fsck to be silent", func() bool {
		var code int
		code, said = c.fsck(c.t)
		return code == 0
	}, func() string { return said })
	h, err := hub.Attach(c.t.Context(), hub.Config{Data: c.data, Clock: filepath.Join(c.data, "clock"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	defer h.Close()
	var owed []string
	poll(c.t, "everything to be done that is owed", func() bool {
		owed, err = stillOwed(c.t.Context(), h)
		return err == nil && len(owed) == 0
	}, func() string { return fmt.Sprint(owed, err) })
}

func (c *centre) advance(to time.Time) {
	c.t.Helper()
	if !c.real {
		c.order("POST", "/advance?to="+to.UTC().Format(time.RFC3339), nil)
		return
	}
	file := filepath.Join(c.data, "clock")
	err := os.WriteFile(file+".new", []byte(to.UTC().Format(time.RFC3339)+"\n"), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
