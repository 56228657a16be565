package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/httpd"
	"shomei/pkg/ops"
	"shomei/pkg/page"
	"shomei/pkg/signin"
	"shomei/services/console"
)

// allCommand runs the whole hub: NATS and the engine embedded, every service, the console's page.
func (a *app) allCommand() *cobra.Command {
	file, flagged := "", defaults()
	cmd := &cobra.Command{
		Use: "all", Short: "センター全体をひとつのプロセスで動かす (every service of the hub, with NATS and ClickHouse embedded)", Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "config", "c", "", "設定ファイル (configuration file in TOML; flags win over it)")
	hubFlags(flags, &flagged)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c := defaults()
		if err := c.load(file); err != nil {
			return err
		}
		// Parse the given flags once more, over what the file and the environment say.
		given := pflag.NewFlagSet("given", pflag.ContinueOnError)
		hubFlags(given, &c)
		var err error
		flags.Visit(func(f *pflag.Flag) {
			if given.Lookup(f.Name) != nil {
				err = errors.Join(err, given.Set(f.Name, f.Value.String()))
			}
		})
		if err != nil {
			return err
		}
		if flags.Changed("data") {
			c.Hub.Data = a.Data
		}
		if flags.Changed("log-level") {
			c.Log.Level = a.LogLevel
		}
		c.Hub.Unlocking = a.unlocking(c.Keys)
		if c.Hub.Logger, err = ops.NewLogger(os.Stderr, c.Log); err != nil {
			return err
		}
		if len(c.Hub.Servers) > 0 {
			return fmt.Errorf("%w: [nats] stands in the file of a service that is a program of its own: shomei all has a server of its own", ops.ErrConfig)
		}
		h, page, err := a.start(cmd.Context(), c.Hub, c.Console, c.SignIn)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "hub %s, console %s, revocation lists http://%s/ — Ctrl-C stops\n", h.URL(), c.SignIn.url(page), h.Validation.Listener.Addr())
		return waitAndClose(cmd.Context(), h)
	}
	return cmd
}

func hubFlags(flags *pflag.FlagSet, c *config) {
	flags.StringVar(&c.Hub.Host, "host", c.Hub.Host, "address that counters connect to")
	flags.IntVar(&c.Hub.Port, "port", c.Hub.Port, "port that counters connect to; 0 takes any free one")
	flags.IntVar(&c.Hub.Streams, "streams", c.Hub.Streams, "number of streams of a new log")
	flags.StringVar(&c.Hub.Clock, "clock", c.Hub.Clock, "file of a settable clock, for trying out; marks the log as simulated for ever")
	flags.BoolVar(&c.Hub.AnyClock, "any-clock", c.Hub.AnyClock,
		"let dates drive acts although no time service keeps the clock, for trying out")
	flags.StringVar(&c.Console, "console", c.Console, "loopback address of the console's page")
}

// start starts the hub and the console's page. It returns the page's address.
func (a *app) start(ctx context.Context, c hub.Config, at string, by signInConfig) (h *hub.Hub, page string, err error) {
	if h, err = hub.Start(ctx, c); err != nil {
		return nil, "", err
	}
	if page, err = servePages(h, at, by); err != nil {
		return nil, "", errors.Join(err, h.Close())
	}
	return h, page, nil
}

func servePages(h *hub.Hub, at string, by signInConfig) (string, error) {
	if missing := page.Missing(); len(missing) > 0 {
		h.Logger.Warn("this build's pages lack style and charts: build it with make build", "missing", missing)
	}
	c := console.Config{
		Warehouse: h.Warehouse, Look: h.HistoryShown, Clock: h.Clock.Now, Logger: h.Logger, Behind: h.Projector.Lag,
		Hosts: page.ThisMachine, Invented: h.Clock.Simulated(), Visits: h.VisitHistory,
	}
	if by.Name != "" {
		c.SignIn, c.Hosts = h.SignInAt(by.Name, by.OIDC.accounts()), []string{by.Name}
		if by.Passwords != "" {
			var err error
			if c.SignIn.Passwords, err = signin.OpenPasswords(by.Passwords, h.Clock.Now); err != nil {
				return "", fmt.Errorf("%w: passwords of [sign_in]: %w", ops.ErrConfig, err)
			}
		}
	}
	pages, err := console.New(c)
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.Handle("/", pages.Handler())
	serveOperations(h, mux)
	if by.Name == "" {
		return h.Serve(at, mux)
	}
	listener, err := httpd.ListenTLS(at, httpd.Site{Name: by.Name, Certificate: by.Certificate, Key: by.Key, Logger: h.Logger})
	if errors.Is(err, httpd.ErrCertificate) {
		err = fmt.Errorf("%w: [sign_in]: %w", ops.ErrConfig, err)
	}
	if err != nil {
		return "", err
	}
	h.ServeOn(listener, mux)
	return listener.Addr().String(), nil
}

// waitAndClose keeps the hub running until it is asked to stop or a service fails, and stops it in order.
func waitAndClose(ctx context.Context, h *hub.Hub) error {
	failed := make(chan error, 1)
	go func() { failed <- h.Wait() }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, h.Close())
}
