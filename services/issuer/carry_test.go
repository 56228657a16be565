package issuer_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/services/servicetest"
)

// Whenever lists are made, one after the scheduled end names the certificate, for a whole period (RFC 5280 section
// 3.3).
func TestRevocationIsListedAfterTheEnd(t *testing.T) {
	const revokedAt = "2020-06-01 10:00"
	for name, days := range map[string][]int{
		"every day": {0, 1, 2, 3, 4, 5}, "a stop over the end": {-5, 9, 10, 11}, "a stop of a year": {-300, 65, 66, 67}, "never before": {3, 4, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := servicetest.New(t, "2019-06-20 10:00")
			d := w.Enrol(servicetest.Office, "c1", "counter")
			l := d.Hold("100")
			serial := l.Serial(auth)
			w.Clock.Set(revokedAt)
			d.Apply(events.Operation_OPERATION_REVOKE, "100", l.Card)
			state := w.History(events.KindSubscriber, l.Subscriber)
			var last time.Time
			for _, r := range state {
				for _, e := range r.Commit.Events {
					if b := e.GetIssueAuthorized(); b.GetSerial() == serial {
						last = time.UnixMilli(b.NotAfterMs)
					}
				}
			}
			crls := filepath.Join(w.Dir, "crl")
			after, gone := 0, false
			for _, day := range days {
				w.Clock.SetTo(last.Add(time.Duration(day)*24*time.Hour + time.Hour))
				servicetest.Check(t, w.Issuer.HoldCeremonies(t.Context(), nil))
				servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
				reasons, list := listed(t, filepath.Join(crls, "auth.crl"))
				_, named := reasons[serial]
				switch {
				case named && gone:
					t.Errorf("%s: the entry came back", list.ThisUpdate)
				case named && list.ThisUpdate.After(last):
					after++
				case !named:
					gone = true
				}
				if !named && after == 0 {
					t.Errorf("%s: the entry left the lists, but none made after %s named it", list.ThisUpdate, last)
				}
			}
			if after == 0 || after > 2 || !gone {
				t.Errorf("%d lists made after the end name it, then gone: %v", after, gone)
			}
		})
	}
}

// If the log is an older copy, the folder has later lists. What they name stays on every later list, and numbers
// continue above theirs.
func TestPublishedRevocationsSurviveAnOlderLog(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	known, own := d.Hold("100"), d.Hold("101")
	crls := filepath.Join(w.Dir, "crl")
	servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	later := func() { w.Clock.SetTo(w.Clock.Now().Add(time.Hour)) }
	later()

	// A list from the lost log: it revokes a certificate that this log holds as valid, and one that it never issued.
	const stranger = uint64(1)<<63 + 77
	lost := map[uint64]ca.Reason{known.Serial(sign): ca.KeyCompromise, stranger: ca.Superseded}
	number := uint64(w.Clock.Now().Unix()) + 5000
	publishLost(t, w, crls, number, lost)

	want := make(map[uint64]int)
	for serial, reason := range lost {
		want[serial] = int(reason)
	}
	for round := range 3 {
		if round == 1 {
			w.Issuer = w.NewIssuer(w.Log) // a new process folds what the last one recorded
			d.Apply(events.Operation_OPERATION_REVOKE, "101", own.Card)
			want[own.Serial(sign)] = int(ca.CessationOfOperation)
		}
		later()
		servicetest.Check(t, w.Issuer.PublishLists(t.Context(), crls))
		reasons, list := listed(t, filepath.Join(crls, "sign.crl"))
		if !maps.Equal(reasons, want) || list.Number.Uint64() <= number {
			t.Errorf("round %d: list %v names %v; want %v, above %d", round, list.Number, reasons, want, number)
		}
		number = list.Number.Uint64()
	}
	w.Logged.Await(t, "names what the log does not")
	if n := w.CountAuthority("sign", "RevocationFound"); n != 2 {
		t.Errorf("%d revocations were recorded, want 2", n)
	}

	// A list not signed by our authorities is not believed.
	servicetest.Check(t, os.WriteFile(filepath.Join(crls, "sign.crl"), []byte(fmt.Sprintf("-----BEGIN X509 CRL-----\n%s\n-----END X509 CRL-----\n", "MAAA")), 0o600))
	later()
	servicetest.Check(t, w.Issuer.PublishDue(t.Context(), crls))
	if reasons, _ := listed(t, filepath.Join(crls, "sign.crl")); !maps.Equal(reasons, want) {
		t.Errorf("after a list that is not one: %v", reasons)
	}
}

// publishLost writes a list unknown to this log into the folder.
func publishLost(t *testing.T, w *servicetest.World, crls string, number uint64, reasons map[uint64]ca.Reason) {
	t.Helper()
	var entries []ca.Revocation
	for serial, reason := range reasons {
		entries = append(entries, ca.Revocation{Serial: serial, RevokedAt: w.Clock.Now().Add(-time.Minute), Reason: reason})
	}
	w.PublishList("sign", crls, ca.CRLInput{Number: number, ThisUpdate: w.Clock.Now(), NextUpdate: w.Clock.Now().Add(ca.CRLPeriod), Entries: entries})
}
