package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
)

// markEvery bounds how much of the log the next start reads.
const markEvery = 10 * time.Minute

// index keeps the vault's index of names as the log has them, until ctx ends. How far it has come stands in the vault's own files: an
// index that is lost, older or of before there was one is made from the log as far as it lacks.
func (s *Service) index(ctx context.Context) error {
	marks, err := s.Vault.Marks(vault.IdentitiesIndexed)
	if err != nil {
		return fmt.Errorf("reading how far identities are indexed: %w", err)
	}
	from, err := s.Log.Marked(ctx, marks)
	if err != nil {
		return fmt.Errorf("reading how far identities are indexed: %w", err)
	}
	ends, err := s.Log.LastSequences(ctx)
	if err != nil {
		return fmt.Errorf("indexing identities: %w", err)
	}
	if from == nil {
		from = eventlog.Positions{}
	}
	i := &indexing{Service: s, at: from, ends: ends}
	i.reached(from)
	err = s.Log.Follow(ctx, eventlog.Follower{
		Name: "index", Kinds: []string{events.KindSubscriber}, From: from, Handle: i.handle, Handled: i.reached,
	})
	if failed := i.mark(); err == nil {
		err = failed
	}
	return err
}

// indexing is an index being kept.
type indexing struct {
	*Service
	at, ends eventlog.Positions
	marked   time.Time
	whole    bool
}

// handle indexes the persons whose identities some records have.
func (i *indexing) handle(_ context.Context, records []eventlog.Record) error {
	var persons []vault.Identified
	for _, r := range records {
		p, err := i.identified(r)
		if err != nil && !dossier.Lost(err) {
			return err
		}
		if err == nil {
			persons = append(persons, p)
		}
	}
	return i.Vault.Index(persons...)
}

// identified returns how a record calls its person. The error is dossier.ErrNotFound if it doesn't.
func (i *indexing) identified(r eventlog.Record) (vault.Identified, error) {
	version := uint32(0)
	for _, e := range r.Commit.GetEvents() {
		switch events.BodyOf(e).(type) {
		case *events.ResidentRecorded, *events.ResidentRecordChanged:
			version = max(version, events.SealedOf(events.BodyOf(e)).GetKeyVersion())
		}
	}
	if version == 0 {
		return vault.Identified{}, dossier.ErrNotFound
	}
	known, err := dossier.Of(i.Vault, r.ID, []eventlog.Record{r}).Identity()
	if err != nil {
		return vault.Identified{}, err
	}
	return vault.Identified{
		Person: r.ID, Version: version, Names: []string{known.GetName(), known.GetAlias()}, Kana: known.GetKana(), BirthDate: known.GetBirthDate(),
	}, nil
}

// reached notes how far the log is indexed, and lets persons be found once that is as far as it went at the start.
func (i *indexing) reached(at eventlog.Positions) {
	i.at = at
	if !i.whole {
		i.whole = true
		for stream, end := range i.ends {
			i.whole = i.whole && at[stream] >= end
		}
		if i.whole {
			i.Vault.Searchable()
			i.tellMark()
		}
	}
	if i.Handled != nil {
		i.Handled(at)
	}
	if time.Since(i.marked) > markEvery {
		i.tellMark()
	}
}

func (i *indexing) tellMark() {
	i.marked = time.Now()
	if err := i.mark(); err != nil {
		i.Logger.Warn("could not save how far identities are indexed, retrying", "error", err)
	}
}

func (i *indexing) mark() error {
	text, err := json.Marshal(i.at)
	if err == nil {
		err = i.Vault.SetMark(vault.IdentitiesIndexed, text)
	}
	if err != nil {
		return fmt.Errorf("marking how far identities are indexed: %w", err)
	}
	return nil
}
