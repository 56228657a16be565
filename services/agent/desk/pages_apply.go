package desk

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// applyView is the form for an application. The choices decide which documents are asked for; a URL may make them, but
// the person's data never appear in a URL.
type applyView struct {
	station
	Form      typedForm
	Operation []choice
	Way       []choice
	CardKind  []choice
	Title     string
	Documents []documentBox
	Causes    []choice
	Kinds     []choice
	Sexes     []choice
	// Missing is what is still missing; the clerk may file all the same, and the hub decides.
	Missing []alarm
	// Silent is why the card on the reader is unknown; the clerk may say that there is none.
	Silent []alarm
	// Unknown: the centre knows nobody with these data, so there is nothing to file.
	Unknown bool
	// Posts: it is a first visit, and filing it has a letter of inquiry posted.
	Posts bool
	// Case is the number of the application whose letter is being answered; empty for a new one.
	Case string
	// PINs are those to set anew, for an application to unblock.
	PINs []choice
	// Shown names the choice that the form was drawn for.
	Shown string
}

// documentBox is one document to be ticked.
type documentBox struct {
	ID, Value, Text string
	Ticked          bool
	// Qualifier, if set, is what the clerk must have checked on it: a box of its own, or a number to type in (Letter).
	Qualifier, QualifierText string
	Qualified                bool
	Letter                   bool
	Number                   string
	// OnFile: the office has it from an earlier visit, so there is nothing to tick.
	OnFile bool
	// Optional: only some applications of this kind need it, and the hub knows which.
	Optional bool
}

// ways are how an application reaches the desk, by the names in the law's document lists, with the channel that a claim
// names.
var ways = []struct {
	law     regime.Channel
	channel string
	notice  bool
}{
	{regime.ChannelSelf, "self", false},
	{regime.ChannelSelfNoPhoto, "self", false},
	{regime.ChannelProxy, "proxy", false},
	{regime.ChannelRepresentative, "legal-representative", false},
	{regime.ChannelNotice, "proxy", true},
	{regime.ChannelHousehold, "household", false},
}

var causes = []regime.Cause{
	"", regime.CauseFirst, regime.CauseExpired, regime.CauseRecordChange, regime.CauseLoss, regime.CauseDamage, regime.CauseWish, regime.CauseFault,
	regime.CauseOverseas,
}

func (d *Desk) showApply(r call, lang page.Language) (reply, error) {
	form := r.URL.Query()
	for _, personal := range personFields {
		form.Del(personal) // no personal data from a URL
	}
	form.Set("registered", "1")
	if code, _, ok := strings.Cut(d.Office, "-"); ok {
		form.Set("municipality", code)
	}
	return d.applyPage(form, nil, lang)
}

// personFields are the fields with personal data.
var personFields = []string{
	"resident_code", "corrected_code", "name", "kana", "alias", "birth_date", "known_birth_date", "sex", "address", "mail", "postal_code", "postal_address", "period_of_stay", "overseas_on",
}

