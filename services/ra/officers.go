package ra

import (
	"context"
	"errors"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/intake"
	"shomei/pkg/officer"
	"shomei/pkg/regime"
)

// isAboutOfficers reports whether a claim is about the officers of its office, and about nobody's certificates.
func isAboutOfficers(c *events.Claim) bool {
	switch c.GetFact().(type) {
	case *events.Claim_OfficerProposed, *events.Claim_OfficerLeft, *events.Claim_InvitationMade, *events.Claim_PasskeyOffered,
		*events.Claim_PasskeyGivenUp, *events.Claim_SignaturesWanted, *events.Claim_FourEyesWanted, *events.Claim_PasswordsWanted,
		*events.Claim_SignInFailed:
		return true
	}
	return false
}

// aboutOfficers decides on a claim about the officers of its office. Who they are stands in the office's history, which the
// directory folds: it must have read as far as the decision's own place.
func (a *attempt) aboutOfficers(ctx context.Context) error {
	env := a.envelope()
	env.Redelivered = true // whoever has the counter's key may send a signed act again, long after; such acts are few
	return a.Directory.CaughtUp(ctx, a.Log, func() error {
		outcome, err := a.Log.Update(ctx, events.KindOffice, a.claim.Office, env, a.decideOfficers)
		if err != nil {
			return err
		}
		for _, e := range outcome.Commit.GetEvents() {
			a.declined = officer.Reason(e.GetOfficerClaimRefused().GetReason())
		}
		return a.Directory.Learn(events.KindOffice, a.claim.Office, outcome.Commit)
	})
}

func (a *attempt) decideOfficers(h eventlog.Head) ([]*events.Event, error) {
	if err := a.Directory.Behind(a.claim.Office, h.Revision); err != nil {
		return nil, err
	}
	change := officersChange{attempt: a, head: h, office: a.Directory.OfficersOf(a.claim.Office, h.Now)}
	body, err := change.decide()
	var reason officer.Reason
	var rules []string
	if errors.As(err, &reason) {
		rules = []string{regime.OfficerRefused(string(reason))}
		body, err = &events.OfficerClaimRefused{Officer: codeIn(a.claim), Reason: string(reason)}, nil
	}
	if err != nil || body == nil {
		return nil, err
	}
	var list []*events.Event
	for _, body := range append([]events.Body{body}, change.lost(body)...) {
		e := events.New(body, rules...)
		e.CausedMs, e.FiledMs = a.claim.CausedMs, a.filed.UnixMilli()
		if !a.entered.IsZero() {
			e.EnteredMs = a.entered.UnixMilli()
		}
		list = append(list, e)
	}
	return list, nil
}

// lost ends the passkeys of an officer who is invited anew: they are lost, and whoever has found them must not sign.
func (c officersChange) lost(body events.Body) (ends []events.Body) {
	b, ok := body.(*events.OfficerInvited)
	if !ok {
		return nil
	}
	invited, _ := c.office.Officer(b.Officer) // who is invited is known
	for _, key := range invited.Passkeys {
		if key.InForce() {
			ends = append(ends, &events.PasskeyRetired{Officer: b.Officer, Credential: key.Credential})
		}
	}
	return ends
}

// codeIn returns the officer whom a claim is about; "" if that is no code, and may be a name.
func codeIn(c *events.Claim) string {
	for _, fact := range []interface{ GetOfficer() string }{
		c.GetOfficerProposed(), c.GetOfficerLeft(), c.GetInvitationMade(), c.GetPasskeyOffered(), c.GetPasskeyGivenUp(), c.GetSignInFailed(),
	} {
		if code, err := events.ParseOfficer(fact.GetOfficer()); err == nil && code == fact.GetOfficer() {
			return code
		}
	}
	return ""
}

// officersChange is a claim about officers being decided on an office's newest state.
type officersChange struct {
	*attempt
	head   eventlog.Head
	office officer.Office
}

