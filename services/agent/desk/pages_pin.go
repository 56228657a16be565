package desk

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"shomei/events"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// pinView is the resident's own page. It never contains a PIN.
type pinView struct {
	ID string
	// Live is where the page learns that the clerk sent something else, or took it away.
	Live   string
	Facts  []row
	Fields []pinField
	// Done: typed and accepted.
	Done bool
}

// pinField asks for one PIN, twice.
type pinField struct {
	Name, Label      string
	Format           []string // sentences
	Optional, Digits bool
	Min, Max         int
	Wrong            bool
}

// errNotShown: the clerk did not send the procedure to the resident's screen.
var errNotShown = errors.New("the procedure is not on the resident's screen")

func (d *Desk) showPIN(r call, lang page.Language) (reply, error) {
	return d.pin(r.PathValue("id"), lang, nil)
}

// pin shows the page, with what was wrong the last time; the fields are empty again.
func (d *Desk) pin(id string, lang page.Language, wrong []page.FieldError) (reply, error) {
	status, err := d.Counter.Status(id)
	if err != nil {
		return reply{}, err
	}
	if status.Waiting == nil || d.asked() != id {
		return reply{}, errNotShown
	}
	name, err := d.Counter.Applicant(id)
	if err != nil {
		return reply{}, err
	}
	view := pinView{ID: id, Live: d.live(), Facts: d.residentFacts(status, name, lang)}
	for _, kind := range status.Waiting.PINs {
		view.Fields = append(view.Fields, d.pinField(kind, status.Waiting.Regime, false, lang))
	}
	for _, kind := range status.Waiting.Optional {
		view.Fields = append(view.Fields, d.pinField(kind, status.Waiting.Regime, true, lang))
	}
	out := show("pin", page.View{Title: "pin.title", Bare: true, Errors: wrong, Scripts: []string{"live.js"}, Data: view})
	for i, f := range view.Fields {
		for _, w := range wrong {
			view.Fields[i].Wrong = view.Fields[i].Wrong || w.Field == f.Name
		}
	}
	if len(wrong) > 0 {
		out.status = http.StatusUnprocessableEntity
	}
	return out, nil
}

func (d *Desk) pinField(kind events.PinKind, of events.Regime, optional bool, lang page.Language) pinField {
	name := nameOf(pinKinds, kind)
	f := pinField{Name: name, Label: d.pages.Say(lang, "pin."+name), Optional: optional, Digits: kind == events.PinKind_PIN_KIND_AUTH}
	if format, ok := regime.FormatOf(agent.LawRegime(of), agent.LawPIN(kind)); ok {
		f.Min, f.Max = format.Min, format.Max
		for _, rule := range format.Rules() {
			f.Format = append(f.Format, ruleText(lang, rule))
		}
	}
	return f
}

func (d *Desk) postPIN(r call, lang page.Language) (reply, error) {
	id := r.PathValue("id")
	if _, err := d.Counter.Status(id); err != nil {
		return reply{}, err
	}
	if d.asked() != id {
		return reply{}, errNotShown
	}
	typed, wrong := d.typed(readForm(r.body), lang)
	if len(wrong) > 0 {
		wipe(typed)
		return d.pin(id, lang, wrong)
	}
	d.screen.thank(time.Now())  // the screen may move on before this is answered
	err := d.confirm(id, typed) // wipes what was typed
	if err != nil {
		d.screen.thank(time.Time{})
	}
	var refused *agent.PINRefusal
	if errors.As(err, &refused) {
		what, _ := pinProblem(refused).in(lang)
		return d.pin(id, lang, []page.FieldError{{Field: nameOf(pinKinds, refused.Kind), Text: what}})
	}
	if err == nil {
		d.screen.drop(id)
	}
	return goTo("/resident"), err
}

// typed takes the PINs from the form; each must be there twice and the same. An empty pair is a PIN that is not set.
func (d *Desk) typed(f form, lang page.Language) (agent.PINs, []page.FieldError) {
	typed := agent.PINs{}
	var wrong []page.FieldError
	for _, name := range []string{"sign", "auth"} {
		once, again := f.first(name), f.first(name+"_again")
		switch {
		case !bytes.Equal(once, again):
			wrong = append(wrong, page.FieldError{Field: name, Text: d.pages.Say(lang, "pin.differ", d.pages.Say(lang, "pin."+name))})
		case len(once) > 0:
			typed[pinKinds[name]] = bytes.Clone(once) // the form is wiped before the card has accepted it
		}
	}
	return typed, wrong
}

// residentLive is where the resident's pages learn that the screen shows something else.
const residentLive = "/resident/live"

// live is where a page learns that the screen shows something else.
func (d *Desk) live() string { return residentLive + "?shown=" + d.screenState() }

const (
	// blankTime is how often a browser without script asks whether the clerk has sent something.
	blankTime = 5 * time.Second
	// problemTime is how long it shows what was wrong.
	problemTime = 30 * time.Second
)

// showResident is the idle screen facing the resident: it waits until the clerk sends something.
func (d *Desk) showResident(_ call, _ page.Language) (reply, error) {
	if id := d.asked(); id != "" {
		return goTo("/procedures/" + id + "/pin"), nil
	}
	view := pinView{Live: d.live(), Done: d.screen.thanks() > 0}
	return show("resident", page.View{
		Title: "resident.title", Bare: true, Scripts: []string{"live.js"}, ReloadAfter: blankTime, Reload: "/resident", Data: view,
	}), nil
}

// serveResident sends the screen on when it should show another page, and in any case a browser that was replaced as
// the resident's.
func (d *Desk) serveResident(w http.ResponseWriter, r *http.Request) {
	out := openStream(w)
	if out.rc.Flush() != nil {
		return
	}
	updates := d.Counter.Progress(r.Context(), "")
	for {
		_, changed, ends := d.screen.shown()
		if d.seatOf(r) != seatResident || d.screenState() != r.URL.Query().Get("shown") {
			// If the client has disconnected there is nobody to send on.
			_ = out.send("go", []byte("/resident"))
			return
		}
		if !awaitScreen(updates, changed, ends) {
			return
		}
	}
}

// awaitScreen waits until the screen may show something else. It returns false if the client has disconnected.
func awaitScreen(updates <-chan agent.Update, changed <-chan struct{}, ends time.Duration) bool {
	var end <-chan time.Time
	if ends > 0 {
		timer := time.NewTimer(ends)
		defer timer.Stop()
		end = timer.C
	}
	select {
	case _, open := <-updates:
		return open
	case <-changed:
	case <-end:
	}
	return true
}

// residentFacts are what the resident confirms: whose it is, what is done, until when the certificates last, what it
// costs.
func (d *Desk) residentFacts(s agent.Status, name string, lang page.Language) []row {
	say := func(key string) string { return d.pages.Say(lang, key) }
	rows := []row{{say("person.name"), name}, {say("procedure.operation"), d.operationText(s, lang)}}
	for _, p := range s.Answer.GetPlanned() {
		rows = append(rows,
			row{say("certificate." + nameOf(kinds, p.GetKind())), say("certificate.last") + " " + actpage.Day(lang, p.GetLastDay())})
	}
	fee := say("pin.free")
	if s.FeeYen > 0 {
		fee = d.pages.Say(lang, "pin.yen", s.FeeYen)
	}
	return append(rows, row{say("pin.fee"), fee}, row{say("procedure.card"), s.Card})
}
