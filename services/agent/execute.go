package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
	"shomei/pkg/wait"
)

var (
	crashBegun     = crashpoint.Register("agent.work.begun")
	crashRenewed   = crashpoint.Register("agent.card.renewed")
	crashDiscarded = crashpoint.Register("agent.staging.discarded")
	crashKey       = crashpoint.Register("agent.key.generated")
	crashKeyNoted  = crashpoint.Register("agent.key.noted")
	crashPINs      = crashpoint.Register("agent.pins.set")
	crashStaged    = crashpoint.Register("agent.certificate.staged")
	crashWritten   = crashpoint.Register("agent.certificates.noted")
	crashActivated = crashpoint.Register("agent.card.activated")
	crashDone      = crashpoint.Register("agent.work.done")
)

// Reasons of ConfirmationFailed: why a command was not begun.
const (
	ReasonDeadline = "deadline"
	ReasonRetired  = "card retired"
	ReasonNoReader = "no reader"
	ReasonDropped  = "dropped"
	ReasonCard     = "card refused"
	ReasonVersion  = "command of a newer version"
	ReasonLastDay  = "last day of the card unknown"
	ReasonDoubted  = "records differed"
	// ReasonNotOpened: the centre did not open the card for the command.
	ReasonNotOpened = "card not opened by the centre"

	reasonKeysGone = "keys not on the card"
	reasonReadBack = "read back differs"
	reasonMemory   = "card memory"
	reasonStaging  = "foreign staging"
	reasonAdminKey = "administrative key"
	reasonUnknown  = "command unknown to the card"
	reasonState    = "card state"
)

// execute runs one command to its outcome. If ctx ends first, the next process continues it.
func (c *Counter) execute(ctx context.Context, w *work) {
	pause := time.Second
	for ctx.Err() == nil {
		err := c.awaitAgreement(ctx, w)
		if err == nil {
			err = c.attempt(ctx, w)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		if errors.Is(err, errNotCompared) {
			continue // waits for the comparison
		}
		c.cfg.Logger.Error("command not executed, retrying", "id", w.down.GetId(), "error", err)
		_ = wait.For(ctx, pause)
		pause = min(2*pause, time.Minute)
	}
}

// attempt returns nil once the outcome is recorded, and an error if the store or reader failed or the card may not be changed.
func (c *Counter) attempt(ctx context.Context, w *work) error {
	if c.doubted(w) {
		return c.finish(w, c.lateOutcome(w, errNotCompared))
	}
	ctx, cancel := c.untilDeadline(ctx, w)
	defer cancel()
	outcome, err := c.run(ctx, w)
	var local *localFailure
	switch {
	case errors.As(err, &local):
		return err
	case errors.Is(err, errDeadline), errors.Is(err, errWithdrawn):
		outcome = c.lateOutcome(w, err)
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx) // stopped: the next process continues
	case err != nil:
		c.cfg.Logger.Warn("the command failed on the card, reporting to the centre", "counter", c.cfg.Counter, "command", w.down.GetId(), "error", err)
		outcome = failedOutcome(w, err)
	}
	return c.finish(w, outcome)
}

func (c *Counter) run(ctx context.Context, w *work) (*events.Claim, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if c.cfg.Reader == nil {
		return confirmationFailed(w, ReasonNoReader), nil
	}
	if status, err := c.Status(w.down.GetProcedure()); err == nil && status.Stage == StageDropped && w.begun == nil {
		return nil, errWithdrawn
	}
	switch w.down.GetBody().(type) {
	case *events.Downlink_GenerateKeys:
		return c.generate(ctx, w)
	case *events.Downlink_WriteCertificates:
		return c.write(ctx, w)
	case *events.Downlink_UnblockPins:
		return c.unblock(ctx, w)
	case *events.Downlink_RetireCard:
		return c.retire(ctx, w)
	}
	return confirmationFailed(w, ReasonVersion), nil
}

// localFailure marks an error that says nothing about the command, as of the counter's disk or reader: it is retried.
type localFailure struct{ err error }

func (e *localFailure) Error() string { return e.err.Error() }
func (e *localFailure) Unwrap() error { return e.err }

