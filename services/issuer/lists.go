package issuer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/crashpoint"
	"shomei/pkg/directory"
	"shomei/pkg/durable"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
	"shomei/pkg/lifecycle"
)

// lists holds, for each authority, what its revocation list names: fold, and what belongs to this process alone.
type lists struct {
	mu sync.Mutex
	fold
	// opened says that the saved fold was looked for; saved is how far the log was folded when it was last written.
	opened bool
	saved  eventlog.Positions
	// fresh says that a list was made since: the fold is saved with each.
	fresh bool
	// unlisted are the authorities about which something was folded since their last list of this process.
	unlisted map[string]bool
	// unsought are the certificates whose end has not been looked up yet, with the subscriber where one is known.
	unsought map[uint64]string
	// doubtful says that a subscriber's commit can't be read: it may have been a revocation.
	doubtful bool
}

// revocation is an entry with since when the log has known it, in whole seconds as lists count.
type revocation struct {
	ca.Revocation
	Since time.Time
}

func newLists() *lists {
	return &lists{fold: newFold(), unlisted: make(map[string]bool), unsought: make(map[uint64]string)}
}

// catchUp folds what the log holds beyond what is already folded.
func (l *lists) catchUp(ctx context.Context, log *eventlog.Log, logger *slog.Logger) error {
	ends, err := log.LastSequences(ctx)
	if err != nil {
		return err
	}
	last := make(map[string]eventlog.Record)
	err = log.Scan(ctx, l.Positions, []string{events.KindSubscriber, events.KindAuthority}, func(r eventlog.Record, err error) error {
		if err == nil {
			err = log.Verify(r)
		}
		if eventlog.Unreadable(err) {
			logger.Error("a commit that can't be believed is on no revocation list: look at it with shomei log", "kind", r.Kind, "id", r.ID, "error", err)
			l.doubtful = true
			return nil // one forged commit must not keep every list from being made
		}
		if err != nil {
			return err
		}
		if r.Kind == events.KindAuthority {
			l.takeAuthority(r.Commit)
		} else {
			l.take(r.Commit)
		}
		last[r.Stream] = r
		return nil
	})
	for stream, r := range last {
		l.Last[stream] = lastFolded{r.Sequence, events.Hash(r.Stored)}
	}
	if err != nil {
		return err
	}
	if err := l.seek(ctx, log); err != nil {
		return err
	}
	maps.Copy(l.Positions, ends)
	return nil
}

func (l *lists) take(c *events.Commit) {
	for _, e := range c.GetEvents() {
		for _, t := range events.Transitions(e) {
			switch t.Status {
			case events.CertificateStatus_CERTIFICATE_STATUS_REVOKED, events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED,
				events.CertificateStatus_CERTIFICATE_STATUS_ABANDONED:
				l.add(c.Id, t.Authority, t.Serial, e.RecordedMs, ca.Reason(lifecycle.CRLReason(t.Reason)))
			case events.CertificateStatus_CERTIFICATE_STATUS_VALID:
				if t.Held {
					l.release(t.Authority, t.Serial, e.RecordedMs)
				}
			}
		}
	}
}

func (l *lists) takeAuthority(c *events.Commit) {
	for _, e := range c.GetEvents() {
		if b := e.GetCrlPublished(); b != nil {
			l.Published[c.Id] = append(l.Published[c.Id], time.UnixMilli(b.ThisUpdateMs).UTC())
		}
		if l.Found[c.Id] == nil {
			l.Found[c.Id] = make(found.Certificates)
		}
		l.Found[c.Id].Take(e)
		if serial := max(e.GetRevocationFound().GetSerial(), e.GetFoundCertificateRevoked().GetSerial()); serial != 0 {
			l.unlisted[c.Id] = true
			if l.Found[c.Id][serial].NotAfterMs == 0 { // the whole log is read for it
				l.wantEnd(serial, "")
			}
		}
	}
}

// second is an instant of the log as lists count.
func second(ms int64) time.Time { return time.UnixMilli(ms).UTC().Truncate(time.Second) }

