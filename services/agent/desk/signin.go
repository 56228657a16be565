package desk

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"

	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/signin"
)

// named lets next serve a browser under the machine's name: under its address there are no passkeys.
func (d *Desk) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if address := d.byName(r); address != "" {
			http.Redirect(w, r, address, http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type signerKey struct{}

// signedIn lets next serve whoever is signed in, or anybody while nobody must be. Who that is holds for the whole request: a session
// that ends while a body is still coming in leaves nobody in the place of whoever was let through.
func (d *Desk) signedIn(next http.Handler) http.Handler {
	return d.named(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, locked, ended := d.letIn(r)
		if locked || ended {
			address := "/sign-in"
			if r.Method != http.MethodGet {
				address += "?lost=1"
			}
			http.Redirect(w, r, address, http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), signerKey{}, who)))
	}))
}

// letIn returns who is let in to a clerk's page, or why nobody is: the session is locked, or there is none where there must be.
func (d *Desk) letIn(r *http.Request) (who signer, locked, ended bool) {
	at := d.doorOf(r.Context())
	s, ok := at.site.Session(r)
	return d.signerOf(at, s, ok), s.Locked, !ok && (at.far() || d.mustSign())
}

// byName returns the address of a clerk's page under localhost, if a browser opens it under an IP address and the office has
// officers; otherwise "".
func (d *Desk) byName(r *http.Request) string {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil || r.Method != http.MethodGet || !navigates(r) || net.ParseIP(host) == nil || !d.Counter.Officers().SetUp() {
		return ""
	}
	return "http://" + net.JoinHostPort(officer.Counters, port) + r.URL.RequestURI()
}

// user is who is signed in, as every clerk's page shows it.
type user struct {
	signer
	Administers bool
	// Counter is the counter that another machine uses; empty on the counter's own.
	Counter string
}

// greet adds to a clerk's page who is signed in, where the office has officers.
func (d *Desk) greet(v *page.View, r *http.Request, who signer) {
	at := d.doorOf(r.Context())
	if !at.far() && !d.Counter.Officers().SetUp() {
		return
	}
	u := user{signer: who, Administers: who.administers()}
	if at.far() {
		u.Counter = d.Name
	}
	v.User = u
	if !slices.Contains(v.Scripts, "signin.js") {
		v.Scripts = append(slices.Clone(v.Scripts), "signin.js")
	}
}

// guestLive is where pages learn of changes that show nothing of any procedure.
const guestLive = "/live?guest"

// signInView is the page on which officers sign in.
type signInView struct {
	station
	Officer string
	// Locked is the officer whose session is locked; Lost: something was sent without a session, and not taken.
	Locked string
	Lost   bool
}

func (d *Desk) showSignIn(c call, lang page.Language) (reply, error) {
	return d.signInPage(c.Request, nil, lang), nil
}

func (d *Desk) signInPage(r *http.Request, wrong []page.FieldError, lang page.Language) reply {
	v := signInView{station: d.station(lang, ""), Officer: r.PostFormValue("officer"), Lost: r.URL.Query().Get("lost") != ""}
	v.Live = guestLive
	if s, ok := d.doorOf(r.Context()).site.Session(r); ok && s.Locked {
		v.Locked = s.Officer
	}
	return show("signin", page.View{Title: "signin.title", Errors: wrong, Scripts: signingScripts, Data: v, Lang: lang})
}

func (d *Desk) signInOptions(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	code, err := signin.TypedCode(r, "officer")
	if err != nil {
		return nil, err
	}
	return d.doorOf(r.Context()).site.Options(w, r, code)
}

// signIn signs in by what a form brings. A signature that proves nothing is recorded.
func (d *Desk) signIn(w http.ResponseWriter, r *http.Request) (signin.Session, error) {
	code, err := signin.TypedCode(r, "officer")
	if err != nil {
		return signin.Session{}, err
	}
	s, err := d.doorOf(r.Context()).site.SignIn(w, r, code, []byte(r.PostFormValue("passkey")))
	var why officer.Reason
	if errors.As(err, &why) {
		d.noteFailure(s.Officer, why)
	}
	return s, err
}

func (d *Desk) postSignIn(w http.ResponseWriter, r *http.Request) {
	lang := page.LanguageOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
	if _, err := d.signIn(w, r); err != nil {
		p := problemOf(err)
		what, next := p.in(lang)
		out := d.signInPage(r, []page.FieldError{{Text: what + " " + next}}, lang)
		out.status = p.status
		d.render(w, r, out)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// postUnlock signs in without leaving the page that was locked: 204 for the same officer, 200 for another one.
func (d *Desk) postUnlock(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
	before, was := d.doorOf(r.Context()).site.Session(r)
	now, err := d.signIn(w, r)
	switch {
	case err != nil:
		d.failText(w, r, err)
	case was && before.Officer == now.Officer && before.Home == now.Home:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

func (d *Desk) postLock(w http.ResponseWriter, r *http.Request) {
	d.doorOf(r.Context()).site.Lock(r)
	w.WriteHeader(http.StatusNoContent)
}

func (d *Desk) postSignOut(c call, _ page.Language) (reply, error) {
	d.doorOf(c.Context()).site.End(c.Request)
	return goTo("/sign-in"), nil
}

// options serves the JSON of a ceremony; what is wrong is a text for signin.js to show.
func (d *Desk) options(of func(http.ResponseWriter, *http.Request) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		text, err := of(w, r)
		if err != nil {
			d.failText(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(text) // the browser may have gone; nobody is left to tell
	}
}

func (d *Desk) failText(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.status >= http.StatusInternalServerError {
		d.Logger.Error("could not serve a ceremony", "code", p.Code, "error", err)
	}
	what, next := p.in(page.LanguageOf(r))
	http.Error(w, what+" "+next, p.status)
}
