package fsck

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/civil"
	"shomei/pkg/found"
	"shomei/pkg/lifecycle"
)

// list is one revocation list in the folder. entries is reduced to those that the log does not know.
type list struct {
	authority string
	der       []byte
	crl       *x509.RevocationList
	entries   map[uint64]x509.RevocationListEntry
	// made is when the authority's earlier lists were made, in order; found is what the log has learned about it from
	// outside.
	made  []time.Time
	found found.Certificates
	// judged are those of found that the log has issued, which compareLists has checked.
	judged map[uint64]bool
}

// readLists reads the folder before the log is read, so that the log has everything that the lists can know. The
// authorities' histories say which lists came before.
func (c *check) readLists(ctx context.Context) error {
	if c.Lists == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(c.Lists, "*.crl"))
	if err != nil {
		return err
	}
	for _, file := range files {
		rest, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		authority := strings.TrimSuffix(filepath.Base(file), ".crl")
		before, err := c.publishedBy(ctx, authority)
		if err != nil {
			return err
		}
		readable := 0
		for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
			crl, err := x509.ParseRevocationList(block.Bytes)
			if err != nil {
				c.report.add(listName(authority), nextPublish, "can't be read: %v", err)
				continue
			}
			l := newList(authority, block.Bytes, crl)
			l.made, l.found = before.made, before.found
			c.lists = append(c.lists, l)
			readable++
		}
		if readable == 0 {
			c.report.add(listName(authority), nextPublish, "holds no list that can be read")
		}
	}
	return nil
}

func listName(authority string) string { return "revocation list " + authority + ".crl" }

func newList(authority string, der []byte, crl *x509.RevocationList) *list {
	l := &list{authority: authority, der: der, crl: crl, judged: make(map[uint64]bool), entries: make(map[uint64]x509.RevocationListEntry, len(crl.RevokedCertificateEntries))}
	for _, entry := range crl.RevokedCertificateEntries {
		if entry.SerialNumber.IsUint64() {
			l.entries[entry.SerialNumber.Uint64()] = entry
		}
	}
	return l
}

// compareLists checks one certificate against its authority's lists as of the time each was made.
func (c *check) compareLists(held *certificate) {
	for _, l := range c.lists {
		if l.authority != held.authority {
			continue
		}
		if _, ok := l.found[held.serial]; ok {
			l.judged[held.serial] = true
		}
		entry, listed := l.entries[held.serial]
		delete(l.entries, held.serial)
		want, must, same := held.entryOn(l)
		switch {
		case same: // either is right within the second of the list
		case must && !listed:
			c.report.add(listName(l.authority), nextPublish, "number %v leaves out serial %d, ended at %s", l.crl.Number, held.serial, want.RevocationTime.Format(time.RFC3339))
		case !must && listed:
			c.report.add(listName(l.authority), nextPublish, "number %v names serial %d, which had not ended or was long over", l.crl.Number, held.serial)
		case must && (!entry.RevocationTime.Equal(want.RevocationTime) || entry.ReasonCode != want.ReasonCode):
			c.report.add(listName(l.authority), nextPublish, "number %v names serial %d at %s for reason %d, the log at %s for reason %d", l.crl.Number, held.serial,
				entry.RevocationTime.Format(time.RFC3339), entry.ReasonCode, want.RevocationTime.Format(time.RFC3339), want.ReasonCode)
		}
	}
}

// entryOn returns what a list must say about a certificate, whether it must be listed, and whether something changed
// it in the very second of the list.
func (held *certificate) entryOn(l *list) (entry x509.RevocationListEntry, must, same bool) {
	at := l.crl.ThisUpdate
	ended, suspended := second(max(held.revoked, held.abandoned)), held.suspendedAt(at)
	same = ended.Equal(at) || suspended.Equal(at) || slices.ContainsFunc(held.releases, func(ms uint64) bool { return second(int64(ms)).Equal(at) })
	switch {
	case !ended.IsZero() && !ended.After(at):
		entry.RevocationTime, entry.ReasonCode, must = ended, held.crlReason, true
	case !suspended.IsZero() && !suspended.After(at):
		entry.RevocationTime, entry.ReasonCode, must = suspended, int(ca.CertificateHold), true
	}
	since := entry.RevocationTime
	if c := l.found[held.serial]; c.RevokedMs != 0 && !second(c.SinceMs).After(at) {
		learned := x509.RevocationListEntry{RevocationTime: second(c.RevokedMs), ReasonCode: int(lifecycle.CRLReason(c.Reason))}
		hold := int(ca.CertificateHold)
		if !must || learned.ReasonCode != hold && (entry.ReasonCode == hold || learned.RevocationTime.Before(ended)) {
			entry, since, must = learned, second(c.SinceMs), true
		}
		same = same || second(c.SinceMs).Equal(at)
	}
	return entry, must && !l.over(held.ends(), since), same
}

// ends returns the scheduled end of the certificate, or zero if unknown.
func (held *certificate) ends() time.Time {
	if last, err := civil.Parse(held.lastDay); err == nil && !last.IsZero() {
		return last.EndInstant()
	}
	return second(held.notAfter)
}

// over reports whether an entry may leave the list: a list made after the certificate's end has carried it, and was the
// newest for a day (RFC 5280 section 3.3). The next list comes up to an hour earlier.
func (l *list) over(end, since time.Time) bool {
	if end.IsZero() {
		return false
	}
	for _, made := range l.made {
		if made.After(end) && made.After(since) {
			return !l.crl.ThisUpdate.Before(made.Add(ca.CRLPeriod - time.Hour))
		}
	}
	return false
}

