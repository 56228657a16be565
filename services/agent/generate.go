package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/card"
)

// generate executes GenerateKeys: the resident confirms, the intent is recorded, key pairs are made in the staging slots,
// their requests signed and PINs staged. Old keys and PINs stay in force until the certificates are activated (card.md 6).
func (c *Counter) generate(ctx context.Context, w *work) (*events.Claim, error) {
	d := w.down.GetGenerateKeys()
	inventory, err := c.inventory(ctx, w, d.GetCard())
	if err != nil {
		return nil, err
	}
	if inventory.LifeCycle == card.Initialised && c.lastDay(w, inventory.Identity) == "" {
		return nil, errNoLastDay
	}
	kinds := slotsFirst(d.GetKinds())
	var typed PINs
	defer func() { typed.wipe() }()
	if w.begun == nil {
		if typed, err = c.await(ctx, w, c.askFor(w, d.GetRegime(), inventory, kinds)); err != nil {
			return nil, err
		}
		if err := c.begin(w, d.GetCard(), kindsOf(typed)); err != nil {
			return nil, err
		}
	}
	var keys []*events.KeyRequest
	for {
		missing := false
		err := c.withCard(ctx, w, d.GetCard(), func(s *card.Session) error {
			c.progress(w.down.GetProcedure(), StageCard, 20, say("making-keys"))
			err := renew(s)
			if err != nil {
				return err
			}
			if keys, err = c.makeKeys(w, s, kinds); err != nil {
				return err
			}
			missing, err = c.layPINs(w, s, typed)
			return err
		})
		if err != nil {
			return nil, err
		}
		if !missing {
			break
		}
		// PINs do not survive a restart; only the resident has them.
		if typed, err = c.await(ctx, w, c.askAgain(w, d.GetRegime())); err != nil {
			return nil, err
		}
	}
	return &events.Claim{Fact: &events.Claim_KeysGenerated{KeysGenerated: &events.KeysGenerated{
		Obligation: w.down.GetId(), Card: d.GetCard(), Keys: keys,
	}}}, nil
}

// identify waits for the commanded card and reads its identity.
func (c *Counter) identify(ctx context.Context, w *work, cardID string) (id card.Identity, err error) {
	err = c.withCard(ctx, w, cardID, func(s *card.Session) (err error) {
		id, err = s.Identify()
		return err
	})
	if err == nil && id.LifeCycle == card.Terminated {
		err = errTerminated
	}
	return id, err
}

// inventory waits for the commanded card and reads what it holds.
func (c *Counter) inventory(ctx context.Context, w *work, cardID string) (held card.Inventory, err error) {
	var id card.Identity
	err = c.withCard(ctx, w, cardID, func(s *card.Session) (err error) {
		if id, err = s.Identify(); err != nil {
			return err
		}
		if id.LifeCycle == card.Terminated {
			return errTerminated
		}
		held, err = s.Inventory()
		return err
	})
	held.Identity = id
	return held, err
}

// askFor returns which PINs the resident must or may type: a new card needs them, one in use keeps its own unless new ones
// are typed. A slot that never held a certificate has a PIN that nobody knows (setUp): a child who turned 15, an adult ward.
func (c *Counter) askFor(w *work, r events.Regime, held card.Inventory, kinds []events.CertificateKind) Confirmation {
	ask := Confirmation{Obligation: w.down.GetId(), Regime: r}
	if ms := w.down.GetDeadlineMs(); ms > 0 {
		ask.Deadline = time.UnixMilli(ms)
	}
	for _, kind := range kinds {
		pin := pinKindOf(slotOf(kind))
		if held.LifeCycle == card.Initialised || held.Slots[slotOf(kind)].Live.Certificate == nil {
			ask.PINs = append(ask.PINs, pin)
		} else {
			ask.Optional = append(ask.Optional, pin)
		}
	}
	return ask
}

func (c *Counter) askAgain(w *work, r events.Regime) Confirmation {
	ask := Confirmation{Obligation: w.down.GetId(), Regime: r, PINs: w.begun.PINs}
	if ms := w.down.GetDeadlineMs(); ms > 0 {
		ask.Deadline = time.UnixMilli(ms)
	}
	return ask
}

