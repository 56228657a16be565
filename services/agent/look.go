package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/regime"
	"shomei/pkg/wait"
)

// Look lets do speak with the card in the reader while no command works on it. Nothing on the card may be changed by it.
// It is card.ErrRemoved when no card is there.
func (c *Counter) Look(ctx context.Context, do func(*card.Session) error) error {
	if c.cfg.Reader == nil {
		return fmt.Errorf("this counter has no reader: %w", card.ErrRemoved)
	}
	waiting, cancel := context.WithTimeout(ctx, swapTime)
	defer cancel()
	if err := c.cfg.Reader.Await(waiting, true); err != nil {
		return fmt.Errorf("no card is in the reader: %w", card.ErrRemoved)
	}
	c.cards.Lock()
	defer c.cards.Unlock()
	conn, err := c.cfg.Reader.Connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	return do(card.NewSession(conn))
}

// sayWithin is how long a reader that is starting, or a card that was just put in, may take to say what it is.
const sayWithin = 5 * time.Second

// Presented is the card in the reader at this moment; the zero Identity when the reader says that it is empty, when this
// counter has none, and for a card of another kind. Whatever else keeps the card from being known is an error.
func (c *Counter) Presented(ctx context.Context) (card.Identity, error) {
	if c.cfg.Reader == nil {
		return card.Identity{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sayWithin)
	defer cancel()
	for {
		present, err := c.cfg.Reader.Present(ctx)
		if err != nil || !present {
			return card.Identity{}, err
		}
		identity, err := c.ReadCard()
		switch {
		case errors.Is(err, card.ErrForeignCard):
			return card.Identity{}, nil
		case !errors.Is(err, card.ErrRemoved) || ctx.Err() != nil:
			return identity, err
		}
		_ = wait.For(ctx, contactTime) // a card that is held badly, or a service that was started again
	}
}

// AwaitCard waits until a card is in the reader (present) or none is. card.ErrRemoved when this counter has no reader.
func (c *Counter) AwaitCard(ctx context.Context, present bool) error {
	if c.cfg.Reader == nil {
		return fmt.Errorf("this counter has no reader: %w", card.ErrRemoved)
	}
	return c.cfg.Reader.Await(ctx, present)
}

// Certificates are those (DER) that a procedure put on the card, for the paper copy at the hand-over: ErrNotYet before
// they were written and read back, and once the store has forgotten the command ([Keep]).
func (c *Counter) Certificates(procedure string) ([][]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range slices.Backward(c.worksOf(procedure)) {
		d := w.down.GetWriteCertificates()
		if d == nil || w.done == nil {
			continue
		}
		if outcome, err := c.outcome(w.done.Claim); err != nil || outcome.GetCardWritten() == nil {
			continue
		}
		var all [][]byte
		for _, cert := range d.GetCertificates() {
			all = append(all, cert.GetCertificate())
		}
		return all, nil
	}
	return nil, fmt.Errorf("certificates of procedure %s: %w", procedure, ErrNotYet)
}

// ReadyToHandOver reports whether fee, paper copy and hand-over are next: the certificates are written and read back, the
// PINs are set, or a card without certificates was accepted for its hand-over (figures.md 3).
func (s Status) ReadyToHandOver() bool {
	switch s.Stage {
	case StageWritten, StageUnblocked:
		return true
	case StageAccepted:
		return s.Application.GetOperation() == events.Operation_OPERATION_HAND_OVER && !s.Commanded && !hasLive(s.Answer, s.Application.GetCardKind())
	}
	return false
}

// GivesBack reports whether the holder's own card goes back at the end, rather than a new one being handed over.
func (s Status) GivesBack() bool {
	return s.Application.GetOperation() == events.Operation_OPERATION_UNBLOCK
}

// Unrecorded reports whether the card was given out and the centre did not record that.
func (s Status) Unrecorded() bool {
	return s.Message.Key == NotHandedOver || s.Message.Key == NotGivenBack
}

// MayDrop reports whether the applicant can still give the procedure up: nil, ErrOver, or ErrSettles.
func (s Status) MayDrop() error {
	switch s.Stage {
	case StageHandedOver, StageDropped:
		return ErrOver
	case StageRefused:
		if !s.Inquired {
			return ErrOver
		}
		return nil
	case StageDeferred:
		return nil
	}
	settles := s.Report != nil || regime.HandlingOf(s.Application.GetOperation()).Settled
	switch {
	case settles && s.Stage == StageAccepted:
		return ErrOver
	case settles:
		return ErrSettles
	}
	return nil
}

// Made is what was made for a procedure so far.
type Made struct {
	// Kinds are those of the certificates whose keys are made.
	Kinds []events.CertificateKind
	// Signed: the certificates are here. What they take the place of has ended.
	Signed bool
}

// Made returns what was made for a procedure so far. Dropping it ends that.
func (c *Counter) Made(procedure string) (m Made) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.worksOf(procedure) {
		m.Signed = m.Signed || w.down.GetWriteCertificates() != nil
		for kind := range w.keys {
			if !slices.Contains(m.Kinds, kind) {
				m.Kinds = append(m.Kinds, kind)
			}
		}
	}
	slices.Sort(m.Kinds)
	return m
}

// hasLive reports whether the hub knows a certificate of the holder that has not ended and that a card of the kind can hold:
// its PINs are set before the card is handed over.
func hasLive(a *events.Answer, kind events.CardKind) bool {
	return slices.ContainsFunc(a.GetCertificates(), func(c *events.CertificateState) bool {
		other := kind == events.CardKind_CARD_KIND_MYNUMBER && c.GetRegime() == events.Regime_REGIME_JUKI
		return !other && !slices.Contains(ended, c.GetStatus())
	})
}

var ended = []events.CertificateStatus{
	events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED,
	events.CertificateStatus_CERTIFICATE_STATUS_ABANDONED,
}
