package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"shomei/cmd/cli"
	"shomei/cmd/shomei/hub"
	"shomei/pkg/tether"
	"shomei/pkg/wait"
)

const apartPart = "acts, ten programs"

// actsApart measures the acts of acts with every service a process of its own, beside a NATS server of its own, and says
// how much processor time each process takes.
func actsApart(ctx context.Context, o Options) (figures []Figure, err error) {
	folder, remove, err := o.scratch()
	if err != nil {
		return nil, err
	}
	defer remove()
	c, err := newApart(ctx, folder)
	if err != nil {
		return []Figure{{Part: apartPart, Name: "not measured: " + err.Error()}}, nil
	}
	enrolled, err := c.separate(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	a := &acting{ctx: ctx, now: func() time.Time { return actsOpen }}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.open(enrolled, folder); err != nil {
		return nil, err
	}
	if _, err := turn(counters, o.Span/2, a.act); err != nil { // warms everything up
		return nil, err
	}
	var turns []sample
	spent := make(map[string][]float64)
	for n := range o.Turns {
		begun, before := a.acts.Load(), c.processorTimes()
		s, err := turn(counters, o.Span, a.act)
		if err != nil {
			return nil, err
		}
		after, acts := c.processorTimes(), float64(a.acts.Load()-begun)
		for name, time := range after {
			spent[name] = append(spent[name], float64((time-before[name]).Microseconds())/1000/acts)
		}
		o.say("%s, turn %d: %.1f/s", apartPart, n+1, s.perSecond)
		turns = append(turns, s)
	}
	return apartFigures(medians(turns), spent), nil
}

func apartFigures(s sample, spent map[string][]float64) []Figure {
	var each []Figure
	all := 0.0
	for name, times := range spent {
		f := Figure{Name: "of it " + name, Value: median(times), Unit: "ms"}
		each, all = append(each, f), all+f.Value
	}
	slices.SortFunc(each, func(a, b Figure) int { return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Name, b.Name)) })
	return append([]Figure{
		{Part: apartPart, Name: fmt.Sprintf("%d counters, two certificates each", counters), Value: s.perSecond, Unit: "acts/s"},
		{Name: "half of them within", Value: s.p50, Unit: "ms"},
		{Name: "99 of 100 within", Value: s.p99, Unit: "ms"},
		{Name: "processor time of all processes for one", Value: all, Unit: "ms"},
	}, each...)
}

// apart is a centre whose services are processes.
type apart struct {
	folder, shomei, nats string
	port                 int    // of the NATS server
	tables               string // address of the engine
	programs             []*program
}

// newApart finds what is to run. The NATS server is built from the module whose client and embedded server we use.
func newApart(ctx context.Context, folder string) (*apart, error) {
	shomei, err := cli.Beside("shomei")
	if err != nil {
		return nil, err
	}
	c := &apart{folder: folder, shomei: shomei, nats: filepath.Join(folder, "nats-server")}
	build := exec.CommandContext(ctx, "go", "build", "-o", c.nats, "github.com/nats-io/nats-server/v2")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the NATS server can't be built here (%w): %.200s", err, bytes.TrimSpace(said))
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(ports[0]) // it was listened on
	c.tables = ports[1]
	c.port, err = strconv.Atoi(port)
	return c, err
}

func (c *apart) path(parts ...string) string {
	return filepath.Join(append([]string{c.folder}, parts...)...)
}

// separate makes a centre in one process, with counters, and separates its services.
func (c *apart) separate(ctx context.Context) ([]enrolment, error) {
	config := hub.Config{Data: c.path("data"), Clock: c.path("clock"), Begin: actsOpen, Port: c.port, Logger: silent}
	h, err := hub.Start(ctx, config, hub.ByHand...)
	if err != nil {
		return nil, err
	}
	enrolled, err := enrolAll(ctx, h)
	if err := errors.Join(err, h.Close()); err != nil {
		return nil, err
	}
	_, err = hub.Separate(ctx, config, hub.Separation{
		Out: c.path("services"), Tables: c.tables,
		Settings: func(_, data, server string) ([]byte, error) {
			return fmt.Appendf(nil, "[hub]\ndata = %q\nclock = %q\nport = %d\n[nats]\nservers = [%q]\n[clickhouse]\ntables = %q\n[log]\nlevel = \"error\"\n",
				data, c.path("clock"), c.port, server, c.tables), nil
		},
	})
	return enrolled, err
}

// start starts the NATS server and then all programs, and waits until each serves.
func (c *apart) start(ctx context.Context) error {
	err := c.run("nats-server", "Server is ready", c.nats, "-c", c.path("services", "nats", "nats.conf"))
	if err == nil {
		err = c.programs[0].ready(ctx)
	}
	names, _ := hub.Programs()
	for _, name := range names {
		if err == nil {
			err = c.run(name, "/healthz", c.shomei, name, "--config", c.path("services", name, "shomei.toml"))
		}
	}
	if err != nil {
		return err
	}
	for _, p := range c.programs {
		if err := p.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// program is one that was started, with what it has said.
type program struct {
	name, serves string
	process      *tether.Process
	ended        chan error

	mu   sync.Mutex
	said bytes.Buffer
}

// run starts a program that says serves once it does.
func (c *apart) run(name, serves string, command ...string) error {
	p := &program{name: name, serves: serves, ended: make(chan error, 1)}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = p, p
	var err error
	if p.process, err = tether.Start(cmd); err != nil {
		return err
	}
	c.programs = append(c.programs, p)
	go func() { p.ended <- p.process.Wait() }()
	return nil
}

// Write keeps what the process says.
func (p *program) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(text)
}

func (p *program) says(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(p.said.String(), text)
}

// startsWithin bounds how long a process may take until it serves.
const startsWithin = 2 * time.Minute

func (p *program) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	for !p.says(p.serves) {
		select {
		case err := <-p.ended:
			p.ended <- err // for stop
			return fmt.Errorf("%s ended (%w): %s", p.name, err, p.said.String())
		default:
		}
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s does not serve: %s: %w", p.name, p.said.String(), err)
		}
	}
	return nil
}

// stop ends all programs, the NATS server last.
func (c *apart) stop() error {
	var errs []error
	for _, p := range slices.Backward(c.programs) {
		_ = p.process.Process.Signal(os.Interrupt) // it has ended
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			errs = append(errs, fmt.Errorf("%s does not stop", p.name), p.process.Process.Kill())
			<-p.ended
		}
	}
	return errors.Join(errs...)
}

// processorTimes returns how much processor time each program has taken, the counters in this process, and the engine.
func (c *apart) processorTimes() map[string]time.Duration {
	times := make(map[string]time.Duration)
	add := func(name string, pid int) {
		if taken, err := processorTime(pid); err == nil { // else it has ended
			times[name] += taken
		}
	}
	add("the counters", os.Getpid())
	for _, p := range c.programs {
		add(p.name, p.process.Process.Pid)
		children, _ := childrenOf(p.process.Process.Pid) // it has ended
		for _, engine := range children {
			add("the tables' engine", engine)
		}
	}
	return times
}
