package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"shomei/pkg/intake"
	"shomei/pkg/page"
)

// What is typed is judged by pkg/intake, for the pages and the API alike, before anything is filed.

// labels names the fields that can be at fault, as the page does.
var labels = map[string]string{
	"person.resident_code": "person.code", "corrected_code": "report.corrected", "person.name": "person.name", "person.kana": "person.kana", "person.alias": "person.alias",
	"person.birth_date": "person.birth", "known_birth_date": "report.known", "person.sex": "person.sex", "person.address": "person.address",
	"person.municipality": "person.municipality", "person.period_of_stay": "person.stay", "person.overseas_on": "person.overseas",
	"contact.mail": "contact.mail", "contact.postal_code": "contact.code", "contact.postal_address": "contact.address",
	"contact.language": "field.language", "documents": "field.documents", "card": "apply.card", "taken_back": "apply.taken", "cause": "apply.cause",
	"special_circumstances": "apply.special", "applied_on": "field.applied", "caused_on": "report.caused", "planned_on": "report.planned",
	"why": "field.why", "clerk": "apply.clerk", "second_officer": "apply.second", "received_at": "apply.received",
	"operation": "apply.operation", "channel": "apply.way", "kinds": "apply.kinds", "pins": "apply.pins", "card_kind": "apply.card_kind",
	"kind": "tray.kind", "by": "report.by", "what": "report.what",
}

// codes maps the faults for which the API has its own code to that code and its status.
var codes = map[intake.Why]struct {
	code   string
	status int
}{
	intake.NoOfficer:   {"officer-code", http.StatusBadRequest},
	intake.NotReceived: {"receipt-time", http.StatusUnprocessableEntity},
}

// unreadable lists the faults of requests that can't be read; requests that can be read but not accepted have another
// status.
var unreadable = []intake.Why{
	intake.NoDay, intake.NotPast, intake.TooOld, intake.NoCode, intake.NoMunicipal, intake.NoCard, intake.NoDocument, intake.Unknown,
	intake.Missing, intake.NoSecond, intake.NoTime, intake.NoLetter,
}

// faultText returns a fault in words: its own sentence, or the field's name and what is wrong.
func faultText(f intake.Fault, lang page.Language) string {
	text := func(key string) string {
		if lang == page.English {
			return words[key].EN
		}
		return words[key].JA
	}
	switch f.Why {
	case intake.Missing:
		return text("wrong.empty." + fieldOf(f))
	case intake.NoTime, intake.NotReceived:
		return text("wrong.received")
	case intake.NoOfficer, intake.NoSecond, intake.NoLetter:
		return text("wrong." + string(f.Why))
	}
	what := text("wrong." + string(f.Why))
	if f.Limit > 0 {
		what = fmt.Sprintf(what, f.Limit)
	}
	if len(f.Possible) > 0 {
		what = strings.TrimRight(what, "。.") + ": " + strings.Join(f.Possible, ", ")
	}
	return text(labels[f.Field]) + ": " + what
}

// faultProblem returns the API's problem for the first of the faults, or nil.
func faultProblem(faults []intake.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	f := faults[0]
	if own, ok := codes[f.Why]; ok {
		p := problem(own.code, own.status)
		p.Field = f.Field
		return p
	}
	p := problem("bad-field", http.StatusUnprocessableEntity)
	p.Field, p.JA, p.EN = f.Field, fmt.Sprintf(p.JA, faultText(f, page.Japanese), f.Field), fmt.Sprintf(p.EN, faultText(f, page.English), f.Field)
	if slices.Contains(unreadable, f.Why) {
		p.Code, p.status = "bad-request", http.StatusBadRequest
	}
	return p
}

// atFields places faults beside the fields of the page's form.
func atFields(faults []intake.Fault, lang page.Language) []page.FieldError {
	var wrong []page.FieldError
	for _, f := range faults {
		wrong = append(wrong, page.FieldError{Field: fieldOf(f), Text: faultText(f, lang)})
	}
	return wrong
}

// fieldOf returns the field of the form: the API's name without the group. A letter has its own field.
func fieldOf(f intake.Fault) string {
	if f.Why == intake.NoLetter {
		return "letter"
	}
	return f.Field[strings.LastIndex(f.Field, ".")+1:]
}

// typedForm is a form with what is wrong in its fields.
type typedForm struct {
	url.Values
	// Wrong is what is wrong, by field.
	Wrong map[string]string
}

func withWrong(form url.Values, wrong []page.FieldError) typedForm {
	f := typedForm{form, map[string]string{}}
	for _, w := range wrong {
		if _, told := f.Wrong[w.Field]; !told {
			f.Wrong[w.Field] = w.Text
		}
	}
	return f
}

// errUnknownPerson: the centre knows nobody with the code and the date of birth of a report.
var errUnknownPerson = errors.New("the centre knows nobody like that")

// compared is the centre's answer about the person of a report.
type compared struct {
	// Initials of the person whom the centre knows; empty if it was not or could not be asked.
	Initials string
	// Unasked: the centre can't be asked at present, so the person is unconfirmed.
	Unasked bool
}

// compare asks the centre about the code and date of birth of a report's person. The error is errUnknownPerson.
func (d *Desk) compare(ctx context.Context, officer, code, birthDate string) (compared, error) {
	person, err := d.Counter.AskPerson(ctx, officer, code, birthDate)
	switch {
	case err != nil:
		d.Logger.Warn("could not ask the centre about a person; the review says so", "error", err)
		return compared{Unasked: true}, nil
	case !person.Known:
		return compared{}, errUnknownPerson
	}
	return compared{Initials: person.Initials}, nil
}
