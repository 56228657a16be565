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

// wants notes how the vault must stand to a key: it holds what something is sealed under, unless that was destroyed.
func (a *aggregate) wants(k vault.Key, status vault.Status) {
	if a.keys == nil {
		a.keys = make(map[vault.Key]vault.Status)
	}
	if a.keys[k] != vault.Erased {
		a.keys[k] = status
	}
}

// wantSealed notes the key of what an event seals.
func (a *aggregate) wantSealed(e *events.Event) {
	if s := events.SealedOf(events.BodyOf(e)); s != nil {
		a.wants(vault.Key{Person: a.id, Class: s.GetRecordClass(), Version: s.GetKeyVersion()}, vault.Held)
	}
}

// keysAtOnce bounds how many keys the vault is asked about in one question.
const keysAtOnce = 500

// checkKeys asks the vault about the keys of the aggregates read.
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

// judgeKey compares how the vault stands to a key with how the log says it must. A key that is gone although the erasure is
// not on record yet is on its way: the eraser owes that, and is judged by its patience.
func (c *check) judgeKey(kind string, k vault.Key, want, status vault.Status) {
	switch {
	case status == vault.Missing && want == vault.Held:
		c.report.add("vault", nextVault, "%s/%s: version %d of the key of %s is missing: the vault is older than the log, or another one", kind, k.Person, k.Version, k.Class)
	case status == vault.Held && want == vault.Erased:
		c.report.add("vault", nextErase, "%s/%s: the key of %s was destroyed by order and is there again", kind, k.Person, k.Class)
	}
}
