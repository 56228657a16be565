package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"shomei/pkg/ca"
	"shomei/pkg/counterlink"
	"shomei/pkg/days"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/eventlog/blocks"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/notice"
	"shomei/pkg/ops"
	"shomei/pkg/published"
	"shomei/pkg/secret"
	"shomei/pkg/vault"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/engine"
	"shomei/services/cards"
	"shomei/services/eraser"
	"shomei/services/expiry"
	"shomei/services/issuer"
	"shomei/services/notifier"
	"shomei/services/projector"
	"shomei/services/ra"
	"shomei/services/register"
	"shomei/services/validation"
	vaultservice "shomei/services/vault"
)

// Parts are what the rows of a centre stand on, and what tools look at. Each is opened once; Close closes them all.
type Parts struct {
	Config
	Clock *ops.Clock
	// Log is for reading; logs are the same for those that write.
	Log       *eventlog.Log
	logs      map[eventlog.Role]*eventlog.Log
	Directory *directory.Directory
	Vault     *vault.Vault
	Warehouse *warehouse.Warehouse
	Links     *counterlink.Links
	asked
	// AskVault, if set, is asked by Fsck in place of Vault, which another process may hold.
	AskVault func(context.Context, []vault.Key) ([]vault.Status, error)
	// Behind is how many commits the tables of a stopped hub lacked when they were opened.
	Behind uint64

	// asks: this process is an operator's, and asks the centre for what others have to do.
	asks bool
	// officer is whose credentials it uses; empty: the centre's own, in its data folder.
	officer string
	// program is what this process is, in a centre whose services are programs of their own; nil: all of it.
	program *program
	// sealed seals and opens personal data, and finds persons: the vault, or its service in another process.
	sealed ra.Keys
	// server is the embedded NATS server; nil if there is another.
	server *hubserver.Server
	conn   *nats.Conn
	engine *engine.Process
	mailer notice.Mailer
	trust  *ops.ClockTrust
	// secrets reads and writes the secret files of the data folder.
	secrets *secret.Store
	keys    keys
	bucket  *published.Bucket
	port    port
	tables  tables
	// positions holds how far each follower row has come.
	positions positions
	// enrolling is held while a counter is enrolled, so that no two get the same id or code.
	enrolling sync.Mutex
	// revoking is held while an external server is told who is revoked; told is what it was told last.
	revoking sync.Mutex
	told     hubserver.Revoked
	// suspended says until when users are kept off an external server.
	suspended map[string]time.Time
	lock      *os.File // of the data folder, held until Close
	closers   closers
}

// asked are the services that others in this process call; the rest are known to their rows only.
type asked struct {
	RA        *ra.RA
	Issuer    *issuer.Issuer
	Expiry    *expiry.Expiry
	Projector *projector.Projector
	Cards     *cards.Cards
	// Validation serves revocation lists.
	Validation *validation.Validation
	// Register is the gateway for municipalities' resident registers.
	Register *register.Register
	eraser   *eraser.Eraser
	notifier *notifier.Notifier
	// vaultService answers other programs.
	vaultService *vaultservice.Service
}

// part is one thing that rows and other parts need.
type part struct {
	name  string
	needs []string
	open  func(*Parts, context.Context) error
}

// serving lists the parts of a serving centre, each behind what it needs.
var serving = []part{
	{"data folder", nil, (*Parts).hold},
	{"clock", nil, (*Parts).openClock},
	{"keys", []string{"data folder"}, (*Parts).openKeys},
	{"certificate", []string{"keys"}, (*Parts).openPort},
	{"derived files", []string{"data folder"}, (*Parts).makeWay},
	{"engine", []string{"derived files"}, (*Parts).openEngine},
	{"NATS", []string{"certificate"}, (*Parts).startServer},
	{"log", []string{"NATS", "clock"}, (*Parts).openLog},
	{"vault", []string{"log"}, (*Parts).openErasedVault},
	{"tables", []string{"engine"}, (*Parts).connectTables},
	{"projector", []string{"log", "tables"}, (*Parts).openProjector},
	{"mail", []string{"derived files"}, (*Parts).startMail},
	{"directory", []string{"log"}, (*Parts).openDirectory},
	{"notifier", []string{"directory", "vault", "mail"}, (*Parts).openNotifier},
	{"links", []string{"directory", "vault"}, (*Parts).openLinks},
	{"cards", []string{"links"}, (*Parts).openCards},
	{"counters", []string{"cards"}, (*Parts).admit},
	{"ra", []string{"counters", "tables"}, (*Parts).openRA},
	{"issuer", []string{"directory", "vault"}, (*Parts).openIssuer},
	{"expiry", []string{"log", "tables"}, (*Parts).openExpiry},
	{"validation", []string{"directory", "derived files"}, (*Parts).openValidation},
	{"register", []string{"directory"}, (*Parts).openRegister},
}

