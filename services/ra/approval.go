package ra

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
	"shomei/pkg/wait"
)

// errNeedsSecond: what was decided waits for a second officer; nothing was recorded about the person.
var errNeedsSecond = errors.New("the act needs a second officer")

// release is the second officer's decision that lets an act go on.
type release struct {
	officer string
	kind    events.ActorKind
	proof   *events.ActProof
}

// needsSecond reports whether an officer's act waits for another officer: at an office that requires signatures, and wherever
// the first one has signed. Otherwise the second officer's number in the claim is taken as it is.
func (a *attempt) needsSecond() bool {
	if a.released != nil || !a.act.Signed() || a.act.Pairs == officer.Single || a.received.Enrolment.Role != "counter" {
		return false
	}
	day := civil.Of(a.filed)
	office := a.Directory.OfficersOf(a.claim.Office, a.Clock())
	if a.proof == nil && (a.Directory.Trial() || !office.RequiredOn(day)) {
		return false
	}
	return slices.Contains(office.FourEyes(day), a.act.Word)
}

// grantedBy returns the officer who grants special circumstances: the one who has approved, the one who will (the decision is
// tried before anybody is asked), or the one whose number was typed.
func (a *attempt) grantedBy() string {
	if a.circumstances() == "" {
		return ""
	}
	return a.secondOfficer()
}

// secondOfficer returns the officer who approves: see grantedBy.
func (a *attempt) secondOfficer() string {
	switch {
	case a.released != nil:
		return a.released.officer
	case a.needsSecond():
		return somebodyElse
	}
	return a.claim.SecondOfficer
}

// somebodyElse stands for the officer who will be asked. No decision with it is recorded.
const somebodyElse = "not-asked-yet-0"

// ask records that an act waits for a second officer, until the end of the office's next open day.
func (a *attempt) ask(ctx context.Context) error {
	c := a.claim
	digest := events.Hash(a.received.Signed)
	if len(c.Act) > 0 {
		digest = events.Hash(c.Act)
	}
	lapses, err := a.lapses()
	if err != nil {
		return err
	}
	outcome, err := a.Log.Update(ctx, events.KindApproval, c.Id, a.envelope(), func(h eventlog.Head) ([]*events.Event, error) {
		if h.Revision > 0 {
			return nil, unfit("an act under the id of this claim waits already")
		}
		binding := vault.Binding{ID: c.Id, Revision: h.Revision + 1, Field: vault.ApprovalField}
		person := cmp.Or(a.subscriber, c.Id)
		sealed, err := a.Vault.Seal(person, vault.Identity, binding, a.received.Signed)
		if errors.Is(err, vault.ErrErased) && a.appliesAnew() {
			if err = a.Vault.Renew(person, vault.Identity); err == nil {
				sealed, err = a.Vault.Seal(person, vault.Identity, binding, a.received.Signed)
			}
		}
		if err != nil {
			return nil, err
		}
		e := events.New(&events.ApprovalAsked{
			Office: c.Office, Counter: c.Counter, Act: a.act.Word, Officer: c.Officer, Subscriber: a.subscriber, Procedure: c.Procedure,
			LapsesMs: lapses.UnixMilli(), Digest: digest, SealedClaim: sealed,
		}, regime.ApprovalPending)
		e.FiledMs = a.filed.UnixMilli()
		if !a.entered.IsZero() {
			e.EnteredMs = a.entered.UnixMilli()
		}
		return []*events.Event{e}, nil
	})
	if err != nil {
		return err
	}
	return a.Directory.Learn(events.KindApproval, c.Id, outcome.Commit)
}

// lapses returns the end of the next day on which the office is open for anything, from when another officer can know of the act:
// a counter may have been away for days.
func (a *attempt) lapses() (time.Time, error) {
	on := civil.Of(a.filed)
	if today := civil.Of(a.Clock()); today.After(on) {
		on = today
	}
	office, err := a.Directory.Office(a.claim.Office, on)
	if err != nil {
		return time.Time{}, unfit("office: %v", err)
	}
	day, ok := office.NextOpenDay(regime.OpResidentRecord, on.AddDays(1))
	if !ok {
		day = on.AddDays(1)
	}
	return day.AddDays(1).StartInstant(), nil
}