func (d *Desk) applyView(form url.Values, lang page.Language) (*applyView, error) {
	say := func(key string) string { return d.pages.Say(lang, key) }
	if form.Get("operation") == "" {
		form.Set("operation", "issue")
	}
	if form.Get("way") == "" {
		form.Set("way", string(regime.ChannelSelf))
	}
	if form.Get("card_kind") == "" {
		form.Set("card_kind", d.usualCard())
	}
	v := &applyView{station: d.station(lang, ""), Form: withWrong(form, nil), Title: say("operation." + form.Get("operation"))}
	for _, o := range offered() {
		v.Operation = append(v.Operation, choice{o.Word, say("operation." + o.Word), o.Word == form.Get("operation")})
	}
	for _, w := range ways {
		v.Way = append(v.Way, choice{string(w.law), say("way." + string(w.law)), string(w.law) == form.Get("way")})
	}
	for _, k := range []string{"mynumber", "juki"} {
		v.CardKind = append(v.CardKind, choice{k, say("card.kind." + k), k == form.Get("card_kind")})
	}
	for _, c := range causes {
		v.Causes = append(v.Causes, choice{string(c), say("cause." + string(c)), string(c) == form.Get("cause")})
	}
	for _, k := range []string{"sign", "auth"} {
		v.Kinds = append(v.Kinds, choice{k, say("kind." + k), slices.Contains(form["kinds"], k)})
	}
	for _, s := range []string{"1", "2", "3"} {
		v.Sexes = append(v.Sexes, choice{s, say("sex." + s), s == form.Get("sex")})
	}
	if form.Get("operation") == "unblock" {
		for _, k := range []string{"sign", "auth"} {
			v.PINs = append(v.PINs, choice{k, say("kind." + k), slices.Contains(form["pins"], k) || len(form["pins"]) == 0 && k == "sign"})
		}
	}
	v.Shown = strings.Join([]string{form.Get("operation"), form.Get("way"), form.Get("card_kind")}, " ")
	in, err := d.documentsIn(form)
	if err != nil {
		return nil, err
	}
	in.NoCard = false
	required, err := d.judgeDocuments(in)
	if err != nil {
		return nil, err
	}
	v.Posts, v.Case = required.LetterFirst, events.CaseNumber(form.Get("procedure"))
	for _, need := range required.Required {
		if need.Document == regime.DocInquiryAnswer && v.Posts {
			continue // it is what will be posted
		}
		box := d.documentBox(need, form, lang)
		box.OnFile = slices.Contains(in.OnFile, need.Document)
		box.Optional = need.Document == regime.DocCard && form.Get("operation") == "reissue"
		v.Documents = append(v.Documents, box)
	}
	return v, nil
}

// usualCard returns the card of today's regime.
func (d *Desk) usualCard() string {
	if civil.Of(d.Counter.Now()).Before(regime.MyNumberFirstDay) {
		return "juki"
	}
	return "mynumber"
}

func (d *Desk) documentBox(need regime.Requirement, form url.Values, lang page.Language) documentBox {
	name := string(need.Document)
	box := documentBox{
		ID: "document-" + name, Value: name, Text: d.pages.Say(lang, "document."+name), Ticked: slices.Contains(form["document"], name),
	}
	asked := form.Get("operation") != "return-card" && (need.Document != regime.DocMandate || form.Get("card_kind") == string(regime.Juki) || d.Switches.ProxyNeedsSeal)
	if qualifier := actpage.Qualifiers[need.Document]; qualifier != "" && asked {
		box.Qualifier, box.QualifierText = name+":"+qualifier, d.pages.Say(lang, "qualifier."+qualifier)
		box.Qualified = slices.Contains(form["qualifier"], box.Qualifier)
	}
	if need.Document == regime.DocInquiryAnswer {
		box.Letter, box.Number = true, form.Get("letter")
	}
	return box
}

// documentsIn returns what the form says about the documents to show and those shown. Only the hub knows the letter of
// inquiry that was posted, so here any number counts as right; only the hub knows whether a re-issue is on a new card,
// so here a card that was not shown is not missing.
func (d *Desk) documentsIn(form url.Values, shown ...regime.Shown) (regime.DocumentsIn, error) {
	operation, ok := operations[form.Get("operation")]
	if !ok || operation == events.Operation_OPERATION_FACTORY_ISSUE { // a factory has no pages
		return regime.DocumentsIn{}, badRequest("operation is none that this counter knows")
	}
	in := regime.DocumentsIn{
		Regime: regime.Regime(form.Get("card_kind")), Operation: regime.HandlingOf(operation).Law,
		Channel: regime.Channel(form.Get("way")), On: civil.Of(d.Counter.Now()),
		Shown: shown, PINsMatch: form.Get("pins_match") != "",
		NoCard:   form.Get("operation") == "reissue" && !slices.Contains(form["document"], string(regime.DocCard)),
		Returned: form.Get("operation") == "return-card",
	}
	for _, paper := range form["on_file"] {
		in.OnFile = append(in.OnFile, regime.Document(paper))
	}
	if form.Get("procedure") != "" {
		in.Letter = cmp.Or(printed(form.Get("letter")), "not read yet")
	}
	return in, nil
}

