package desk

import (
	"crypto/subtle"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"shomei/pkg/officer"
	"shomei/pkg/page"
)

// The clerk's browser and the resident's run on one machine and use the same address, so each carries a cookie. The
// resident's gets its cookie for a code that the clerk's page shows once; from then on it is shown nothing of the
// clerk's.

// seat says who sends a request.
type seat int

const (
	// seatOpen is a program, or a browser without a cookie yet: at this machine that is the clerk.
	seatOpen seat = iota
	seatClerk
	seatResident
	// seatFormer is a browser that was the resident's screen until another replaced it. It is not a clerk's.
	seatFormer
	// seatScript is a script in a page that withholds its browser's cookies: its owner is unknown.
	seatScript
)

const (
	clerkCookie    = "clerk"
	residentCookie = "resident"
	// cookieAge is as long as browsers keep any cookie; it starts again with each page.
	cookieAge = 400 * 24 * time.Hour
)

// seatOf returns who sends a request. A browser with any cookie of a resident's is never a clerk's, whatever else it
// has.
func (d *Desk) seatOf(r *http.Request) seat {
	if d.doorOf(r.Context()).far() {
		return seatClerk // whoever it is signs in
	}
	resident := r.CookiesNamed(residentCookie)
	for _, c := range resident {
		if d.Counter.IsScreen(c.Value) {
			return seatResident
		}
	}
	if len(resident) > 0 {
		return seatFormer
	}
	for _, c := range r.CookiesNamed(clerkCookie) {
		if subtle.ConstantTimeCompare([]byte(c.Value), []byte(d.Counter.ClerkToken())) == 1 {
			return seatClerk
		}
	}
	if byBrowser(r) && !navigates(r) {
		return seatScript
	}
	return seatOpen
}

// byBrowser reports whether a browser sends the request. All of them send these headers to loopback, and no script can
// omit them.
func byBrowser(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

// navigates reports whether somebody opens a page or submits a form, in a window and not in a frame. Cookies are sent
// then.
func navigates(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// byPage reports whether a page sends the request, by script or form, rather than a program or a typed URL.
func byPage(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "" && site != "none" || r.Header.Get("Origin") != ""
}

// cookieOf returns a SameSite=Lax cookie: the resident's restricts more than it grants, and a strict one would be
// missing when another site links here.
func cookieOf(name, value string) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(cookieAge.Seconds()),
	}
}

// Why a request is refused because of who sends it.
var (
	errResidentsBrowser = errors.New("this is the resident's screen: it has no officer's pages")
	errNotTheResidents  = errors.New("this browser is not paired as the resident's screen")
	errNoCookie         = errors.New("unknown browser")
	errProgramsOnly     = errors.New("the API is for programs and serves no page")
	errNotPaired        = errors.New("no resident's screen is paired with this counter")
)

// audience says who a route is for.
type audience int

const (
	forAll audience = iota
	forClerk
	// forGuest is for a clerk's browser, whether somebody is signed in or not.
	forGuest
	forResident
	forPrograms
)

// route is one of the desk's URLs.
type route struct {
	pattern  string
	audience audience
	do       http.Handler
}

// Acts that more than one route files.
var (
	applying  = []string{"application", "special-circumstances", "unblock", "revocation"}
	reporting = []string{"loss", "found", "custody", "record-change", "correction"}
	joining   = []string{"joining"}
	deciding  = []string{"approval", "withdrawal"}
	searching = []string{"search"}
	staffing  = []string{"officer", "recovery", "signatures", "passkey"}
	everyAct  = slices.Concat(applying, reporting, joining, deciding, staffing, []string{"hand-over", "drop"})
)

// filing lists the acts that a route files, or that its page is for, by the route's pattern. Whoever is signed in and may do none
// of them is not served.
var filing = map[string][]string{
	"POST /enrol":                     {"passkey"},
	"POST /sign/{token}":              everyAct,
	"POST /approvals/{id}":            deciding,
	"GET /officers":                   staffing,
	"POST /officers":                  staffing,
	"GET /find":                       searching,
	"POST /find":                      searching,
	"GET /apply":                      applying,
	"POST /apply":                     applying,
	"GET /report":                     reporting,
	"POST /report":                    reporting,
	"GET /join":                       joining,
	"POST /join":                      joining,
	"POST /review/{token}":            slices.Concat(applying, reporting, joining),
	"POST /procedures/{id}/hand-over": {"hand-over"},
	"GET /procedures/{id}/drop":       {"drop"},
	"POST /procedures/{id}/drop":      {"drop"},

	"POST /api/acts/{token}":              everyAct,
	"POST /api/enrol":                     {"passkey"},
	"POST /api/find":                      searching,
	"POST /api/applications":              applying,
	"POST /api/approvals/{id}":            deciding,
	"POST /api/reports":                   reporting,
	"POST /api/procedures/{id}/hand-over": {"hand-over"},
	"POST /api/procedures/{id}/drop":      {"drop"},
}

