package projector

import (
	"strings"

	"shomei/events"
)

// erasure begins what the books call an erasure; the record class follows.
const erasure = "erasure of "

const destroyOwed = events.ObligationKind_OBLIGATION_KIND_DESTROY_KEY

// erased is a version of the key of a person's record class that was destroyed.
type erased struct {
	subscriber, class string
	version           uint32
}

// orderErased keeps the books of an order. A class can be erased again when the person came back after the first time.
func (c *check) orderErased(a *aggregate, class, where string) {
	if a.told[erasure+class] == 2 {
		delete(a.told, erasure+class)
	}
	c.due(a, erasure+class, where)
}

func (c *check) keyDestroyed(a *aggregate, class, where string) {
	c.done(a, erasure+class, where)
	if a.destroyed == nil {
		a.destroyed = make(map[string]uint32)
	}
	a.destroyed[class]++
	c.erased = append(c.erased, erased{a.id, class, a.destroyed[class]})
}

// finishErasures judges what a subscriber's history orders erased: it is done, or owed.
func (c *check) finishErasures(a *aggregate, state *events.SubscriberState, where string) {
	for what, step := range a.told {
		if class, ok := strings.CutPrefix(what, erasure); ok && step == 1 && !owes(state, destroyOwed, class) {
			c.report.add(where, nextProgram, "%s is ordered, and neither done nor owed", what)
		}
	}
}

// checkErased looks for keys that were destroyed by order and are there again, as after an old copy of the vault was put
// back.
func (c *check) checkErased() error {
	if c.config.Holds == nil {
		return nil
	}
	for _, e := range c.erased {
		held, err := c.config.Holds(e.subscriber, e.class, e.version)
		if err != nil {
			return err
		}
		if held {
			c.report.add("vault", "start the hub: it destroys the key again before anything else", "subscriber/%s: the key of %s was destroyed by order and is there again", e.subscriber, e.class)
		}
	}
	return nil
}