// judgeDocuments asks the law what must be shown, and what of it is missing.
func (d *Desk) judgeDocuments(in regime.DocumentsIn) (regime.Documents, error) {
	out, err := d.Switches.Documents(in)
	if err != nil {
		return out, badRequest(err.Error())
	}
	return out, nil
}

// shownOf returns the documents ticked, in the forms of the law and of a claim.
func shownOf(form url.Values) (law []regime.Shown, claim []string) {
	for _, name := range form["document"] {
		s, text := regime.Shown{Document: regime.Document(name)}, name
		qualifier := name + ":" + actpage.Qualifiers[s.Document]
		switch {
		case s.Document == regime.DocInquiryAnswer:
			s.Letter, text = printed(form.Get("letter")), name+":"+printed(form.Get("letter"))
		case slices.Contains(form["qualifier"], qualifier):
			s.AddressCurrent, s.RegisteredSeal, text = s.Document != regime.DocMandate, s.Document == regime.DocMandate, qualifier
		}
		law, claim = append(law, s), append(claim, text)
	}
	return law, claim
}

func (d *Desk) postApply(r call, lang page.Language) (reply, error) {
	form, err := r.form()
	if err != nil {
		return reply{}, err
	}
	if form.Get("file") == otherChoice {
		return d.applyPage(form, nil, lang)
	}
	view, err := d.applyView(form, lang)
	if err != nil {
		return reply{}, err
	}
	if form.Has("shown") && form.Get("shown") != view.Shown {
		return view.again(d.changedChoice(lang)), nil
	}
	law, claim := shownOf(form)
	in, err := d.documentsIn(form, law...)
	if err != nil {
		return reply{}, err
	}
	judged, err := d.judgeDocuments(in)
	if err != nil {
		return reply{}, err
	}
	view.Posts = judged.LetterFirst
	for _, rule := range missing(judged) {
		view.Missing = append(view.Missing, ruleAlarm(rule, lang))
	}
	filed, err := requestOf(form, claim)
	if err != nil {
		return reply{}, err
	}
	application, faults := d.judged(filed, r.who.Code != "")
	if len(faults) > 0 || !view.mayFile(form.Get("file")) {
		return view.again(atFields(faults, lang)), nil
	}
	err = d.fillCard(r.Context(), filed, application.Received)
	if reader := (*readerError)(nil); errors.As(err, &reader) {
		what, next := problemOf(err).in(lang)
		view.Missing, view.Silent = nil, []alarm{{what, next}}
		return view.again(nil), nil
	}
	if err != nil {
		return reply{}, err
	}
	if endingEvent(application.Received) != "" {
		return d.reviewApplication(r.Context(), view, application, lang)
	}
	act, err := d.Counter.Apply(application)
	return d.file(r, act, err)
}

// missing returns the rules against filing an application: those of the first visit, if a letter is posted first.
func missing(judged regime.Documents) []regime.ID {
	if judged.LetterFirst {
		return judged.Now
	}
	var rules []regime.ID
	for _, m := range judged.Missing {
		rules = append(rules, m.Rule)
	}
	return rules
}

// mayFile reports whether the clerk pressed the button that files the form as it is: nothing is missing or they insist,
// and they were told if a letter will be posted.
func (v *applyView) mayFile(button string) bool {
	switch button {
	case "anyway", withoutCard:
		return true
	case postLetter:
		return len(v.Missing) == 0
	}
	return len(v.Missing) == 0 && !v.Posts
}

// postLetter is the button that files an application that has a letter of inquiry posted.
const postLetter = "letter"

// otherChoice is the button that redraws the form for another choice: nothing is filed.
const otherChoice = "choices"

// applyPage shows the form with what was typed.
func (d *Desk) applyPage(form url.Values, wrong []page.FieldError, lang page.Language) (reply, error) {
	view, err := d.applyView(form, lang)
	if err != nil {
		return reply{}, err
	}
	return show("apply", page.View{Title: "apply.title", Errors: wrong, Scripts: personalScripts, Data: view}), nil
}

