package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/civil"
)

// apart is a centre whose services are programs of their own, beside a NATS server of its own: what shomei nats init has
// made of one that ran in one process. The operator is the centre's own process.
type apart struct {
	*lives
	out      string
	services map[string]*supervised
}

// worldApart begins as realWorld, and then separates the services; console and more are lines of the centre's configuration, before its
// first table and after its last.
func worldApart(t *testing.T, begin time.Time, console string, more ...string) *apart {
	t.Helper()
	l := realWorld(t, newCrashes(t, t.TempDir()), begin)
	l.c.up()
	l.k.stop()
	l.factory.stop()
	l.c.stop()
	a := &apart{lives: l, out: filepath.Join(t.TempDir(), "services"), services: make(map[string]*supervised)}
	file := filepath.Join(t.TempDir(), "shomei.toml")
	text := console + fmt.Sprintf("[hub]\ndata = %q\nclock = %q\nport = %d\n", l.c.data, filepath.Join(l.c.data, "clock"), l.c.port) + strings.Join(more, "")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, said := l.c.shomei(t, "nats", "init", a.out, "--config", file, "--tables", "127.0.0.1:"+strconv.Itoa(freePort(t)))
	if code != 0 {
		t.Fatalf("shomei nats init: %d %s", code, said)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", filepath.Join(program.dir, "nats-server"), "github.com/nats-io/nats-server/v2")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the NATS server: %v\n%s", err, said)
	}
	a.add("nats", filepath.Join(program.dir, "nats-server"), "-c", filepath.Join(a.out, "nats", "nats.conf"))
	names, _ := hub.Programs()
	for _, name := range names {
		if name != "operator" {
			a.add(name, a.command(name)...)
		}
	}
	l.c.command = func() *exec.Cmd { args := a.command("operator"); return exec.Command(args[0], args[1:]...) }
	l.c.failing = true
	l.c.secrets, l.c.engineOf = filepath.Join(a.out, "ra"), func() int { return a.services["projector"].running().Pid }
	for _, s := range a.services {
		s.start()
	}
	l.c.start()
	l.k.start()
	l.factory.start()
	return a
}

func (a *apart) command(name string) []string {
	return []string{filepath.Join(program.dir, "shomei"), name, "--config", filepath.Join(a.out, name, "shomei.toml"), "--log-level", "info"}
}

// add adds a service. It may end by itself while what it needs is away: its unit starts it again.
func (a *apart) add(name string, command ...string) {
	a.services[name] = &supervised{
		t: a.t, name: name, log: filepath.Join(a.out, name+".log"), crashes: a.c.crashes, failing: true,
		command: func() *exec.Cmd { return exec.Command(command[0], command[1:]...) },
	}
	a.t.Cleanup(a.services[name].stop)
}

// TestEachServiceIsKilledAlone plays one act after another while somebody kills the services, each a program of its own, the
// NATS server, the engine, the counter and the factory, one at a time and at random moments.
func TestEachServiceIsKilledAlone(t *testing.T) {
	t.Parallel()
	kills, seed := number("SHOMEI_RANDOM_KILLS", someKills()), uint64(number("SHOMEI_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("SHOMEI_SEED=%d SHOMEI_RANDOM_KILLS=%d", seed, kills)
	a := worldApart(t, opening, "")
	holder := a.issue("1990-06-18")
	a.dies(a.issue("1985-06-18"))
	names := sorted(append(keysOf(a.services), "operator", "engine", "counter", "factory"))
	random := rand.New(rand.NewPCG(seed, 1))
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	killed := 0
	k := &killer{
		lives: a.lives, kills: kills, random: random, done: make(chan struct{}), end: make(chan struct{}),
		kill: func() string { killed++; return a.kill(names[killed%len(names)]) }, // each in its turn
	}
	k.during.Store("nothing")
	t.Cleanup(func() { close(k.end); <-k.done })
	go k.run()
	p := &play{lives: a.lives, random: rand.New(rand.NewPCG(seed, 2)), killer: k}
	p.until(k.done)
	for _, s := range a.services {
		s.restart()
	}
	a.c.restart() // which brings the day
	a.once()
	p.told()
	a.officer(holder)
	a.c.whole()
}

// officer has an operator with credentials of their own give the orders that several programs carry out, and with another one
// those that need two.
func (a *apart) officer(holder person) {
	file, second := filepath.Join(a.t.TempDir(), "0815.json"), filepath.Join(a.t.TempDir(), "0816.json")
	subscriber := a.c.subscriber(holder.code)
	want := func(code int, args ...string) {
		a.t.Helper()
		if args[len(args)-2] != "--creds" {
			args = append(args, "--data", a.c.data)
		}
		command := exec.CommandContext(a.t.Context(), filepath.Join(programs(a.t), "shomei"), args...)
		said, _ := command.CombinedOutput()
		if got := command.ProcessState.ExitCode(); got != code {
			a.t.Errorf("shomei %v: exit %d\n%s\nra:\n%s", args, got, said, a.services["ra"].tail())
		}
	}
	want(0, "operators", "enrol", "0815", "--out", file)
	want(0, "counter", "list", "--creds", file)
	want(0, "cards", "roll", "--creds", file)
	want(0, "counter", "enrol", office, "--role", "telephone", "--counter", "another", "--out", filepath.Join(a.t.TempDir(), "another"), "--creds", file)
	want(0, "counter", "retire", "another", "--creds", file)
	want(1, "counter", "adopt", counterName, "--creds", file) // nothing differs
	want(0, "operators", "enrol", "0816", "--out", second)
	want(0, "erase", subscriber, "--class", "contact", "--order", "No 4", "--creds", file)
	want(1, "approval", "approve", subscriber+".1", "--creds", file) // the same person
	want(0, "approval", "show", subscriber+".1", "--open", "--creds", second)
	want(0, "approval", "approve", subscriber+".1", "--creds", second) // which waits until the ra has carried it out
	want(75, "log", "subscriber/"+subscriber, "--open", "--why", "a look", "--creds", file)
	want(0, "approval", "approve", subscriber+".4", "--creds", second)
	want(0, "log", "subscriber/"+subscriber, "--open", "--why", "a look", "--creds", file)
	want(0, "operators", "retire", "0815")
	want(1, "counter", "list", "--creds", file)
}

// dies has the register notify a death, through its gateway, twice.
func (a *apart) dies(p person) {
	a.t.Helper()
	file := filepath.Join(a.t.TempDir(), "notices.csv")
	text := "id,change,caused_on,resident_code\nR-1,death," + civil.Of(a.c.now()).String() + "," + p.code + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	for _, want := range []string{"1 recorded\n", "1 recorded before\n"} {
		code, said := a.c.shomei(a.t, "residents", "import", file, "--office", office, "--officer", "0042", "--lang", "en")
		if code != 0 || !strings.Contains(said, want) {
			a.t.Fatalf("the register's notice: %d %s", code, said)
		}
	}
	a.settles(p, replaced(a.want[p.code], " valid", " revoked cessation-of-operation")...)
}

func (a *apart) kill(name string) string {
	switch name {
	case "operator":
		a.c.kill()
	case "counter":
		a.k.kill()
	case "factory":
		a.factory.kill()
	case "engine":
		if !a.c.killEngine() {
			a.services["projector"].kill()
			return "projector, which had no engine yet"
		}
	default:
		a.services[name].kill()
	}
	return name
}

func keysOf(all map[string]*supervised) (names []string) {
	for name := range all {
		names = append(names, name)
	}
	return slices.Sorted(slices.Values(names))
}
