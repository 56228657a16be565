package hubserver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
)

func stream(t *testing.T, js jetstream.JetStream, name, subject string) jetstream.Stream {
	t.Helper()
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Storage: jetstream.FileStorage})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t *testing.T, s *hubserver.Server, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(natstest.Connect(t, s.URL(), options...), jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Each user has its rights and no more: the log's account has the streams, the counters' account has none and hears
// nothing of them, and a stranger stays out.
func TestAccountsAndRights(t *testing.T) {
	s := natstest.StartOperated(t)
	all := s.As(t, s.Accounts.Log, natstest.Everything)
	js := jetStream(t, all)
	stream(t, js, "LOG", "shomei.log.>")
	if _, err := js.Publish(t.Context(), "shomei.log.x", []byte("commit")); err != nil {
		t.Fatal(err)
	}

	reader := jetStream(t, s.As(t, s.Accounts.Log, hubserver.Rights{
		Publish: []string{"$JS.API.STREAM.MSG.GET.*", "$JS.API.STREAM.INFO.*"}, Subscribe: []string{"_INBOX.>"},
	}))
	log, err := reader.Stream(t.Context(), "LOG")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := log.GetMsg(t.Context(), 1); err != nil || string(m.Data) != "commit" {
		t.Errorf("a reader read %v, %v", m, err)
	}
	if _, err := reader.Publish(t.Context(), "shomei.log.x", nil); err == nil {
		t.Error("a reader wrote")
	}
	if err := reader.DeleteStream(t.Context(), "LOG"); err == nil {
		t.Error("a reader deleted the log")
	}

	spy, err := all.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Flush(); err != nil {
		t.Fatal(err)
	}
	counters := s.As(t, s.Accounts.Counters, natstest.Everything)
	if err := counters.Publish("shomei.log.x", []byte("of a counter")); err != nil {
		t.Fatal(err)
	}
	if _, err := jetStream(t, counters).Stream(t.Context(), "LOG"); err == nil {
		t.Error("the account of the counters has JetStream")
	}
	if err := all.Publish("end", nil); err != nil {
		t.Fatal(err)
	}
	if m, err := spy.NextMsg(5 * time.Second); err != nil || m.Subject != "end" {
		t.Errorf("a message of a counter came into the account of the log: %v, %v", m, err)
	}

	silent := s.As(t, s.Accounts.Log, hubserver.Rights{})
	if err := silent.Publish("a", nil); err != nil {
		t.Fatal(err)
	}
	if err := silent.Flush(); err != nil || !errors.Is(silent.LastError(), nats.ErrPermissionViolation) {
		t.Errorf("a user without rights published: %v, %v", err, silent.LastError())
	}

	other := natstest.NewAccounts(t)
	for name, login := range map[string]nats.Option{
		"of another operator": natstest.Login(t, other.Log, userKey(t), natstest.Everything), "no user": nats.Name("x"),
	} {
		if c, err := nats.Connect(s.URL(), login); err == nil {
			c.Close()
			t.Errorf("a stranger was let in: %s", name)
		}
	}
}

func jetStream(t *testing.T, conn *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func userKey(t *testing.T) nkeys.KeyPair {
	t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A revoked user is disconnected at once and stays out, even after a restart of the server; the others stay.
func TestRevoke(t *testing.T) {
	s := natstest.StartOperated(t)
	key, other := userKey(t), userKey(t)
	public, _ := key.PublicKey()
	login := natstest.Login(t, s.Accounts.Counters, key, natstest.Everything)
	conn := natstest.Connect(t, s.URL(), login)
	stays := natstest.Connect(t, s.URL(), natstest.Login(t, s.Accounts.Counters, other, natstest.Everything))
	id, err := conn.GetClientID()
	if err != nil || !s.Connected(id) {
		t.Fatalf("client %d is not connected: %v", id, err)
	}
	if err := s.Revoke(hubserver.Revoked{hubserver.CountersAccount: {public}}); err != nil {
		t.Fatal(err)
	}
	natstest.Wait(t, 5*time.Second, "the revoked user to be put out", func() bool { return !s.Connected(id) && !conn.IsConnected() })
	if err := stays.Flush(); err != nil || stays.Stats().Reconnects > 0 {
		t.Errorf("the other user was cut off: %v", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := nats.Connect(s.URL(), login); err == nil {
		c.Close()
		t.Error("the revoked user came back after a restart")
	}
	if err := s.Revoke(hubserver.Revoked{hubserver.CountersAccount: nil}); err != nil {
		t.Fatal(err)
	}
	natstest.Connect(t, s.URL(), login)
	if err := natstest.Start(t).Revoke(hubserver.Revoked{hubserver.CountersAccount: nil}); !errors.Is(err, hubserver.ErrConfig) {
		t.Errorf("users of a server without accounts were revoked: %v", err)
	}
}

// What a server without accounts has stored belongs to the log's account once there is one, however often the move is
// interrupted.
func TestStreamsMoveToTheirAccount(t *testing.T) {
	dir := t.TempDir()
	before := natstest.StartIn(t, dir)
	js := connect(t, before)
	stream(t, js, "LOG", "log")
	for range 3 {
		if _, err := js.Publish(t.Context(), "log", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	before.Shutdown()
	accounts := natstest.NewAccounts(t)
	config := hubserver.Config{StoreDir: dir, Port: -1, Reserve: -1, Accounts: &accounts, Logger: natstest.Quiet()}
	for range 2 {
		s := &natstest.Operated{Server: natstest.StartWith(t, config), Accounts: accounts}
		log, err := jetStream(t, s.As(t, accounts.Log, natstest.Everything)).Stream(t.Context(), "LOG")
		if err != nil || log.CachedInfo().State.LastSeq != 3 {
			t.Fatalf("the stream after the move: %+v, %v", log, err)
		}
		s.Shutdown()
	}
	if _, err := os.Stat(filepath.Join(dir, "jetstream", "$G", "streams")); err == nil {
		t.Error("the old folder is still there")
	}

	other := natstest.NewAccounts(t)
	config.Accounts = &other
	if _, err := hubserver.Start(t.Context(), config); !errors.Is(err, hubserver.ErrConfig) {
		t.Errorf("a store of other keys was opened: %v", err)
	}
	config.Accounts = &accounts
	if err := os.MkdirAll(filepath.Join(dir, "jetstream", "$G", "streams", "LOG"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := hubserver.Start(t.Context(), config); !errors.Is(err, hubserver.ErrConfig) {
		t.Errorf("a store with two logs was opened: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	for name, c := range map[string]hubserver.Config{
		"no store":                    {Port: -1},
		"open to the network":         {Port: -1, StoreDir: t.TempDir(), Host: "0.0.0.0"},
		"a reserve larger than disks": {Port: -1, StoreDir: t.TempDir(), Reserve: 1 << 60},
	} {
		s, err := hubserver.Start(t.Context(), c)
		if !errors.Is(err, hubserver.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			s.Shutdown()
		}
	}
}

func TestInProcessOutlivesRestart(t *testing.T) {
	s := natstest.Start(t)
	conn := natstest.Connect(t, "", nats.InProcessServer(s))
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream(t, js, "S", "s")
	url := s.URL()
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	natstest.Wait(t, 10*time.Second, "the connection to come back", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.Publish(ctx, "s", []byte("x"))
		return err == nil
	})
	if s.URL() != url {
		t.Errorf("was at %s, is at %s", url, s.URL())
	}
}

// The disk fills up: writing is refused, and health says so. With space again the server restarts by itself, everything
// acknowledged is there, and writing continues.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		t.Fatalf("this test mounts a small disk and has to run as root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := natstest.StartWith(t, hubserver.Config{
		StoreDir: filepath.Join(dir, "store"), Port: -1, MaxStore: 1 << 30, CheckEvery: 20 * time.Millisecond,
	})
	js := connect(t, s)
	log := stream(t, js, "LOG", "log")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	acknowledged := uint64(0)
	payload := make([]byte, 100<<10)
	for range 200 {
		if _, err := js.Publish(t.Context(), "log", payload); err != nil {
			t.Logf("refused after %d: %v", acknowledged, err)
			break
		}
		acknowledged++
	}
	if acknowledged == 0 || acknowledged == 200 {
		t.Fatalf("%d messages went onto a full disk", acknowledged)
	}
	natstest.Wait(t, 10*time.Second, "the write error in health", func() bool { return errors.Is(s.Health(), hubserver.ErrUnhealthy) })
	t.Logf("health: %v", s.Health())
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	natstest.Wait(t, 20*time.Second, "the server to come back healthy and take messages", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.Publish(ctx, "log", []byte("again"))
		return err == nil && s.Health() == nil
	})
	info, err := log.Info(t.Context())
	if err != nil || info.State.Msgs < acknowledged+1 || info.State.NumDeleted > 0 {
		t.Errorf("%d acknowledged, the stream holds %d (%v)", acknowledged, info.State.Msgs, err)
	}
	for i := range acknowledged {
		if m, err := log.GetMsg(t.Context(), i+1); err != nil || len(m.Data) != len(payload) {
			t.Fatalf("message %d is lost: %v", i+1, err)
		}
	}
}
