package issuer

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
)

// nextNumber returns the number of the next list, which must grow (RFC 5280 section 5.2.3). It is the Unix time, and so
// above those of a log that was lost, or one more than the last if that is greater.
func nextNumber(now time.Time, logged, inFolder uint64) uint64 {
	return max(logged+1, inFolder+1, uint64(max(now.Unix(), 0)))
}

// carryOn returns an authority's lists in the folder and the number of the newest, or 0 if none there can be believed, or
// there are fewer than keys in force. If it is newer than the log's own, the log is an older copy; if a subscriber's commit can't be
// read, that may have been a revocation. Then whatever those lists name and the log does not is recorded, so that no
// list takes back a published revocation.
func (i *Issuer) carryOn(ctx context.Context, folder, id string, logged uint64, keys int) (list []*x509.RevocationList, newest uint64, err error) {
	if list, err = i.readLists(folder, id); err != nil {
		return nil, 0, err
	}
	missing := make(map[uint64]*events.RevocationFound)
	for _, crl := range list {
		number := crl.Number.Uint64()
		newest = max(newest, number)
		if number > logged || i.lists.doubtful {
			i.lists.missing(id, crl, missing)
		}
	}
	if newest <= logged && len(missing) == 0 {
		if len(list) < keys {
			return list, 0, nil // only some of the files were written: make all of them again
		}
		return list, newest, nil
	}
	i.Logger.Warn("the published revocation list names what the log does not: the log is an older copy, or has an unreadable commit; the entries are kept on the next list; see the runbook, Restore and Damage",
		"authority", id, "list", newest, "log", logged, "revocations unknown to the log", len(missing))
	if err := i.recordMissing(ctx, id, missing); err != nil {
		return nil, 0, err
	}
	return list, newest, i.lists.catchUp(ctx, i.Log, i.Logger)
}

func (i *Issuer) recordMissing(ctx context.Context, id string, missing map[uint64]*events.RevocationFound) error {
	var list []*events.RevocationFound
	for _, r := range missing {
		list = append(list, r)
	}
	for batch := range found.Batches(list) {
		env := eventlog.Envelope{
			CommandID: uuid.Must(uuid.NewV7()).String(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "issuer"},
		}
		if err := found.RecordRevocations(ctx, i.Log, id, env, batch); err != nil {
			return err
		}
	}
	return nil
}

// missing adds what a list names and the log does not, except lifted holds; a hold that became a revocation counts as
// missing.
func (l *lists) missing(authority string, crl *x509.RevocationList, missing map[uint64]*events.RevocationFound) {
	known := l.all(authority)
	for _, e := range crl.RevokedCertificateEntries {
		if !e.SerialNumber.IsUint64() {
			continue
		}
		serial, reason := e.SerialNumber.Uint64(), ca.Reason(e.ReasonCode)
		if reason == ca.CertificateHold && l.Lifted[serial] {
			continue
		}
		if own, ok := known[serial]; ok && (own.Reason != ca.CertificateHold || reason == ca.CertificateHold) {
			continue
		}
		missing[serial] = &events.RevocationFound{
			Serial: serial, RevokedMs: e.RevocationTime.UnixMilli(), Reason: events.RevocationReason(reason + 1), List: crl.Number.Uint64(),
		}
	}
}

// readLists returns an authority's lists in the folder that one of its keys signed.
func (i *Issuer) readLists(folder, id string) ([]*x509.RevocationList, error) {
	text, err := os.ReadFile(listFile(folder, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the published lists: %w", err)
	}
	var list []*x509.RevocationList
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		crl, err := x509.ParseRevocationList(block.Bytes)
		if err == nil && crl.Number != nil && crl.Number.IsUint64() && i.signedBy(id, crl) {
			list = append(list, crl)
		}
	}
	return list, nil
}

func (i *Issuer) signedBy(id string, crl *x509.RevocationList) bool {
	for _, g := range i.Directory.Generations() {
		if directory.AuthorityID(g.Kind, g.Prefecture.Code) == id && crl.CheckSignatureFrom(g.Certificate()) == nil {
			return true
		}
	}
	return false
}
