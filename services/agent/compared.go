package agent

import (
	"context"
	"errors"
	"fmt"

	"shomei/pkg/card"
	"shomei/pkg/counterlink"
)

// Commands change cards only if this counter and its hub have the same history: either may have been restored from an old
// copy, in which finished commands look unfinished. Each process must see both agree once before it executes anything,
// unfinished commands included. A lost connection does not undo the agreement; a mismatch does at once.

// errNotCompared ends work on a card when hub and counter turn out to disagree.
var errNotCompared = errors.New("the records of counter and centre differ")

// agreement is the result of comparing heads in this process so far.
type agreement int

const (
	notCompared agreement = iota
	agreed
	mismatched
)

// compare handles a new state of the link: agreement lets commands run, a mismatch stops them.
func (c *Counter) compare(s counterlink.LinkState) {
	found := agreed
	switch s {
	case counterlink.Up:
	case counterlink.Mismatched:
		found = mismatched
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heads == found {
		return
	}
	c.heads = found
	close(c.compared)
	c.compared = make(chan struct{})
	if found == agreed {
		return
	}
	for _, p := range c.procedures {
		p.cancel(errNotCompared)
	}
}

// comparison returns the result so far; changed is closed when it changes.
func (c *Counter) comparison() (found agreement, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heads, c.compared
}

// awaitAgreement waits until commands may change a card, and shows on the command's page why it waits. It returns only
// errors of the store.
func (c *Counter) awaitAgreement(ctx context.Context, w *work) error {
	for ctx.Err() == nil {
		found, changed := c.comparison()
		why := WaitsForComparison
		switch found {
		case agreed:
			return nil
		case mismatched:
			why = HeadsDiffer
			if err := c.doubt(w); err != nil {
				return err
			}
		}
		c.explain(w.down.GetProcedure(), why)
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
	return ctx.Err()
}

// explain shows why an unfinished procedure is waiting.
func (c *Counter) explain(procedure, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procedure(procedure)
	switch p.status.Stage {
	case StageDropped, StageHandedOver, StageRefused:
		return
	}
	p.status.Message = say(why)
	c.notify(p)
}

// doubt records that a command was begun in a store that differed from the hub. Such a command fails, even if people
// decide to keep this store: it may have been finished long ago, and new keys on that card would replace those in force.
// The hub hears of the failure and decides anew.
func (c *Counter) doubt(w *work) error {
	c.mu.Lock()
	_, known := w.steps[StepDoubted]
	begun := w.begun != nil
	c.mu.Unlock()
	if known || !begun {
		return nil
	}
	return c.enter(w, Entry{Step: StepDoubted})
}

func (c *Counter) doubted(w *work) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, doubted := w.steps[StepDoubted]
	return doubted
}

// guarded is a connection that refuses APDUs unless counter and hub agree.
type guarded struct {
	card.Transmitter
	counter *Counter
}

// Transmit returns errNotCompared unless counter and hub agree. A reader's failure says nothing about the card, so it too is
// a localFailure.
func (g guarded) Transmit(apdu []byte) ([]byte, error) {
	if found, _ := g.counter.comparison(); found != agreed {
		return nil, &localFailure{errNotCompared}
	}
	answer, err := g.Transmitter.Transmit(apdu)
	if err != nil && !errors.Is(err, card.ErrRemoved) {
		return nil, &localFailure{fmt.Errorf("speaking to the card: %w", err)}
	}
	return answer, err
}
