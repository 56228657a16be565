package ra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/officer"
	"shomei/pkg/vault"
)

// consoleRole is the role of what officers claim at the console. No source of claims is enrolled with it: the console has no key by
// which claims are believed. It carries the code of an invitation, or what an officer has signed there.
const consoleRole = "console"

// Filed says what became of a claim from the console.
type Filed struct {
	// Refused is why nothing came of it; empty: it was done.
	Refused officer.Reason `json:"refused,omitempty"`
	// Opened is what an officer wanted to see, sealed to the key in the claim.
	Opened []byte `json:"opened,omitempty"`
}

// Errors of FileAtConsole.
var (
	// ErrUnfit: the claim can't be carried out; what it is about no longer waits, or it is none that a console may make.
	ErrUnfit = errors.New("the claim can't be carried out")
	// ErrTooMany: too many claims of the console were refused lately, which its pages would have refused by themselves.
	ErrTooMany = errors.New("too many claims of the console were refused; later ones are judged again")
)

// Whoever has the console's credentials could have a commit written for each wrong code: the console itself asks for nothing that
// it knows to be wrong.
const (
	refusedAtOnce = 30
	refusedEvery  = 2 * time.Minute
)

// staleAfter is how long after it was made a claim of the console counts: the time for a touch, and as much as clocks may differ.
const staleAfter = 2*time.Minute + counterlink.ClockTolerance

// atConsole is what the registration authority remembers of the console's claims.
type atConsole struct {
	refused *rate.Limiter

	mu sync.Mutex
	// carried are the acts that this process has carried out after an approval at the console.
	carried map[string]bool
}

func newAtConsole() *atConsole {
	return &atConsole{refused: rate.NewLimiter(rate.Every(refusedEvery), refusedAtOnce), carried: map[string]bool{}}
}

// FileAtConsole decides on an encoded claim from the console: an offered passkey, a decision on an act that waits, or the wish to
// see one. Errors, besides those of the log: ErrUnfit, ErrTooMany.
func (r *RA) FileAtConsole(ctx context.Context, encoded []byte) (Filed, error) {
	if r.console.refused.Tokens() < 1 {
		return Filed{}, ErrTooMany
	}
	done, err := r.fileAtConsole(ctx, encoded)
	if done.Refused != "" || errors.Is(err, ErrUnfit) {
		r.console.refused.Allow()
	}
	return done, err
}

