package desk

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"

	"shomei/events"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/signin"
	"shomei/services/agent"
)

var errCode = errors.New("the code is none of the officer's, or has lapsed")

// enrolView is the page on which an officer offers a new passkey with a one-time code.
type enrolView struct {
	station
	Officer string
	// State is how the offer went: empty before it.
	State string
	Alarm *alarm
}

func (d *Desk) showEnrol(_ call, lang page.Language) (reply, error) {
	return d.enrolPage(enrolView{}, nil, lang), nil
}

func (d *Desk) enrolPage(v enrolView, wrong []page.FieldError, lang page.Language) reply {
	v.station = d.station(lang, "")
	v.Live = guestLive
	return show("enrol", page.View{Title: "enrol.title", Errors: wrong, Scripts: signingScripts, Data: v})
}

// invited returns who wants to enrol at a door, and the code. Where this counter knows of an invitation the code must be its; on its
// own machine the centre may know of one when this counter does not. Wrong codes are answered ever more slowly. Errors:
// events.ErrOfficer, errCode, *signin.TooMany.
func (d *Desk) invited(at *door, number, typedCode string) (who officer.Officer, code string, err error) {
	typed, err := events.ParseOfficer(number)
	if err != nil {
		return who, "", err
	}
	code = officer.TidyCode(typedCode)
	err = at.site.TryCode(typed, func() error {
		who, err = d.Counter.Officers().Officer(typed)
		known := err == nil && len(who.Invitations) > 0
		if code == "" || known && !d.fits(who, code) || !known && at.far() {
			return errCode
		}
		return nil
	})
	who.Code = typed
	return who, code, err
}

// fits reports whether a code is that of an officer's open invitation.
func (d *Desk) fits(who officer.Officer, code string) bool {
	hash := officer.CodeHash(code)
	return slices.ContainsFunc(who.Invitations, func(i officer.Invitation) bool {
		return subtle.ConstantTimeCompare(i.CodeSHA256, hash) == 1 && d.Counter.Now().Before(i.Until)
	})
}

func (d *Desk) enrolOptions(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	at := d.doorOf(r.Context())
	who, _, err := d.invited(at, r.PostFormValue("officer"), r.PostFormValue("code"))
	if err != nil {
		return nil, err
	}
	return at.site.NewKeyOptions(w, r, d.Office, who.Code, who.Passkeys)
}

func (d *Desk) postEnrol(c call, lang page.Language) (reply, error) {
	at := d.doorOf(c.Context())
	who, code, err := d.invited(at, c.PostFormValue("officer"), c.PostFormValue("code"))
	if err != nil {
		return d.enrolFailed(c, err, lang), nil
	}
	key, err := at.site.NewKey(c.Request, []byte(c.PostFormValue("passkey")))
	if err != nil {
		return d.enrolFailed(c, err, lang), nil
	}
	procedure, err := d.offerKey(who.Code, code, key)
	return goTo("/enrol/" + procedure), err
}

// offerKey files that somebody who has a code wants to sign with a passkey. The code proves it, so nobody signs.
func (d *Desk) offerKey(who, code string, key signin.NewKey) (procedure string, err error) {
	act, err := d.Counter.Reporting(&events.Claim{Officer: who, Fact: &events.Claim_PasskeyOffered{PasskeyOffered: &events.PasskeyOffered{
		Officer: who, Credential: key.Credential, PublicKey: key.PublicKey, RelyingParty: key.RelyingParty, Aaguid: key.AAGUID,
		Software: key.Software,
	}}}, &events.Personal{Code: code})
	if err != nil {
		return "", err
	}
	return act.Procedure(), act.File(nil)
}

// apiEnrol offers a program's key as an officer's passkey, with the code of an invitation, in logs of simulations and
// demonstrations. The centre takes it nowhere else, and knows when this counter has not been told yet.
func (d *Desk) apiEnrol(c call, _ page.Language) (reply, error) {
	var r struct {
		Officer    string `json:"officer"`
		Code       string `json:"code"`
		Credential []byte `json:"credential"`
		PublicKey  []byte `json:"public_key"`
	}
	if err := c.decode(&r); err != nil {
		return reply{}, err
	}
	if known := d.Counter.Officers(); known.AsOf() != 0 && !known.Demonstration() {
		return reply{}, officer.Software
	}
	who, code, err := d.invited(d.near, r.Officer, r.Code)
	if err != nil {
		return reply{}, err
	}
	procedure, err := d.offerKey(who.Code, code, signin.NewKey{Passkey: officer.Passkey{
		Credential: r.Credential, PublicKey: r.PublicKey, RelyingParty: officer.Counters, Software: true,
	}})
	return told(http.StatusAccepted, map[string]string{"procedure": procedure}), err
}

// OfferSoft offers the keys of the demonstration's officers with the codes of their invitations, unless the centre has them already.
func (d *Desk) OfferSoft() error {
	for soft := d.Soft; soft != nil; soft = soft.Approver {
		key := soft.Key.Passkey()
		if _, err := d.Counter.Officers().Find(key.Credential); err == nil || soft.Code == "" {
			continue
		}
		if _, err := d.offerKey(soft.Officer, officer.TidyCode(soft.Code), signin.NewKey{Passkey: key}); err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) enrolFailed(c call, err error, lang page.Language) reply {
	p := problemOf(err)
	what, next := p.in(lang)
	out := d.enrolPage(enrolView{Officer: c.PostFormValue("officer")}, []page.FieldError{{Text: what + " " + next}}, lang)
	out.status = p.status
	return out
}

// showEnrolled says how an offered passkey went.
func (d *Desk) showEnrolled(c call, lang page.Language) (reply, error) {
	s, err := d.Counter.Status(c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	if s.Report.GetPasskeyOffered() == nil {
		return reply{}, agent.ErrUnknownProcedure
	}
	v := enrolView{Officer: s.Officer, State: d.enrolState(s)}
	if s.Stage == agent.StageRefused {
		what, next := refusal(s.Answer.GetRefusals()).in(lang)
		v.Alarm = &alarm{what, next}
	}
	out := d.enrolPage(v, nil, lang)
	if v.State == "waits" || v.State == "centre" {
		out.view.ReloadAfter, out.view.Reload = problemTime, c.URL.Path
	}
	data := out.view.Data.(enrolView)
	data.Live = "/enrol/" + s.Procedure + "/live?shown=" + v.State
	out.view.Data = data
	return out, nil
}

// enrolState returns how an offered passkey stands: done once this counter believes it.
func (d *Desk) enrolState(s agent.Status) string {
	_, err := d.Counter.Officers().Find(s.Report.GetPasskeyOffered().GetCredential())
	switch {
	case err == nil:
		return "done"
	case s.Stage == agent.StageRefused:
		return "refused"
	case s.AtHub:
		return "centre"
	}
	return "waits"
}

// serveEnrolled sends the browser to the page anew when the state of an offered passkey is another than the page shows.
func (d *Desk) serveEnrolled(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, err := d.Counter.Status(id); err != nil {
		d.fail(w, err)
		return
	}
	live := liveParts{desk: d, lang: page.LanguageOf(r), stream: openStream(w), sent: map[string]string{}}
	updates := d.Counter.Progress(r.Context(), "")
	for open := true; open; _, open = <-updates {
		s, err := d.Counter.Status(id)
		if err != nil || d.enrolState(s) != r.URL.Query().Get("shown") {
			_ = live.stream.send("go", []byte("/enrol/"+id)) // the browser may have gone
			return
		}
		if live.send() != nil {
			return
		}
	}
}
