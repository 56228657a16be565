package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/intake"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// joinView is the page on which a clerk sees two histories of one person and chooses the one that goes on.
type joinView struct {
	station
	Form typedForm
	// Asked is shown before both histories are known; Histories are the two, in the order of the form.
	Asked     bool
	Histories []joinSide
	Evidence  []choice
	// Seen identifies what the page shows of both histories, whatever the language.
	Seen string
	Law  *alarm
}

// joinSide is one of the two histories. Ends lists what ends if the other one goes on.
type joinSide struct {
	Name   string
	Facts  []row
	Ends   page.Table
	Chosen bool
	Side   string
}

var (
	errNoHistory   = errors.New("the centre has no history under that number")
	errSameHistory = errors.New("both numbers lead to one history")
	errJoinUnasked = errors.New("the centre can't be asked now about two histories")
)

// sides are the words for the two histories in the form, in its order.
var sides = []string{"first", "second"}

// pairOf are two histories as the centre has told them, with the initials of the names.
type pairOf struct {
	held     [2]*events.HeldHistory
	initials [2]string
}

// of returns the history of a side, and the other one; nil for a word that names none.
func (p pairOf) of(side string) (chosen, other *events.HeldHistory) {
	i := slices.Index(sides, side)
	if i < 0 {
		return nil, nil
	}
	return p.held[i], p.held[1-i]
}

func (p pairOf) seen() string {
	return fmt.Sprint(p.held[0].GetSubscriber(), p.held[0].GetRevision(), p.held[1].GetSubscriber(), p.held[1].GetRevision())
}

func (d *Desk) showJoin(c call, lang page.Language) (reply, error) {
	asked := c.URL.Query()
	form := url.Values{}
	for _, side := range sides {
		form.Set(side, strings.TrimSpace(asked.Get(side)))
	}
	if form.Get("first") == "" || form.Get("second") == "" {
		return d.joinForm(form, nil, lang), nil
	}
	both, err := d.bothHistories(c.Context(), c.who.Code, form)
	if err != nil {
		return reply{}, err
	}
	return d.joinPage(both, form, nil, lang), nil
}

// bothHistories asks the centre for the two histories of a form. Errors: errNoHistory, errSameHistory, errJoinUnasked.
func (d *Desk) bothHistories(ctx context.Context, clerk string, form url.Values) (both pairOf, err error) {
	for i, side := range sides {
		id := form.Get(side)
		if !events.ValidID(id) {
			return both, errNoHistory
		}
		person, err := d.Counter.AskHistory(ctx, clerk, id)
		switch {
		case err != nil:
			d.Logger.Warn("the centre could not be asked what a history holds", "error", err)
			return both, errJoinUnasked
		case !person.Known || person.Held == nil:
			return both, errNoHistory
		}
		both.held[i], both.initials[i] = person.Held, person.Initials
	}
	if both.held[0].GetSubscriber() == both.held[1].GetSubscriber() {
		return both, errSameHistory
	}
	return both, nil
}

// joinForm asks for the two numbers.
func (d *Desk) joinForm(form url.Values, wrong []page.FieldError, lang page.Language) reply {
	return show("join", page.View{Title: "join.title", Errors: wrong, Scripts: personalScripts, Data: joinView{
		station: d.station(lang, ""), Form: withWrong(form, wrong), Asked: true,
	}})
}

// joinPage shows both histories and what each choice ends.
func (d *Desk) joinPage(both pairOf, form url.Values, wrong []page.FieldError, lang page.Language) reply {
	say := func(key string) string { return d.pages.Say(lang, key) }
	v := joinView{station: d.station(lang, ""), Form: withWrong(form, wrong), Seen: both.seen()}
	for i, side := range sides {
		form.Set(side, both.held[i].GetSubscriber())
		v.Histories = append(v.Histories, joinSide{
			Side: side, Name: say("join." + side), Facts: d.historyFacts(both.held[i], both.initials[i], lang),
			Ends: d.endsOf(both.held[i], "join.ends", lang), Chosen: form.Get("survivor") == side,
		})
	}
	for _, word := range regime.JoiningEvidence() {
		v.Evidence = append(v.Evidence, choice{word, say("join.evidence." + word), slices.Contains(form["evidence"], word)})
	}
	if law := d.joinLaw(); law.rule != "" {
		told := ruleAlarm(law.rule, lang)
		v.Law = &told
	}
	out := show("join", page.View{Title: "join.title", Errors: wrong, Scripts: personalScripts, Data: v})
	if len(wrong) > 0 {
		out.status = http.StatusUnprocessableEntity
	}
	return out
}

