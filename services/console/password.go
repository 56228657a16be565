package console

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/signin"
)

// passwordRoutes let officers of offices that allow it sign in with a password, to look and for nothing else.
func (c *Console) passwordRoutes() []route {
	return []route{
		{"POST /sign-in/password", forAll, c.signInByPassword},
		{"GET /password", forAll, c.passwordPage},
		{"POST /password", forAll, c.setPassword},
	}
}

// errForbidden: the officer's office allows no passwords.
var errForbidden = errors.New("the office allows no passwords")

// byPassword returns the officer of a code who may sign in with a password today. The error is an officer.Reason or errForbidden.
func (c *Console) byPassword(code string) (officer.Officer, error) {
	found, err := c.SignIn.ByCode(code)
	if err == nil {
		err = found.InTerm(civil.Of(c.Clock()))
	}
	if err == nil && !c.SignIn.PasswordsAllowed(found.Home) {
		err = errForbidden
	}
	if err != nil {
		return officer.Officer{}, err
	}
	return found, nil
}

// stillByPassword returns the officer of a session that a password has opened. It ends with the password.
func (c *Console) stillByPassword(s *accountSession) (officer.Officer, error) {
	found, err := c.byPassword(s.code)
	if err == nil && !bytes.Equal(c.SignIn.Passwords.Holds(found), s.invitation) {
		err = officer.Unknown
	}
	return found, err
}

// signInByPassword tells nobody which of number and password is wrong. Whoever goes on after some wrong ones learns by the longer wait
// that there is such an account.
func (c *Console) signInByPassword(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	code, err := events.ParseOfficer(r.PostFormValue("code"))
	var found officer.Officer
	if err == nil {
		found, _ = c.byPassword(code) // nobody's password is as wrong as another's
	}
	if err = c.SignIn.Passwords.Check(found, r.PostFormValue("password")); err == nil {
		err = c.accounts.start(w, &accountSession{code: found.Code, invitation: c.SignIn.Passwords.Holds(found)})
	}
	var early *signin.TooMany
	switch {
	case err == nil:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case errors.As(err, &early):
		w.Header().Set("Retry-After", strconv.Itoa(int(early.Wait/time.Second)+1))
		c.showSignIn(w, r, http.StatusTooManyRequests, "console.signin.early")
	case errors.Is(err, signin.ErrPassword):
		c.Logger.WarnContext(r.Context(), "a sign-in with a password was refused", "officer", found.Code)
		c.showSignIn(w, r, http.StatusForbidden, "console.password.failed")
	default:
		c.showSignIn(w, r, http.StatusServiceUnavailable, "console.signin.busy")
	}
}

// passwordView is the data of the page on which officers set their password.
type passwordView struct {
	Officer string
	Done    bool
}

func (c *Console) passwordPage(w http.ResponseWriter, r *http.Request) {
	c.showPassword(w, r, http.StatusOK, passwordView{}, "", "")
}

// setPassword sets the password of whoever has an invitation's code.
func (c *Console) setPassword(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	typed := passwordView{Officer: r.PostFormValue("officer")}
	who, _, err := c.invited(r)
	if err == nil {
		_, err = c.byPassword(who.Code)
	}
	if err == nil && r.PostFormValue("password") != r.PostFormValue("again") {
		c.showPassword(w, r, http.StatusUnprocessableEntity, typed, "again", "console.password.differs")
		return
	}
	if err == nil {
		err = c.SignIn.Passwords.Set(who, r.PostFormValue("password"))
	}
	switch {
	case err == nil:
		c.Logger.InfoContext(r.Context(), "an officer has set a password", "officer", who.Code, "office", who.Home)
		c.showPassword(w, r, http.StatusOK, passwordView{Officer: who.Code, Done: true}, "", "")
	case errors.Is(err, signin.ErrWeak):
		c.showPassword(w, r, http.StatusUnprocessableEntity, typed, "password", "console.password.weak")
	case errors.Is(err, errForbidden):
		c.showPassword(w, r, http.StatusForbidden, typed, "officer", "console.password.forbidden")
	default:
		c.Logger.WarnContext(r.Context(), "a password was not set", "why", err)
		status, key := c.enrolRefusal(w, err)
		c.showPassword(w, r, status, typed, "code", key)
	}
}

func (c *Console) showPassword(w http.ResponseWriter, r *http.Request, status int, view passwordView, field, wrong string) {
	show := page.View{Title: "console.password.title", Data: view}
	if wrong != "" {
		show.Errors = []page.FieldError{{Field: field, Text: c.say(r, wrong)}}
	}
	c.render(w, r, status, "password", show)
}
