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
	"shomei/pkg/card"
	"shomei/pkg/civil"
	"shomei/pkg/counterlink"
	"shomei/pkg/intake"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/pkg/regime"
	"shomei/services/agent"
)

// caseRequest identifies an application that awaits the answer to a letter of inquiry: by its number, a card, or the
// person's code and date of birth; by the card on the reader if all are empty.
type caseRequest struct {
	Number       string `json:"case_number"`
	Card         string `json:"card"`
	ResidentCode string `json:"resident_code"`
	BirthDate    string `json:"birth_date"`
	Clerk        string `json:"clerk"`
}

// openCase is such an application in the API; its fields go into the application that continues it.
type openCase struct {
	Procedure string   `json:"procedure"`
	Number    string   `json:"case_number"`
	Operation string   `json:"operation"`
	Channel   string   `json:"channel"`
	Kinds     []string `json:"kinds,omitempty"`
	CardKind  string   `json:"card_kind,omitempty"`
	PINs      []string `json:"pins,omitempty"`
	Cause     string   `json:"cause,omitempty"`
	// OnFile lists the papers that the office has kept since the first visit.
	OnFile  []string `json:"on_file,omitempty"`
	FiledOn string   `json:"filed_on"`
	// PostedOn is empty until the letter is posted, GoodUntil if its answer has no time limit.
	PostedOn  string `json:"posted_on,omitempty"`
	GoodUntil string `json:"good_until,omitempty"`
	// Void: the holder has moved since it was posted; only a new application helps.
	Void bool `json:"void"`
}

var (
	errNoCase      = errors.New("no application of this office that waits for the answer to a letter is found")
	errCaseUnasked = errors.New("the centre can't be asked now, so no application can be looked for")
)

// tidy normalises what was typed and returns what is wrong, in the order of the form.
func (r *caseRequest) tidy(today civil.Date) []intake.Fault {
	r.Number, r.Card = printed(r.Number), strings.TrimSpace(civil.HalfWidth(r.Card))
	personal := &events.Personal{Record: &events.ResidentRecord{ResidentCode: r.ResidentCode, BirthDate: r.BirthDate}}
	intake.Tidy(personal)
	r.ResidentCode, r.BirthDate = personal.Record.ResidentCode, personal.Record.BirthDate
	faults := intake.Officer("clerk", r.Clerk)
	if r.ResidentCode != "" {
		faults = append(faults, intake.Needed("person.birth_date", r.BirthDate)...)
	}
	return slices.Concat(faults, intake.Personal(personal, today), intake.Card("card", r.Card))
}

// printed returns a number as it was printed, however it was typed.
func printed(typed string) string { return strings.ToLower(strings.TrimSpace(civil.HalfWidth(typed))) }

// findCases asks the centre. The error is errNoCase if there is none, errCaseUnasked, or the reader's if its card is
// unreadable.
func (d *Desk) findCases(ctx context.Context, r caseRequest) ([]openCase, error) {
	key := counterlink.CaseKey{Number: r.Number}
	switch {
	case r.Number != "":
	case r.Card != "":
		key.Card = r.Card
	case r.ResidentCode != "":
		key.Code, key.BirthDate = r.ResidentCode, r.BirthDate
	default:
		identity, err := d.onReader(ctx)
		if err != nil {
			return nil, err
		}
		if identity.CardID == "" {
			return nil, card.ErrRemoved
		}
		key.Card = identity.CardID
	}
	found, err := d.Counter.FindCases(ctx, r.Clerk, key)
	if err != nil {
		d.Logger.Warn("could not ask the centre for a case; the clerk was told", "error", err)
		return nil, errCaseUnasked
	}
	if len(found) == 0 {
		return nil, errNoCase
	}
	list := make([]openCase, len(found))
	for i, f := range found {
		list[i] = toldCase(f)
	}
	return list, nil
}

func toldCase(f *events.OpenCase) openCase {
	out := openCase{
		Procedure: f.GetProcedure(), Number: events.CaseNumber(f.GetProcedure()), Operation: nameOf(operations, f.GetOperation()),
		Channel: nameOf(channels, f.GetChannel()), CardKind: nameOf(cardKinds, f.GetCardKind()), PINs: pinWords(f.GetPins()),
		Cause: f.GetCause(), OnFile: f.GetOnFile(), FiledOn: f.GetFiledOn(), PostedOn: f.GetPostedOn(),
		GoodUntil: f.GetGoodUntil(), Void: f.GetVoid(),
	}
	for _, kind := range f.GetKinds() {
		out.Kinds = append(out.Kinds, nameOf(kinds, kind))
	}
	return out
}