// joinLaw is what the law makes of the history that ends.
func (d *Desk) joinLaw() regimeEffect {
	return d.consequencesOf(regime.ConsequenceIn{Regime: regime.Regime(d.usualCard()), Event: regime.EvHistoryJoined, On: d.today()})
}

// historyFacts says what tells a history from another, and nothing more of the person than initials.
func (d *Desk) historyFacts(h *events.HeldHistory, initials string, lang page.Language) []row {
	say := func(key string) string { return d.pages.Say(lang, key) }
	dayOf := func(ms int64) string { return actpage.Day(lang, civil.Of(time.UnixMilli(ms)).String()) }
	rows := []row{
		{say("review.initials"), initials},
		{say("join.first-record"), dayOf(h.GetFirstMs())},
		{say("join.newest-record"), dayOf(h.GetNewestMs())},
	}
	for _, c := range h.GetCertificates() {
		what := say("ending.target." + nameOf(kinds, c.GetKind()))
		if c.GetDevice() != "" {
			what = d.pages.Say(lang, "ending.phone", what, c.GetDevice())
		}
		rows = append(rows, row{what, d.pages.Say(lang, "join.until", say(certificateWord(c)), actpage.Day(lang, c.GetLastDay()))})
	}
	for _, card := range h.GetCards() {
		rows = append(rows, row{d.pages.Say(lang, "ending.card", card.GetCard()), say(cardWord(card))})
	}
	if h.GetOpen() {
		rows = append(rows, row{say("join.open"), say("join.open.yes")})
	}
	return slices.DeleteFunc(rows, func(r row) bool { return r.Text == "" })
}

func certificateWord(c *events.CertificateState) string {
	return "join.certificate." + strings.ToLower(strings.TrimPrefix(c.GetStatus().String(), "CERTIFICATE_STATUS_"))
}

func cardWord(c *events.HistoryCard) string {
	return "join.card." + strings.ToLower(strings.TrimPrefix(c.GetStatus().String(), "CARD_STATUS_"))
}

// endsOf lists what ends with a history, under a caption.
func (d *Desk) endsOf(h *events.HeldHistory, caption string, lang page.Language) page.Table {
	say := func(key string) string { return d.pages.Say(lang, key) }
	table := page.Table{Caption: say(caption), Empty: say("join.ends.nothing"), Columns: []page.Column{{Label: say("ending.what")}, {Label: say("ending.effect")}}}
	add := func(what, effect string) {
		table.Rows = append(table.Rows, []page.Cell{{Text: what}, {Text: say(effect)}})
	}
	for _, c := range h.GetCertificates() {
		if !agent.HasEnded(c) {
			add(d.pages.Say(lang, "ending.certificate", say("ending.target."+nameOf(kinds, c.GetKind())), c.GetSerial()), "ending.effect.revoke")
		}
	}
	for _, card := range h.GetCards() {
		if card.GetStatus() != events.CardStatus_CARD_STATUS_VOID {
			add(d.pages.Say(lang, "ending.card", card.GetCard()), "ending.effect.void")
		}
	}
	if h.GetOpen() {
		add(say("join.open"), "drop.ends")
	}
	return table
}

func (d *Desk) postJoin(c call, lang page.Language) (reply, error) {
	form, err := c.form()
	if err != nil {
		return reply{}, err
	}
	clerk := cmp.Or(c.who.Code, form.Get("clerk"))
	both, err := d.bothHistories(c.Context(), clerk, form)
	if err != nil {
		return reply{}, err
	}
	wrong := d.judgedJoin(c, form, lang)
	if form.Get("seen") != both.seen() {
		wrong = append(wrong, page.FieldError{Field: "histories", Text: d.pages.Say(lang, "join.changed")})
	}
	if len(wrong) > 0 {
		return d.joinPage(both, form, wrong, lang), nil
	}
	return d.reviewJoin(both, form, clerk, c.who.Code != ""), nil
}

