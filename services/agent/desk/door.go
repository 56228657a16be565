package desk

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"shomei/pkg/card"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/signin"
)

// A desk has two doors. On its own machine, at http://localhost, everything is served as the seats allow. Under the counter's host
// name, by TLS, other machines of the office come in, whose officers sign in first: without a session there is nothing but the pages
// to sign in and to enrol a passkey. What happens at the card reader is not served there, so no PIN crosses the network.

// door is one of the two.
type door struct {
	site *signin.Site
	// host is the counter's host name; empty: its own machine.
	host string
}

// far reports whether other machines come in by the door.
func (at *door) far() bool { return at.host != "" }

type doorKey struct{}

// doorOf returns the door by which a request came.
func (d *Desk) doorOf(ctx context.Context) *door {
	if at, ok := ctx.Value(doorKey{}).(*door); ok {
		return at
	}
	return d.near
}

// newDoor returns a door at which nobody is signed in yet.
func (d *Desk) newDoor(host string) *door {
	c := signin.Config{
		RelyingParty: officer.Counters, Name: "Shomei " + d.Name, Cookie: "signin-" + d.Name,
		Find:   func(credential []byte) (officer.Officer, error) { return d.Counter.Officers().Find(credential) },
		ByCode: func(code string) (officer.Officer, error) { return d.Counter.Officers().Officer(code) },
		Now:    d.Counter.Now, Trial: func() bool { return d.Counter.Officers().Demonstration() },
	}
	if host != "" {
		c.RelyingParty, c.Secure, c.Trial = host, true, nil
	}
	return &door{site: signin.New(c), host: host}
}

// atReader lists the routes of clerks that are served on the counter's own machine only: the card, its holder and the resident's
// screen are there.
var atReader = []string{
	"GET /screen", "POST /screen", "POST /procedures/{id}/show", "POST /procedures/{id}/hand-over", "GET /card", "POST /card", "POST /tray",
}

// errAtReader: another machine asks for what happens at the card reader.
var errAtReader = errors.New("this is done at the counter itself, where the card reader is")

// servedFar reports whether a route is served to other machines.
func servedFar(r route) bool {
	switch r.audience {
	case forAll, forGuest:
		return true
	case forClerk:
		return !slices.Contains(atReader, r.pattern)
	}
	return false // residents and programs are on the counter's machine
}

// ErrSoftOfficer: a demonstration's counter acts as its officer without anybody signing in, so it stays on its own machine.
var ErrSoftOfficer = errors.New("a demonstration's counter is served on its own machine only")

// OfficeHandler serves the counter's pages to other machines of its office, to officers who have signed in by a passkey of this host
// name. It expects to be served by TLS. The error is ErrSoftOfficer.
func (d *Desk) OfficeHandler(host string) (http.Handler, error) {
	if d.Soft != nil {
		return nil, ErrSoftOfficer
	}
	at, mux := d.newDoor(host), http.NewServeMux()
	for _, r := range d.routes() {
		do := d.serve(r)
		if !servedFar(r) {
			do = http.HandlerFunc(d.refuseFar)
		}
		mux.Handle(r.pattern, do)
	}
	entered := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), doorKey{}, at))
		if foreignPost(r) {
			d.refuse(w, r, errForeignPost)
			return
		}
		mux.ServeHTTP(w, r)
	})
	return page.Protect(page.ByTLS(entered), host), nil
}

var errForeignPost = errors.New("what may change something is taken from this site's own pages only")

// foreignPost reports whether a request that may change something does not come from a page of this host, as browsers say of
// themselves: every one that knows passkeys does. A program, which says nothing, is refused as well.
func foreignPost(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("Sec-Fetch-Site") != "same-origin"
}

func (d *Desk) refuseFar(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		d.fail(w, errAtReader)
		return
	}
	d.refuse(w, r, errAtReader)
}

// onReader returns the card on the reader to whoever is there; see agent.Counter.Presented.
func (d *Desk) onReader(ctx context.Context) (card.Identity, error) {
	if d.doorOf(ctx).far() {
		return card.Identity{}, errAtReader
	}
	return d.Counter.Presented(ctx)
}
