// Package signin keeps who is signed in at one site, by passkey: the ceremonies of WebAuthn in which an officer signs in or
// makes a passkey, and sessions in a cookie. Sessions are kept in memory, so a restart ends them all. It asks nobody but
// Config.Find and Config.ByCode, so it works wherever the officers are known.
//
// A page asks for a ceremony with a form that the script signin.js (pkg/page) carries out: the script posts the form to the
// address in data-options, hands the JSON that it gets (Options, NewKeyOptions, SignOptions) to the browser, and posts the form
// with the browser's response, as JSON, in the field "passkey" (SignIn, NewKey, ReadAssertion):
//
//	<form method="post" action="/sign-in" data-passkey="get" data-options="/sign-in/options">
package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/officer"
)

// Config configures a Site; all but Idle, Life, Secure and Trial is required.
type Config struct {
	// RelyingParty is the site's host, to which passkeys belong, and Name what browsers call it.
	RelyingParty, Name string
	// Cookie is the cookie's name, unlike that of any other site on this host: hosts share cookies between ports.
	Cookie string
	// Find returns the officer who has a passkey, by its credential id; ByCode returns one by code. The error is an
	// officer.Reason.
	Find   func(credential []byte) (officer.Officer, error)
	ByCode func(code string) (officer.Officer, error)
	Now    func() time.Time
	// Idle ends a session that is not used, Life any; zero: ten minutes and ten hours.
	Idle, Life time.Duration
	// Secure: the site is served by TLS. Otherwise it is http://localhost.
	Secure bool
	// Trial reports whether keys in software are believed; nil: they are not.
	Trial func() bool
}

const (
	usualIdle = 10 * time.Minute
	usualLife = 10 * time.Hour
	// ceremonyTime is how long a challenge can be answered.
	ceremonyTime = 2 * time.Minute
	// openSessions bounds the sessions, those of browsers in which nobody is signed in included; the least recently used of the
	// latter is dropped.
	openSessions = 1024
	// openChallenges bounds the challenges of one browser, which may have several pages open.
	openChallenges = 4
	// clockStep is how far the clock may be set back without ending sessions.
	clockStep = time.Minute
)

// ErrBusy: too many browsers are signed in.
var ErrBusy = errors.New("too many sessions")

// Session says who is signed in in a browser.
type Session struct {
	// Officer is the officer's code, Home the office that enrolled the officer.
	Officer, Home string
	// Credential is the passkey that signed in.
	Credential  []byte
	Since, Used time.Time
	// Locked: the officer went away; SignIn unlocks.
	Locked bool
}

// session is a browser's; without an Officer, nobody is signed in there.
type session struct {
	Session
	challenges []challenge
}

type challenge struct {
	value  []byte
	create bool
	until  time.Time
}

// Site holds the sessions of one site. Its methods are safe for concurrent use.
type Site struct {
	cfg Config

	mu       sync.Mutex
	open     map[[sha256.Size]byte]*session // by the hash of the cookie's value
	attempts attempts
	codes    attempts // of invitations
}

// New returns a Site in which nobody is signed in.
func New(c Config) *Site {
	if c.Idle == 0 {
		c.Idle = usualIdle
	}
	if c.Life == 0 {
		c.Life = usualLife
	}
	if c.Trial == nil {
		c.Trial = func() bool { return false }
	}
	return &Site{cfg: c, open: map[[sha256.Size]byte]*session{}}
}

// Session returns who is signed in in the request's browser, without counting as use: for what pages ask by themselves.
func (s *Site) Session(r *http.Request) (Session, bool) { return s.signedIn(r, func(*session) {}) }

// Use returns who is signed in in the request's browser, and keeps the session from ending for want of use unless it is locked.
func (s *Site) Use(r *http.Request) (Session, bool) {
	return s.signedIn(r, func(b *session) {
		if !b.Locked {
			b.Used = s.cfg.Now()
		}
	})
}

// Lock locks the session of the request's browser until its officer signs in again.
func (s *Site) Lock(r *http.Request) { s.signedIn(r, func(b *session) { b.Locked = true }) }

// End ends the session of the request's browser.
func (s *Site) End(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.browser(r); b != nil {
		s.drop(b)
	}
}

// signedIn returns the session of a request after a change, if somebody is signed in who still may be.
func (s *Site) signedIn(r *http.Request, change func(*session)) (Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.browser(r)
	if b == nil || b.Officer == "" {
		return Session{}, false
	}
	found, err := s.cfg.Find(b.Credential)
	if err == nil {
		_, err = s.usable(found, b.Credential)
	}
	if err != nil || found.Code != b.Officer || found.Home != b.Home {
		s.drop(b)
		return Session{}, false
	}
	change(b)
	return b.Session, true
}

// usable returns the passkey of an officer who may act today. The error is an officer.Reason.
func (s *Site) usable(found officer.Officer, credential []byte) (officer.Passkey, error) {
	if err := found.InTerm(civil.Of(s.cfg.Now())); err != nil {
		return officer.Passkey{}, err
	}
	key, err := found.Key(credential)
	switch {
	case err != nil:
		return officer.Passkey{}, err
	case key.RelyingParty != s.cfg.RelyingParty:
		return officer.Passkey{}, officer.UnknownKey
	case key.Software && !s.cfg.Trial():
		return officer.Passkey{}, officer.Software
	}
	return key, nil
}

// browser returns the session of a request's cookie, or nil. It is called with mu held.
func (s *Site) browser(r *http.Request) *session {
	if r == nil {
		return nil
	}
	now := s.cfg.Now()
	for _, c := range r.CookiesNamed(s.cookie()) {
		b := s.open[sha256.Sum256([]byte(c.Value))]
		if b == nil {
			continue
		}
		if now.Sub(b.Used) > s.cfg.Idle || now.Sub(b.Since) > s.cfg.Life || b.Used.Sub(now) > clockStep {
			s.drop(b)
			continue
		}
		return b
	}
	return nil
}

// drop is called with mu held.
func (s *Site) drop(b *session) {
	for hash, other := range s.open {
		if other == b {
			delete(s.open, hash)
		}
	}
}

// begin starts a session under a new name, which the browser gets as a cookie. It is called with mu held. The error is ErrBusy.
func (s *Site) begin(w http.ResponseWriter, b *session) error {
	if len(s.open) >= openSessions && !s.makeRoom() {
		return ErrBusy
	}
	id := rand.Text()
	b.Since, b.Used = s.cfg.Now(), s.cfg.Now()
	s.open[sha256.Sum256([]byte(id))] = b
	http.SetCookie(w, &http.Cookie{
		Name: s.cookie(), Value: id, Path: "/", HttpOnly: true, Secure: s.cfg.Secure, SameSite: http.SameSiteStrictMode,
	})
	return nil
}

// makeRoom drops sessions that have ended and, if that is not enough, one of a browser in which nobody is signed in.
func (s *Site) makeRoom() bool {
	now := s.cfg.Now()
	var oldest *session
	for hash, b := range s.open {
		switch {
		case now.Sub(b.Used) > s.cfg.Idle || now.Sub(b.Since) > s.cfg.Life:
			delete(s.open, hash)
		case b.Officer == "" && (oldest == nil || b.Used.Before(oldest.Used)):
			oldest = b
		}
	}
	if len(s.open) >= openSessions && oldest != nil {
		s.drop(oldest)
	}
	return len(s.open) < openSessions
}

// cookie returns the cookie's name. Browsers take one with the prefix from this host only, by TLS.
func (s *Site) cookie() string {
	if s.cfg.Secure {
		return "__Host-" + s.cfg.Cookie
	}
	return s.cfg.Cookie
}
