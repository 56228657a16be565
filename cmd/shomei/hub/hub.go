// Package hub is the whole centre in one process, as `shomei all` and `shomei story` run it: NATS and the ClickHouse
// engine embedded, one log, and every service on it. What talks to what stands in [start]:
//
//	counters ─claims→ ra ─commits→ log ─┬→ issuer ──────→ log
//	                                    ├→ dispatcher ──→ counters
//	                                    ├→ notifier ────→ mail, log
//	                                    ├→ eraser ──────→ vault, log
//	                                    ├→ projector ───→ ClickHouse ─hints→ expiry ─→ log
//	                                    └→ directory (offices, counters, generations)
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/notice"
	"shomei/pkg/ops"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
	"shomei/services/dispatcher"
	"shomei/services/expiry"
	"shomei/services/issuer"
	"shomei/services/notifier"
	"shomei/services/projector"
	"shomei/services/ra"
)

// Config says how a hub is run. Data is required; everything else has a default that works on one machine.
type Config struct {
	// Data is the folder that holds everything: keys, log, marks, vault, tables, revocation lists, counters' bundles.
	Data string `toml:"data"`
	// Clock is the file of a settable clock; empty: the system's. A log begun with one is simulated for ever.
	Clock string `toml:"clock"`
	// Begin is where a settable clock starts when its file does not exist.
	Begin time.Time `toml:"begin"`
	// Host and Port are where counters connect; 127.0.0.1 and any free port when empty and zero.
	Host string `toml:"host"`
	Port int    `toml:"port"`
	// AnyClock lets dates drive acts although no time service keeps the system's clock: for trying out only.
	AnyClock bool `toml:"any_clock"`
	// Streams of the log; 1 when zero.
	Streams int `toml:"streams"`
	// Mail is the server that notices go through; an empty Host starts a sink that keeps mails under Data/mail.
	Mail notice.Mailer `toml:"-"`
	// From and PrintDesk are the sender of notices and the address that letters of inquiry go to.
	From      string `toml:"from"`
	PrintDesk string `toml:"print_desk"`
	// ExpiryEvery is how often dates are looked after; 0: a minute. Negative: only by Advance.
	ExpiryEvery time.Duration `toml:"-"`
	// Patience is how long a counter may wait before it begins a command; 0: an hour.
	Patience time.Duration   `toml:"-"`
	Switches regime.Switches `toml:"-"`
	// Engine overrides how the engine is started; Path is always under Data.
	Engine engine.Config `toml:"-"`
	Logger *slog.Logger  `toml:"-"`
}

// Hub is a running centre.
type Hub struct {
	Config
	Clock     *ops.Clock
	Log       *eventlog.Log
	Directory *directory.Directory
	Vault     *vault.Vault
	Warehouse *warehouse.Warehouse
	Projector *projector.Projector
	Issuer    *issuer.Issuer
	Expiry    *expiry.Expiry
	Links     *counterlink.Hub
	// AskVault, when set, is asked by Fsck instead of Vault, which another process may hold.
	AskVault func(subscriber, class string, version uint32) (bool, error)

	// still: nothing happens by itself, and nothing is promised to anybody (StartStill).
	still    bool
	clock    clockWatch
	progress progress
	// enrolling is held while a counter is enrolled, so that no two get one id or code.
	enrolling sync.Mutex
	keys      keys
	lock      *os.File // of the data folder, held until Close
	server    *hubserver.Server
	conn      *nats.Conn
	engine    *engine.Process
	sink      *notice.Sink
	mailer    notice.Mailer
	eraser    *ra.Eraser
	cancel    context.CancelFunc
	running   *errgroup.Group
	closers   []func() error
	// leave takes back that a hub runs here, before anything of it stops.
	leave func() error
}

