package hub

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/pkg/natstest"
)

// TestWhoReadsTheFeedIsKnownFromTheLog: whom an operator has enrolled is let in, whom one has retired is out within a second, and
// both are so after a restart.
func TestWhoReadsTheFeedIsKnownFromTheLog(t *testing.T) {
	folder := t.TempDir()
	open := func() *Parts {
		p := newParts(Config{Data: folder, Logger: natstest.Quiet(), AnyClock: true})
		if err := p.open(t.Context(), needed(serving, []row{{needs: []string{"directory"}}})); err != nil {
			t.Fatal(errors.Join(err, p.Close()))
		}
		return p
	}
	p := open()
	by, err := p.By("0042")
	check(t, err)
	login := func(name string) (nats.Option, error) {
		key, err := nkeys.CreateUser()
		check(t, err)
		public, err := key.PublicKey()
		check(t, err)
		token, err := by.EnrolFeedReader(t.Context(), name, public, []string{"13", "12", "12"})
		return nats.UserJWT(func() (string, error) { return token, nil }, key.Sign), err
	}
	dial := func(p *Parts, as nats.Option) (*nats.Conn, error) {
		return nats.Connect(p.URL(), as, nats.TLSHandshakeFirst(), nats.Secure(p.port.client()), nats.NoReconnect())
	}
	stays, err := login("stays")
	check(t, err)
	goes, err := login("goes")
	check(t, err)
	if _, err := login("goes"); !errors.Is(err, ErrRefused) {
		t.Errorf("one reader twice: %v", err)
	}
	for _, prefectures := range [][]string{nil, {"48"}, {"*"}, {"12", ">"}, {"1"}} {
		key, _ := nkeys.CreateUser()
		public, _ := key.PublicKey()
		if _, err := by.EnrolFeedReader(t.Context(), "odd", public, prefectures); !errors.Is(err, ErrRefused) {
			t.Errorf("prefectures %v: %v", prefectures, err)
		}
	}
	conn, err := dial(p, goes)
	check(t, err)
	check(t, by.RetireFeedReader(t.Context(), "goes"))
	natstest.Wait(t, time.Second, "the retired reader to be put out", func() bool { return !conn.IsConnected() })
	if err := by.RetireFeedReader(t.Context(), "goes"); !errors.Is(err, ErrRefused) {
		t.Errorf("retired twice: %v", err)
	}
	closeParts(t, p)

	p = open()
	check(t, p.revoke())
	if all := p.Directory.FeedReaders(); len(all) != 2 || all[0].Prefectures[0] != "12" || !all[0].Retired.IsZero() || all[1].Retired.IsZero() {
		t.Errorf("after a restart: %+v", all)
	}
	if again, err := dial(p, goes); err == nil {
		again.Close()
		t.Error("the retired reader came back")
	}
	conn, err = dial(p, stays)
	check(t, err)
	conn.Close()
	closeParts(t, p)
}
