package dispatcher

import (
	"context"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/regime"
)

// approval tells counters what becomes of an act that needs a second officer: the one that asked, and the one at which somebody
// decided. What an approved act brings about is answered where it is decided.
func (d *Dispatcher) approval(ctx context.Context, r eventlog.Record) error {
	if d.tooOld(r.Commit) {
		return nil
	}
	asked, err := d.asked(ctx, r)
	if err != nil || asked == nil {
		return err
	}
	var list []*events.Downlink
	for _, e := range r.Commit.GetEvents() {
		list = append(list, d.toAsker(r, asked, e)...)
		if r.Commit.Counter == "" {
			continue
		}
		switch events.BodyOf(e).(type) {
		case *events.ApprovalGiven, *events.ApprovalRefused, *events.ApprovalWithdrawn:
			list = append(list, &events.Downlink{
				Id: "answer/" + r.Commit.CommandId, Counter: r.Commit.Counter, Procedure: r.Commit.CorrelationId, IssuedMs: d.Clock().UnixMilli(),
				Body: &events.Downlink_Answer{Answer: &events.Answer{Claim: r.Commit.CommandId, Accepted: true}},
			})
		}
	}
	return d.send(ctx, list...)
}

// asked returns what was asked for in an approval's history.
func (d *Dispatcher) asked(ctx context.Context, r eventlog.Record) (*events.ApprovalAsked, error) {
	history, err := d.Log.History(ctx, events.KindApproval, r.ID)
	if err != nil {
		return nil, err
	}
	for _, record := range history {
		for _, e := range record.Commit.GetEvents() {
			if asked := e.GetApprovalAsked(); asked != nil {
				return asked, nil
			}
		}
	}
	return nil, nil
}

func (d *Dispatcher) toAsker(r eventlog.Record, asked *events.ApprovalAsked, e *events.Event) []*events.Downlink {
	answer, word := &events.Answer{Claim: r.ID}, ""
	switch events.BodyOf(e).(type) {
	case *events.ApprovalAsked:
		word, answer.RuleIds = "pending", e.RuleIds
		answer.Pending = &events.OpenApproval{
			Id: r.ID, Act: asked.Act, Officer: asked.Officer, Counter: asked.Counter, AskedMs: e.RecordedMs, LapsesMs: asked.LapsesMs, Digest: asked.Digest,
			Procedure: asked.Procedure,
		}
	case *events.ApprovalRefused:
		word, answer.Refusals = "answer", []string{regime.ApprovalDenied}
	case *events.ApprovalWithdrawn:
		word, answer.Refusals = "answer", []string{regime.ApprovalTakenBack}
	case *events.ApprovalLapsed:
		word, answer.Refusals = "answer", []string{regime.ApprovalLapsed}
	default:
		return nil
	}
	return []*events.Downlink{{
		Id: word + "/" + r.ID, Counter: asked.Counter, Procedure: asked.Procedure, Subscriber: asked.Subscriber, IssuedMs: d.Clock().UnixMilli(),
		Body: &events.Downlink_Answer{Answer: answer},
	}}
}
