package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/notice"
	"shomei/pkg/ops"
	"shomei/pkg/page"
)

// serviceCommands run one service each, as programs of their own.
func (a *app) serviceCommands() (commands []*cobra.Command) {
	names, words := hub.Programs()
	for i, name := range names {
		file := ""
		cmd := &cobra.Command{
			Use: name + " --config FILE", Short: words[i], Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.runService(cmd, name, file) },
		}
		cmd.Flags().StringVarP(&file, "config", "c", "", "shomei nats init が作った設定 (the service's file, as shomei nats init wrote it)")
		_ = cmd.MarkFlagRequired("config") // the flag is defined above
		commands = append(commands, cmd)
	}
	return commands
}

func (a *app) runService(cmd *cobra.Command, name, file string) error {
	c := config{Log: ops.LogConfig{Level: "warn"}}
	err := c.load(file)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("log-level") {
		c.Log.Level = a.LogLevel
	}
	if c.Hub.Logger, err = ops.NewLogger(os.Stderr, c.Log); err != nil {
		return err
	}
	c.Hub.Unlocking = a.unlocking(c.Keys)
	h, err := hub.Join(cmd.Context(), c.Hub, name)
	if err != nil {
		return err
	}
	at, err := serveService(h, name, c.Console, c.SignIn)
	if err != nil {
		return errors.Join(err, h.Close())
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s, health http://%s/healthz — Ctrl-C stops\n", name, at)
	return waitAndClose(cmd.Context(), h)
}

// serveService opens a service's pages: its health, and for the console everything.
func serveService(h *hub.Hub, name, at string, by signInConfig) (string, error) {
	if at == "" {
		at = "127.0.0.1:0"
	}
	if name == "console" {
		return servePages(h, at, by)
	}
	mux := http.NewServeMux()
	serveOperations(h, mux)
	return h.Serve(at, mux)
}

// serveOperations serves the pages for operators and their monitors.
func serveOperations(h *hub.Hub, mux *http.ServeMux) {
	operations := fromThisMachine(page.Protect(h.Operations(), page.ThisMachine...))
	for _, path := range []string{"/livez", "/readyz", "/healthz", "/metrics"} {
		mux.Handle(path, operations)
	}
}

// fromThisMachine serves only programs that run here: the console may be reached from elsewhere, and a Host is what a client says.
func fromThisMachine(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			http.Error(w, "この機械からの要求にだけ応答します / served to this machine only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const natsInitHelp = `ひとつのプロセスで動いていたセンターを、サービスごとのプログラムに分けます。センターを一度動かして止めてから行います。
DIR に、NATS サーバーの設定 (nats/nats.conf) と、サービスごとの設定 (ra/shomei.toml など)、鍵、NATS の資格が作られます。鍵は、使う
プログラムのフォルダーへ移ります。ログはこれまでの場所のまま NATS サーバーが使い、--data のフォルダーは運用者のものになります。
Makes programs of their own from the services of a centre that has run in one process and is stopped: DIR gets the
configuration of the NATS server, and for each service its configuration, keys and NATS credentials. Keys move to the programs
that use them. The log stays where it is, for the NATS server; the data folder becomes the operator's.

  nats-server -c DIR/nats/nats.conf
  shomei operator --config DIR/operator/shomei.toml
  shomei ra --config DIR/ra/shomei.toml     (issuer, dispatcher, … alike)`

// clean refuses a configuration from which no NATS server can be made.
func clean(c hub.Config) error {
	if c.Port <= 0 {
		return fmt.Errorf("%w: port of [hub]: name the port where the NATS server is to listen, which counters know", ops.ErrConfig)
	}
	return nil
}

// of returns the configuration of a program: the centre's, but for where it finds the others, and for what only some use.
func (c config) of(program, data, server, tables string) ([]byte, error) {
	c.Hub.Data, c.NATS.Servers, c.ClickHouse.Tables = data, []string{server}, tables
	c.Hub.TLSCert, c.Hub.TLSKey, c.Hub.TLSCA, c.Hub.Copies = "", "", "", nil // the server's, and those of who mends its streams
	if program != "notifier" {
		c.SMTP = notice.Mailer{}
	} else if c.SMTP.PasswordFile != "" {
		c.SMTP.Password = "" // it stands in that file
	}
	if program != "console" {
		c.Console, c.SignIn = "", signInConfig{}
	} else if c.SignIn.OIDC.ClientSecretFile != "" {
		c.SignIn.OIDC.ClientSecret = "" // it stands in that file
	}
	if program != "ra" {
		c.Hub.ConsoleName = ""
	}
	if program != "validation" {
		c.Validation = listening{}
	}
	text, err := toml.Marshal(c)
	return append([]byte("# shomei "+program+" --config FILE, made by shomei nats init\n"), text...), err
}

// natsCommand makes what services need that are programs of their own.
func (a *app) natsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "nats init DIR", Short: "サービスを別々のプログラムに分ける (services as programs of their own)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	file, s := "", hub.Separation{}
	initialise := &cobra.Command{
		Use: "init DIR", Short: "NATS サーバーとサービスの設定・鍵・資格を作る (make configurations, keys and credentials)", Long: natsInitHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := defaults()
			if err := c.load(file); err != nil {
				return err
			}
			if cmd.Flags().Changed("data") || file == "" {
				c.Hub.Data = a.Data
			}
			if err := clean(c.Hub); err != nil {
				return err
			}
			c.Hub.Unlocking = a.unlocking(c.Keys)
			s.Out = args[0]
			s.Settings = func(program, data, server string) ([]byte, error) { return c.of(program, data, server, s.Tables) }
			made, err := hub.Separate(cmd.Context(), c.Hub, s)
			if err != nil {
				return err
			}
			if !made {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), a.Say("もう分けられています。残っていたものを片づけました。", "It is separated already; what was left to take away is gone."))
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), a.Say(
				"%[1]s に作りました。まず nats-server -c %[1]s/nats/nats.conf を動かします。keys/root.nk は別の場所へ移してください。\n",
				"%[1]s is made. Start nats-server -c %[1]s/nats/nats.conf first. Move keys/root.nk to another place.\n"), args[0])
			return err
		},
	}
	initialise.Flags().StringVarP(&file, "config", "c", "", "センターの設定ファイル (the hub's configuration file)")
	initialise.Flags().StringVar(&s.Tables, "tables", "127.0.0.1:8123", "loopback address where the projector's engine listens")
	cmd.AddCommand(initialise)
	return cmd
}
