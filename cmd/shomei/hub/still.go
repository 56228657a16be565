package hub

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/nats-io/nkeys"
	"golang.org/x/sync/errgroup"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/services/issuer"
	"shomei/services/projector"
	"shomei/services/ra"
)

// StartStill starts a centre in which nothing happens by itself: no claim is taken off the wire, nothing is signed, sent
// or mailed, and the tables stay where they are until Project. What happens is what lanes do. It is how a population is
// simulated. The followers that act in a running centre begin, when one is started, behind what the lanes have done.
//
// Decided 2026-11-23: the log is synced at the end, not at each commit. The hub's promise, that what was acknowledged
// is on disk, is made to counters and residents; here nobody waits for an answer, and the log is marked simulated for
// ever. The death of the process loses nothing, because everything was written; the death of the machine may lose a tail,
// which the high-water marks find at the next start: the folder is then refused, and simulated anew.
func StartStill(ctx context.Context, c Config) (*Hub, error) {
	h := &Hub{Config: c, still: true}
	h.defaults()
	err := h.take(ctx, []step{
		{"data folder", h.hold},
		{"clock", h.openClock},
		{"keys", h.openKeys},
		{"simulator", h.makeSimulator},
		{"certificate", h.openPort},
		{"engine", h.startEngine},
		{"NATS", h.startServer},
		{"log", h.openLog},
		{"cards", h.openCards},
		{"vault", h.makeVault},
		{"erasures", h.catchUpErasures},
		{"tables", h.openWarehouse},
		{"counters", h.openCounters},
		{"services", h.startStill},
		{"address", h.leaveAddress},
	})
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Hub) startStill(context.Context) error {
	h.Issuer = h.newIssuer(h.Log, h.Clock.Now)
	h.Projector = projector.New(projector.Config{Log: h.Log, Warehouse: h.Warehouse, Logger: h.Logger})
	run, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.running, run = errgroup.WithContext(run)
	h.running.Go(func() error { return h.Directory.Follow(run, h.Log, "directory") })
	h.running.Go(func() error {
		<-run.Done()
		return h.passOver()
	})
	return nil
}

// passOver has the followers that act in a running centre begin behind what the lanes have done.
func (h *Hub) passOver() error {
	ctx, cancel := context.WithTimeout(context.Background(), settleWait)
	defer cancel()
	var errs []error
	for _, name := range followers {
		errs = append(errs, h.Log.PassOver(ctx, name))
	}
	return errors.Join(errs...)
}

// Project brings the tables of a still hub up to date. Doing it once, after everything, takes a small part of what
// following along takes: an insert costs the same for one commit and for thousands.
func (h *Hub) Project(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	following, ctx := errgroup.WithContext(ctx)
	following.Go(func() error { return h.Projector.Run(ctx) })
	err := h.Projector.CaughtUp(ctx)
	stop()
	return errors.Join(following.Wait(), err)
}

func (h *Hub) newIssuer(log *eventlog.Log, now func() time.Time) *issuer.Issuer {
	return issuer.New(issuer.Config{
		Log: log, Directory: h.Directory, Vault: h.Vault, Keys: h.path("keys", "ca"), Switches: h.Switches, Clock: now,
		Logger: h.Logger,
	})
}

// Lane is one worker of a simulation: a registration authority and an issuer that decide at the lane's own instant. It
// writes as the simulator. Everything about one subscriber goes through one lane.
type Lane struct {
	Log    *eventlog.Log
	RA     *ra.RA
	Issuer *issuer.Issuer
	hub    *Hub
	now    atomic.Int64
	epoch  string
	chains map[string]*counterlink.Head
}

// Lane makes a lane; its number keeps lanes of one hub apart. The hub closes it.
func (h *Hub) Lane(ctx context.Context, number int) (*Lane, error) {
	name := fmt.Sprintf("lane-%02d", number)
	l := &Lane{hub: h, epoch: fmt.Sprintf("%s-%d", name, time.Now().UnixNano()), chains: make(map[string]*counterlink.Head)}
	l.SetTime(h.Clock.Now())
	conn, err := h.dial(h.server.URL(), h.keys.hubUser())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	marks := h.path("simulate", name)
	if err := os.MkdirAll(marks, 0o700); err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	l.Log, err = h.logWith(ctx, eventlog.Config{
		Conn: conn, Writer: h.keys.simulator, Marks: marks, CacheBytes: 4 << 20, Clock: l.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	l.RA, err = ra.New(ra.Config{
		Log: l.Log, Hub: h.Links, Directory: h.Directory, Vault: h.Vault, SealKey: h.keys.seal, Secret: h.keys.secret,
		Switches: h.Switches, Clock: l.Now, Simulated: h.Clock.Simulated(), Logger: h.Logger,
	})
	l.Issuer = h.newIssuer(l.Log, l.Now)
	return l, err
}

// SetTime sets the lane's instant.
func (l *Lane) SetTime(t time.Time) { l.now.Store(t.UnixMilli()) }

// Now is the lane's instant.
func (l *Lane) Now() time.Time { return time.UnixMilli(l.now.Load()) }

// Voice is a source's keys, to make claims with.
type Voice struct {
	Enrolment counterlink.Enrolment
	Key       nkeys.KeyPair
	Hub       hpke.PublicKey
}

// Voice enrols a source of a role in an office, if it is not enrolled yet, and gives its voice.
func (h *Hub) Voice(ctx context.Context, office, source, role, code string) (Voice, error) {
	folder, err := h.EnrolCounter(ctx, office, source, role, code)
	if err != nil {
		return Voice{}, err
	}
	seed, err := os.ReadFile(filepath.Join(folder, "counter.nk"))
	if err != nil {
		return Voice{}, err
	}
	key, err := nkeys.FromSeed(seed)
	if err != nil {
		return Voice{}, fmt.Errorf("reading the key of %s: %w", source, err)
	}
	enrolment, err := h.enrolled(ctx, source)
	return Voice{Enrolment: enrolment, Key: key, Hub: h.keys.seal.PublicKey()}, err
}

// SubscriberID is the id of the person with a resident-record code.
func (h *Hub) SubscriberID(code string) string { return ra.SubscriberID(h.keys.secret, code) }

// Claim signs a claim with the voice of its counter, in the chain of this lane, and has it decided at once, as if it had
// come over the wire.
func (l *Lane) Claim(ctx context.Context, v Voice, claim *events.Claim, personal *events.Personal) error {
	chain := l.chains[claim.Counter]
	if chain == nil {
		chain = &counterlink.Head{Epoch: l.epoch}
		l.chains[claim.Counter] = chain
	}
	claim.StoreEpoch, claim.Number, claim.PreviousHash = chain.Epoch, chain.Number+1, chain.Hash
	if personal != nil {
		sealed, err := counterlink.SealPersonal(v.Hub, claim.Id, personal)
		if err != nil {
			return err
		}
		claim.Sealed = sealed
	}
	signed, hash, err := counterlink.SignClaim(v.Key, claim)
	if err != nil {
		return err
	}
	if err := l.RA.Handle(ctx, counterlink.Received{Claim: claim, Signed: signed, Hash: hash, Enrolment: v.Enrolment}); err != nil {
		return err
	}
	*chain = chain.Advance(claim, hash)
	return nil
}
