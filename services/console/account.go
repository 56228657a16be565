package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"shomei/pkg/civil"
	"shomei/pkg/officer"
	"shomei/pkg/page"
)

// Accounts says how people sign in with an account at an identity provider (OpenID Connect), to look and for nothing else. All
// fields but Groups and GroupsClaim are required.
type Accounts struct {
	Issuer, ClientID, ClientSecret string
	// GroupsClaim is the claim that lists groups; empty: groups.
	GroupsClaim string
	// Groups says what the members of a group may look at.
	Groups map[string]Grant
	// ByIdentity returns the officer whose account this is, by SHA-256 over issuer, a zero byte and subject. The error is an
	// officer.Reason.
	ByIdentity func(hash []byte) (officer.Officer, error)
}

// Grant is what the members of a group may look at.
type Grant struct {
	Roles []officer.Role
	Areas []string
}

const (
	// loginTime is how long somebody may take at the provider; accountIdle ends a session that is not used, accountLife any, so that
	// the provider is asked again.
	loginTime   = 10 * time.Minute
	accountIdle = 10 * time.Minute
	accountLife = time.Hour
	// openAccounts bounds the sessions and, separately, those who are at the provider.
	openAccounts = 1024
	// clockStep is how far the clock may be set back without ending sessions.
	clockStep = time.Minute
	// providerWait is how long the provider may take to answer.
	providerWait = 10 * time.Second

	loginCookie   = "__Host-shomei-login"
	accountCookie = "__Host-shomei-account"
)

// accounts holds who is signed in with an account.
type accounts struct {
	Accounts
	clock func() time.Time

	mu       sync.Mutex
	provider *oidc.Provider
	logins   map[[sha256.Size]byte]login
	open     map[[sha256.Size]byte]*accountSession
}

// login is a browser that was sent to the provider: what comes back must fit all of it.
type login struct {
	state, nonce, verifier, redirect string
	until                            time.Time
}

// accountSession is a browser in which somebody is signed in with an account.
type accountSession struct {
	visitor
	// identity is that of an officer's account; nil: the groups gave the grant.
	identity []byte
	// code is the officer's who has signed in with a password, set by an invitation.
	code        string
	invitation  []byte
	since, used time.Time
}

func newAccounts(a Accounts, clock func() time.Time) *accounts {
	if a.GroupsClaim == "" {
		a.GroupsClaim = "groups"
	}
	return &accounts{Accounts: a, clock: clock, logins: map[[sha256.Size]byte]login{}, open: map[[sha256.Size]byte]*accountSession{}}
}

var providerClient = &http.Client{Timeout: providerWait}

// find returns the provider, which is asked about itself when it is first needed.
func (a *accounts) find() (*oidc.Provider, error) {
	a.mu.Lock()
	known := a.provider
	a.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found, err := oidc.NewProvider(oidc.ClientContext(context.Background(), providerClient), a.Issuer) // it fetches keys later, too
	if err != nil {
		return nil, fmt.Errorf("asking the identity provider %s: %w", a.Issuer, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.provider = found
	return found, nil
}

func (a *accounts) config(p *oidc.Provider, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: a.ClientID, ClientSecret: a.ClientSecret, Endpoint: p.Endpoint(), RedirectURL: redirect, Scopes: []string{oidc.ScopeOpenID, "profile"},
	}
}

// begin sends a browser to the provider. What comes back is tied to this browser by a cookie.
func (a *accounts) begin(w http.ResponseWriter, r *http.Request) error {
	p, err := a.find()
	if err != nil {
		return err
	}
	one := login{
		state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), redirect: "https://" + r.Host + "/sign-in/callback",
		until: a.clock().Add(loginTime),
	}
	name := rand.Text()
	a.mu.Lock()
	for hash, l := range a.logins {
		if a.clock().After(l.until) || len(a.logins) >= openAccounts {
			delete(a.logins, hash)
		}
	}
	a.logins[sha256.Sum256([]byte(name))] = one
	a.mu.Unlock()
	// Lax, because the provider's page leads back here.
	http.SetCookie(w, &http.Cookie{
		Name: loginCookie, Value: name, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode, MaxAge: int(loginTime / time.Second),
	})
	to := a.config(p, one.redirect).AuthCodeURL(one.state, oidc.Nonce(one.nonce), oauth2.S256ChallengeOption(one.verifier))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// Why an account is not signed in.
var (
	errOtherBrowser = errors.New("the provider's answer is not for this browser, or comes twice or too late")
	errNotGranted   = errors.New("the account is no officer's, and none of its groups may look here")
)

// take returns what a browser was sent away with, once.
func (a *accounts) take(w http.ResponseWriter, r *http.Request) (login, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
	for _, c := range r.CookiesNamed(loginCookie) {
		hash := sha256.Sum256([]byte(c.Value))
		one, ok := a.logins[hash]
		delete(a.logins, hash)
		if ok && !a.clock().After(one.until) && subtle.ConstantTimeCompare([]byte(one.state), []byte(r.URL.Query().Get("state"))) == 1 {
			return one, nil
		}
	}
	return login{}, errOtherBrowser
}

// end signs in who comes back from the provider.
func (a *accounts) end(w http.ResponseWriter, r *http.Request) (visitor, error) {
	one, err := a.take(w, r)
	if err != nil {
		return visitor{}, err
	}
	if why := r.URL.Query().Get("error"); why != "" {
		return visitor{}, fmt.Errorf("the identity provider refuses: %.60q", why)
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), providerClient), providerWait)
	defer cancel()
	subject, groups, err := a.judge(ctx, one, r.URL.Query().Get("code"))
	if err != nil {
		return visitor{}, err
	}
	s := a.granted(subject, groups)
	if s == nil {
		return visitor{}, errNotGranted
	}
	return s.visitor, a.start(w, s)
}