// wasAsked reports whether a redelivered claim waits for a second officer, or did: then it is that officer's decision that
// leads on.
func (r *RA) wasAsked(ctx context.Context, received counterlink.Received) (bool, error) {
	if !received.Redelivered || !events.ValidID(received.Claim.Id) {
		return false, nil
	}
	head, err := r.Log.Load(ctx, events.KindApproval, received.Claim.Id)
	if err != nil {
		return false, fmt.Errorf("looking up whether a claim of counter %s waits for a second officer: %w", received.Claim.Counter, err)
	}
	return head.Revision > 0, nil
}

// outcomes are the words of a decision with their events.
var outcomes = map[string]func(a *attempt, h eventlog.Head) (events.Body, error){
	lifecycle.ApprovalApproved: func(a *attempt, _ eventlog.Head) (events.Body, error) {
		return &events.ApprovalGiven{Officer: a.claim.Officer, Counter: a.claim.Counter}, nil
	},
	lifecycle.ApprovalRefused: func(a *attempt, h eventlog.Head) (events.Body, error) {
		b := &events.ApprovalRefused{Officer: a.claim.Officer, Counter: a.claim.Counter}
		why := a.personal.GetWhy()
		if why == "" {
			return b, nil
		}
		var err error
		b.SealedWhy, err = dossier.Sealer{Vault: a.Vault, Subscriber: a.claim.GetApprovalDecided().GetApproval(), Revision: h.Revision + 1}.Remark(why)
		return b, err
	},
	lifecycle.ApprovalWithdrawn: func(a *attempt, _ eventlog.Head) (events.Body, error) {
		return &events.ApprovalWithdrawn{Officer: a.claim.Officer}, nil
	},
}

// decideApproval records an officer's decision on another's act and, if it is approved, carries the act out as if it had waited
// at the counter. Both are repeatable, so a crash between them loses nothing.
func (a *attempt) decideApproval(ctx context.Context, d *events.ApprovalDecided) error {
	if !events.ValidID(d.Approval) || outcomes[d.Outcome] == nil {
		return unfit("the decision names no act that waits, or says neither approved nor refused nor withdrawn")
	}
	if d.Outcome == lifecycle.ApprovalApproved {
		if _, _, err := a.asked(ctx, d.Approval); err != nil {
			return err // nobody approves what can't be carried out: what waited was erased
		}
	}
	outcome, err := a.Log.Update(ctx, events.KindApproval, d.Approval, a.envelope(), func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeApproval(h.State)
		if err != nil {
			return nil, err
		}
		if err := a.mayDecide(state, d, h.Now); err != nil {
			return nil, err
		}
		body, err := outcomes[d.Outcome](a, h)
		if err != nil {
			return nil, err
		}
		e := events.New(body)
		e.FiledMs = a.filed.UnixMilli()
		return []*events.Event{e}, nil
	})
	if err != nil {
		return err
	}
	if err := a.Directory.Learn(events.KindApproval, d.Approval, outcome.Commit); err != nil {
		return err
	}
	if d.Outcome != lifecycle.ApprovalApproved {
		return nil
	}
	if a.received.Enrolment.Role == consoleRole {
		a.carryOutOnce(ctx, d.Approval)
		return nil
	}
	return a.carryOut(ctx, d.Approval)
}

// giveUpWaiting withdraws what waits for a second officer in a procedure that is dropped: nobody may approve it any more.
func (a *attempt) giveUpWaiting(ctx context.Context) error {
	if a.claim.GetApplicationDropped() == nil {
		return nil
	}
	for _, open := range a.Directory.Approvals() {
		if open.Procedure != a.claim.Procedure || open.Office != a.claim.Office {
			continue
		}
		env := a.envelope()
		env.CommandID, env.Counter, env.Redelivered = "dropped/"+open.ID, "", true
		err := a.endWaiting(ctx, open.ID, env, &events.ApprovalWithdrawn{Officer: a.claim.Officer})
		if err != nil {
			return err
		}
	}
	return nil
}

// joiningAct is the act of joining two histories.
const joiningAct = "joining"

