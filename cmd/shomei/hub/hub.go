// Package hub is the whole centre in one process, as `shomei all` and the stories of shomei-lab run it: NATS and the ClickHouse
// engine embedded, one log, and every service on it. What talks to what stands in [start]:
//
//	counters ─claims→ ra ─commits→ log ─┬→ issuer ──────→ log
//	                                    ├→ dispatcher ──→ counters
//	                                    ├→ notifier ────→ mail, log
//	                                    ├→ eraser ──────→ vault, log
//	                                    ├→ projector ───→ ClickHouse ─hints→ expiry ─→ log
//	                                    └→ directory (offices, counters, generations)
//	counters ─cards' challenges→ cards ─commits→ log
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"shomei/pkg/counterlink"
	"shomei/pkg/days"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/notice"
	"shomei/pkg/ops"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
	"shomei/services/cards"
	"shomei/services/dispatcher"
	"shomei/services/eraser"
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
	// Names are the host names and addresses by which counters on other machines reach the hub, the first one by default.
	// The hub's certificate carries them.
	Names []string `toml:"names"`
	// TLSCert and TLSKey are the files of a certificate of one's own (PEM, the chain after it) and its key, TLSCA that of the
	// certificates by which counters believe it. All empty: the hub makes its own.
	TLSCert string `toml:"tls_cert"`
	TLSKey  string `toml:"tls_key"`
	TLSCA   string `toml:"tls_ca"`
	// AnyClock lets dates drive acts although no time service keeps the system's clock: for trying out only.
	AnyClock bool `toml:"any_clock"`
	// Streams of the log; 1 when zero.
	Streams int `toml:"streams"`
	// Copies are folders that may hold good copies of damaged records: data folders of backups, stores of mirrors on other
	// disks. They are looked into when a start finds damage.
	Copies []string `toml:"copies"`
	// Mail is the server that notices go through; an empty Host starts a sink that keeps mails under Data/mail.
	Mail notice.Mailer `toml:"-"`
	// From and PrintDesk are the sender of notices and the address that letters of inquiry go to.
	From      string `toml:"from"`
	PrintDesk string `toml:"print_desk"`
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
	// began is where the log ended when this hub began to serve.
	began eventlog.Positions
	// Behind is how many commits the tables lacked when a hub that does not run was attached to; they were brought forward.
	Behind uint64
	Cards  *cards.Cards
	// AskVault, when set, is asked by Fsck instead of Vault, which another process may hold.
	AskVault func(context.Context, []vault.Key) ([]vault.Status, error)

	// still: nothing happens by itself, and nothing is promised to anybody (StartStill).
	still    bool
	without  []string // rows that are not started
	trust    *ops.ClockTrust
	progress progress
	// enrolling is held while a counter is enrolled, so that no two get one id or code.
	enrolling sync.Mutex
	keys      keys
	lock      *os.File // of the data folder, held until Close
	port      port
	server    *hubserver.Server
	conn      *nats.Conn
	engine    *engine.Process
	sink      *notice.Sink
	mailer    notice.Mailer
	eraser    *eraser.Eraser
	tables    tables
	cancel    context.CancelFunc
	running   *errgroup.Group
	ended     context.Context // done when a service has failed, or all are stopped
	// stopIntake ends what takes in claims and orders and what dates drive; intake waits for that.
	stopIntake context.CancelFunc
	intake     sync.WaitGroup
	doors      []func() error // pages and sockets, closed before anything else
	closers    []func() error
	// leave takes back that a hub runs here, before anything of it stops.
	leave func() error
}

// Start starts a centre with every row but those that are named, and returns when it serves. Whatever had started is stopped
// again when something fails.
func Start(ctx context.Context, c Config, without ...string) (*Hub, error) {
	h := &Hub{Config: c, without: without}
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
		{"certificate", h.openPort},
		{"derived files", h.makeWay},
		{"engine", h.openEngine},
		{"NATS", h.startServer},
		{"log", h.openLog},
		{"vault", h.makeVault},
		{"erasures", h.catchUpErasures},
		{"tables", h.connectTables},
		{"mail", h.startMail},
		{"links", h.openLinks},
		{"cards", h.openCards},
		{"counters", func(context.Context) error { return h.admitCounters() }},
		{"services", h.startServices},
		{"tables", h.awaitTables},
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

// startEngine starts an engine that the caller can't do without.
func (h *Hub) startEngine(ctx context.Context) error {
	if err := h.openEngine(ctx); err != nil {
		return err
	}
	return h.engine.Begin(ctx)
}

// openEngine takes the engine's address, at which questions wait until it runs.
func (h *Hub) openEngine(context.Context) (err error) {
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
	if h.engine, err = engine.Open(config); err != nil {
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
		Host: h.Host, Port: h.Port, StoreDir: h.path("nats"), Logger: h.Logger, TLS: h.port.server(), Accounts: &h.keys.accounts,
		SyncAtEnd: h.still, Blocks: h.blocks(),
	})
	if err != nil {
		return err
	}
	h.atEnd(func() error { h.server.Shutdown(); return nil })
	return h.connect(h.server.URL(), h.keys.hubUser())
}

