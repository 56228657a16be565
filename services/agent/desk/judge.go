package desk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/intake"
	"shomei/pkg/page"
)

// What is typed is judged by pkg/intake, for the pages and the API alike, before anything is filed.

// labels are the fields that can be at fault, with their name on the page.
var labels = map[string]string{
	"person.resident_code": "person.code", "corrected_code": "report.corrected", "person.name": "person.name", "person.alias": "person.alias",
	"person.birth_date": "person.birth", "known_birth_date": "report.known", "person.sex": "person.sex", "person.address": "person.address",
	"person.municipality": "person.municipality", "person.period_of_stay": "person.stay", "person.overseas_on": "person.overseas",
	"contact.mail": "contact.mail", "contact.postal_code": "contact.code", "contact.postal_address": "contact.address",
	"contact.language": "field.language", "documents": "field.documents", "card": "apply.card", "taken_back": "apply.taken", "cause": "apply.cause",
	"special_circumstances": "apply.special", "applied_on": "field.applied", "caused_on": "report.caused", "planned_on": "report.planned",
	"why": "field.why",
}

// unreadable are the faults of a request that can't be read; what is read and can't be right is another status.
var unreadable = []intake.Why{
	intake.NoDay, intake.NotPast, intake.TooOld, intake.NoCode, intake.NoMunicipal, intake.NoCard, intake.NoDocument, intake.Unknown,
}

// faultText is a fault in words.
func faultText(f intake.Fault, lang page.Language) string {
	text := func(key string) string {
		if lang == page.English {
			return words[key].EN
		}
		return words[key].JA
	}
	what := text("wrong." + string(f.Why))
	if f.Limit > 0 {
		what = fmt.Sprintf(what, f.Limit)
	}
	return text(labels[f.Field]) + ": " + what
}

// faultProblem is what the API says of the first of some faults; nil for none.
func faultProblem(faults []intake.Fault) error {
	if len(faults) == 0 {
		return nil
	}
	f := faults[0]
	p := problem("bad-field", http.StatusUnprocessableEntity)
	p.Field, p.JA, p.EN = f.Field, fmt.Sprintf(p.JA, faultText(f, page.Japanese), f.Field), fmt.Sprintf(p.EN, faultText(f, page.English), f.Field)
	if slices.Contains(unreadable, f.Why) {
		p.Code, p.status = "bad-request", http.StatusBadRequest
	}
	return p
}

// atFields puts faults beside the fields of the page's form.
func atFields(faults []intake.Fault, lang page.Language) []page.FieldError {
	var wrong []page.FieldError
	for _, f := range faults {
		_, field, found := strings.Cut(f.Field, ".")
		if !found {
			field = f.Field
		}
		wrong = append(wrong, page.FieldError{Field: field, Text: faultText(f, lang)})
	}
	return wrong
}

// typedForm is a form with what is wrong about its fields.
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

// judged returns the personal part of a request, tidied, and all that is wrong about the request.
func (d *Desk) judged(r request, received *events.ApplicationReceived) (*events.Personal, []intake.Fault) {
	on := civil.Of(d.Counter.Now())
	personal := r.personal()
	personal.SpecialCircumstances = r.SpecialCircumstances
	intake.Tidy(personal)
	received.AppliedOn = intake.Day(received.AppliedOn)
	return personal, slices.Concat(intake.Personal(personal, on), intake.Application(received, on))
}

// errUnknownPerson says that the centre knows nobody with the code and the date of birth of a report.
var errUnknownPerson = errors.New("the centre knows nobody like that")

// compared is what the centre said of the person of a report.
type compared struct {
	// Initials of the person whom the centre knows; empty when it was not asked or could not be.
	Initials string
	// Unasked: the centre can't be asked now, so nobody knows whether this is anybody.
	Unasked bool
}

// compare has the centre compare code and date of birth of whom a report is about. The error is errUnknownPerson.
func (d *Desk) compare(ctx context.Context, officer, code, birthDate string) (compared, error) {
	person, err := d.Counter.AskPerson(ctx, officer, code, birthDate)
	switch {
	case err != nil:
		d.Logger.Warn("the centre could not be asked about a person, the review says so", "error", err)
		return compared{Unasked: true}, nil
	case !person.Known:
		return compared{}, errUnknownPerson
	}
	return compared{Initials: person.Initials}, nil
}