func (l *lists) add(subscriber, authority string, serial uint64, recordedMs int64, reason ca.Reason) {
	if l.ByAuthority[authority] == nil {
		l.ByAuthority[authority] = make(map[uint64]revocation)
	}
	l.unlisted[authority] = true
	l.wantEnd(serial, subscriber)
	at := second(recordedMs)
	l.ByAuthority[authority][serial] = revocation{ca.Revocation{Serial: serial, RevokedAt: at, Reason: reason}, at}
}

// wantEnd has the end of a certificate looked up that is not known yet.
func (l *lists) wantEnd(serial uint64, subscriber string) {
	if _, known := l.Ends[serial]; !known && l.unsought[serial] == "" {
		l.unsought[serial] = subscriber
	}
}

// release takes an entry off: a full list says that a hold is lifted by not naming the serial (RFC 5280 section 5.3.1 has
// removeFromCRL for delta lists only).
func (l *lists) release(authority string, serial uint64, recordedMs int64) {
	delete(l.ByAuthority[authority], serial)
	l.Lifted[serial] = true
	l.unlisted[authority] = true
	l.Released[authority] = second(recordedMs)
}

// newest is when the last revocation or release of an authority was recorded.
func (l *lists) newest(authority string) time.Time {
	newest := l.Released[authority]
	for _, r := range l.all(authority) {
		if r.Since.After(newest) {
			newest = r.Since
		}
	}
	return newest
}

// all are an authority's revocations by serial: the log's own, and those that it has learned of. Of two for one certificate
// the earlier stands, but for a hold that became a revocation.
func (l *lists) all(authority string) map[uint64]revocation {
	all := maps.Clone(l.ByAuthority[authority])
	if all == nil {
		all = make(map[uint64]revocation)
	}
	for serial, c := range l.Found[authority] {
		if c.RevokedMs == 0 {
			continue
		}
		r := revocation{ca.Revocation{Serial: serial, RevokedAt: second(c.RevokedMs), Reason: ca.Reason(lifecycle.CRLReason(c.Reason))}, second(c.SinceMs)}
		own, both := all[serial]
		if !both || r.Reason != ca.CertificateHold && (own.Reason == ca.CertificateHold || r.RevokedAt.Before(own.RevokedAt)) {
			all[serial] = r
		}
	}
	return all
}

// entries are what an authority's list names at an instant, by serial.
func (l *lists) entries(authority string, at time.Time) []ca.Revocation {
	var entries []ca.Revocation
	for _, r := range l.all(authority) {
		if !l.over(authority, r, at) {
			entries = append(entries, r.Revocation)
		}
	}
	slices.SortFunc(entries, func(a, b ca.Revocation) int { return cmp.Compare(a.Serial, b.Serial) })
	return entries
}

// over reports whether an entry may leave the list: one that was made after the certificate's scheduled end has carried it,
// and was the newest for a whole period (RFC 5280 section 3.3; law.md 12.1). Days on which no list was made don't count. An
// entry of a certificate whose end nobody knows stays.
func (l *lists) over(authority string, r revocation, at time.Time) bool {
	end := l.Ends[r.Serial]
	known := !end.IsZero()
	if c := l.Found[authority][r.Serial]; !known && c.NotAfterMs != 0 {
		end, known = time.UnixMilli(c.NotAfterMs), true
	}
	if !known {
		return false
	}
	if r.Since.After(end) {
		end = r.Since
	}
	published := l.Published[authority]
	i, _ := slices.BinarySearchFunc(published, end, func(at, end time.Time) int { return cmp.Or(at.Compare(end), -1) }) // the first after it
	return i < len(published) && !at.Before(published[i].Add(ca.CRLPeriod-early))
}

// PublishDue publishes the lists of the authorities that have something new to say, or whose list is about to run out
// (profile.md 4: daily).
func (i *Issuer) PublishDue(ctx context.Context, folder string) error {
	return i.publishLists(ctx, folder, func(id string, state *events.AuthorityState, inFolder uint64) bool {
		next := time.UnixMilli(state.CrlNextUpdateMs)
		made := next.Add(-ca.CRLPeriod)
		// What was revoked in the very second of the list may have come after it.
		news := i.lists.unlisted[id] && !i.lists.newest(id).Before(made)
		// A number is in the log before its list is in the folder; in the folder alone it is of a log that was lost.
		return state.CrlNumber == 0 || news || i.Clock().Add(early).After(next) || inFolder != state.CrlNumber
	})
}