// blocks says what damaged streams are mended by, and where what is found is left.
func (h *Hub) blocks() blocks.Config {
	return blocks.Config{
		Store: h.path("nats"), Evidence: h.path("evidence"), Gaps: h.path("marks"), Seen: eventlog.SeenIn(h.path("marks")),
		Copies: h.Copies, Logger: h.Logger,
	}
}

func (h *Hub) connect(url string, as user) (err error) {
	h.conn, err = h.dial(url, as)
	return err
}

func (h *Hub) openLog(ctx context.Context) error {
	if err := h.openOwnLog(ctx); err != nil {
		return err
	}
	if err := h.markLog(ctx); err != nil && !eventlog.Unreadable(err) {
		return err
	} else if err != nil {
		h.Logger.Error("the facts about the log as a whole can't be read, no certificate is issued until they can", "error", err)
	}
	if h.Clock.Simulated() {
		return nil
	}
	writers, err := h.keys.writers(false)
	if err != nil {
		return err
	}
	return h.Log.SetWriters(writers)
}

// openOwnLog opens the log for writing, and makes or sets right every stream of this hub.
func (h *Hub) openOwnLog(ctx context.Context) error {
	err := h.settingUp(func(conn *nats.Conn) error {
		return counterlink.EnsureStreams(ctx, conn, counterlink.StreamLimits{Store: h.server.StoreLimit()})
	})
	if err != nil {
		return err
	}
	if err := h.server.FitDisk(ctx); err != nil {
		return err
	}
	return h.settingUp(func(conn *nats.Conn) error {
		return h.openLogWith(ctx, eventlog.Config{Writer: h.keys.writer, Marks: h.path("marks"), SetUp: conn})
	})
}

