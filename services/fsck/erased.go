package fsck

import (
	"strings"

	"shomei/events"
	"shomei/pkg/vault"
)

// erasure is the prefix of an erasure in aggregate.told; the record class follows.
const erasure = "erasure of "

const destroyOwed = events.ObligationKind_OBLIGATION_KIND_DESTROY_KEY

// orderErased accounts for an order. A class can be erased again if the person came back after the first time.
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
	a.wants(vault.Key{Person: a.id, Class: class, Version: a.destroyed[class]}, vault.Erased)
}

// finishErasures checks that every ordered erasure is done or owed.
func (c *check) finishErasures(a *aggregate, state *events.SubscriberState, where string) {
	for what, step := range a.told {
		if class, ok := strings.CutPrefix(what, erasure); ok && step == 1 && !owes(state, destroyOwed, class) {
			c.report.add(where, nextProgram, "%s is ordered, but neither done nor owed", what)
		}
	}
}
