package ra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/found"
	"shomei/pkg/order"
	"shomei/pkg/vault"
)

// CarryOutOrders carries out what two operators have ordered and ends orders that have lapsed. Each is done once, and all of it is
// repeatable.
func (r *RA) CarryOutOrders(ctx context.Context) error {
	var failed error
	for _, open := range r.Directory.Orders() {
		if open.Approved && !order.Act(open.Act).Used() {
			failed = errors.Join(failed, r.carryOutOrder(ctx, open))
		}
		if !r.Clock().Before(open.Lapses) {
			failed = errors.Join(failed, r.endOrder(ctx, open))
		}
	}
	return failed
}

func numberOf(d directory.Order) string {
	return order.Order{History: d.History, Revision: d.Revision}.Number()
}

// endOrder records that an order lapsed, unless it still has to be carried out. So ends what is asked for by somebody who had no right
// to, which is no order.
func (r *RA) endOrder(ctx context.Context, open directory.Order) error {
	err := r.decideOrder(ctx, "lapse/"+numberOf(open), numberOf(open), func(o order.Order) (events.Body, []string) {
		if o.Outcome == order.Approved && !o.Act().Used() {
			return nil, nil
		}
		return &events.OrderLapsed{Order: o.Revision}, nil
	})
	if !errors.Is(err, order.ErrNone) {
		return err
	}
	_, err = r.Log.Update(ctx, events.KindApproval, open.History, ofRA("lapse/"+numberOf(open)), func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(&events.OrderLapsed{Order: open.Revision})}, nil
	})
	if err != nil {
		return fmt.Errorf("ending %s, which is no order: %w", numberOf(open), err)
	}
	return r.Directory.Refresh(ctx, r.Log)
}

func (r *RA) decideOrder(ctx context.Context, command, number string, decide func(order.Order) (events.Body, []string)) error {
	_, err := order.Decide(ctx, r.Log, ofRA(command), number, func(o order.Order, _ uint64, _ time.Time) (events.Body, []string, error) {
		body, rules := decide(o)
		return body, rules, nil
	})
	if err != nil {
		return fmt.Errorf("order %s: %w", number, err)
	}
	return r.Directory.Refresh(ctx, r.Log)
}

// notDone is why an order can't be carried out, ever.
type notDone struct {
	why   string
	rules []string
}

func (e *notDone) Error() string { return e.why }

// carryOutOrder does what was approved, and then records that it is done. A crash in between repeats a command that the log knows.
func (r *RA) carryOutOrder(ctx context.Context, open directory.Order) error {
	number := numberOf(open)
	o, err := order.Of(ctx, r.Log, number)
	if errors.Is(err, order.ErrNone) || err == nil && o.Outcome != order.Approved {
		return nil // whoever asked for it, or said that it was approved, had no right to
	}
	if err != nil {
		return err
	}
	revoked, err := r.obey(ctx, o)
	var impossible *notDone
	if err != nil && !errors.As(err, &impossible) {
		return fmt.Errorf("order %s: %w", number, err)
	}
	return r.decideOrder(ctx, "carried-out/"+number, number, func(order.Order) (events.Body, []string) {
		done := &events.OrderCarriedOut{Order: o.Revision, Revoked: revoked}
		if impossible != nil {
			done.Refused = impossible.why
			return done, impossible.rules
		}
		return done, nil
	})
}

// by returns the envelope of what two operators have ordered.
func by(o order.Order) eventlog.Envelope {
	return eventlog.Envelope{
		CommandID: "order/" + o.Number(), CausationID: o.Number(), Redelivered: true,
		Actor:         &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: o.AskedBy},
		SecondOfficer: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_OPERATOR, Id: o.DecidedBy},
	}
}

func (r *RA) obey(ctx context.Context, o order.Order) (revoked []uint64, err error) {
	kind, id := o.Target()
	if o.Act() == order.Closing {
		return r.closeLost(ctx, o, kind, id)
	}
	return nil, r.obeyAbout(ctx, o, kind, id)
}

func (r *RA) obeyAbout(ctx context.Context, o order.Order, kind, id string) error {
	switch act := o.Act(); {
	case act == order.Erasure && kind == events.KindSubscriber:
		return r.erase(ctx, o, id)
	case act == order.Adoption && kind == events.KindOffice:
		return r.adopt(ctx, o, id)
	case act == order.FoundRevocation && kind == events.KindAuthority:
		sealer := dossier.Sealer{Vault: r.Vault, Subscriber: id}
		err := found.Revoke(ctx, r.Log, sealer, by(o), o.Asked.GetFoundRevocation(), "")
		if errors.Is(err, found.ErrRevoked) {
			return &notDone{why: err.Error()}
		}
		return err
	case act == order.Revocation && kind == events.KindSubscriber:
		return r.revoke(ctx, o, id)
	case act == order.Release && kind == events.KindQuarantine:
		return r.releaseHeld(ctx, o, id)
	}
	return &notDone{why: "this version knows no such order"}
}

func (r *RA) erase(ctx context.Context, o order.Order, subscriber string) error {
	done, err := order.ErasureOrder{Subscriber: subscriber, Class: o.Asked.GetErasure().GetRecordClass(), Envelope: by(o)}.Decide(ctx, r.Log, r.Vault)
	switch {
	case errors.Is(err, order.ErrNobody):
		return &notDone{why: err.Error()}
	case err != nil || !done.Kept:
		return err
	}
	refused := &notDone{why: "a retention period still runs"}
	for _, one := range done.Retentions {
		if !one.Last.EndInstant().Before(r.Clock()) {
			refused.rules = append(refused.rules, one.Rule)
		}
	}
	return refused
}

