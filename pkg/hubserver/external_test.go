package hubserver_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

// tlsLine is the line of the configuration that needs a certificate.
var tlsLine = regexp.MustCompile(`(?m)^tls .*$`)

// external starts a server from the configuration that is written for one outside, on any port and without TLS.
func external(t *testing.T, accounts hubserver.Accounts) *server.Server {
	t.Helper()
	dir := t.TempDir()
	text, err := accounts.Conf(hubserver.External{Host: "127.0.0.1", Port: -1, Store: filepath.Join(dir, "store"), Accounts: filepath.Join(dir, "accounts")})
	check(t, err)
	file := filepath.Join(dir, "nats.conf")
	check(t, os.WriteFile(file, tlsLine.ReplaceAll(text, nil), 0o600))
	options, err := server.ProcessConfigFile(file)
	check(t, err)
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	check(t, err)
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s
}

// TestAnExternalServerIsTold: who is revoked there is put out at once and stays out, others come back, and a counter's user may
// do what the template says under its own name, whatever its JWT says.
func TestAnExternalServerIsTold(t *testing.T) {
	a := natstest.NewAccounts(t)
	var err error
	a.Scoped, err = nkeys.CreateAccount()
	check(t, err)
	a.Template = hubserver.Rights{Publish: []string{"up." + hubserver.NameOfUser}, Subscribe: []string{"down." + hubserver.NameOfUser}}
	s := external(t, a)
	key := userKey(t)
	public, err := key.PublicKey()
	check(t, err)
	token, err := a.SignScoped("desk-1", public)
	check(t, err)
	login := nats.UserJWT(func() (string, error) { return token, nil }, key.Sign)
	conn := natstest.Connect(t, s.ClientURL(), login)
	gate := natstest.Connect(t, s.ClientURL(), natstest.Login(t, a.Counters, userKey(t), natstest.Everything))
	heard, err := gate.SubscribeSync(">")
	check(t, err)
	check(t, gate.Flush())
	for _, subject := range []string{"up.desk-2", "up.>", "down.desk-1", "_INBOX.x", "up.desk-1"} {
		check(t, conn.Publish(subject, nil))
	}
	if m, err := heard.NextMsg(5 * time.Second); err != nil || m.Subject != "up.desk-1" {
		t.Errorf("heard %v, %v", m, err)
	}

	may, err := a.ExternalMayPublish()
	check(t, err)
	system := natstest.Connect(t, s.ClientURL(), natstest.Login(t, a.System, userKey(t), hubserver.Rights{Publish: may, Subscribe: []string{"_INBOX.>"}}))
	for range 4 {
		natstest.Connect(t, s.ClientURL(), login)
	}
	crowded, err := a.CrowdedAt(t.Context(), system, 4)
	if err != nil || len(crowded) != 1 || crowded[public] != 5 {
		t.Errorf("crowded %v, %v", crowded, err)
	}
	check(t, a.RevokeAt(t.Context(), system, hubserver.Revoked{hubserver.CountersAccount: {public}}))
	natstest.Wait(t, 5*time.Second, "the revoked user to be put out", func() bool { return !conn.IsConnected() })
	check(t, gate.Flush())
	if again, err := nats.Connect(s.ClientURL(), login); err == nil {
		again.Close()
		t.Error("a revoked user came back")
	}
	check(t, a.RevokeAt(t.Context(), system, hubserver.Revoked{hubserver.CountersAccount: nil}))
	natstest.Connect(t, s.ClientURL(), login)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
