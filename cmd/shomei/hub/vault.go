package hub

import (
	"context"
	"errors"
	"fmt"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
)

// makeVault opens the vault that the log belongs with, or makes one for a log that has sealed nothing yet, and records which
// it is. While the facts about the log can't be read, the vault that is there is opened and none is made.
func (h *Hub) makeVault(ctx context.Context) error {
	state, err := h.logState(ctx)
	if eventlog.Unreadable(err) {
		return h.openVault("", true)
	}
	if err != nil {
		return err
	}
	sealed := state.Vault != ""
	if !sealed {
		if sealed, err = h.hasSubscribers(ctx); err != nil {
			return err
		}
	}
	if err := h.openVault(state.Vault, sealed); err != nil || state.Vault != "" {
		return err
	}
	_, err = h.Log.Update(ctx, events.KindAuthority, events.AuthorityLog, h.envelope(), func(head eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(head.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.RecordVault(state, h.Vault.Identity())
	})
	return err
}

// OpenVault opens the keys of personal data for looking, which only one process may hold at a time. It makes none.
func (h *Hub) OpenVault(ctx context.Context) error {
	state, err := h.logState(ctx)
	if err != nil && !eventlog.Unreadable(err) {
		return err
	}
	return h.openVault(state.GetVault(), true)
}

func (h *Hub) openVault(identity string, existing bool) (err error) {
	h.Vault, err = vault.Open(vault.Config{
		Dir: h.path("vault"), MasterKey: h.path("keys", "master.key"), Logger: h.Logger, Identity: identity, Existing: existing,
	})
	if err == nil {
		h.atEnd(h.Vault.Close)
	}
	return err
}

// logState is what holds of the log as a whole.
func (h *Hub) logState(ctx context.Context) (*events.AuthorityState, error) {
	head, err := h.Log.Load(ctx, events.KindAuthority, events.AuthorityLog)
	if err != nil {
		return nil, err
	}
	return lifecycle.DecodeAuthority(head.State)
}

// hasSubscribers reports whether the log holds anything about anybody. It is asked of logs that don't say yet which vault is
// theirs.
func (h *Hub) hasSubscribers(ctx context.Context) (bool, error) {
	found := errors.New("found")
	err := h.Log.Scan(ctx, nil, []string{events.KindSubscriber}, func(eventlog.Record, error) error { return found })
	if errors.Is(err, found) {
		return true, nil
	}
	return false, err
}

// KeyStatuses tells how the vault stands to some keys. The vault must be open.
func (h *Hub) KeyStatuses(_ context.Context, keys []vault.Key) ([]vault.Status, error) {
	statuses := make([]vault.Status, len(keys))
	for i, k := range keys {
		var err error
		if statuses[i], err = h.Vault.Status(k); err != nil {
			return nil, err
		}
	}
	return statuses, nil
}

// keysThere is the health of the vault: every key that the log needs is in it, as far as that is known.
func (h *Hub) keysThere(context.Context) error {
	missing, err := h.Vault.NotedMissing()
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d keys of persons are missing: the vault is older than the log", missing)
	}
	return err
}
