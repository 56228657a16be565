package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"shomei/pkg/directory"
	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
	"shomei/services/projector"
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

func (h *Hub) leaveAddress(context.Context) error {
	text, err := json.Marshal(address{
		PID: os.Getpid(), Started: startOf(os.Getpid()), URL: h.URL(), Engine: h.EngineDSN(), CA: string(h.port.ca), Name: h.port.name,
	})
	if err != nil {
		return err
	}
	if err := durable.WriteSecret(h.path(addressFile), text); err != nil {
		return err
	}
	h.leave = func() error { return os.Remove(h.path(addressFile)) }
	return nil
}

// runsAt reads where the hub runs that holds this data folder; false when a tool holds it, or a hub that is being started
// or stopped. A file left by one that was killed does not count, also when another program runs under its number since.
func (h *Hub) runsAt() (address, bool) {
	var a address
	text, err := os.ReadFile(h.path(addressFile))
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
// does, its own for as long as it is open. Nothing is decided and no service runs.
func Attach(ctx context.Context, c Config) (*Hub, error) {
	h, err := attach(ctx, c, true)
	if err != nil {
		return nil, err
	}
	h.Projector = projector.New(projector.Config{Log: h.Log, Warehouse: h.Warehouse, Logger: h.Logger})
	if h.engine == nil {
		return h, nil // the hub that runs brings its tables forward
	}
	if err := h.bringForward(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// bringForward brings the tables of a hub that does not run up to the end of its log: one that was killed has left them
// behind, and nobody else does it.
func (h *Hub) bringForward(ctx context.Context) error {
	at, err := h.Warehouse.LookAtPositions(ctx)
	if err != nil {
		return err
	}
	ends, err := h.Log.LastSequences(ctx)
	if err != nil {
		return err
	}
	for stream, end := range ends {
		h.Behind += end - min(at[stream], end)
	}
	if h.Behind == 0 {
		return nil
	}
	h.Logger.Info("the tables are behind the log, they are brought forward first", "commits", h.Behind)
	if err := h.Project(ctx); err != nil {
		return err
	}
	return os.RemoveAll(h.rebuildMark())
}

// AttachLog is [Attach] without the tables: it needs no engine.
func AttachLog(ctx context.Context, c Config) (*Hub, error) { return attach(ctx, c, false) }

func attach(ctx context.Context, c Config, tables bool) (*Hub, error) {
	h := &Hub{Config: c}
	h.defaults()
	if _, err := os.Stat(h.path("keys", "hub.nk")); err != nil {
		return nil, fmt.Errorf("%s: %w: give the folder with --data", c.Data, ErrNoData)
	}
	steps := []step{{"clock", h.openClock}, {"keys", h.openKeys}}
	at, runs, err := h.find(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case runs:
		steps = append(steps, step{"certificate", func(context.Context) error { return h.believe(at) }},
			step{"NATS", func(context.Context) error { return h.connect(at.URL, h.keys.readingUser()) }})
		if tables {
			steps = append(steps, step{"tables", func(ctx context.Context) error { return h.openServed(ctx, at.Engine) }})
		}
		steps = append(steps, step{"log", func(ctx context.Context) error { return h.openLogWith(ctx, eventlog.Config{}) }})
	default:
		steps = append(steps, step{"certificate", h.lendPort})
		if tables {
			steps = append(steps, step{"engine", h.startEngine}, step{"tables", h.openWarehouse})
		}
		steps = append(steps, step{"NATS", h.startServer}, step{"log", h.openOwnLog})
	}
	steps = append(steps, step{"directory", h.openDirectory})
	if err := h.take(ctx, steps); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// openServed opens the tables of the hub that runs.
func (h *Hub) openServed(ctx context.Context, dsn string) error {
	if _, err := os.Stat(h.rebuildMark()); err == nil {
		return fmt.Errorf("%w from the log: the console shows how far it is; ask again later", ErrRebuilding)
	}
	return h.openTables(ctx, dsn)
}

// believe takes over how the hub that runs is believed.
func (h *Hub) believe(at address) error {
	if at.CA == "" {
		return h.lendPort(context.Background())
	}
	h.port = port{ca: []byte(at.CA), name: at.Name}
	return nil
}

func (h *Hub) openDirectory(ctx context.Context) (err error) {
	h.Directory, err = directory.Open(ctx, h.Log)
	return err
}