func (r *RA) adopt(ctx context.Context, o order.Order, office string) error {
	adoption := o.Asked.GetAdoption()
	if known, ok := r.Directory.Counter(adoption.GetCounter()); !ok || known.Office != office {
		return &notDone{why: "the counter is not enrolled any more"}
	}
	_, err := r.Log.Update(ctx, events.KindOffice, office, by(o), func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(adoption)}, nil
	})
	return err
}

// revoke decides on what two operators order about a person's certificates, as of when it was asked for.
func (r *RA) revoke(ctx context.Context, o order.Order, subscriber string) error {
	asked := o.Asked
	a := &attempt{
		RA: r, released: &release{officer: o.DecidedBy, kind: events.ActorKind_ACTOR_KIND_OPERATOR}, receipt: receipt{filed: o.AskedAt},
		claim: &events.Claim{
			Id: fmt.Sprintf("%s-%d", o.History, o.Revision), Officer: o.AskedBy, Office: asked.GetOffice(), Subscriber: subscriber,
			Fact: &events.Claim_AuthorityOrder{AuthorityOrder: asked.GetRevocation()},
		},
		received: counterlink.Received{Redelivered: true, Enrolment: counterlink.Enrolment{Office: asked.GetOffice(), Role: "operator"}},
	}
	a.received.Claim = a.claim
	if err := a.decideAnew(ctx); err != nil {
		return asNotDone(err)
	}
	return r.haveEnded(ctx, a.subscriber, asked.GetRevocation().GetSerials())
}

// haveEnded returns a *notDone unless the certificates with some serials are the person's and have ended.
func (r *RA) haveEnded(ctx context.Context, subscriber string, serials []uint64) error {
	history, err := r.Log.History(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return err
	}
	issued, alive := make(map[uint64]bool), aliveIn(history, civil.Of(r.Clock()))
	for _, one := range history {
		for _, e := range one.Commit.GetEvents() {
			if b := e.GetIssueAuthorized(); b != nil {
				issued[b.Serial] = true
			}
		}
	}
	for _, serial := range serials {
		if _, lives := alive[serial]; lives || !issued[serial] {
			return &notDone{why: fmt.Sprintf("serial %d is no certificate of this person that could be revoked", serial)}
		}
	}
	return nil
}

// asNotDone turns an error that repeating would not mend into a *notDone.
func asNotDone(err error) error {
	var unfit *unfitError
	var refused *refusedError
	if errors.As(err, &unfit) || errors.As(err, &refused) || eventlog.Unreadable(err) || errors.Is(err, vault.ErrErased) || errors.Is(err, vault.ErrMissing) {
		return &notDone{why: err.Error()}
	}
	return err
}

// releaseHeld decides a claim that was held, as of the time that the counter's clock showed, because two operators vouch for it.
func (r *RA) releaseHeld(ctx context.Context, o order.Order, id string) error {
	history, err := r.Log.History(ctx, events.KindQuarantine, id)
	if err != nil {
		return err
	}
	a, err := r.heldClaim(history)
	if err != nil {
		return asNotDone(err)
	}
	a.evidence.VouchedBy, a.evidence.Order = []string{o.AskedBy, o.DecidedBy}, fmt.Sprintf("%s/%d", o.History, o.Revision)
	if err = a.decideAnew(ctx); errors.Is(err, errNeedsSecond) {
		err = a.ask(ctx)
	}
	if err != nil {
		return asNotDone(err)
	}
	env := by(o)
	outcome, err := r.Log.Update(ctx, events.KindQuarantine, id, env, func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(&events.QuarantineResolved{Outcome: Released})}, nil
	})
	if err != nil {
		return err
	}
	return r.Directory.Learn(events.KindQuarantine, id, outcome.Commit)
}

// Released is the outcome in quarantine of a claim that two operators had decided although the link does not explain its receipt.
const Released = "released"

// heldClaim returns the claim that a history of the quarantine holds, as it was received, with its signature verified anew.
func (r *RA) heldClaim(history []eventlog.Record) (*attempt, error) {
	var held *attempt
	for _, record := range history {
		for _, e := range record.Commit.GetEvents() {
			switch b := events.BodyOf(e).(type) {
			case *events.ClaimHeld:
				var err error
				if held, err = r.heldAt(record, b, time.UnixMilli(e.RecordedMs)); err != nil {
					return nil, err
				}
			case *events.QuarantineResolved:
				if b.Outcome != Released { // otherwise a crash came between this and the end of the order
					return nil, unfit("somebody has resolved it meanwhile: %s", b.Outcome)
				}
			}
		}
	}
	if held == nil {
		return nil, unfit("nothing is held there")
	}
	return held, nil
}

func (r *RA) heldAt(record eventlog.Record, b *events.ClaimHeld, at time.Time) (*attempt, error) {
	if b.GetReceipt().GetReason() == events.HeldReason_HELD_REASON_SIMULATED {
		return nil, unfit("the counter's clock is settable, and nobody can vouch for it")
	}
	signed, err := dossier.Of(r.Vault, record.ID, []eventlog.Record{record}).Claim()
	if err != nil {
		return nil, err
	}
	for _, counter := range r.Directory.CounterAt(b.Counter, at) {
		claim, hash, err := counterlink.VerifyClaim(counter.PublicKey, signed)
		if err != nil || claim.GetCounter() != b.Counter {
			continue
		}
		a := &attempt{
			RA: r, claim: claim, vouched: true, receipt: receiptAt(claim, counterlink.ReadingOf(claim), at),
			received: counterlink.Received{Claim: claim, Signed: signed, Hash: hash, Enrolment: enrolmentOf(counter), Redelivered: true},
		}
		a.evidence = &events.ReceiptEvidence{ClockMs: b.GetReceipt().GetClockMs()}
		return a, nil
	}
	return nil, unfit("the claim can't be read any more, or its counter was never enrolled")
}
