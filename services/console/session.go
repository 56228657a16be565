package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/signin"
	"shomei/pkg/warehouse"
)

// SignIn says how officers sign in.
type SignIn struct {
	// Name is the host under which browsers reach the console, and the relying party of its passkeys.
	Name string
	// Find returns the officer who has a passkey, by its credential id; ByCode returns one by code. The error is an
	// officer.Reason.
	Find   func(credential []byte) (officer.Officer, error)
	ByCode func(code string) (officer.Officer, error)
	// Municipality returns where an office is.
	Municipality func(office string) string
	// Invited returns the officer whose newest invitation has a code of that hash. The error is officer.NoInvitation.
	Invited func(codeHash []byte) (officer.Officer, error)
	// Offer has the registration authority enrol a passkey for an officer with an invitation's code. The error may be an officer.Reason.
	Offer func(ctx context.Context, who officer.Officer, code string, key signin.NewKey) error
	// Waiting returns the acts that wait for a second officer, at all offices.
	Waiting func() []Waiting
	// Opening prepares an officer's wish to see what an act that waits is, and Deciding the officer's decision on it: a word of
	// pkg/lifecycle, with a reason that is sealed.
	Opening  func(who officer.Officer, w Waiting) (Act, error)
	Deciding func(who officer.Officer, w Waiting, outcome, why string) (Act, error)
	// Trial reports whether passkeys in software are believed.
	Trial func() bool
	// Passwords lets officers of offices that allow it (PasswordsAllowed) sign in with a password, to look; nil: none.
	Passwords        *signin.Passwords
	PasswordsAllowed func(office string) bool
	// Accounts lets people sign in with an account at an identity provider; nil: only with passkeys.
	Accounts *Accounts
}

// visitor is who looks. The zero visitor is somebody on this machine of whom nothing is known.
type visitor struct {
	// Officer is the code, Office the one that enrolled the officer.
	Officer, Office string
	Areas           []string
	known           bool
	// who has all of an officer, and passkey says that the officer has signed in with one: others look and decide on nothing.
	who     officer.Officer
	passkey bool
	// password: the officer has signed in with one.
	password bool
}

// reads reports whether a visitor may look at counts and histories.
func (v visitor) reads() bool { return !v.known || officer.Reads(v.who.Roles) }

// decides reports whether a visitor may decide on what waits, or would with a passkey.
func (v visitor) decides() bool {
	return v.known && slices.ContainsFunc(v.who.Roles, func(r officer.Role) bool { return r == officer.Approver || r == officer.Administrator })
}

// area returns where a visitor may count.
func (v visitor) area() warehouse.Area {
	if !v.known || slices.Contains(v.Areas, officer.Nation) {
		return nil
	}
	return slices.DeleteFunc(append(warehouse.Area{}, v.Areas...), func(area string) bool { return area == "" }) // it begins every municipality
}

// sees reports whether a visitor may look at the history of somebody in a municipality.
func (v visitor) sees(municipality string) bool {
	return !v.known || officer.Covers(v.Areas, municipality)
}

type visitorKey struct{}

// visitorOf returns who makes a request.
func visitorOf(ctx context.Context) visitor {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v
}

// newSite returns the site at which officers sign in.
func (c *Console) newSite() *signin.Site {
	return signin.New(signin.Config{
		RelyingParty: c.SignIn.Name, Name: "Shomei console", Cookie: "shomei-console", Find: c.SignIn.Find, ByCode: c.SignIn.ByCode,
		Now: c.Clock, Secure: true, Trial: c.SignIn.Trial,
	})
}

// errNoReader: an officer is signed in who may not look at anything here.
var errNoReader = errors.New("none of the officer's roles looks at the console")

// visitor returns who is signed in. The error is errNoReader, or an officer.Reason.
func (c *Console) visitor(r *http.Request) (visitor, error) {
	if r.Header.Get("Authorization") != "" {
		return c.byToken(r)
	}
	if who, ok := c.site.Use(r); ok {
		found, err := c.SignIn.Find(who.Credential)
		v, err := c.looking(found, err)
		v.passkey = true
		return v, err
	}
	s := c.accounts.session(r)
	switch {
	case s == nil:
		return visitor{}, officer.Unknown
	case s.code != "":
		found, err := c.stillByPassword(s)
		v, err := c.looking(found, err)
		v.password = true
		return v, err
	case s.identity == nil:
		return s.visitor, nil
	}
	found, err := c.SignIn.Accounts.ByIdentity(s.identity)
	if err == nil {
		err = found.InTerm(civil.Of(c.Clock()))
	}
	return c.looking(found, err)
}

// looking returns what an officer may look at.
func (c *Console) looking(found officer.Officer, err error) (visitor, error) {
	if err != nil {
		return visitor{}, err
	}
	v := visitor{Officer: found.Code, Office: found.Home, Areas: found.Areas, known: true, who: found}
	if len(v.Areas) == 0 {
		v.Areas = []string{c.SignIn.Municipality(found.Home)}
	}
	if !v.reads() && !v.decides() {
		return v, errNoReader
	}
	return v, nil
}

