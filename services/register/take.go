package register

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/intake"
	"shomei/pkg/registerlink"
	"shomei/pkg/wait"
)

const (
	// decidedWithin is how long a batch waits for its decisions, lookEvery the pause between two looks.
	decidedWithin = 10 * time.Second
	lookEvery     = 20 * time.Millisecond
	// maxAliases bounds how often a person's code can be corrected.
	maxAliases = 16
)

// claimIDs are the ids of claims that stand for the registers' own numbers.
var claimIDs = uuid.MustParse("6f1d1a35-1c0e-4a53-9a0a-0c1d1f6a1b57")

// ClaimID returns the id of the claim that stands for a register's own number of a notice: a claim is decided once.
func ClaimID(office, number string) string {
	return uuid.NewSHA1(claimIDs, []byte(office+"/"+number)).String()
}

// outcome is what became of one change so far.
type outcome struct {
	result            events.RegisterResult
	faults            []intake.Fault
	subscriber, claim string
}

// take takes the changes of a batch one by one, and waits a while for the decisions. What is wrong with one change holds up
// no other.
func (r *Register) take(ctx context.Context, b registerlink.Batch) ([]*events.RegisterOutcome, error) {
	officer, err := events.ParseOfficer(b.GetOfficer())
	if err != nil {
		return nil, registerlink.Refusal("the officer is no number: " + err.Error())
	}
	source, err := r.source(ctx, b.Office)
	if err != nil {
		return nil, err
	}
	outcomes := r.send(ctx, source, officer, b.GetChanges())
	r.await(ctx, outcomes)
	answer := make([]*events.RegisterOutcome, len(outcomes))
	for i, o := range outcomes {
		answer[i] = o.encoded()
		r.changes.WithLabelValues(strings.ToLower(strings.TrimPrefix(o.result.String(), "REGISTER_RESULT_"))).Inc()
	}
	return answer, nil
}

// send sends what is to be decided as claims. Once one can't be sent, none after it is: they may come about in their order.
func (r *Register) send(ctx context.Context, source *counterlink.Source, officer string, changes []*events.RegisterChange) []outcome {
	lane := r.lane(source.Office)
	lane.Lock() // a source has one chain of claims
	defer lane.Unlock()
	outcomes := make([]outcome, len(changes))
	for i, c := range changes {
		o, err := r.sendOne(ctx, source, officer, c)
		if err != nil {
			r.Logger.Error("a change that a register notifies could not be taken; the register sends it again", "office", source.Office, "error", err)
			for j := i; j < len(outcomes); j++ {
				outcomes[j] = outcome{result: events.RegisterResult_REGISTER_RESULT_FAILED}
			}
			return outcomes
		}
		outcomes[i] = o
	}
	return outcomes
}

// sendOne judges one change and sends it as a claim, unless it was recorded before or concerns nobody.
func (r *Register) sendOne(ctx context.Context, source *counterlink.Source, officer string, c *events.RegisterChange) (o outcome, err error) {
	told, personal, faults := judged(c, civil.Of(r.Clock()))
	if len(faults) > 0 {
		return outcome{result: events.RegisterResult_REGISTER_RESULT_REFUSED, faults: faults}, nil
	}
	o = outcome{
		result:     events.RegisterResult_REGISTER_RESULT_NOBODY,
		subscriber: r.Subscriber(personal.GetRecord().GetResidentCode()), claim: ClaimID(source.Office, c.GetId()),
	}
	decided, known, err := r.decided(ctx, o)
	switch {
	case err != nil || !known:
		return o, err
	case decided:
		o.result = events.RegisterResult_REGISTER_RESULT_KNOWN
		return o, nil
	}
	o.result = events.RegisterResult_REGISTER_RESULT_WAITS
	claim := &events.Claim{
		Id: o.claim, Officer: officer, CausedMs: causedMs(told), Fact: &events.Claim_RecordChangeNotified{RecordChangeNotified: told},
	}
	_, err = source.Report(ctx, claim, personal)
	return o, err
}

// judged returns a change as a claim tells it, or what is wrong with it.
func judged(c *events.RegisterChange, on civil.Date) (*events.RecordChangeNotified, *events.Personal, []intake.Fault) {
	kind, known := intake.ChangeOfKind(c.GetTold().GetChange())
	if !known {
		return nil, nil, []intake.Fault{{Field: "change", Why: intake.Unknown, Possible: intake.ChangeWords()}}
	}
	personal := &events.Personal{Record: &events.ResidentRecord{}}
	if c.GetRecord() != nil {
		personal.Record = proto.CloneOf(c.GetRecord())
	}
	told := &events.RecordChangeNotified{
		Change: kind.Kind, CausedOn: c.GetTold().GetCausedOn(), PlannedOn: c.GetTold().GetPlannedOn(),
		KeepUsing: c.GetTold().GetKeepUsing() && kind.Keep,
	}
	faults := slices.Concat(intake.Needed("id", c.GetId()), intake.Text("id", c.GetId(), intake.NameLimit), kind.Notified(told, personal, on))
	return told, kind.Sealed(personal.Record), faults
}

// causedMs returns the beginning of the day on which a change came about.
func causedMs(told *events.RecordChangeNotified) int64 {
	on, err := civil.Parse(told.GetCausedOn())
	if err != nil || on.IsZero() {
		return 0
	}
	return on.StartInstant().UnixMilli()
}

// decided reports whether the log holds the decision on a change, and whether it knows the person at all. The history may be
// that of another id, if the person's code was corrected.
func (r *Register) decided(ctx context.Context, o outcome) (decided, known bool, err error) {
	id := o.subscriber
	for range maxAliases {
		history, err := r.Log.History(ctx, events.KindSubscriber, id)
		if err != nil {
			return false, known, err
		}
		known = known || len(history) > 0
		if slices.ContainsFunc(history, func(record eventlog.Record) bool { return record.Commit.GetCommandId() == o.claim }) {
			return true, true, nil
		}
		if id = aliasOf(history); id == "" {
			return false, known, nil
		}
	}
	return false, known, nil
}

// aliasOf returns the subscriber whose history continues this one, or "".
func aliasOf(history []eventlog.Record) string {
	for _, record := range history {
		for _, e := range record.Commit.GetEvents() {
			if to := e.GetSubscriberAliased().GetTo(); to != "" {
				return to
			}
		}
	}
	return ""
}

// await waits until every change that waits is decided, up to decidedWithin.
func (r *Register) await(ctx context.Context, outcomes []outcome) {
	ctx, cancel := context.WithTimeout(ctx, decidedWithin)
	defer cancel()
	err := wait.Until(ctx, lookEvery, func() (bool, error) {
		for i := range outcomes {
			o := &outcomes[i]
			if o.result != events.RegisterResult_REGISTER_RESULT_WAITS {
				continue
			}
			if decided, _, err := r.decided(ctx, *o); err != nil || !decided {
				return false, err
			}
			o.result = events.RegisterResult_REGISTER_RESULT_RECORDED
		}
		return true, nil
	})
	if err != nil && ctx.Err() == nil {
		r.Logger.Warn("whether changes of a register are decided can't be read; the register hears that they wait", "error", err)
	}
}

func (o outcome) encoded() *events.RegisterOutcome {
	e := &events.RegisterOutcome{Result: o.result}
	for _, f := range o.faults {
		e.Faults = append(e.Faults, &events.RegisterFault{
			Field: f.Field, Why: string(f.Why), Limit: uint32(f.Limit), Possible: f.Possible,
		})
	}
	return e
}
