package registerlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"shomei/events"
)

// Batch is a batch of a known register.
type Batch struct {
	Office, Register string
	*events.RegisterChanges
}

// Refusal is why a batch is not taken, as its register is told.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// ServerConfig is what a Server needs; all fields are required.
type ServerConfig struct {
	// Conn is a connection to the account that registers' batches reach.
	Conn *nats.Conn
	// Key opens batches; registers have its public key.
	Key hpke.PrivateKey
	// Enrolled returns the public nkey of a register that is enrolled at an office and not retired, or why there is none.
	Enrolled func(ctx context.Context, office, register string) (publicKey string, err error)
	// Take takes the changes of a batch and returns one outcome for each, or a Refusal.
	Take   func(ctx context.Context, b Batch) ([]*events.RegisterOutcome, error)
	Clock  func() time.Time
	Logger *slog.Logger
}

// Server answers registers.
type Server struct {
	ServerConfig
	running sync.WaitGroup
	lines   rate.Sometimes // about batches that are not taken: somebody outside can bring them about

	mu     sync.Mutex
	atWork map[string]bool // by office
}

// NewServer returns a Server.
func NewServer(c ServerConfig) *Server {
	return &Server{ServerConfig: c, atWork: make(map[string]bool), lines: rate.Sometimes{First: 3, Interval: time.Minute}}
}

const (
	// What waits to be looked at is bounded; NATS drops what is beyond, and its register sends it again.
	pendingMessages = 256
	pendingBytes    = 32 << 20
	// together is how many batches are at work at once, one of each office.
	together = 16
)

// Run answers registers until ctx ends, and then those whose batches have been taken.
func (s *Server) Run(ctx context.Context) error {
	defer s.running.Wait()
	subject := ServerMaySubscribe()[0]
	sub, err := s.Conn.Subscribe(subject, func(m *nats.Msg) { s.receive(ctx, m) })
	if err == nil {
		err = sub.SetPendingLimits(pendingMessages, pendingBytes)
	}
	if err != nil {
		return fmt.Errorf("listening on %s: %w", subject, err)
	}
	ended := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(ended) })
	<-ctx.Done()
	if sub.Unsubscribe() == nil {
		<-ended // no batch is received after that
	}
	return nil
}

// receive takes a batch into work, or says why not. It is called with one batch at a time.
func (s *Server) receive(ctx context.Context, m *nats.Msg) {
	if !ownInbox(m.Reply) {
		return
	}
	office, ok := officeOf(m.Subject)
	if !ok {
		return
	}
	if err := s.enter(office); err != nil {
		s.turnAway(m, err)
		return
	}
	s.running.Go(func() {
		data, err := s.serve(ctx, office, m.Data)
		s.leave(office) // before the answer, on which the next batch may follow at once
		if err != nil {
			s.turnAway(m, err)
			return
		}
		s.respond(m, data)
	})
}

// enter begins the work on a batch of an office, unless it or too many others have one at work. The office is the only thing
// known of a batch that its sender can't choose.
func (s *Server) enter(office string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.atWork[office] || len(s.atWork) >= together {
		return errBusy
	}
	s.atWork[office] = true
	return nil
}

func (s *Server) leave(office string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.atWork, office)
}

func (s *Server) serve(ctx context.Context, office string, data []byte) ([]byte, error) {
	batch, err := s.parseBatch(ctx, office, data)
	if err != nil {
		return nil, err
	}
	changes, answer, err := openBatch(batch, s.Key)
	if err != nil {
		return nil, err
	}
	outcomes, err := s.Take(ctx, Batch{office, batch.GetRegister(), changes})
	if err != nil {
		return nil, err
	}
	return sealOutcomes(answer, outcomes)
}

// turnAway answers a batch that is not taken. Its text repeats nothing of what was sealed.
func (s *Server) turnAway(m *nats.Msg, why error) {
	answer := &events.RegisterAnswer{Busy: errors.Is(why, errBusy)}
	if !answer.Busy {
		answer.Refused = why.Error()
	}
	s.lines.Do(func() { s.Logger.Warn("batch of a register not taken", "subject", m.Subject, "why", why) })
	data, err := events.Encode(answer)
	if err != nil {
		s.Logger.Error("encoding a refusal to a register", "error", err)
		return
	}
	s.respond(m, data)
}

func (s *Server) respond(m *nats.Msg, data []byte) {
	if err := m.Respond(data); err != nil {
		s.Logger.Warn("an answer to a register could not be sent, it sends the batch again", "error", err)
	}
}