// decide returns the event. An officer.Reason is an answer: what is asked can't be done. A *refusedError means that the one who
// asks is not believed.
func (c officersChange) decide() (events.Body, error) {
	switch fact := c.claim.Fact.(type) {
	case *events.Claim_OfficerProposed:
		return c.asAdministrator(func() (events.Body, error) { return c.propose(fact.OfficerProposed) })
	case *events.Claim_OfficerLeft:
		return c.asAdministrator(func() (events.Body, error) { return c.left(fact.OfficerLeft.Officer) })
	case *events.Claim_InvitationMade:
		return c.asAdministrator(func() (events.Body, error) { return c.invite(fact.InvitationMade) })
	case *events.Claim_SignaturesWanted:
		return c.asAdministrator(func() (events.Body, error) { return c.require(fact.SignaturesWanted.From) })
	case *events.Claim_FourEyesWanted:
		return c.asAdministrator(func() (events.Body, error) { return c.choose(fact.FourEyesWanted) })
	case *events.Claim_PasswordsWanted:
		return c.asAdministrator(func() (events.Body, error) {
			return &events.PasswordsAllowed{Allowed: fact.PasswordsWanted.Allowed}, nil
		})
	case *events.Claim_PasskeyGivenUp:
		return c.giveUp(fact.PasskeyGivenUp)
	case *events.Claim_PasskeyOffered:
		return c.offer(fact.PasskeyOffered)
	case *events.Claim_SignInFailed:
		return c.signInFailed(fact.SignInFailed)
	}
	return nil, unfit("unknown fact %T", c.claim.Fact)
}

func (c officersChange) asAdministrator(do func() (events.Body, error)) (events.Body, error) {
	if err := c.administered(); err != nil {
		return nil, err
	}
	return do()
}

// administered returns why the claim's officer is not believed to administer the office. Of an unsigned claim, in a log that is a
// trial, only the code is known.
func (c officersChange) administered() error {
	who, err := c.office.Officer(c.claim.Officer)
	switch {
	case err != nil && c.signer != nil:
		return &refusedError{officer.NotAllowed} // an officer of another office
	case err != nil:
		return &refusedError{officer.Unknown}
	case who.Retired:
		return &refusedError{officer.Retired}
	case !slices.Contains(who.Roles, officer.Administrator):
		return &refusedError{officer.NotAllowed}
	}
	if c.signer == nil {
		return nil
	}
	if _, err := who.Key(c.claim.Assertion.GetCredential()); err != nil {
		return &refusedError{officer.UnknownKey}
	}
	return nil
}

// propose enrols an officer, or changes what one may do. An administrator lets an officer act at offices of the same municipality;
// at others the centre's operators do.
func (c officersChange) propose(p *events.OfficerProposed) (events.Body, error) {
	b := &events.OfficerEnrolled{
		Officer: p.Officer, Roles: p.Roles, Offices: p.Offices, From: p.From, Until: p.Until, Areas: p.Areas, IdentitySha256: p.IdentitySha256,
	}
	if err := officer.CheckEnrolment(b); err != nil {
		return nil, err
	}
	known := c.Directory.Offices()
	for _, office := range b.Offices {
		if known[office].GetMunicipality() != known[c.office.ID].GetMunicipality() || office == c.office.ID {
			return nil, officer.IllFormed
		}
	}
	if !c.mayShow(b) {
		return nil, officer.IllFormed
	}
	if c.Directory.CodeTaken(b.Officer, c.office.ID, b.Offices, c.head.Now) {
		return nil, officer.CodeTaken
	}
	name := c.personal.GetOfficerName()
	if len(intake.Text("officer_name", name, intake.NameLimit)) > 0 {
		return nil, officer.IllFormed
	}
	if name == "" {
		return b, nil
	}
	var err error
	b.SealedName, err = dossier.Sealer{Vault: c.Vault, Subscriber: c.office.ID, Revision: c.head.Revision + 1}.Remark(name)
	return b, err
}

// mayShow reports whether an administrator may let an officer look at areas: the office's municipality, and what the centre has
// let the officer look at.
func (c officersChange) mayShow(b *events.OfficerEnrolled) bool {
	former, _ := c.office.Officer(b.Officer) // the zero Officer has no areas
	own := c.Directory.Offices()[c.office.ID].GetMunicipality()
	return !slices.ContainsFunc(b.Areas, func(area string) bool { return area != own && !slices.Contains(former.Areas, area) })
}

func (c officersChange) left(code string) (events.Body, error) {
	if _, err := c.office.Standing(code); err != nil {
		return nil, err
	}
	return &events.OfficerRetired{Officer: code}, nil
}

// longestInvitation is how long an officer may be invited for.
const longestInvitation = 7 * 24 * time.Hour

