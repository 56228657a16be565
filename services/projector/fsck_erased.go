package projector

import (
	"strings"

	"shomei/events"
)

// erasure begins what the books call an erasure; the record class follows.
const erasure = "erasure of "

const destroyOwed = events.ObligationKind_OBLIGATION_KIND_DESTROY_KEY

// erased is a record class of a person whose key was destroyed.
type erased struct{ subscriber, class string }

// finishErasures judges what a subscriber's history orders erased: it is done, or owed.
func (c *check) finishErasures(a *aggregate, state *events.SubscriberState, where string) {
	for what, step := range a.told {
		class, ok := strings.CutPrefix(what, erasure)
		switch {
		case !ok:
		case step == 2:
			c.erased = append(c.erased, erased{a.id, class})
		case !owes(state, destroyOwed, class):
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
		held, err := c.config.Holds(e.subscriber, e.class)
		if err != nil {
			return err
		}
		if held {
			c.report.add("vault", "start the hub: it destroys the key again before anything else", "subscriber/%s: the key of %s was destroyed by order and is there again", e.subscriber, e.class)
		}
	}
	return nil
}
