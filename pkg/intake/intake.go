// Package intake judges what is typed about a person and an application: the counter does so before it files, and the
// registration authority again before it decides. It is pure.
package intake

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/namekey"
	"shomei/pkg/regime"
)

// Why says what is wrong with a field.
type Why string

// The faults. None of them names the value, which may be personal.
const (
	TooLong      Why = "long"         // more characters than Limit
	Unprintable  Why = "unprintable"  // control characters, or no text
	NoKana       Why = "kana"         // furigana with anything but kana
	NoDay        Why = "day"          // not a readable date
	NotPast      Why = "future"       // a day in the future
	TooOld       Why = "old"          // a birth date of nobody living
	NoCode       Why = "code"         // a resident-record code is eleven digits
	NoMail       Why = "mail"         // not a mail address
	NoPostalCode Why = "postal"       // not a postal code
	NoMunicipal  Why = "municipality" // a municipality's code is five digits, six with the check digit
	NoCard       Why = "card"         // not a card number
	NoDocument   Why = "document"     // a document unknown to the law, or with an unknown qualifier
	Unknown      Why = "unknown"      // not one of the possible words
	Missing      Why = "empty"        // empty, but required
	NoOfficer    Why = "officer"      // not an officer's code
	NoSecond     Why = "second"       // special circumstances without the officer who grants them
	NoTime       Why = "time"         // not a time of day
	NotReceived  Why = "received"     // a time of receipt in the future
	NoLetter     Why = "letter"       // the answer to a letter of inquiry without the letter's number
)

// Limits in characters: those of a signature certificate for the address (profile.md 3), and what no name, remark or
// mail address reaches.
const (
	NameLimit    = 100
	AddressLimit = 200
	RemarkLimit  = 200
	MailLimit    = 254
)

// oldest is an age in years that nobody reaches.
const oldest = 150

// Fault is what is wrong with one field. Field is its name in the API, such as person.birth_date.
type Fault struct {
	Field string
	Why   Why
	// Limit is the maximum length of a field that is too long.
	Limit int
	// Possible lists the possible words of a field with an unknown one.
	Possible []string
}

func (f Fault) Error() string {
	switch {
	case f.Limit > 0:
		return fmt.Sprintf("%s: more than %d characters", f.Field, f.Limit)
	case len(f.Possible) > 0:
		return f.Field + ": none of " + strings.Join(f.Possible, ", ")
	}
	return f.Field + ": " + said[f.Why]
}

// said holds the English error texts.
var said = map[Why]string{
	Unprintable: "control characters or no text", NoKana: "something else than kana", NoDay: "no day that can be read", NotPast: "a day that is yet to come",
	TooOld: "a birth date that nobody living has", NoCode: "no eleven digits", NoMail: "no mail address", NoPostalCode: "no postal code",
	NoMunicipal: "no municipality's code", NoCard: "no card's id", NoDocument: "none that the law knows",
	Unknown: "none of the words that are possible",
	Missing: "nothing", NoOfficer: "no officer's code", NoSecond: "no officer who grants the special circumstances",
	NoTime:      "no time of day",
	NotReceived: "a time that is yet to come", NoLetter: "no number of a letter",
}

// Tidy normalises what people type: digits and Latin letters of codes, days and mail addresses in ASCII, days as
// 1990-06-18, furigana in full-width katakana, and no blanks around a text. Unreadable values stay as they are, for Personal to judge.
func Tidy(p *events.Personal) {
	if r := p.GetRecord(); r != nil {
		for _, text := range []*string{&r.Name, &r.Alias, &r.Address} {
			*text = strings.TrimSpace(*text)
		}
		r.Kana, _ = namekey.Kana(r.Kana)
		for _, code := range []*string{&r.ResidentCode, &r.CorrectedCode, &r.Municipality} {
			*code = strings.TrimSpace(civil.HalfWidth(*code))
		}
		r.BirthDate = BirthDate(r.BirthDate)
		r.PeriodOfStay, r.OverseasOn = Day(r.PeriodOfStay), Day(r.OverseasOn)
	}
	if c := p.GetContact(); c != nil {
		c.Mail, c.PostalCode = strings.TrimSpace(civil.HalfWidth(c.Mail)), strings.TrimSpace(civil.HalfWidth(c.PostalCode))
		c.PostalAddress = strings.TrimSpace(c.PostalAddress)
	}
}

// BirthDate returns a written date of birth as 1990-06-18, with 00 for unknown parts; unreadable text is returned as it
// is.
func BirthDate(text string) string {
	if p, err := civil.ParseWritten(text); err == nil {
		return p.String()
	}
	return text
}

// Day returns a written day as 1990-06-18; unreadable text is returned as it is.
func Day(text string) string {
	if d, err := civil.ParseDay(text); err == nil {
		return d.String()
	}
	return text
}

// Personal judges a person's data on a day, field by field in the order of the form. Empty fields are not faults here.
// It returns nil if nothing is wrong.
func Personal(p *events.Personal, on civil.Date) []Fault {
	var j judge
	if r := p.GetRecord(); r != nil {
		j.code("person.resident_code", r.ResidentCode)
		j.code("corrected_code", r.CorrectedCode)
		j.text("person.name", r.Name, NameLimit)
		j.kana("person.kana", r.Kana)
		j.text("person.alias", r.Alias, NameLimit)
		j.birth("person.birth_date", r.BirthDate, on)
		j.check("person.sex", r.Sex > 3, Unknown)
		j.text("person.address", r.Address, AddressLimit)
		j.check("person.municipality", r.Municipality != "" && !digits(r.Municipality, 5) && !digits(r.Municipality, 6), NoMunicipal)
		j.day("person.period_of_stay", r.PeriodOfStay)
		j.day("person.overseas_on", r.OverseasOn)
	}
	if c := p.GetContact(); c != nil {
		j.check("contact.mail", c.Mail != "" && !isMail(c.Mail), NoMail)
		j.check("contact.postal_code", c.PostalCode != "" && !isPostalCode(c.PostalCode), NoPostalCode)
		j.text("contact.postal_address", c.PostalAddress, AddressLimit)
		j.check("contact.language", !slices.Contains([]string{"", "ja", "en"}, c.Language), Unknown)
	}
	j.text("special_circumstances", p.GetSpecialCircumstances(), RemarkLimit)
	j.text("why", p.GetWhy(), RemarkLimit)
	return j.faults
}