func (c officersChange) invite(m *events.InvitationMade) (events.Body, error) {
	invited, err := c.office.Standing(m.Officer)
	until := time.UnixMilli(m.UntilMs)
	if c.released != nil { // the code is good from the approval on, as long as it was to be
		until = c.head.Now.Add(until.Sub(c.filed))
	}
	switch {
	case err != nil:
		return nil, err
	case invited.HadKey() && c.needsSecond():
		return nil, errNeedsSecond
	case invited.HadKey() && c.released == nil:
		return nil, officer.TwoNeeded // nobody has signed
	case len(m.CodeSha256) != len(events.Hash(nil)) || !until.After(c.head.Now) || until.After(c.head.Now.Add(longestInvitation)):
		return nil, officer.IllFormed
	}
	return &events.OfficerInvited{Officer: m.Officer, CodeSha256: m.CodeSha256, UntilMs: until.UnixMilli()}, nil
}

// require has officers sign from a day on, which can't be one of the past, nor waive what is in force.
func (c officersChange) require(from string) (events.Body, error) {
	day, err := civil.Parse(from)
	today := civil.Of(c.head.Now)
	switch {
	case err != nil || day.IsZero() || day.Before(today):
		return nil, officer.IllFormed
	case c.office.RequiredOn(today):
		return nil, officer.InForce
	}
	return &events.SignaturesRequired{From: from}, nil
}

func (c officersChange) choose(w *events.FourEyesWanted) (events.Body, error) {
	day, err := civil.Parse(w.From)
	if err != nil || day.IsZero() || day.Before(civil.Of(c.head.Now)) {
		return nil, officer.IllFormed
	}
	if err := officer.CheckChosen(w.Acts); err != nil {
		return nil, err
	}
	return &events.FourEyesDefined{Acts: w.Acts, From: w.From}, nil
}

// giveUp ends a passkey of the one who asks, or of another officer whom the one who asks administers.
func (c officersChange) giveUp(g *events.PasskeyGivenUp) (events.Body, error) {
	if c.claim.Officer != g.Officer || c.signer != nil && c.signer.Home != c.office.ID {
		if err := c.administered(); err != nil {
			return nil, err
		}
	}
	found, err := c.office.Standing(g.Officer)
	if err != nil {
		return nil, err
	}
	if _, err := found.Key(g.Credential); err != nil {
		return nil, err
	}
	return &events.PasskeyRetired{Officer: g.Officer, Credential: g.Credential}, nil
}

// Bounds of what a browser says of a passkey (WebAuthn 5.1, 6.5.1).
const (
	maxCredential = 1023
	aaguidLength  = 16
)

// offer enrols a passkey for whoever has the code of an open invitation.
func (c officersChange) offer(o *events.PasskeyOffered) (events.Body, error) {
	invited, err := c.office.Standing(o.Officer)
	if err != nil {
		return nil, officer.NoInvitation // nobody learns here who is an officer
	}
	site := c.siteKind(o.RelyingParty)
	invitation, err := invited.Invitation(site, c.filed)
	if err != nil || c.personal.GetCode() == "" || !slices.Equal(officer.CodeHash(c.personal.Code), invitation.CodeSHA256) {
		return nil, officer.NoInvitation
	}
	switch {
	case len(o.Credential) == 0 || len(o.Credential) > maxCredential || officer.CheckKey(o.PublicKey) != nil, c.Directory.CredentialTaken(o.Credential):
		return nil, officer.KeyTaken
	case c.claim.Officer != "" && c.claim.Officer != o.Officer, !slices.Contains(c.sites(), o.RelyingParty), len(o.Aaguid) != 0 && len(o.Aaguid) != aaguidLength:
		return nil, officer.IllFormed
	case o.Software && !c.Directory.Trial():
		return nil, officer.Software
	}
	return &events.PasskeyEnrolled{
		Officer: o.Officer, Credential: o.Credential, PublicKey: o.PublicKey, RelyingParty: o.RelyingParty, Aaguid: o.Aaguid, Software: o.Software,
		CodeSha256: invitation.CodeSHA256, CounterHost: site == officer.AtCounterHost,
	}, nil
}

// signInFailed records what a counter has refused by itself.
func (c officersChange) signInFailed(f *events.SignInFailed) (events.Body, error) {
	if !slices.Contains(officer.Reasons(), officer.Reason(f.Reason)) {
		return nil, unfit("a sign-in failed for a reason that is none")
	}
	return &events.SignInRefused{Officer: codeIn(c.claim), Counter: c.claim.Counter, Reason: f.Reason}, nil
}