// mayDecide returns why this officer does not decide on that act, or nil.
func (a *attempt) mayDecide(s *events.ApprovalState, d *events.ApprovalDecided, now time.Time) error {
	same := s.GetOfficer() == a.claim.Officer
	switch {
	case s.GetRevision() == 0 || s.GetOffice() != a.claim.Office:
		return unfit("the decision is about an act that nobody of this office has asked for")
	case !bytes.Equal(s.GetDigest(), d.Digest):
		return unfit("the decision is about other bytes than the act that waits")
	case s.GetOutcome() != "" || !now.Before(time.UnixMilli(s.GetLapsesMs())):
		return unfit("the act no longer waits: it was decided on, or nobody did in time")
	case d.Outcome == lifecycle.ApprovalApproved && s.GetAct() == joiningAct && a.received.Enrolment.Role == consoleRole:
		return unfit("two histories are joined by an officer who has seen both, which the console does not show: approve at a counter")
	case d.Outcome == lifecycle.ApprovalWithdrawn && !same:
		return unfit("only the officer who asked withdraws")
	case d.Outcome != lifecycle.ApprovalWithdrawn && same:
		return &refusedError{officer.SamePerson}
	case d.Outcome != lifecycle.ApprovalWithdrawn && a.signer != nil && !slices.Contains(a.signer.Roles, officer.DeciderOf(s.GetAct())):
		return &refusedError{officer.NotAllowed}
	}
	return nil
}

// asked returns the act that was asked for, and its approval's history.
func (a *attempt) asked(ctx context.Context, approval string) (*attempt, []eventlog.Record, error) {
	history, err := a.history(ctx, eventlog.Record{Kind: events.KindApproval, ID: approval})
	if err != nil {
		return nil, nil, err
	}
	original, err := a.waiting(history)
	return original, history, err
}

// given returns who has approved by an approval's history. The log answers a decision under the id of an earlier command with that
// command's commit, so that it was taken says nothing.
func given(history []eventlog.Record) (release, error) {
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			if b := e.GetApprovalGiven(); b != nil {
				return release{b.Officer, events.ActorKind_ACTOR_KIND_CLERK, r.Commit.Proof}, nil
			}
		}
	}
	return release{}, unfit("the decision has the id of another one, and nobody has approved")
}

// carryOut decides the claim that waited, now that a second officer approves. It is judged as of its own receipt.
func (a *attempt) carryOut(ctx context.Context, approval string) error {
	original, history, err := a.asked(ctx, approval)
	if err != nil {
		return err
	}
	by, err := given(history)
	if err != nil {
		return err
	}
	// What came to nothing before stays so, even if it could be carried out now: people resolve it. A claim that was held waits like
	// any other once it is released.
	if done, err := a.asidePut(ctx, original.received.Signed, func(e *events.Event) bool { return e.GetFactQuarantined() != nil }); done || err != nil {
		return err
	}
	original.released = &by
	err = original.decideAnew(ctx)
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		return original.refuse(ctx, refused.reason)
	}
	if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
		return Quarantine(ctx, a.Log, a.Vault, quarantined(original.received, err))
	}
	return err
}

// waiting returns the act of an approval's history as it was received, with its claim verified anew.
func (a *attempt) waiting(history []eventlog.Record) (*attempt, error) {
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			if asked := e.GetApprovalAsked(); asked != nil {
				return a.again(r, e, asked)
			}
		}
	}
	return nil, unfit("nobody has asked for the act")
}

func (a *attempt) again(r eventlog.Record, e *events.Event, asked *events.ApprovalAsked) (*attempt, error) {
	signed, err := a.Vault.Open(events.SealedFor(r.ID, asked), vault.Binding{ID: r.ID, Revision: r.Commit.Revision, Field: vault.ApprovalField}, asked.SealedClaim)
	if err != nil {
		return nil, err
	}
	for _, counter := range a.Directory.CounterAt(asked.Counter, time.UnixMilli(e.RecordedMs)) {
		claim, hash, err := counterlink.VerifyClaim(counter.PublicKey, signed)
		if err != nil || claim.GetId() != r.ID {
			continue
		}
		original := &attempt{
			RA: a.RA, claim: claim, act: officer.ActOf(claim), proof: r.Commit.Proof,
			received: counterlink.Received{Claim: claim, Signed: signed, Hash: hash, Enrolment: enrolmentOf(counter), Redelivered: true},
			receipt:  receipt{filed: time.UnixMilli(e.FiledMs), evidence: r.Commit.Receipt},
		}
		if e.EnteredMs != 0 {
			original.entered = time.UnixMilli(e.EnteredMs)
		}
		return original, nil
	}
	return nil, unfit("the act that waited can't be read any more")
}

