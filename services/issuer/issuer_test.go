package issuer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/ca/keyfile"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/services/issuer"
	"shomei/services/servicetest"
)

const (
	opIssue = events.Operation_OPERATION_ISSUE
	opRenew = events.Operation_OPERATION_RENEW
	sign    = events.CertificateKind_CERTIFICATE_KIND_SIGN
	auth    = events.CertificateKind_CERTIFICATE_KIND_AUTH
	limit   = 20 * time.Second
)

// Whoever signs, and however often, the bytes are the same and recorded once.
func TestConcurrentIssuersSignOnce(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	l := w.Enrol(servicetest.Office, "c1", "counter").Apply(opIssue, "100", "card-100")
	l.Decide(l.Keys(0))
	var all errgroup.Group
	for range 8 {
		another := w.NewIssuer(w.Log)
		all.Go(func() error { return another.Settle(t.Context(), l.Subscriber) })
	}
	servicetest.Check(t, all.Wait())
	if n := w.Count(l.Subscriber, "CertificateIssued"); n != 2 {
		t.Fatalf("%d certificates issued by eight issuers, want 2", n)
	}
	file := dossier.Of(w.Vault, l.Subscriber, w.History(events.KindSubscriber, l.Subscriber))
	for _, kind := range []events.CertificateKind{auth, sign} {
		serial := l.Serial(kind)
		tbs, err := file.TBS(serial)
		servicetest.Check(t, err)
		authority := map[events.CertificateKind]ca.Kind{auth: ca.Auth, sign: ca.Sign}[kind]
		g, err := w.Directory.Generations().At(authority, "", w.Clock.Now())
		servicetest.Check(t, err)
		key, err := keyfile.Open(nil, filepath.Join(w.Dir, "ca", fmt.Sprintf("%s-%02d.key", authority, g.Number)))
		servicetest.Check(t, err)
		again, err := ca.SignTBS(g, key, tbs)
		if err != nil || !bytes.Equal(again, l.Certificate(serial)) {
			t.Errorf("kind %v: the certificate signed after a crash differs (%v)", kind, err)
		}
	}
}

// forgery is an authorisation as somebody in control of the NATS server might write it: right in everything, until
// changed.
type forgery struct {
	keys       *events.KeysRecorded
	authorized *events.IssueAuthorized
	command    string
	counter    string
}

