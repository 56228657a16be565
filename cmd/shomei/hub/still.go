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
	"shomei/services/ra"
)

// StartStill starts a centre in which nothing happens by itself: no claim is taken off the wire, nothing is signed,
// sent or mailed, and the tables stay as they are until Project. Only lanes act. A population is simulated this way.
// When a full centre is started later, its followers begin behind what the lanes have done.
//
// Decided 2026-11-23: the log is synced at the end, not at each commit. The hub promises counters and residents that
// what was acknowledged is on disk; here nobody waits for an answer, and the log is marked simulated for good. If the
// process dies nothing is lost, because everything was written; if the machine dies a tail may be lost, which the
// high-water marks reveal at the next start: the folder is then refused, and simulated anew.
func StartStill(ctx context.Context, c Config) (*Hub, error) {
	h := &Hub{Parts: newParts(c)}
	if h.Separated() {
		return nil, fmt.Errorf("%s: %w", h.Data, ErrSeparated)
	}
	err := h.start(ctx, still, []row{{name: "directory", run: (*Parts).runDirectory}, {name: "followers", run: (*Parts).passOver}})
	if err == nil {
		err = h.leaveAddress()
	}
	return h.orClose(err)
}

// still lists the parts of a centre in which nothing happens by itself.
var still = []part{
	{"data folder", nil, (*Parts).hold},
	{"clock", nil, (*Parts).openClock},
	{"keys", nil, (*Parts).openKeys},
	{"simulator", nil, (*Parts).makeSimulator},
	{"certificate", nil, (*Parts).openPort},
	{"engine", nil, (*Parts).startEngine},
	{"NATS", nil, func(p *Parts, ctx context.Context) error { return p.serveNATS(ctx, true) }},
	{"log", nil, (*Parts).openLog},
	{"vault", nil, (*Parts).openErasedVault},
	{"tables", nil, (*Parts).openWarehouse},
	{"projector", nil, (*Parts).openProjector},
	{"directory", nil, (*Parts).openDirectory},
	{"links", nil, (*Parts).openLinks},
	{"cards", nil, (*Parts).openCards},
	{"counters", nil, (*Parts).admit},
	{"issuer", nil, func(p *Parts, _ context.Context) error {
		p.Issuer = p.newIssuer(p.as(eventlog.RoleIssuer), p.Clock.Now)
		return nil
	}},
}

// passOver saves, until ctx ends, that the followers have handled what the lanes have done.
func (p *Parts) passOver(ctx context.Context) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer cancel()
	var errs []error
	for _, name := range followers {
		errs = append(errs, p.Log.PassOver(ctx, name))
	}
	return errors.Join(errs...)
}

// Project brings the tables of a still hub up to date. Once, after everything, is far cheaper than following along: an
// insert costs the same for one commit as for thousands.
func (p *Parts) Project(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	following, ctx := errgroup.WithContext(ctx)
	following.Go(func() error { return p.Projector.Run(ctx) })
	err := p.Projector.CaughtUp(ctx)
	stop()
	return errors.Join(following.Wait(), err)
}

func (p *Parts) newIssuer(log *eventlog.Log, now func() time.Time) *issuer.Issuer {
	return issuer.New(issuer.Config{
		Log: log, Directory: p.Directory, Vault: p.sealed, Keys: p.path("keys", "ca"), Secrets: p.secrets, Lists: p.path("crl"),
		Bucket: p.bucket, Switches: p.Switches, Clock: now, Logger: p.Logger, Days: p.days(), Handled: p.positions.note("issuer"),
	})
}

// Lane is one worker of a simulation: a registration authority and an issuer that decide at the lane's own time and
// write as the simulator. Everything about one subscriber goes through one lane.
type Lane struct {
	Log    *eventlog.Log
	RA     *ra.RA
	Issuer *issuer.Issuer
	hub    *Parts
	now    atomic.Int64
	epoch  string
	chains map[string]*counterlink.Head
}

// Lane makes a lane. Its number keeps the lanes of one hub apart. The hub closes it.
func (p *Parts) Lane(ctx context.Context, number int) (*Lane, error) {
	name := fmt.Sprintf("lane-%02d", number)
	l := &Lane{hub: p, epoch: fmt.Sprintf("%s-%d", name, time.Now().UnixNano()), chains: make(map[string]*counterlink.Head)}
	l.SetTime(p.Clock.Now())
	conn, err := p.dial(p.server.URL(), p.keys.serviceUser(hubAccount))
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	marks := p.path("simulate", name)
	if err := os.MkdirAll(marks, 0o700); err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	l.Log, err = p.logWith(ctx, eventlog.Config{
		Conn: conn, Writer: p.keys.simulator, Marks: marks, CacheBytes: 4 << 20, Clock: l.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	decides := p.raConfig()
	decides.Log, decides.Clock, decides.KnownSerials, decides.Inquired = l.Log, l.Now, nil, nil
	l.RA, err = ra.New(decides)
	l.Issuer = p.newIssuer(l.Log, l.Now)
	return l, err
}

// SetTime sets the lane's time.
func (l *Lane) SetTime(t time.Time) { l.now.Store(t.UnixMilli()) }

// Now returns the lane's time.
func (l *Lane) Now() time.Time { return time.UnixMilli(l.now.Load()) }

// Voice holds the keys with which a source signs claims.
type Voice struct {
	Enrolment counterlink.Enrolment
	Key       nkeys.KeyPair
	Hub       hpke.PublicKey
}

// Voice returns a source's keys, enrolling it in its office if needed.
func (p *Parts) Voice(ctx context.Context, office, source, role, code string) (Voice, error) {
	folder, err := p.EnrolCounter(ctx, office, source, role, code)
	if err != nil {
		return Voice{}, err
	}
	seed, err := p.secrets.Read(filepath.Join(folder, "counter.nk"))
	if err != nil {
		return Voice{}, err
	}
	key, err := counterlink.ParseSigningKey(seed)
	if err != nil {
		return Voice{}, fmt.Errorf("reading the key of %s: %w", source, err)
	}
	enrolment, err := p.enrolled(ctx, source)
	return Voice{Enrolment: enrolment, Key: key, Hub: p.keys.sealPublic}, err
}

// SubscriberID returns the id of the person with a resident-record code.
func (p *Parts) SubscriberID(code string) string { return ra.SubscriberID(p.keys.secret, code) }

// Claim signs a claim as its counter, in the chain of this lane, and has it decided at once, as if it had come over the
// wire.
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