// judgedJoin returns what is wrong with the form. Where the clerk signs, another officer is asked later.
func (d *Desk) judgedJoin(c call, form url.Values, lang page.Language) []page.FieldError {
	var wrong []page.FieldError
	add := func(field string) {
		wrong = append(wrong, page.FieldError{Field: field, Text: d.pages.Say(lang, "wrong.join."+field)})
	}
	if !slices.Contains(sides, form.Get("survivor")) {
		add("survivor")
	}
	if !regime.IsJoiningEvidence(form["evidence"]) {
		add("evidence")
	}
	if strings.TrimSpace(form.Get("why")) == "" {
		add("why")
	}
	wrong = append(wrong, atFields(intake.Text("why", form.Get("why"), intake.RemarkLimit), lang)...)
	if c.who.Code != "" {
		return wrong
	}
	wrong = append(wrong, atFields(intake.Officer("clerk", form.Get("clerk")), lang)...)
	switch second := form.Get("second_officer"); {
	case second == "" || strings.EqualFold(second, form.Get("clerk")):
		add("second_officer")
	default:
		wrong = append(wrong, atFields(intake.Officer("second_officer", second), lang)...)
	}
	return wrong
}

// reviewJoin redirects to the page that says what the joining ends.
func (d *Desk) reviewJoin(both pairOf, form url.Values, clerk string, signs bool) reply {
	survivor, absorbed := both.of(form.Get("survivor"))
	claim := &events.Claim{
		Officer: clerk, Subscriber: survivor.GetSubscriber(),
		Fact: &events.Claim_HistoriesJoined{HistoriesJoined: &events.HistoriesJoined{Absorbed: absorbed.GetSubscriber(), Evidence: form["evidence"]}},
	}
	if !signs {
		claim.SecondOfficer = form.Get("second_officer")
	}
	personal := &events.Personal{Why: form.Get("why")}
	return d.reviewPage(&review{
		form: form,
		edit: func(form url.Values, lang page.Language) (reply, error) {
			return d.joinPage(both, form, nil, lang), nil
		},
		act: func() (*agent.Act, error) { return d.Counter.Reporting(claim, personal) },
		show: func(lang page.Language) reviewView {
			say := func(key string) string { return d.pages.Say(lang, key) }
			ends := d.endsOf(absorbed, "join.loses", lang)
			law := ruleAlarm(d.joinLaw().rule, lang)
			return reviewView{
				What: say("report.joining"),
				Facts: append(d.joinFacts(claim, personal, lang),
					row{say("review.initials"), strings.Join(both.initials[:], say("officers.and"))}, row{say("apply.clerk"), clerk}),
				foretold: foretold{Effects: &ends, Law: &law, Ends: true, Lasts: true},
			}
		},
	})
}

// joinFacts says which history goes on, which one ends, and by what that was found.
func (d *Desk) joinFacts(claim *events.Claim, personal *events.Personal, lang page.Language) []row {
	rows := rowsOf(d.telling(lang).Facts(claim, personal))
	if second := claim.GetSecondOfficer(); second != "" {
		rows = append(rows, row{d.pages.Say(lang, "apply.second"), second})
	}
	return rows
}

// showJoined adds both histories of a joining that waits, and what it ends, so that who decides sees what the first officer saw.
func (d *Desk) showJoined(c call, v *approvalView, claim *events.Claim, lang page.Language) {
	form := url.Values{"first": {claim.GetSubscriber()}, "second": {claim.GetHistoriesJoined().GetAbsorbed()}}
	both, err := d.bothHistories(c.Context(), c.who.Code, form)
	if err != nil {
		what, next := problemOf(err).in(lang)
		v.Unshown = &alarm{what, next}
		return
	}
	ends := d.endsOf(both.held[1], "join.loses", lang)
	v.Ends = &ends
	for i, name := range []string{"join.goes-on", "join.is-over"} {
		v.Joined = append(v.Joined, joinSide{Name: d.pages.Say(lang, name), Facts: d.historyFacts(both.held[i], both.initials[i], lang)})
	}
}
