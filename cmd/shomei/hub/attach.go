package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
)

// address says where a running hub can be reached. The hub writes it into its data folder.
type address struct {
	PID int `json:"pid"`
	// Started tells this process from a later one with the same number. It is empty where the system doesn't say.
	Started string `json:"started,omitempty"`
	URL     string `json:"url"`
	Engine  string `json:"engine"`
	// CA and Name are what the certificate at URL is verified by. They are empty if an older program is running.
	CA   string `json:"ca,omitempty"`
	Name string `json:"name,omitempty"`
	// Host and Names are the hub's, Clock the file of its settable clock, Streams the number of streams of its log.
	Host    string   `json:"host,omitempty"`
	Names   []string `json:"names,omitempty"`
	Clock   string   `json:"clock,omitempty"`
	Streams int      `json:"streams,omitempty"`
}

const addressFile = "running.json"

// leaveAddress writes the hub's address into its data folder. Close removes it.
func (h *Hub) leaveAddress() error {
	text, err := json.Marshal(address{
		PID: os.Getpid(), Started: startOf(os.Getpid()), URL: h.URL(), Engine: h.servedTables(), CA: string(h.port.ca), Name: h.port.name,
		Host: h.Host, Names: h.Names, Clock: h.Config.Clock, Streams: len(h.tables.began),
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

// servedTables returns where whoever may read the data folder finds the tables. The password of an engine that is a
// program's own stands among the keys, and not here.
func (h *Hub) servedTables() string {
	if h.program == nil {
		return h.EngineDSN()
	}
	at, err := url.Parse(h.EngineDSN())
	if err != nil {
		return ""
	}
	at.User = nil
	return at.String()
}

// runsAt returns the address of the hub that runs on this data folder. It returns false if a tool holds the folder, or
// a hub that is starting or stopping. A file left by a killed hub doesn't count, even if another program has its
// number.
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

// startOf returns when a process started, as proc(5) has it: the boot id and the clock ticks since boot. It returns ""
// if there is no such process or the system doesn't say.
func startOf(pid int) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The program's name, the second field, may hold blanks and parentheses: count from the last one.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const starttime = 22 - 3 // counted from the third field
	if len(fields) <= starttime {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + fields[starttime]
}

// ErrNoData: the data folder holds no hub.
var ErrNoData = errors.New("no hub's data here")

// Attach opens a hub's log and tables for reading: those of the hub that runs on the data folder or, if none does, its
// own until Close. Nothing is decided and no row runs.
func Attach(ctx context.Context, c Config) (*Parts, error) {
	p, err := attach(ctx, c, true)
	if err != nil || p.engine == nil {
		return p, err // the running hub keeps its tables up to date
	}
	if err := p.bringForward(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// bringForward applies the rest of the log to the tables of a hub that isn't running, which a killed hub leaves behind.
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
	p.Logger.Info("the tables are behind the log, catching up first", "commits", p.Behind)
	if err := p.Project(ctx); err != nil {
		return err
	}
	return os.RemoveAll(p.rebuildMark())
}

// AttachLog is [Attach] without the tables: it needs no engine.
func AttachLog(ctx context.Context, c Config) (*Parts, error) { return attach(ctx, c, false) }

func attach(ctx context.Context, c Config, tables bool) (*Parts, error) {
	p := newParts(c)
	apart := p.Separated()
	if _, err := os.Stat(p.path("keys", "hub.nk")); err != nil && !apart {
		return nil, fmt.Errorf("%s: %w: give the folder with --data", c.Data, ErrNoData)
	}
	at, runs, err := p.find(ctx)
	if err == nil && apart && !runs {
		err = fmt.Errorf("%s: %w: start its operator, and give the command again", c.Data, ErrSeparated)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	parts := looking
	if runs {
		parts, p.Streams = at.beside(), at.Streams
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

// looking lists the parts needed to read the data of a hub that isn't running.
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

// beside lists the parts needed to read the data of the hub running at this address.
func (a address) beside() []part {
	return []part{
		{"clock", nil, (*Parts).openClock},
		{"keys", nil, (*Parts).openKeys},
		{"certificate", nil, func(p *Parts, _ context.Context) error { return p.believe(a) }},
		{"NATS", nil, func(p *Parts, _ context.Context) error { return p.connect(a.URL, p.keys.serviceUser(readAccount)) }},
		{"tables", nil, func(p *Parts, ctx context.Context) error { return p.openServed(ctx, a.Engine) }},
		{"log", nil, func(p *Parts, ctx context.Context) error { return p.openLogWith(ctx, eventlog.Config{}) }},
		{"projector", nil, (*Parts).openProjector},
		{"directory", nil, (*Parts).openDirectory},
	}
}

// openServed opens the tables of the running hub.
func (p *Parts) openServed(ctx context.Context, dsn string) error {
	if _, err := os.Stat(p.rebuildMark()); err == nil && !p.Separated() {
		return fmt.Errorf("%w from the log: the console shows how far it is; ask again later", ErrRebuilding)
	}
	if p.keys.engine != "" {
		at, err := url.Parse(dsn)
		if err != nil {
			return fmt.Errorf("reading where the tables are served: %w", err)
		}
		p.Tables = at.Host
		dsn = p.tablesDSN()
	}
	return p.openTables(ctx, dsn)
}

// believe trusts the certificate of the running hub.
func (p *Parts) believe(at address) error {
	if at.CA == "" {
		return p.lendPort(context.Background())
	}
	p.port = port{ca: []byte(at.CA), name: at.Name}
	return nil
}
