package notifier_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"shomei/pkg/notice"
	"shomei/services/servicetest"
)

// mailServer is a real SMTP server that responds as a test tells it.
type mailServer struct {
	t      *testing.T
	addr   string
	server *smtp.Server
	listen net.Listener
	done   chan error

	mu sync.Mutex
	// answer decides about the nth try to write to a recipient: nil accepts the mail, errCut accepts it and says
	// nothing.
	answer func(to string, try int) error
	tries  map[string]int
	taken  []taken
}

// taken is a mail that the server has accepted, whatever it said.
type taken struct{ to, id, body string }

var (
	errCut = fmt.Errorf("the connection is cut behind the mail")
	again  = &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "later"}
	bare   = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.NoEnhancedCode, Message: "later"}
	full   = &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "no room"}
	nobody = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
)

func listen(t *testing.T, answer func(to string, try int) error) *mailServer {
	t.Helper()
	s := &mailServer{t: t, answer: answer, tries: make(map[string]int)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	servicetest.Check(t, err)
	s.addr = l.Addr().String()
	s.serve(l)
	t.Cleanup(s.stop)
	return s
}

func (s *mailServer) serve(l net.Listener) {
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{server: s, conn: c}, nil }))
	s.server.Domain, s.listen, s.done = "localhost", l, make(chan error, 1)
	go func(done chan error) { done <- s.server.Serve(l) }(s.done)
}

// stop stops the server; start restarts it at its old address.
func (s *mailServer) stop() {
	_ = s.server.Close()
	_ = s.listen.Close() // a server closed before it began to serve forgets its listener
	<-s.done
	s.done <- nil
}

func (s *mailServer) start() {
	l, err := net.Listen("tcp", s.addr)
	servicetest.Check(s.t, err)
	s.serve(l)
}

func (s *mailServer) mailer() notice.Mailer {
	_, port, _ := net.SplitHostPort(s.addr)
	m := notice.Mailer{Host: "127.0.0.1", TLS: "none"}
	_, err := fmt.Sscan(port, &m.Port)
	servicetest.Check(s.t, err)
	return m
}

// of returns the mails that the server accepted for a recipient.
func (s *mailServer) of(to string) []taken {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []taken
	for _, m := range s.taken {
		if m.to == to {
			list = append(list, m)
		}
	}
	return list
}

func (s *mailServer) tried(to string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries[to]
}

// session is one SMTP conversation.
type session struct {
	server *mailServer
	conn   *smtp.Conn
	to     string
}

func (c *session) Mail(string, *smtp.MailOptions) error { return nil }

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.to = to
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.tries[to]++
	if err := c.server.answer(to, c.server.tries[to]); err != nil && err != errCut {
		return err
	}
	return nil
}

func (c *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := netmail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		return err
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.taken = append(c.server.taken, taken{c.to, m.Header.Get("Message-Id"), string(body)})
	if c.server.answer(c.to, c.server.tries[c.to]) == errCut {
		c.conn.Conn().Close()
	}
	return nil
}

func (c *session) Reset()        {}
func (c *session) Logout() error { return nil }