// makeKeys makes the staged key pairs, or finds those made before a crash or a card removal. It discards unfinished keys of
// an earlier command: the hub has given that one up, or it would not have sent this one.
func (c *Counter) makeKeys(w *work, s *card.Session, kinds []events.CertificateKind) ([]*events.KeyRequest, error) {
	op := card.OperationOf(w.down.GetId())
	if err := c.clearStaging(w, s, op); err != nil {
		return nil, err
	}
	var requests []*events.KeyRequest
	for _, kind := range kinds {
		generated, err := s.GenerateStaged(slotOf(kind), op)
		if err != nil {
			return nil, err
		}
		crashKey.Hit()
		digest := sha256.Sum256(generated.PublicKey)
		if !slices.Equal(w.keys[kind], digest[:]) {
			if err := c.enter(w, Entry{Step: StepKeyMade, Kind: kind, Digest: digest[:]}); err != nil {
				return nil, err
			}
			crashKeyNoted.Hit()
		}
		requests = append(requests, &events.KeyRequest{Kind: kind, Request: generated.Request})
	}
	return requests, nil
}

func (c *Counter) clearStaging(w *work, s *card.Session, op card.Operation) error {
	inventory, err := s.Inventory()
	if err != nil {
		return err
	}
	for slot, state := range inventory.Slots {
		// A PIN staged without a key has the zero operation.
		if state.Staged.Operation == op || (state.Staged.PublicKey == nil && !state.Staged.PIN) {
			continue
		}
		if err := s.Discard(slot); err != nil {
			return err
		}
		crashDiscarded.Hit()
		note := fmt.Sprintf("staging of the %s slot held operation %s", slot, state.Staged.Operation)
		if err := c.enter(w, Entry{Step: StepDiscarded, Note: note}); err != nil {
			return err
		}
	}
	return nil
}

// layPINs gives the PINs to the card and wipes them. It reports them missing if the resident typed some and neither this
// process nor the card has them.
func (c *Counter) layPINs(w *work, s *card.Session, typed PINs) (missing bool, err error) {
	inventory, err := s.Inventory()
	if err != nil {
		return false, err
	}
	fresh := inventory.LifeCycle == card.Initialised
	for _, kind := range w.begun.PINs {
		if len(typed[kind]) == 0 && (fresh || !inventory.Slots[slotOfPIN(kind)].Staged.PIN && !c.pinsAreSet(w)) {
			return true, nil
		}
	}
	switch {
	case len(typed) == 0 && !fresh:
		return false, nil
	case fresh:
		err = c.setUp(w, s, inventory.Identity, typed)
	default:
		for kind, pin := range typed {
			if err = s.StagePIN(slotOfPIN(kind), pin); err != nil {
				break
			}
		}
	}
	if err != nil {
		return false, err // the PINs are kept for another try with a card that was pulled out
	}
	crashPINs.Hit()
	typed.wipe()
	clear(typed)
	return false, c.enter(w, Entry{Step: StepPINsSet})
}

func (c *Counter) pinsAreSet(w *work) bool {
	_, ok := w.steps[StepPINsSet]
	return ok
}

// setUp makes a new card operational. A slot in which this holder may have no certificate gets a PIN that nobody knows.
func (c *Counter) setUp(w *work, s *card.Session, identity card.Identity, typed PINs) error {
	pins := map[card.Slot][]byte{}
	for _, slot := range identity.Kind.Slots() {
		if pins[slot] = typed[pinKindOf(slot)]; len(pins[slot]) == 0 {
			unknown := unknownPIN(slot)
			defer clear(unknown)
			pins[slot] = unknown
		}
	}
	return s.SetUp(c.lastDay(w, identity), pins)
}

// unknownPIN returns a random PIN that satisfies the slot's rules (law.md 6.2).
func unknownPIN(slot card.Slot) []byte {
	if slot == card.Auth {
		pin := make([]byte, 4)
		rand.Read(pin)
		for i := range pin {
			pin[i] = '0' + pin[i]%10
		}
		return pin
	}
	text := []byte(rand.Text()[:14])
	return append(text, 'A', '0')
}

// lastDay returns the card's last day from the hub's answer to the application. For a juki card the hub keeps none: the
// municipality wrote it onto the card (law.md 3.1). It is empty if neither has one.
func (c *Counter) lastDay(w *work, identity card.Identity) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.procedure(w.down.GetProcedure()).status.Answer.GetCardLastDay(), identity.LastDay)
}

// slotsFirst returns kinds in the order in which keys are made: authentication first (law.md 3.2).
func slotsFirst(kinds []events.CertificateKind) []events.CertificateKind {
	sorted := slices.Clone(kinds)
	slices.SortFunc(sorted, func(a, b events.CertificateKind) int { return int(slotOf(a)) - int(slotOf(b)) })
	return sorted
}

func kindsOf(typed PINs) []events.PinKind {
	var kinds []events.PinKind
	for kind := range typed {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}
