// Package servicetest is a small centre for the tests of services: a real NATS server, log, vault, directory, counter
// link, registration authority and issuer, a clock that the test sets, and counters that sign claims without a card.
// Imported by tests only.
package servicetest

import (
	"context"
	"crypto/hpke"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/ca/keyfile"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/natstest"
	"shomei/pkg/published"
	"shomei/pkg/vault"
	"shomei/pkg/vaultlink"
	"shomei/services/issuer"
	"shomei/services/ra"
	vaultservice "shomei/services/vault"
)

// World is the centre of one test.
type World struct {
	T         testing.TB
	Dir       string
	Clock     *Clock
	Server    *hubserver.Server
	Conn      *nats.Conn
	Writer    nkeys.KeyPair
	Writers   map[string]eventlog.Role
	Log       *eventlog.Log
	Directory *directory.Directory
	Vault     *vault.Vault
	Links     *counterlink.Links
	Bucket    *published.Bucket
	RA        *ra.RA
	Issuer    *issuer.Issuer
	Logged    *Lines
	// Unanswered is how long the logs opened from now on wait for an answer before they look what became of it. A test that
	// loses answers makes it short; on a busy machine a good one was seen to take longer than the usual five seconds.
	Unanswered time.Duration
	// RealClock has the registration authorities made from now on doubt the clocks of counters, as in a log that is not
	// marked simulated.
	RealClock bool

	seal   hpke.PrivateKey
	served hpke.PrivateKey // of the vault's service, once it has run
	secret []byte
	keys   map[eventlog.Role]nkeys.KeyPair
}

// Clock is a clock that only the test moves.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now gives the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set sets the clock by a civil time in Japan, "2016-01-12 10:00".
func (c *Clock) Set(at string) {
	when, err := time.ParseInLocation("2006-01-02 15:04", at, civil.Tokyo)
	if err != nil {
		panic(err)
	}
	c.SetTo(when)
}

// SetTo sets the clock to an instant.
func (c *Clock) SetTo(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at.UTC()
}

// Console is the console's host name.
const Console = "console.example"

// Office is where the tests' counters stand. It is always open.
const Office = "12237-main"

// New makes a centre whose clock stands at a civil time in Japan, with one office and the authorities of the day.
func New(t testing.TB, at string) *World {
	t.Helper()
	w := &World{T: t, Dir: t.TempDir(), Clock: &Clock{}, Writer: NewKey(t), Logged: &Lines{}, Unanswered: 20 * time.Second}
	w.Clock.Set(at)
	w.seal, w.secret = must(counterlink.NewSealKey())(t), []byte("a secret of thirty-two bytes, so")
	w.Writers = map[string]eventlog.Role{Public(t, w.Writer): eventlog.RoleHub}
	w.keys = make(map[eventlog.Role]nkeys.KeyPair)
	for _, role := range eventlog.Roles() {
		w.keys[role] = NewKey(t)
		w.Writers[Public(t, w.keys[role])] = role
	}
	w.Server = natstest.StartIn(t, filepath.Join(w.Dir, "nats"))
	w.Conn = natstest.Connect(t, w.Server.URL())
	w.Log = w.OpenLog(w.Conn, w.Writer, "marks")
	w.Vault = must(vault.Open(vault.Config{Dir: filepath.Join(w.Dir, "vault"), MasterKey: filepath.Join(w.Dir, "master.key"), Logger: w.Logger()}))(t)
	t.Cleanup(func() { Check(t, w.Vault.Close()) })
	w.Directory = must(directory.Open(t.Context(), w.Log))(t)
	w.DefineOffice(Office, &events.OfficeDefined{Telephone: "0475-80-1141"})
	Check(t, counterlink.EnsureStreams(t.Context(), w.Conn, counterlink.StreamLimits{MaxBytes: 64 << 20}))
	Check(t, published.EnsureBucket(t.Context(), w.Conn, 0))
	w.Bucket = must(published.Open(w.Conn, ""))(t)
	w.Links = w.NewLinks(w.Conn, nil)
	w.RA = w.NewRA(w.Log)
	w.Issuer = w.NewIssuer(w.Log)
	Check(t, w.Issuer.HoldCeremonies(t.Context(), nil))
	return w
}

// OpenLog opens the log once more, as another process would, with its own marks.
func (w *World) OpenLog(conn *nats.Conn, writer nkeys.KeyPair, marks string) *eventlog.Log {
	w.T.Helper()
	folds := make(map[string]eventlog.Fold)
	for kind, f := range lifecycle.Folds() {
		folds[kind] = eventlog.Fold{Version: lifecycle.FoldVersion, Apply: f.Apply, Remembered: f.Remembered}
	}
	log := must(eventlog.Open(w.T.Context(), eventlog.Config{
		Conn: conn, Writer: writer, Writers: maps.Clone(w.Writers), Folds: folds, Marks: filepath.Join(w.Dir, marks),
		Clock: w.Clock.Now, Logger: w.Logger(), PublishTimeout: w.Unanswered, Patience: 60 * time.Second,
	}))(w.T)
	w.T.Cleanup(func() { Check(w.T, log.Close()) })
	return log
}

