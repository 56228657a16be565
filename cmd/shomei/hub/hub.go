// Package hub is the whole centre in one process, as `shomei all` and the stories of shomei-lab run it: NATS and the ClickHouse
// engine embedded, one log, and every service on it. What runs, and on what, stands in [table]; what talks to what:
//
//	counters ─claims→ ra ─commits→ log ─┬→ issuer ──────→ log
//	                                    ├→ dispatcher ──→ counters
//	                                    ├→ notifier ────→ mail, log
//	                                    ├→ eraser ──────→ vault, log
//	                                    ├→ projector ───→ ClickHouse ─hints→ expiry ─→ log
//	                                    └→ directory (offices, counters, generations)
//	issuer ─revocation lists→ bucket ─→ validation ─→ whoever checks a certificate
//	counters ─cards' challenges→ cards ─commits→ log
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"shomei/pkg/notice"
	"shomei/pkg/regime"
	"shomei/pkg/wait"
	"shomei/pkg/warehouse/engine"
)

// Config configures a hub. Data is required; every other default works on one machine.
type Config struct {
	// Data is the folder that holds everything: keys, log, marks, vault, tables, revocation lists, counters' bundles.
	Data string `toml:"data"`
	// Clock is the file of a settable clock; empty: the system clock. A log begun with one is simulated for good.
	Clock string `toml:"clock"`
	// Begin is where a settable clock starts when its file does not exist.
	Begin time.Time `toml:"begin"`
	// Host and Port are where counters connect; by default 127.0.0.1 and any free port.
	Host string `toml:"host"`
	Port int    `toml:"port"`
	// Names are the host names and addresses by which counters on other machines reach the hub; the first is the
	// default. The hub's certificate carries them.
	Names []string `toml:"names"`
	// TLSCert and TLSKey are the files of the operator's own certificate (PEM, followed by its chain) and its key,
	// TLSCA the file of the certificates that counters verify it by. All empty: the hub makes its own.
	TLSCert string `toml:"tls_cert"`
	TLSKey  string `toml:"tls_key"`
	TLSCA   string `toml:"tls_ca"`
	// AnyClock lets dates trigger acts even if no time service keeps the system clock: for trying things out only.
	AnyClock bool `toml:"any_clock"`
	// Demonstration marks a log that begins now as a demonstration's: officers' passkeys may be held by a program.
	Demonstration bool `toml:"-"`
	// Streams is the number of streams of the log; 0: 1.
	Streams int `toml:"streams"`
	// Servers are the NATS servers of a centre whose services are programs of their own, Tables the address of its engine.
	// Everything else of [Join] is in Data.
	Servers []string `toml:"-"`
	Tables  string   `toml:"-"`
	// ConsoleName is the host under which officers sign in at the console, to which the passkeys belong that are used there; empty: they
	// don't. It is the name of [sign_in] and stands in the ra's file where that is a program of its own.
	ConsoleName string `toml:"console_name,omitempty"`
	// ListsAt is the address where revocation lists are served; empty: any free port of this machine alone.
	ListsAt string `toml:"-"`
	// Copies are folders that may hold good copies of damaged records: data folders of backups, stores of mirrors on
	// other disks. A start that finds damage searches them.
	Copies []string `toml:"copies"`
	// Mail is the server that sends notices; an empty Host starts a sink that keeps mails under Data/mail.
	Mail notice.Mailer `toml:"-"`
	// From is the sender of notices, PrintDesk the address that letters of inquiry go to.
	From      string `toml:"from"`
	PrintDesk string `toml:"print_desk"`
	// Patience is how long a counter may take before it begins a command; 0: an hour.
	Patience time.Duration   `toml:"-"`
	Switches regime.Switches `toml:"-"`
	// Unlocking says what unlocks the secret files of Data.
	Unlocking Unlocking `toml:"-"`
	// Engine overrides how the engine is started; Path is always under Data.
	Engine engine.Config `toml:"-"`
	Logger *slog.Logger  `toml:"-"`
}

// Hub is a running centre.
type Hub struct {
	*Parts
	running *running
	doors   closers // pages and sockets, closed first
	// removes the hub's address before anything stops
	leave closers
}