// suspendedAt returns since when the certificate was suspended at an instant, or zero if it was not.
func (held *certificate) suspendedAt(at time.Time) time.Time {
	since := second(held.suspended)
	if len(held.releases) == 0 {
		return since
	}
	latest := func(list []uint64) (found time.Time) {
		for _, ms := range list {
			if s := second(int64(ms)); !s.After(at) && s.After(found) {
				found = s
			}
		}
		return found
	}
	if since = latest(held.holds); since.Before(latest(held.releases)) {
		return time.Time{}
	}
	return since
}

func second(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC().Truncate(time.Second)
}

// checkLists compares the lists with those that the log says were published, and reports entries unknown to the log.
func (c *check) checkLists(ctx context.Context) error {
	if c.Lists == "" {
		return nil
	}
	for _, authority := range c.authorities {
		p, err := c.publishedBy(ctx, authority)
		if err != nil {
			return err
		}
		if !c.replaced(authority, p.number) {
			c.checkPublished(authority, p)
		}
	}
	for _, l := range c.lists {
		if !slices.Contains(c.authorities, l.authority) {
			c.report.add(listName(l.authority), nextPublish, "the log knows no such authority")
		}
		c.checkFoundListed(l)
		for serial := range l.entries {
			c.report.add(listName(l.authority), nextPublish, "number %v names serial %d, which the log does not know", l.crl.Number, serial)
		}
	}
	return nil
}

// replaced reports whether a running hub has published a newer list since the folder was read, so that the lists read
// are outdated.
func (c *check) replaced(authority string, newest uint64) bool {
	for _, l := range c.lists {
		if l.authority == authority && l.crl.Number.Cmp(new(big.Int).SetUint64(newest)) >= 0 {
			return false
		}
	}
	text, err := os.ReadFile(filepath.Join(c.Lists, authority+".crl"))
	block, _ := pem.Decode(text)
	if err != nil || block == nil {
		return false
	}
	crl, err := x509.ParseRevocationList(block.Bytes)
	return err == nil && crl.Number.Cmp(new(big.Int).SetUint64(newest)) >= 0
}

// published is what the log says about an authority's keys and its newest lists.
type published struct {
	number uint64
	byKey  map[string]*events.CrlPublished // of the newest number
	keys   map[string]*x509.Certificate
	made   []time.Time
	found  found.Certificates
}

func (c *check) publishedBy(ctx context.Context, authority string) (published, error) {
	p := published{keys: make(map[string]*x509.Certificate), found: make(found.Certificates)}
	history, err := c.Log.History(ctx, events.KindAuthority, authority)
	if damaged(err) {
		return p, nil // already reported by scan
	}
	if err != nil {
		return p, err
	}
	for _, r := range history {
		for _, e := range r.Commit.Events {
			p.found.Take(e)
			switch b := events.BodyOf(e).(type) {
			case *events.GenerationActivated:
				if p.keys[hex.EncodeToString(b.KeyId)], err = x509.ParseCertificate(b.Certificate); err != nil {
					return p, fmt.Errorf("reading generation %d of authority %s: %w", b.Number, authority, err)
				}
			case *events.CrlPublished:
				if b.Number > p.number {
					p.number, p.byKey = b.Number, make(map[string]*events.CrlPublished)
				}
				p.byKey[hex.EncodeToString(b.KeyId)] = b
				p.made = append(p.made, time.UnixMilli(b.ThisUpdateMs).UTC())
			}
		}
	}
	return p, nil
}

func (c *check) checkPublished(authority string, p published) {
	seen := make(map[string]bool)
	for _, l := range c.lists {
		if l.authority != authority {
			continue
		}
		key := hex.EncodeToString(l.crl.AuthorityKeyId)
		seen[key] = true
		c.checkOne(l, p.keys[key], p.byKey[key], p.number)
	}
	for key, b := range p.byKey {
		if !seen[key] {
			c.report.add(listName(authority), nextPublish, "list number %d of key %s was published but is not in the folder", b.Number, key)
		}
	}
}

func (c *check) checkOne(l *list, key *x509.Certificate, b *events.CrlPublished, newest uint64) {
	where := listName(l.authority)
	switch sum := sha256.Sum256(l.der); {
	case key == nil:
		c.report.add(where, nextPublish, "a list is signed by key %x, which the log does not know", l.crl.AuthorityKeyId)
	case l.crl.CheckSignatureFrom(key) != nil:
		c.report.add(where, nextPublish, "the signature of list number %v is invalid", l.crl.Number)
	case l.crl.Number.Cmp(new(big.Int).SetUint64(newest)) > 0:
		c.report.add(where, nextOlder, "the folder has list number %v, the log published %d: the log is an older copy", l.crl.Number, newest)
	case b == nil || l.crl.Number.Cmp(new(big.Int).SetUint64(newest)) != 0:
		c.report.add(where, nextPublish, "the folder has list number %v, the log published %d", l.crl.Number, newest)
	case !bytes.Equal(sum[:], b.Sha256) || len(l.crl.RevokedCertificateEntries) != int(b.Entries):
		c.report.add(where, nextPublish, "list number %d is not the one that was published", newest)
	}
}