// guarded serves only who is signed in and may do what the route is for.
func (c *Console) guarded(to audience, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := c.visitor(r)
		if err == nil && (to == forReaders && !v.reads() || to == forDeciders && !v.decides()) {
			err = errNoReader
		}
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
		case strings.HasPrefix(r.URL.Path, "/api/"):
			c.turnAway(w, r, err)
		case errors.Is(err, errNoReader) && v.decides() && r.URL.Path == "/":
			http.Redirect(w, r, "/approvals", http.StatusSeeOther)
		case errors.Is(err, errNoReader):
			c.showSignIn(w, r, http.StatusForbidden, "console.signin.role")
		default:
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		}
	})
}

// turnAway answers a program that is not signed in.
func (c *Console) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := http.StatusUnauthorized, "nobody is signed in here, or the session has ended: sign in on the page /sign-in"
	if errors.Is(err, errNoReader) {
		status, detail = http.StatusForbidden, err.Error()
	}
	c.write(w, r, status, "application/problem+json", problem{http.StatusText(status), status, detail})
}

// signInView is the data of the page at which officers sign in.
type signInView struct {
	Code string
	// Officer is who is signed in already.
	Officer string
	// Accounts: an account at an identity provider will do. Done: one has just been signed in.
	Accounts, Done bool
	// Passwords: a password will do, too.
	Passwords bool
}

// formLimit bounds what a browser posts.
const formLimit = 128 << 10

func (c *Console) signInRoutes() []route {
	return []route{
		{"GET /sign-in", forAll, c.signInPage},
		{"POST /sign-in/options", forAll, c.signInOptions},
		{"POST /sign-in", forAll, c.signInDone},
		{"POST /sign-out", forAll, c.signOut},
	}
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	if _, err := c.visitor(r); err == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	c.showSignIn(w, r, http.StatusOK, "")
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	c.site.End(r)
	c.accounts.leave(r)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

func (c *Console) signInOptions(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	code, err := signin.TypedCode(r, "code")
	if err != nil {
		http.Error(w, c.say(r, "console.signin.code.error"), http.StatusBadRequest)
		return
	}
	options, err := c.site.Options(w, r, code)
	if err != nil {
		http.Error(w, c.say(r, "console.signin.busy"), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(options) // the browser has gone, or reads it
}

func (c *Console) signInDone(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	code, err := signin.TypedCode(r, "code")
	if err == nil {
		_, err = c.site.SignIn(w, r, code, []byte(r.PostFormValue("passkey")))
	}
	var early *signin.TooMany
	switch {
	case err == nil:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case errors.As(err, &early):
		w.Header().Set("Retry-After", strconv.Itoa(int(early.Wait/time.Second)+1))
		c.showSignIn(w, r, http.StatusTooManyRequests, "console.signin.early")
	case errors.Is(err, signin.ErrBusy):
		c.showSignIn(w, r, http.StatusServiceUnavailable, "console.signin.busy")
	default:
		c.Logger.WarnContext(r.Context(), "a sign-in at the console was refused", "why", err)
		c.showSignIn(w, r, http.StatusForbidden, c.refusal(err))
	}
}

// refusal returns the key of what a refused officer is told. Whose code or key it is stays unsaid.
func (c *Console) refusal(err error) string {
	switch {
	case errors.Is(err, officer.Retired), errors.Is(err, officer.OutOfTerm):
		return "console.signin.term"
	case errors.Is(err, officer.Software):
		return "console.signin.software"
	}
	return "console.signin.failed"
}

func (c *Console) say(r *http.Request, key string, args ...any) string {
	return c.pages.Say(page.LanguageOf(r), key, args...)
}

// fieldOf returns the id of the field at which something went wrong.
func fieldOf(wrong string) string {
	if wrong == "console.password.failed" {
		return "code-2"
	}
	return "code"
}

// showSignIn shows the page at which officers sign in, with what went wrong.
func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	show := page.View{Title: "console.signin.title", Scripts: []string{"signin.js"}}
	view := signInView{Code: r.PostFormValue("code"), Accounts: c.SignIn.Accounts != nil, Passwords: c.SignIn.Passwords != nil}
	if v, err := c.visitor(r); err == nil || errors.Is(err, errNoReader) {
		view.Officer = v.Officer
	}
	switch {
	case wrong != "" && view.Officer != "":
		show.Errors = []page.FieldError{{Text: c.say(r, wrong)}}
	case wrong != "":
		show.Errors = []page.FieldError{{Field: fieldOf(wrong), Text: c.say(r, wrong)}}
	}
	show.Data = view
	c.render(w, r, status, "sign-in", show)
}

// municipalityOf returns where a person is, by the newest event that names a place, or else by the newest certificate.
func municipalityOf(h history) string {
	for _, e := range slices.Backward(h.Events) {
		if e.Municipality != "" {
			return e.Municipality
		}
	}
	for _, cert := range slices.Backward(h.Certificates) {
		if cert.Municipality != "" {
			return cert.Municipality
		}
	}
	return ""
}