func enrolmentOf(c directory.Counter) counterlink.Enrolment {
	return counterlink.Enrolment{Office: c.Office, PublicKey: c.PublicKey, SealKey: c.SealKey, Role: c.Role, HostName: c.HostName, Since: c.Since}
}

// lapseEvery is how often acts that wait are looked at; they are in memory.
const lapseEvery = time.Second

// lapse ends acts that nobody has approved in time, and carries out what two operators have ordered, until ctx ends.
func (r *RA) lapse(ctx context.Context) {
	for wait.For(ctx, lapseEvery) == nil {
		if err := r.EndLapsed(ctx); err != nil && ctx.Err() == nil {
			r.Logger.Error("acts that nobody approved in time could not be ended, trying again", "error", err)
		}
		if err := r.CarryOutOrders(ctx); err != nil && ctx.Err() == nil {
			r.Logger.Error("what two operators ordered could not be carried out, trying again", "error", err)
		}
	}
}

// EndLapsed records the end of every act that nobody has approved in time, and carries out what was approved at the console when
// that was interrupted.
func (r *RA) EndLapsed(ctx context.Context) error {
	r.carryOutGiven(ctx)
	var failed error
	for _, open := range r.Directory.Approvals() {
		if !r.Clock().Before(open.Lapses) {
			failed = errors.Join(failed, r.endApproval(ctx, open.ID))
		}
	}
	return failed
}

func (r *RA) endApproval(ctx context.Context, id string) error {
	return r.endWaiting(ctx, id, ofRA("lapse/"+id), &events.ApprovalLapsed{}, regime.ApprovalLapsed)
}

// endWaiting records the end of an act that still waits.
func (r *RA) endWaiting(ctx context.Context, id string, env eventlog.Envelope, end events.Body, rules ...string) error {
	outcome, err := r.Log.Update(ctx, events.KindApproval, id, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeApproval(h.State)
		if err != nil || state.Outcome != "" {
			return nil, err
		}
		return []*events.Event{events.New(end, rules...)}, nil
	})
	if err != nil {
		return err
	}
	return r.Directory.Learn(events.KindApproval, id, outcome.Commit)
}

// AnswerApprovals returns the acts of the asking counter's office that wait for a second officer and, if the question names one,
// what was claimed. It records that the person's record was opened.
func (r *RA) AnswerApprovals(ctx context.Context, q counterlink.ApprovalRequest) (counterlink.Waiting, error) {
	found := counterlink.Waiting{Open: r.waitingAt(q.Office, q.Approval)}
	if q.Approval == "" || len(found.Open) == 0 {
		return found, nil
	}
	return r.openWaiting(ctx, found, func(person string) error {
		return r.recordOpened(ctx, q.Asker, openedForSecond, person)
	})
}

// openedForSecond is the purpose of a look at an act that waits.
const openedForSecond = "act opened for a second officer"

// waitingAt returns the acts of an office that wait for a second officer: all, or the one with an id.
func (r *RA) waitingAt(office, id string) (list []*events.OpenApproval) {
	for _, open := range r.Directory.Approvals() {
		if open.Office != office || id != "" && open.ID != id {
			continue
		}
		list = append(list, open.Open())
	}
	return list
}

// openWaiting adds to the one act in found what was claimed, once record has recorded that the person's record is opened. Nothing
// is returned of an act that nobody can approve any more.
func (r *RA) openWaiting(ctx context.Context, found counterlink.Waiting, record func(person string) error) (counterlink.Waiting, error) {
	a := &attempt{RA: r, claim: &events.Claim{}}
	waiting, history, err := a.asked(ctx, found.Open[0].Id)
	if errors.Is(err, vault.ErrErased) {
		return counterlink.Waiting{}, nil
	}
	if err != nil {
		return found, err
	}
	if person := history[0].Commit.Events[0].GetApprovalAsked().GetSubscriber(); person != "" {
		if err := record(person); err != nil {
			return found, err
		}
	}
	found.Personal, err = counterlink.OpenPersonal(r.SealKey, waiting.claim)
	found.Claim = proto.CloneOf(waiting.claim)
	found.Claim.Sealed, found.Claim.Act, found.Claim.Assertion = nil, nil, nil
	return found, err
}
