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

// What a page can tell the clerk.
var (
	// ErrUnknownProcedure: this counter knows of no such procedure.
	ErrUnknownProcedure = errors.New("no such procedure at this counter")
	// ErrNotWaiting: nothing waits for the resident's confirmation in this procedure.
	ErrNotWaiting = errors.New("the procedure does not wait for the resident")
	// ErrPINRefused: a PIN has not the form that the law asks for, or one is missing; PINRefusal says which.
	ErrPINRefused = errors.New("the PIN can't be taken")
	// ErrNotYet: the procedure is not at the stage for this.
	ErrNotYet = errors.New("the procedure is not that far")
	// ErrSettles: the centre's acceptance is all there is of the procedure, and what was sent to it can't be called back.
	ErrSettles = errors.New("the procedure is carried out where it is accepted")
	// ErrOver: the procedure has ended, so that is too late.
	ErrOver = errors.New("the procedure has ended")
	// ErrOffline: the centre can't be asked now.
	ErrOffline = errors.New("the centre can't be asked now")
	// ErrReceiptTime: a receipt time that was entered by hand lies in the future or on another day.
	ErrReceiptTime = errors.New("a receipt time entered by hand is one of today, and past")
)

// What ClockEvidence says of the counter's clock, as it stands in every claim (Claim.clock_evidence).
const (
	Synchronised   = counterlink.ClockSynchronised
	Unsynchronised = counterlink.ClockUnsynchronised
	Simulated      = counterlink.ClockSimulated
)

// Reader is the card reader of the counter. pkg/card/pcsc has one, and a card in software is one in tests.
type Reader interface {
	// Await waits until a card is in the reader (present) or none is, and returns nil then.
	Await(ctx context.Context, present bool) error
	// Present tells at once whether a card is in the reader. As long as ctx allows it waits for a reader that does not say:
	// the error is then why.
	Present(ctx context.Context) (bool, error)
	// Connect takes the card in the reader exclusively. card.ErrRemoved when there is none. Close it to give it back.
	Connect() (Connection, error)
}

// Connection is a card held exclusively.
type Connection interface {
	card.Transmitter
	Close() error
}

// Config is what a counter needs. Conn may be nil: then the counter works offline. Reader may be nil for sources of
// claims that have none (register, telephone desk).
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
	// OpenCard has the centre answer a card's challenge for a command (counterlink.CardClient.Open). ErrCardRefused says
	// that it does not; every other error, that it can't be asked now. Nil: this counter reads cards and changes none.
	OpenCard func(ctx context.Context, command string, c card.Challenge) (card.Answer, error)
	// AskPerson has the centre compare a resident-record code and a date of birth (counterlink.PersonClient.Ask). Nil: it
	// can't be asked.
	AskPerson func(ctx context.Context, officer, code, birthDate string) (counterlink.Person, error)
	// FindCases has the centre look for applications of this office that wait for the answer to a letter of inquiry
	// (counterlink.PersonClient.FindCases). Nil: it can't be asked.
	FindCases func(ctx context.Context, officer string, key counterlink.CaseKey) ([]*events.OpenCase, error)
	// Now is the counter's clock; ClockEvidence says how it stands: Synchronised, Unsynchronised or Simulated.
	Now           func() time.Time
	ClockEvidence func() string
	// Uptime counts time that nobody sets; nil counts from Open on.
	Uptime Uptime
	// Alarm gets what needs a person (counterlink.LinkConfig); it may be nil.
	Alarm  func(error)
	Logger *slog.Logger
}

// Counter is the behaviour of one counter. Its methods are safe for use by several goroutines.
type Counter struct {
	cfg   Config
	time  timepiece
	store *Store
	link  *counterlink.Link // nil when offline by configuration

	untold atomic.Bool // hub and counter differed, and the hub was not told of certificates since

	cards sync.Mutex // held while the card in the reader is being used

	mu         sync.Mutex
	procedures map[string]*procedure
	watchers   map[int]*watcher
	nextWatch  int
	start      func(*work) // nil before Run
	forgetAt   int         // number of procedures at which closed ones are forgotten
	// recording is held by who writes to the store until it is learned as well, and by who forgets.
	recording sync.RWMutex

	// ending is held by who hands over or gives up, from the look at the stage until the claim is stored: it is filed once.
	ending   sync.Mutex
	held     map[string]*events.HeldReceipt // by claim: what the centre put aside for its times
	heads    agreement
	compared chan struct{} // closed and made anew when heads changes
}

var crashStored = crashpoint.Register("agent.claim.stored")

// Open opens the counter's store, clears what is finished and older than [Keep] out of it, and takes up everything that
// is unfinished. Errors: ErrTampered, ErrStoreBusy.
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
		Received: c.received, Alarm: c.alarm, Changed: c.linkChanged, Now: cfg.Now, Timed: c.timed, Logger: cfg.Logger,
	})
	if err != nil {
		store.Close()
		return nil, err
	}
	store.notify = c.link.Kick
	c.untold.Store(store.Differed())
	return c, nil
}

// Close gives the store free; Run has returned.
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

// Link tells how the counter stands to the hub; always Away when it works offline.
func (c *Counter) Link() counterlink.LinkState {
	if c.link == nil {
		return counterlink.Away
	}
	return c.link.State()
}

// Outbox is the number of claims that are not at the hub yet.
func (c *Counter) Outbox() int { return c.store.Outbox() }

