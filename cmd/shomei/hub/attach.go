package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/google/renameio/v2"

	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/services/projector"
)

// address is where a running hub can be reached, as it leaves it in its data folder.
type address struct {
	PID    int    `json:"pid"`
	URL    string `json:"url"`
	Engine string `json:"engine"`
}

const addressFile = "running.json"

func (h *Hub) leaveAddress(context.Context) error {
	text, err := json.Marshal(address{os.Getpid(), h.URL(), h.EngineDSN()})
	if err != nil {
		return err
	}
	h.atEnd(func() error { return os.Remove(h.path(addressFile)) })
	return renameio.WriteFile(h.path(addressFile), text, 0o600)
}

// runsAt reads where the hub of this data folder runs; false when none does. A file left by one that was killed does
// not count.
func (h *Hub) runsAt() (address, bool) {
	var a address
	text, err := os.ReadFile(h.path(addressFile))
	if err != nil || json.Unmarshal(text, &a) != nil {
		return a, false
	}
	return a, syscall.Kill(a.PID, 0) == nil
}

// ErrNoData says that a data folder holds no hub.
var ErrNoData = errors.New("no hub's data here")

// Attach opens a hub's log and tables for looking at them: those of the hub that runs on the data folder or, when none
// does, its own for as long as it is open. Nothing is decided and no service runs.
func Attach(ctx context.Context, c Config) (*Hub, error) {
	h := &Hub{Config: c}
	h.defaults()
	if _, err := os.Stat(h.path("keys", "hub.nk")); err != nil {
		return nil, fmt.Errorf("%s: %w: give the folder with --data", c.Data, ErrNoData)
	}
	steps := []step{{"clock", h.openClock}, {"keys", h.openKeys}}
	if at, ok := h.runsAt(); ok {
		steps = append(steps,
			step{"NATS", func(context.Context) error { return h.connect(at.URL) }},
			step{"tables", func(ctx context.Context) error { return h.openTables(ctx, at.Engine) }},
			step{"log", func(ctx context.Context) error { return h.openLogWith(ctx, eventlog.Config{}) }})
	} else {
		steps = append(steps, step{"engine", h.startEngine}, step{"NATS", h.startServer}, step{"tables", h.openWarehouse},
			step{"log", func(ctx context.Context) error {
				return h.openLogWith(ctx, eventlog.Config{Writer: h.keys.writer, Marks: h.path("marks")})
			}})
	}
	steps = append(steps, step{"directory", h.openDirectory})
	if err := h.take(ctx, steps); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	h.Projector = projector.New(projector.Config{Log: h.Log, Warehouse: h.Warehouse, Logger: h.Logger})
	return h, nil
}

func (h *Hub) openDirectory(ctx context.Context) (err error) {
	h.Directory, err = directory.Open(ctx, h.Log)
	return err
}

// OpenVault opens the keys of personal data, which only the process that runs the hub may hold at a time.
func (h *Hub) OpenVault(ctx context.Context) error { return h.openVault(ctx) }
