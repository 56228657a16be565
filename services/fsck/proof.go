package fsck

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
)

// checkProofs checks that what officers are said to have signed is theirs, and is what the commit came from.
func (c *check) checkProofs(commit *events.Commit, where string) {
	if c.directory == nil {
		return
	}
	if p := commit.GetProof(); p != nil {
		act, err := c.signed(p, commit.GetActor(), moments(commit))
		if err == nil && (act.GetId() != commit.CausationId || act.GetOffice() != commit.Office) {
			err = errors.New("it is another claim")
		}
		if err != nil {
			c.report.add(where, nextForged, "what officer %s is said to have signed does not hold: %v", commit.GetActor().GetId(), err)
		}
	}
	c.checkApproved(commit, where)
	if p := commit.GetSecondProof(); p != nil {
		act, err := c.signed(p, commit.GetSecondOfficer(), decided(p, commit))
		if err == nil {
			err = approves(act, commit)
		}
		if err != nil {
			c.report.add(where, nextForged, "what the second officer %s is said to have signed does not hold: %v", commit.GetSecondOfficer().GetId(), err)
		}
	}
}

// approves returns why what a second officer has signed is no approval of what the first one has; nil: it is.
func approves(act *events.Claim, commit *events.Commit) error {
	d := act.GetApprovalDecided()
	switch {
	case d.GetOutcome() != lifecycle.ApprovalApproved:
		return errors.New("it is no approval")
	case d.GetApproval() != commit.CausationId, commit.GetProof() != nil && !bytes.Equal(d.GetDigest(), events.Hash(commit.GetProof().GetAct())):
		return errors.New("it approves another act")
	case commit.GetSecondOfficer().GetId() == commit.GetActor().GetId():
		return errors.New("it is the first officer's")
	}
	return nil
}

// checkApproved checks that whoever is said to have approved an act has signed that.
func (c *check) checkApproved(commit *events.Commit, where string) {
	p := commit.GetProof()
	if p == nil {
		return
	}
	for _, e := range commit.Events {
		if e.GetApprovalGiven() == nil {
			continue
		}
		act, err := events.DecodeAct(p.GetAct()) // checkProofs reports an error
		if d := act.GetApprovalDecided(); err == nil && (d.GetOutcome() != lifecycle.ApprovalApproved || d.GetApproval() != commit.Id) {
			c.report.add(where, nextForged, "what officer %s is said to have approved is another act", commit.GetActor().GetId())
		}
	}
}

// signed returns the claim that a proof is about, if the actor had the key that signed it. The commit may itself be about the
// officer, and the counter's clock may have been slow, so more than one moment will do.
func (c *check) signed(p *events.ActProof, actor *events.Actor, at []time.Time) (act *events.Claim, err error) {
	act, err = events.DecodeAct(p.GetAct())
	if err != nil {
		return nil, err
	}
	if act.GetOfficer() != actor.GetId() {
		return nil, errors.New("it is another officer's")
	}
	for _, moment := range at {
		if err = c.signedAt(p, act, moment); err == nil {
			return act, nil
		}
	}
	return nil, err
}

// slowest is how slow a counter's clock may be unnoticed.
const slowest = 5 * time.Minute

// moments returns when a commit's claim may have been signed.
func moments(commit *events.Commit) []time.Time {
	if len(commit.Events) == 0 {
		return nil
	}
	e := commit.Events[0]
	recorded := time.UnixMilli(e.RecordedMs)
	made := time.UnixMilli(max(e.FiledMs, e.EnteredMs))
	slow := made.Add(slowest)
	switch {
	case e.FiledMs == 0: // the commit about a card that goes with the person's
		return []time.Time{recorded, recorded.Add(-time.Millisecond)}
	case slow.Before(recorded):
		return []time.Time{made, slow}
	}
	return []time.Time{made, recorded, recorded.Add(-time.Millisecond)}
}

// decided returns when a second officer may have signed, of which the commit says only that it was by then.
func decided(p *events.ActProof, commit *events.Commit) []time.Time {
	at := moments(commit)
	if act, err := events.DecodeAct(p.GetAct()); err == nil {
		at = append(at, time.UnixMilli(act.GetFiledMs()).Add(slowest))
	}
	if len(commit.Events) > 0 {
		recorded := time.UnixMilli(commit.Events[0].RecordedMs)
		at = append(at, recorded, recorded.Add(-time.Millisecond))
	}
	return at
}

func (c *check) signedAt(p *events.ActProof, act *events.Claim, at time.Time) error {
	found, err := c.directory.OfficerAt(act.GetOffice(), act.GetOfficer(), at)
	if err != nil {
		return err
	}
	key, err := found.Key(p.GetCredential())
	if err != nil {
		return err
	}
	if key.Software && !c.directory.Trial() {
		return officer.Software
	}
	err = officer.Verify(&events.Assertion{
		Credential: p.Credential, AuthenticatorData: p.AuthenticatorData, ClientData: p.ClientData, Signature: p.Signature,
	}, events.ActChallenge(p.Act), key)
	if err != nil {
		return fmt.Errorf("%s: %w", at.UTC().Format(time.RFC3339), err)
	}
	return nil
}
