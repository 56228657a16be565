package hub

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
	"shomei/pkg/vaultlink"
)

// makeVault opens the log's vault, or makes one for a log that has sealed nothing yet, and records which it is. While
// the facts about the log can't be read, it opens an existing vault but makes none.
func (p *Parts) makeVault(ctx context.Context) error {
	state, err := p.logState(ctx)
	if eventlog.Unreadable(err) {
		return p.openVault("", true)
	}
	if err != nil {
		return err
	}
	sealed := state.Vault != ""
	if !sealed {
		if sealed, err = p.hasSubscribers(ctx); err != nil {
			return err
		}
	}
	if err := p.openVault(state.Vault, sealed); err != nil || state.Vault != "" {
		return err
	}
	_, err = p.as(eventlog.RoleOperator).Update(ctx, events.KindAuthority, events.AuthorityLog, p.envelope(), func(head eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(head.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.RecordVault(state, p.Vault.Identity())
	})
	return err
}

// OpenVault opens the keys of personal data for reading. Only one process may hold them at a time. It makes none.
func (p *Parts) OpenVault(ctx context.Context) error {
	if p.Separated() && !p.program.runs("vault") {
		return fmt.Errorf("the keys of persons are with shomei vault: %w", ErrSeparated)
	}
	state, err := p.logState(ctx)
	if err != nil && !eventlog.Unreadable(err) {
		return err
	}
	return p.openVault(state.GetVault(), true)
}

func (p *Parts) openVault(identity string, existing bool) (err error) {
	p.Vault, err = vault.Open(vault.Config{
		Dir: p.path("vault"), MasterKey: p.path("keys", "master.key"), Secrets: p.secrets, Logger: p.Logger, Identity: identity, Existing: existing,
	})
	if err == nil {
		p.sealed = p.Vault
		p.atEnd(p.Vault.Close)
	}
	return err
}

// logState returns the state of the log as a whole.
func (p *Parts) logState(ctx context.Context) (*events.AuthorityState, error) {
	head, err := p.Log.Load(ctx, events.KindAuthority, events.AuthorityLog)
	if err != nil {
		return nil, err
	}
	return lifecycle.DecodeAuthority(head.State)
}

// hasSubscribers reports whether the log holds any subscriber, for logs that don't name their vault yet.
func (p *Parts) hasSubscribers(ctx context.Context) (bool, error) {
	found := errors.New("found")
	err := p.Log.Scan(ctx, nil, []string{events.KindSubscriber}, func(eventlog.Record, error) error { return found })
	if errors.Is(err, found) {
		return true, nil
	}
	return false, err
}

// KeyStatuses returns the status of each key. The vault must be open.
func (p *Parts) KeyStatuses(ctx context.Context, keys []vault.Key) ([]vault.Status, error) {
	look := p.Vault.Status
	if client, apart := p.sealed.(*vaultlink.Client); apart {
		look = client.Status
	}
	statuses := make([]vault.Status, len(keys))
	some, ctx := errgroup.WithContext(ctx)
	some.SetLimit(looksAtOnce)
	for i, k := range keys {
		some.Go(func() (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			statuses[i], err = look(k)
			return err
		})
	}
	return statuses, some.Wait()
}

// looksAtOnce is how many keys are asked for at a time: elsewhere each is a call to the vault's service.
const looksAtOnce = 8

// LookAtVaultOf has Fsck ask the vault of a running centre, which an operator's parts have reached. Close closes them.
func (p *Parts) LookAtVaultOf(centre *Parts) {
	p.atEnd(centre.Close)
	p.AskVault = centre.KeyStatuses
}

// keysThere fails if keys that the log needs are known to be missing from the vault.
func (p *Parts) keysThere(context.Context) error {
	missing, err := p.Vault.NotedMissing()
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d keys of persons are missing: the vault is older than the log", missing)
	}
	return err
}
