package eventlog_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// muffler is a TCP proxy in front of a server that can swallow what the server says.
type muffler struct {
	listener net.Listener
	swallow  atomic.Bool
	// heard counts what was swallowed, in acknowledgements.
	heard atomic.Int64
}

func newMuffler(t *testing.T, target string) *muffler {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &muffler{listener: listener}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			go func() { defer server.Close(); _, _ = io.Copy(server, client) }()
			go func() { defer client.Close(); m.answers(client, server) }()
		}
	}()
	return m
}

func (m *muffler) answers(client io.Writer, server io.Reader) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if m.swallow.Load() && bytes.Contains(buffer[:n], []byte(`"stream":"shomei-log-`)) {
			m.heard.Add(1)
			continue
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// The acknowledgement is lost: Update finds its own commit, stores nothing twice and returns as if it had been
// answered.
func TestLostAcknowledgement(t *testing.T) {
	s := natstest.Start(t)
	m := newMuffler(t, s.NATS().Addr().String())
	key := newKey(t)
	c := config(t, natstest.Connect(t, "nats://"+m.listener.Addr().String()), key)
	c.PublishTimeout = 300 * time.Millisecond
	l := open(t, c)
	mustUpdate(t, l, "p", "c1", 1)
	m.swallow.Store(true)
	outcome := mustUpdate(t, l, "p", "c2", 2)
	m.swallow.Store(false)
	if m.heard.Load() == 0 {
		t.Fatal("no acknowledgement was swallowed")
	}
	if outcome.Commit.GetRevision() != 2 || outcome.Repeated {
		t.Errorf("outcome %+v", outcome)
	}
	mustUpdate(t, l, "p", "c3", 3)
	wantWhole(t, l, []string{"p"}, 3)
}

// The acknowledgement is lost and another writer goes on before we look: the command is found behind the head.
func TestLostAcknowledgementOvertaken(t *testing.T) {
	s := natstest.Start(t)
	m := newMuffler(t, s.NATS().Addr().String())
	key := newKey(t)
	c := config(t, natstest.Connect(t, "nats://"+m.listener.Addr().String()), key)
	c.PublishTimeout = 400 * time.Millisecond
	l, other := open(t, c), open(t, config(t, natstest.Connect(t, s.URL()), key))
	mustUpdate(t, l, "p", "c1", 1)
	m.swallow.Store(true)
	done := make(chan eventlog.Outcome)
	go func() { done <- mustUpdate(t, l, "p", "c2", 2) }()
	natstest.Wait(t, 5*time.Second, "the swallowed acknowledgement", func() bool { return m.heard.Load() > 0 })
	mustUpdate(t, other, "p", "c3", 3)
	if outcome := <-done; outcome.Commit.GetRevision() != 2 {
		t.Errorf("outcome %+v", outcome)
	}
	wantWhole(t, other, []string{"p"}, 3)
}

// The context ends before the outcome is known: the caller learns that, and repeating the command returns the first
// answer.
func TestUnknownOutcomeIsSaid(t *testing.T) {
	s := natstest.Start(t)
	m := newMuffler(t, s.NATS().Addr().String())
	c := config(t, natstest.Connect(t, "nats://"+m.listener.Addr().String()), newKey(t))
	l := open(t, c)
	mustUpdate(t, l, "p", "c1", 1)
	m.swallow.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := l.Update(ctx, events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c2"}, reissue(2))
	if !errors.Is(err, eventlog.ErrUnknownOutcome) {
		t.Fatalf("got %v", err)
	}
	m.swallow.Store(false)
	outcome, err := l.Update(t.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c2", Redelivered: true}, reissue(2))
	if err != nil || !outcome.Repeated || outcome.Commit.GetRevision() != 2 {
		t.Errorf("repeated: %+v, %v", outcome, err)
	}
	count(t, l, 2)
}