// again shows the form once more, because of what is wrong.
func (v *applyView) again(wrong []page.FieldError) reply {
	v.Form = withWrong(v.Form.Values, wrong)
	out := show("apply", page.View{Title: "apply.title", Errors: wrong, Scripts: personalScripts, Data: v})
	out.status = http.StatusUnprocessableEntity
	return out
}

// changedChoice says that the clerk saw the form of another choice.
func (d *Desk) changedChoice(lang page.Language) []page.FieldError {
	return []page.FieldError{{Field: "choices", Text: d.pages.Say(lang, "wrong.choice")}}
}

// endingEvent returns the law's event for an application that ends something as soon as it is accepted, or "".
func endingEvent(received *events.ApplicationReceived) regime.Event {
	switch received.GetOperation() {
	case events.Operation_OPERATION_REVOKE:
		return regime.RevocationEvent(regime.Cause(received.GetCause()))
	case events.Operation_OPERATION_RETURN_CARD:
		return regime.EvCardReturned
	}
	return ""
}

// reviewApplication redirects to the page that says what an application ends.
func (d *Desk) reviewApplication(ctx context.Context, view *applyView, application agent.Application, lang page.Language) (reply, error) {
	form, record := view.Form.Values, application.Personal.GetRecord()
	known, err := d.compare(ctx, application.Officer, record.GetResidentCode(), record.GetBirthDate())
	if errors.Is(err, errUnknownPerson) {
		what, next := problemOf(errUnknownPerson).in(lang)
		view.Missing, view.Silent = nil, []alarm{{what, next}}
		view.Unknown = true
		return view.again([]page.FieldError{{Field: "resident_code", Text: what}}), nil
	}
	in := regime.ConsequenceIn{
		Regime: regime.Regime(form.Get("card_kind")), Event: endingEvent(application.Received), On: civil.Of(d.Counter.Now()),
	}
	for _, kind := range form["kinds"] {
		in.Chosen = append(in.Chosen, regime.Kind(kind))
	}
	return d.reviewPage(&review{
		form: form,
		edit: func(form url.Values, lang page.Language) (reply, error) { return d.applyPage(form, nil, lang) },
		act:  func() (*agent.Act, error) { return d.Counter.Apply(application) },
		show: func(lang page.Language) reviewView {
			say := func(key string) string { return d.pages.Say(lang, key) }
			v := reviewView{compared: known, What: say("operation." + form.Get("operation")), Who: d.whoOf(application.Personal.GetRecord(), lang), Facts: []row{
				{say("apply.way"), say("way." + form.Get("way"))}, {say("apply.clerk"), form.Get("clerk")},
			}}
			if cause := application.Received.GetCause(); cause != "" {
				v.Facts = append(v.Facts, row{say("apply.cause"), say("cause." + cause)})
			}
			for _, r := range []row{
				{say("apply.card"), application.Received.GetCard()}, {say("apply.received"), form.Get("received_at")}, {say("apply.second"), form.Get("second_officer")},
			} {
				if r.Text != "" {
					v.Facts = append(v.Facts, r)
				}
			}
			v.foretold = d.foretold(d.consequencesOf(in), say("review.effects"), lang)
			return v
		},
	}), err
}

// withoutCard is the clerk's word that there is no card on a reader that can't tell.
const withoutCard = "without-card"

func ruleAlarm(id regime.ID, lang page.Language) alarm {
	what, next := refusal([]string{id}).in(lang)
	return alarm{what, next}
}

// requestOf reads the page's form as the API's request; the form has words of its own for the way, the documents and a
// missing card.
func requestOf(form url.Values, documents []string) (request, error) {
	var r request
	err := fromForm(form, &r, &r.Person, &r.Contact)
	r.Documents, r.NoCard = documents, form.Get("file") == withoutCard
	for _, w := range ways {
		if string(w.law) == form.Get("way") {
			r.Channel, r.NoticeAnswer = w.channel, w.notice
		}
	}
	return r, err
}
