package desk

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/card"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// routes lists all URLs of the desk.
func (d *Desk) routes() []route {
	return []route{
		{"GET /assets/", forAll, page.Assets()},
		{"GET /live", forGuest, http.HandlerFunc(d.serveLive)},
		{"GET " + residentLive, forResident, http.HandlerFunc(d.serveResident)},

		{"GET /sign-in", forGuest, d.answer(d.showSignIn)},
		{"POST /sign-in", forGuest, http.HandlerFunc(d.postSignIn)},
		{"POST /sign-in/options", forGuest, d.options(d.signInOptions)},
		{"POST /sign-out", forGuest, d.answer(d.postSignOut)},
		{"POST /lock", forGuest, http.HandlerFunc(d.postLock)},
		{"POST /unlock", forGuest, http.HandlerFunc(d.postUnlock)},
		{"GET /enrol", forGuest, d.answer(d.showEnrol)},
		{"POST /enrol", forGuest, d.answer(d.postEnrol)},
		{"POST /enrol/options", forGuest, d.options(d.enrolOptions)},
		{"GET /enrol/{id}", forGuest, d.answer(d.showEnrolled)},
		{"GET /enrol/{id}/live", forGuest, http.HandlerFunc(d.serveEnrolled)},
		{"GET /sign/{token}", forClerk, d.answer(d.showSign)},
		{"POST /sign/{token}", forClerk, d.answer(d.postSign)},
		{"POST /sign/{token}/options", forClerk, d.options(d.signOptions)},
		{"GET /approvals", forClerk, d.answer(d.showApprovals)},
		{"GET /approvals/{id}", forClerk, d.answer(d.showApproval)},
		{"POST /approvals/{id}", forClerk, d.answer(d.postApproval)},
		{"GET /officers", forClerk, d.answer(d.showOfficers)},
		{"POST /officers", forClerk, d.answer(d.postOfficers)},

		{"GET /{$}", forClerk, d.answer(d.showStart)},
		{"GET /screen", forClerk, d.answer(d.showPair)},
		{"POST /screen", forClerk, d.answer(d.postPair)},
		{"GET /apply", forClerk, d.answer(d.showApply)},
		{"POST /apply", forClerk, d.answer(d.postApply)},
		{"GET /report", forClerk, d.answer(d.showReport)},
		{"POST /report", forClerk, d.answer(d.postReport)},
		{"GET /join", forClerk, d.answer(d.showJoin)},
		{"POST /join", forClerk, d.answer(d.postJoin)},
		{"GET /cases", forClerk, d.answer(d.showCases)},
		{"POST /cases", forClerk, d.answer(d.postCases)},
		{"GET /find", forClerk, d.answer(d.showFind)},
		{"POST /find", forClerk, d.answer(d.postFind)},
		{"GET /review/{token}", forClerk, d.answer(d.showReview)},
		{"POST /review/{token}", forClerk, d.answer(d.postReview)},
		{"GET /procedures/{id}", forClerk, d.answer(d.showProcedure)},
		{"POST /procedures/{id}/hand-over", forClerk, d.answer(d.postHandOver)},
		{"GET /procedures/{id}/drop", forClerk, d.answer(d.showDrop)},
		{"POST /procedures/{id}/drop", forClerk, d.answer(d.postDrop)},
		{"GET /procedures/{id}/copy", forClerk, d.answer(d.showCopy)},
		{"POST /procedures/{id}/show", forClerk, d.answer(d.postShow)},
		{"GET /card", forClerk, d.answer(d.showCard)},
		{"POST /card", forClerk, d.answer(d.showCard)},
		{"POST /tray", forClerk, d.answer(d.postTray)},

		{"GET /resident", forResident, d.answer(d.showResident)},
		{"GET /procedures/{id}/pin", forResident, d.answer(d.showPIN)},
		{"POST /procedures/{id}/pin", forResident, d.answer(d.postPIN)},

		{"POST /api/applications", forPrograms, d.answer(d.apiApply)},
		{"POST /api/acts/{token}", forPrograms, d.answer(d.apiSign)},
		{"POST /api/enrol", forPrograms, d.answer(d.apiEnrol)},
		{"POST /api/cases", forPrograms, d.answer(d.postCases)},
		{"POST /api/find", forPrograms, d.answer(d.postFind)},
		{"POST /api/approvals", forPrograms, d.answer(d.apiApprovals)},
		{"POST /api/approvals/{id}", forPrograms, d.answer(d.postApproval)},
		{"POST /api/reports", forPrograms, d.answer(d.apiReport)},
		{"GET /api/procedures/{id}", forPrograms, d.answer(d.showProcedure)},
		{"GET /api/procedures/{id}/events", forPrograms, http.HandlerFunc(d.apiEvents)},
		{"POST /api/procedures/{id}/confirm", forPrograms, d.answer(d.apiConfirm)},
		{"POST /api/procedures/{id}/hand-over", forPrograms, d.answer(d.postHandOver)},
		{"POST /api/procedures/{id}/drop", forPrograms, d.answer(d.apiDrop)},
		{"GET /api/status", forPrograms, d.answer(d.apiStatus)},
		{"GET /api/card", forPrograms, d.answer(d.showCard)},
		{"POST /api/card", forPrograms, d.answer(d.showCard)},
		{"POST /api/reader/cards", forPrograms, d.answer(d.apiMakeCard)},
		{"POST /api/reader/insert", forPrograms, d.answer(d.apiInsert)},
		{"POST /api/reader/eject", forPrograms, d.answer(d.apiEject)},
	}
}

