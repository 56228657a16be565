package desk

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/signin"
	"shomei/services/agent"
)

// What an officer claims is filed through one door, file: at once where nobody signs, by a program's key in a demonstration, and
// otherwise by the touch of the passkey of whoever is signed in, on a page that the act waits behind for two minutes.

// SoftOfficer is the officer of a demonstration, whose passkey this program holds. Its acts are signed without a touch, in logs
// marked as a demonstration only.
type SoftOfficer struct {
	Officer string
	Key     *officer.SoftKey
	// Code is that of an open invitation, with which the key is offered; empty once it is enrolled.
	Code string
	// Approver is another such officer, who decides on what needs two; nil: nobody does.
	Approver *SoftOfficer
}

// signer is who acts on a clerk's page. The zero signer is nobody: the officer's number is typed.
type signer struct {
	Code string
	// Soft: it is the demonstration's officer.
	Soft  bool
	roles []officer.Role
}

func (s signer) administers() bool {
	return officer.Act{Roles: []officer.Role{officer.Administrator}}.May(s.roles)
}

// signer returns who is signed in in a clerk's browser, or else the demonstration's officer.
func (d *Desk) signer(r *http.Request) signer {
	at := d.doorOf(r.Context())
	s, ok := at.site.Use(r)
	if who, let := r.Context().Value(signerKey{}).(signer); let {
		return who
	}
	return d.signerOf(at, s, ok)
}

// signerOf returns who acts in a browser's session, if there is one.
func (d *Desk) signerOf(at *door, s signin.Session, ok bool) signer {
	who := signer{}
	if ok && !s.Locked {
		who.Code = s.Officer
	} else if !at.far() && d.believesSoft() {
		who = signer{Code: d.Soft.Officer, Soft: true}
	}
	if found, err := d.Counter.Officers().Officer(who.Code); err == nil {
		who.roles = found.Roles
	}
	return who
}

// believesSoft reports whether the demonstration's officer may act here today.
func (d *Desk) believesSoft() bool {
	if d.Soft == nil || !d.Counter.Officers().Demonstration() {
		return false
	}
	found, err := d.Counter.Officers().Find(d.Soft.Key.Passkey().Credential)
	return err == nil && found.Code == d.Soft.Officer && found.InTerm(d.today()) == nil
}

// of returns the soft officer with a code, or nil.
func (s *SoftOfficer) of(code string) *SoftOfficer {
	if s == nil || s.Officer == code {
		return s
	}
	return s.Approver.of(code)
}

// softly reports whether this program signs as an officer, by code.
func (d *Desk) softly(code string) bool {
	return code != "" && d.believesSoft() && d.Soft.of(code) != nil
}

// decider returns who decides on an act that waits: whoever is signed in or, in a demonstration, one of its officers who has not
// asked for it.
func (d *Desk) decider(c call, open *events.OpenApproval) string {
	if c.who.Soft && c.who.Code == open.GetOfficer() && d.Soft.Approver != nil {
		return d.Soft.Approver.Officer
	}
	return c.who.Code
}

func (d *Desk) today() civil.Date { return civil.Of(d.Counter.Now()) }

// mustSign reports whether officers must sign today, so that every clerk's page needs a session.
func (d *Desk) mustSign() bool {
	return d.Counter.Officers().RequiredOn(d.today()) && !d.believesSoft()
}

// actTime is how long an act waits for its officer's touch.
const actTime = 2 * time.Minute

var errNoAct = errors.New("the act no longer waits for a signature")

// waiting is an act that waits for its officer's touch, or for the signature of the program that claims it; then is the reply once
// it is filed.
type waiting struct {
	act     *agent.Act
	then    reply
	program bool
}

// file files an act that was prepared without error, and replies with its procedure.
func (d *Desk) file(c call, act *agent.Act, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	then := goTo("/procedures/" + act.Procedure())
	if c.program() {
		then = told(http.StatusAccepted, map[string]string{"procedure": act.Procedure(), "claim": act.Claim()})
	}
	return d.fileThen(c, act, then)
}

