package console

import (
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"shomei/events"
	"shomei/pkg/lifecycle"
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/signin"
)

// Waiting is an act that waits for a second officer, at an office.
type Waiting struct {
	*events.OpenApproval
	Office string
}

// Act is something that an officer does here with a touch of their passkey.
type Act struct {
	// Challenge is what the passkey signs.
	Challenge []byte
	// File has the registration authority decide on what is signed so, and returns what it shows. Errors: an officer.Reason, and
	// ErrUnfit if what the act is about has changed.
	File func(context.Context, *events.Assertion) (Shown, error)
}

// Shown is what was claimed in an act that waits.
type Shown struct {
	Claim    *events.Claim
	Personal *events.Personal
}

// ErrUnfit is the error of an act that can't be carried out, as what it is about has changed.
var ErrUnfit = errors.New("what an officer decides on at the console no longer waits")

// Why an officer may not decide on an act here.
var (
	errNoPasskey = errors.New("whoever is signed in with an account looks, and decides on nothing")
	errNotTheirs = errors.New("no act of the officer's offices waits under that number for the officer to decide")
	errAtCounter = errors.New("two histories are joined by an officer who has seen both, at a counter")
)

const (
	// touchTime is how long an act waits for its officer's touch, and openActs bounds the acts that wait so.
	touchTime = 2 * time.Minute
	openActs  = 256
)

// acts are what waits for the touch of an officer, by the challenge.
type acts struct {
	mu   sync.Mutex
	open map[string]touching
}

type touching struct {
	Act
	of Waiting
	// outcome is the decision; empty: the act is only to be opened.
	outcome string
	by      string // the office and code of the officer
	until   time.Time
}

func (a *acts) add(one touching, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil {
		a.open = map[string]touching{}
	}
	maps.DeleteFunc(a.open, func(_ string, t touching) bool { return t.over(now) })
	for key := range a.open {
		if len(a.open) < openActs {
			break
		}
		delete(a.open, key)
	}
	a.open[string(one.Challenge)] = one
}

// over reports whether an act waits no longer; nor does one that would wait longer than any, because the clock was set back.
func (t touching) over(now time.Time) bool { return now.After(t.until) || t.until.Sub(now) > touchTime }

// take returns the act whose challenge client data claim to answer, once.
func (a *acts) take(assertion *events.Assertion, by string, now time.Time) (touching, bool) {
	challenge, ok := signin.Answered(assertion.GetClientData())
	if !ok {
		return touching{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.open[string(challenge)]
	if !ok || one.by != by {
		return touching{}, false
	}
	delete(a.open, string(challenge))
	return one, !one.over(now)
}

func (c *Console) approvalRoutes() []route {
	return []route{
		{"GET /approvals", forDeciders, c.listApprovals},
		{"GET /approvals/{id}", forDeciders, c.approvalPage},
		// The pages that answer these forms are asked for in another language by their addresses.
		{"GET /approvals/{id}/open", forDeciders, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/approvals/"+url.PathEscape(r.PathValue("id")), http.StatusSeeOther)
		}},
		{"GET /approvals/{id}/decide", forDeciders, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/approvals", http.StatusSeeOther)
		}},
		{"POST /approvals/{id}/open/options", forDeciders, c.openOptions},
		{"POST /approvals/{id}/open", forDeciders, c.openApproval},
		{"POST /approvals/{id}/decide/options", forDeciders, c.decideOptions},
		{"POST /approvals/{id}/decide", forDeciders, c.decide},
	}
}

// theirs reports whether an officer decides on an act that waits, were it not their own.
func theirs(who officer.Officer, w Waiting) bool {
	at := w.Office == who.Home || slices.Contains(who.Offices, w.Office)
	return at && who.Home != "" && slices.Contains(who.Roles, officer.DeciderOf(w.GetAct()))
}

// waiting returns the act that a request is about, if its officer may decide on it. Errors: errNoPasskey, errNotTheirs.
func (c *Console) waiting(r *http.Request) (visitor, Waiting, error) {
	v := visitorOf(r.Context())
	if !v.passkey {
		return v, Waiting{}, errNoPasskey
	}
	for _, w := range c.SignIn.Waiting() {
		if w.GetId() == r.PathValue("id") && theirs(v.who, w) && w.GetOfficer() != v.Officer {
			return v, w, nil
		}
	}
	return v, Waiting{}, errNotTheirs
}

// approvalsView is the data of the list of what waits.
type approvalsView struct {
	Officer string
	List    page.Table
	// Account: who is signed in can't decide. Done is the decision that was just recorded.
	Account bool
	Done    string
	// Reads: the officer looks at counts, too.
	Reads bool
}

func (c *Console) listApprovals(w http.ResponseWriter, r *http.Request) {
	c.showApprovals(w, r, http.StatusOK, "", "")
}