// Filing lists the acts that each of the desk's URLs files, or that its page is for, by the URL's pattern.
func Filing() map[string][]string { return maps.Clone(filing) }

// serve serves those whom a route is for.
func (d *Desk) serve(r route) http.Handler {
	switch r.audience {
	case forClerk:
		return d.ForClerk(d.signedIn(d.permitted(filing[r.pattern], r.do)))
	case forGuest:
		return d.ForClerk(d.named(r.do))
	case forResident:
		return d.forResident(r.do)
	case forPrograms:
		return d.forPrograms(r.do)
	}
	return r.do
}

// permitted lets next serve whoever may do one of some acts, or is not signed in.
func (d *Desk) permitted(words []string, next http.Handler) http.Handler {
	if len(words) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := d.mayDo(d.signer(r).Code, words...); err != nil {
			d.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// mayDo returns why an officer may do none of some acts; nil if one is allowed, or if nobody is named. The error is an
// officer.Reason.
func (d *Desk) mayDo(code string, words ...string) error {
	if code == "" {
		return nil
	}
	found, err := d.Counter.Officers().Officer(code)
	if err == nil && !oneAllowed(words, found.Roles) {
		err = officer.NotAllowed
	}
	return err
}

// oneAllowed reports whether one of the roles may do one of the acts.
func oneAllowed(words []string, roles []officer.Role) bool {
	return slices.ContainsFunc(words, func(word string) bool {
		act, known := officer.ActNamed(word)
		return known && act.May(roles)
	})
}

// ForClerk lets next serve clerks and programs, and gives a clerk's browser its cookie; the resident's gets 403.
func (d *Desk) ForClerk(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch d.seatOf(r) {
		case seatResident, seatFormer:
			d.refuse(w, r, errResidentsBrowser)
			return
		case seatScript:
			d.refuse(w, r, errNoCookie)
			return
		case seatOpen:
			if byBrowser(r) {
				http.SetCookie(w, cookieOf(clerkCookie, d.Counter.ClerkToken()))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// forResident serves the resident's browser, renewing its cookie, and pairs one that brings the code.
func (d *Desk) forResident(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		typed := r.URL.Query().Get(pairParameter)
		switch at := d.seatOf(r); {
		case at == seatResident:
			for _, c := range r.CookiesNamed(residentCookie) {
				if d.Counter.IsScreen(c.Value) {
					http.SetCookie(w, cookieOf(residentCookie, c.Value))
				}
			}
			next.ServeHTTP(w, r)
		case (at == seatOpen || at == seatFormer) && typed != "" && d.pairing.take(typed):
			d.pair(w, r)
		case at == seatFormer && r.URL.Path == residentLive:
			next.ServeHTTP(w, r) // it sends the former screen away from what it shows
		default:
			d.render(w, r, d.unpaired(at, typed, d.languageOf(at, r)))
		}
	})
}

// forPrograms serves no page: a script in the resident's page could withhold its cookie.
func (d *Desk) forPrograms(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch at := d.seatOf(r); {
		case at == seatResident, at == seatFormer:
			d.fail(w, errResidentsBrowser)
		case at == seatScript, byPage(r):
			d.fail(w, errProgramsOnly)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// refuse shows the page that says why.
func (d *Desk) refuse(w http.ResponseWriter, r *http.Request, err error) {
	at := d.seatOf(r)
	lang := d.languageOf(at, r)
	d.render(w, r, d.problemPage(err, backFrom(r.URL.Path), lang, at == seatResident || at == seatFormer))
}

// languageOf returns the reader's language: at the resident's screen the one last chosen there, until it goes blank.
func (d *Desk) languageOf(at seat, r *http.Request) page.Language {
	if at == seatResident || at == seatFormer {
		return d.screen.language()
	}
	return page.LanguageOf(r)
}
