package eraser

import (
	"context"
	"fmt"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
)

// lacking collects, while the log is read, the keys that it needs and the vault lacks.
type lacking struct {
	vault *vault.Vault
	keys  map[vault.Key]eventlog.Record // with a commit that needs it
}

// take adds the keys that a record needs.
func (l *lacking) take(r eventlog.Record) error {
	for _, e := range r.Commit.GetEvents() {
		body := events.BodyOf(e)
		s := events.SealedOf(body)
		if s == nil {
			continue
		}
		k := vault.Key{Person: events.SealedFor(r.ID, body), Class: s.GetRecordClass(), Version: s.GetKeyVersion()}
		if _, known := l.keys[k]; known {
			continue
		}
		status, err := l.vault.Status(k)
		if err != nil {
			return err
		}
		if status == vault.Missing {
			l.keys[k] = r
		}
	}
	return nil
}

// noteMissing records the keys that are still missing once erasures are applied, so that no second key is made under
// the same version. A commit without a trusted signature needs no key.
func (e *Eraser) noteMissing(ctx context.Context, l *lacking) error {
	var list []vault.Key
	for k, r := range l.keys {
		status, err := e.Vault.Status(k)
		if err != nil {
			return err
		}
		if status == vault.Missing && e.Log.Verify(r) == nil {
			list = append(list, k)
		}
	}
	if len(list) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	e.Logger.Error("the vault is older than the log and lacks keys: restore its newest copy. Until then nothing is sealed or opened under these keys; shomei fsck lists them",
		"keys", len(list), "first", fmt.Sprintf("%s/%s %s", l.keys[list[0]].Kind, list[0].Person, list[0].Class))
	return e.Vault.NoteMissing(list)
}