func listFile(folder, id string) string { return filepath.Join(folder, id+".crl") }

var crashListed = crashpoint.Register("issuer.list-recorded")

// early is how long before a list runs out the next one is made.
const early = time.Hour

// PublishLists makes a full revocation list for every authority and each of its keys in force, and writes them to the
// folder as <authority>.crl, PEM, the newest key first. The number and the digest stand in the log before the file.
func (i *Issuer) PublishLists(ctx context.Context, folder string) error {
	return i.publishLists(ctx, folder, func(string, *events.AuthorityState, uint64) bool { return true })
}

func (i *Issuer) publishLists(ctx context.Context, folder string, due func(id string, state *events.AuthorityState, inFolder uint64) bool) error {
	i.lists.mu.Lock()
	defer i.lists.mu.Unlock()
	if err := i.lists.open(ctx, i.Log, foldFile(folder), i.Logger); err != nil {
		return fmt.Errorf("publishing revocation lists: %w", err)
	}
	if err := i.lists.catchUp(ctx, i.Log, i.Logger); err != nil {
		return fmt.Errorf("publishing revocation lists: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("publishing revocation lists: %w", err)
	}
	var errs []error
	done := make(map[string]bool)
	for _, g := range i.Directory.Generations() {
		id := directory.AuthorityID(g.Kind, g.Prefecture.Code)
		if done[id] {
			continue
		}
		done[id] = true
		if err := i.publish(ctx, folder, id, g, due); err != nil {
			errs = append(errs, fmt.Errorf("publishing the revocation list of authority %s: %w", id, err))
		}
	}
	if err := i.lists.save(i.Log, foldFile(folder), i.Clock()); err != nil {
		i.Logger.Warn("what the revocation lists are made of is not saved, the next start reads it again", "error", err)
	}
	return errors.Join(errs...)
}

func (i *Issuer) publish(ctx context.Context, folder, id string, one *ca.Generation, due func(id string, state *events.AuthorityState, inFolder uint64) bool) error {
	now := i.Clock().UTC().Truncate(time.Second)
	head, err := i.Log.Load(ctx, events.KindAuthority, id)
	if err != nil {
		return err
	}
	state, err := lifecycle.DecodeAuthority(head.State)
	if err != nil {
		return err
	}
	keys := i.Directory.Generations().InForce(one.Kind, one.Prefecture.Code, now)
	inFolder, err := i.carryOn(ctx, folder, id, state.CrlNumber, len(keys))
	if err != nil {
		return err
	}
	if !due(id, state, inFolder) {
		return nil
	}
	number := nextNumber(now, state.CrlNumber, inFolder)
	var file []byte
	var published []*events.Event
	for _, g := range keys {
		signer, err := i.signers.of(g)
		if err != nil {
			return err
		}
		entries := i.lists.entries(id, now)
		der, err := ca.BuildCRL(signer, ca.CRLInput{
			Generation: g, Number: number, ThisUpdate: now, NextUpdate: now.Add(ca.CRLPeriod), Entries: entries,
		})
		if err != nil {
			return err
		}
		sum := sha256.Sum256(der)
		published = append(published, events.New(&events.CrlPublished{
			Number: number, ThisUpdateMs: now.UnixMilli(), NextUpdateMs: now.Add(ca.CRLPeriod).UnixMilli(),
			Entries: uint32(len(entries)), Sha256: sum[:], KeyId: g.KeyID,
		}))
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	if len(published) == 0 {
		return nil
	}
	outcome, err := i.updateAuthority(ctx, id, func(s *events.AuthorityState) ([]*events.Event, error) {
		if s.CrlNumber >= number {
			return nil, nil // another issuer was faster
		}
		return published, nil
	})
	if err != nil || outcome.Commit == nil {
		return err
	}
	crashListed.Hit()
	i.lists.unlisted[id], i.lists.fresh = false, true
	return durable.WriteFile(listFile(folder, id), file)
}
