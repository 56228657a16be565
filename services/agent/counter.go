package agent

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
)

// Errors that pages explain to the clerk.
var (
	// ErrUnknownProcedure: this counter knows no such procedure.
	ErrUnknownProcedure = errors.New("no such procedure at this counter")
	// ErrNotWaiting: the procedure does not wait for the resident's confirmation.
	ErrNotWaiting = errors.New("the procedure does not wait for the resident")
	// ErrPINRefused: a PIN is missing or breaks a rule; PINRefusal says which.
	ErrPINRefused = errors.New("PIN refused")
	// ErrNotYet: the procedure has not reached the necessary stage.
	ErrNotYet = errors.New("the procedure has not reached this stage")
	// ErrSettles: the centre carries the procedure out by accepting it, so it can't be recalled.
	ErrSettles = errors.New("the procedure takes effect on acceptance and can't be recalled")
	// ErrOver: the procedure has ended.
	ErrOver = errors.New("the procedure has ended")
	// ErrOffline: the centre can't be reached now.
	ErrOffline = errors.New("the centre can't be reached now")
	// ErrReceiptTime: a receipt time entered by hand is in the future or on another day.
	ErrReceiptTime = errors.New("a receipt time entered by hand must be earlier today")
)

// The values of ClockEvidence, recorded in every claim (Claim.clock_evidence).
const (
	Synchronised   = counterlink.ClockSynchronised
	Unsynchronised = counterlink.ClockUnsynchronised
	Simulated      = counterlink.ClockSimulated
)

// Reader is the counter's card reader: [PCSC], or a card in software in tests.
type Reader interface {
	// Await waits until a card is in the reader (present) or none is.
	Await(ctx context.Context, present bool) error
	// Present reports whether a card is in the reader. If the reader does not answer, it retries until ctx ends, then
	// returns the reason.
	Present(ctx context.Context) (bool, error)
	// Connect takes the card in the reader exclusively, until Close. It returns card.ErrRemoved if there is none.
	Connect() (Connection, error)
}

// Connection is a card held exclusively.
type Connection interface {
	card.Transmitter
	Close() error
}

// Config is what a counter needs. With a nil Conn it works offline. Reader may be nil for sources without one (register,
// telephone desk).
type Config struct {
	Counter, Office string
	// Key signs claims, SealKey opens what the hub sends.
	Key     nkeys.KeyPair
	SealKey hpke.PrivateKey
	// HubSealKey is the hub's public key for personal data; HubWriters are the public nkeys that it signs with.
	HubSealKey hpke.PublicKey
	HubWriters []string
	Conn       *nats.Conn
	StorePath  string
	Reader     Reader
	// OpenCard asks the centre to answer a card's challenge for a command (counterlink.CardClient.Open). ErrCardRefused
	// means that it refuses; any other error, that it is unavailable. Nil: this counter reads cards but changes none.
	OpenCard func(ctx context.Context, command string, c card.Challenge) (card.Answer, error)
	// AskPerson asks the centre to compare a resident-record code and a date of birth (counterlink.PersonClient.Ask). Nil:
	// the centre can't be asked.
	AskPerson func(ctx context.Context, officer, code, birthDate string) (counterlink.Person, error)
	// AskHistory asks the centre what a history holds (counterlink.PersonClient.AskHistory). Nil: the centre can't be asked.
	AskHistory func(ctx context.Context, officer, subscriber string) (counterlink.Person, error)
	// FindCases asks the centre for this office's applications that wait for the answer to a letter of inquiry
	// (counterlink.PersonClient.FindCases). Nil: the centre can't be asked.
	FindCases func(ctx context.Context, officer string, key counterlink.CaseKey) ([]*events.OpenCase, error)
	// Find asks the centre who a person is (counterlink.PersonClient.Find). Nil: the centre can't be asked.
	Find func(ctx context.Context, officer string, key counterlink.FindKey) (counterlink.Found, error)
	// AskApprovals asks the centre for acts that wait for a second officer (counterlink.PersonClient.Approvals). Nil: the centre
	// can't be asked.
	AskApprovals func(ctx context.Context, officer, approval string) (counterlink.Waiting, error)
	// Now is the counter's clock; ClockEvidence returns its state: Synchronised, Unsynchronised or Simulated.
	Now           func() time.Time
	ClockEvidence func() string
	// Uptime counts time since boot; nil counts from Open.
	Uptime Uptime
	// Alarm receives errors that need a person (counterlink.LinkConfig); it may be nil.
	Alarm  func(error)
	Logger *slog.Logger
}

