package desk

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// reportView is the form for a report. The URL says what is reported, never the person's data.
type reportView struct {
	station
	Form  typedForm
	What  []choice
	By    []choice
	Sexes []choice
	// Title names what is reported; KeepText says what ticking "continue to use the card" means.
	Title, KeepText string
	// Loss to KnownBirth: the fields that are asked for.
	Loss, Card, Record, Change, Planned, Code, Birth, KnownBirth bool
	// Unknown: the centre knows nobody with these data; nothing was stopped.
	Unknown *alarm
	foretold
	// Shown names the choice that the form was drawn for.
	Shown string
}

// shownReport names a choice of the report's form.
func shownReport(what, by string) string { return what + " " + by }

// reportShortcuts are the reports that the start page offers, each with a shortcut.
var reportShortcuts = []struct{ what, key string }{
	{"loss", "l"},
	{"found", "o"},
	{"name", "m"},
	{"move-out", "t"},
	{"death", "d"},
	{"custody", "y"},
}

func (d *Desk) showReport(r call, lang page.Language) (reply, error) {
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

func (d *Desk) reportPage(form url.Values, wrong []page.FieldError, lang page.Language) (reply, error) {
	say := func(key string) string { return d.pages.Say(lang, key) }
	form.Set("what", cmp.Or(form.Get("what"), reportKinds[0].Word))
	form.Set("by", cmp.Or(form.Get("by"), "counter"))
	kind, unknown := wordIn(reportsByWord, "what", form.Get("what"))
	if err := faultProblem(unknown); err != nil {
		return reply{}, err
	}
	v := reportView{
		station: d.station(lang, ""), Form: withWrong(form, wrong), Title: say("report." + kind.Word),
		Loss: kind.Word == "loss", Card: kind.card,
		Record: kind.Record, Change: kind.Kind != 0, Planned: kind.Planned, Code: kind.Code,
	}
	if kind.Keep {
		v.KeepText = say("report.keep." + kind.Word)
	}
	for _, k := range reportKinds {
		v.What = append(v.What, choice{k.Word, say("report." + k.Word), k.Word == kind.Word})
	}
	for _, by := range []string{"counter", "telephone"} {
		v.By = append(v.By, choice{by, say("report.by." + by), by == form.Get("by")})
	}
	for _, s := range []string{"1", "2", "3"} {
		v.Sexes = append(v.Sexes, choice{s, say("sex." + s), s == form.Get("sex")})
	}
	told, err := reportOf(form, kind)
	if err != nil {
		return reply{}, err
	}
	v.foretold = d.foretell(told, kind, lang)
	v.Birth, v.KnownBirth = !kind.card && v.Ends && !kind.Record, kind.Word == "birth-date"
	v.Shown = shownReport(kind.Word, form.Get("by"))
	out := show("report", page.View{Title: "report.title", Errors: wrong, Scripts: personalScripts, Data: v})
	if len(wrong) > 0 {
		out.status = http.StatusUnprocessableEntity
	}
	return out, nil
}

// foretold is what the law makes of something filed today. Only the hub knows what this person really holds.
type foretold struct {
	Effects *page.Table
	Law     *alarm
	// Ends: something ends or is suspended by it, so its review page comes first; Lasts: not all of it can be undone.
	Ends, Lasts bool
}

// consequences returns what the law makes of a report; nothing if it ends nothing, or is unknown to this regime.
func (d *Desk) consequences(kind reportKind, r report) regimeEffect {
	event := kind.Event
	if kind.Word == "loss" && r.By == "telephone" {
		event = regime.EvPhoneLoss
	}
	if event == "" {
		return regimeEffect{}
	}
	today := civil.Of(d.Counter.Now())
	if kind.Word == "move-in" && d.usualCard() == string(regime.MyNumber) && d.movedLongAgo(r.CausedOn, today) {
		event = regime.EvLateMoveIn
	}
	return d.consequencesOf(regime.ConsequenceIn{
		Regime: regime.Regime(d.usualCard()), Event: event, On: dayOfMove(r.PlannedOn, today), ContinuedUse: r.KeepUsing, Filed: today,
	})
}

// movedLongAgo reports whether a move-in is filed after its fourteen days (law.md 8.7).
func (d *Desk) movedLongAgo(causedOn string, today civil.Date) bool {
	moved, err := civil.ParseDay(causedOn)
	return err == nil && !moved.IsZero() && today.After(d.Switches.MoveInWithin14Days(moved, civil.Office{}).LastDay)
}

// foretell says what the law makes of a report.
func (d *Desk) foretell(r report, kind reportKind, lang page.Language) foretold {
	return d.foretold(d.consequences(kind, r), d.pages.Say(lang, "report.effects"), lang)
}

// regimeEffect is what an event does to the certificates and the card; nothing without targets.
type regimeEffect struct {
	targets []regime.Consequence
	rule    regime.ID
	// Ends: something ends or is suspended; Lasts: not all of it can be undone.
	Ends, Lasts bool
}

// consequencesOf asks the law what an event does.
func (d *Desk) consequencesOf(in regime.ConsequenceIn) regimeEffect {
	found, err := d.Switches.Consequences(in)
	if err != nil {
		return regimeEffect{}
	}
	out := regimeEffect{targets: []regime.Consequence{found.Sign, found.Auth, found.Card}, rule: found.Rules[0]}
	if in.Regime == regime.Juki {
		out.targets = []regime.Consequence{found.Sign, found.Card}
	}
	for _, c := range out.targets {
		suspends := c.Effect == regime.Suspend
		lasts := !suspends && c.Effect != regime.Keep && c.Effect != regime.Release
		out.Ends, out.Lasts = out.Ends || suspends || lasts, out.Lasts || lasts
	}
	return out
}

// foretold puts consequences into words.
func (d *Desk) foretold(e regimeEffect, caption string, lang page.Language) foretold {
	if e.targets == nil {
		return foretold{}
	}
	say := func(key string) string { return d.pages.Say(lang, key) }
	table := page.Table{Caption: caption, Columns: []page.Column{{Label: say("ending.what")}, {Label: say("ending.effect")}}}
	for _, c := range e.targets {
		table.Rows = append(table.Rows,
			[]page.Cell{{Text: say("ending.target." + string(c.Target))}, {Text: say("ending.effect." + string(c.Effect))}})
	}
	rule := ruleAlarm(e.rule, lang)
	return foretold{Effects: &table, Law: &rule, Ends: e.Ends, Lasts: e.Lasts}
}

// dayOfMove returns the planned day of a move, or otherwise.
func dayOfMove(plannedOn string, otherwise civil.Date) civil.Date {
	if planned, err := civil.ParseDay(plannedOn); err == nil && !planned.IsZero() {
		return planned
	}
	return otherwise
}

func (d *Desk) postReport(r call, lang page.Language) (reply, error) {
	form, err := r.form()
	if err != nil {
		return reply{}, err
	}
	kind, unknown := wordIn(reportsByWord, "what", form.Get("what"))
	if err := faultProblem(unknown); err != nil {
		return reply{}, err
	}
	if form.Get("file") == otherChoice {
		return d.reportPage(form, nil, lang)
	}
	by := cmp.Or(form.Get("by"), "counter")
	if form.Has("shown") && form.Get("shown") != shownReport(kind.Word, by) {
		return d.reportPage(form, d.changedChoice(lang), lang)
	}
	told, err := reportOf(form, kind)
	if err != nil {
		return reply{}, err
	}
	told, who, faults := d.judgedReport(told)
	if len(faults) > 0 {
		return d.reportPage(form, atFields(faults, lang), lang)
	}
	facts, err := d.filedOf(r.Context(), told, who)
	if err != nil {
		return reply{}, err
	}
	if !d.consequences(kind, told).Ends {
		act, err := d.Counter.Reporting(facts.claim, facts.personal)
		return d.file(r, act, err)
	}
	known, err := d.comparedOf(r.Context(), told, facts)
	if errors.Is(err, errUnknownPerson) {
		return d.unknownPerson(form, lang)
	}
	if err != nil {
		return reply{}, err
	}
	return d.reviewReport(form, told, facts, known), nil
}

// unknownPerson shows the form once more and says that nothing was stopped.
func (d *Desk) unknownPerson(form url.Values, lang page.Language) (reply, error) {
	what, next := problemOf(errUnknownPerson).in(lang)
	out, err := d.reportPage(form, []page.FieldError{{Field: "resident_code", Text: what}}, lang)
	if view, ok := out.view.Data.(reportView); ok {
		view.Unknown = &alarm{what, next}
		out.view.Data = view
	}
	return out, err
}

// reportOf reads the page's form as the API's report.
func reportOf(form url.Values, kind reportKind) (report, error) {
	r := report{}
	err := fromForm(form, &r, &r.Person)
	r.What = kind.Word
	return r, err
}

// reviewReport redirects to the page that says what a report ends.
func (d *Desk) reviewReport(form url.Values, told report, facts filed, known compared) reply {
	kind := reportsByWord[told.What]
	return d.reviewPage(&review{
		form: form,
		edit: func(form url.Values, lang page.Language) (reply, error) { return d.reportPage(form, nil, lang) },
		act:  func() (*agent.Act, error) { return d.Counter.Reporting(facts.claim, facts.personal) },
		show: func(lang page.Language) reviewView {
			say := func(key string) string { return d.pages.Say(lang, key) }
			v := reviewView{
				compared: known, What: say("report." + kind.Word), Who: d.whoOf(facts.who, lang),
				Facts: []row{{say("apply.clerk"), told.Clerk}},
			}
			for _, r := range []row{
				{say("apply.card"), cardOf(facts.claim)}, {say("report.caused"), actpage.Day(lang, told.CausedOn)}, {say("report.planned"), actpage.Day(lang, told.PlannedOn)},
			} {
				if r.Text != "" {
					v.Facts = append(v.Facts, r)
				}
			}
			if kind.Keep && told.KeepUsing {
				v.Facts = append(v.Facts, row{say("report.details"), say("report.keep." + kind.Word)})
			}
			if kind.Word == "loss" {
				v.Facts = append(v.Facts, row{say("report.by"), say("report.by." + reporters[told.By])})
			}
			v.foretold = d.foretell(told, kind, lang)
			return v
		},
	})
}

// tellEndings adds what an application or a report ended, and the deadlines it started, to a procedure's view.
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
		v.Deadlines = append(v.Deadlines,
			say("deadline."+strings.ToLower(strings.TrimPrefix(set.GetKind().String(), "DEADLINE_KIND_")), actpage.Day(lang, set.GetLastDay())))
	}
}

// addNext adds what to do next by the first of the rules, once.
func (v *procedureView) addNext(rules []string, lang page.Language) {
	if len(rules) == 0 {
		return
	}
	_, next := refusal(rules[:1]).in(lang)
	v.Next = appendNew(v.Next, next)
}
