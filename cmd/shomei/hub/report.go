package hub

import (
	"context"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/eventlog"
	"shomei/pkg/order"
	"shomei/pkg/wait"
)

// Report is a fact that reaches the hub without a counter: a loss reported by telephone, a change from the resident
// register, an order of the authority itself.
type Report struct {
	// Role is who reports it: telephone, register or operator.
	Role string `json:"role"`
	// Office is where it was reported.
	Office     string `json:"office"`
	Subscriber string `json:"subscriber"`
	// Fact is an events.Claim with only its fact, as protobuf JSON.
	Fact []byte `json:"fact"`
	// Record is the resident record after a change, an events.ResidentRecord as protobuf JSON; empty: unchanged.
	Record []byte `json:"record,omitempty"`
	// Why is the reason of an order of the authority, which two operators give. It stays in the log, sealed.
	Why string `json:"why,omitempty"`
}

// Reported is the outcome of a report.
type Reported struct {
	Claim string `json:"claim"`
	// Events lists what was decided, empty if nothing is yet.
	Events []ReportedEvent `json:"events"`
	// Asked is the order that waits for another operator; nil: none does.
	Asked *order.Order `json:"-"`
}

// ReportedEvent is one event, with its rules.
type ReportedEvent struct {
	Name  string   `json:"name"`
	Rules []string `json:"rules,omitempty"`
}

// reportable lists the roles whose keys the hub itself holds; factories and counters have their own.
var reportable = []string{"telephone", "register", "operator"}

// Report signs the fact as a claim of its source, as if it had come over the wire, and waits a while for the decision.
func (o Operator) Report(ctx context.Context, r Report) (Reported, error) {
	claim, personal := &events.Claim{}, (*events.Personal)(nil)
	if err := protojson.Unmarshal(r.Fact, claim); err != nil {
		return Reported{}, refuse("the fact: %v", err)
	}
	if len(r.Record) > 0 {
		personal = &events.Personal{Record: &events.ResidentRecord{}}
		if err := protojson.Unmarshal(r.Record, personal.Record); err != nil {
			return Reported{}, refuse("the resident record can't be read: it is one JSON object with the fields of events.ResidentRecord")
		}
	}
	if claim.GetAuthorityOrder() != nil {
		if err := o.MayAsk(); err != nil {
			return Reported{}, err
		}
	}
	if err := o.mayReport(ctx, r); err != nil {
		return Reported{}, err
	}
	if revocation := claim.GetAuthorityOrder(); revocation != nil {
		if alone, err := o.alone(); err != nil || !alone {
			return o.askRevocation(ctx, r, revocation, err)
		}
	}
	o.hub.enrolling.Lock() // a role has one chain of claims: one at a time
	source, err := o.sourceOf(ctx, r.Office, r.Role)
	if err != nil {
		o.hub.enrolling.Unlock()
		return Reported{}, err
	}
	told := &events.Claim{Fact: claim.Fact, Officer: o.officer, Subscriber: r.Subscriber, CausedMs: causedMs(claim)}
	id, err := source.Report(ctx, told, personal)
	o.hub.enrolling.Unlock()
	if err != nil {
		return Reported{}, err
	}
	decided, err := o.hub.awaitDecision(ctx, r.Subscriber, id)
	return Reported{Claim: id, Events: decided}, err
}

// askRevocation asks for an order of the authority, which another operator approves, unless there is an error already.
func (o Operator) askRevocation(ctx context.Context, r Report, revocation *events.AuthorityOrder, err error) (Reported, error) {
	if err != nil {
		return Reported{}, err
	}
	asked, err := o.ask(ctx, &events.OrderAsked{
		Act: string(order.Revocation), Target: events.KindSubscriber + "/" + r.Subscriber, Office: r.Office,
		What: &events.OrderAsked_Revocation{Revocation: revocation},
	}, "--why", r.Why)
	return Reported{Asked: &asked}, err
}

func (o Operator) mayReport(ctx context.Context, r Report) error {
	if !slices.Contains(reportable, r.Role) {
		return refuse("%q reports nothing here: there are %v", r.Role, reportable)
	}
	if _, defined := o.hub.Directory.Offices()[r.Office]; !defined {
		return refuse("there is no office %s: shomei office list shows them", r.Office)
	}
	if err := checkSubscriber(r.Subscriber); err != nil {
		return err
	}
	head, err := o.hub.Log.Load(ctx, events.KindSubscriber, r.Subscriber)
	if err == nil && head.Revision == 0 {
		return unknownSubscriber(r.Subscriber)
	}
	return err
}

// causedMs returns the beginning of the day on which a change came about, or 0 if it comes about by being reported.
func causedMs(c *events.Claim) int64 {
	on, err := civil.Parse(c.GetRecordChangeNotified().GetCausedOn())
	if err != nil || on.IsZero() {
		return 0
	}
	return on.StartInstant().UnixMilli()
}

// awaitDecision waits until the log holds the decision on a claim.
func (p *Parts) awaitDecision(ctx context.Context, subscriber, claim string) ([]ReportedEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	var decided []ReportedEvent
	err := wait.Until(ctx, lookEvery, func() (bool, error) {
		history, err := p.Log.History(ctx, events.KindSubscriber, subscriber)
		i := slices.IndexFunc(history, func(r eventlog.Record) bool { return r.Commit.GetCommandId() == claim })
		if err != nil || i < 0 {
			return false, err
		}
		decided = reported(history[i].Commit)
		return true, nil
	})
	if ctx.Err() != nil {
		return decided, nil
	}
	return decided, err
}

func reported(c *events.Commit) []ReportedEvent {
	list := make([]ReportedEvent, len(c.Events))
	for i, e := range c.Events {
		list[i] = ReportedEvent{events.Name(e), e.RuleIds}
	}
	return list
}

// FactJSON encodes a claim's fact for a Report.
func FactJSON(fact proto.Message) ([]byte, error) { return protojson.Marshal(fact) }