// Application judges what an application says besides the person, as received on a day.
func Application(a *events.ApplicationReceived, on civil.Date) []Fault {
	var j judge
	j.check("operation", regime.HandlingOf(a.GetOperation()) == regime.Handling{}, Unknown)
	_, err := regime.ParseShown(a.GetDocuments())
	j.check("documents", err != nil, NoDocument)
	j.card("card", a.GetCard())
	j.card("taken_back", a.GetTakenBack())
	j.check("cause", !regime.Cause(a.GetCause()).Known(), Unknown)
	j.text("special_circumstances", a.GetSpecialCircumstances(), RemarkLimit) // from an agent of before it was sealed
	j.day("applied_on", a.GetAppliedOn())
	if day, err := civil.Parse(a.GetAppliedOn()); err == nil {
		j.check("applied_on", day.After(on), NotPast)
	}
	return j.faults
}

// Text judges a single text.
func Text(field, text string, limit int) []Fault {
	var j judge
	j.text(field, text, limit)
	return j.faults
}

// Needed judges a field that must not be empty.
func Needed(field, text string) []Fault {
	var j judge
	j.check(field, strings.TrimSpace(text) == "", Missing)
	return j.faults
}

// Officer judges an officer's code, which is required.
func Officer(field, code string) []Fault {
	if faults := Needed(field, code); faults != nil {
		return faults
	}
	var j judge
	_, err := events.ParseOfficer(code)
	j.check(field, err != nil, NoOfficer)
	return j.faults
}

// Whole judges whether a resident record has everything that every record has.
func Whole(r *events.ResidentRecord) []Fault {
	var j judge
	j.check("person.resident_code", r.GetResidentCode() == "", Missing)
	j.check("person.name", r.GetName() == "", Missing)
	j.check("person.birth_date", r.GetBirthDate() == "", Missing)
	j.check("person.sex", r.GetSex() == 0, Missing)
	j.check("person.address", r.GetAddress() == "", Missing)
	j.check("person.municipality", r.GetMunicipality() == "", Missing)
	return j.faults
}

// Card judges a card's number, which may be empty.
func Card(field, number string) []Fault {
	var j judge
	j.card(field, number)
	return j.faults
}

// judge collects faults.
type judge struct{ faults []Fault }

func (j *judge) check(field string, wrong bool, why Why) {
	if wrong {
		j.faults = append(j.faults, Fault{Field: field, Why: why})
	}
}

func (j *judge) text(field, text string, limit int) {
	if utf8.RuneCountInString(text) > limit {
		j.faults = append(j.faults, Fault{Field: field, Why: TooLong, Limit: limit})
		return
	}
	j.check(field, !printable(text), Unprintable)
}

func (j *judge) kana(field, text string) {
	if utf8.RuneCountInString(text) > NameLimit {
		j.faults = append(j.faults, Fault{Field: field, Why: TooLong, Limit: NameLimit})
		return
	}
	_, ok := namekey.Kana(text)
	j.check(field, !ok, NoKana)
}

func (j *judge) card(field, number string) {
	j.check(field, number != "" && !events.ValidID(number), NoCard)
}

func (j *judge) code(field, text string) {
	j.check(field, text != "" && !IsCode(text), NoCode)
}

func (j *judge) day(field, text string) {
	_, err := civil.Parse(text)
	j.check(field, err != nil, NoDay)
}

func (j *judge) birth(field, text string, on civil.Date) {
	birth, err := civil.ParsePartial(text)
	switch {
	case err != nil:
		j.check(field, true, NoDay)
	case birth.IsZero():
	case birth.Year > on.Year || birth.Known() && civil.Date(birth).After(on):
		j.check(field, true, NotPast)
	case birth.Year < on.Year-oldest:
		j.check(field, true, TooOld)
	}
}

// IsCode reports whether a text is a resident-record code: eleven digits. None of our sources has the formula of its
// check digit, so it is not checked: code and birth date together identify a person.
func IsCode(text string) bool {
	const length = 11
	return digits(text, length)
}

func digits(text string, length int) bool {
	return len(text) == length && strings.Trim(text, "0123456789") == ""
}

// isMail reports whether a text is the address of one mailbox and nothing else, in ASCII, under a domain with a dot.
func isMail(text string) bool {
	address, err := mail.ParseAddress(text)
	if err != nil || address.Name != "" || address.Address != text || len(text) > MailLimit {
		return false
	}
	_, domain, _ := strings.Cut(text, "@")
	odd := strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) })
	return !odd && strings.Contains(domain, ".") && !strings.ContainsAny(domain, "@[]\"")
}

func isPostalCode(text string) bool {
	const length, part = 7, 3
	if len(text) == length+1 && text[part] == '-' {
		text = text[:part] + text[part+1:]
	}
	return digits(text, length)
}

// printable reports whether a text has only letters and signs: no control characters and none that change its
// direction.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
	})
}

// First returns the first fault as an error, or nil.
func First(faults ...[]Fault) error {
	all := slices.Concat(faults...)
	if len(all) == 0 {
		return nil
	}
	return all[0]
}
