package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/regime"
	"shomei/pkg/wait"
)

// PINs are what the resident typed, by kind. They exist in memory only.
type PINs map[events.PinKind][]byte

// wipe overwrites every PIN.
func (p PINs) wipe() {
	for _, pin := range p {
		clear(pin)
	}
}

// PINRefusal names the refused PIN's kind and the rules that refuse it, never the PIN. It unwraps to ErrPINRefused.
type PINRefusal struct {
	Kind  events.PinKind
	Rules []regime.ID
}

func (e *PINRefusal) Error() string {
	rules := make([]string, len(e.Rules))
	for i, id := range e.Rules {
		rules[i] = string(id)
	}
	return fmt.Sprintf("%s PIN refused: %s", slotOfPIN(e.Kind), strings.Join(rules, ", "))
}

// Unwrap makes errors.Is work with ErrPINRefused.
func (e *PINRefusal) Unwrap() error { return ErrPINRefused }

// waiting is a command's pending question to the resident.
type waiting struct {
	ask    Confirmation
	answer chan PINs
}

// Confirm passes the resident's consent and PINs to the waiting command. It takes over the PINs and wipes them even on
// error; the caller keeps no copy. Errors: ErrNotWaiting, *PINRefusal.
func (c *Counter) Confirm(procedure string, typed PINs) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procedures[procedure]
	if p == nil || p.wait == nil {
		typed.wipe()
		return fmt.Errorf("procedure %s: %w", procedure, ErrNotWaiting)
	}
	if err := checkPINs(p.wait.ask, typed); err != nil {
		typed.wipe()
		return err
	}
	wait := p.wait
	p.wait, p.status.Waiting = nil, nil
	wait.answer <- typed // buffered: one answer for one question
	return nil
}

func checkPINs(ask Confirmation, typed PINs) error {
	for _, kind := range ask.PINs {
		if len(typed[kind]) == 0 {
			return &PINRefusal{Kind: kind, Rules: refusalsOf(ask.Regime, kind, nil)}
		}
	}
	for kind, pin := range typed {
		if !slices.Contains(ask.PINs, kind) && !slices.Contains(ask.Optional, kind) {
			return fmt.Errorf("a PIN for the %s slot was not asked for: %w", slotOfPIN(kind), ErrPINRefused)
		}
		if refused := refusalsOf(ask.Regime, kind, pin); len(refused) > 0 {
			return &PINRefusal{Kind: kind, Rules: refused}
		}
	}
	return nil
}

func refusalsOf(r events.Regime, kind events.PinKind, pin []byte) []regime.ID {
	return regime.CheckPIN(LawRegime(r), LawPIN(kind), pin).Refused
}

var errDeadline = errors.New("the deadline of the command has passed")

// await asks the resident and waits for the PINs or the end of ctx. It returns errWithdrawn if the procedure was dropped.
func (c *Counter) await(ctx context.Context, w *work, ask Confirmation) (PINs, error) {
	wait := &waiting{ask: ask, answer: make(chan PINs, 1)}
	id := w.down.GetProcedure()
	c.mu.Lock()
	p := c.procedure(id)
	if p.status.Stage == StageDropped {
		c.mu.Unlock()
		return nil, errWithdrawn
	}
	p.wait, p.status.Waiting = wait, &wait.ask
	p.status.Stage, p.status.Percent = StageConfirm, 10
	p.status.Message = say("waits-resident")
	c.notify(p)
	c.mu.Unlock()
	defer c.endWait(id, wait)
	select {
	case pins := <-wait.answer:
		return pins, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *Counter) endWait(procedure string, wait *waiting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.procedures[procedure]; p.wait == wait {
		p.wait, p.status.Waiting = nil, nil
	}
	select {
	case pins := <-wait.answer: // confirmed just as the wait ended
		pins.wipe()
	default:
	}
}

const (
	deadlineCheck = 250 * time.Millisecond
	// cardPatience is how much longer a begun command waits for its card after the deadline.
	cardPatience = 10 * time.Minute
)

// untilDeadline returns a context that ends with errDeadline when the command's deadline passes by the hub's clock, because
// the hub set it and the counter's clock may be wrong. A begun command gets longer: its card may already have changed.
func (c *Counter) untilDeadline(ctx context.Context, w *work) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	c.mu.Lock()
	w.cancel = cancel
	c.mu.Unlock()
	since := c.time.deadline()
	if c.overdue(w, since) {
		cancel(errDeadline) // at once, before anything touches a card
	}
	go func() {
		for wait.For(ctx, deadlineCheck) == nil {
			if c.overdue(w, since) {
				cancel(errDeadline)
			}
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

func (c *Counter) overdue(w *work, since time.Time) bool {
	if w.down.GetDeadlineMs() == 0 {
		return false
	}
	c.mu.Lock()
	begun := w.begun != nil
	c.mu.Unlock()
	limit := time.UnixMilli(w.down.GetDeadlineMs())
	if begun && since.After(limit) {
		limit = since
	}
	if begun {
		limit = limit.Add(cardPatience)
	}
	return c.time.deadline().After(limit)
}

func slotOf(k events.CertificateKind) card.Slot {
	if k == events.CertificateKind_CERTIFICATE_KIND_AUTH {
		return card.Auth
	}
	return card.Sign
}

func slotOfPIN(k events.PinKind) card.Slot {
	if k == events.PinKind_PIN_KIND_AUTH {
		return card.Auth
	}
	return card.Sign
}

func pinKindOf(s card.Slot) events.PinKind {
	if s == card.Auth {
		return events.PinKind_PIN_KIND_AUTH
	}
	return events.PinKind_PIN_KIND_SIGN
}

// LawPIN converts a PIN kind of the wire to that of the rules.
func LawPIN(k events.PinKind) regime.PIN {
	if k == events.PinKind_PIN_KIND_AUTH {
		return regime.PINAuth
	}
	return regime.PINSign
}

// LawRegime converts a regime of the wire to that of the rules; anything but juki is the My Number card's.
func LawRegime(r events.Regime) regime.Regime {
	if r == events.Regime_REGIME_JUKI {
		return regime.Juki
	}
	return regime.MyNumber
}
