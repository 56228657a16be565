package ra

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/officer"
	"shomei/pkg/regime"
)

// refusedError: nobody who may do a claim's act has signed it.
type refusedError struct{ reason officer.Reason }

func (e *refusedError) Error() string {
	rule, _ := regime.Lookup(regime.OfficerRefused(string(e.reason)))
	return fmt.Sprintf("the officer is not believed (%s): %s", string(e.reason), rule.EN)
}

// refuse records that somebody tried to act as an officer, and puts the claim aside: in this order, so that a claim that comes
// again has left its trace.
func (a *attempt) refuse(ctx context.Context, reason officer.Reason) error {
	c := a.claim
	a.Logger.Warn("claim put aside, its officer is not believed", "claim", c.Id, "counter", c.Counter, "reason", string(reason))
	if err := a.noteRefused(ctx, reason); err != nil {
		return err
	}
	return Quarantine(ctx, a.Log, a.Vault, counterlink.Quarantined{
		ID: a.signedID(), Counter: c.Counter, Number: c.Number, Signed: a.received.Signed, Why: &refusedError{reason},
	})
}

// signedID names the claim as it was received.
func (a *attempt) signedID() string { return hex.EncodeToString(events.Hash(a.received.Signed)) }

// noteRefused records at the claim's office that somebody tried to act as an officer.
func (a *attempt) noteRefused(ctx context.Context, reason officer.Reason) error {
	c := a.claim
	env := eventlog.Envelope{
		CommandID: "sign-in-refused/" + a.signedID(), CausationID: c.Id, Office: c.Office, Redelivered: a.received.Redelivered,
		Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "ra"},
	}
	outcome, err := a.Log.Update(ctx, events.KindOffice, c.Office, env, func(eventlog.Head) ([]*events.Event, error) {
		e := events.New(&events.SignInRefused{Officer: c.Officer, Counter: c.Counter, Claim: c.Id, Reason: string(reason)})
		e.CausedMs, e.FiledMs = c.CausedMs, a.madeAt().UnixMilli()
		return []*events.Event{e}, nil
	})
	if err != nil {
		return fmt.Errorf("recording that officer %s is not believed: %w", c.Officer, err)
	}
	return a.Directory.Learn(events.KindOffice, c.Office, outcome.Commit)
}

// judgeOfficer judges who has acted: a signature that is there must hold, and one that must be there is. Whoever may have been
// enrolled a moment ago, by another process, is looked up again.
func (a *attempt) judgeOfficer(ctx context.Context) error {
	if a.released != nil {
		return a.judgeAsker(ctx)
	}
	a.act = a.actOf()
	if a.claim.GetAssertion() == nil {
		if a.mustSign() {
			return a.disbelieve(ctx, officer.Unsigned)
		}
		return nil
	}
	err := a.verifySigned()
	if err != nil {
		if err := a.Directory.Refresh(ctx, a.Log); err != nil {
			return err
		}
		err = a.verifySigned()
	}
	return a.disbelieve(ctx, err)
}

// judgeAsker judges whose act a second officer has approved. It was judged when it was received; an officer who was retired since, or
// whose passkey was given up, does nothing any more.
func (a *attempt) judgeAsker(ctx context.Context) error {
	if a.proof == nil {
		return nil
	}
	_, _, err := a.signerAt(a.Clock())
	return a.disbelieve(ctx, err)
}

// disbelieve returns a *refusedError for the reason why the claim's officer is not believed. A claim that comes again was judged
// already if it was decided, and what has changed since is no reason against it.
func (a *attempt) disbelieve(ctx context.Context, err error) error {
	var reason officer.Reason
	if !errors.As(err, &reason) {
		return err
	}
	if done, err := a.wasDecided(ctx); done || err != nil {
		return err
	}
	return &refusedError{reason}
}

// wasDecided reports whether a redelivered claim has led to a commit where it is decided.
func (a *attempt) wasDecided(ctx context.Context) (bool, error) {
	if !a.received.Redelivered {
		return false, nil
	}
	kind, id := events.KindSubscriber, a.subscriber
	switch decision := a.claim.GetApprovalDecided(); {
	case decision != nil:
		kind, id = events.KindApproval, decision.Approval
	case a.claim.GetApprovalOpened() != nil:
		return false, nil
	case isAboutOfficers(a.claim):
		kind, id = events.KindOffice, a.claim.Office
	}
	if !events.ValidID(id) {
		return false, nil
	}
	outcome, err := a.Log.Update(ctx, kind, id, a.envelope(), func(eventlog.Head) ([]*events.Event, error) { return nil, nil })
	return outcome.Repeated, err
}