// Counter is one counter. Its methods are safe for concurrent use.
type Counter struct {
	cfg   Config
	time  timepiece
	store *Store
	link  *counterlink.Link // nil when offline by configuration

	unreported atomic.Bool // hub and counter differed, and the certificates were not reported since

	cards sync.Mutex // held while the card in the reader is being used

	mu         sync.Mutex
	procedures map[string]*procedure
	watchers   map[int]*watcher
	nextWatch  int
	start      func(*work) // nil before Run
	forgetAt   int         // number of procedures at which closed ones are forgotten
	// recording is read-locked while a change is stored and folded, and locked while procedures are forgotten.
	recording sync.RWMutex

	officers atomic.Pointer[Officers] // nil until the centre has told any

	// ending is held from checking a procedure's stage until the claim that ends it is stored, so that an end is filed once.
	ending   sync.Mutex
	held     map[string]*events.HeldReceipt // claims that the centre holds because of their times
	heads    agreement
	compared chan struct{} // closed and replaced when heads changes
}

var crashStored = crashpoint.Register("agent.claim.stored")

// Open opens the counter's store, removes what is finished and older than [Keep], and loads the rest. Errors: ErrTampered,
// ErrStoreBusy.
func Open(cfg Config) (*Counter, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Uptime == nil {
		cfg.Uptime = processUptime()
	}
	c := &Counter{
		cfg: cfg, procedures: map[string]*procedure{}, compared: make(chan struct{}), held: map[string]*events.HeldReceipt{},
		watchers: map[int]*watcher{},
	}
	c.time.now, c.time.evidence, c.time.uptime = cfg.Now, cfg.ClockEvidence, cfg.Uptime
	store, err := c.openStore()
	if err != nil {
		return nil, err
	}
	c.store = store
	if err := c.recall(); err != nil {
		store.Close()
		return nil, err
	}
	c.recallOfficers()
	if c.store, err = store.compacted(); err != nil {
		return nil, err
	}
	store = c.store
	c.forgetNames()
	if cfg.Conn == nil {
		return c, nil
	}
	c.link, err = counterlink.NewLink(counterlink.LinkConfig{
		Conn: cfg.Conn, Counter: cfg.Counter, Outbox: store, SealKey: cfg.SealKey, Writers: cfg.HubWriters,
		Received: c.received, Alarm: c.alarm, Changed: c.linkChanged, Now: cfg.Now, Timed: c.linkedUp, Logger: cfg.Logger,
	})
	if err != nil {
		store.Close()
		return nil, err
	}
	store.notify = c.link.Kick
	c.unreported.Store(store.Differed())
	return c, nil
}

// Close closes the store; call it after Run has returned.
func (c *Counter) Close() error { return c.store.Close() }

// Run keeps the link up and executes commands until ctx ends.
func (c *Counter) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	c.mu.Lock()
	c.start = func(w *work) { running.Go(func() { c.execute(ctx, w) }) }
	for _, p := range c.procedures {
		for _, w := range p.works {
			if w.owed() {
				c.start(w)
			}
		}
	}
	c.mu.Unlock()
	defer c.stopStarting()
	if c.link == nil {
		<-ctx.Done()
		return nil
	}
	return c.link.Run(ctx)
}

func (c *Counter) stopStarting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start = nil
}

// Link returns the state of the link; always Away if the counter works offline.
func (c *Counter) Link() counterlink.LinkState {
	if c.link == nil {
		return counterlink.Away
	}
	return c.link.State()
}

// Outbox returns the number of claims that are not at the hub yet.
func (c *Counter) Outbox() int { return c.store.Outbox() }

// Application is what the clerk records at the desk.
type Application struct {
	// Procedure is the one to continue (a letter of inquiry was brought back); empty begins a new one.
	Procedure string
	// Subscriber is the hub's id of the person; empty on first contact.
	Subscriber string
	// Officer and SecondOfficer are codes for events.ParseOfficer.
	Officer, SecondOfficer string
	Received               *events.ApplicationReceived
	// Personal is sealed to the hub before it is stored.
	Personal *events.Personal
	// Filed is a time of receipt entered by hand, earlier today; zero means now.
	Filed       time.Time
	Traceparent string
}

// Apply prepares an application. Once it is filed it is stored here (仮); Status reports when the hub has it (受付済). Error:
// ErrReceiptTime.
func (c *Counter) Apply(a Application) (*Act, error) {
	claim := c.newClaim(a.Procedure, a.Officer, a.SecondOfficer)
	claim.Fact = &events.Claim_ApplicationReceived{ApplicationReceived: a.Received}
	claim.Subscriber, claim.Traceparent = a.Subscriber, a.Traceparent
	if claim.Procedure == "" {
		claim.Procedure = claim.Id
	}
	if err := enterReceipt(claim, a.Filed, c.Now()); err != nil {
		return nil, err
	}
	return c.prepare(claim, a.Personal)
}