// judge exchanges the code and verifies what comes for it.
func (a *accounts) judge(ctx context.Context, one login, code string) (subject string, groups []string, err error) {
	p, err := a.find()
	if err != nil {
		return "", nil, err
	}
	config := a.config(p, one.redirect)
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(one.verifier))
	if err != nil {
		return "", nil, fmt.Errorf("exchanging the provider's code: %w", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: a.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", nil, fmt.Errorf("the provider's token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(one.nonce)) != 1 || id.Subject == "" {
		return "", nil, errOtherBrowser
	}
	if groups, err = a.groupsIn(id.Claims); err != nil || groups != nil || len(a.Groups) == 0 {
		return id.Subject, groups, err
	}
	info, err := p.UserInfo(ctx, config.TokenSource(ctx, token)) // some providers list groups only there
	if err != nil {
		return "", nil, fmt.Errorf("asking the provider for the account's groups: %w", err)
	}
	if info.Subject != id.Subject {
		return "", nil, errOtherBrowser
	}
	groups, err = a.groupsIn(info.Claims)
	return id.Subject, groups, err
}

func (a *accounts) groupsIn(claims func(any) error) ([]string, error) {
	var all map[string]any
	if err := claims(&all); err != nil {
		return nil, err
	}
	list, _ := all[a.GroupsClaim].([]any)
	var groups []string
	for _, one := range list {
		if name, ok := one.(string); ok {
			groups = append(groups, name)
		}
	}
	return groups, nil
}

// Identity returns the hash by which an officer's enrolment names an account.
func Identity(issuer, subject string) []byte {
	hash := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return hash[:]
}

// granted returns the session that an account gets; nil: none. An officer's account gets what the officer's roles do; what the groups
// of another account grant is looked at under a name made from the account's hash.
func (a *accounts) granted(subject string, groups []string) *accountSession {
	identity := Identity(a.Issuer, subject)
	if found, err := a.ByIdentity(identity); !errors.Is(err, officer.Unknown) {
		if err != nil || found.InTerm(civil.Of(a.clock())) != nil {
			return nil
		}
		return &accountSession{identity: identity}
	}
	s := &accountSession{visitor: visitor{Officer: "oidc1-" + hex.EncodeToString(identity)[:10], known: true}}
	for _, name := range groups {
		if grant, ok := a.Groups[name]; ok && officer.Reads(grant.Roles) {
			s.who.Roles, s.Areas = append(s.who.Roles, grant.Roles...), append(s.Areas, grant.Areas...)
		}
	}
	if len(s.who.Roles) == 0 {
		return nil
	}
	slices.Sort(s.Areas)
	s.Areas = slices.Compact(s.Areas)
	return s
}

// start gives the browser a session.
func (a *accounts) start(w http.ResponseWriter, s *accountSession) error {
	name := rand.Text()
	s.since, s.used = a.clock(), a.clock()
	a.mu.Lock()
	defer a.mu.Unlock()
	for hash, other := range a.open {
		if a.over(other) {
			delete(a.open, hash)
		}
	}
	if len(a.open) >= openAccounts {
		return errors.New("too many accounts are signed in")
	}
	a.open[sha256.Sum256([]byte(name))] = s
	http.SetCookie(w, &http.Cookie{Name: accountCookie, Value: name, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode})
	return nil
}

// over reports whether a session has ended; so has one that was used later than now, because the clock was set back.
func (a *accounts) over(s *accountSession) bool {
	now := a.clock()
	return now.Sub(s.used) > accountIdle || now.Sub(s.since) > accountLife || s.used.Sub(now) > clockStep
}

// session returns the session of a request's browser; nil if there is none.
func (a *accounts) session(r *http.Request) *accountSession {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range r.CookiesNamed(accountCookie) {
		hash := sha256.Sum256([]byte(c.Value))
		s := a.open[hash]
		if s == nil {
			continue
		}
		if a.over(s) {
			delete(a.open, hash)
			continue
		}
		s.used = a.clock()
		return s
	}
	return nil
}

// leave ends the session of a request's browser.
func (a *accounts) leave(r *http.Request) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range r.CookiesNamed(accountCookie) {
		delete(a.open, sha256.Sum256([]byte(c.Value)))
	}
}

// accountRoutes are the way to the provider and back.
func (c *Console) accountRoutes() []route {
	return []route{{"GET /sign-in/account", forAll, c.toProvider}, {"GET /sign-in/callback", forAll, c.fromProvider}}
}

func (c *Console) toProvider(w http.ResponseWriter, r *http.Request) {
	if err := c.accounts.begin(w, r); err != nil {
		c.Logger.ErrorContext(r.Context(), "nobody can sign in with an account", "err", err)
		c.showSignIn(w, r, http.StatusServiceUnavailable, "console.account.away")
	}
}

func (c *Console) fromProvider(w http.ResponseWriter, r *http.Request) {
	_, err := c.accounts.end(w, r)
	switch {
	case err == nil:
		// Not a redirect: what follows one from the provider's page goes without the session's cookie, which is strict.
		w.Header().Set("Refresh", "0; url=/")
		show := page.View{Title: "console.signin.title", Data: signInView{Done: true}}
		c.render(w, r, http.StatusOK, "sign-in", show)
	case errors.Is(err, errNotGranted):
		c.showSignIn(w, r, http.StatusForbidden, "console.account.role")
	default:
		c.Logger.WarnContext(r.Context(), "an account was not signed in", "err", err)
		c.showSignIn(w, r, http.StatusForbidden, "console.account.failed")
	}
}
