package agent

import (
	"context"
	"errors"
	"fmt"

	"shomei/pkg/card"
	"shomei/pkg/counterlink"
)

// Commands change cards only while this counter and its hub are known to remember the same history: the store may be an
// old copy that was put back, whose commands were finished long ago, or the hub may be one. A process has to see both agree
// once before it executes anything, also what the store says was left half done; a line that is cut later changes nothing
// about that, a mismatch does at once.

// errNotCompared ends work on a card when hub and counter turn out to disagree.
var errNotCompared = errors.New("counter and centre do not remember the same history")

// agreement is what the comparison of heads has said in this process so far.
type agreement int

const (
	notCompared agreement = iota
	agreed
	mismatched
)

// compare takes a state of the link: agreement lets commands run, a mismatch stops them.
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

// comparison returns what the comparison has said; changed is closed when that changes.
func (c *Counter) comparison() (found agreement, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heads, c.compared
}

// awaitAgreement waits until commands may change a card, and tells on the command's page why it waits. An error is the
// store's.
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

// explain says why a procedure that is not over stands still.
func (c *Counter) explain(procedure, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.procedure(procedure)
	switch p.status.Stage {
	case StageDropped, StageHandedOver, StageRefused:
		return
	}
	p.status.Message = say(why)
	c.tell(p)
}

// doubt writes down that a command was begun in a store that differed from the hub. It is not taken up any more, also when
// people decide to go on with this store: what it began may have been finished long ago, and keys made anew on that card
// would end those in force. The hub is told that it failed, and decides anew.
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

// guarded is a connection that carries nothing to the card once counter and hub disagree.
type guarded struct {
	card.Transmitter
	counter *Counter
}

// Transmit refuses with errNotCompared what may not reach the card any more. What the reader fails at says nothing of the
// card, so it settles nothing either.
func (g guarded) Transmit(apdu []byte) ([]byte, error) {
	if found, _ := g.counter.comparison(); found != agreed {
		return nil, &unsettled{errNotCompared}
	}
	answer, err := g.Transmitter.Transmit(apdu)
	if err != nil && !errors.Is(err, card.ErrRemoved) {
		return nil, &unsettled{fmt.Errorf("speaking to the card: %w", err)}
	}
	return answer, err
}
