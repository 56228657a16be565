package fsck

import (
	"context"
	"fmt"
	"slices"

	"shomei/events"
	"shomei/pkg/vault"
)

const (
	nextVault = "stop the hub and restore the newest copy of this log's vault; nothing else opens what is sealed"
	nextErase = "start the hub: it destroys the key again before anything else"
)

// wants sets the expected status of a key: held if something is sealed under it, unless it was destroyed.
func (a *aggregate) wants(k vault.Key, status vault.Status) {
	if a.keys == nil {
		a.keys = make(map[vault.Key]vault.Status)
	}
	if a.keys[k] != vault.Erased {
		a.keys[k] = status
	}
}

// wantSealed expects the key of an event's sealed data to be held. Whether another aggregate's is, its own history says.
func (a *aggregate) wantSealed(e *events.Event) {
	body := events.BodyOf(e)
	if s := events.SealedOf(body); s != nil && events.SealedFor(a.id, body) == a.id {
		a.wants(vault.Key{Person: a.id, Class: s.GetRecordClass(), Version: s.GetKeyVersion()}, vault.Held)
	}
}

// keysAtOnce is how many keys one query to the vault covers.
const keysAtOnce = 500

// checkKeys checks the keys of the aggregates read against the vault.
func (c *check) checkKeys(ctx context.Context) error {
	if c.Keys == nil {
		return nil
	}
	var list []vault.Key
	of := make(map[vault.Key]*aggregate)
	for _, a := range c.aggregates {
		for k := range a.keys {
			list, of[k] = append(list, k), a
		}
	}
	for keys := range slices.Chunk(list, keysAtOnce) {
		statuses, err := c.Keys(ctx, keys)
		if err != nil {
			return fmt.Errorf("asking the vault: %w", err)
		}
		for i, k := range keys[:len(statuses)] {
			c.judgeKey(of[k].kind, k, of[k].keys[k], statuses[i])
		}
	}
	return nil
}

// judgeKey compares a key's status in the vault with the one expected from the log. A key destroyed before its erasure
// is recorded is no finding: the eraser still owes that, and checkPatience bounds it.
func (c *check) judgeKey(kind string, k vault.Key, want, status vault.Status) {
	switch {
	case status == vault.Missing && want == vault.Held:
		c.report.add("vault", nextVault, "%s/%s: version %d of the key of %s is missing: the vault is older than the log, or another one", kind, k.Person, k.Version, k.Class)
	case status == vault.Held && want == vault.Erased:
		c.report.add("vault", nextErase, "%s/%s: the key of %s was destroyed by order and is there again", kind, k.Person, k.Class)
	}
}