// needed returns the parts of list that rows need, directly or through other parts.
func needed(list []part, rows []row) (some []part) {
	wanted := make(map[string]bool)
	for _, r := range rows {
		for _, name := range r.needs {
			wanted[name] = true
		}
	}
	for _, p := range slices.Backward(list) {
		if !wanted[p.name] {
			continue
		}
		some = append(some, p)
		for _, name := range p.needs {
			wanted[name] = true
		}
	}
	slices.Reverse(some)
	return some
}

// newParts returns Parts with nothing open.
func newParts(c Config) *Parts {
	p := &Parts{Config: c}
	p.defaults()
	return p
}

// open opens parts one after the other.
func (p *Parts) open(ctx context.Context, list []part) error {
	for _, s := range list {
		if err := s.open(p, ctx); err != nil {
			return fmt.Errorf("starting the hub: %s: %w", s.name, err)
		}
	}
	return nil
}

// Close closes what was opened, the last opened first.
func (p *Parts) Close() error { return p.closers.close() }

// closers close what was opened.
type closers []func() error

// atEnd registers a function for Close.
func (p *Parts) atEnd(f func() error) { p.closers = append(p.closers, f) }

func (c *closers) close() error {
	var errs []error
	for _, f := range slices.Backward(*c) {
		errs = append(errs, f())
	}
	*c = nil
	return errors.Join(errs...)
}

func (p *Parts) path(parts ...string) string {
	return filepath.Join(append([]string{p.Data}, parts...)...)
}

func (p *Parts) openClock(context.Context) (err error) {
	watch, stop := context.WithCancel(context.Background())
	p.atEnd(func() error { stop(); return nil })
	if p.Config.Clock == "" {
		p.Clock = ops.SystemClock()
	} else if p.Clock, err = ops.OpenClock(p.Config.Clock, p.Begin); err != nil {
		return err
	}
	p.trust = ops.TrustClock(watch, p.Clock, p.AnyClock)
	return nil
}

func (p *Parts) openKeys(context.Context) (err error) {
	if err := os.MkdirAll(p.Data, 0o700); err != nil {
		return err
	}
	if err := p.unlock(); err != nil {
		return err
	}
	p.keys, err = openKeys(p.secrets, p.path("keys"))
	return err
}

// startEngine starts the engine and waits until it serves.
func (p *Parts) startEngine(ctx context.Context) error {
	if err := p.openEngine(ctx); err != nil {
		return err
	}
	return p.engine.Begin(ctx)
}

