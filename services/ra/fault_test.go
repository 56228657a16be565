package ra_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/services/servicetest"
)

// proxy forwards connections. When armed, it swallows the next acknowledgement of a commit.
type proxy struct {
	listener net.Listener
	target   string
	armed    atomic.Bool
	eaten    chan struct{}
	mu       sync.Mutex
	open     []net.Conn
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	u, err := url.Parse(target)
	servicetest.Check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	servicetest.Check(t, err)
	p := &proxy{listener: l, target: u.Host, eaten: make(chan struct{}, 16)}
	t.Cleanup(func() { l.Close(); p.cut() })
	go p.serve()
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.open = append(p.open, client, server)
		p.mu.Unlock()
		go func() { _, _ = io.Copy(server, client) }()
		go p.answer(client, server)
	}
}

func (p *proxy) answer(client, server net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			client.Close()
			return
		}
		if bytes.Contains(buffer[:n], []byte(`{"stream":"`)) && bytes.Contains(buffer[:n], []byte(`"seq":`)) && p.armed.CompareAndSwap(true, false) {
			p.eaten <- struct{}{}
			continue
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

// A claim whose commit was stored but not acknowledged, and one whose connection broke before, have one outcome each,
// and no serial is used twice.
func TestLostAcknowledgementsHaveOneOutcome(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	p := newProxy(t, w.Server.URL())
	w.Unanswered = time.Second
	w.RA = w.NewRA(w.OpenLog(natstest.Connect(t, p.url()), w.Writer, "marks-proxy"))
	d.Apply(opIssue, "0", "card-0").Finish()
	var lives []string
	for i, fault := range []string{"stored, answer eaten", "cut before", "cut after the answer was eaten"} {
		l := d.Apply(opIssue, fmt.Sprint(i+1), fmt.Sprintf("card-%d", i+1))
		keys := d.Received(l.Keys(0))
		if fault == "cut before" {
			p.cut()
			servicetest.Check(t, w.RA.Handle(t.Context(), keys))
		} else {
			p.armed.Store(true)
			done := make(chan error, 1)
			go func() { done <- w.RA.Handle(t.Context(), keys) }()
			<-p.eaten
			if i == 2 {
				p.cut()
			}
			servicetest.Check(t, <-done)
		}
		if n := w.Count(l.Subscriber, "IssueAuthorized"); n != 2 {
			t.Errorf("%s: %d authorisations: %v", fault, n, w.Events(l.Subscriber))
		}
		lives = append(lives, l.Subscriber)
		p.cut()
	}
	if seen := serialsOf(t, w, lives...); len(seen) != 6 {
		t.Errorf("%d serials for three people", len(seen))
	}
}

// A process is stopped before it hears that a commit is stored, and goes on with another person, who must not get the
// same serials.
func TestUnacknowledgedSerialsAreNotReused(t *testing.T) {
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	p := newProxy(t, w.Server.URL())
	w.Unanswered = time.Second
	w.RA = w.NewRA(w.OpenLog(natstest.Connect(t, p.url()), w.Writer, "marks-proxy"))
	d.Apply(opIssue, "0", "card-0").Finish()
	one, two := d.Apply(opIssue, "1", "card-1"), d.Apply(opIssue, "2", "card-2")
	keys := d.Received(one.Keys(0))
	ctx, cancel := context.WithCancel(t.Context())
	p.armed.Store(true)
	done := make(chan error, 1)
	go func() { done <- w.RA.Handle(ctx, keys) }()
	<-p.eaten
	cancel()
	if err := <-done; !errors.Is(err, eventlog.ErrUnknownOutcome) {
		t.Fatalf("the unacknowledged outcome: %v", err)
	}
	p.cut()
	d.Decide(two.Keys(0))
	keys.Redelivered = true
	servicetest.Check(t, w.RA.Handle(t.Context(), keys))
	if seen := serialsOf(t, w, one.Subscriber, two.Subscriber); len(seen) != 4 {
		t.Errorf("%d serials for two people, want 4", len(seen))
	}
}
