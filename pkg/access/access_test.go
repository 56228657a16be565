package access_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/natstest"
)

// history is a log whose clock a test sets.
type history struct {
	*testing.T
	log *eventlog.Log
	now time.Time
}

func newHistory(t *testing.T) *history {
	h := &history{T: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, civil.Tokyo)}
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, _ := key.PublicKey()
	folds := make(map[string]eventlog.Fold)
	for kind, f := range lifecycle.Folds() {
		folds[kind] = eventlog.Fold{Version: lifecycle.FoldVersion, Apply: f.Apply, Remembered: f.Remembered}
	}
	h.log, err = eventlog.Open(t.Context(), eventlog.Config{
		Conn: natstest.Connect(t, natstest.Start(t).URL()), Writer: key, Writers: map[string]eventlog.Role{public: eventlog.RoleHub},
		Folds: folds, Marks: filepath.Join(t.TempDir(), "marks"), Clock: func() time.Time { return h.now }, Logger: natstest.Quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.log.Close() })
	return h
}

func by(kind events.ActorKind, officer, office string) eventlog.Envelope {
	return eventlog.Envelope{CommandID: uuid.NewString(), Actor: &events.Actor{Kind: kind, Id: officer}, Office: office}
}

func (h *history) looks(officer, office, person string) {
	h.Helper()
	err := access.Record(h.Context(), h.log, nil, by(events.ActorKind_ACTOR_KIND_CLERK, officer, office), access.ID(office, officer),
		nil, &events.RecordOpened{Subscriber: person, Purpose: "history shown"})
	if err != nil {
		h.Fatal(err)
	}
}

func (h *history) acts(officer, office, procedure, person string) {
	h.Helper()
	env := by(events.ActorKind_ACTOR_KIND_CLERK, officer, office)
	env.CorrelationID = procedure
	_, err := h.log.Update(h.Context(), events.KindSubscriber, person, env, func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(&events.FactRefused{})}, nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

// TestLookNamesAPersonByID: one that names anything else is not recorded, because the report of looks could never be made again.
func TestLookNamesAPersonByID(t *testing.T) {
	h := newHistory(t)
	err := access.Record(t.Context(), h.log, nil, by(events.ActorKind_ACTOR_KIND_CLERK, "017", "east"), access.ID("east", "017"), nil,
		&events.RecordOpened{Subscriber: "history shown", Purpose: "someone"})
	if err == nil {
		t.Error("it was recorded")
	}
}

// TestLooksWithoutAnAct: an act within seven days, by the officer or in a procedure of the office, explains a look; an act of
// another office, an act about another person, or one that is too far away does not.
func TestLooksWithoutAnAct(t *testing.T) {
	h := newHistory(t)
	h.acts("017", "east", "", "long-ago")
	h.now = h.now.Add(access.Around + time.Second)
	for _, person := range []string{"served", "colleague", "elsewhere", "nobody", "long-ago"} {
		h.looks("0.17", "east", person)
	}
	h.acts("0.17", "east", "", "served")
	h.acts("018", "east", "p1", "colleague")
	h.acts("0.17", "west", "p2", "elsewhere")
	h.acts("0.17", "east", "", "another")

	looks, err := access.Looks(t.Context(), h.log, access.Query{Officer: "0.17", From: civil.Of(h.now), To: civil.Of(h.now)})
	if err != nil || len(looks) != 5 || looks[0].History != "east-0_17" || looks[4].Revision != 5 {
		t.Fatalf("%v %+v", err, looks)
	}
	found, err := access.WithoutAct(t.Context(), h.log, looks)
	if err != nil {
		t.Fatal(err)
	}
	var persons []string
	for _, l := range found {
		persons = append(persons, l.Person)
	}
	if len(persons) != 3 || persons[0] != "elsewhere" || persons[1] != "nobody" || persons[2] != "long-ago" {
		t.Errorf("looks without an act: %v", persons)
	}
}

// TestALookThatIsNotRecordedIsAnError: whoever looks must not be shown anything then.
func TestALookThatIsNotRecordedIsAnError(t *testing.T) {
	h := newHistory(t)
	env, look := by(events.ActorKind_ACTOR_KIND_OPERATOR, "017", ""), &events.RecordOpened{Subscriber: "a"}
	record := func(ctx context.Context) error { return access.Record(ctx, h.log, nil, env, "operator-017", nil, look) }
	if err := record(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := record(t.Context()); err == nil {
		t.Error("a look hides behind the id of an earlier one")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	env.CommandID = uuid.NewString()
	if err := record(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("a look that nobody has recorded: %v", err)
	}
}
