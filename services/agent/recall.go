package agent

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
)

var crashCommand = crashpoint.Register("agent.command.stored")

// recall rebuilds from the store what the counter knew: procedures, answers, commands and how far they came. Answers and
// claims are folded in the order of what is known to follow from what: a claim first, then its answer.
func (c *Counter) recall() error {
	err := c.store.eachClaim(func(claim *events.Claim) error {
		c.keepOutcome(claim)
		c.owners[claim.GetId()] = claim.GetProcedure()
		if claim.GetApplicationReceived() != nil || c.procedures[claim.GetProcedure()] == nil {
			c.apply(claim)
		}
		return nil
	})
	if err == nil {
		err = c.store.eachEntry(c.recallEntry)
	}
	if err == nil {
		err = c.store.eachClaim(func(claim *events.Claim) error {
			if claim.GetApplicationReceived() == nil {
				c.apply(claim)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("reading the counter's store: %w", err)
	}
	return nil
}

func (c *Counter) recallEntry(e Entry) error {
	if e.Step != StepReceived {
		if w := c.works[e.ID]; w != nil {
			w.note(e)
		}
		return nil
	}
	outer := &events.SealedDownlink{}
	if err := proto.Unmarshal(e.Signed, outer); err != nil {
		return fmt.Errorf("command %s in the journal: %w: %w", e.ID, err, ErrTampered)
	}
	d, err := counterlink.OpenDownlink(c.cfg.SealKey, c.cfg.Counter, outer.GetSealed())
	if err != nil {
		return fmt.Errorf("command %s in the journal, is this still the counter's seal key?: %w", e.ID, err)
	}
	c.learn(d, e)
	return nil
}

// learn takes a downlink up; called with mu held, or before the counter is used.
func (c *Counter) learn(d *events.Downlink, e Entry) *work {
	w := newWork(d)
	w.note(e)
	c.works[d.GetId()] = w
	c.order = append(c.order, d.GetId())
	if d.GetAnswer() != nil {
		c.learnAnswer(d)
		return w
	}
	p := c.procedure(d.GetProcedure())
	if d.GetSubscriber() != "" {
		p.status.Subscriber = d.GetSubscriber()
	}
	return w
}

// received takes a command or answer from the link: durable first, then begun. What was seen is dropped; a command that
// the hub deliberately sends again is answered with its first outcome.
func (c *Counter) received(_ context.Context, d *events.Downlink, signed []byte) error {
	c.mu.Lock()
	known := c.works[d.GetId()]
	c.mu.Unlock()
	if known != nil {
		return c.repeated(known, signed)
	}
	e := Entry{AtMS: c.Now().UnixMilli(), Step: StepReceived, ID: d.GetId(), Procedure: d.GetProcedure(), Signed: signed, Answer: d.GetAnswer() != nil}
	if err := c.store.Record(func(tx *Tx) error { return tx.Enter(e) }); err != nil {
		return err
	}
	crashCommand.Hit()
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.learn(d, e)
	c.tell(c.procedure(cmp.Or(d.GetProcedure(), c.owners[d.GetAnswer().GetClaim()])))
	if d.GetAnswer() == nil && c.start != nil {
		c.start(w)
	}
	return nil
}

// repeated answers a command that came again. Sealing is never the same twice: equal bytes are a redelivery by the
// server, whose outcome is in the chain of claims already; other bytes are a question by the hub.
func (c *Counter) repeated(w *work, signed []byte) error {
	c.mu.Lock()
	first, done := w.steps[StepReceived], w.done
	var outcome *events.Claim
	if done != nil {
		outcome = c.claims[done.Claim]
	}
	c.mu.Unlock()
	if outcome == nil || bytes.Equal(first.Signed, signed) {
		return nil
	}
	again := proto.CloneOf(outcome)
	fresh := c.newClaim("", "", "")
	again.Id, again.EnteredMs, again.ClockEvidence, again.LinkTime = fresh.Id, fresh.FiledMs, fresh.ClockEvidence, fresh.LinkTime // filed stays: it is told later
	c.cfg.Logger.Info("a finished command came again, its first outcome is told again", "id", w.down.GetId())
	if err := c.store.Record(func(tx *Tx) error { return tx.Claim(again) }); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.procedure(again.GetProcedure()).last = again.GetNumber()
	return nil
}

// keepOutcome keeps the claims that are outcomes of commands.
func (c *Counter) keepOutcome(claim *events.Claim) {
	switch claim.GetFact().(type) {
	case *events.Claim_KeysGenerated, *events.Claim_CardWritten, *events.Claim_WriteFailed, *events.Claim_PinsUnblocked,
		*events.Claim_CustodyTaken, *events.Claim_ConfirmationFailed:
		c.claims[claim.GetNumber()] = claim
	}
}
