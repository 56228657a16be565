package fsck_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/natstest"
	"shomei/pkg/warehouse"
	"shomei/pkg/warehouse/enginetest"
	"shomei/services/fsck"
	"shomei/services/projector"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// patience bounds every wait of a test.
const patience = 2 * time.Minute

// world is a small log with its tables and lists, intact until a test damages it.
type world struct {
	t         *testing.T
	dir, name string
	now       time.Time
	clock     atomic.Int64    // now, for the log, in milliseconds
	named     []ca.Revocation // what the list must name
	number    uint64          // of the newest list
	key       nkeys.KeyPair
	server    *hubserver.Server
	conn      *nats.Conn
	log       *eventlog.Log
	tables    *warehouse.Warehouse
	projector *projector.Projector
	stop      func()
	issuer    *ca.Generation
}

var authorityKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

var begin = time.Date(2024, 6, 3, 1, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world { t.Helper(); return newWorldAt(t, begin) }

func newWorldAt(t *testing.T, at time.Time) *world {
	t.Helper()
	w := emptyWorld(t)
	w.now = at
	var err error
	if w.key, err = nkeys.CreateUser(); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.populate()
	return w
}

func emptyWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, dir: t.TempDir(), now: begin, name: "f_" + regexp.MustCompile(`\W`).ReplaceAllString(t.Name(), "_")}
}

// close stops everything; the folder stays.
func (w *world) close() {
	w.stop()
	w.conn.Close()
	w.server.Shutdown()
}

// copyFor opens a copy of a closed world, with its own tables. Making a log takes more disk syncs than copying one.
func (w *world) copyFor(t *testing.T) *world {
	t.Helper()
	c := emptyWorld(t)
	c.key, c.issuer, c.now, c.named, c.number = w.key, w.issuer, w.now, slices.Clone(w.named), w.number
	c.clock.Store(w.clock.Load())
	if err := os.CopyFS(c.dir, os.DirFS(w.dir)); err != nil {
		t.Fatal(err)
	}
	c.open()
	return c
}

func (w *world) open() {
	w.t.Helper()
	if err := w.reopen(); err != nil {
		w.t.Fatal(err)
	}
}

// reopen opens the log and, if that works, its followers.
func (w *world) reopen() error {
	w.t.Helper()
	w.server = natstest.StartIn(w.t, filepath.Join(w.dir, "nats"))
	w.conn = natstest.Connect(w.t, w.server.URL())
	public, err := w.key.PublicKey()
	if err != nil {
		w.t.Fatal(err)
	}
	folds := make(map[string]eventlog.Fold)
	for kind, f := range lifecycle.Folds() {
		folds[kind] = eventlog.Fold{Version: lifecycle.FoldVersion, Apply: f.Apply, Remembered: f.Remembered}
	}
	w.log, err = eventlog.Open(w.t.Context(), eventlog.Config{
		Conn: w.conn, Writer: w.key, Writers: map[string]eventlog.Role{public: eventlog.RoleHub}, Folds: folds, Streams: 2,
		Marks: filepath.Join(w.dir, "marks"), Clock: func() time.Time { return time.UnixMilli(w.clock.Load()) }, Logger: natstest.Quiet(),
		PublishTimeout: patience, // under the race detector on a busy machine, making a stream can take more than the usual 5 s
	})
	if err != nil {
		return err
	}
	w.tables, err = warehouse.Open(w.t.Context(), warehouse.Config{DSN: enginetest.Start(w.t).DSN(), Database: w.name, Logger: natstest.Quiet()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.projector = projector.New(projector.Config{Log: w.log, Warehouse: w.tables, Logger: natstest.Quiet()})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.projector.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		w.tables.Close()
		w.log.Close()
	})
	w.t.Cleanup(w.stop)
	return nil
}

func (w *world) tick() {
	w.now = w.now.Add(time.Minute)
	w.clock.Store(w.now.UnixMilli())
}