// Start starts a centre and returns when it serves. Whatever had started is stopped again when something fails.
func Start(ctx context.Context, c Config) (*Hub, error) {
	h := &Hub{Config: c}
	h.defaults()
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Hub) defaults() {
	if whole, err := filepath.Abs(h.Data); err == nil {
		h.Data = whole // the engine works in a folder of its own
	}
	if whole, err := filepath.Abs(h.Config.Clock); err == nil && h.Config.Clock != "" {
		h.Config.Clock = whole // so do counters
	}
	if h.Host == "" {
		h.Host = "127.0.0.1"
	}
	if h.Port == 0 {
		h.Port = -1
	}
	if h.Logger == nil {
		h.Logger = slog.Default()
	}
	if h.From == "" {
		h.From = "no-reply@shomei.example"
	}
	if h.PrintDesk == "" {
		h.PrintDesk = "print-desk@shomei.example"
	}
	if h.ExpiryEvery == 0 {
		h.ExpiryEvery = time.Minute
	}
	if h.Patience == 0 {
		h.Patience = time.Hour
	}
}

// step is one thing to start.
type step struct {
	name string
	run  func(context.Context) error
}

func (h *Hub) start(ctx context.Context) error {
	return h.take(ctx, []step{
		{"data folder", h.hold},
		{"clock", h.openClock},
		{"keys", h.openKeys},
		{"engine", h.startEngine},
		{"NATS", h.startServer},
		{"log", h.openLog},
		{"vault", h.openVault},
		{"erasures", h.catchUpErasures},
		{"tables", h.openWarehouse},
		{"mail", h.startMail},
		{"counters", h.openCounters},
		{"services", h.startServices},
		{"address", h.leaveAddress},
	})
}

func (h *Hub) take(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("starting the hub: %s: %w", s.name, err)
		}
	}
	return nil
}

func (h *Hub) path(parts ...string) string {
	return filepath.Join(append([]string{h.Data}, parts...)...)
}

// atEnd remembers what to close, the last started first.
func (h *Hub) atEnd(f func() error) { h.closers = append(h.closers, f) }

func (h *Hub) openClock(context.Context) (err error) {
	if h.Config.Clock == "" {
		h.Clock = ops.SystemClock()
		return nil
	}
	h.Clock, err = ops.OpenClock(h.Config.Clock, h.Begin)
	return err
}

func (h *Hub) openKeys(context.Context) (err error) {
	if err := os.MkdirAll(h.Data, 0o700); err != nil {
		return err
	}
	h.keys, err = openKeys(h.path("keys"))
	return err
}

