package notice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"shomei/pkg/durable"
)

// maxMail is far above any notice.
const maxMail = 1 << 20

// Sink is a small real SMTP server that keeps every mail as a file, for trying Shomei out and for stories: what people
// would find in their mailboxes.
type Sink struct {
	dir    string
	server *smtp.Server
	listen net.Listener
	mu     sync.Mutex
	count  int // the number of the last mail
	done   chan error
}

// ListenSink listens on addr ("127.0.0.1:0" takes any free port) and writes each mail to dir as 000001.eml, 000002.eml
// and so on, after existing ones. It answers 250 once the mail's file is durable.
func ListenSink(addr, dir string) (*Sink, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the mail folder: %w", err)
	}
	last, err := lastNumber(dir)
	if err != nil {
		return nil, err
	}
	listen, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for mail: %w", err)
	}
	s := &Sink{dir: dir, listen: listen, count: last, done: make(chan error, 1)}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &delivery{sink: s}, nil }))
	s.server.Domain = "localhost"
	s.server.MaxMessageBytes = maxMail
	s.server.MaxRecipients = 10
	// The server takes what arrived of a line within this time for the whole line, and hangs up after four unreadable
	// ones.
	s.server.ReadTimeout, s.server.WriteTimeout = 10*time.Second, time.Minute
	go func() { s.done <- s.server.Serve(listen) }()
	return s, nil
}

// lastNumber returns the highest number among the kept mails, or 0.
func lastNumber(dir string) (int, error) {
	kept, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		return 0, fmt.Errorf("looking at the mail folder: %w", err)
	}
	last := 0
	for _, path := range kept {
		if n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".eml")); err == nil {
			last = max(last, n)
		}
	}
	return last, nil
}

// Addr returns the host and port that the sink listens on.
func (s *Sink) Addr() string { return s.listen.Addr().String() }

// Port returns the port that the sink listens on.
func (s *Sink) Port() int { return s.listen.Addr().(*net.TCPAddr).Port }

// Count returns the number of the last mail kept.
func (s *Sink) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// Close stops the server; acknowledged mails stay.
func (s *Sink) Close() error {
	if err := s.server.Close(); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return fmt.Errorf("closing the mail sink: %w", err)
	}
	// A server closed before it began to serve forgets its listener, which would wait for ever.
	_ = s.listen.Close()
	if err := <-s.done; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serving mail: %w", err)
	}
	return nil
}

func (s *Sink) keep(mail []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := filepath.Join(s.dir, fmt.Sprintf("%06d.eml", s.count+1))
	if err := durable.WriteSecret(path, mail); err != nil {
		return err
	}
	s.count++
	return nil
}

// delivery is one SMTP session.
type delivery struct {
	sink *Sink
	from string
}

func (d *delivery) Mail(from string, _ *smtp.MailOptions) error {
	d.from = from
	return nil
}

func (d *delivery) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (d *delivery) Data(r io.Reader) error {
	mail := bytes.NewBufferString("Return-Path: <" + d.from + ">\r\n")
	if _, err := io.Copy(mail, r); err != nil {
		return err
	}
	if err := d.sink.keep(mail.Bytes()); err != nil {
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "mail folder can't be written"}
	}
	return nil
}

func (d *delivery) Reset() { d.from = "" }

func (d *delivery) Logout() error { return nil }
