package fsck_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
	"shomei/services/fsck"
)

// damages are ways to damage a part of the world, and what fsck must say about each.
type damages map[string]struct {
	damage func(*world)
	want   string
}

var logDamages = damages{
	"forged by a stranger": {func(w *world) {
		stranger, err := nkeys.CreateUser()
		if err != nil {
			w.t.Fatal(err)
		}
		w.raw(stranger, func(*events.Commit, *events.StateBytes) {})
	}, "not a trusted writer"},
	"chain broken": {func(w *world) {
		w.raw(w.key, func(c *events.Commit, _ *events.StateBytes) { c.PreviousHash[0] ^= 1 })
	}, "does not continue revision"},
	"revision left out": {func(w *world) {
		w.raw(w.key, func(c *events.Commit, _ *events.StateBytes) { c.Revision++ })
	}, "does not continue revision"},
	"state altered": {func(w *world) {
		w.raw(w.key, func(_ *events.Commit, s *events.StateBytes) {
			state := &events.SubscriberState{Revision: 1, Municipality: "12237"}
			s.State, _ = events.Encode(state)
		})
	}, "not the fold of the history"},
	"state of a later program": {func(w *world) {
		w.raw(w.key, func(_ *events.Commit, s *events.StateBytes) { s.Version = 99 })
	}, "folded by version 99"},
	"time goes back": {func(w *world) {
		w.raw(w.key, func(c *events.Commit, _ *events.StateBytes) { c.Events[0].RecordedMs = begin.UnixMilli() })
	}, "was recorded at"},
	"cut off": {func(w *world) {
		w.put(events.LogSubject(events.KindSubscriber, "alpha"), []byte{0x0a, 0x40, 0x01})
	}, "can't be read"},
	"two live": {func(w *world) {
		w.update(events.KindSubscriber, "beta", authorized(20, sign))
		w.update(events.KindSubscriber, "beta", issued(20, sign))
	}, "are live at a time"},
	"phone without its card": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", onPhone(31, sign, 999)...)
	}, "serial 31 on a smartphone outlives serial 999"},
	"phone in force beside a suspended card": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", authorized(30, sign))
		w.update(events.KindSubscriber, "gamma", issued(30, sign))
		w.update(events.KindSubscriber, "gamma", onPhone(31, sign, 30)...)
		w.update(events.KindSubscriber, "gamma", &events.CertificateSuspended{Serial: 30, Kind: sign, Authority: "sign"})
	}, "serial 31 on a smartphone is in force while serial 30"},
	"serial twice": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", authorized(5, sign), &events.IssueAbandoned{Serial: 5, Kind: sign, Authority: "sign"})
	}, "serial 5 is used a second time"},
	"certificate that the log never issued": {func(w *world) {
		w.update(events.KindAuthority, "sign", &events.CertificateFound{Serial: 900, Kind: sign, Subscriber: "delta", Card: "CARD-9", Source: "counter"})
	}, "certificate 900 exists and the log never issued it"},
	"revoked by a list of a lost log": {func(w *world) {
		w.update(events.KindAuthority, "sign", &events.RevocationFound{Serial: 6, RevokedMs: w.now.UnixMilli(), Reason: events.RevocationReason_REVOCATION_REASON_SUPERSEDED, List: 99})
	}, "serial 6 was revoked at"},
	"never authorised": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", issued(30, sign))
	}, "serial 30 is issued without being authorised"},
	"issuer that never answers": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", authorized(30, sign))
		w.now = w.now.Add(2 * time.Hour)
	}, "the issuer has owed"},
	"notifier that never answers": {func(w *world) { w.now = w.now.Add(48 * time.Hour) }, "the notifier has owed n1"},
	"notice answered twice": {func(w *world) {
		w.update(events.KindSubscriber, "alpha", &events.NoticeFailed{Notice: "n1", Medium: "mail"})
	}, "a second one"},
	"notice due twice": {func(w *world) {
		w.update(events.KindSubscriber, "alpha", &events.NoticeDue{Notice: "n1"}, &events.NoticeSuppressed{Notice: "n1"})
	}, "due a second time"},
	"notice forgotten": {func(w *world) {
		w.update(events.KindSubscriber, "beta", &events.CommandFailed{Obligation: "5.1"})
	}, "has no outcome and is not owed"},
	"signature forgotten": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", authorized(30, sign))
		w.update(events.KindSubscriber, "gamma", &events.CommandFailed{Obligation: "1.0"})
	}, "serial 30 is authorised, but neither issued"},
	"eraser that never answers": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", &events.ErasureOrdered{RecordClass: "contact"})
		w.now = w.now.Add(2 * time.Hour)
	}, "the eraser has owed"},
	"erasure forgotten": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", &events.ErasureOrdered{RecordClass: "contact"})
		w.update(events.KindSubscriber, "gamma", &events.CommandFailed{Obligation: "1.0"})
	}, "neither done nor owed"},
	"erased without an order": {func(w *world) {
		w.update(events.KindSubscriber, "gamma", &events.KeyDestroyed{RecordClass: "contact"})
	}, "erasure of contact has an outcome without being due"},
}