// actOf returns which act the claim is. To invite somebody who has or had a passkey is more than to invite somebody new: it lets
// another in, in that officer's name.
func (a *attempt) actOf() officer.Act {
	act := officer.ActOf(a.claim)
	if made := a.claim.GetInvitationMade(); made != nil {
		invited, err := a.Directory.OfficersOf(a.claim.Office, a.Clock()).Officer(made.Officer)
		if err == nil && invited.HadKey() {
			act, _ = officer.ActNamed(officer.Recovery)
		}
	}
	return act
}

// mustSign reports whether the claim counts for nothing without an officer's signature. At counters and at the telephone desk
// that is so when their office requires it; claims about officers, approvals, and joinings need one everywhere.
func (a *attempt) mustSign() bool {
	role := a.received.Enrolment.Role
	switch {
	case !a.act.Signed() || a.claim.GetPasskeyOffered() != nil || a.Directory.Trial():
		return false
	case isAboutOfficers(a.claim) || a.claim.GetApprovalDecided() != nil || a.claim.GetApprovalOpened() != nil:
		return true
	case a.claim.GetHistoriesJoined() != nil:
		return true // it can't be undone, and ends certificates of any office's residents
	}
	return (role == "counter" || role == "telephone") && (a.requires(a.claim.Office) || a.movedBefore() && a.requires(a.received.Enrolment.Office))
}

// requires reports whether an office requires signatures on the day of receipt.
func (a *attempt) requires(office string) bool {
	return a.Directory.OfficersOf(office, a.Clock()).RequiredOn(civil.Of(a.filed))
}

// movedBefore reports whether the claim names an office that its counter had left when the claim was made.
func (a *attempt) movedBefore() bool {
	for _, c := range a.Directory.CounterAt(a.claim.Counter, a.madeAt()) {
		if c.Office == a.claim.Office {
			return false
		}
	}
	return true
}

// madeAt returns when the claim was made and signed. A time of receipt that a clerk has entered by hand is earlier.
func (a *attempt) madeAt() time.Time {
	made := a.filed
	if !a.entered.IsZero() {
		made = a.entered
	}
	return made
}

// verifySigned checks the claim's signature and the right to make it: as of the time when it was made, and of now, so that who
// has retired meanwhile can't have made it earlier at a counter that was away. Errors: officer.Reason.
func (a *attempt) verifySigned() error {
	now := a.Clock()
	made := a.madeAt().Add(counterlink.ClockTolerance) // the counter's clock may be slow
	if made.After(now) {
		made = now
	}
	signer, key, err := a.signerAt(made)
	if err != nil {
		return err
	}
	if _, _, err := a.signerAt(now); err != nil {
		return err
	}
	if err := signer.InTerm(civil.Of(a.filed)); err != nil {
		return err
	}
	switch {
	case !a.act.May(signer.Roles):
		return officer.NotAllowed
	case key.Software && !a.Directory.Trial():
		return officer.Software
	case !slices.Contains(a.sites(), key.RelyingParty):
		return officer.OtherOrigin // or whoever runs one site could use what is signed there at another
	}
	if err := officer.Verify(a.claim.Assertion, events.ActChallenge(a.claim.Act), key); err != nil {
		return err
	}
	if a.claim.SecondOfficer != "" {
		return unfit("a signed claim names a second officer, who signs for themselves")
	}
	if applied := a.claim.GetApplicationReceived(); applied != nil && applied.Special != (a.circumstances() != "") {
		return officer.OtherBytes // the officer has signed whether there are any
	}
	a.signer, a.proof = &signer, proofOf(a.claim)
	return nil
}

// signerAt returns the officer who acts under the claim's code, and the passkey of its signature, as of a moment.
func (a *attempt) signerAt(at time.Time) (officer.Officer, officer.Passkey, error) {
	found, err := a.Directory.OfficerAt(a.claim.Office, a.claim.Officer, at)
	if err != nil {
		return found, officer.Passkey{}, err
	}
	if found.Retired {
		return found, officer.Passkey{}, officer.Retired
	}
	key, err := found.Key(a.claim.Assertion.GetCredential())
	return found, key, err
}

func proofOf(c *events.Claim) *events.ActProof {
	a := c.GetAssertion()
	return &events.ActProof{
		Act: c.Act, Credential: a.Credential, AuthenticatorData: a.AuthenticatorData, ClientData: a.ClientData, Signature: a.Signature,
	}
}
