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
func (h *Hub) markLog(ctx context.Context) error {
	_, err := h.Log.Update(ctx, events.KindAuthority, events.AuthorityLog, h.envelope(), func(head eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeAuthority(head.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.OpenLog(state, h.Clock.Simulated(), uint32(max(h.Streams, 1)))
	})
	return err
}

// envelope is that of an act of this hub's operator.
func (h *Hub) envelope() eventlog.Envelope {
	return eventlog.Envelope{
		CommandID: uuid.Must(uuid.NewV7()).String(),
		Actor:     &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: "hub"},
	}
}

// DefineOffice records what holds of an office from its effective date on.
func (h *Hub) DefineOffice(ctx context.Context, id string, def *events.OfficeDefined) error {
	return h.recordOffice(ctx, h.envelope(), id, def)
}

func (h *Hub) recordOffice(ctx context.Context, env eventlog.Envelope, id string, body events.Body) error {
	return h.recordOfficeSealed(ctx, env, id, func(dossier.Sealer) (events.Body, error) { return body, nil })
}

// recordOfficeSealed records an event of an office that is sealed in part.
func (h *Hub) recordOfficeSealed(ctx context.Context, env eventlog.Envelope, id string, body func(dossier.Sealer) (events.Body, error)) error {
	outcome, err := h.Log.Update(ctx, events.KindOffice, id, env, func(head eventlog.Head) ([]*events.Event, error) {
		b, err := body(dossier.Sealer{Vault: h.Vault, Subscriber: id, Revision: head.Revision + 1})
		if err != nil {
			return nil, err
		}
		return []*events.Event{events.New(b)}, nil
	})
	if err != nil {
		return fmt.Errorf("recording office %s: %w", id, err)
	}
	return h.Directory.Learn(events.KindOffice, id, outcome.Commit)
}

// EnrolCounter makes a counter's keys and bundle under Data/counters/<counter> and gives it its voice. A counter that is
// enrolled already keeps its keys; its bundle is written anew, because the hub's address may have changed.
func (h *Hub) EnrolCounter(ctx context.Context, office, counter, role, code string) (folder string, err error) {
	folder = h.path("counters", counter)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	seed, err := secretFile(h.path("counters", counter, "counter.nk"), newWriterSeed)
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
	secret, err := secretFile(h.path("counters", counter, "seal.key"), newSealSecret)
	if err != nil {
		return "", err
	}
	seal, err := counterlink.ParseSealKey(secret)
	if err != nil {
		return "", err
	}
	if known, ok := h.Directory.Counter(counter); !ok || known.PublicKey != public {
		err := h.recordOffice(ctx, h.envelope(), office, &events.CounterEnrolled{
			Counter: counter, PublicKey: public, SealKey: seal.PublicKey().Bytes(), Role: role, CounterCode: code,
		})
		if err != nil {
			return "", err
		}
	}
	if err := h.admitCounters(); err != nil {
		return "", err
	}
	bundle, err := h.bundle(counter, office, role, public)
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
func (h *Hub) admitCounters() error {
	var counters []string
	for _, c := range h.Directory.Counters() {
		counters = append(counters, c.ID)
	}
	return errors.Join(h.server.Revoke(h.Directory.Retired()), h.Links.Admit(counters))
}

// suspend puts a counter off the server for a time. One that is retired is off it for ever.
func (h *Hub) suspend(counter string, d time.Duration) error {
	c, ok := h.Directory.Counter(counter)
	if !ok {
		return nil
	}
	return h.server.Suspend(c.PublicKey, d)
}

// enrolled looks a counter up for the wire.
func (h *Hub) enrolled(_ context.Context, counter string) (counterlink.Enrolment, error) {
	c, ok := h.Directory.Counter(counter)
	if !ok {
		return counterlink.Enrolment{}, fmt.Errorf("counter %s: %w", counter, counterlink.ErrNotEnrolled)
	}
	if err := h.Directory.Doubtful(c.Office); err != nil {
		return counterlink.Enrolment{}, fmt.Errorf("counter %s waits: %w", counter, err)
	}
	return counterlink.Enrolment{Office: c.Office, PublicKey: c.PublicKey, SealKey: c.SealKey, Role: c.Role, Since: c.Since}, nil
}
