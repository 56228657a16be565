package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
)

// markLog says, in the first commit, what kind of log this is, and refuses the other kind of clock for ever after.
func (p *Parts) markLog(ctx context.Context) error {
	_, err := p.Log.Update(ctx, events.KindAuthority, events.AuthorityLog, p.envelope(), func(head eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(head.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.OpenLog(state, p.Clock.Simulated(), uint32(max(p.Streams, 1)))
	})
	return err
}

// envelope is that of an act of this hub's operator.
func (p *Parts) envelope() eventlog.Envelope {
	return eventlog.Envelope{
		CommandID: uuid.Must(uuid.NewV7()).String(),
		Actor:     &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "hub"},
	}
}

// DefineOffice records what holds of an office from its effective date on.
func (p *Parts) DefineOffice(ctx context.Context, id string, def *events.OfficeDefined) error {
	return p.recordOffice(ctx, p.envelope(), id, def)
}

func (p *Parts) recordOffice(ctx context.Context, env eventlog.Envelope, id string, body events.Body) error {
	return p.recordOfficeSealed(ctx, env, id, func(dossier.Sealer) (events.Body, error) { return body, nil })
}

// recordOfficeSealed records an event of an office that is sealed in part.
func (p *Parts) recordOfficeSealed(ctx context.Context, env eventlog.Envelope, id string, body func(dossier.Sealer) (events.Body, error)) error {
	outcome, err := p.Log.Update(ctx, events.KindOffice, id, env, func(head eventlog.Head) ([]*events.Event, error) {
		b, err := body(dossier.Sealer{Vault: p.Vault, Subscriber: id, Revision: head.Revision + 1})
		if err != nil {
			return nil, err
		}
		return []*events.Event{events.New(b)}, nil
	})
	if err != nil {
		return fmt.Errorf("recording office %s: %w", id, err)
	}
	return p.Directory.Learn(events.KindOffice, id, outcome.Commit)
}

// EnrolCounter makes a counter's keys and bundle under Data/counters/<counter> and gives it its voice. A counter that is
// enrolled already keeps its keys; its bundle is written anew, because the hub's address may have changed.
func (p *Parts) EnrolCounter(ctx context.Context, office, counter, role, code string) (folder string, err error) {
	folder = p.path("counters", counter)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	seed, err := secretFile(p.path("counters", counter, "counter.nk"), newWriterSeed)
	if err != nil {
		return "", err
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return "", err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return "", err
	}
	secret, err := secretFile(p.path("counters", counter, "seal.key"), newSealSecret)
	if err != nil {
		return "", err
	}
	seal, err := counterlink.ParseSealKey(secret)
	if err != nil {
		return "", err
	}
	if known, ok := p.Directory.Counter(counter); !ok || known.PublicKey != public {
		err := p.recordOffice(ctx, p.envelope(), office, &events.CounterEnrolled{
			Counter: counter, PublicKey: public, SealKey: seal.PublicKey().Bytes(), Role: role, CounterCode: code,
		})
		if err != nil {
			return "", err
		}
	}
	if err := p.admitCounters(); err != nil {
		return "", err
	}
	bundle, err := p.bundle(counter, office, role, public)
	if err != nil {
		return "", err
	}
	bundle.Key, bundle.SealKey = "counter.nk", "seal.key"
	if err := bundle.Write(folder); err != nil {
		return "", err
	}
	return folder, counterlink.RemoveOldCardKey(folder)
}

// admitCounters lets exactly the enrolled counters in: the gate listens to them, and the keys of the others are revoked.
func (p *Parts) admitCounters() error {
	var counters []string
	for _, c := range p.Directory.Counters() {
		counters = append(counters, c.ID)
	}
	return errors.Join(p.server.Revoke(p.Directory.Retired()), p.Links.Admit(counters))
}

// suspend puts a counter off the server for a time. One that is retired is off it for ever.
func (p *Parts) suspend(counter string, d time.Duration) error {
	c, ok := p.Directory.Counter(counter)
	if !ok {
		return nil
	}
	return p.server.Suspend(c.PublicKey, d)
}

// crowded returns the counters that have more than most connections, and how many.
func (p *Parts) crowded(most int) (map[string]int, error) {
	users, err := p.server.Crowded(most)
	if err != nil || len(users) == 0 {
		return nil, err
	}
	crowded := make(map[string]int)
	for _, c := range p.Directory.Counters() {
		if n := users[c.PublicKey]; n > 0 {
			crowded[c.ID] = n
		}
	}
	return crowded, nil
}

// enrolled looks a counter up for the wire.
func (p *Parts) enrolled(_ context.Context, counter string) (counterlink.Enrolment, error) {
	c, ok := p.Directory.Counter(counter)
	if !ok {
		return counterlink.Enrolment{}, fmt.Errorf("counter %s: %w", counter, counterlink.ErrNotEnrolled)
	}
	if err := p.Directory.Doubtful(c.Office); err != nil {
		return counterlink.Enrolment{}, fmt.Errorf("counter %s waits: %w", counter, err)
	}
	return counterlink.Enrolment{Office: c.Office, PublicKey: c.PublicKey, SealKey: c.SealKey, Role: c.Role, Since: c.Since}, nil
}