type problemView struct {
	station
	What, Next string
	// Back is the page to try again from; Unblock: the solution is an application to unblock the PIN.
	Back    string
	Unblock bool
	// Resident: it is on the resident's screen, without a way to the clerk's pages.
	Resident bool
}

// backFrom returns the page that leads to a URL, empty if that is the start page.
func backFrom(path string) string {
	if path == "/card" {
		return path
	}
	if parts := strings.Split(path, "/"); len(parts) == 4 && parts[1] == "procedures" {
		return strings.Join(parts[:3], "/")
	}
	return ""
}

// problemPage says what is wrong and leads back; on the resident's screen it leads nowhere.
func (d *Desk) problemPage(err error, back string, lang page.Language, resident bool) reply {
	p := problemOf(err)
	if p.status >= http.StatusInternalServerError {
		d.Logger.Error("could not serve a page", "code", p.Code, "error", err)
	}
	view := problemView{Resident: resident, Unblock: errors.Is(err, card.ErrBlocked)}
	if p.status != http.StatusNotFound {
		view.Back = back
	}
	view.What, view.Next = p.in(lang)
	if p.Left != nil {
		view.What += " " + d.pages.Say(lang, "card.left", *p.Left)
	}
	out := reply{status: p.status, name: "problem", view: page.View{Title: "problem.title", Lang: lang, Bare: resident}}
	if resident {
		view.Live, out.view.Scripts = d.live(), []string{"live.js"}
		out.view.ReloadAfter, out.view.Reload = problemTime, "/resident"
	} else {
		view.station = d.station(lang, "")
	}
	out.view.Data = view
	return out
}

// station is the state of the counter itself, always in sight.
type station struct {
	Live                            string
	Name, Reader, Link, Clock       string
	ReaderAway, LinkAway, Simulated bool
	// ClockTrouble says that the clock differs from the centre's, with both times.
	ClockTrouble string
	Outbox, Held int
}

// scripts are those of pages that update themselves; without script, all of them work by reloading.
var scripts = []string{"vendor/htmx.min.js", "live.js"}

// personalScripts are those of pages that show personal data, which F2 hides.
var personalScripts = append(slices.Clone(scripts), "privacy.js")

// signingScripts are those of pages that ask for a passkey by themselves.
var signingScripts = append(slices.Clone(scripts), "signin.js")

func (d *Desk) station(lang page.Language, procedure string) station {
	clock := d.Counter.Clock()
	s := station{
		Live: "/live", Name: d.Name, Outbox: d.Counter.Outbox(), Reader: d.pages.Say(lang, "station.reader."+string(d.Reader())),
		Link: d.pages.Say(lang, "station.link."+d.Counter.Link().String()), Clock: onFace(clock.Own),
		ReaderAway: d.Reader() == ReaderAway, LinkAway: d.Counter.Link() != counterlink.Up, Simulated: clock.Evidence == agent.Simulated,
		Held: d.Counter.Held(),
	}
	switch {
	case clock.Refused:
		s.ClockTrouble = d.pages.Say(lang, "station.clock.refused")
	case clock.Differs:
		s.ClockTrouble = d.pages.Say(lang, "station.clock.differs", onFace(clock.Own), onFace(clock.Centre))
	}
	if procedure != "" {
		s.Live += "?procedure=" + procedure
	}
	return s
}

func onFace(t time.Time) string { return t.In(civil.Tokyo).Format("2006-01-02 15:04") }

