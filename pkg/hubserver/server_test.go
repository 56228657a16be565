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

func newUser(t *testing.T) (key string, login nats.Option) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	if key, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	return key, nats.Nkey(key, pair.Sign)
}

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

// A counter may send its own claims, and see or do nothing else; a monitor may look; a stranger stays outside.
func TestUsers(t *testing.T) {
	hub, hubLogin := newUser(t)
	counter, counterLogin := newUser(t)
	monitor, monitorLogin := newUser(t)
	users := []hubserver.User{
		{Key: hub},
		hubserver.Monitor(monitor),
		{Key: counter, Publish: []string{"shomei.counter.c1"}, Subscribe: []string{"_INBOX_c1.>"}},
	}
	s := natstest.StartWith(t, hubserver.Config{StoreDir: t.TempDir(), Port: -1, Reserve: -1, Users: users})
	js := connect(t, s, hubLogin)
	stream(t, js, "CLAIMS", "shomei.counter.*")
	stream(t, js, "LOG", "shomei.log.>")

	mine := connect(t, s, counterLogin, nats.CustomInboxPrefix("_INBOX_c1"))
	if _, err := mine.Publish(t.Context(), "shomei.counter.c1", []byte("claim")); err != nil {
		t.Errorf("a counter could not send its claim: %v", err)
	}
	for _, subject := range []string{"shomei.counter.c2", "shomei.log.subscriber.000.x"} {
		if _, err := mine.Publish(t.Context(), subject, []byte("claim")); err == nil {
			t.Errorf("a counter published to %s", subject)
		}
	}
	if _, err := mine.Stream(t.Context(), "LOG"); err == nil {
		t.Error("a counter looked at the log")
	}
	spy, err := mine.Conn().SubscribeSync("shomei.counter.>")
	if err != nil {
		t.Fatal(err)
	}
	control, err := js.Conn().SubscribeSync("shomei.counter.>")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "shomei.counter.c2", []byte("another's claim")); err != nil {
		t.Fatal(err)
	}
	if _, err := control.NextMsg(5 * time.Second); err != nil {
		t.Fatalf("the claim was not delivered to the hub: %v", err)
	}
	if m, err := spy.NextMsg(200 * time.Millisecond); err == nil {
		t.Errorf("a counter saw what another sent: %s", m.Subject)
	}

	looking := connect(t, s, monitorLogin)
	watched, err := looking.Stream(t.Context(), "LOG")
	if err != nil {
		t.Fatalf("a monitor could not look: %v", err)
	}
	if _, err := looking.Publish(t.Context(), "shomei.log.x", nil); err == nil {
		t.Error("a monitor wrote")
	}
	if _, err := watched.GetMsg(t.Context(), 1); err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("a monitor was let to a message: %v", err)
	}

	_, strangerLogin := newUser(t)
	for name, login := range map[string]nats.Option{"a stranger": strangerLogin, "no user": nats.Name("x")} {
		if c, err := nats.Connect(s.URL(), login); err == nil {
			c.Close()
			t.Errorf("%s was let in", name)
		}
	}
}

// A counter that is enrolled while the server runs gets in; one that is retired is put out.
func TestSetUsers(t *testing.T) {
	hub, hubLogin := newUser(t)
	counter, counterLogin := newUser(t)
	s := natstest.StartWith(t, hubserver.Config{StoreDir: t.TempDir(), Port: -1, Reserve: -1, Users: []hubserver.User{{Key: hub}}})
	connect(t, s, hubLogin)
	if err := s.SetUsers([]hubserver.User{{Key: hub}, {Key: counter, Publish: []string{"a"}}}); err != nil {
		t.Fatal(err)
	}
	conn := natstest.Connect(t, s.URL(), counterLogin)
	if err := s.SetUsers([]hubserver.User{{Key: hub}}); err != nil {
		t.Fatal(err)
	}
	natstest.Wait(t, 5*time.Second, "the retired counter to be put out", func() bool { return !conn.IsConnected() })
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := nats.Connect(s.URL(), counterLogin); err == nil {
		c.Close()
		t.Error("the retired counter came back after a restart")
	}
	if err := s.SetUsers(nil); !errors.Is(err, hubserver.ErrConfig) {
		t.Errorf("all users were taken away: %v", err)
	}
}

func TestStartRefuses(t *testing.T) {
	for name, c := range map[string]hubserver.Config{
		"no store":                    {Port: -1},
		"open to the network":         {Port: -1, StoreDir: t.TempDir(), Host: "0.0.0.0"},
		"a user that is no nkey":      {Port: -1, StoreDir: t.TempDir(), Users: []hubserver.User{{Key: "alice"}}},
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

// The disk fills up: writing is refused, health says so. It has space again: the server restarts by itself, everything
// acknowledged is there, and writing goes on.
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
	s := natstest.StartWith(t, hubserver.Config{StoreDir: filepath.Join(dir, "store"), Port: -1, MaxStore: 1 << 30, CheckEvery: 20 * time.Millisecond})
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