// A certificate that the log never issued is in the tables, gets revoked, and from then on must be on the lists.
func TestFoundCertificateMustBeListedOnceRevoked(t *testing.T) {
	w := newWorld(t)
	w.update(events.KindAuthority, "sign", &events.CertificateFound{Serial: 1<<63 + 9, Kind: sign, Subscriber: "delta", Card: "CARD-9", NotAfterMs: end.UnixMilli(), Source: "counter"})
	w.finds("certificate 9223372036854775817 exists and the log never issued it")
	w.update(events.KindAuthority, "sign", &events.FoundCertificateRevoked{Serial: 1<<63 + 9, Reason: events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE, NotAfterMs: end.UnixMilli(), Why: "restored"})
	revoked := w.now
	w.silent()
	w.tick()
	w.publish(w.named...)
	w.finds("leaves out serial 9223372036854775817")
	w.publish(append(slices.Clone(w.named), ca.Revocation{Serial: 1<<63 + 9, RevokedAt: revoked.Truncate(time.Second), Reason: ca.KeyCompromise})...)
	w.silent()
	rows, err := w.tables.State(t.Context(), "0x8000000000000009", w.now)
	if err != nil || len(rows) != 1 || rows[0].Status != "revoked" || rows[0].Subscriber != "delta" || rows[0].Authority != "sign" {
		t.Errorf("the tables say %+v, %v", rows, err)
	}
	w.sql("ALTER TABLE DB.certificates DELETE WHERE serial = 9223372036854775817 SETTINGS mutations_sync = 2")
	w.finds("tables, certificates 9223372036854775817: missing")
}

var tableDamages = damages{
	"row deleted": {func(w *world) {
		w.sql("ALTER TABLE DB.certificates DELETE WHERE serial = 6 SETTINGS mutations_sync = 2")
	}, "tables, certificates 6: missing"},
	"row altered": {func(w *world) {
		w.sql("INSERT INTO DB.certificates (serial, revoked, reason) VALUES (6, '2024-07-01 00:00:00', 'superseded')")
	}, "tables, certificates 6: the log says"},
	"row invented": {func(w *world) {
		w.sql("INSERT INTO DB.certificates (serial, subscriber, authorized) VALUES (77, 'nobody', '2024-07-01 00:00:00')")
	}, "tables, certificates 77: not in the log"},
	"notice answered in the tables alone": {func(w *world) {
		w.sql("INSERT INTO DB.notices (subscriber, notice, outcome, sent) VALUES ('beta', 'n1', 'sent', '2024-07-01 00:00:00')")
	}, "tables, notices beta/n1: the log says"},
	"history lost": {func(w *world) {
		w.sql("ALTER TABLE DB.log DELETE WHERE id = 'alpha' AND revision = 3 SETTINGS mutations_sync = 2")
	}, "tables, log subscriber/alpha/3/0: missing"},
	"tables emptied": {func(w *world) {
		w.sql("TRUNCATE TABLE DB.log")
		w.sql("TRUNCATE TABLE DB.certificates")
	}, "tables, log subscriber/beta/1/0: missing"},
}

var listDamages = damages{
	"list lost": {func(w *world) {
		if err := os.Remove(filepath.Join(w.lists(), "sign.crl")); err != nil {
			w.t.Fatal(err)
		}
	}, "was published but is not in the folder"},
	"list altered": {func(w *world) {
		der, _ := w.list(w.number, w.named...)
		der[len(der)-5] ^= 1
		w.writeList(der)
	}, "is invalid"},
	"list that is no list": {func(w *world) { w.writeList([]byte("nothing")) }, "can't be read"},
	"another list of the number": {func(w *world) {
		der, _ := w.list(w.number, w.named...)
		w.writeList(der)
	}, "not the one that was published"},
	"old list": {func(w *world) {
		der, at := w.list(w.number+1, w.named...)
		w.record(der, at, 2)
	}, ", the log published"},
	"list leaves one out": {func(w *world) { w.publish(w.named[0]) }, "leaves out serial 15"},
	"list names a live one": {func(w *world) {
		w.publish(append(slices.Clone(w.named), ca.Revocation{Serial: 6, RevokedAt: begin, Reason: 4})...)
	}, "names serial 6, which had not ended"},
	"list names a stranger": {func(w *world) {
		w.publish(append(slices.Clone(w.named), ca.Revocation{Serial: 88, RevokedAt: begin, Reason: 4})...)
	}, "names serial 88, which the log does not know"},
	"list with another reason": {func(w *world) {
		entries := slices.Clone(w.named)
		entries[0].Reason = ca.Superseded
		w.publish(entries...)
	}, "for reason 4"},
}