// enter writes a step of a command to the journal.
func (c *Counter) enter(w *work, e Entry) error {
	e.AtMS, e.ID, e.Procedure = c.Now().UnixMilli(), w.down.GetId(), w.down.GetProcedure()
	if err := c.store.Record(func(tx *Tx) error { return tx.Enter(e) }); err != nil {
		return &localFailure{err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.note(e)
	return nil
}

// begin records the intent to change the card, once.
func (c *Counter) begin(w *work, cardID string, pins []events.PinKind) error {
	if w.begun != nil {
		return nil
	}
	if err := c.enter(w, Entry{Step: StepBegun, Card: cardID, PINs: pins}); err != nil {
		return err
	}
	crashBegun.Hit()
	return nil
}

// finish stores the outcome's claim and the end of the command in one transaction.
func (c *Counter) finish(w *work, outcome *events.Claim) error {
	claim := c.newClaim(w.down.GetProcedure(), "", "")
	claim.Subscriber, claim.Fact = w.down.GetSubscriber(), outcome.GetFact()
	e := Entry{AtMS: c.Now().UnixMilli(), Step: StepDone, ID: w.down.GetId(), Procedure: w.down.GetProcedure()}
	defer c.forget()
	c.recording.RLock()
	defer c.recording.RUnlock()
	err := c.store.Record(func(tx *Tx) error {
		if err := tx.Claim(claim); err != nil {
			return err
		}
		e.Claim = claim.GetNumber()
		return tx.Enter(e)
	})
	if err != nil {
		return err
	}
	crashDone.Hit()
	c.mu.Lock()
	w.note(e)
	c.mu.Unlock()
	c.publishClaim(claim)
	return nil
}

func confirmationFailed(w *work, reason string) *events.Claim {
	return &events.Claim{Fact: &events.Claim_ConfirmationFailed{ConfirmationFailed: &events.ConfirmationFailed{
		Obligation: w.down.GetId(), Reason: reason,
	}}}
}

func writeFailed(w *work, cardID, stage, reason string, repairable bool) *events.Claim {
	return &events.Claim{Fact: &events.Claim_WriteFailed{WriteFailed: &events.WriteFailed{
		Obligation: w.down.GetId(), Card: cardID, Stage: stage, Reason: reason, Repairable: repairable,
	}}}
}

// lateOutcome returns the outcome of a command that ended because its deadline passed, its procedure was dropped or the records
// differed.
func (c *Counter) lateOutcome(w *work, why error) *events.Claim {
	reason := ReasonDeadline
	switch {
	case errors.Is(why, errWithdrawn):
		reason = ReasonDropped
	case errors.Is(why, errNotCompared):
		reason = ReasonDoubted
	}
	if d := w.down.GetWriteCertificates(); d != nil && w.begun != nil {
		return writeFailed(w, d.GetCard(), stageNow(w), reason, true)
	}
	return confirmationFailed(w, reason)
}

// failedOutcome returns the outcome of a command that the card refused.
func failedOutcome(w *work, err error) *events.Claim {
	if d := w.down.GetWriteCertificates(); d != nil {
		return writeFailed(w, d.GetCard(), stageNow(w), reasonOf(err), repairable(err))
	}
	return confirmationFailed(w, reasonOf(err))
}

func stageNow(w *work) string {
	for _, step := range []Step{StepActivated, StepWritten, StepBegun} {
		if _, ok := w.steps[step]; ok {
			return string(step)
		}
	}
	return "not begun"
}

// causes maps card errors to the reasons in claims; repairable ones may succeed in another attempt with this card.
var causes = []struct {
	err        error
	reason     string
	repairable bool
}{
	{errKeysGone, reasonKeysGone, false},
	{errTerminated, ReasonRetired, false},
	{errNoLastDay, ReasonLastDay, false},
	{card.ErrReadBack, reasonReadBack, true},
	{card.ErrMemory, reasonMemory, true},
	{card.ErrForeignStaging, reasonStaging, false},
	{card.ErrAdminKey, reasonAdminKey, false},
	{counterlink.ErrCardRefused, ReasonNotOpened, true},
	{card.ErrUnsupported, reasonUnknown, false},
	{card.ErrConditions, reasonState, true},
}

func reasonOf(err error) string {
	for _, cause := range causes {
		if errors.Is(err, cause.err) {
			return cause.reason
		}
	}
	return ReasonCard
}

func repairable(err error) bool {
	for _, cause := range causes {
		if errors.Is(err, cause.err) {
			return cause.repairable
		}
	}
	return true
}

var (
	errKeysGone   = errors.New("the keys of these certificates are not on the card")
	errTerminated = errors.New("the card has been retired")
	errNoLastDay  = errors.New("the card is new and the hub has not sent its last day")
	errWithdrawn  = errors.New("the procedure was dropped")
)

// withCard runs do with the commanded card, and again whenever the card was pulled out, another card was on the reader, or
// the centre, which opens the card, was unavailable. It returns when ctx ends, and otherwise do's result or the refusal of
// card or centre.
func (c *Counter) withCard(ctx context.Context, w *work, cardID string, do func(*card.Session) error) error {
	id := w.down.GetProcedure()
	c.progress(id, StageCard, 5, say(PutCard))
	for {
		if err := c.awaitCard(ctx, id); err != nil {
			return causeOf(ctx, err)
		}
		err := c.tryCard(ctx, w, cardID, do)
		var unavailable *centreUnavailable
		switch {
		case errors.Is(err, card.ErrRemoved):
			c.showOnce(id, CardRemoved)
			_ = wait.For(ctx, contactTime) // a badly placed card comes and goes
		case errors.Is(err, card.ErrForeignCard):
			c.showOnce(id, OtherCard)
			if c.awaitSwap(ctx) {
				c.showOnce(id, PutCard)
			}
		case errors.As(err, &unavailable) && ctx.Err() == nil:
			c.cfg.Logger.Info("centre unavailable for opening the card, retrying", "counter", c.cfg.Counter, "card", cardID, "error", err)
			c.showOnce(id, CentreNeeded)
			_ = wait.For(ctx, centreTime)
		default:
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// showOnce shows the person at the desk what to do, unless the page already says so.
func (c *Counter) showOnce(procedure, sentence string) {
	if status, err := c.Status(procedure); err == nil && status.Message.Key != sentence {
		c.progress(procedure, StageCard, 0, say(sentence))
	}
}

// awaitCard waits for a card. If the page speaks of a card and the reader is empty, it says that the card was removed.
func (c *Counter) awaitCard(ctx context.Context, procedure string) error {
	within, cancel := context.WithTimeout(ctx, contactTime)
	defer cancel()
	err := c.cfg.Reader.Await(within, true)
	if err == nil || within.Err() == nil || ctx.Err() != nil {
		return err
	}
	present, silent := c.cfg.Reader.Present(ctx) // a reader that doesn't answer may still hold a card
	if status, err := c.Status(procedure); err == nil && silent == nil && !present && status.Message.Key != PutCard {
		c.showOnce(procedure, CardRemoved)
	}
	return c.cfg.Reader.Await(ctx, true)
}

// awaitSwap waits until the card is removed, or for swapTime, since a quick swap may go unnoticed and asking a card for its
// number costs nothing. It reports whether the card was removed.
func (c *Counter) awaitSwap(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, swapTime)
	defer cancel()
	err := c.cfg.Reader.Await(ctx, false)
	if err != nil && ctx.Err() == nil {
		_ = wait.For(ctx, swapTime)
	}
	return err == nil
}

func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &localFailure{fmt.Errorf("waiting for the card: %w", err)}
}

const (
	contactTime = 100 * time.Millisecond
	swapTime    = time.Second
	// centreTime is the pause before the centre is asked again to open a card.
	centreTime = 500 * time.Millisecond
)

// centreUnavailable means that the centre could not be asked to open a card.
type centreUnavailable struct{ err error }

func (e *centreUnavailable) Error() string { return e.err.Error() }
func (e *centreUnavailable) Unwrap() error { return e.err }

// opener returns a function that asks the centre to answer the card's challenges for one command.
func (c *Counter) opener(ctx context.Context, w *work) card.Opener {
	return func(q card.Challenge) (card.Answer, error) {
		if c.cfg.OpenCard == nil {
			return card.Answer{}, &centreUnavailable{errors.New("this counter works without a centre")}
		}
		answer, err := c.cfg.OpenCard(ctx, w.down.GetId(), q)
		if err != nil && !errors.Is(err, counterlink.ErrCardRefused) {
			err = &centreUnavailable{err}
		}
		return answer, err
	}
}

// renew moves a card to its newest administrative key. It changes the card, so only begun commands call it.
func renew(s *card.Session) error {
	renewed, err := s.RenewKey()
	if renewed {
		crashRenewed.Hit()
	}
	return err
}

func (c *Counter) tryCard(ctx context.Context, w *work, cardID string, do func(*card.Session) error) error {
	c.cards.Lock()
	defer c.cards.Unlock()
	conn, err := c.cfg.Reader.Connect()
	if errors.Is(err, card.ErrRemoved) {
		return err
	}
	if err != nil {
		return &localFailure{fmt.Errorf("taking the card in the reader: %w", err)}
	}
	defer conn.Close()
	session := card.NewSession(guarded{conn, c})
	if err := session.Open(cardID, c.opener(ctx, w)); err != nil {
		return err
	}
	return do(session)
}

// ReadCard returns the identity of the card in the reader, which needs no PIN, or card.ErrRemoved.
func (c *Counter) ReadCard() (identity card.Identity, err error) {
	err = c.Look(context.Background(), func(s *card.Session) error {
		identity, err = s.Identify()
		return err
	})
	return identity, err
}

// withdraw cancels the commands of a dropped procedure.
func (c *Counter) withdraw(procedure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.procedure(procedure).cancel(errWithdrawn)
}
