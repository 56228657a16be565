package desk

import (
	"crypto/rand"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"

	"shomei/pkg/page"
)

// pairing is the code that makes one browser the resident's screen.
type pairing struct {
	mu   sync.Mutex
	code string
	made time.Time
}

const (
	// codeTime is how long a code is valid.
	codeTime = 10 * time.Minute
	// codeLength letters are 40 bits, more than anybody guesses in that time.
	codeLength = 8
)

// begin makes a code, replacing any other.
func (p *pairing) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.code, p.made = rand.Text()[:codeLength], time.Now()
}

// open returns the valid code, or "", and its end.
func (p *pairing) open() (code string, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.made) > codeTime {
		p.code = ""
	}
	return p.code, p.made.Add(codeTime)
}

// take uses up a code, however it is typed, and reports whether it was right.
func (p *pairing) take(typed string) bool {
	code, _ := p.open()
	typed = strings.ToUpper(strings.ReplaceAll(norm.NFKC.String(typed), " ", ""))
	if code == "" || subtle.ConstantTimeCompare([]byte(typed), []byte(code)) != 1 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.code != code {
		return false // somebody else was faster
	}
	p.code = ""
	return true
}

// pairParameter holds the code in the URL of the resident's screen.
const pairParameter = "pair"

// pair makes the requesting browser the resident's screen.
func (d *Desk) pair(w http.ResponseWriter, r *http.Request) {
	token := rand.Text()
	if err := d.Counter.PairScreen(token); err != nil {
		d.refuse(w, r, err)
		return
	}
	d.screen.put("") // the new screen must not show what the old one did
	d.Logger.Info("a browser was paired as the resident's screen", "counter", d.Name)
	http.SetCookie(w, cookieOf(residentCookie, token))
	d.render(w, r, goTo("/resident"))
}

// unpairedView tells a browser how to become the resident's.
type unpairedView struct {
	What, Next string
	// Clerk: it is a clerk's browser, which never becomes the resident's.
	Clerk bool
}

func (d *Desk) unpaired(at seat, typed string, lang page.Language) reply {
	view := unpairedView{Clerk: at == seatClerk}
	view.What, view.Next = problemOf(errNotTheResidents).in(lang)
	if view.Clerk {
		view.Next = d.pages.Say(lang, "pair.clerk")
	}
	out := show("unpaired", page.View{Title: "resident.title", Lang: lang, Bare: true, Data: view})
	if typed != "" && !view.Clerk {
		out.view.Errors = []page.FieldError{{Field: pairParameter, Text: d.pages.Say(lang, "pair.wrong")}}
	}
	out.status = http.StatusForbidden
	return out
}

// pairView shows the clerk the code, and where to type it.
type pairView struct {
	station
	Code, Address, Until string
	Paired               bool
}

func (d *Desk) showPair(r call, lang page.Language) (reply, error) {
	code, until := d.pairing.open()
	view := pairView{station: d.station(lang, ""), Code: code, Until: onFace(until), Paired: d.Counter.ScreenPaired()}
	view.Address = "http://" + otherName(r.Request) + "/resident"
	return show("pair", page.View{Title: "pair.title", Scripts: scripts, Data: view}), nil
}

func (d *Desk) postPair(_ call, _ page.Language) (reply, error) {
	d.pairing.begin()
	return goTo("/screen"), nil
}

// otherName returns this host under a name that the clerk's browser doesn't use: to browsers the two are unrelated, so
// that the same browser can show the resident's page as well.
func otherName(r *http.Request) string {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	other := "localhost"
	if address, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && host == other {
		other = address.IP.String()
	}
	if port == "" {
		return other
	}
	return net.JoinHostPort(other, port)
}
