package issuer

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/crashpoint"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
)

// lists holds, for each authority, what its revocation list names. It is folded from the log and holds nothing else.
type lists struct {
	mu        sync.Mutex
	positions eventlog.Positions
	// byAuthority and then by serial.
	byAuthority map[string]map[uint64]ca.Revocation
	// unlisted are the authorities about which something was folded since their last list of this process.
	unlisted map[string]bool
	// lastDays of certificates, which say until when a revocation is listed.
	lastDays map[uint64]string
	// released is when a hold of an authority was last lifted, lifted the certificates whose hold was.
	released map[string]time.Time
	lifted   map[uint64]bool
	// doubtful says that a subscriber's commit can't be read: it may have been a revocation.
	doubtful bool
}

func newLists() *lists {
	return &lists{
		byAuthority: make(map[string]map[uint64]ca.Revocation), unlisted: make(map[string]bool), lastDays: make(map[uint64]string),
		released: make(map[string]time.Time), lifted: make(map[uint64]bool),
	}
}

// catchUp folds what the log holds beyond what is already folded.
func (l *lists) catchUp(ctx context.Context, log *eventlog.Log, logger *slog.Logger) error {
	ends, err := log.LastSequences(ctx)
	if err != nil {
		return err
	}
	err = log.Scan(ctx, l.positions, func(r eventlog.Record, err error) error {
		if r.Kind != events.KindSubscriber {
			return nil
		}
		if err == nil {
			err = log.Verify(r)
		}
		if eventlog.Unreadable(err) {
			logger.Error("a commit that can't be believed is on no revocation list: look at it with shomei log", "subscriber", r.ID, "error", err)
			l.doubtful = true
			return nil // one forged commit must not keep every list from being made
		}
		if err != nil {
			return err
		}
		l.take(r.Commit)
		return nil
	})
	if err == nil {
		l.positions = ends
	}
	return err
}

func (l *lists) take(c *events.Commit) {
	for _, e := range c.GetEvents() {
		switch b := events.BodyOf(e).(type) {
		case *events.IssueAuthorized:
			l.lastDays[b.Serial] = b.LastDay
		case *events.CertificateRevoked:
			l.add(b.Authority, b.Serial, e.RecordedMs, ca.Reason(lifecycle.CRLReason(b.Reason)))
		case *events.CertificateSuspended:
			l.add(b.Authority, b.Serial, e.RecordedMs, ca.Reason(lifecycle.CRLReason(events.RevocationReason_REVOCATION_REASON_CERTIFICATE_HOLD)))
		case *events.CertificateReleased:
			l.release(b.Authority, b.Serial, e.RecordedMs)
		case *events.IssueAbandoned:
			l.add(b.Authority, b.Serial, e.RecordedMs, 0)
		case *events.CertificateDiscarded:
			l.add(b.Authority, b.Serial, e.RecordedMs, 0)
		}
	}
}

func (l *lists) add(authority string, serial uint64, recordedMs int64, reason ca.Reason) {
	if l.byAuthority[authority] == nil {
		l.byAuthority[authority] = make(map[uint64]ca.Revocation)
	}
	l.unlisted[authority] = true
	last, _ := civil.Parse(l.lastDays[serial])
	l.byAuthority[authority][serial] = ca.Revocation{
		// Lists count in whole seconds, and so does the instant of the next list.
		Serial: serial, RevokedAt: time.UnixMilli(recordedMs).UTC().Truncate(time.Second), Reason: reason, Expires: last.EndInstant(),
	}
}

// release takes an entry off: a full list says that a hold is lifted by not naming the serial (RFC 5280 section 5.3.1 has
// removeFromCRL for delta lists only).
func (l *lists) release(authority string, serial uint64, recordedMs int64) {
	delete(l.byAuthority[authority], serial)
	l.lifted[serial] = true
	l.unlisted[authority] = true
	l.released[authority] = time.UnixMilli(recordedMs).UTC().Truncate(time.Second)
}

// newest is when the last revocation or release of an authority was recorded.
func (l *lists) newest(authority string) time.Time {
	newest := l.released[authority]
	for _, r := range l.byAuthority[authority] {
		if r.RevokedAt.After(newest) {
			newest = r.RevokedAt
		}
	}
	return newest
}