func (c *Console) showApprovals(w http.ResponseWriter, r *http.Request, status int, done, wrong string) {
	v := visitorOf(r.Context())
	say := c.reader(r).Say
	table := page.Table{Caption: say("approvals.title"), Empty: say("approvals.none"), Columns: []page.Column{
		{Label: say("approvals.act")},
		{Label: say("console.approvals.office"), Short: true},
		{Label: say("procedure.receipt"), Short: true},
		{Label: say("approvals.by"), Short: true},
		{Label: say("approvals.counter"), Short: true},
		{Label: say("approvals.asked"), Short: true},
		{Label: say("approvals.until"), Short: true},
	}}
	for _, one := range c.SignIn.Waiting() {
		if !theirs(v.who, one) {
			continue
		}
		act := page.Cell{Text: say("act." + one.GetAct())}
		if v.passkey && one.GetOfficer() != v.Officer {
			act.Href = "/approvals/" + one.GetId()
		}
		table.Rows = append(table.Rows, []page.Cell{
			act,
			{Text: one.Office},
			{Text: events.CaseNumber(one.GetProcedure())},
			{Text: one.GetOfficer()},
			{Text: one.GetCounter()},
			{Text: onFace(one.GetAskedMs())},
			{Text: lastMinute(one)},
		})
	}
	show := page.View{Title: "approvals.title", Data: approvalsView{Officer: v.Officer, List: table, Account: !v.passkey, Done: done, Reads: v.reads()}}
	if wrong != "" {
		show.Errors = []page.FieldError{{Text: say(wrong)}}
	}
	c.render(w, r, status, "approvals", show)
}

func (c *Console) render(w http.ResponseWriter, r *http.Request, status int, name string, show page.View) {
	if visitorOf(r.Context()).password {
		show.User = true // the page says how weakly its reader is known
	}
	if err := c.pages.Render(w, r, status, name, show); err != nil {
		c.Logger.ErrorContext(r.Context(), "writing a page of the console", "page", name, "err", err)
	}
}

// reader makes texts in the reader's language.
func (c *Console) reader(r *http.Request) actpage.Reader {
	lang := page.LanguageOf(r)
	return actpage.Reader{Lang: lang, Say: func(key string, args ...any) string { return c.pages.Say(lang, key, args...) }}
}

// approvalView is the data of the page about one act that waits.
type approvalView struct {
	Officer, ID, Digest string
	Facts, Who          []actpage.Row
	// Special are the circumstances in the first officer's words.
	Special string
	// Opened: what was claimed is shown, so that the officer can decide. AtCounter: but not approve, which is done at a counter.
	Opened, AtCounter bool
}

// atCounter reports whether an act is approved at counters only: the histories that a joining is about are shown there.
func atCounter(w Waiting) bool { return w.GetAct() == "joining" }

func (c *Console) approvalPage(w http.ResponseWriter, r *http.Request) {
	v, one, err := c.waiting(r)
	if err != nil {
		c.refuseApproval(w, r, err)
		return
	}
	c.showApproval(w, r, v, one, nil)
}

// showApproval shows an act that waits: what everybody who lists it knows, and what was claimed if it was opened.
func (c *Console) showApproval(w http.ResponseWriter, r *http.Request, v visitor, one Waiting, shown *Shown) {
	read := c.reader(r)
	view := approvalView{
		Officer: v.Officer, ID: one.GetId(), AtCounter: atCounter(one), Digest: hex.EncodeToString(one.GetDigest()), Facts: append(read.Asked(one.OpenApproval),
			actpage.Row{Label: read.Say("console.approvals.office"), Text: one.Office},
			actpage.Row{Label: read.Say("approvals.asked"), Text: onFace(one.GetAskedMs())},
			actpage.Row{Label: read.Say("approvals.until"), Text: lastMinute(one)}),
	}
	if shown != nil {
		view.Opened, view.Special = true, shown.Personal.GetSpecialCircumstances()
		view.Facts, view.Who = append(view.Facts, read.Facts(shown.Claim, shown.Personal)...), read.Person(shown.Personal.GetRecord())
	}
	show := page.View{Title: "approval.title", Scripts: []string{"signin.js"}, Data: view}
	c.render(w, r, http.StatusOK, "approval", show)
}

func (c *Console) openOptions(w http.ResponseWriter, r *http.Request) {
	v, one, err := c.waiting(r)
	var act Act
	if err == nil {
		act, err = c.SignIn.Opening(v.who, one)
	}
	c.askForTouch(w, r, v, touching{Act: act, of: one}, err)
}

func (c *Console) openApproval(w http.ResponseWriter, r *http.Request) {
	v, act, shown, err := c.touched(w, r, false)
	if err != nil {
		c.refuseApproval(w, r, err)
		return
	}
	c.showApproval(w, r, v, act.of, &shown)
}