// Application is what the clerk records at the desk.
type Application struct {
	// Procedure goes on with a procedure that waits (a letter of inquiry was brought back); empty begins a new one.
	Procedure string
	// Subscriber as the hub told it; empty on first contact.
	Subscriber string
	// Officer and SecondOfficer are codes as events.ParseOfficer reads them.
	Officer, SecondOfficer string
	Received               *events.ApplicationReceived
	// Personal is sealed to the hub before it is stored.
	Personal *events.Personal
	// Filed is the instant of receipt when a clerk enters it by hand, earlier today; zero means now.
	Filed       time.Time
	Traceparent string
}

// Receive files an application. When it returns, the application is durable here (仮); Status tells when the hub has it
// (受付済). The result is the claim's id, which is the procedure's as well when it began one. ErrReceiptTime.
func (c *Counter) Receive(_ context.Context, a Application) (claimID string, err error) {
	claim := c.newClaim(a.Procedure, a.Officer, a.SecondOfficer)
	claim.Fact = &events.Claim_ApplicationReceived{ApplicationReceived: a.Received}
	claim.Subscriber, claim.Traceparent = a.Subscriber, a.Traceparent
	if claim.Procedure == "" {
		claim.Procedure = claim.Id
	}
	if err := enterReceipt(claim, a.Filed, c.Now()); err != nil {
		return "", err
	}
	return claim.Id, c.file(claim, a.Personal)
}

// UnblockPIN files an application to set PINs anew; the hub's command then waits for Confirm as any other.
func (c *Counter) UnblockPIN(ctx context.Context, a Application, pins ...events.PinKind) (claimID string, err error) {
	received := &events.ApplicationReceived{}
	if a.Received != nil {
		received = proto.CloneOf(a.Received)
	}
	received.Operation, received.Pins = events.Operation_OPERATION_UNBLOCK, pins
	a.Received = received
	return c.Receive(ctx, a)
}

// HandOver records that the card and, if wanted, the paper copy were handed over and the fee was collected. It is
// ErrNotYet before ReadyToHandOver, ErrOver after the end.
func (c *Counter) HandOver(_ context.Context, procedure, officer string, paper bool) error {
	c.ending.Lock()
	defer c.ending.Unlock()
	status, err := c.Status(procedure)
	if err != nil {
		return err
	}
	if status.closed() {
		return fmt.Errorf("handing over in stage %q: %w", status.Stage, ErrOver)
	}
	if !status.ReadyToHandOver() {
		return fmt.Errorf("handing over in stage %q: %w", status.Stage, ErrNotYet)
	}
	claim := c.newClaim(procedure, officer, "")
	claim.Subscriber = status.Subscriber
	claim.Fact = &events.Claim_HandedOver{HandedOver: &events.HandedOver{FeeYen: status.FeeYen, PaperCopy: paper, Card: status.Card}}
	return c.file(claim, nil)
}

// Drop ends a procedure that the applicant gives up; why, which may be empty, goes to the hub sealed. Keys on the card that
// are not in force stay until the next procedure clears them. Where it can't be given up the error is that of MayDrop.
func (c *Counter) Drop(_ context.Context, procedure, officer, why string) error {
	c.ending.Lock()
	defer c.ending.Unlock()
	status, err := c.Status(procedure)
	if err != nil {
		return err
	}
	if err := status.MayDrop(); err != nil {
		return fmt.Errorf("dropping in stage %q: %w", status.Stage, err)
	}
	claim := c.newClaim(procedure, officer, "")
	claim.Subscriber = status.Subscriber
	claim.Fact = &events.Claim_ApplicationDropped{ApplicationDropped: &events.ApplicationDropped{}}
	var personal *events.Personal
	if why != "" {
		personal = &events.Personal{Why: why}
	}
	if err := c.file(claim, personal); err != nil {
		return err
	}
	c.withdraw(procedure)
	return nil
}

func (c *Counter) newClaim(procedure, officer, second string) *events.Claim {
	now := c.cfg.Now().UnixMilli()
	return &events.Claim{
		Id: uuid.Must(uuid.NewV7()).String(), Office: c.cfg.Office, Officer: officer, SecondOfficer: second,
		CausedMs: now, FiledMs: now, ClockEvidence: c.cfg.ClockEvidence(), LinkTime: c.time.linkTime(), Procedure: procedure,
	}
}

// file seals the personal part, stores the claim and tells the watchers. Nothing that people write in their own words stands
// in a claim: events.ErrOfficer, *events.ClearTextError.
func (c *Counter) file(claim *events.Claim, personal *events.Personal) error {
	for _, officer := range []*string{&claim.Officer, &claim.SecondOfficer} {
		if *officer == "" {
			continue
		}
		code, err := events.ParseOfficer(*officer)
		if err != nil {
			return err
		}
		*officer = code
	}
	if err := events.CheckClaim(claim); err != nil {
		return err
	}
	if personal != nil {
		sealed, err := counterlink.SealPersonal(c.cfg.HubSealKey, claim.Id, personal)
		if err != nil {
			return err
		}
		claim.Sealed = sealed
	}
	defer c.forget()
	c.recording.RLock()
	defer c.recording.RUnlock()
	err := c.store.Record(func(tx *Tx) error {
		return errors.Join(tx.Claim(claim), tx.keepName(claim, personal.GetRecord().GetName(), c.cfg.SealKey))
	})
	if err != nil {
		return err
	}
	crashStored.Hit()
	c.learnClaim(claim)
	return nil
}

func (c *Counter) alarm(err error) {
	c.cfg.Logger.Error("the counter needs a person", "counter", c.cfg.Counter, "error", err)
	if c.cfg.Alarm != nil {
		c.cfg.Alarm(err)
	}
}