func (r *RA) fileAtConsole(ctx context.Context, encoded []byte) (Filed, error) {
	claim, err := events.DecodeClaim(encoded)
	if err == nil {
		err = r.fitsConsole(claim)
	}
	if err != nil {
		return Filed{}, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	if claim.Assertion == nil && claim.GetPasskeyOffered() == nil {
		return Filed{Refused: officer.Unsigned}, nil // even in a trial: who is signed in there proves nothing here
	}
	a := &attempt{RA: r, claim: claim, received: counterlink.Received{
		Claim: claim, Signed: encoded, Enrolment: counterlink.Enrolment{Office: claim.Office, Role: consoleRole}, Redelivered: true,
	}}
	err = a.decide(ctx)
	var refused *refusedError
	var unfit *unfitError
	switch {
	case errors.As(err, &refused):
		return Filed{Refused: refused.reason}, a.noteRefused(ctx, refused.reason)
	case errors.As(err, &unfit):
		return Filed{}, fmt.Errorf("%w: %w", ErrUnfit, err)
	}
	return Filed{Refused: a.declined, Opened: a.opened}, err
}

// fitsConsole returns why a claim is none of the console's, or nil.
func (r *RA) fitsConsole(c *events.Claim) error {
	made := time.UnixMilli(c.FiledMs)
	_, known := r.Directory.Offices()[c.Office]
	switch age := r.Clock().Sub(made); {
	case r.ConsoleName == "":
		return errors.New("officers sign in at no console here: name of [sign_in], or console_name of [hub], is not set")
	case c.Counter != "" || c.Number != 0 || c.SecondOfficer != "":
		return errors.New("the claim says that it comes from a counter")
	case !known:
		return errors.New("the claim names no office")
	case age > staleAfter || age < -counterlink.ClockTolerance:
		return errors.New("the claim was made too long ago, or the clocks differ")
	}
	return nil
}

// sites lists the relying parties whose passkeys are believed where the claim was made.
func (a *attempt) sites() []string {
	switch from := a.received.Enrolment; {
	case from.Role == consoleRole:
		return []string{a.ConsoleName}
	case from.Role == "counter" && from.HostName != "" && from.HostName != a.ConsoleName:
		return []string{officer.Counters, from.HostName}
	}
	return []string{officer.Counters}
}

// siteKind returns the kind of one of sites.
func (a *attempt) siteKind(relyingParty string) officer.SiteKind {
	switch {
	case a.received.Enrolment.Role == consoleRole:
		return officer.AtConsole
	case relyingParty == officer.Counters:
		return officer.AtCounter
	}
	return officer.AtCounterHost
}

// open shows an officer who may decide on an act that waits what it is. That it was opened is recorded first.
func (a *attempt) open(ctx context.Context, asked *events.ApprovalOpened) error {
	to, err := counterlink.ParseSealPublicKey(asked.SealKey)
	if err != nil {
		return unfit("the claim has no key to seal to: %v", err)
	}
	found := counterlink.Waiting{Open: a.waitingAt(a.claim.Office, asked.Approval)}
	if asked.Approval == "" || len(found.Open) != 1 {
		return errNoLonger
	}
	if a.signer == nil || !slices.Contains(a.signer.Roles, officer.DeciderOf(found.Open[0].Act)) {
		return &refusedError{officer.NotAllowed}
	}
	found, err = a.openWaiting(ctx, found, a.recordAtConsole(ctx))
	if err != nil {
		return err
	}
	if found.Claim == nil {
		return errNoLonger
	}
	a.opened, err = counterlink.SealWaiting(to, a.claim.Id, found)
	return err
}

var errNoLonger = unfit("the act no longer waits at this office")

// recordAtConsole returns what records that the claim's officer opens a person's record.
func (a *attempt) recordAtConsole(ctx context.Context) func(person string) error {
	env := a.envelope()
	env.CommandID, env.Redelivered = "person/"+env.CommandID, true // the same question, sent again, opens nothing
	return func(person string) error {
		return access.Record(ctx, a.Log, a.Vault, env, access.ID(access.Console, a.claim.Officer), nil, &events.RecordOpened{
			Subscriber: person, Purpose: openedForSecond, RecordClasses: []string{vault.Identity}, Place: access.Console,
		})
	}
}

// carryOutOnce carries out an act that was approved at the console. The console does not ask again, so what fails is tried on
// (carryOutGiven).
func (r *RA) carryOutOnce(ctx context.Context, approval string) {
	r.console.mu.Lock()
	defer r.console.mu.Unlock()
	if r.console.carried[approval] {
		return
	}
	a := &attempt{RA: r, claim: &events.Claim{}}
	err := a.carryOut(ctx, approval)
	var never *unfitError
	switch {
	case errors.As(err, &never), errors.Is(err, vault.ErrErased), errors.Is(err, vault.ErrMissing), eventlog.Unreadable(err):
		r.Logger.Error("an act that was approved at the console can't be carried out: inspect it with shomei log", "approval", approval, "error", err)
	case err != nil:
		r.Logger.Error("an act that was approved at the console could not be carried out, trying again", "approval", approval, "error", err)
		return
	}
	r.console.carried[approval] = true
}

// carryOutGiven carries out what was approved at the console and not carried out since, by this process: twice is as once.
func (r *RA) carryOutGiven(ctx context.Context) {
	for _, id := range r.Directory.GivenAtConsole(r.Clock().Add(-carriedWithin)) {
		r.carryOutOnce(ctx, id)
	}
}

// carriedWithin is how far back a process that starts looks for approvals that another could not carry out.
const carriedWithin = 7 * 24 * time.Hour