// Receive files an application unsigned and returns the claim's id, which is also that of a new procedure.
func (c *Counter) Receive(_ context.Context, a Application) (claimID string, err error) {
	return fileNow(c.Apply(a))
}

// UnblockPIN files an application to set PINs anew. The hub's command then waits for Confirm like any other.
func (c *Counter) UnblockPIN(ctx context.Context, a Application, pins ...events.PinKind) (claimID string, err error) {
	received := &events.ApplicationReceived{}
	if a.Received != nil {
		received = proto.CloneOf(a.Received)
	}
	received.Operation, received.Pins = events.Operation_OPERATION_UNBLOCK, pins
	a.Received = received
	return c.Receive(ctx, a)
}

// HandingOver prepares that the card and, if wanted, the paper copy were handed over and the fee was collected. It returns
// ErrNotYet before ReadyToHandOver, ErrOver after the end; so does filing it.
func (c *Counter) HandingOver(procedure, officer string, paper bool) (*Act, error) {
	return c.endingAct(procedure, officer, Status.mayHandOver, func(claim *events.Claim, s Status) *events.Personal {
		claim.Fact = &events.Claim_HandedOver{HandedOver: &events.HandedOver{FeeYen: s.FeeYen, PaperCopy: paper, Card: s.Card}}
		return nil
	})
}

// HandOver files a hand-over unsigned.
func (c *Counter) HandOver(_ context.Context, procedure, officer string, paper bool) error {
	_, err := fileNow(c.HandingOver(procedure, officer, paper))
	return err
}

// Dropping prepares the end of a procedure that the applicant gives up; why may be empty and is sealed to the hub. Staged keys
// stay on the card until the next procedure clears them. Its errors, and those of filing it, are those of MayDrop.
func (c *Counter) Dropping(procedure, officer, why string) (*Act, error) {
	act, err := c.endingAct(procedure, officer, Status.MayDrop, func(claim *events.Claim, _ Status) *events.Personal {
		claim.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: &events.ApplicationDropped{}}
		if why == "" {
			return nil
		}
		return &events.Personal{Why: why}
	})
	if err != nil {
		return nil, err
	}
	act.filed = func() { c.withdraw(procedure) }
	return act, nil
}

// Drop files the end of a procedure unsigned.
func (c *Counter) Drop(_ context.Context, procedure, officer, why string) error {
	_, err := fileNow(c.Dropping(procedure, officer, why))
	return err
}

// endingAct prepares an act that ends a procedure. It can be prepared and filed while may allows it.
func (c *Counter) endingAct(
	procedure, officer string, may func(Status) error, fill func(*events.Claim, Status) *events.Personal,
) (*Act, error) {
	still := func() (Status, error) {
		status, err := c.Status(procedure)
		if err == nil {
			err = may(status)
		}
		if err != nil {
			return status, fmt.Errorf("ending procedure in stage %q: %w", status.Stage, err)
		}
		return status, nil
	}
	status, err := still()
	if err != nil {
		return nil, err
	}
	claim := c.newClaim(procedure, officer, "")
	claim.Subscriber = status.Subscriber
	act, err := c.prepare(claim, fill(claim, status))
	if err != nil {
		return nil, err
	}
	act.still = func() error {
		now, err := still()
		if err == nil && (now.FeeYen != status.FeeYen || now.Card != status.Card) {
			return ErrNotYet
		}
		return err
	}
	return act, nil
}

// mayHandOver returns why the card can't be handed over now, or nil. Errors: ErrOver, ErrNotYet.
func (s Status) mayHandOver() error {
	switch {
	case s.closed():
		return ErrOver
	case !s.ReadyToHandOver():
		return ErrNotYet
	}
	return nil
}

func (c *Counter) newClaim(procedure, officer, second string) *events.Claim {
	now := c.cfg.Now().UnixMilli()
	return &events.Claim{
		Id: uuid.Must(uuid.NewV7()).String(), Office: c.cfg.Office, Officer: officer, SecondOfficer: second,
		CausedMs: now, FiledMs: now, ClockEvidence: c.cfg.ClockEvidence(), LinkTime: c.time.linkTime(), Procedure: procedure,
	}
}

func (c *Counter) alarm(err error) {
	c.cfg.Logger.Error("the counter needs a person", "counter", c.cfg.Counter, "error", err)
	if c.cfg.Alarm != nil {
		c.cfg.Alarm(err)
	}
}
