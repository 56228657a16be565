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

// Look runs do on the card in the reader while no command works on it; do may not change the card. It returns
// card.ErrRemoved if there is no card.
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

// identifyWithin is how long a starting reader, or a card just inserted, may take to identify itself.
const identifyWithin = 5 * time.Second

// Presented returns the card in the reader now: the zero Identity if the reader is empty, this counter has none, or the card
// is of an unknown kind. Any other failure to identify the card is an error.
func (c *Counter) Presented(ctx context.Context) (card.Identity, error) {
	if c.cfg.Reader == nil {
		return card.Identity{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, identifyWithin)
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
		_ = wait.For(ctx, contactTime) // a badly placed card, or a restarted service
	}
}

// AwaitCard waits until a card is in the reader (present) or none is. It returns card.ErrRemoved if there is no reader.
func (c *Counter) AwaitCard(ctx context.Context, present bool) error {
	if c.cfg.Reader == nil {
		return fmt.Errorf("this counter has no reader: %w", card.ErrRemoved)
	}
	return c.cfg.Reader.Await(ctx, present)
}

// Certificates returns the certificates (DER) that a procedure put on the card, for the paper copy at the hand-over. It
// returns ErrNotYet before they are written and read back, and after the command is forgotten ([Keep]).
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

// ReadyToHandOver reports whether fee, paper copy and hand-over are next: certificates are written and read back, PINs are
// set, or a card without certificates was accepted for its hand-over (figures.md 3).
func (s Status) ReadyToHandOver() bool {
	switch s.Stage {
	case StageWritten, StageUnblocked:
		return true
	case StageAccepted:
		return s.Application.GetOperation() == events.Operation_OPERATION_HAND_OVER && !s.Commanded && !hasLive(s.Answer, s.Application.GetCardKind())
	}
	return false
}

// GivesBack reports whether the holder's own card is given back at the end, rather than a new one handed over.
func (s Status) GivesBack() bool {
	return s.Application.GetOperation() == events.Operation_OPERATION_UNBLOCK
}

// Unrecorded reports whether the card was given out but the centre did not record it.
func (s Status) Unrecorded() bool {
	return s.Message.Key == NotHandedOver || s.Message.Key == NotGivenBack
}

// MayDrop returns nil if the applicant can still give the procedure up, else ErrOver or ErrSettles.
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
	// Kinds are the certificate kinds whose keys are made.
	Kinds []events.CertificateKind
	// Signed: the certificates are here, and those they replace have ended.
	Signed bool
}

// Made returns what was made for a procedure so far and ends if it is dropped.
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

// hasLive reports whether the hub knows a certificate of the holder that has not ended and fits a card of the kind: then the
// PINs are set before the card is handed over.
func hasLive(a *events.Answer, kind events.CardKind) bool {
	return slices.ContainsFunc(a.GetCertificates(), func(c *events.CertificateState) bool {
		other := kind == events.CardKind_CARD_KIND_MYNUMBER && c.GetRegime() == events.Regime_REGIME_JUKI
		return !other && !HasEnded(c)
	})
}

// HasEnded reports whether a certificate is over, as the centre has told of it.
func HasEnded(c *events.CertificateState) bool { return slices.Contains(ended, c.GetStatus()) }

var ended = []events.CertificateStatus{
	events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED,
	events.CertificateStatus_CERTIFICATE_STATUS_ABANDONED,
}
