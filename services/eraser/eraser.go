// Package eraser erases personal data: an order, or its refusal, is a commit, and the key is destroyed after it. Only
// keys are touched: what was sealed under them stays in the log, unreadable.
package eraser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/vault"
)

// Config configures an Eraser; all fields without a comment are required.
type Config struct {
	Log    *eventlog.Log
	Vault  *vault.Vault
	Clock  func() time.Time
	Logger *slog.Logger
	// Handled, if set, is called with the positions up to which the log was followed.
	Handled func(eventlog.Positions)
}

// Eraser follows the log and destroys the keys that it orders destroyed. It keeps its position in the vault itself: an
// old copy of the vault brings its old position along, and everything ordered since is done again.
type Eraser struct {
	Config
	mu sync.Mutex
	at eventlog.Positions
}

// sealing lists the kinds whose commits seal data under keys of the vault (events.SealedOf).
var sealing = []string{events.KindSubscriber, events.KindOffice, events.KindAuthority, events.KindQuarantine, events.KindApproval}

// New destroys every key that the log orders destroyed, and returns an Eraser. Call it before anything else opens or
// seals: keys that a copy of the vault has brought back must not be used, and none may be made for one that it has
// lost.
func New(ctx context.Context, c Config) (*Eraser, error) {
	e := &Eraser{Config: c}
	if err := e.catchUp(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// catchUp destroys every key that was ordered destroyed and still exists in this vault, and records which keys the
// vault lacks that the log has used since the vault was last marked.
func (e *Eraser) catchUp(ctx context.Context) error {
	from, err := e.applied(ctx)
	if err != nil {
		return fmt.Errorf("reading how far erasures are applied: %w", err)
	}
	ends, err := e.Log.LastSequences(ctx)
	if err != nil {
		return fmt.Errorf("applying erasures: %w", err)
	}
	var found []eventlog.Record
	missing := &lacking{vault: e.Vault, keys: make(map[vault.Key]eventlog.Record)}
	err = e.Log.Scan(ctx, from, sealing, func(r eventlog.Record, _ error) error {
		if orders(r) {
			found = append(found, r)
		}
		return missing.take(r)
	})
	if err != nil {
		return fmt.Errorf("applying erasures: %w", err)
	}
	if len(found) > 0 {
		e.Logger.Info("applied the erasures in the log to the vault", "orders", len(found))
	}
	if err := e.erase(ctx, found); err != nil {
		return fmt.Errorf("applying erasures: %w", err)
	}
	if err := e.noteMissing(ctx, missing); err != nil {
		return fmt.Errorf("looking for keys that the vault lacks: %w", err)
	}
	e.reach(ends)
	return e.mark()
}

// markEvery bounds how much of the log the next start reads.
const markEvery = 10 * time.Minute

// Run destroys keys as they are ordered destroyed, until ctx ends.
func (e *Eraser) Run(ctx context.Context) error {
	marked := time.Now()
	e.reach(nil)
	err := e.Log.Follow(ctx, eventlog.Follower{
		Name: "eraser", Kinds: []string{events.KindSubscriber}, From: e.reached(), Unverified: true,
		Handle: func(ctx context.Context, records []eventlog.Record) error {
			var found []eventlog.Record
			for _, r := range records {
				if orders(r) {
					found = append(found, r)
				}
			}
			return e.erase(ctx, found)
		},
		Handled: func(at eventlog.Positions) {
			e.reach(at)
			if time.Since(marked) > markEvery {
				marked = time.Now()
				if err := e.mark(); err != nil {
					e.Logger.Warn("could not save how far erasures are applied, retrying", "error", err)
				}
			}
		},
	})
	return errors.Join(err, e.mark())
}

// decide applies one of the hub's own commands to a subscriber.
func decide(h eventlog.Head, command lifecycle.Command) ([]*events.Event, error) {
	state, err := lifecycle.DecodeSubscriber(h.State)
	if err != nil {
		return nil, err
	}
	return lifecycle.Decide(state, command, h.Now)
}

// orders reports whether a record orders an erasure.
func orders(r eventlog.Record) bool {
	for _, event := range r.Commit.GetEvents() {
		if event.GetErasureOrdered() != nil {
			return r.Kind == events.KindSubscriber
		}
	}
	return false
}

// erase destroys the keys that records order destroyed, and then records it. A record without a trusted signature
// destroys nothing.
func (e *Eraser) erase(ctx context.Context, records []eventlog.Record) error {
	var list []vault.Erasure
	for _, r := range records {
		if err := e.Log.Verify(r); err != nil {
			e.Logger.Error("ignoring an unverifiable order to erase; inspect it with shomei fsck", "subscriber", r.ID, "error", err)
			continue
		}
		history, err := e.Log.History(ctx, events.KindSubscriber, r.ID)
		if eventlog.Unreadable(err) {
			e.Logger.Error("an order to erase is in an unreadable history; inspect it with shomei fsck", "subscriber", r.ID, "error", err)
			continue
		}
		if err != nil {
			return err
		}
		if err := e.tooEarly(history, r); err != nil {
			e.Logger.Error("an order to erase is not carried out: whoever signed it had no right to yet", "subscriber", r.ID, "error", err)
			continue
		}
		list = append(list, ordered(history, r)...)
	}
	if len(list) == 0 {
		return nil
	}
	if err := e.Vault.EraseAll(list); err != nil {
		return err
	}
	for _, done := range list {
		if err := e.record(ctx, done); err != nil {
			return fmt.Errorf("recording that the key of %s is destroyed: %w", done.Person, err)
		}
	}
	return nil
}

// tooEarly returns an error while a retention period protects what a record orders erased. [Order.Decide] has judged that, where
// the order came from an honest process; what is destroyed here is gone for good.
func (e *Eraser) tooEarly(history []eventlog.Record, r eventlog.Record) error {
	var before []*events.Commit
	for _, one := range history {
		if one.Commit.GetRevision() < r.Commit.GetRevision() {
			before = append(before, one.Commit)
		}
	}
	for _, event := range r.Commit.GetEvents() {
		b := event.GetErasureOrdered()
		if b == nil {
			continue
		}
		command, err := lifecycle.PrepareErasure(before, b.GetRecordClass())
		if err != nil {
			return err
		}
		kept, err := command.Retentions()
		if err != nil {
			return err
		}
		for _, k := range kept {
			if !k.Last.EndInstant().Before(e.Clock()) {
				return fmt.Errorf("%s protects %s until %s", k.Rule, b.GetRecordClass(), k.Last)
			}
		}
	}
	return nil
}

// ordered returns what a record orders erased: the nth order about a class concerns the nth version of its key, because
// the next version is made only after the previous one was destroyed.
func ordered(history []eventlog.Record, r eventlog.Record) []vault.Erasure {
	var list []vault.Erasure
	version := make(map[string]uint32)
	for _, before := range history {
		for _, event := range before.Commit.GetEvents() {
			b := event.GetErasureOrdered()
			if b == nil {
				continue
			}
			version[b.RecordClass]++
			if before.Commit.Revision == r.Commit.Revision {
				list = append(list, vault.Erasure{Person: r.ID, Class: b.RecordClass, Version: version[b.RecordClass]})
			}
		}
	}
	return list
}

// record discharges the obligation. After an old copy of the vault was restored there is none, and nothing is recorded.
func (e *Eraser) record(ctx context.Context, done vault.Erasure) error {
	env := eventlog.Envelope{
		CommandID: fmt.Sprintf("erased/%s/%s/%d", done.Person, done.Class, done.Version), Redelivered: true,
		Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "eraser"},
	}
	_, err := e.Log.Update(ctx, events.KindSubscriber, done.Person, env, func(h eventlog.Head) ([]*events.Event, error) {
		return decide(h, lifecycle.RecordKeyDestroyed{Class: done.Class})
	})
	return err
}

// applied returns how far the log's erasures are applied to every file of the vault. If the log itself is an older copy
// and ends before that, all of it is read.
func (e *Eraser) applied(ctx context.Context) (eventlog.Positions, error) {
	marks, err := e.Vault.Marks(vault.ErasuresApplied)
	if err != nil {
		return nil, err
	}
	return e.Log.Marked(ctx, marks)
}

// reach records how far the log is handled, and reports it.
func (e *Eraser) reach(at eventlog.Positions) {
	e.mu.Lock()
	if at != nil {
		e.at = at
	}
	at = e.at
	e.mu.Unlock()
	if e.Handled != nil {
		e.Handled(at)
	}
}

func (e *Eraser) reached() eventlog.Positions {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at
}

func (e *Eraser) mark() error {
	text, err := json.Marshal(e.reached())
	if err == nil {
		err = e.Vault.SetMark(vault.ErasuresApplied, text)
	}
	if err != nil {
		return fmt.Errorf("marking how far erasures are applied: %w", err)
	}
	return nil
}