// answerForm returns the URL of the form for the answer to a letter: the application is filled in, and papers on file
// are not asked for again.
func (d *Desk) answerForm(c openCase) string {
	way := string(regime.ChannelSelfNoPhoto)
	if c.Channel == "proxy" {
		way = string(regime.ChannelProxy)
	}
	return "/apply?" + url.Values{
		"procedure": {c.Procedure}, "operation": {c.Operation}, "way": {way}, "card_kind": {cmp.Or(c.CardKind, d.usualCard())},
		"kinds": c.Kinds, "pins": c.PINs, "cause": {c.Cause}, "on_file": c.OnFile,
	}.Encode()
}

// caseOf returns an application of this counter that awaits the answer to a letter.
func caseOf(s agent.Status) openCase {
	a := s.Application
	return toldCase(&events.OpenCase{
		Procedure: s.Procedure, Operation: a.GetOperation(), Channel: a.GetChannel(), Kinds: a.GetKinds(), CardKind: a.GetCardKind(),
		Pins: a.GetPins(), Cause: a.GetCause(), OnFile: s.OnFile,
	})
}

// casesView is the page on which a clerk begins with the answer to a letter of inquiry.
type casesView struct {
	station
	Form    typedForm
	Trouble *alarm
	Found   []foundCase
}

// foundCase is an application that was found; Answer is the form for its letter's answer, empty if that is useless.
type foundCase struct {
	Number, Operation, Way, Filed, Posted, Until, Void, Answer string
}

func (d *Desk) showCases(_ call, lang page.Language) (reply, error) {
	return d.casesPage(casesView{Form: withWrong(url.Values{}, nil)}, nil, lang), nil
}

func (d *Desk) casesPage(v casesView, wrong []page.FieldError, lang page.Language) reply {
	v.station = d.station(lang, "")
	return show("cases", page.View{Title: "cases.title", Errors: wrong, Scripts: personalScripts, Data: v})
}

func (d *Desk) postCases(c call, lang page.Language) (reply, error) {
	var asked caseRequest
	if err := c.decode(&asked); err != nil {
		return reply{}, err
	}
	var list []openCase
	faults := asked.tidy(civil.Of(d.Counter.Now()))
	err := faultProblem(faults)
	if err == nil {
		list, err = d.findCases(c.Context(), asked)
	}
	if c.program() {
		return told(http.StatusOK, map[string][]openCase{"cases": list}), err
	}
	return d.foundPage(c, list, err, atFields(faults, lang), lang)
}

// foundPage shows what was found under the form. What is wrong with the question, and that nothing is found, stands
// beside the form, too.
func (d *Desk) foundPage(c call, list []openCase, err error, wrong []page.FieldError, lang page.Language) (reply, error) {
	v, status := casesView{Form: withWrong(c.PostForm, wrong)}, http.StatusOK
	switch {
	case errors.Is(err, errNoCase), errors.Is(err, errCaseUnasked):
		problem := problemOf(err)
		what, next := problem.in(lang)
		v.Trouble, status = &alarm{what, next}, problem.status
	case len(wrong) > 0:
		status = http.StatusUnprocessableEntity
	case err != nil:
		return reply{}, err
	}
	for _, f := range list {
		v.Found = append(v.Found, d.foundCase(f, lang))
	}
	out := d.casesPage(v, wrong, lang)
	out.status = status
	return out, nil
}

func (d *Desk) foundCase(c openCase, lang page.Language) foundCase {
	say := func(key string, args ...any) string { return d.pages.Say(lang, key, args...) }
	f := foundCase{
		Number: c.Number, Operation: say("operation." + c.Operation), Way: say("channel." + c.Channel), Filed: actpage.Day(lang, c.FiledOn),
		Posted: say("cases.unposted"), Answer: d.answerForm(c),
	}
	if c.PostedOn != "" {
		f.Posted = actpage.Day(lang, c.PostedOn)
	}
	if c.GoodUntil != "" {
		f.Until = actpage.Day(lang, c.GoodUntil)
	}
	today := civil.Of(d.Counter.Now())
	until, err := civil.Parse(c.GoodUntil)
	switch {
	case c.Void:
		f.Void, f.Answer = say("cases.moved"), ""
	case err == nil && !until.IsZero() && today.After(until):
		f.Void, f.Answer = say("cases.lapsed"), ""
	}
	return f
}
