package desk

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/page"
	"shomei/pkg/regime"
)

// reportView is the form for a report. What is reported stands in the address, the person's data never does.
type reportView struct {
	station
	Form  url.Values
	What  []choice
	By    []choice
	Sexes []choice
	// Title names what is reported; KeepText what the box to go on using the card means.
	Title, KeepText string
	// Which fields are asked for.
	Loss, Card, Record, Change, Planned, Code bool
	// Effects are what the law makes of it, to be said before it is filed: it can't be undone.
	Effects *page.Table
	Law     *alarm
}

// reportShortcuts are the reports that the start page offers, each with a shortcut.
var reportShortcuts = []struct{ what, key string }{
	{"loss", "l"},
	{"found", "o"},
	{"name", "m"},
	{"move-out", "t"},
	{"death", "d"},
	{"custody", "y"},
}

func (d *Desk) showReport(r *http.Request, lang page.Language) (answer, error) {
	form := r.URL.Query()
	for _, personal := range personFields {
		form.Del(personal)
	}
	form.Set("registered", "1")
	form.Set("caused_on", civil.Of(d.Counter.Now()).String())
	if code, _, ok := strings.Cut(d.Office, "-"); ok {
		form.Set("municipality", code)
	}
	return d.reportPage(form, nil, lang)
}

func (d *Desk) reportPage(form url.Values, wrong []page.FieldError, lang page.Language) (answer, error) {
	say := func(key string) string { return d.pages.Say(lang, key) }
	form.Set("what", cmp.Or(form.Get("what"), reportKinds[0].what))
	form.Set("by", cmp.Or(form.Get("by"), "counter"))
	kind, ok := reportKindOf(form.Get("what"))
	if !ok {
		return answer{}, badRequest("what is none that can be reported here")
	}
	v := reportView{
		station: d.station(lang, ""), Form: form, Title: say("report." + kind.what), Loss: kind.what == "loss", Card: kind.card,
		Record: kind.record, Change: kind.change != 0, Planned: kind.planned, Code: kind.code,
	}
	if kind.keep {
		v.KeepText = say("report.keep." + kind.what)
	}
	for _, k := range reportKinds {
		v.What = append(v.What, choice{k.what, say("report." + k.what), k.what == kind.what})
	}
	for _, by := range []string{"counter", "telephone"} {
		v.By = append(v.By, choice{by, say("report.by." + by), by == form.Get("by")})
	}
	for _, s := range []string{"1", "2", "3"} {
		v.Sexes = append(v.Sexes, choice{s, say("sex." + s), s == form.Get("sex")})
	}
	d.foretell(&v, kind, lang)
	out := show("report", page.View{Title: "report.title", Errors: wrong, Scripts: personalScripts, Data: v})
	if len(wrong) > 0 {
		out.status = http.StatusUnprocessableEntity
	}
	return out, nil
}

// foretell puts into the view what the law makes of a report that is recorded today. What this person really holds, the
// hub knows; the page says what would become of it.
func (d *Desk) foretell(v *reportView, kind reportKind, lang page.Language) {
	event := kind.event
	if v.Loss && v.Form.Get("by") == "telephone" {
		event = regime.EvPhoneLoss
	}
	law := regime.Regime(d.usualCard())
	today := civil.Of(d.Counter.Now())
	found, err := d.Switches.Consequences(regime.ConsequenceIn{
		Regime: law, Event: event, On: dayOfMove(v.Form, today), ContinuedUse: v.Form.Get("keep_using") != "", Filed: today,
	})
	if event == "" || err != nil {
		return // nothing ends by it, or this regime does not know it
	}
	say := func(key string) string { return d.pages.Say(lang, key) }
	table := page.Table{Caption: say("report.effects"), Columns: []page.Column{{Label: say("ending.what")}, {Label: say("ending.effect")}}}
	targets := []regime.Consequence{found.Sign, found.Auth, found.Card}
	if law == regime.Juki {
		targets = []regime.Consequence{found.Sign, found.Card}
	}
	for _, c := range targets {
		table.Rows = append(table.Rows, []page.Cell{{Text: say("ending.target." + string(c.Target))}, {Text: say("ending.effect." + string(c.Effect))}})
	}
	rule := ruleAlarm(found.Rules[0], lang)
	v.Effects, v.Law = &table, &rule
}

