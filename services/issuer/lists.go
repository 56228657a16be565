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

// lists is what each authority's revocation list names: fold, and the state of this process.
type lists struct {
	mu sync.Mutex
	fold
	// opened: the saved fold was looked for. saved is how far the last saved fold went.
	opened bool
	saved  eventlog.Positions
	// fresh: a list was made since the fold was saved.
	fresh bool
	// unlisted are the authorities with something folded since this process made their last list.
	unlisted map[string]bool
	// endsWanted are the certificates whose end is still to be looked up, with the subscriber if known.
	endsWanted map[uint64]string
	// doubtful: a subscriber's unreadable commit may have been a revocation.
	doubtful bool
}

// revocation is an entry with the time since when the log has it, in whole seconds as lists count.
type revocation struct {
	ca.Revocation
	Since time.Time
}

func newLists() *lists {
	return &lists{fold: newFold(), unlisted: make(map[string]bool), endsWanted: make(map[uint64]string)}
}

// catchUp folds everything new in the log.
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
			logger.Error("unverifiable commit left out of the revocation lists: inspect it with shomei log", "kind", r.Kind, "id", r.ID, "error", err)
			l.doubtful = true
			return nil // one forged commit must not stop all lists
		}
		if err != nil {
			return err
		}
		if r.Kind == events.KindAuthority {
			l.foldAuthority(r.Commit)
		} else {
			l.foldSubscriber(r.Commit)
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
	if err := l.lookUpEnds(ctx, log); err != nil {
		return err
	}
	maps.Copy(l.Positions, ends)
	return nil
}

func (l *lists) foldSubscriber(c *events.Commit) {
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

func (l *lists) foldAuthority(c *events.Commit) {
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
			if l.Found[c.Id][serial].NotAfterMs == 0 { // to be looked up in the whole log
				l.wantEnd(serial, "")
			}
		}
	}
}

// second returns a log time truncated to seconds, as lists count.
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

// wantEnd queues a certificate for lookUpEnds unless its end is known.
func (l *lists) wantEnd(serial uint64, subscriber string) {
	if _, known := l.Ends[serial]; !known && l.endsWanted[serial] == "" {
		l.endsWanted[serial] = subscriber
	}
}

// release removes an entry: a full list lifts a hold by leaving the serial out (RFC 5280 section 5.3.1 has
// removeFromCRL for delta lists only).
func (l *lists) release(authority string, serial uint64, recordedMs int64) {
	delete(l.ByAuthority[authority], serial)
	l.Lifted[serial] = true
	l.unlisted[authority] = true
	l.Released[authority] = second(recordedMs)
}

// newest returns when an authority's last revocation or release was recorded.
func (l *lists) newest(authority string) time.Time {
	newest := l.Released[authority]
	for _, r := range l.all(authority) {
		if r.Since.After(newest) {
			newest = r.Since
		}
	}
	return newest
}

// all returns an authority's revocations by serial, the log's own and those found outside it. Of two for one
// certificate the earlier counts, but a revocation counts before a hold.
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

// entries returns what an authority's list names at an instant, by serial.
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

// over reports whether an entry may leave the list: a list made after the certificate's scheduled end has carried it,
// and was the newest for a whole period (RFC 5280 section 3.3; law.md 12.1). Days without a list don't count. An entry
// whose certificate's end is unknown stays.
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

// PublishDue publishes the lists of authorities with changes, or whose list is about to expire (profile.md 4: daily).
func (i *Issuer) PublishDue(ctx context.Context, folder string) error {
	return i.publishLists(ctx, folder, func(id string, state *events.AuthorityState, inFolder uint64) bool {
		next := time.UnixMilli(state.CrlNextUpdateMs)
		made := next.Add(-ca.CRLPeriod)
		// A revocation in the very second of the list may have come after it.
		news := i.lists.unlisted[id] && !i.lists.newest(id).Before(made)
		// The number is logged before the file is written; a number only in the folder comes from a log that was lost.
		return state.CrlNumber == 0 || news || i.Clock().Add(early).After(next) || inFolder != state.CrlNumber
	})
}

