package agent

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"

	"shomei/events"
	"shomei/pkg/card"
)

// wanted is one certificate of WriteCertificates and what the card must hold for it.
type wanted struct {
	slot            card.Slot
	serial          uint64
	der, issuer     []byte
	digest, keyHash []byte
}

func wantedOf(d *events.WriteCertificates) ([]wanted, error) {
	var all []wanted
	for _, cert := range d.GetCertificates() {
		parsed, err := x509.ParseCertificate(cert.GetCertificate())
		if err != nil {
			return nil, fmt.Errorf("certificate %d to be written: %w", cert.GetSerial(), err)
		}
		all = append(all, wanted{
			slot: slotOf(cert.GetKind()), serial: cert.GetSerial(), der: cert.GetCertificate(),
			issuer: cert.GetIssuerCertificate(), digest: events.Hash(cert.GetCertificate()), keyHash: events.Hash(parsed.RawSubjectPublicKeyInfo),
		})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the command names no certificate: %w", card.ErrBadData)
	}
	return all, nil
}

// write stages the certificates beside their keys, reads them back, tries the keys, and activates all together. If the
// card holds them all already, it writes nothing.
func (c *Counter) write(ctx context.Context, w *work) (*events.Claim, error) {
	d := w.down.GetWriteCertificates()
	certs, err := wantedOf(d)
	if err != nil {
		return nil, err
	}
	err = c.withCard(ctx, w, d.GetCard(), func(s *card.Session) error {
		if err := c.begin(w, d.GetCard(), nil); err != nil {
			return err
		}
		if err := renew(s); err != nil {
			return err
		}
		return c.writeAll(w, s, certs)
	})
	if err != nil {
		return nil, err
	}
	written := &events.CardWritten{Obligation: w.down.GetId(), Card: d.GetCard()}
	for _, cert := range certs {
		written.Serials = append(written.Serials, cert.serial)
		written.CertificatesSha256 = append(written.CertificatesSha256, cert.digest)
	}
	return &events.Claim{Fact: &events.Claim_CardWritten{CardWritten: written}}, nil
}

func (c *Counter) writeAll(w *work, s *card.Session, certs []wanted) error {
	inventory, err := s.Inventory()
	if err != nil {
		return err
	}
	op, err := operationOn(inventory, certs)
	if err != nil {
		return err
	}
	intent := card.Intent{CardID: inventory.CardID, Operation: op, Slots: map[card.Slot]card.Wanted{}}
	slots := make([]card.Slot, 0, len(certs))
	for _, cert := range certs {
		intent.Slots[cert.slot] = card.Wanted{PublicKey: cert.keyHash, Certificate: cert.digest}
		slots = append(slots, cert.slot)
	}
	switch found := card.Classify(inventory, intent); found.State {
	case card.Complete:
		return nil // activated before a crash; only the outcome is missing
	case card.NotBegun:
		return errKeysGone
	case card.Foreign:
		return fmt.Errorf("%s: %w", found.Reason, card.ErrForeignStaging)
	}
	if err := c.stage(w, s, certs); err != nil {
		return err
	}
	if err := s.Activate(op, slots...); err != nil {
		return err
	}
	crashActivated.Hit()
	if inventory, err = s.Inventory(); err != nil {
		return err
	}
	if found := card.Classify(inventory, intent); found.State != card.Complete {
		return fmt.Errorf("after activation the card is %q: %w", found.State, card.ErrReadBack)
	}
	return c.enter(w, Entry{Step: StepActivated})
}

// operationOn returns the operation of the certificates' keys, staged or already in force.
func operationOn(inventory card.Inventory, certs []wanted) (card.Operation, error) {
	var op card.Operation
	for _, cert := range certs {
		state := inventory.Slots[cert.slot]
		var of card.Operation
		switch {
		case bytes.Equal(state.Staged.PublicKey, cert.keyHash):
			of = state.Staged.Operation
		case bytes.Equal(state.Live.PublicKey, cert.keyHash):
			of = state.Live.Operation
		default:
			return op, fmt.Errorf("certificate %d: %w", cert.serial, errKeysGone)
		}
		if op != (card.Operation{}) && op != of {
			return op, fmt.Errorf("certificate %d belongs to a different operation: %w", cert.serial, card.ErrForeignStaging)
		}
		op = of
	}
	return op, nil
}

func (c *Counter) stage(w *work, s *card.Session, certs []wanted) error {
	id := w.down.GetProcedure()
	for i, cert := range certs {
		c.progress(id, StageCard, 60+10*i, say("writing"))
		if err := s.WriteStaged(cert.slot, cert.der, cert.issuer); err != nil {
			return err
		}
		crashStaged.Hit()
	}
	c.progress(id, StageCard, 85, say("reading-back"))
	for _, cert := range certs {
		if err := s.ReadBack(cert.slot, cert.der, cert.issuer); err != nil {
			return err
		}
		if err := s.TestSign(cert.slot); err != nil {
			return err
		}
	}
	if err := c.enter(w, Entry{Step: StepWritten}); err != nil {
		return err
	}
	crashWritten.Hit()
	return nil
}

// unblock executes UnblockPins: the resident types new PINs, and the card restores their tries. A new card is set up.
func (c *Counter) unblock(ctx context.Context, w *work) (*events.Claim, error) {
	d := w.down.GetUnblockPins()
	identity, err := c.identify(ctx, w, d.GetCard())
	if err != nil {
		return nil, err
	}
	if identity.LifeCycle == card.Initialised && c.lastDay(w, identity) == "" {
		return nil, errNoLastDay
	}
	ask := Confirmation{Obligation: w.down.GetId(), PINs: d.GetPins(), Regime: d.GetRegime()}
	typed, err := c.await(ctx, w, ask)
	defer func() { typed.wipe() }()
	if err != nil {
		return nil, err
	}
	if err := c.begin(w, d.GetCard(), d.GetPins()); err != nil {
		return nil, err
	}
	err = c.withCard(ctx, w, d.GetCard(), func(s *card.Session) error {
		c.progress(w.down.GetProcedure(), StageCard, 50, say("setting-pin"))
		if err := renew(s); err != nil {
			return err
		}
		inventory, err := s.Inventory() // read again: the card may have been pulled out after it was set up
		if err != nil {
			return err
		}
		if inventory.LifeCycle == card.Initialised {
			return c.setUp(w, s, inventory.Identity, typed)
		}
		for kind, pin := range typed {
			if err := s.ResetPIN(slotOfPIN(kind), pin); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	crashPINs.Hit()
	return &events.Claim{Fact: &events.Claim_PinsUnblocked{PinsUnblocked: &events.PinsUnblocked{
		Obligation: w.down.GetId(), Pins: d.GetPins(), Card: d.GetCard(),
	}}}, nil
}

// retire makes a card unusable for good and returns the claim that the counter keeps it.
func (c *Counter) retire(ctx context.Context, w *work) (*events.Claim, error) {
	cardID := w.down.GetRetireCard().GetCard()
	err := c.withCard(ctx, w, cardID, func(s *card.Session) error {
		if err := c.begin(w, cardID, nil); err != nil {
			return err
		}
		return s.Retire()
	})
	if err != nil {
		return nil, err
	}
	return &events.Claim{Fact: &events.Claim_CustodyTaken{CustodyTaken: &events.CustodyTaken{
		Card: cardID, Obligation: w.down.GetId(), Retired: true,
	}}}, nil
}