// dayOfMove is the day for which a move is planned, where the form says one, otherwise the day given.
func dayOfMove(form url.Values, otherwise civil.Date) civil.Date {
	if planned, err := civil.Parse(form.Get("planned_on")); err == nil && !planned.IsZero() {
		return planned
	}
	return otherwise
}

func (d *Desk) postReport(r *http.Request, lang page.Language) (answer, error) {
	if err := r.ParseForm(); err != nil {
		return answer{}, badRequest("the form is too long or broke off")
	}
	form := r.PostForm
	kind, ok := reportKindOf(form.Get("what"))
	if !ok {
		return answer{}, badRequest("what is none that can be reported here")
	}
	if wrong := d.wrongInReport(form, kind, lang); len(wrong) > 0 {
		return d.reportPage(form, wrong, lang)
	}
	id, err := d.file(r.Context(), report{
		What: kind.what, By: form.Get("by"), Card: form.Get("card"), CausedOn: form.Get("caused_on"), PlannedOn: form.Get("planned_on"),
		KeepUsing: form.Get("keep_using") != "", Clerk: form.Get("clerk"), CorrectedCode: form.Get("corrected_code"), Person: personOf(form),
	})
	return goTo("/procedures/" + id), err
}

// wrongInReport are the fields that are empty or can't be read.
func (d *Desk) wrongInReport(form url.Values, kind reportKind, lang page.Language) []page.FieldError {
	needed := []string{"clerk"}
	if !kind.card {
		needed = append(needed, "resident_code")
	}
	if kind.record {
		needed = append(needed, "name", "birth_date", "sex", "address", "municipality")
	}
	if kind.change != 0 {
		needed = append(needed, "caused_on")
	}
	wrong := d.wrongIn(form, needed, []string{"caused_on", "planned_on", "period_of_stay"}, lang)
	if code := form.Get("corrected_code"); kind.code && code != "" && !isCode(code) {
		wrong = append(wrong, page.FieldError{Field: "corrected_code", Text: d.pages.Say(lang, "wrong.corrected")})
	}
	return wrong
}

// tellEndings puts what an application or a report ended, and the deadlines that it started, into a procedure's view.
func (d *Desk) tellEndings(v *procedureView, a *events.Answer, lang page.Language) {
	say := func(key string, args ...any) string { return d.pages.Say(lang, key, args...) }
	table := page.Table{Caption: say("ending.title"), Columns: []page.Column{
		{Label: say("ending.what")}, {Label: say("ending.effect"), Short: true}, {Label: say("planned.rule")},
	}}
	for _, e := range a.GetEndings() {
		what, effect := say("ending.card", e.GetCard()), say("ending.card."+strings.ToLower(strings.TrimPrefix(e.GetCardStatus().String(), "CARD_STATUS_")))
		if e.GetSerial() != 0 {
			what = say("ending.certificate", say("ending.target."+nameOf(kinds, e.GetKind())), e.GetSerial())
			if e.GetDevice() != "" {
				what = say("ending.phone", what, e.GetDevice())
			}
			effect = say("ending.certificate." + strings.ToLower(strings.TrimPrefix(e.GetStatus().String(), "CERTIFICATE_STATUS_")))
		}
		why := ""
		if len(e.GetRuleIds()) > 0 {
			why = ruleText(lang, e.GetRuleIds()[0])
		}
		table.Rows = append(table.Rows, []page.Cell{{Text: what}, {Text: effect}, {Text: why}})
		v.addNext(e.GetRuleIds(), lang)
	}
	if len(table.Rows) > 0 {
		v.Endings = &table
	}
	for _, set := range a.GetDeadlines() {
		v.Deadlines = append(v.Deadlines, say("deadline."+strings.ToLower(strings.TrimPrefix(set.GetKind().String(), "DEADLINE_KIND_")), day(lang, set.GetLastDay())))
	}
}

// addNext adds what is to be done next by the first of the rules, once.
func (v *procedureView) addNext(rules []string, lang page.Language) {
	if len(rules) == 0 {
		return
	}
	_, next := refusal(rules[:1]).in(lang)
	v.Next = appendNew(v.Next, next)
}