// As opens the log as a service of this role writes it.
func (w *World) As(role eventlog.Role) *eventlog.Log { return w.as(w.Log, role) }

func (w *World) as(log *eventlog.Log, role eventlog.Role) *eventlog.Log {
	w.T.Helper()
	return must(log.As(w.keys[role]))(w.T)
}

// Trust makes a writer of a role that every log opened so far and later believes.
func (w *World) Trust(role eventlog.Role) nkeys.KeyPair {
	key := NewKey(w.T)
	w.Writers[Public(w.T, key)] = role
	Check(w.T, w.Log.SetWriters(w.T.Context(), maps.Clone(w.Writers)))
	return key
}

// NewLinks makes another hub's end of the counter link; gate is its connection to the account of the counters, nil where
// none is heard.
func (w *World) NewLinks(conn, gate *nats.Conn) *counterlink.Links {
	return must(counterlink.NewLinks(w.T.Context(), counterlink.LinksConfig{
		Conn: conn, Gate: gate, Writer: w.Writer, Logger: w.Logger(), Enrolled: w.Enrolled, Mismatch: func(string, error) {}, Now: w.Clock.Now,
		Quarantine: w.quarantine,
	}))(w.T)
}

// NewRA makes another registration authority, as another process would be.
func (w *World) NewRA(log *eventlog.Log) *ra.RA {
	return must(ra.New(ra.Config{
		Log: w.as(log, eventlog.RoleRA), Links: w.Links, Directory: w.Directory, Vault: w.Keys(eventlog.RoleRA), SealKey: w.seal, Secret: w.secret,
		Clock: w.Clock.Now, Simulated: !w.RealClock, Logger: w.Logger(), ConsoleName: Console,
	}))(w.T)
}

// NewIssuer makes another issuer on the same key files.
func (w *World) NewIssuer(log *eventlog.Log) *issuer.Issuer {
	keys := filepath.Join(w.Dir, "ca")
	Check(w.T, os.MkdirAll(keys, 0o700))
	authorityKeys.into(w.T, keys)
	w.T.Cleanup(func() { authorityKeys.outOf(w.T, keys) })
	return issuer.New(issuer.Config{
		Log: w.as(log, eventlog.RoleIssuer), Directory: w.Directory, Vault: w.Keys(eventlog.RoleIssuer), Keys: keys, Bucket: w.Bucket, Clock: w.Clock.Now,
		Logger: w.Logger(),
	})
}

// ServeVault runs the vault's service, as a process with a log of its own would, until stop is called or the test ends.
// From the first time on, Keys are those of its clients.
func (w *World) ServeVault() (stop func()) {
	w.T.Helper()
	if w.served == nil {
		w.served = must(counterlink.NewSealKey())(w.T)
	}
	log := w.OpenLog(w.Conn, w.Writer, "marks-vault")
	service := vaultservice.New(vaultservice.Config{
		Log: log, Vault: w.Vault, Conn: w.Conn, Key: w.served, Clock: w.Clock.Now, Logger: w.Logger(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); Check(w.T, errors.Join(<-done, log.Close())) })
	w.T.Cleanup(stop)
	return stop
}

// Keys gives the keys of persons as a service of this role has them: the vault itself, or a client of its service.
func (w *World) Keys(role eventlog.Role) ra.Keys {
	w.T.Helper()
	if w.served == nil {
		return w.Vault
	}
	return w.VaultClient(w.keys[role])
}

// VaultClient is a client of the vault's service that signs with this key.
func (w *World) VaultClient(key nkeys.KeyPair) *vaultlink.Client {
	w.T.Helper()
	return must(vaultlink.NewClient(w.Conn, key, w.served.PublicKey(), w.Clock.Now))(w.T)
}

// authorityKeys are made once for a test binary: making them is the slowest thing a test does.
var authorityKeys keyFiles

type keyFiles struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (k *keyFiles) into(t testing.TB, folder string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, b := range k.files {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			continue // another issuer may be reading it
		}
		Check(t, os.WriteFile(filepath.Join(folder, name), b, 0o600))
	}
}

func (k *keyFiles) outOf(t testing.TB, folder string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	paths := must(filepath.Glob(filepath.Join(folder, "*.key")))(t)
	for _, path := range paths {
		if k.files == nil {
			k.files = make(map[string][]byte)
		}
		k.files[filepath.Base(path)] = must(os.ReadFile(path))(t)
	}
}

