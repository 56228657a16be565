package hub

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/officer"
	"shomei/pkg/signin"
	"shomei/services/console"
	"shomei/services/ra"
)

// SignInAt returns how officers sign in to a console under a host name, by the passkeys that the directory knows, and by accounts
// unless those are nil.
func (p *Parts) SignInAt(name string, accounts *console.Accounts) *console.SignIn {
	if accounts != nil {
		accounts.ByIdentity = func(hash []byte) (officer.Officer, error) { return p.Directory.OfficerByIdentity(hash, p.Clock.Now()) }
	}
	return &console.SignIn{
		Accounts: accounts,
		Name:     name,
		Find: func(credential []byte) (officer.Officer, error) {
			return p.Directory.OfficerByKey(credential, p.Clock.Now())
		},
		ByCode:       func(code string) (officer.Officer, error) { return p.Directory.OfficerByCode(code, p.Clock.Now()) },
		Invited:      func(hash []byte) (officer.Officer, error) { return p.Directory.OfficerInvited(hash, p.Clock.Now()) },
		Municipality: func(office string) string { return p.Directory.Offices()[office].GetMunicipality() },
		PasswordsAllowed: func(office string) bool {
			return p.Directory.OfficersOf(office, p.Directory.OfficersTime(p.Clock.Now())).Passwords()
		},
		Trial:    p.Directory.Trial,
		Offer:    p.offerAtConsole,
		Waiting:  p.waitingAtConsole,
		Opening:  p.openingAtConsole,
		Deciding: p.decidingAtConsole,
	}
}

// waitingAtConsole returns the acts that wait for a second officer.
func (p *Parts) waitingAtConsole() (list []console.Waiting) {
	for _, a := range p.Directory.Approvals() {
		list = append(list, console.Waiting{Office: a.Office, OpenApproval: a.Open()})
	}
	return list
}

// openingAtConsole prepares an officer's wish to see what waits. It is sealed to a key of this question alone.
func (p *Parts) openingAtConsole(who officer.Officer, w console.Waiting) (console.Act, error) {
	key, err := counterlink.NewSealKey()
	if err != nil {
		return console.Act{}, err
	}
	claim, err := p.consoleClaim(w.Office, who.Code, nil)
	if err != nil {
		return console.Act{}, err
	}
	claim.Fact = &events.Claim_ApprovalOpened{ApprovalOpened: &events.ApprovalOpened{Approval: w.GetId(), SealKey: key.PublicKey().Bytes()}}
	return p.actAtConsole(claim, func(opened []byte) (console.Shown, error) {
		shown, err := counterlink.OpenWaiting(key, claim.Id, opened)
		return console.Shown{Claim: shown.Claim, Personal: shown.Personal}, err
	})
}

// decidingAtConsole prepares an officer's decision on what waits.
func (p *Parts) decidingAtConsole(who officer.Officer, w console.Waiting, outcome, why string) (console.Act, error) {
	var personal *events.Personal
	if why != "" {
		personal = &events.Personal{Why: why}
	}
	claim, err := p.consoleClaim(w.Office, who.Code, personal)
	if err != nil {
		return console.Act{}, err
	}
	claim.Procedure = claim.Id
	claim.Fact = &events.Claim_ApprovalDecided{ApprovalDecided: &events.ApprovalDecided{Approval: w.GetId(), Digest: w.GetDigest(), Outcome: outcome}}
	return p.actAtConsole(claim, func([]byte) (console.Shown, error) { return console.Shown{}, nil })
}

// actAtConsole fixes a claim, so that an officer can sign it; read reads what the registration authority shows.
func (p *Parts) actAtConsole(claim *events.Claim, read func(opened []byte) (console.Shown, error)) (console.Act, error) {
	act, err := events.ActOf(claim)
	if err != nil {
		return console.Act{}, err
	}
	return console.Act{Challenge: events.ActChallenge(act), File: func(ctx context.Context, signature *events.Assertion) (console.Shown, error) {
		claim.Act, claim.Assertion = act, signature
		opened, err := p.fileAtConsole(ctx, claim)
		if errors.Is(err, ErrRefused) {
			err = errors.Join(console.ErrUnfit, err)
		}
		if err != nil {
			return console.Shown{}, err
		}
		return read(opened)
	}}, nil
}

// consoleClaim returns what an officer claims at the console, with what is personal sealed. No counter stands behind it.
func (p *Parts) consoleClaim(office, code string, personal *events.Personal) (*events.Claim, error) {
	now := p.Clock.Now().UnixMilli()
	c := &events.Claim{Id: uuid.NewString(), Office: office, Officer: code, CausedMs: now, FiledMs: now}
	if personal == nil {
		return c, nil
	}
	var err error
	c.Sealed, err = counterlink.SealPersonal(p.keys.sealPublic, c.Id, personal)
	return c, err
}

// offerAtConsole has the registration authority enrol a passkey for the console. The error may be an officer.Reason.
func (p *Parts) offerAtConsole(ctx context.Context, who officer.Officer, code string, key signin.NewKey) error {
	claim, err := p.consoleClaim(who.Home, who.Code, &events.Personal{Code: code})
	if err != nil {
		return err
	}
	claim.Fact = &events.Claim_PasskeyOffered{PasskeyOffered: &events.PasskeyOffered{
		Officer: who.Code, Credential: key.Credential, PublicKey: key.PublicKey, RelyingParty: key.RelyingParty, Aaguid: key.AAGUID,
	}}
	_, err = p.fileAtConsole(ctx, claim)
	return err
}

// fileAtConsole has the registration authority decide on a claim from the console, in this process or in its own, and returns what it
// shows. Errors: an officer.Reason, and ErrRefused if the claim can't be carried out.
func (p *Parts) fileAtConsole(ctx context.Context, claim *events.Claim) (opened []byte, err error) {
	encoded, err := events.EncodeClaim(claim)
	if err != nil {
		return nil, err
	}
	var done ra.Filed
	if p.RA != nil {
		done, err = p.decideAtConsole(ctx, encoded)
	} else {
		done, err = ask[ra.Filed](ctx, p, consoleSubject, encoded)
	}
	if err == nil && done.Refused != "" {
		err = done.Refused
	}
	return done.Opened, err
}

func (p *Parts) decideAtConsole(ctx context.Context, claim []byte) (ra.Filed, error) {
	done, err := p.RA.FileAtConsole(ctx, claim)
	if errors.Is(err, ra.ErrUnfit) {
		err = refuse("%v", err)
	}
	return done, err
}