// serveLive sends the station's state, and one procedure's, whenever they change. Whose session ends meanwhile is sent to sign in;
// a locked page stays as it is.
func (d *Desk) serveLive(w http.ResponseWriter, r *http.Request) {
	id, lang := r.URL.Query().Get("procedure"), page.LanguageOf(r)
	guest := r.URL.Query().Has("guest")
	if guest {
		id = ""
	}
	live := liveParts{desk: d, lang: lang, procedure: id, stream: openStream(w), sent: map[string]string{}}
	updates := d.Counter.Progress(r.Context(), id)
	for {
		_, locked, ended := d.letIn(r)
		switch {
		case ended && !guest:
			_ = live.stream.send("go", []byte("/sign-in")) // the browser may have gone
			return
		case locked && !guest:
		default:
			if live.send() != nil {
				return
			}
		}
		changed := d.readerChanged()
		select {
		case _, open := <-updates:
			if !open {
				return
			}
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// liveParts are the changing parts of one open page.
type liveParts struct {
	desk      *Desk
	lang      page.Language
	procedure string
	stream    stream
	sent      map[string]string
}

// send pushes only the parts that changed, so that an update never clobbers what a clerk is typing.
func (l *liveParts) send() error {
	html, err := l.desk.pages.Fragment(l.lang, "start", "station", l.desk.station(l.lang, ""))
	if err == nil {
		err = l.part("station", html)
	}
	if err != nil || l.procedure == "" {
		return err
	}
	status, err := l.desk.Counter.Status(l.procedure)
	if err != nil {
		return err
	}
	view := l.desk.procedureView(status, l.lang)
	if err := l.part("say", view.Message); err != nil {
		return err
	}
	if html, err = l.desk.pages.Fragment(l.lang, "procedure", "procedure", view); err != nil {
		return err
	}
	return l.part("procedure", html)
}

func (l *liveParts) part(name, html string) error {
	if l.sent[name] == html {
		return nil
	}
	l.sent[name] = html
	return l.stream.send(name, []byte(strings.TrimSpace(html)))
}

type startView struct {
	station
	Operations []anchor
	Reports    []anchor
	Procedures page.Table
	Tray       *trayView
}

// anchor is a link on a page; Key is its shortcut.
type anchor struct{ Text, Href, Key string }

// choice is one of several, in a list or as a box to tick.
type choice struct {
	Value, Text string
	Chosen      bool
}

// offered are the operations that a clerk can choose, the most frequent first.
func offered() []regime.Handling {
	return slices.DeleteFunc(regime.Handlings(), func(h regime.Handling) bool { return h.Key == "" })
}

func (d *Desk) showStart(_ call, lang page.Language) (reply, error) {
	view := startView{station: d.station(lang, ""), Procedures: d.procedureTable(lang), Tray: d.trayView()}
	for _, o := range offered() {
		view.Operations = append(view.Operations, anchor{d.pages.Say(lang, "operation."+o.Word), "/apply?operation=" + o.Word, o.Key})
	}
	for _, o := range reportShortcuts {
		view.Reports = append(view.Reports, anchor{d.pages.Say(lang, "report."+o.what), "/report?what=" + o.what, o.key})
	}
	return show("start", page.View{Title: "start.title", Scripts: scripts, Data: view}), nil
}

// startRows is how many procedures the start page lists.
const startRows = 30

func (d *Desk) procedureTable(lang page.Language) page.Table {
	say := func(key string) string { return d.pages.Say(lang, key) }
	table := page.Table{ID: "procedures", Caption: say("start.procedures"), Empty: say("start.none"), Columns: []page.Column{
		{Label: say("start.receipt")}, {Label: say("start.filed"), Short: true}, {Label: say("start.operation")}, {Label: say("start.state")},
	}}
	for _, s := range d.Counter.Procedures() {
		if s.Application == nil && s.Report == nil || s.Report.GetPasskeyOffered() != nil { // an offered passkey has a page of its own
			continue
		}
		if len(table.Rows) == startRows {
			break
		}
		table.Rows = append(table.Rows, []page.Cell{
			{Text: events.CaseNumber(s.Procedure), Href: "/procedures/" + s.Procedure},
			{Text: s.Filed.In(civil.Tokyo).Format("01-02 15:04")},
			{Text: d.operationText(s, lang)},
			{Text: d.stateText(s, lang)},
		})
	}
	return table
}

// operationText says what a procedure is about.
func (d *Desk) operationText(s agent.Status, lang page.Language) string {
	if s.Report != nil {
		return d.pages.Say(lang, "report."+actpage.WordOf(s.Report))
	}
	return d.pages.Say(lang, "operation."+nameOf(operations, s.Application.GetOperation()))
}

func (d *Desk) stateText(s agent.Status, lang page.Language) string {
	word := stateOf(s)
	switch {
	case s.Unrecorded():
		word = "unrecorded"
	case s.Stage == agent.StageHandedOver:
		word = "done" // for the people at the desk it is done, whether the centre knows or not
	}
	if s.GivesBack() && (word == "ready" || word == "done") {
		word += "-back"
	}
	text := d.pages.Say(lang, "state."+word)
	if !s.AtHub {
		text += d.pages.Say(lang, "state.kari")
	}
	return text
}

type trayView struct{ Cards []choice }

func (d *Desk) trayView() *trayView {
	if d.Tray == nil {
		return nil
	}
	view := &trayView{}
	inside := ""
	if chip := d.Tray.Reader.Card(); chip != nil {
		inside = chip.ID()
	}
	for _, id := range d.Tray.List() {
		view.Cards = append(view.Cards, choice{Value: id, Text: id, Chosen: id == inside})
	}
	return view
}

// postTray makes, inserts and ejects cards in software.
func (d *Desk) postTray(r call, _ page.Language) (reply, error) {
	if d.Tray == nil {
		return reply{}, errNoTray
	}
	var err error
	switch r.PostFormValue("do") {
	case "new":
		kind := r.PostFormValue("kind")
		id := fmt.Sprintf("DEMO-%03d", len(d.Tray.List())+1)
		if _, err = d.Tray.Make(id, trayKinds[kind], civil.Date{}); err == nil {
			err = d.insert(r.Context(), id)
		}
	case "insert":
		err = d.insert(r.Context(), r.PostFormValue("card"))
	case "eject":
		err = d.eject(r.Context())
	}
	return goTo("/"), err
}