// DefineOffice records an office; what the definition leaves empty is that of a town that never closes.
func (w *World) DefineOffice(id string, def *events.OfficeDefined) {
	w.T.Helper()
	def.Municipality, def.Prefecture, def.Name = id[:5], id[:2], "山武市"
	def.PrefectureRomaji, def.MunicipalityRomaji = "Chiba-ken", "Sammu-shi"
	if def.EffectiveFrom == "" {
		def.EffectiveFrom = "2000-01-01"
	}
	if def.Exceptions == nil && def.Hours == nil {
		const forEver = 253402268400000 // 9999-12-31
		def.Exceptions = []*events.HoursException{{FromMs: 1, UntilMs: forEver, Open: true}}
	}
	w.Record(events.KindOffice, id, def)
}

// Record stores an event about an office or an authority, as an operator does, and has the directory learn it.
func (w *World) Record(kind, id string, body events.Body) {
	w.T.Helper()
	env := eventlog.Envelope{CommandID: uuid.NewString(), Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "test"}}
	outcome, err := w.Log.Update(w.T.Context(), kind, id, env, func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(body)}, nil
	})
	Check(w.T, err)
	Check(w.T, w.Directory.Learn(kind, id, outcome.Commit))
}

// State gives a subscriber's newest state.
func (w *World) State(subscriber string) *events.SubscriberState {
	w.T.Helper()
	head, err := w.Log.Load(w.T.Context(), events.KindSubscriber, subscriber)
	Check(w.T, err)
	return must(lifecycle.DecodeSubscriber(head.State))(w.T)
}

// History gives every commit of an aggregate.
func (w *World) History(kind, id string) []eventlog.Record {
	w.T.Helper()
	return must(w.Log.History(w.T.Context(), kind, id))(w.T)
}

// Events gives the names of all events of a subscriber, in order.
func (w *World) Events(subscriber string) []string {
	w.T.Helper()
	var names []string
	for _, r := range w.History(events.KindSubscriber, subscriber) {
		for _, e := range r.Commit.Events {
			names = append(names, events.Name(e))
		}
	}
	return names
}

// Count tells how often an event of that name stands in a subscriber's history.
func (w *World) Count(subscriber, name string) int {
	w.T.Helper()
	n := 0
	for _, e := range w.Events(subscriber) {
		if e == name {
			n++
		}
	}
	return n
}

// CountAuthority tells how often an event of that name stands in an authority's history.
func (w *World) CountAuthority(id, name string) int {
	w.T.Helper()
	n := 0
	for _, r := range w.History(events.KindAuthority, id) {
		for _, e := range r.Commit.Events {
			if events.Name(e) == name {
				n++
			}
		}
	}
	return n
}

// PublishList signs a list with the newest key of an authority and puts it into the folder, past the log: as one that was
// published by a log that has been lost.
func (w *World) PublishList(id, folder string, in ca.CRLInput) {
	w.T.Helper()
	for _, g := range w.Directory.Generations() {
		if directory.AuthorityID(g.Kind, g.Prefecture.Code) == id && !w.Clock.Now().Before(g.NotBefore) {
			in.Generation = g
		}
	}
	signer := must(keyfile.Open(nil, filepath.Join(w.Dir, "ca", fmt.Sprintf("%s-%02d.key", id, in.Generation.Number))))(w.T)
	der := must(ca.BuildCRL(signer, in))(w.T)
	Check(w.T, os.MkdirAll(folder, 0o755))
	Check(w.T, os.WriteFile(filepath.Join(folder, id+".crl"), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}), 0o600))
}

// Quarantined gives the reasons of everything in quarantine, sorted.
func (w *World) Quarantined() []string {
	w.T.Helper()
	var why []string
	Check(w.T, w.Log.Scan(w.T.Context(), nil, nil, func(r eventlog.Record, err error) error {
		for _, e := range r.Commit.GetEvents() {
			if q := e.GetFactQuarantined(); q != nil {
				why = append(why, q.Why)
			}
		}
		return err
	}))
	slices.Sort(why)
	return why
}

// Forge puts bytes on a subject of the log as whoever controls the NATS server can.
func (w *World) Forge(kind, id string, payload []byte) {
	w.T.Helper()
	w.put(events.LogSubject(kind, id), payload)
}

// put publishes past the log and waits for the stream's answer: a flushed publish need not be stored yet.
func (w *World) put(subject string, payload []byte) {
	w.T.Helper()
	_, err := w.Conn.Request(subject, payload, 5*time.Second)
	Check(w.T, err)
}

// Forget loses the saved position of a follower that is not running.
func (w *World) Forget(follower string) {
	w.T.Helper()
	w.put("shomei.position."+follower, []byte("lost"))
}

// NewKey makes a user nkey.
func NewKey(t testing.TB) nkeys.KeyPair { t.Helper(); return must(nkeys.CreateUser())(t) }

// Public gives the public part of a key.
func Public(t testing.TB, key nkeys.KeyPair) string { t.Helper(); return must(key.PublicKey())(t) }

// Check ends the test when err is not nil.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		Check(t, err)
		return v
	}
}

// Logger writes into Logged.
func (w *World) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(w.Logged, nil)) }