// update stores bodies as one decision, a minute later.
func (w *world) update(kind, id string, bodies ...events.Body) {
	w.t.Helper()
	w.tick()
	env := eventlog.Envelope{CommandID: w.now.String() + kind + id, Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "test"}, Office: "12237-main", Counter: "12237-main-1", CorrelationID: "act"}
	_, err := w.log.Update(w.t.Context(), kind, id, env, func(eventlog.Head) ([]*events.Event, error) {
		var decided []*events.Event
		for _, b := range bodies {
			e := events.New(b)
			e.RuleIds, e.CausedMs, e.FiledMs = []string{"a.rule", "another.rule"}, w.now.UnixMilli()-2000, w.now.UnixMilli()-1000
			decided = append(decided, e)
		}
		return decided, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func authorized(serial uint64, kind events.CertificateKind) *events.IssueAuthorized {
	return &events.IssueAuthorized{
		Procedure: fmt.Sprintf("p%d", serial), Serial: serial, Kind: kind, Regime: events.Regime_REGIME_MYNUMBER, Authority: "sign",
		NotBeforeMs: begin.UnixMilli(), NotAfterMs: begin.AddDate(5, 0, 0).UnixMilli(), LastDay: "2029-06-03", WindowOpens: "2029-03-04", Card: "CARD-1", Municipality: "12237",
	}
}

func issued(serial uint64, kind events.CertificateKind) *events.CertificateIssued {
	return &events.CertificateIssued{
		Procedure: fmt.Sprintf("p%d", serial), Serial: serial, Kind: kind, Regime: events.Regime_REGIME_MYNUMBER, Authority: "sign",
		NotBeforeMs: begin.UnixMilli(), NotAfterMs: begin.AddDate(5, 0, 0).UnixMilli(), LastDay: "2029-06-03", WindowOpens: "2029-03-04", Card: "CARD-1", Municipality: "12237",
	}
}

const (
	sign = events.CertificateKind_CERTIFICATE_KIND_SIGN
	auth = events.CertificateKind_CERTIFICATE_KIND_AUTH
)

// populate writes two short lives, an authority and its list.
func (w *world) populate() {
	w.t.Helper()
	w.update(events.KindAuthority, "log", &events.LogOpened{Simulated: true, Streams: 2}, &events.BlockLeased{First: 1, Last: 1, Lessee: "t"})
	w.update(events.KindAuthority, "log", &events.BlockLeased{First: 2, Last: 100, Lessee: "t"})
	w.ceremony()
	for _, s := range []struct {
		id     string
		serial uint64
	}{{"alpha", 5}, {"beta", 6}} {
		w.update(events.KindSubscriber, s.id, authorized(s.serial, sign), authorized(s.serial+10, auth))
		w.update(events.KindSubscriber, s.id, issued(s.serial, sign), issued(s.serial+10, auth))
		procedure := fmt.Sprintf("p%d", s.serial)
		w.update(events.KindSubscriber, s.id, &events.CertificateWritten{Procedure: procedure, Serials: []uint64{s.serial, s.serial + 10}})
		w.update(events.KindSubscriber, s.id, &events.Delivered{Procedure: procedure, Serials: []uint64{s.serial, s.serial + 10}})
		w.update(events.KindSubscriber, s.id, &events.WindowOpened{Serial: s.serial, Kind: sign}, &events.NoticeDue{Notice: "n1", Serials: []uint64{s.serial}})
	}
	w.update(events.KindSubscriber, "alpha", &events.NoticeSent{Notice: "n1", Medium: "mail"})
	w.update(events.KindSubscriber, "alpha", &events.CertificateSuspended{Serial: 15, Kind: auth, Authority: "sign"})
	w.update(events.KindSubscriber, "alpha", &events.CertificateRevoked{
		Serial: 5, Kind: sign, Authority: "sign", Reason: events.RevocationReason_REVOCATION_REASON_KEY_COMPROMISE, Cause: "lost",
	})
	w.named = []ca.Revocation{
		{Serial: 5, RevokedAt: w.now, Reason: ca.KeyCompromise},
		{Serial: 15, RevokedAt: w.now.Add(-time.Minute), Reason: ca.CertificateHold},
	}
	w.publish(w.named...)
}

func (w *world) ceremony() {
	w.t.Helper()
	key, err := authorityKey()
	if err != nil {
		w.t.Fatal(err)
	}
	plans, err := ca.Plans(ca.Sign, "")
	if err != nil {
		w.t.Fatal(err)
	}
	tbs, err := ca.BuildAuthorityTBS(plans[2], 1, &key.PublicKey)
	if err == nil {
		w.issuer, err = ca.SelfSign(plans[2], key, tbs)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.update(events.KindAuthority, "sign", &events.GenerationActivated{
		Number: 3, KeyId: w.issuer.KeyID, Serial: 1, NotBeforeMs: w.issuer.NotBefore.UnixMilli(), NotAfterMs: w.issuer.NotAfter.UnixMilli(), Certificate: w.issuer.DER,
	})
}

var end = begin.AddDate(5, 0, 0)

// list signs a list over entries.
func (w *world) list(number uint64, entries ...ca.Revocation) (der []byte, at time.Time) {
	w.t.Helper()
	key, err := authorityKey()
	if err != nil {
		w.t.Fatal(err)
	}
	at = w.now.Add(time.Minute)
	der, err = ca.BuildCRL(key, ca.CRLInput{Generation: w.issuer, Number: number, ThisUpdate: at, NextUpdate: at.Add(ca.CRLPeriod), Entries: entries})
	if err != nil {
		w.t.Fatal(err)
	}
	return der, at
}

// record records the next list in the log.
func (w *world) record(der []byte, at time.Time, entries int) {
	w.t.Helper()
	w.number++
	sum := sha256.Sum256(der)
	w.update(events.KindAuthority, "sign", &events.CrlPublished{
		Number: w.number, ThisUpdateMs: at.UnixMilli(), NextUpdateMs: at.Add(ca.CRLPeriod).UnixMilli(), Entries: uint32(entries), Sha256: sum[:], KeyId: w.issuer.KeyID,
	})
}

func (w *world) publish(entries ...ca.Revocation) {
	w.t.Helper()
	der, at := w.list(w.number+1, entries...)
	w.record(der, at, len(entries))
	w.writeList(der)
}

func (w *world) writeList(der []byte) {
	w.t.Helper()
	if err := os.MkdirAll(w.lists(), 0o755); err != nil {
		w.t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	if err := os.WriteFile(filepath.Join(w.lists(), "sign.crl"), text, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) lists() string { return filepath.Join(w.dir, "crl") }

// raw puts a commit into the log without eventlog: a valid next revision of alpha, as changed by bend.
func (w *world) raw(key nkeys.KeyPair, bend func(*events.Commit, *events.StateBytes)) {
	w.t.Helper()
	history, err := w.log.History(w.t.Context(), events.KindSubscriber, "alpha")
	if err != nil {
		w.t.Fatal(err)
	}
	last := history[len(history)-1]
	w.tick()
	e := events.New(&events.PinBlocked{Card: "CARD-1"})
	e.RecordedMs = w.now.UnixMilli()
	c := &events.Commit{
		Kind: last.Kind, Id: last.ID, Revision: last.Commit.Revision + 1, PreviousHash: events.Hash(last.Stored), CommandId: "raw",
		Actor: last.Commit.Actor, Events: []*events.Event{e}, Schema: last.Commit.Schema,
	}
	_, before, err := last.State()
	if err != nil {
		w.t.Fatal(err)
	}
	after, err := lifecycle.Folds()[last.Kind].Apply(before, c)
	if err != nil {
		w.t.Fatal(err)
	}
	state := &events.StateBytes{Version: lifecycle.FoldVersion, State: after}
	bend(c, state)
	framed, err := events.Encode(state)
	if err != nil {
		w.t.Fatal(err)
	}
	stored, err := events.Sign(c, framed, key)
	if err != nil {
		w.t.Fatal(err)
	}
	message, err := events.Encode(stored)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(events.LogSubject(c.Kind, c.Id), message)
}

// put stores a message as an administrator of NATS can.
func (w *world) put(subject string, message []byte) {
	w.t.Helper()
	answer, err := w.conn.Request(subject, message, patience)
	if err != nil || strings.Contains(string(answer.Data), `"error"`) {
		w.t.Fatalf("storing by hand: %v %s", err, answer.Data)
	}
}

// sql changes the tables without the warehouse.
func (w *world) sql(statement string) {
	w.t.Helper()
	w.post(strings.ReplaceAll(statement, "DB.", w.name+"."))
}

func (w *world) fsck() *fsck.Report {
	w.t.Helper()
	return w.fsckAt(w.now)
}

func (w *world) fsckAt(now time.Time) *fsck.Report {
	w.t.Helper()
	report, err := fsck.Run(w.t.Context(), fsck.Config{
		Log: w.log, Warehouse: w.tables, CaughtUp: w.projector.CaughtUp, Lists: w.lists(), Now: now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}
