package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"shomei/pkg/counterlink"
	"shomei/pkg/httpd"
	"shomei/pkg/officer"
	"shomei/pkg/ops"
	"shomei/pkg/page"
	"shomei/services/agent"
	"shomei/services/agent/desk"
)

type runFlags struct {
	bundle, listen, store, reader, virtual string
	office                                 officeFlags
	log                                    ops.LogConfig
}

func runCommand(lang *language) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run --bundle DIR",
		Short: "窓口の画面を動かす (serve the pages of a counter)",
		Long: `Runs a counter: its pages and their JSON twins on loopback, the link to the hub, the work on cards.

  --bundle DIR           the folder that the hub made when the counter was enrolled (counter.toml and keys).
  --office-listen HOST:PORT --certificate FILE --certificate-key FILE
                         serve the pages to other machines of the office too, by TLS, under the host name that the counter was
                         enrolled with (shomei counter enrol --host-name), to officers who sign in with a passkey. Cards, PINs, the
                         resident's screen, the hand-over and the API stay on this machine. Files that are replaced are read anew.
  --virtual-reader DIR   instead of the machine's PC/SC service an own pcscd with cards in software in DIR
                         (needs root; for demonstrations and stories).

The first line of output is the address of the clerk's pages; the browser of the resident's screen is paired at /screen. Health is told under /livez, /readyz and /healthz?verbose, figures under /metrics.
Ctrl-C stops in order; what was received is kept in the store and goes up with the next start.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runCounter(cmd, lang, f) },
	}
	cmd.Flags().StringVar(&f.bundle, "bundle", "", "端末のフォルダー (folder of the counter's bundle)")
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "画面の HOST:PORT、ループバックのみ (address of the pages, loopback only)")
	f.office.bind(cmd.Flags())
	cmd.Flags().StringVar(&f.store, "store", "", "端末の記録のファイル (the counter's store; default: counter.db in the bundle)")
	cmd.Flags().StringVar(&f.reader, "reader", "", "リーダーの名前 (name of the reader; empty: the one with a card)")
	cmd.Flags().StringVar(&f.virtual, "virtual-reader", "", "仮想リーダーのディレクトリ (directory of a virtual reader)")
	cmd.Flags().StringVar(&f.log.Level, "log-level", "info", "debug, info, warn, error")
	cmd.Flags().StringVar(&f.log.Format, "log-format", "", "text, json")
	cmd.MarkFlagRequired("bundle")
	cmd.MarkFlagsMutuallyExclusive("reader", "virtual-reader")
	return cmd
}

// station is a counter being started: everything is open, nothing runs yet.
type station struct {
	bundle  counterlink.Bundle
	clock   *ops.Clock
	conn    *nats.Conn
	counter *agent.Counter
	desk    *desk.Desk
	health  *ops.Health
	logger  *slog.Logger
	// office is where other machines of the office come in, and officePages what they get; nil: none may.
	office      net.Listener
	officePages http.Handler
}

func runCounter(cmd *cobra.Command, lang *language, f runFlags) (err error) {
	logger, err := ops.NewLogger(cmd.ErrOrStderr(), f.log)
	if err != nil {
		return err
	}
	listeners, err := listenLoopback(f.listen)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	s := &station{logger: logger}
	if s.bundle, err = counterlink.ReadBundle(f.bundle); err != nil {
		return err
	}
	secrets, err := s.bundle.Secrets()
	if err != nil {
		return err
	}
	if s.office, err = f.office.open(s.bundle, logger); err != nil {
		return err
	}
	if s.office != nil {
		defer s.office.Close()
	}
	if s.bundle.OldCardKey != "" {
		logger.Warn("the bundle names a master key of cards, which no counter needs any more: enrol the counter again into the same folder, and delete the file",
			"file", filepath.Join(f.bundle, s.bundle.OldCardKey))
	}
	tray, closeTray, err := openTray(cmd.Context(), &f, secrets.FactoryKey, logger)
	if err != nil {
		return err
	}
	defer closeTray()
	if err := s.open(f, secrets, tray); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Fprintf(cmd.OutOrStdout(), "http://%s/\n", byName(listeners[0].Addr()))
	fmt.Fprintf(cmd.OutOrStdout(), lang.say("端末 %s の画面です。Ctrl-C で終わります。\n", "Pages of counter %s. Ctrl-C ends.\n"), s.bundle.Counter)
	if s.office != nil {
		fmt.Fprintf(cmd.OutOrStdout(), lang.say("役所の他の端末からは %s で開けます。\n", "Other machines of the office open %s\n"), f.office.url(s.bundle, s.office))
	}
	return s.run(cmd.Context(), listeners)
}

// byName returns an address of this machine by its name, if that leads there: passkeys belong to names.
func byName(address net.Addr) string {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil || host != "127.0.0.1" && host != "::1" {
		return address.String()
	}
	return net.JoinHostPort(officer.Counters, port)
}

// softOfficer returns the officers of a demonstration's bundle, nil for any other.
func softOfficer(b counterlink.Bundle, secrets counterlink.Secrets) (first *desk.SoftOfficer, err error) {
	for i, one := range slices.Backward(b.Demonstration) {
		key, err := officer.ParseSoftKey(secrets.Demonstration[i])
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", counterlink.ErrBundle, one.Key, err)
		}
		first = &desk.SoftOfficer{Officer: one.Officer, Key: key, Code: one.Code, Approver: first}
	}
	return first, nil
}

// listenLoopback opens the pages' port; they do not leave the machine. A browser that asks for localhost may come by IPv4 or IPv6, so
// both are taken: another user's program there could pose as this counter.
func listenLoopback(address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%w: --listen: %w", errUsage, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("%w: --listen %s is not a loopback address: pages without sign-in stay on this machine; other machines of the office come in by --office-listen", errUsage, address)
	}
	const tries = 10 // a port that the system chose may be somebody's by the other family
	for range tries {
		first, listening := net.Listen("tcp", address)
		if listening != nil {
			return nil, listening
		}
		var other net.Listener
		if other, err = beside(first); err == nil && other == nil {
			return []net.Listener{first}, nil
		} else if err == nil {
			return []net.Listener{first, other}, nil
		}
		first.Close()
		if port != "0" {
			break
		}
	}
	return nil, err
}

// beside listens on the same port of this machine's loopback address of the other family; nil if it has none.
func beside(l net.Listener) (net.Listener, error) {
	at, ok := l.Addr().(*net.TCPAddr)
	others := map[string]string{"127.0.0.1": "::1", "::1": "127.0.0.1"}
	if !ok || others[at.IP.String()] == "" {
		return nil, nil
	}
	host := others[at.IP.String()]
	if any, err := net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		return nil, nil
	} else if err := any.Close(); err != nil {
		return nil, err
	}
	address := net.JoinHostPort(host, strconv.Itoa(at.Port))
	other, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("another program has %s, where a browser may look for this counter: end it, or choose another port with --listen: %w", address, err)
	}
	return other, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

func (s *station) open(f runFlags, secrets counterlink.Secrets, tray *desk.Tray) (err error) {
	if s.clock, err = openClock(s.bundle.Clock); err != nil {
		return err
	}
	if s.conn, err = s.bundle.Dial(secrets.Key, s.connectionLog()...); err != nil {
		return err
	}
	store := f.store
	if store == "" {
		store = filepath.Join(f.bundle, "counter.db")
	}
	cards := counterlink.CardClient{
		Conn: s.conn, Counter: s.bundle.Counter, Key: secrets.Key, SealKey: secrets.SealKey, Writers: s.bundle.HubWriters,
	}
	persons := counterlink.PersonClient{CardClient: cards, HubSealKey: secrets.HubSealKey}
	s.counter, err = agent.Open(agent.Config{
		Counter: s.bundle.Counter, Office: s.bundle.Office, Key: secrets.Key, SealKey: secrets.SealKey, HubSealKey: secrets.HubSealKey,
		HubWriters: s.bundle.HubWriters, Conn: s.conn, StorePath: store, Reader: agent.PCSC(f.reader), OpenCard: cards.Open,
		AskPerson: persons.Ask, AskHistory: persons.AskHistory, FindCases: persons.FindCases, Find: persons.Find, AskApprovals: persons.Approvals,
		Now: s.clock.Now, ClockEvidence: s.clockEvidence, Uptime: uptime(), Logger: s.logger,
	})
	if err != nil {
		s.conn.Close()
		return err
	}
	if missing := page.Missing(); len(missing) > 0 {
		s.logger.Warn("this build's pages lack their style: build it with make build", "missing", missing)
	}
	soft, err := softOfficer(s.bundle, secrets)
	if err != nil {
		return errors.Join(err, s.close())
	}
	s.desk, err = desk.New(desk.Config{
		Counter: s.counter, Name: s.bundle.Counter, Office: s.bundle.Office, Soft: soft, Tray: tray, Logger: s.logger,
	})
	if err == nil {
		err = s.desk.OfferSoft()
	}
	if err == nil && s.office != nil {
		s.officePages, err = s.desk.OfficeHandler(s.bundle.HostName)
	}
	if err != nil {
		return errors.Join(err, s.close())
	}
	s.checks()
	return nil
}

// openClock opens the system clock, or the settable one that the hub runs by.
func openClock(path string) (*ops.Clock, error) {
	if path == "" {
		return ops.SystemClock(), nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: settable clock of the bundle: %w; start the hub first", ops.ErrConfig, err)
	}
	return ops.OpenClock(path, time.Time{})
}

// clockEvidence returns the state of the clock that claims are filed by.
func (s *station) clockEvidence() string {
	if s.clock.Simulated() {
		return agent.Simulated
	}
	if ok, err := ops.Synchronised(); err != nil || !ok {
		return agent.Unsynchronised
	}
	return agent.Synchronised
}

// uptime returns the machine's own uptime if available; nil lets the counter count itself.
func uptime() agent.Uptime {
	if _, _, err := ops.Uptime(); err != nil {
		return nil
	}
	return func() (string, time.Duration) {
		boot, since, _ := ops.Uptime() // it answered before
		return boot, since
	}
}

func (s *station) connectionLog() []nats.Option {
	return []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil if we closed it ourselves
				s.logger.Info("hub unavailable, claims wait", "error", err)
			}
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { s.logger.Info("can't reach the hub, retrying", "error", err) }),
		nats.ReconnectHandler(func(*nats.Conn) { s.logger.Info("reconnected to the hub") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.logger.Warn("error on the connection to the hub", "error", err)
		}),
	}
}

func (s *station) checks() {
	s.health = ops.NewHealth(s.clock.Now)
	s.health.Add(ops.Check{Name: "link", Hint: "away: is the hub running, and the network cable in? mismatched: the records differ, an officer at the centre settles it; taken: stop the other agent of this counter", Run: func(context.Context) error {
		if state := s.counter.Link(); state != counterlink.Up {
			return fmt.Errorf("the link to the hub is %s, %d claims wait", state, s.counter.Outbox())
		}
		return nil
	}})
	s.health.Add(ops.Check{Name: "clock", Hint: "set this machine's clock right and keep it by a time service", Run: func(context.Context) error {
		c := s.counter.Clock()
		switch {
		case c.Refused:
			return errors.New("this counter runs by a settable clock and the centre does not: it takes no claim")
		case c.Differs:
			return fmt.Errorf("this clock shows %s, the centre's %s", c.Own.Format(time.RFC3339), c.Centre.Format(time.RFC3339))
		}
		return nil
	}})
	s.health.Add(ops.Check{Name: "held", Hint: "tell a superior; take the applications again once the clock is right", Elsewhere: true, Run: func(context.Context) error {
		if n := s.counter.Held(); n > 0 {
			return fmt.Errorf("the centre holds %d claims of this counter because of their times", n)
		}
		return nil
	}})
	s.health.Add(ops.Check{Name: "reader", Hint: "connect a card reader; is pcscd running?", Run: func(context.Context) error {
		if s.desk.Reader() == desk.ReaderAway {
			return errors.New("no card reader")
		}
		return nil
	}})
}

// metrics returns those of the process, and of the counter's link to the hub.
func (s *station) metrics() *prometheus.Registry {
	registry := ops.NewRegistry()
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "shomei_counter_claims_waiting", Help: "Claims that are stored here and not yet at the hub.",
		}, func() float64 { return float64(s.counter.Outbox()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "shomei_counter_claims_held", Help: "Claims that the centre holds because it can't believe their times.",
		}, func() float64 { return float64(s.counter.Held()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "shomei_counter_link_up", Help: "1 while the link to the hub is up, else 0.",
		}, func() float64 {
			if s.counter.Link() == counterlink.Up {
				return 1
			}
			return 0
		}),
	)
	return registry
}

// run serves until ctx ends, and stops pages first, then the work on cards, then the connection.
func (s *station) run(ctx context.Context, listeners []net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("/", s.desk.Handler())
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		mux.Handle("GET "+path, page.Protect(s.desk.ForClerk(s.health.Handler()), page.ThisMachine...))
	}
	mux.Handle("GET /metrics", page.Protect(s.desk.ForClerk(ops.MetricsHandler(s.metrics())), page.ThisMachine...))
	return ops.RunParts(ctx, s.logger,
		ops.Part{Name: "counter", Run: func(ctx context.Context, ready func()) error { ready(); return s.counter.Run(ctx) }},
		ops.Part{Name: "reader", Run: func(ctx context.Context, ready func()) error { ready(); return s.desk.Run(ctx) }},
		ops.Part{
			Name: "pages", Run: func(ctx context.Context, ready func()) error {
				ready()
				pages, ctx := errgroup.WithContext(ctx)
				for _, l := range listeners {
					pages.Go(func() error { return httpd.Serve(ctx, ctx, l, mux) })
				}
				if s.office != nil {
					pages.Go(func() error { return httpd.Serve(ctx, ctx, s.office, s.officePages) })
				}
				return pages.Wait()
			},
		},
	)
}

func (s *station) close() error {
	err := s.counter.Close()
	s.conn.Close()
	return err
}