// settingUp has streams made or set right over a connection that may do so.
func (h *Hub) settingUp(do func(*nats.Conn) error) error {
	conn, err := h.dial(h.server.URL(), h.keys.settingUpUser())
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(conn)
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
	c.Streams, c.Logger, c.Gaps = h.Streams, h.Logger, h.path("marks")
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

func (h *Hub) openCards(ctx context.Context) (err error) {
	h.Cards, err = cards.New(ctx, cards.Config{Log: h.Log, Links: h.Links, Keys: h.path("keys", "cards.key"), Logger: h.Logger})
	return err
}

// catchUpErasures brings the vault, which may be an old copy, to what the log orders, before anything uses its keys.
func (h *Hub) catchUpErasures(ctx context.Context) (err error) {
	h.eraser, err = eraser.New(ctx, eraser.Config{Log: h.Log, Vault: h.Vault, Logger: h.Logger, Handled: h.progress.note("eraser")})
	return err
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

// openLinks reads the directory and opens the hub's end of the counters' wire. Nobody is heard yet.
func (h *Hub) openLinks(ctx context.Context) (err error) {
	if h.Directory, err = directory.Open(ctx, h.Log); err != nil {
		return err
	}
	gate, err := h.dial(h.server.URL(), h.keys.gateUser())
	if err != nil {
		return err
	}
	h.Links, err = counterlink.NewHub(ctx, counterlink.HubConfig{
		Conn: h.conn, Gate: gate, Connected: h.server.Connected, Crowded: h.crowded, Suspend: h.suspend,
		Writer: h.keys.writer, Logger: h.Logger, Enrolled: h.enrolled,
		Now: h.Clock.Now, Simulated: h.Clock.Simulated(),
		Quarantine: func(ctx context.Context, q counterlink.Quarantined) error {
			return ra.Quarantine(ctx, h.Log, h.Vault, q)
		},
		Mismatch: func(counter string, err error) {
			h.Logger.Error("a counter remembers another history than the hub, nothing is taken from it: shomei counter adopt shows both ends and what can be done", "counter", counter, "error", err)
		},
	})
	return err
}

// days says how dates are looked after.
func (h *Hub) days() days.Watch {
	return days.Watch{Every: time.Minute, Trusted: h.trust.Check, Logger: h.Logger}
}

// startServices runs every service until Close. One that fails ends them all: better nothing than half a centre.
func (h *Hub) startServices(ctx context.Context) error {
	authority, err := ra.New(ra.Config{
		Log: h.Log, Links: h.Links, Directory: h.Directory, Vault: h.Vault, SealKey: h.keys.seal, Secret: h.keys.secret,
		Switches: h.Switches, Clock: h.Clock.Now, Simulated: h.Clock.Simulated(), Logger: h.Logger, KnownSerials: h.Warehouse.KnownSerials, Inquired: h.Warehouse.Inquired,
	})
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.running, run = errgroup.WithContext(run)
	h.ended = run
	h.trust = ops.TrustClock(run, h.Clock, h.AnyClock)
	h.Issuer = h.newIssuer(h.Log, h.Clock.Now)
	if err := h.Issuer.HoldDueCeremonies(ctx); eventlog.Unreadable(err) {
		h.Logger.Error("an authority can't be read, it issues nothing until it can", "error", err)
	} else if err != nil {
		return err
	}
	h.Expiry = expiry.New(expiry.Config{
		Log: h.Log, Warehouse: h.Warehouse, Switches: h.Switches, Clock: h.Clock.Now, Days: h.days(), Logger: h.Logger,
	})
	mails, err := notifier.New(notifier.Config{
		Log: h.Log, Directory: h.Directory, Vault: h.Vault, Mailer: h.mailer, From: h.From, PrintDesk: h.PrintDesk,
		Switches: h.Switches, Clock: h.Clock.Now, Logger: h.Logger, Retry: time.Second, Handled: h.progress.note("notifier"),
	})
	if err != nil {
		return err
	}
	if h.began, err = h.Log.LastSequences(ctx); err != nil {
		return err
	}
	intake, stop := context.WithCancel(run)
	h.stopIntake = stop
	for name, service := range map[string]func(context.Context) error{"ra": authority.Run, "ceremonies": h.Issuer.RunDays, "expiry": h.Expiry.Run} {
		if slices.Contains(h.without, name) {
			continue
		}
		h.intake.Add(1)
		h.launch(intake, name, func(ctx context.Context) error {
			defer h.intake.Done()
			return service(ctx)
		})
	}
	for name, service := range map[string]func(context.Context) error{
		"directory":  func(ctx context.Context) error { return h.Directory.Follow(ctx, h.Log, "directory") },
		"issuer":     h.Issuer.Run,
		"dispatcher": dispatcher.New(h.dispatcherConfig()).Run,
		"cards":      h.Cards.Run,
		"notifier":   mails.Run,
		"eraser":     h.eraser.Run,
		"tables":     h.keepTables,
	} {
		h.launch(run, name, service)
	}
	return nil
}

// launch runs one service until ctx ends.
func (h *Hub) launch(ctx context.Context, name string, service func(context.Context) error) {
	h.running.Go(func() error {
		if err := service(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

func (h *Hub) dispatcherConfig() dispatcher.Config {
	return dispatcher.Config{
		Log: h.Log, Links: h.Links, Directory: h.Directory, Vault: h.Vault, Patience: h.Patience, Ready: h.Issuer.Healthy,
		Clock: h.Clock.Now, Logger: h.Logger, Handled: h.progress.note("dispatcher"),
	}
}

// Wait returns when a service has failed, or after Close.
func (h *Hub) Wait() error { return h.running.Wait() }

// Close stops everything in order: first what takes in, then, when the tables have what was decided, the services, then
// what they stand on, the last started first.
func (h *Hub) Close() error {
	var errs []error
	if h.leave != nil {
		errs = append(errs, h.leave())
		h.leave = nil
	}
	errs = append(errs, closeAll(&h.doors))
	if h.stopIntake != nil {
		h.stopIntake()
		h.intake.Wait()
		h.drain()
	}
	if h.cancel != nil {
		h.cancel()
		errs = append(errs, h.running.Wait())
	}
	return errors.Join(append(errs, closeAll(&h.closers))...)
}

// closeAll closes what was opened, the last first.
func closeAll(closers *[]func() error) error {
	var errs []error
	for i := len(*closers) - 1; i >= 0; i-- {
		errs = append(errs, (*closers)[i]())
	}
	*closers = nil
	return errors.Join(errs...)
}

// How long an orderly stop waits for followers to finish what was decided, and then for the tables.
const (
	settleWait = 5 * time.Second
	drainWait  = 10 * time.Second
)

// drain lets the followers, and then the tables, come to the end of the log. The notifier is not waited for: a mail may be
// tried again for hours.
func (h *Hub) drain() {
	ctx, cancel := context.WithTimeout(h.ended, settleWait)
	defer cancel()
	err := until(ctx, func(ctx context.Context) (bool, error) {
		return h.followed(ctx, "issuer", "dispatcher", "eraser")
	})
	if err != nil && h.ended.Err() == nil {
		h.Logger.Warn("not everything decided was carried out before the stop, it goes on at the next start", "error", err)
	}
	if h.tables.state() != nil {
		return // they are made anew at the next start, too
	}
	ctx, cancel = context.WithTimeout(h.ended, drainWait)
	defer cancel()
	if err := h.Projector.CaughtUp(ctx); err != nil && h.ended.Err() == nil {
		h.Logger.Warn("the tables do not hold all that the log holds, they go on at the next start", "error", err)
	}
}

// URL is where the hub listens for counters.
func (h *Hub) URL() string { return h.server.URL() }

// nearURL is where those on this machine connect: no certificate carries the address that stands for every one.
func (h *Hub) nearURL() string {
	if !h.everywhere() {
		return h.URL()
	}
	at, err := url.Parse(h.URL())
	if err != nil {
		return h.URL()
	}
	at.Host = net.JoinHostPort("localhost", at.Port())
	return at.String()
}

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
