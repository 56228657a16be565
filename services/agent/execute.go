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

// execute runs one command to its outcome. Whatever stops it without an outcome is taken up by the next process.
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
			continue // it waits for the comparison
		}
		c.cfg.Logger.Error("a command could not be executed, trying again", "id", w.down.GetId(), "error", err)
		_ = wait.For(ctx, pause)
		pause = min(2*pause, time.Minute)
	}
}

// attempt returns nil when the outcome is recorded, and an error when the store failed or nothing may touch the card.
func (c *Counter) attempt(ctx context.Context, w *work) error {
	if c.doubted(w) {
		return c.finish(w, c.late(w, errNotCompared))
	}
	ctx, cancel := c.untilDeadline(ctx, w)
	defer cancel()
	outcome, err := c.run(ctx, w)
	var lost *unsettled
	switch {
	case errors.As(err, &lost):
		return err
	case errors.Is(err, errDeadline), errors.Is(err, errWithdrawn):
		outcome = c.late(w, err)
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx) // stopped: taken up by the next process
	case err != nil:
		c.cfg.Logger.Warn("the card did not do what was commanded, the centre is told", "counter", c.cfg.Counter, "command", w.down.GetId(), "error", err)
		outcome = failed(w, err)
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

// unsettled marks what went wrong with the counter's own disk or reader: it says nothing about the command, which is
// tried again.
type unsettled struct{ err error }

func (e *unsettled) Error() string { return e.err.Error() }
func (e *unsettled) Unwrap() error { return e.err }

// enter writes a step of a command to the journal.
func (c *Counter) enter(w *work, e Entry) error {
	e.AtMS, e.ID, e.Procedure = c.Now().UnixMilli(), w.down.GetId(), w.down.GetProcedure()
	if err := c.store.Record(func(tx *Tx) error { return tx.Enter(e) }); err != nil {
		return &unsettled{err}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.note(e)
	return nil
}

// begin writes the intent, once.
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

// finish stores the outcome's claim and the end of the command in one step.
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
	c.learnClaim(claim)
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

// late is the outcome of a command whose deadline passed or whose procedure was dropped: not begun, or begun on a card
// that did not come back.
func (c *Counter) late(w *work, why error) *events.Claim {
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

// failed is the outcome when the card refused the work.
func failed(w *work, err error) *events.Claim {
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

// causes are the card errors in the words of a claim; repairable ones may succeed in another attempt with this card.
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
	errNoLastDay  = errors.New("the card is new and the hub has not told its last day")
	errWithdrawn  = errors.New("the procedure was dropped")
)

// withCard runs do with the commanded card, as often as it takes: a card that is pulled out is waited for, another
// person's card is refused and waited away, and so is a centre that does not answer, whom the card is opened by. It gives up
// with ctx, or with what the card or the centre answers.
func (c *Counter) withCard(ctx context.Context, w *work, cardID string, do func(*card.Session) error) error {
	id := w.down.GetProcedure()
	c.progress(id, StageCard, 5, say(PutCard))
	for {
		if err := c.awaitCard(ctx, id); err != nil {
			return causeOf(ctx, err)
		}
		err := c.once(ctx, w, cardID, do)
		var away *centreAway
		switch {
		case errors.Is(err, card.ErrRemoved):
			c.tellOnce(id, CardRemoved)
			_ = wait.For(ctx, contactTime) // a card that is held badly comes and goes
		case errors.Is(err, card.ErrForeignCard):
			c.tellOnce(id, OtherCard)
			if c.awaitSwap(ctx) {
				c.tellOnce(id, PutCard)
			}
		case errors.As(err, &away) && ctx.Err() == nil:
			c.cfg.Logger.Info("the centre does not open the card yet, asking again", "counter", c.cfg.Counter, "card", cardID, "error", err)
			c.tellOnce(id, CentreNeeded)
			_ = wait.For(ctx, centreTime)
		default:
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// tellOnce shows what the person at the desk should do, unless it stands there already.
func (c *Counter) tellOnce(procedure, sentence string) {
	if status, err := c.Status(procedure); err == nil && status.Message.Key != sentence {
		c.progress(procedure, StageCard, 0, say(sentence))
	}
}

// awaitCard waits for a card. What the page says of one that was there is taken back when none is.
func (c *Counter) awaitCard(ctx context.Context, procedure string) error {
	within, cancel := context.WithTimeout(ctx, contactTime)
	defer cancel()
	err := c.cfg.Reader.Await(within, true)
	if err == nil || within.Err() == nil || ctx.Err() != nil {
		return err
	}
	present, silent := c.cfg.Reader.Present(ctx) // a reader that doesn't answer says nothing of a card
	if status, err := c.Status(procedure); err == nil && silent == nil && !present && status.Message.Key != PutCard {
		c.tellOnce(procedure, CardRemoved)
	}
	return c.cfg.Reader.Await(ctx, true)
}

// awaitSwap waits until the card is taken away, or long enough that another may have taken its place unseen: asking a
// card for its number costs nothing. It reports whether the card was taken away.
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
	return &unsettled{fmt.Errorf("waiting for the card: %w", err)}
}

const (
	contactTime = 100 * time.Millisecond
	swapTime    = time.Second
	// centreTime is the pause before the centre is asked once more to open a card.
	centreTime = 500 * time.Millisecond
)

// centreAway says that the centre could not be asked to open a card.
type centreAway struct{ err error }

func (e *centreAway) Error() string { return e.err.Error() }
func (e *centreAway) Unwrap() error { return e.err }

// opener has the centre answer the card's challenges for one command.
func (c *Counter) opener(ctx context.Context, w *work) card.Opener {
	return func(q card.Challenge) (card.Answer, error) {
		if c.cfg.OpenCard == nil {
			return card.Answer{}, &centreAway{errors.New("this counter works without a centre")}
		}
		answer, err := c.cfg.OpenCard(ctx, w.down.GetId(), q)
		if err != nil && !errors.Is(err, counterlink.ErrCardRefused) {
			err = &centreAway{err}
		}
		return answer, err
	}
}

// renew moves a card to its newest administrative key. Only commands that have begun do so: it changes the card.
func renew(s *card.Session) error {
	renewed, err := s.RenewKey()
	if renewed {
		crashRenewed.Hit()
	}
	return err
}

func (c *Counter) once(ctx context.Context, w *work, cardID string, do func(*card.Session) error) error {
	c.cards.Lock()
	defer c.cards.Unlock()
	conn, err := c.cfg.Reader.Connect()
	if errors.Is(err, card.ErrRemoved) {
		return err
	}
	if err != nil {
		return &unsettled{fmt.Errorf("taking the card in the reader: %w", err)}
	}
	defer conn.Close()
	session := card.NewSession(guarded{conn, c})
	if err := session.Open(cardID, c.opener(ctx, w)); err != nil {
		return err
	}
	return do(session)
}

// ReadCard tells what the card in the reader says of itself without any PIN. card.ErrRemoved when there is none.
func (c *Counter) ReadCard() (identity card.Identity, err error) {
	err = c.Look(context.Background(), func(s *card.Session) error {
		identity, err = s.Identify()
		return err
	})
	return identity, err
}

// withdraw ends what waits for the resident in a dropped procedure.
func (c *Counter) withdraw(procedure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.procedure(procedure).cancel(errWithdrawn)
}