// fileThen files an act of whoever acts, and replies with then; where that officer has to touch a passkey first, with the page
// that asks for it. An act of the demonstration's officer is signed by this program.
func (d *Desk) fileThen(c call, act *agent.Act, then reply) (reply, error) {
	switch {
	case act.Kind().Signed() && c.signs():
		if err := d.mayDo(act.Officer(), act.Kind().Word); err != nil {
			return reply{}, err
		}
		return told(http.StatusAccepted, unsigned{
			Act: d.acts.add(waiting{act: act, then: then, program: true}), Challenge: act.Challenge(), RelyingParty: officer.Counters,
		}), nil
	case act.Kind().Signed() && d.softly(act.Officer()):
		signature, err := d.Soft.of(act.Officer()).Key.Sign(act.Challenge())
		if err != nil {
			return reply{}, err
		}
		return then, act.File(signature)
	case act.Kind().Signed() && c.who.Code != "" && !c.who.Soft:
		if err := d.mayDo(c.who.Code, act.Kind().Word); err != nil {
			return reply{}, err // before anything is signed
		}
		return goTo("/sign/" + d.acts.add(waiting{act: act, then: then})), nil
	}
	return then, act.File(nil)
}

// unsigned is what a program that signs gets first: the act that waits for its signature, and what to sign.
type unsigned struct {
	Act          string `json:"act"`
	Challenge    []byte `json:"challenge"`
	RelyingParty string `json:"relying_party"`
}

// apiSign files an act with the signature that a program sends.
func (d *Desk) apiSign(c call, _ page.Language) (reply, error) {
	w, ok := d.acts.find(c.PathValue("token"))
	if !ok || !w.program {
		return reply{}, errNoAct
	}
	signature, err := signin.ReadAssertion(c.body)
	if err == nil {
		err = w.act.File(signature)
	}
	var why officer.Reason
	if errors.As(err, &why) {
		d.noteFailure(w.act.Officer(), why)
	}
	return w.then, err
}

// signView is the page that asks an officer for a touch.
type signView struct {
	station
	Token, Act, Number string
}

// signing returns what waits under a request's token, if it is an act of whoever is signed in.
func (d *Desk) signing(c call) (waiting, error) {
	w, ok := d.acts.find(c.PathValue("token"))
	if !ok || w.program || w.act.Officer() != c.who.Code || c.who.Soft {
		return waiting{}, errNoAct
	}
	return w, nil
}

func (d *Desk) showSign(c call, lang page.Language) (reply, error) {
	w, err := d.signing(c)
	if err != nil {
		return reply{}, err
	}
	return d.signPage(c, w, nil, lang), nil
}

func (d *Desk) signPage(c call, w waiting, wrong []page.FieldError, lang page.Language) reply {
	return show("sign", page.View{Title: "sign.title", Errors: wrong, Scripts: scripts, Data: signView{
		station: d.station(lang, ""), Token: c.PathValue("token"), Act: d.pages.Say(lang, "act."+w.act.Kind().Word), Number: w.act.Number(),
	}})
}

// signOptions returns what the browser needs to ask for the touch.
func (d *Desk) signOptions(_ http.ResponseWriter, r *http.Request) ([]byte, error) {
	w, err := d.signing(call{Request: r, who: d.signer(r)})
	if err != nil {
		return nil, err
	}
	found, err := d.Counter.Officers().Officer(w.act.Officer())
	if err != nil {
		return nil, err
	}
	return d.doorOf(r.Context()).site.SignOptions(w.act.Challenge(), found.Passkeys)
}

func (d *Desk) postSign(c call, lang page.Language) (reply, error) {
	w, err := d.signing(c)
	if err != nil {
		return reply{}, err
	}
	signature, err := signin.ReadAssertion([]byte(c.PostFormValue("passkey")))
	if err == nil {
		err = w.act.File(signature)
	}
	var why officer.Reason
	if errors.As(err, &why) {
		d.noteFailure(c.who.Code, why)
		what, next := problemOf(why).in(lang)
		out := d.signPage(c, w, []page.FieldError{{Text: what + " " + next}}, lang)
		out.status = problemOf(why).status
		return out, nil
	}
	return w.then, err
}

// What is recorded of wrong signatures stays for ever, so only so many are. The log of this program has the others.
const (
	failuresAtOnce = 30
	failureEvery   = 2 * time.Minute
)

// noteFailure files that somebody presented a signature as an officer that proves nothing.
func (d *Desk) noteFailure(code string, why officer.Reason) {
	if code == "" || why == officer.Unsigned {
		return
	}
	if !d.noted.Allow() {
		d.Logger.Warn("a failed sign-in is not recorded, there were too many lately", "officer", code, "why", string(why))
		return
	}
	if err := d.Counter.ReportSignIn(code, string(why)); err != nil {
		d.Logger.Error("could not record a failed sign-in", "error", err)
	}
}

// clerkOf returns who ends a procedure: whoever is signed in, or else the number that a program gave, or else who received it.
func (c call) clerkOf(given string, status agent.Status) string {
	return cmp.Or(c.who.Code, given, status.Officer)
}
