package desk

import (
	"bytes"
	"errors"
	"net/http"

	"shomei/events"
	"shomei/pkg/page"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// pinView is the resident's own page. No PIN ever stands in it.
type pinView struct {
	ID     string
	Fields []pinField
	FeeYen uint32
	// Done: typed and taken; Waits: nothing is asked now.
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

func (d *Desk) showPIN(r *http.Request, lang page.Language) (answer, error) {
	return d.pin(r.PathValue("id"), lang, nil)
}

// pin shows the page, with what was wrong the last time; the fields come back empty.
func (d *Desk) pin(id string, lang page.Language, wrong []page.FieldError) (answer, error) {
	status, err := d.Counter.Status(id)
	if err != nil {
		return answer{}, err
	}
	if status.Waiting == nil {
		return answer{}, agent.ErrNotWaiting
	}
	view := pinView{ID: id, FeeYen: status.Waiting.FeeYen}
	for _, kind := range status.Waiting.PINs {
		view.Fields = append(view.Fields, d.pinField(kind, status.Waiting.Regime, false, lang))
	}
	for _, kind := range status.Waiting.Optional {
		view.Fields = append(view.Fields, d.pinField(kind, status.Waiting.Regime, true, lang))
	}
	out := show("pin", page.View{Title: "pin.title", Errors: wrong, Scripts: []string{"live.js"}, Data: view})
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

func (d *Desk) postPIN(r *http.Request, lang page.Language) (answer, error) {
	id := r.PathValue("id")
	f, err := readForm(r)
	defer f.wipe()
	if err != nil {
		return answer{}, err
	}
	typed, wrong := d.typed(f, lang)
	if len(wrong) > 0 {
		wipe(typed)
		return d.pin(id, lang, wrong)
	}
	err = d.confirm(id, typed) // wipes what was typed
	var refused *agent.PINRefusal
	if errors.As(err, &refused) {
		what, _ := pinProblem(refused).in(lang)
		return d.pin(id, lang, []page.FieldError{{Field: nameOf(pinKinds, refused.Kind), Text: what}})
	}
	return goTo("/resident?done=1"), err
}

// typed takes the PINs out of the form; each must be there twice and the same. An empty pair is a PIN that is not set.
func (d *Desk) typed(f form, lang page.Language) (agent.PINs, []page.FieldError) {
	typed := agent.PINs{}
	var wrong []page.FieldError
	for _, name := range []string{"sign", "auth"} {
		once, again := f.first(name), f.first(name+"_again")
		switch {
		case !bytes.Equal(once, again):
			wrong = append(wrong, page.FieldError{Field: name, Text: d.pages.Say(lang, "pin.differ", d.pages.Say(lang, "pin."+name))})
		case len(once) > 0:
			typed[pinKinds[name]] = bytes.Clone(once) // the form is wiped before the card has taken it
		}
	}
	return typed, wrong
}

// showResident is the screen that faces the resident: it waits until something is asked and goes there by itself.
func (d *Desk) showResident(r *http.Request, _ page.Language) (answer, error) {
	if id := d.asked(); id != "" {
		return goTo("/procedures/" + id + "/pin"), nil
	}
	view := pinView{Done: r.URL.Query().Get("done") != ""}
	return show("resident", page.View{Title: "resident.title", Scripts: []string{"live.js"}, Data: view}), nil
}

// asked is the procedure that waits for its resident, the newest when there are several.
func (d *Desk) asked() string {
	for _, s := range d.Counter.Procedures() {
		if s.Waiting != nil {
			return s.Procedure
		}
	}
	return ""
}

func (d *Desk) serveResident(w http.ResponseWriter, r *http.Request) {
	out := openStream(w)
	if out.rc.Flush() != nil {
		return
	}
	updates := d.Counter.Progress(r.Context(), "")
	for {
		if id := d.asked(); id != "" {
			// When the reader has gone there is nobody to send on.
			_ = out.send("go", []byte("/procedures/"+id+"/pin"))
			return
		}
		if _, open := <-updates; !open {
			return
		}
	}
}