func (h *Hub) startEngine(ctx context.Context) (err error) {
	config := h.Engine
	config.Path, config.Logger = h.path("clickhouse"), h.Logger
	if config.Stderr == nil {
		file, err := os.OpenFile(h.path("engine.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		h.atEnd(file.Close)
		config.Stderr = file
	}
	if h.engine, err = engine.Start(ctx, config); err != nil {
		return err
	}
	h.atEnd(func() error {
		stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return h.engine.Stop(stop)
	})
	return nil
}

func (h *Hub) startServer(ctx context.Context) (err error) {
	h.server, err = hubserver.Start(ctx, hubserver.Config{
		Host: h.Host, Port: h.Port, StoreDir: h.path("nats"), Logger: h.Logger, TLS: h.serverTLS(), Users: []hubserver.User{{Key: h.keys.public}},
		SyncAtEnd: h.still,
	})
	if err != nil {
		return err
	}
	h.atEnd(func() error { h.server.Shutdown(); return nil })
	return h.connect(h.server.URL())
}

func (h *Hub) connect(url string) (err error) {
	h.conn, err = h.dial(url)
	return err
}

// connectTries is how often the first connection is tried: on a busy machine a handshake can come too late.
const connectTries = 5

// dial is an ordinary client's TLS connection, also to the server in this process: one path for every case. Close ends
// it.
func (h *Hub) dial(url string) (conn *nats.Conn, err error) {
	for range connectTries {
		conn, err = nats.Connect(url, nats.Name("hub"), h.nkey(), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond),
			nats.TLSHandshakeFirst(), nats.Secure(h.clientTLS()))
		if err == nil {
			h.atEnd(func() error { conn.Close(); return nil })
			return conn, nil
		}
	}
	return nil, err
}

func (h *Hub) nkey() nats.Option {
	return nats.Nkey(h.keys.public, func(nonce []byte) ([]byte, error) { return h.keys.writer.Sign(nonce) })
}

func (h *Hub) openLog(ctx context.Context) error {
	if err := h.openLogWith(ctx, eventlog.Config{Writer: h.keys.writer, Marks: h.path("marks")}); err != nil {
		return err
	}
	if err := h.markLog(ctx); err != nil || h.Clock.Simulated() {
		return err
	}
	writers, err := h.keys.writers(false)
	if err != nil {
		return err
	}
	return h.Log.SetWriters(writers)
}

func (h *Hub) openLogWith(ctx context.Context, c eventlog.Config) (err error) {
	c.Conn, c.Clock = h.conn, h.Clock.Now
	h.Log, err = h.logWith(ctx, c)
	return err
}

// logWith opens the log over the connection, with the clock and the rights that c names; Close ends it.
func (h *Hub) logWith(ctx context.Context, c eventlog.Config) (*eventlog.Log, error) {
	c.Folds = make(map[string]eventlog.Fold)
	for kind, f := range lifecycle.Folds() {
		c.Folds[kind] = eventlog.Fold{Version: lifecycle.FoldVersion, Apply: f.Apply, Remembered: f.Remembered}
	}
	c.Streams, c.Logger = h.Streams, h.Logger
	var err error
	if c.Writers, err = h.keys.writers(true); err != nil {
		return nil, err
	}
	log, err := eventlog.Open(ctx, c)
	if err == nil {
		h.atEnd(log.Close)
	}
	return log, err
}

func (h *Hub) openVault(context.Context) (err error) {
	h.Vault, err = vault.Open(vault.Config{Dir: h.path("vault"), MasterKey: h.path("keys", "master.key"), Logger: h.Logger})
	if err == nil {
		h.atEnd(h.Vault.Close)
	}
	return err
}

// catchUpErasures brings the vault, which may be an old copy, to what the log orders, before anything uses its keys.
func (h *Hub) catchUpErasures(ctx context.Context) error {
	h.eraser = &ra.Eraser{Log: h.Log, Vault: h.Vault, Logger: h.Logger, Handled: h.progress.note("eraser")}
	return h.eraser.CatchUp(ctx)
}

// openTries is how often the tables of the embedded engine are asked for: it may die once it has answered, and is started
// again at the same address, where questions wait for it.
const openTries = 5

func (h *Hub) openWarehouse(ctx context.Context) (err error) {
	for range openTries {
		if err = h.openTables(ctx, h.engine.DSN()); !errors.Is(err, warehouse.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		h.Logger.Warn("the tables are away, they are asked for again", "error", err)
	}
	return err
}

func (h *Hub) openTables(ctx context.Context, dsn string) (err error) {
	h.Warehouse, err = warehouse.Open(ctx, warehouse.Config{DSN: dsn, Logger: h.Logger})
	if err == nil {
		h.atEnd(h.Warehouse.Close)
	}
	return err
}

func (h *Hub) startMail(context.Context) (err error) {
	h.mailer = h.Mail
	if h.mailer.Host != "" {
		return nil
	}
	if h.sink, err = notice.ListenSink("127.0.0.1:0", h.path("mail")); err != nil {
		return err
	}
	h.atEnd(h.sink.Close)
	h.mailer = notice.Mailer{Host: "127.0.0.1", Port: h.sink.Port(), TLS: "none"}
	return nil
}

// openCounters reads the directory, lets the enrolled counters connect, and opens the hub's end of their wire.
func (h *Hub) openCounters(ctx context.Context) (err error) {
	if h.Directory, err = directory.Open(ctx, h.Log); err != nil {
		return err
	}
	if err := counterlink.EnsureStreams(ctx, h.conn, counterlink.StreamLimits{}); err != nil {
		return err
	}
	if err := h.admitCounters(); err != nil {
		return err
	}
	h.Links, err = counterlink.NewHub(ctx, counterlink.HubConfig{
		Conn: h.conn, Writer: h.keys.writer, Logger: h.Logger, Enrolled: h.enrolled,
		Quarantine: func(ctx context.Context, q counterlink.Quarantined) error { return ra.Quarantine(ctx, h.Log, q) },
		Mismatch: func(counter string, err error) {
			h.Logger.Error("a counter remembers another history than the hub, nothing is taken from it: shomei counter adopt shows both ends and what can be done", "counter", counter, "error", err)
		},
	})
	return err
}

// startServices runs every service until Close. One that fails ends them all: better nothing than half a centre.
func (h *Hub) startServices(ctx context.Context) error {
	authority, err := ra.New(ra.Config{
		Log: h.Log, Hub: h.Links, Directory: h.Directory, Vault: h.Vault, SealKey: h.keys.seal, Secret: h.keys.secret,
		Switches: h.Switches, Name: "hub", Clock: h.Clock.Now, Logger: h.Logger,
	})
	if err != nil {
		return err
	}
	h.Issuer = issuer.New(issuer.Config{
		Log: h.Log, Directory: h.Directory, Vault: h.Vault, Keys: h.path("keys", "ca"), Switches: h.Switches, Clock: h.Clock.Now,
		Logger: h.Logger, Name: "hub", Handled: h.progress.note("issuer"),
	})
	if err := h.HoldCeremonies(ctx); err != nil {
		return err
	}
	h.Expiry = &expiry.Expiry{Config: expiry.Config{
		Log: h.Log, Warehouse: h.Warehouse, Switches: h.Switches, Clock: h.Clock.Now, Every: h.ExpiryEvery, Logger: h.Logger,
	}}
	mails := &notifier.Notifier{Config: notifier.Config{
		Log: h.Log, Directory: h.Directory, Vault: h.Vault, Mailer: h.mailer, From: h.From, PrintDesk: h.PrintDesk,
		Switches: h.Switches, Clock: h.Clock.Now, Logger: h.Logger, Retry: time.Second, Handled: h.progress.note("notifier"),
	}}
	h.Projector = projector.New(projector.Config{Log: h.Log, Warehouse: h.Warehouse, Logger: h.Logger})
	run, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.running, run = errgroup.WithContext(run)
	for name, service := range map[string]func(context.Context) error{
		"directory":  func(ctx context.Context) error { return h.Directory.Follow(ctx, h.Log, "directory") },
		"ra":         authority.Run,
		"issuer":     h.Issuer.Run,
		"dispatcher": func(ctx context.Context) error { return dispatcher.Run(ctx, h.dispatcherConfig()) },
		"notifier":   mails.Run,
		"eraser":     h.eraser.Run,
		"projector":  h.Projector.Run,
		"days":       h.followDays,
	} {
		h.running.Go(func() error {
			if err := service(run); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	return nil
}

func (h *Hub) dispatcherConfig() dispatcher.Config {
	return dispatcher.Config{
		Log: h.Log, Hub: h.Links, Directory: h.Directory, Vault: h.Vault, Patience: h.Patience, Ready: h.Issuer.Healthy,
		Clock: h.Clock.Now, Logger: h.Logger, Handled: h.progress.note("dispatcher"),
	}
}

// Wait returns when a service has failed, or after Close.
func (h *Hub) Wait() error { return h.running.Wait() }

// Close stops everything in order: services, then what they stand on, the last started first.
func (h *Hub) Close() error {
	var errs []error
	if h.leave != nil {
		errs = append(errs, h.leave())
		h.leave = nil
	}
	if h.cancel != nil {
		h.cancel()
		errs = append(errs, h.running.Wait())
	}
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i]())
	}
	h.closers = nil
	return errors.Join(errs...)
}

// URL is where counters connect.
func (h *Hub) URL() string { return h.server.URL() }

// everywhere tells whether counters can connect at every address of this machine, so that none of them is the hub's.
func (h *Hub) everywhere() bool {
	ip := net.ParseIP(h.Host)
	return ip != nil && ip.IsUnspecified()
}

// EngineDSN is where the tables can be asked directly.
func (h *Hub) EngineDSN() string { return h.engine.DSN() }

// Listen opens a loopback listener for pages; port 0 takes any free one, and ":0" or ":8471" is one of 127.0.0.1.
func Listen(addr string) (net.Listener, error) {
	if err := Loopback(addr); err != nil {
		return nil, err
	}
	if host, port, _ := net.SplitHostPort(addr); host == "" {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return net.Listen("tcp", addr)
}

// Loopback refuses an address at which pages could be reached from another machine, and what is no address.
func Loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "" && !ip.IsLoopback() {
		return fmt.Errorf("%s is not a loopback address: pages without sign-in stay on this machine", addr)
	}
	return nil
}
