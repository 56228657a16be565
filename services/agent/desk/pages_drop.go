package desk

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"shomei/events"
	"shomei/pkg/intake"
	"shomei/pkg/page"
	"shomei/services/agent"
)

// dropView is the page on which a clerk sees what ends with an application before dropping it.
type dropView struct {
	station
	ID   string
	Form typedForm
	// Who names the application and its person; Named: the person's name is still known here.
	Who   []row
	Named bool
	// Effects lists what ends and what stays.
	Effects page.Table
	// Shown identifies the Effects, whatever the language.
	Shown string
}

func (d *Desk) showDrop(r call, lang page.Language) (reply, error) {
	return d.dropPage(r.PathValue("id"), url.Values{}, nil, lang)
}

// dropPage shows what ends; the error is MayDrop's if the application can't be dropped.
func (d *Desk) dropPage(id string, form url.Values, wrong []page.FieldError, lang page.Language) (reply, error) {
	s, err := d.Counter.Status(id)
	if err != nil {
		return reply{}, err
	}
	if err := s.MayDrop(); err != nil {
		return reply{}, fmt.Errorf("dropping in stage %q: %w", s.Stage, err)
	}
	say := func(key string) string { return d.pages.Say(lang, key) }
	made := d.Counter.Made(id)
	name, err := d.Counter.Applicant(id)
	if err != nil {
		return reply{}, err
	}
	v := dropView{
		station: d.station(lang, ""), ID: id, Form: withWrong(form, wrong), Effects: d.dropEffects(s, made, lang),
		Shown: shownDrop(s, made),
	}
	for _, r := range []row{
		{say("person.name"), name},
		{say("procedure.receipt"), events.CaseNumber(id)},
		{say("procedure.operation"), d.operationText(s, lang)},
		{say("procedure.state"), d.stateText(s, lang)},
		{say("procedure.card"), s.Card},
	} {
		if r.Text != "" {
			v.Who = append(v.Who, r)
		}
	}
	v.Named = name != ""
	out := show("drop", page.View{Title: "drop.title", Errors: wrong, Scripts: personalScripts, Data: v})
	if len(wrong) > 0 {
		out.status = http.StatusUnprocessableEntity
	}
	return out, nil
}

// shownDrop identifies what the page says of a procedure.
func shownDrop(s agent.Status, made agent.Made) string {
	return fmt.Sprint(made.Kinds, made.Signed, s.Inquired, s.Stage == agent.StageUnblocked)
}

// dropEffects lists what ends with an application, and what stays as it is.
func (d *Desk) dropEffects(s agent.Status, made agent.Made, lang page.Language) page.Table {
	say := func(key string, args ...any) string { return d.pages.Say(lang, key, args...) }
	table := page.Table{Caption: say("drop.effects"), Columns: []page.Column{{Label: say("ending.what")}, {Label: say("ending.effect")}}}
	add := func(what, effect string) { table.Rows = append(table.Rows, []page.Cell{{Text: what}, {Text: effect}}) }
	add(say("drop.application", d.operationText(s, lang)), say("drop.ends"))
	if s.Inquired {
		add(say("drop.letter"), say("drop.letter.void"))
	}
	for _, kind := range made.Kinds {
		add(say("drop.made", say("ending.target."+nameOf(kinds, kind))), say("ending.effect.revoke"))
	}
	for _, planned := range s.Answer.GetPlanned() {
		if planned.GetReplaces() != 0 {
			add(say("drop.former", say("ending.target."+nameOf(kinds, planned.GetKind()))),
				say("drop.former."+formerAfter(planned.GetKind(), made)))
		}
	}
	if s.Application.GetOperation() == events.Operation_OPERATION_UNBLOCK {
		effect := "ending.effect.keep"
		if s.Stage == agent.StageUnblocked {
			effect = "drop.pin.set"
		}
		add(say("drop.pin"), say(effect))
	}
	add(say("ending.target.card"), say("drop.card"))
	return table
}

// formerAfter describes the certificate that was to be replaced: it ends when the new one is issued.
func formerAfter(kind events.CertificateKind, made agent.Made) string {
	switch {
	case !slices.Contains(made.Kinds, kind):
		return "keep"
	case made.Signed:
		return "gone"
	}
	return "perhaps"
}

// postDrop drops an application if the page showed what ends now; otherwise it shows what would end.
func (d *Desk) postDrop(r call, lang page.Language) (reply, error) {
	id := r.PathValue("id")
	form, err := r.form()
	if err != nil {
		return reply{}, err
	}
	if !form.Has("shown") {
		return d.dropPage(id, form, nil, lang)
	}
	wrong := atFields(intake.Text("why", form.Get("why"), intake.RemarkLimit), lang)
	s, err := d.Counter.Status(id)
	if err != nil {
		return reply{}, err
	}
	if form.Get("shown") != shownDrop(s, d.Counter.Made(id)) {
		wrong = append(wrong, page.FieldError{Field: "effects", Text: d.pages.Say(lang, "drop.changed")})
	}
	if len(wrong) > 0 {
		return d.dropPage(id, form, wrong, lang)
	}
	act, err := d.Counter.Dropping(id, r.clerkOf("", s), form.Get("why"))
	return d.file(r, act, err)
}