// errNoWhy: an officer refuses and does not say why.
var errNoWhy = errors.New("an officer who refuses says why")

func (c *Console) decideOptions(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	v, one, err := c.waiting(r)
	outcome, why := r.PostFormValue("outcome"), strings.TrimSpace(r.PostFormValue("why"))
	digest, _ := hex.DecodeString(r.PostFormValue("digest"))
	switch {
	case err != nil:
	case string(digest) != string(one.GetDigest()), outcome != lifecycle.ApprovalApproved && outcome != lifecycle.ApprovalRefused:
		err = ErrUnfit
	case outcome == lifecycle.ApprovalRefused && why == "":
		err = errNoWhy
	case outcome == lifecycle.ApprovalApproved && atCounter(one):
		err = errAtCounter
	}
	var act Act
	if err == nil {
		act, err = c.SignIn.Deciding(v.who, one, outcome, why)
	}
	c.askForTouch(w, r, v, touching{Act: act, of: one, outcome: outcome}, err)
}

func (c *Console) decide(w http.ResponseWriter, r *http.Request) {
	_, act, _, err := c.touched(w, r, true)
	if err != nil {
		c.refuseApproval(w, r, err)
		return
	}
	c.await(r.Context(), func() bool { // what another process has recorded
		return !slices.ContainsFunc(c.SignIn.Waiting(), func(w Waiting) bool { return w.GetId() == act.of.GetId() })
	})
	c.showApprovals(w, r, http.StatusOK, act.outcome, "")
}

// askForTouch has the browser ask for a touch over an act, unless there is an error.
func (c *Console) askForTouch(w http.ResponseWriter, r *http.Request, v visitor, act touching, err error) {
	var options []byte
	if err == nil {
		options, err = signin.SignOptions(act.Challenge, c.SignIn.Name, v.who.Passkeys)
	}
	if err != nil {
		status, key := c.approvalRefusal(err)
		http.Error(w, c.say(r, key), status)
		return
	}
	now := c.Clock()
	act.by, act.until = v.by(), now.Add(touchTime)
	c.acts.add(act, now)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(options) // the browser has gone, or reads it
}

// by names an officer of all offices.
func (v visitor) by() string { return v.Office + "/" + v.Officer }

// touched verifies the touch in a request and has its act decided: a decision, or the wish to see what waits.
func (c *Console) touched(w http.ResponseWriter, r *http.Request, decides bool) (v visitor, act touching, shown Shown, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, formLimit)
	v, one, err := c.waiting(r)
	if err != nil {
		return v, act, shown, err
	}
	signature, err := signin.ReadAssertion([]byte(r.PostFormValue("passkey")))
	if err != nil {
		return v, act, shown, err
	}
	act, ok := c.acts.take(signature, v.by(), c.Clock())
	if !ok || act.of.GetId() != one.GetId() || (act.outcome != "") != decides {
		return v, act, shown, officer.OtherBytes
	}
	key, err := v.who.Key(signature.GetCredential())
	if err == nil {
		err = officer.Verify(signature, act.Challenge, key)
	}
	if err != nil {
		return v, act, shown, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), recordWait)
	defer cancel()
	shown, err = act.File(ctx, signature)
	return v, act, shown, err
}

// refuseApproval shows the list of what waits, and why nothing was shown or recorded.
func (c *Console) refuseApproval(w http.ResponseWriter, r *http.Request, err error) {
	c.Logger.WarnContext(r.Context(), "an approval at the console came to nothing", "why", err)
	status, key := c.approvalRefusal(err)
	c.showApprovals(w, r, status, "", key)
}

func (c *Console) approvalRefusal(err error) (status int, key string) {
	switch {
	case errors.Is(err, errNoWhy):
		return http.StatusUnprocessableEntity, "wrong.refusal.why"
	case errors.Is(err, errAtCounter):
		return http.StatusConflict, "console.approvals.counter"
	case errors.Is(err, errNoPasskey):
		return http.StatusForbidden, "console.approvals.account"
	case errors.Is(err, errNotTheirs), errors.Is(err, ErrUnfit):
		return http.StatusConflict, "console.approvals.gone"
	case errors.Is(err, officer.OtherBytes):
		return http.StatusForbidden, "console.approvals.late"
	}
	if reason := officer.Reason(""); errors.As(err, &reason) {
		return http.StatusForbidden, "console.approvals.refused"
	}
	return http.StatusServiceUnavailable, "console.approvals.away"
}

func onFace(ms int64) string { return reader{}.instant(time.UnixMilli(ms))[:len("2006-01-02 15:04")] }

func lastMinute(one Waiting) string {
	return onFace(actpage.LastMinute(time.UnixMilli(one.GetLapsesMs())).UnixMilli())
}