// entries are what an authority's list names at an instant, by serial: what has not been over for a whole period, so
// that each stands on one list made after its scheduled end (domain.md 1.6, RFC 5280 section 3.3).
func (l *lists) entries(authority string, at time.Time) []ca.Revocation {
	var entries []ca.Revocation
	for _, r := range l.byAuthority[authority] {
		if !r.Expires.Before(at.Add(-ca.CRLPeriod)) {
			entries = append(entries, r)
		}
	}
	sort.Slice(entries, func(a, b int) bool { return entries[a].Serial < entries[b].Serial })
	return entries
}

// kept are the entries of the list published last that the log knows nothing of any more: when a subscriber's commit
// can't be read, what it revoked stays revoked.
func (l *lists) kept(file, authority string, keys ca.Generations, at time.Time) []ca.Revocation {
	text, err := os.ReadFile(file)
	block, _ := pem.Decode(text)
	if !l.doubtful || err != nil || block == nil {
		return nil
	}
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		return nil
	}
	if key, err := keys.ByKeyID(list.AuthorityKeyId); err != nil || list.CheckSignatureFrom(key.Certificate()) != nil {
		return nil
	}
	var entries []ca.Revocation
	for _, e := range list.RevokedCertificateEntries {
		serial := e.SerialNumber.Uint64()
		last, _ := civil.Parse(l.lastDays[serial]) // zero when the authorisation is lost, too
		_, known := l.byAuthority[authority][serial]
		if known || l.lifted[serial] || !last.IsZero() && last.EndInstant().Before(at.Add(-ca.CRLPeriod)) {
			continue
		}
		entries = append(entries, ca.Revocation{Serial: serial, RevokedAt: e.RevocationTime, Reason: ca.Reason(e.ReasonCode), Expires: last.EndInstant()})
	}
	return entries
}

// PublishDue publishes the lists of the authorities that have something new to say, or whose list is about to run out
// (domain.md 2.5: daily).
func (i *Issuer) PublishDue(ctx context.Context, folder string) error {
	return i.publishLists(ctx, folder, func(id string, state *events.AuthorityState) bool {
		next := time.UnixMilli(state.CrlNextUpdateMs)
		made := next.Add(-ca.CRLPeriod)
		// What was revoked in the very second of the list may have come after it.
		news := i.lists.unlisted[id] && !i.lists.newest(id).Before(made)
		return state.CrlNumber == 0 || news || i.Clock().Add(early).After(next) || stale(folder, id, state.CrlNumber)
	})
}

// stale tells whether the folder lacks the list of a number, which is in the log before it is in the folder.
func stale(folder, id string, number uint64) bool {
	text, err := os.ReadFile(listFile(folder, id))
	block, _ := pem.Decode(text)
	if err != nil || block == nil {
		return true
	}
	list, err := x509.ParseRevocationList(block.Bytes)
	return err != nil || list.Number.Cmp(new(big.Int).SetUint64(number)) < 0
}

func listFile(folder, id string) string { return filepath.Join(folder, id+".crl") }

var crashListed = crashpoint.Register("issuer.list-recorded")

// early is how long before a list runs out the next one is made.
const early = time.Hour

// PublishLists makes a full revocation list for every authority and each of its keys in force, and writes them to the
// folder as <authority>.crl, PEM, the newest key first. The number and the digest stand in the log before the file.
func (i *Issuer) PublishLists(ctx context.Context, folder string) error {
	return i.publishLists(ctx, folder, func(string, *events.AuthorityState) bool { return true })
}

func (i *Issuer) publishLists(ctx context.Context, folder string, due func(string, *events.AuthorityState) bool) error {
	i.lists.mu.Lock()
	defer i.lists.mu.Unlock()
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
	return errors.Join(errs...)
}

func (i *Issuer) publish(ctx context.Context, folder, id string, one *ca.Generation, due func(string, *events.AuthorityState) bool) error {
	now := i.Clock().UTC().Truncate(time.Second)
	head, err := i.Log.Load(ctx, events.KindAuthority, id)
	if err != nil {
		return err
	}
	state, err := lifecycle.DecodeAuthority(head.State)
	if err != nil {
		return err
	}
	if !due(id, state) {
		return nil
	}
	number := state.CrlNumber + 1
	var file []byte
	var published []*events.Event
	for _, g := range i.Directory.Generations().InForce(one.Kind, one.Prefecture.Code, now) {
		signer, err := i.signers.of(g)
		if err != nil {
			return err
		}
		entries := append(i.lists.entries(id, now), i.lists.kept(listFile(folder, id), id, i.Directory.Generations(), now)...)
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
	i.lists.unlisted[id] = false
	return renameio.WriteFile(listFile(folder, id), file, 0o644)
}