func TestFsckFindsEveryDamageOfTheLog(t *testing.T) {
	whole := newWorld(t)
	whole.silent()
	whole.close()
	for name, row := range logDamages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := whole.copyFor(t)
			w.silent()
			row.damage(w)
			w.finds(row.want)
		})
	}
}

// Each damage is repaired as fsck advises.
func TestFsckFindsEveryDamageOfTheTables(t *testing.T) {
	w := newWorld(t)
	for name, row := range tableDamages {
		w.silent()
		row.damage(w)
		w.finds(row.want)
		if _, err := w.projector.Rebuild(t.Context(), func(uint64) {}); err != nil {
			t.Fatalf("rebuilding after %s: %v", name, err)
		}
	}
	w.silent()
}

func TestFsckFindsEveryDamageOfTheLists(t *testing.T) {
	w := newWorld(t)
	for _, row := range listDamages {
		w.silent()
		row.damage(w)
		w.finds(row.want)
		w.publish(w.named...)
	}
	w.silent()
}

func (w *world) silent() {
	w.t.Helper()
	report := w.fsck()
	if len(report.Findings) > 0 || report.Commits < 15 || report.Aggregates != 4 {
		w.t.Fatalf("undamaged: %d commits, %d aggregates, %v", report.Commits, report.Aggregates, report.Findings)
	}
}

func (w *world) finds(want string) {
	w.t.Helper()
	if report := w.fsck(); !mentions(report, want) {
		w.t.Errorf("want %q among %q", want, report.Findings)
	}
}

func mentions(report *fsck.Report, want string) bool {
	for _, f := range report.Findings {
		if strings.Contains(f.String(), want) && f.Next != "" {
			return true
		}
	}
	return false
}

// One bit of a message is flipped on a stopped server's disk: either the log refuses to open, saying why, or fsck
// reports it.
func TestFlippedBitInTheStoreIsReported(t *testing.T) {
	w := newWorld(t)
	if report := w.fsck(); len(report.Findings) > 0 {
		t.Fatal(report.Findings)
	}
	w.close()
	flipped := 0
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".blk") {
			return err
		}
		content, err := os.ReadFile(path)
		at := bytes.Index(content, []byte("CARD-1"))
		if err != nil || at < 0 {
			return err
		}
		content[at] ^= 1
		flipped++
		return os.WriteFile(path, content, 0o600)
	})
	if err != nil || flipped == 0 {
		t.Fatalf("flipped %d bits: %v", flipped, err)
	}
	err = w.reopen()
	if errors.Is(err, eventlog.ErrBehindMark) || errors.Is(err, eventlog.ErrDamaged) {
		t.Log(err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if report := w.fsck(); len(report.Findings) == 0 {
		t.Error("a flipped bit was not found")
	}
}

func TestARunningHubIsNoFinding(t *testing.T) {
	w := newWorld(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for serial := uint64(30); serial < 60; serial++ {
			w.update(events.KindSubscriber, "busy", authorized(serial, sign), &events.IssueAbandoned{Serial: serial, Kind: sign, Authority: "sign"})
		}
	}()
	for {
		if report := w.fsckAt(begin.Add(time.Hour)); len(report.Findings) > 0 {
			t.Fatal(report.Findings)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// A key destroyed by order that exists again is reported.
func TestRestoredErasedKeyIsReported(t *testing.T) {
	w := newWorld(t)
	w.update(events.KindSubscriber, "gamma", &events.ErasureOrdered{RecordClass: "contact"})
	w.update(events.KindSubscriber, "gamma", &events.KeyDestroyed{RecordClass: "contact"})
	asked := 0
	for _, held := range []bool{false, true} {
		ask := func(_ context.Context, keys []vault.Key) ([]vault.Status, error) {
			asked++
			statuses := slices.Repeat([]vault.Status{vault.Erased}, len(keys))
			if i := slices.Index(keys, vault.Key{Person: "gamma", Class: "contact", Version: 1}); held && i >= 0 {
				statuses[i] = vault.Held
			}
			return statuses, nil
		}
		report, err := fsck.Run(t.Context(), fsck.Config{Log: w.log, Warehouse: w.tables, CaughtUp: w.projector.CaughtUp, Now: w.now, Keys: ask})
		if err != nil {
			t.Fatal(err)
		}
		if mentions(report, "the key of contact was destroyed by order and is there again") != held || asked == 0 {
			t.Errorf("held %v, asked %d times: %v", held, asked, report.Findings)
		}
	}
}

// onPhone accepts a smartphone's application and authorises one certificate for it.
func onPhone(serial uint64, kind events.CertificateKind, parent uint64) []events.Body {
	b := authorized(serial, kind)
	b.Device, b.Parent, b.Procedure, b.Card = "android-1", parent, "phone-1", ""
	return []events.Body{
		&events.ApplicationAccepted{Procedure: "phone-1", Operation: events.Operation_OPERATION_PHONE_ISSUE, Device: "android-1", Counter: "gateway"}, b,
	}
}