// forge makes the forgery for an accepted application, with a claim signed by a desk.
func forge(t *testing.T, w *servicetest.World, l *servicetest.Life, serial uint64, claimed *servicetest.Desk) forgery {
	t.Helper()
	c := l.Keys(0)
	c.Counter, c.Office = claimed.ID, claimed.Office
	key := servicetest.CardKey(w, 1)
	for i, k := range c.GetKeysGenerated().Keys {
		if k.Kind == auth {
			key = servicetest.CardKey(w, i)
		}
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	servicetest.Check(t, err)
	sum := sha256.Sum256(spki)
	g, err := w.Directory.Generations().At(ca.Auth, "", w.Clock.Now())
	servicetest.Check(t, err)
	last := civil.New(2024, 6, 18)
	now := w.Clock.Now().Truncate(time.Second)
	tbs, err := ca.BuildTBS(ca.Input{
		Generation: g, Serial: serial, NotBefore: now, LastDay: last, PublicKey: &key.PublicKey,
		Office: ca.Municipality{Prefecture: "Chiba-ken", City: "Sammu-shi"}, Counter: "12237A001", Sequence: 1,
	})
	servicetest.Check(t, err)
	digest := sha256.Sum256(tbs)
	head, err := w.Log.Load(t.Context(), events.KindSubscriber, l.Subscriber)
	servicetest.Check(t, err)
	sealed, err := dossier.Sealer{Vault: w.Vault, Subscriber: l.Subscriber, Revision: head.Revision + 1}.TBS(serial, tbs)
	servicetest.Check(t, err)
	return forgery{
		keys: &events.KeysRecorded{
			Procedure: l.Procedure, Card: l.Card, Claim: claimed.Received(c).Signed,
			Keys: []*events.GeneratedKey{{Kind: auth, SpkiSha256: sum[:], Bits: 2048}},
		},
		authorized: &events.IssueAuthorized{
			Procedure: l.Procedure, Serial: serial, Kind: auth, Regime: events.Regime_REGIME_MYNUMBER, Authority: "auth",
			Generation: g.KeyID, NotBeforeMs: now.UnixMilli(), NotAfterMs: last.EndInstant().UnixMilli(), LastDay: last.String(),
			Card: l.Card, Municipality: "12237", SpkiSha256: sum[:], Tbs: sealed, TbsSha256: digest[:],
		},
		command: c.Id, counter: claimed.ID,
	}
}

// Only the first row is signed; each other one sets its subscriber aside with an alarm, and an honest application
// behind them all goes through.
func TestForgedAuthorisationsAreNotSigned(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d, other := w.Enrol(servicetest.Office, "c1", "counter"), w.Enrol(servicetest.Office, "c2", "counter")
	authority, mail, stranger := w.Trust(eventlog.RoleRA), w.Trust(eventlog.RoleNotifier), servicetest.NewKey(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Issuer.Run(ctx) }()
	for i, row := range []struct {
		name   string
		writer any
		change func(*forgery)
		by     *servicetest.Desk
	}{
		{name: "right in everything"},
		{name: "signed by a stranger", writer: stranger},
		{name: "signed by the notifier", writer: mail},
		{name: "other bytes", change: func(f *forgery) { f.authorized.TbsSha256[0] ^= 1 }},
		{name: "tampered sealed bytes", change: func(f *forgery) { f.authorized.Tbs.Ciphertext[20] ^= 1 }},
		{name: "no bytes", change: func(f *forgery) { f.authorized.Tbs = nil }},
		{name: "no claim", change: func(f *forgery) { f.keys = nil }},
		{name: "a claim cut short", change: func(f *forgery) { f.keys.Claim = f.keys.Claim[:20] }},
		{name: "another counter's claim", by: other, change: func(f *forgery) { f.counter = "c1" }},
		{name: "a counter that never was", change: func(f *forgery) { f.counter = "c9" }},
		{name: "a claim used before", change: func(f *forgery) { f.command = uuid.NewString() }},
		{name: "another card", change: func(f *forgery) { f.authorized.Card = "card-of-mine" }},
		{name: "another kind", change: func(f *forgery) { f.authorized.Kind = sign }},
		{name: "another key", change: func(f *forgery) { f.authorized.SpkiSha256[0] ^= 1 }},
		{name: "another serial", change: func(f *forgery) { f.authorized.Serial++ }},
		{name: "another validity", change: func(f *forgery) { f.authorized.NotAfterMs += 1000 }},
		{name: "an unknown generation", change: func(f *forgery) { f.authorized.Generation = []byte("of my own") }},
		{name: "another authority", change: func(f *forgery) { f.authorized.Authority = "sign" }},
	} {
		t.Run(row.name, func(t *testing.T) {
			code := strings.ReplaceAll(row.name, " ", "-")
			l := d.Apply(opIssue, code, "card-"+code)
			by := d
			if row.by != nil {
				by = row.by
			}
			f := forge(t, w, l, uint64(9000+10*i), by)
			if row.change != nil {
				row.change(&f)
			}
			var list []*events.Event
			if f.keys != nil {
				list = append(list, events.New(f.keys))
			}
			list = append(list, events.New(f.authorized))
			writer := authority
			switch row.writer {
			case stranger:
				writer = stranger
			case mail:
				writer = mail
			}
			w.Append(writer, l.Subscriber, f.command, f.counter, list...)
			if i == 0 {
				natstest.Wait(t, limit, "the certificate", func() bool { return w.Count(l.Subscriber, "CertificateIssued") == 1 })
				return
			}
			w.Logged.Await(t, "set aside: inspect them with shomei log\" subscriber="+l.Subscriber)
			if row.writer == nil && w.Count(l.Subscriber, "CertificateIssued") != 0 {
				t.Errorf("signed: %v", w.Events(l.Subscriber))
			}
		})
	}
	l := d.Apply(opIssue, "honest", "card-honest")
	l.Decide(l.Keys(0))
	natstest.Wait(t, limit, "the honest certificate", func() bool { return w.Count(l.Subscriber, "CertificateIssued") == 2 })
	cancel()
	servicetest.Check(t, <-done)
}

// The counter was enrolled when the keys were recorded.
func TestRetiredCountersKeysAreCertified(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Apply(opIssue, "100", "card-100")
	l.Decide(l.Keys(0))
	w.Clock.Set("2020-01-15 11:00")
	w.Record(events.KindOffice, servicetest.Office, &events.CounterRetired{Counter: "c1"})
	servicetest.Check(t, w.Issuer.Settle(t.Context(), l.Subscriber))
	if n := w.Count(l.Subscriber, "CertificateIssued"); n != 2 {
		t.Errorf("%d certificates issued, want 2", n)
	}
}

// After no commit of a life with renewals, loss and re-issue are two certificates of a kind in force.
func TestNeverTwoLive(t *testing.T) {
	w := servicetest.New(t, "2020-01-15 10:00")
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Hold("100")
	w.Clock.Set(w.State(l.Subscriber).Certificates[0].WindowOpens + " 10:00")
	servicetest.Check(t, w.Issuer.HoldCeremonies(t.Context(), nil))
	d.Apply(opRenew, "100", l.Card).Finish()
	d.Apply(events.Operation_OPERATION_REISSUE, "100", "card-new").Finish()
	live, issued := make(map[events.CertificateKind]uint64), 0
	for _, r := range w.History(events.KindSubscriber, l.Subscriber) {
		for _, e := range r.Commit.Events {
			switch b := events.BodyOf(e).(type) {
			case *events.CertificateRevoked:
				delete(live, b.Kind)
			case *events.CertificateExpired:
				delete(live, b.Kind)
			case *events.CertificateIssued:
				if live[b.Kind] != 0 {
					t.Errorf("revision %d: %v %d is issued while %d is in force", r.Commit.Revision, b.Kind, b.Serial, live[b.Kind])
				}
				live[b.Kind], issued = b.Serial, issued+1
			}
		}
	}
	if issued != 6 {
		t.Errorf("%d certificates in this life, want 6: %v", issued, w.Events(l.Subscriber))
	}
}

// A certificate that would outlive its authority is not authorised; after the next ceremony it is.
func TestNothingOutlivesItsAuthority(t *testing.T) {
	w := servicetest.New(t, "2019-09-10 10:00")
	w.Clock.Set("2025-10-10 10:00") // no ceremony for six years
	d := w.Enrol(servicetest.Office, "c1", "counter")
	l := d.Apply(opIssue, "100", "card-100")
	keys := d.Received(l.Keys(0))
	if err := w.RA.Handle(t.Context(), keys); err == nil || !strings.Contains(err.Error(), "newer generation") {
		t.Fatalf("keys to be certified beyond 2025-10-19: %v", err)
	}
	if w.Count(l.Subscriber, "IssueAuthorized") != 0 || len(w.Quarantined()) != 0 {
		t.Fatalf("%v, in quarantine %q", w.Events(l.Subscriber), w.Quarantined())
	}
	servicetest.Check(t, w.Issuer.HoldCeremonies(t.Context(), nil))
	servicetest.Check(t, w.RA.Handle(t.Context(), keys))
	servicetest.Check(t, w.Issuer.Settle(t.Context(), l.Subscriber))
	if n := w.Count(l.Subscriber, "CertificateIssued"); n != 2 {
		t.Errorf("%d certificates issued, want 2: %v", n, w.Events(l.Subscriber))
	}
}

// Somebody with the keys of a registration authority and a gateway, but without the card, gets nothing signed for a
// smartphone.
func TestForgedPhoneAuthorisationsAreNotSigned(t *testing.T) {
	w := servicetest.New(t, "2024-03-05 10:00")
	l := w.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	gateway, authority := w.Enrol(servicetest.Office, "gateway", "phone"), w.Trust(eventlog.RoleRA)
	for name, row := range map[string]struct {
		key     int // signs the application; 1 is the card's
		device  string
		refused string
	}{
		"right in everything": {1, "android-1", ""},
		"another key":         {7, "android-1", "not signed with the card's"},
		"another smartphone":  {1, "android-2", "another smartphone"},
	} {
		t.Run(name, func(t *testing.T) {
			p := gateway.Phone(l, "android-1")
			p.CardKey = row.key
			c := p.Asks(events.Operation_OPERATION_PHONE_ISSUE, 4, auth)
			key := servicetest.CardKey(w, 4)
			spki, err := x509.MarshalPKIXPublicKey(key.Public())
			servicetest.Check(t, err)
			sum := sha256.Sum256(spki)
			g, err := w.Directory.Generations().At(ca.Auth, "", w.Clock.Now())
			servicetest.Check(t, err)
			head, err := w.Log.Load(t.Context(), events.KindSubscriber, l.Subscriber)
			servicetest.Check(t, err)
			now, serial, last := w.Clock.Now().Truncate(time.Second), 9000+head.Revision, civil.New(2028, 6, 18)
			tbs, err := ca.BuildTBS(ca.Input{
				Generation: g, Serial: serial, NotBefore: now, LastDay: last, PublicKey: &key.PublicKey, Phone: true,
				Office: ca.Municipality{Prefecture: "Chiba-ken", City: "Sammu-shi"}, Counter: "12237A001",
			})
			servicetest.Check(t, err)
			digest := sha256.Sum256(tbs)
			sealed, err := dossier.Sealer{Vault: w.Vault, Subscriber: l.Subscriber, Revision: head.Revision + 1}.TBS(serial, tbs)
			servicetest.Check(t, err)
			w.Append(authority, l.Subscriber, c.Id, gateway.ID,
				events.New(&events.ApplicationAccepted{
					Procedure: p.Procedure, Operation: events.Operation_OPERATION_PHONE_ISSUE, Device: row.device, ProvedBy: l.Serial(sign),
					Counter: gateway.ID,
				}),
				events.New(&events.KeysRecorded{Procedure: p.Procedure, Device: row.device, Claim: gateway.Received(c).Signed}),
				events.New(&events.IssueAuthorized{
					Procedure: p.Procedure, Serial: serial, Kind: auth, Regime: events.Regime_REGIME_MYNUMBER, Authority: "auth",
					Generation: g.KeyID, NotBeforeMs: now.UnixMilli(), NotAfterMs: last.EndInstant().UnixMilli(), LastDay: last.String(),
					SpkiSha256: sum[:], Tbs: sealed, TbsSha256: digest[:], Device: row.device, Parent: l.Serial(auth),
				}))
			before := w.Count(l.Subscriber, "CertificateIssued")
			err = w.Issuer.Settle(t.Context(), l.Subscriber)
			signed := w.Count(l.Subscriber, "CertificateIssued") - before
			switch {
			case row.refused == "" && (err != nil || signed != 1):
				t.Errorf("%d signed: %v", signed, err)
			case row.refused != "" && (!errors.Is(err, issuer.ErrNotBelieved) || !strings.Contains(err.Error(), row.refused) || signed != 0):
				t.Errorf("%d signed: %v, want %q", signed, err, row.refused)
			}
		})
		held := gateway.Phone(l, row.device).Holds()
		w.Append(authority, l.Subscriber, "clean-"+strings.ReplaceAll(name, " ", "-"), "", events.New(&events.CertificateRevoked{Serial: held[0].Serial}))
	}
}