// Start starts a centre with every row except those named, and returns once it serves. On failure, whatever has started
// is stopped again.
func Start(ctx context.Context, c Config, without ...string) (*Hub, error) {
	rows := slices.DeleteFunc(slices.Clone(table), func(r row) bool { return slices.Contains(without, r.name) })
	h := &Hub{Parts: newParts(c)}
	if h.Separated() {
		return nil, fmt.Errorf("%s: %w", h.Data, ErrSeparated)
	}
	err := h.start(ctx, needed(serving, table), rows)
	if err == nil {
		h.warnClear()
		err = h.awaitTables(ctx)
	}
	if err == nil {
		err = h.leaveAddress()
	}
	return h.orClose(err)
}

// start opens parts and runs rows on them.
func (h *Hub) start(ctx context.Context, parts []part, rows []row) (err error) {
	if err = h.open(ctx, parts); err != nil {
		return err
	}
	if h.tables.began, err = h.Log.LastSequences(ctx); err != nil {
		return err
	}
	h.running = h.run(rows)
	return nil
}

// orClose returns the hub, or stops whatever had started if err is not nil.
func (h *Hub) orClose(err error) (*Hub, error) {
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Wait waits until a row has failed or Close is called.
func (h *Hub) Wait() error { return h.running.group.Wait() }

// Close stops everything in order: first the intake rows; then, once the tables hold everything decided, the other
// rows; then the parts, the last opened first.
func (h *Hub) Close() error {
	errs := []error{h.leave.close(), h.doors.close()}
	if h.running != nil {
		errs = append(errs, h.running.end(h.drain))
	}
	return errors.Join(append(errs, h.Parts.Close())...)
}

func (p *Parts) defaults() {
	if whole, err := filepath.Abs(p.Data); err == nil {
		p.Data = whole // the engine runs in a folder of its own
	}
	if whole, err := filepath.Abs(p.Config.Clock); err == nil && p.Config.Clock != "" {
		p.Config.Clock = whole // so do counters
	}
	if p.Host == "" {
		p.Host = "127.0.0.1"
	}
	if p.Port == 0 {
		p.Port = -1
	}
	if p.Logger == nil {
		p.Logger = slog.Default()
	}
	if p.From == "" {
		p.From = "no-reply@shomei.example"
	}
	if p.PrintDesk == "" {
		p.PrintDesk = "print-desk@shomei.example"
	}
	if p.Patience == 0 {
		p.Patience = time.Hour
	}
}

// How long an orderly stop waits for the followers to finish, and then for the tables.
const (
	settleWait = 5 * time.Second
	drainWait  = 10 * time.Second
)

// drain lets the followers, and then the tables, reach the end of the log. It doesn't wait for the notifier, which may
// retry a mail for hours.
func (p *Parts) drain(ended context.Context) {
	if p.program != nil {
		return // the others are programs of their own
	}
	ctx, cancel := context.WithTimeout(ended, settleWait)
	defer cancel()
	err := wait.Until(ctx, lookEvery, func() (bool, error) {
		return p.followed(ctx, "issuer", "dispatcher", "eraser")
	})
	if err != nil && ended.Err() == nil {
		p.Logger.Warn("the followers did not finish before the stop; they continue at the next start", "error", err)
	}
	if p.tables.state() != nil {
		return // the next start makes them anew, too
	}
	ctx, cancel = context.WithTimeout(ended, drainWait)
	defer cancel()
	if err := p.Projector.CaughtUp(ctx); err != nil && ended.Err() == nil {
		p.Logger.Warn("the tables did not catch up with the log before the stop; they continue at the next start", "error", err)
	}
}

// Listen opens a loopback listener for pages. Port 0 takes any free one; without a host, 127.0.0.1 is meant.
func Listen(addr string) (net.Listener, error) {
	if err := Loopback(addr); err != nil {
		return nil, err
	}
	if host, port, _ := net.SplitHostPort(addr); host == "" {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return net.Listen("tcp", addr)
}

// Loopback refuses anything but a loopback address.
func Loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "" && !ip.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address: pages without sign-in stay on this machine; [sign_in] of the configuration has officers sign in to the console", addr)
	}
	return nil
}
