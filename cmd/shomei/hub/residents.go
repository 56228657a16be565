package hub

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/intake"
	"shomei/pkg/wait"
	"shomei/services/ra"
)

// RegisterChange is one change that the resident register notifies.
type RegisterChange struct {
	// ID is the register's own number of the notice: a change is recorded once for each.
	ID string `json:"id"`
	// Change is a word of intake.Changes.
	Change    string `json:"change"`
	CausedOn  string `json:"caused_on"`
	PlannedOn string `json:"planned_on,omitempty"`
	KeepUsing bool   `json:"keep_using,omitempty"`
	// Record is who it is about or, where the change needs it, the record after it: events.ResidentRecord as protobuf JSON.
	Record []byte `json:"record"`
}

// RegisterChanges is an order to record changes, as one office's register notifies them.
type RegisterChanges struct {
	Office  string           `json:"office"`
	Changes []RegisterChange `json:"changes"`
}

// RegisterOutcome says what became of one change.
type RegisterOutcome struct {
	Result RegisterResult `json:"result"`
	// Faults says what is wrong with a change that is refused. It repeats no value.
	Faults []intake.Fault `json:"faults,omitempty"`
	// Subscriber is whose it is, Events what was decided about it.
	Subscriber string          `json:"subscriber,omitempty"`
	Events     []ReportedEvent `json:"events,omitempty"`
	claim      string
}

// RegisterResult is how a change ended.
type RegisterResult string

// The results. A change that waits is on the wire; it comes again as recorded, or as waiting if it went to quarantine.
const (
	ChangeRecorded RegisterResult = "recorded"
	ChangeKnown    RegisterResult = "known"   // it was recorded before
	ChangeNobody   RegisterResult = "nobody"  // the person has never applied for anything here
	ChangeWaits    RegisterResult = "waits"   // it is not decided yet
	ChangeRefused  RegisterResult = "refused" // something is wrong with it
)

// registerIDs are the ids of claims that stand for the register's own numbers.
var registerIDs = uuid.MustParse("6f1d1a35-1c0e-4a53-9a0a-0c1d1f6a1b57")

// ChangeByRegister records what the register of an office notifies, one result for each change, and waits a while for the
// decisions. What is wrong with one change holds up no other, and the same changes may be given again.
func (o Operator) ChangeByRegister(ctx context.Context, r RegisterChanges) ([]RegisterOutcome, error) {
	if _, defined := o.hub.Directory.Offices()[r.Office]; !defined {
		return nil, refuse("there is no office %s: shomei office list shows them", r.Office)
	}
	outcomes, err := o.sendChanges(ctx, r)
	if err != nil {
		return nil, err
	}
	return outcomes, o.hub.awaitChanges(ctx, outcomes)
}

// sendChanges sends an order's changes by one source, which is enrolled when the first of them needs it.
func (o Operator) sendChanges(ctx context.Context, r RegisterChanges) ([]RegisterOutcome, error) {
	o.hub.enrolling.Lock() // a role has one chain of claims: one order at a time
	defer o.hub.enrolling.Unlock()
	source := sync.OnceValues(func() (*counterlink.Source, error) { return o.hub.Source(ctx, r.Office, "register") })
	outcomes := make([]RegisterOutcome, len(r.Changes))
	for i, c := range r.Changes {
		var err error
		if outcomes[i], err = o.notified(ctx, r.Office, c, source); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// notified judges one change and sends it as a claim, unless it was recorded before or concerns nobody.
func (o Operator) notified(
	ctx context.Context, office string, c RegisterChange, source func() (*counterlink.Source, error),
) (RegisterOutcome, error) {
	told, personal, faults := c.judged(civil.Of(o.hub.Clock.Now()))
	if len(faults) > 0 {
		return RegisterOutcome{Result: ChangeRefused, Faults: faults}, nil
	}
	out := RegisterOutcome{
		Result: ChangeNobody, Subscriber: ra.SubscriberID(o.hub.keys.secret, personal.Record.ResidentCode),
		claim: uuid.NewSHA1(registerIDs, []byte(office+"/"+c.ID)).String(),
	}
	commit, history, err := o.hub.decision(ctx, out.Subscriber, out.claim)
	switch {
	case err != nil || !history:
		return out, err
	case commit != nil:
		out.Result, out.Events = ChangeKnown, reported(commit)
		return out, nil
	}
	out.Result = ChangeWaits
	claim := &events.Claim{
		Id: out.claim, Officer: o.officer, Fact: &events.Claim_RecordChangeNotified{RecordChangeNotified: told},
	}
	claim.CausedMs = causedMs(claim)
	register, err := source()
	if err == nil {
		_, err = register.Report(ctx, claim, personal)
	}
	return out, err
}

// judged returns a change as a claim tells it, or what is wrong with it.
func (c RegisterChange) judged(on civil.Date) (*events.RecordChangeNotified, *events.Personal, []intake.Fault) {
	kind, known := intake.ChangeOf(c.Change)
	if !known {
		return nil, nil, []intake.Fault{{Field: "change", Why: intake.Unknown, Possible: intake.ChangeWords()}}
	}
	personal := &events.Personal{Record: &events.ResidentRecord{}}
	if err := protojson.Unmarshal(c.Record, personal.Record); err != nil {
		return nil, nil, []intake.Fault{{Field: "record", Why: intake.Unknown}}
	}
	told := &events.RecordChangeNotified{
		Change: kind.Kind, CausedOn: c.CausedOn, PlannedOn: c.PlannedOn, KeepUsing: c.KeepUsing && kind.Keep,
	}
	faults := slices.Concat(intake.Needed("id", c.ID), intake.Text("id", c.ID, intake.NameLimit), kind.Notified(told, personal, on))
	return told, kind.Sealed(personal.Record), faults
}

// decision returns the commit that answers a claim, or nil, and whether the subscriber has any history.
func (p *Parts) decision(ctx context.Context, subscriber, claim string) (commit *events.Commit, known bool, err error) {
	history, err := p.Log.History(ctx, events.KindSubscriber, subscriber)
	i := slices.IndexFunc(history, func(r eventlog.Record) bool { return r.Commit.GetCommandId() == claim })
	if err != nil || i < 0 {
		return nil, len(history) > 0, err
	}
	return history[i].Commit, true, nil
}

// awaitChanges waits until every change that waits is decided, up to orderPatience.
func (p *Parts) awaitChanges(ctx context.Context, outcomes []RegisterOutcome) error {
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	err := wait.Until(ctx, lookEvery, func() (bool, error) {
		for i := range outcomes {
			out := &outcomes[i]
			if out.Result != ChangeWaits {
				continue
			}
			commit, _, err := p.decision(ctx, out.Subscriber, out.claim)
			if err != nil || commit == nil {
				return false, err
			}
			out.Result, out.Events = ChangeRecorded, reported(commit)
		}
		return true, nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