// openEngine reserves the engine's address; questions wait there until it runs.
func (p *Parts) openEngine(context.Context) (err error) {
	config := p.Engine
	config.Path, config.Logger = p.path("clickhouse"), p.Logger
	if p.program != nil {
		config.Listen, config.Password = p.Tables, p.keys.engine
	}
	if config.Stderr == nil {
		file, err := os.OpenFile(p.path("engine.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		p.atEnd(file.Close)
		config.Stderr = file
	}
	if p.engine, err = engine.Open(config); err != nil {
		return err
	}
	p.atEnd(func() error {
		stop, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return p.engine.Stop(stop)
	})
	return nil
}

func (p *Parts) startServer(ctx context.Context) error { return p.serveNATS(ctx, false) }

func (p *Parts) serveNATS(ctx context.Context, syncAtEnd bool) (err error) {
	p.server, err = hubserver.Start(ctx, hubserver.Config{
		Host: p.Host, Port: p.Port, StoreDir: p.path("nats"), Logger: p.Logger, TLS: p.port.server(), Accounts: &p.keys.accounts,
		SyncAtEnd: syncAtEnd, Blocks: p.blocks(),
	})
	if err != nil {
		return err
	}
	p.atEnd(func() error { p.server.Shutdown(); return nil })
	return p.connect(p.server.URL(), p.keys.serviceUser(hubAccount))
}

// blocks returns how damaged streams are mended, and where the findings go.
func (p *Parts) blocks() blocks.Config {
	return blocks.Config{
		Store: p.path("nats"), Evidence: p.path("evidence"), Gaps: p.path("marks"), Seen: eventlog.SeenIn(p.path("marks")),
		Copies: p.Copies, Logger: p.Logger,
	}
}

func (p *Parts) connect(url string, as user) (err error) {
	p.conn, err = p.dial(url, as)
	return err
}

func (p *Parts) openLog(ctx context.Context) error {
	if err := p.openOwnLog(ctx); err != nil {
		return err
	}
	if err := p.enrolWriters(ctx); err != nil {
		return err
	}
	if err := p.fitOperators(ctx); err != nil {
		return err
	}
	if err := p.markLog(ctx); err != nil && !eventlog.Unreadable(err) {
		return err
	} else if err != nil {
		p.Logger.Error("the facts about the log as a whole can't be read; no certificate is issued until they can", "error", err)
	}
	if p.Clock.Simulated() {
		return nil
	}
	anchors, err := p.keys.anchors(false)
	if err != nil {
		return err
	}
	return p.Log.SetWriters(ctx, anchors)
}

// openOwnLog opens the log and creates or corrects its streams.
func (p *Parts) openOwnLog(ctx context.Context) error {
	err := p.settingUp(func(conn *nats.Conn) error {
		err := counterlink.EnsureStreams(ctx, conn, counterlink.StreamLimits{Store: p.server.StoreLimit()})
		if err == nil {
			err = published.EnsureBucket(ctx, conn, p.server.StoreLimit())
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := p.server.FitDisk(ctx); err != nil {
		return err
	}
	if p.bucket, err = published.Open(p.conn, ""); err != nil {
		return err
	}
	return p.settingUp(func(conn *nats.Conn) error {
		return p.openLogWith(ctx, eventlog.Config{Marks: p.path("marks"), SetUp: conn})
	})
}

// settingUp calls do with a connection that may create and change streams.
func (p *Parts) settingUp(do func(*nats.Conn) error) error {
	conn, err := p.dialBriefly(p.server.URL(), p.keys.settingUpUser())
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(conn)
}

func (p *Parts) openLogWith(ctx context.Context, c eventlog.Config) (err error) {
	c.Conn, c.Clock = p.conn, p.Clock.Now
	p.Log, err = p.logWith(ctx, c)
	return err
}

// logWith opens the log over the connection with the clock and rights of c. Close closes it.
func (p *Parts) logWith(ctx context.Context, c eventlog.Config) (*eventlog.Log, error) {
	c.Folds = make(map[string]eventlog.Fold)
	for kind, f := range lifecycle.Folds() {
		c.Folds[kind] = eventlog.Fold{Version: lifecycle.FoldVersion, Apply: f.Apply, Remembered: f.Remembered}
	}
	c.Streams, c.Logger = p.Streams, p.Logger
	if p.Data != "" {
		c.Gaps, c.Writing = p.path("marks"), p.path("marks")
	}
	var err error
	if c.Writers, err = p.keys.anchors(true); err != nil {
		return nil, err
	}
	log, err := eventlog.Open(ctx, c)
	if err == nil {
		p.atEnd(log.Close)
	}
	return log, err
}

func (p *Parts) openCards(ctx context.Context) (err error) {
	p.Cards, err = cards.New(ctx, cards.Config{Log: p.as(eventlog.RoleCards), Links: p.Links, Keys: p.path("keys", "cards.key"), Secrets: p.secrets, Logger: p.Logger})
	return err
}

// openErasedVault opens the vault, which may be an old copy, and destroys every key that the log orders destroyed
// before any is used.
func (p *Parts) openErasedVault(ctx context.Context) error {
	if err := p.makeVault(ctx); err != nil {
		return err
	}
	return p.eraseFirst(ctx)
}

// eraseFirst destroys every key that the log orders destroyed, before any is used, and makes the service of those who have
// no files of the vault.
func (p *Parts) eraseFirst(ctx context.Context) (err error) {
	p.vaultService = vaultservice.New(vaultservice.Config{
		Log: p.Log, Vault: p.Vault, Conn: p.conn, Key: p.keys.vault, Clock: p.Clock.Now, Logger: p.Logger, Handled: p.positions.note("index"),
	})
	p.eraser, err = eraser.New(ctx, eraser.Config{Log: p.as(eventlog.RoleEraser), Vault: p.Vault, Clock: p.Clock.Now, Logger: p.Logger, Handled: p.positions.note("eraser")})
	return err
}

// openTries is how often opening the embedded engine's tables is tried: the engine may die after its first answer, and
// is restarted at the same address, where questions wait.
const openTries = 5

func (p *Parts) openWarehouse(ctx context.Context) (err error) {
	for range openTries {
		if err = p.openTables(ctx, p.engine.DSN()); !errors.Is(err, warehouse.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		p.Logger.Warn("ClickHouse unavailable, retrying", "error", err)
	}
	return err
}

func (p *Parts) openTables(ctx context.Context, dsn string) (err error) {
	p.Warehouse, err = warehouse.Open(ctx, warehouse.Config{DSN: dsn, Logger: p.Logger})
	if err == nil {
		p.atEnd(p.Warehouse.Close)
	}
	return err
}

func (p *Parts) startMail(context.Context) (err error) {
	p.mailer = p.Mail
	if p.mailer.Host != "" {
		return nil
	}
	sink, err := notice.ListenSink("127.0.0.1:0", p.path("mail"))
	if err != nil {
		return err
	}
	p.atEnd(sink.Close)
	p.mailer = notice.Mailer{Host: "127.0.0.1", Port: sink.Port(), TLS: "none"}
	return nil
}

func (p *Parts) openDirectory(ctx context.Context) (err error) {
	p.Directory, err = directory.Open(ctx, p.Log)
	return err
}

// openLinks opens the hub's end of the counters' links. No counter is admitted yet.
func (p *Parts) openLinks(ctx context.Context) error {
	c := counterlink.LinksConfig{
		Conn: p.conn, Writer: p.keys.gate, Logger: p.Logger, Enrolled: p.enrolled, Now: p.Clock.Now, Simulated: p.Clock.Simulated(),
		Quarantine: func(ctx context.Context, q counterlink.Quarantined) error {
			return ra.Quarantine(ctx, p.as(eventlog.RoleRA), p.sealed, q)
		},
		Mismatch: func(counter string, err error) {
			p.Logger.Error("a counter's history differs from the hub's, its claims are refused: shomei counter adopt shows both ends and what can be done",
				"counter", counter, "error", err)
		},
	}
	var err error
	switch {
	case p.server != nil:
		c.Connected, c.Crowded, c.Suspend = p.server.Connected, p.crowded, p.suspend
		c.Gate, err = p.dial(p.server.URL(), p.keys.gateUser())
	case p.program.has(gateFile):
		c.Crowded, c.Suspend = p.crowded, p.suspend
		c.Gate, err = p.dialServers(gateFile)
	}
	if err != nil {
		return err
	}
	p.Links, err = counterlink.NewLinks(ctx, c)
	return err
}

// days returns how the services that act on dates watch them.
func (p *Parts) days() days.Watch {
	return days.Watch{Every: time.Minute, Trusted: p.trust.Check, Logger: p.Logger}
}

func (p *Parts) admit(context.Context) error { return p.admitCounters() }

func (p *Parts) openIssuer(ctx context.Context) error {
	p.Issuer = p.newIssuer(p.as(eventlog.RoleIssuer), p.Clock.Now)
	err := p.Issuer.HoldDueCeremonies(ctx)
	if eventlog.Unreadable(err) {
		p.Logger.Error("an authority can't be read; it issues nothing until it can", "error", err)
		return nil
	}
	return err
}

func (p *Parts) openRA(context.Context) (err error) {
	p.RA, err = ra.New(p.raConfig())
	return err
}

func (p *Parts) openExpiry(context.Context) error {
	p.Expiry = expiry.New(expiry.Config{
		Log: p.as(eventlog.RoleExpiry), Warehouse: p.Warehouse, Switches: p.Switches, Clock: p.Clock.Now, Days: p.days(), Logger: p.Logger,
	})
	return nil
}

func (p *Parts) openValidation(context.Context) error {
	bucket, err := published.Open(p.conn, "")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cmp.Or(p.ListsAt, "127.0.0.1:0"))
	if err != nil {
		return err
	}
	p.atEnd(func() error { _ = listener.Close(); return nil }) // its row has closed it, if it ran
	p.Validation, err = validation.New(validation.Config{
		Bucket: bucket, Authorities: p.Directory.Generations, Folder: p.path("validation"), Listener: listener, Clock: p.Clock.Now, Logger: p.Logger,
	})
	return err
}

// ListURL returns where the newest revocation list for signatures is served to this machine.
func (p *Parts) ListURL() string {
	at := "http://" + p.Validation.Listener.Addr().String() + "/"
	if g, err := p.Directory.Generations().At(ca.Sign, "", p.Clock.Now()); err == nil {
		at += g.ListFile()
	}
	return at
}

// URL returns where counters and services connect.
func (p *Parts) URL() string {
	if p.server == nil {
		return p.Servers[0]
	}
	return p.server.URL()
}

// nearURL returns where clients on this machine connect: no certificate carries an unspecified address such as 0.0.0.0.
func (p *Parts) nearURL() string {
	if !p.everywhere() {
		return p.URL()
	}
	at, err := url.Parse(p.URL())
	if err != nil {
		return p.URL()
	}
	at.Host = net.JoinHostPort("localhost", at.Port())
	return at.String()
}

// everywhere reports whether counters can connect at every address of this machine, so that none is the hub's own.
func (p *Parts) everywhere() bool {
	ip := net.ParseIP(p.Host)
	return ip != nil && ip.IsUnspecified()
}

// EngineDSN returns where the tables can be queried directly.
func (p *Parts) EngineDSN() string {
	if p.engine == nil {
		return p.tablesDSN()
	}
	return p.engine.DSN()
}

// tablesDSN returns where another program serves the tables.
func (p *Parts) tablesDSN() string {
	at := url.URL{Scheme: "http", User: url.UserPassword("shomei", p.keys.engine), Host: p.Tables, Path: "/default"}
	return at.String()
}