func listFile(folder, id string) string { return filepath.Join(folder, id+".crl") }

var (
	crashListed = crashpoint.Register("issuer.list-recorded")
	crashFiled  = crashpoint.Register("issuer.list-filed")
)

// early is how long before a list expires the next one is made.
const early = time.Hour

// PublishLists makes a full revocation list for every authority and each of its keys in force, writes them to the folder as
// <authority>.crl, PEM, the newest key first, and hands them on. Number and digest are logged before the file is written,
// and what is handed on is what stands in the folder.
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
	current := make(map[string][][]byte)
	for _, g := range i.Directory.Generations() {
		id := directory.AuthorityID(g.Kind, g.Prefecture.Code)
		if _, done := current[id]; done {
			continue
		}
		var err error
		if current[id], err = i.publish(ctx, folder, id, g, due); err != nil {
			errs = append(errs, fmt.Errorf("publishing the revocation list of authority %s: %w", id, err))
		}
	}
	if err := i.lists.save(i.Log, foldFile(folder), i.Clock()); err != nil {
		i.Logger.Warn("the fold of the revocation lists was not saved, the next start reads the log again", "error", err)
	}
	return errors.Join(append(errs, i.handOn(ctx, current))...)
}

// publish returns the lists of an authority that stand in the folder, made now if they are due.
func (i *Issuer) publish(ctx context.Context, folder, id string, one *ca.Generation, due func(id string, state *events.AuthorityState, inFolder uint64) bool) ([][]byte, error) {
	now := i.Clock().UTC().Truncate(time.Second)
	head, err := i.Log.Load(ctx, events.KindAuthority, id)
	if err != nil {
		return nil, err
	}
	state, err := lifecycle.DecodeAuthority(head.State)
	if err != nil {
		return nil, err
	}
	keys := i.Directory.Generations().InForce(one.Kind, one.Prefecture.Code, now)
	list, inFolder, err := i.carryOn(ctx, folder, id, state.CrlNumber, len(keys))
	if err != nil {
		return nil, err
	}
	if !due(id, state, inFolder) {
		var current [][]byte
		for _, crl := range list {
			current = append(current, crl.Raw)
		}
		return current, nil
	}
	return i.make(ctx, folder, id, keys, nextNumber(now, state.CrlNumber, inFolder), now)
}

// make makes an authority's lists, records them and writes them to the folder.
func (i *Issuer) make(ctx context.Context, folder, id string, keys ca.Generations, number uint64, now time.Time) ([][]byte, error) {
	var made [][]byte
	var file []byte
	var published []*events.Event
	for _, g := range keys {
		signer, err := i.signers.of(g)
		if err != nil {
			return nil, err
		}
		entries := i.lists.entries(id, now)
		der, err := ca.BuildCRL(signer, ca.CRLInput{
			Generation: g, Number: number, ThisUpdate: now, NextUpdate: now.Add(ca.CRLPeriod), Entries: entries,
		})
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(der)
		published = append(published, events.New(&events.CrlPublished{
			Number: number, ThisUpdateMs: now.UnixMilli(), NextUpdateMs: now.Add(ca.CRLPeriod).UnixMilli(),
			Entries: uint32(len(entries)), Sha256: sum[:], KeyId: g.KeyID,
		}))
		made = append(made, der)
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	if len(published) == 0 {
		return nil, nil
	}
	outcome, err := i.updateAuthority(ctx, id, envelope(), func(s *events.AuthorityState) ([]*events.Event, error) {
		if s.CrlNumber >= number {
			return nil, nil // another issuer was faster
		}
		return published, nil
	})
	if err != nil || outcome.Commit == nil {
		return nil, err
	}
	crashListed.Hit()
	i.lists.unlisted[id], i.lists.fresh = false, true
	if err := durable.WriteFile(listFile(folder, id), file); err != nil {
		return nil, err
	}
	crashFiled.Hit()
	return made, nil
}
