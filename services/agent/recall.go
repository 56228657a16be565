package agent

import (
	"bytes"
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/crashpoint"
)

var crashCommand = crashpoint.Register("agent.command.stored")

// recall rebuilds the counter's state from the store: procedures, answers, commands and their progress. Then it removes
// closed procedures from memory and store.
func (c *Counter) recall() error {
	err := c.store.db.View(func(tx *bolt.Tx) error {
		return eachEntry(tx, func(e Entry, _, _ []byte) error { return c.recallEntry(tx, e) })
	})
	if err != nil {
		return fmt.Errorf("reading the counter's store: %w", err)
	}
	c.forgetClosed()
	return c.store.prune(c.remembered(), c.oldest())
}

func (c *Counter) recallEntry(tx *bolt.Tx, e Entry) error {
	switch e.Step {
	case StepClaimed:
		return c.recallClaim(tx, e)
	case StepReceived:
		return c.recallDownlink(e)
	}
	if w := c.work(e.Procedure, e.ID); w != nil {
		w.note(e)
	}
	return nil
}

// recallClaim skips claims that belong to no remembered procedure: certificates reported after a mismatch, and repeated
// outcomes of forgotten procedures.
func (c *Counter) recallClaim(tx *bolt.Tx, e Entry) error {
	claim, _, err := counterlink.ParseClaim(tx.Bucket(bucketSigned).Get(numberKey(e.Claim)))
	if err != nil {
		return err
	}
	if claim.GetProcedure() != "" && !repeatsOutcome(tx, claim) {
		c.foldClaim(claim)
	}
	return nil
}

func (c *Counter) recallDownlink(e Entry) error {
	outer := &events.SealedDownlink{}
	if err := proto.Unmarshal(e.Signed, outer); err != nil {
		return fmt.Errorf("command %s in the journal: %w: %w", e.ID, err, ErrTampered)
	}
	d, err := counterlink.OpenDownlink(c.cfg.SealKey, c.cfg.Counter, outer.GetSealed())
	if err != nil {
		return fmt.Errorf("opening command %s in the journal, check that the counter's seal key is still the same: %w", e.ID, err)
	}
	c.foldDownlink(d, e)
	return nil
}

// foldDownlink folds a downlink; it is called with mu held, or before the counter is used.
func (c *Counter) foldDownlink(d *events.Downlink, e Entry) *work {
	p, w := c.procedure(c.procedureOf(d)), newWork(d)
	w.note(e)
	p.works = append(p.works, w)
	if d.GetAnswer() != nil {
		c.foldAnswer(p, d)
		return w
	}
	p.status.Commanded = true
	if d.GetSubscriber() != "" {
		p.status.Subscriber = d.GetSubscriber()
	}
	return w
}

// received stores a command or answer from the link, then starts it. A redelivery is ignored; if the hub itself sends a
// finished command again, its first outcome is repeated.
func (c *Counter) received(_ context.Context, d *events.Downlink, signed []byte) error {
	if told := d.GetOfficers(); told != nil {
		return c.receiveOfficers(told, signed)
	}
	c.mu.Lock()
	known := c.work(c.procedureOf(d), d.GetId())
	c.mu.Unlock()
	if known != nil {
		return c.repeated(d.GetId(), c.seenOf(known), signed)
	}
	if before, found, err := c.store.seen(d.GetId()); found || err != nil {
		if err != nil {
			return err
		}
		return c.repeated(d.GetId(), before, signed)
	}
	return c.receive(d, signed)
}

func (c *Counter) receive(d *events.Downlink, signed []byte) error {
	defer c.forget()
	c.recording.RLock()
	defer c.recording.RUnlock()
	e := Entry{AtMS: c.Now().UnixMilli(), Step: StepReceived, ID: d.GetId(), Procedure: d.GetProcedure(), Signed: signed, Answer: d.GetAnswer() != nil}
	if err := c.store.Record(func(tx *Tx) error { return tx.Enter(e) }); err != nil {
		return err
	}
	crashCommand.Hit()
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.foldDownlink(d, e)
	c.notify(c.procedure(c.procedureOf(d)))
	if d.GetAnswer() == nil && c.start != nil {
		c.start(w)
	}
	return nil
}

// seenOf returns the record that would be kept of a command or answer once its procedure is forgotten.
func (c *Counter) seenOf(w *work) seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	record := seen{Digest: events.Hash(w.steps[StepReceived].Signed)}
	if w.done != nil {
		record.Claim = w.done.Claim
	}
	return record
}

// repeated answers a command that came again. Sealing never gives the same bytes twice: equal bytes are a redelivery by the
// server, whose outcome is already among the claims; different bytes mean that the hub asks again.
func (c *Counter) repeated(id string, before seen, signed []byte) error {
	if before.Claim == 0 || bytes.Equal(before.Digest, events.Hash(signed)) {
		return nil
	}
	outcome, err := c.outcome(before.Claim)
	if err != nil {
		return err
	}
	fresh := c.newClaim("", "", "")
	outcome.Id, outcome.EnteredMs = fresh.Id, fresh.FiledMs // its own FiledMs stays: the outcome is repeated, not new
	outcome.ClockEvidence, outcome.LinkTime = fresh.ClockEvidence, fresh.LinkTime
	c.cfg.Logger.Info("a finished command came again, repeating its first outcome", "id", id)
	if err := c.store.Record(func(tx *Tx) error { return tx.Claim(outcome) }); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.procedures[outcome.GetProcedure()]; p != nil {
		p.last = outcome.GetNumber()
	}
	return nil
}

// repeatsOutcome reports whether a claim repeated an outcome of a forgotten procedure.
func repeatsOutcome(tx *bolt.Tx, claim *events.Claim) bool {
	m := claim.ProtoReflect()
	fact := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))
	if fact == nil {
		return false
	}
	outcome, ok := m.Get(fact).Message().Interface().(interface{ GetObligation() string })
	return ok && tx.Bucket(bucketSeen).Get([]byte(outcome.GetObligation())) != nil
}

// outcome returns the stored claim with a command's outcome.
func (c *Counter) outcome(number uint64) (*events.Claim, error) {
	signed, _, err := c.store.Claim(number)
	if err != nil {
		return nil, err
	}
	claim, _, err := counterlink.ParseClaim(signed)
	return claim, err
}
