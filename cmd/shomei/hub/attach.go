package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
)

// address is where a running hub can be reached, as it leaves it in its data folder.
type address struct {
	PID int `json:"pid"`
	// Started tells this process from a later one that got the same number; empty where the system does not tell.
	Started string `json:"started,omitempty"`
	URL     string `json:"url"`
	Engine  string `json:"engine"`
	// CA and Name are those by which the certificate at URL is believed; empty where an older program runs.
	CA   string `json:"ca,omitempty"`
	Name string `json:"name,omitempty"`
}

const addressFile = "running.json"

// leaveAddress leaves word of where the hub is reached, until Close.
func (h *Hub) leaveAddress() error {
	text, err := json.Marshal(address{
		PID: os.Getpid(), Started: startOf(os.Getpid()), URL: h.URL(), Engine: h.EngineDSN(), CA: string(h.port.ca), Name: h.port.name,
	})
	if err != nil {
		return err
	}
	if err := durable.WriteSecret(h.path(addressFile), text); err != nil {
		return err
	}
	h.leave = closers{func() error { return os.Remove(h.path(addressFile)) }}
	return nil
}

// runsAt reads where the hub runs that holds this data folder; false when a tool holds it, or a hub that is being started
// or stopped. A file left by one that was killed does not count, also when another program runs under its number since.
func (p *Parts) runsAt() (address, bool) {
	var a address
	text, err := os.ReadFile(p.path(addressFile))
	if err != nil || json.Unmarshal(text, &a) != nil {
		return a, false
	}
	if now := startOf(a.PID); a.Started != "" && now != a.Started {
		return a, false
	}
	return a, syscall.Kill(a.PID, 0) == nil
}

// startOf tells when a process started, as proc(5) does: the boot, and the clock ticks since. It is empty when there is
// no such process or the system does not tell.
func startOf(pid int) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The program's name, the second field, may hold blanks and parentheses; what counts is behind the last one.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const starttime = 22 - 3 // of the fields from the third on
	if len(fields) <= starttime {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[starttime]
}

// ErrNoData says that a data folder holds no hub.
var ErrNoData = errors.New("no hub's data here")

// Attach opens a hub's log and tables for looking at them: those of the hub that runs on the data folder or, when none
// does, its own for as long as it is open. Nothing is decided and no row runs.
func Attach(ctx context.Context, c Config) (*Parts, error) {
	p, err := attach(ctx, c, true)
	if err != nil || p.engine == nil {
		return p, err // the hub that runs brings its tables forward
	}
	if err := p.bringForward(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// bringForward brings the tables of a hub that does not run up to the end of its log: one that was killed has left them
// behind, and nobody else does it.
func (p *Parts) bringForward(ctx context.Context) error {
	at, err := p.Warehouse.LookAtPositions(ctx)
	if err != nil {
		return err
	}
	ends, err := p.Log.LastSequences(ctx)
	if err != nil {
		return err
	}
	for stream, end := range ends {
		p.Behind += end - min(at[stream], end)
	}
	if p.Behind == 0 {
		return nil
	}
	p.Logger.Info("the tables are behind the log, they are brought forward first", "commits", p.Behind)
	if err := p.Project(ctx); err != nil {
		return err
	}
	return os.RemoveAll(p.rebuildMark())
}

// AttachLog is [Attach] without the tables: it needs no engine.
func AttachLog(ctx context.Context, c Config) (*Parts, error) { return attach(ctx, c, false) }

func attach(ctx context.Context, c Config, tables bool) (*Parts, error) {
	p := newParts(c)
	if _, err := os.Stat(p.path("keys", "hub.nk")); err != nil {
		return nil, fmt.Errorf("%s: %w: give the folder with --data", c.Data, ErrNoData)
	}
	at, runs, err := p.find(ctx)
	if err != nil {
		return nil, err
	}
	parts := looking
	if runs {
		parts = at.beside()
	}
	if !tables {
		parts = slices.DeleteFunc(slices.Clone(parts), func(one part) bool {
			return slices.Contains([]string{"engine", "tables", "projector"}, one.name)
		})
	}
	if err := p.open(ctx, parts); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// looking are the parts of a hub that does not run, for whoever looks at its data.
var looking = []part{
	{"clock", nil, (*Parts).openClock},
	{"keys", nil, (*Parts).openKeys},
	{"certificate", nil, (*Parts).lendPort},
	{"engine", nil, (*Parts).startEngine},
	{"tables", nil, (*Parts).openWarehouse},
	{"NATS", nil, (*Parts).startServer},
	{"log", nil, (*Parts).openOwnLog},
	{"projector", nil, (*Parts).openProjector},
	{"directory", nil, (*Parts).openDirectory},
}

// beside are the parts of the hub that runs at this address, for whoever looks at its data.
func (a address) beside() []part {
	return []part{
		{"clock", nil, (*Parts).openClock},
		{"keys", nil, (*Parts).openKeys},
		{"certificate", nil, func(p *Parts, _ context.Context) error { return p.believe(a) }},
		{"NATS", nil, func(p *Parts, _ context.Context) error { return p.connect(a.URL, p.keys.readingUser()) }},
		{"tables", nil, func(p *Parts, ctx context.Context) error { return p.openServed(ctx, a.Engine) }},
		{"log", nil, func(p *Parts, ctx context.Context) error { return p.openLogWith(ctx, eventlog.Config{}) }},
		{"projector", nil, (*Parts).openProjector},
		{"directory", nil, (*Parts).openDirectory},
	}
}

// openServed opens the tables of the hub that runs.
func (p *Parts) openServed(ctx context.Context, dsn string) error {
	if _, err := os.Stat(p.rebuildMark()); err == nil {
		return fmt.Errorf("%w from the log: the console shows how far it is; ask again later", ErrRebuilding)
	}
	return p.openTables(ctx, dsn)
}

// believe takes over how the hub that runs is believed.
func (p *Parts) believe(at address) error {
	if at.CA == "" {
		return p.lendPort(context.Background())
	}
	p.port = port{ca: []byte(at.CA), name: at.Name}
	return nil
}
