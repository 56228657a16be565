package desk

import (
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
	"shomei/pkg/officer"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
)

// findRequest is what a person is looked for by: the name or its furigana with the date of birth, the resident-record code, or a card;
// by the card on the reader if all are empty.
type findRequest struct {
	Name         string `json:"name"`
	BirthDate    string `json:"birth_date"`
	ResidentCode string `json:"resident_code"`
	Card         string `json:"card"`
	Clerk        string `json:"clerk"`
}

// foundPerson is somebody who was found. A telephone desk gets initials, certificates and the card only.
type foundPerson struct {
	Subscriber   string             `json:"subscriber"`
	Initials     string             `json:"initials,omitempty"`
	Name         string             `json:"name,omitempty"`
	Kana         string             `json:"kana,omitempty"`
	Alias        string             `json:"alias,omitempty"`
	BirthDate    string             `json:"birth_date,omitempty"`
	Municipality string             `json:"municipality,omitempty"`
	Certificates []foundCertificate `json:"certificates,omitempty"`
	CardStatus   string             `json:"card_status,omitempty"`
	CardLastDay  string             `json:"card_last_day,omitempty"`
}

// foundCertificate is a certificate of theirs; Device is the smartphone that holds it.
type foundCertificate struct {
	Kind    string `json:"kind"`
	Status  string `json:"status"`
	LastDay string `json:"last_day"`
	Device  string `json:"device,omitempty"`
}

// found is what a search finds. More were found than are shown. PerhapsOne are pairs of subscribers who have the name and the date of
// birth in common, and are perhaps one person.
type found struct {
	Persons    []foundPerson `json:"persons"`
	More       bool          `json:"more"`
	PerhapsOne [][2]string   `json:"perhaps_one,omitempty"`
}

var (
	errNobody      = errors.New("the centre knows nobody like that")
	errFindUnasked = errors.New("the centre can't be asked now, so nobody can be looked for")
	errUnindexed   = errors.New("the centre is still making its index of names")
)

// tidy normalises what was typed and returns what is wrong, in the order of the form.
func (r *findRequest) tidy(today civil.Date) []intake.Fault {
	r.Card = strings.TrimSpace(civil.HalfWidth(r.Card))
	personal := &events.Personal{Record: &events.ResidentRecord{Name: r.Name, ResidentCode: r.ResidentCode, BirthDate: r.BirthDate}}
	intake.Tidy(personal)
	r.Name, r.ResidentCode, r.BirthDate = personal.Record.Name, personal.Record.ResidentCode, personal.Record.BirthDate
	faults := intake.Officer("clerk", r.Clerk)
	switch {
	case r.Name != "":
		faults = append(faults, intake.Needed("person.birth_date", r.BirthDate)...)
	case r.BirthDate != "" && r.ResidentCode == "" && r.Card == "":
		faults = append(faults, intake.Needed("person.name", r.Name)...)
	}
	return slices.Concat(faults, intake.Personal(personal, today), intake.Card("card", r.Card))
}

// find asks the centre. Errors: errNobody, errFindUnasked, errUnindexed, an officer.Reason, and the reader's if its card is unreadable.
func (d *Desk) find(ctx context.Context, r findRequest) (found, error) {
	key := counterlink.FindKey{Name: r.Name, BirthDate: r.BirthDate}
	switch {
	case r.Name != "":
	case r.ResidentCode != "":
		key = counterlink.FindKey{Code: r.ResidentCode}
	case r.Card != "":
		key = counterlink.FindKey{Card: r.Card}
	default:
		identity, err := d.onReader(ctx)
		if err != nil {
			return found{}, err
		}
		if identity.CardID == "" {
			return found{}, card.ErrRemoved
		}
		key = counterlink.FindKey{Card: identity.CardID}
	}
	told, err := d.Counter.Find(ctx, r.Clerk, key)
	switch {
	case err != nil:
		d.Logger.Warn("could not ask the centre who a person is; the officer was told", "error", err)
		return found{}, errFindUnasked
	case told.Refused != "":
		return found{}, officer.Reason(told.Refused)
	case told.Unready:
		return found{}, errUnindexed
	case len(told.Persons) == 0:
		return found{}, errNobody
	}
	return foundOf(told, key), nil
}

func foundOf(told counterlink.Found, key counterlink.FindKey) found {
	out := found{More: told.More}
	for _, p := range told.Persons {
		one := foundPerson{
			Subscriber: p.GetSubscriber(), Initials: p.GetInitials(), Name: p.GetName(), Kana: p.GetKana(), Alias: p.GetAlias(),
			BirthDate: p.GetBirthDate(), Municipality: p.GetMunicipality(), CardStatus: cardStates[p.GetCardStatus()], CardLastDay: p.GetCardLastDay(),
		}
		for _, c := range slices.Concat(p.GetCertificates(), p.GetPhoneCertificates()) {
			if status := certificateStates[c.GetStatus()]; status != "" {
				one.Certificates = append(one.Certificates, foundCertificate{nameOf(kinds, c.GetKind()), status, c.GetLastDay(), c.GetDevice()})
			}
		}
		out.Persons = append(out.Persons, one)
	}
	// Everybody of a search by name has it, and the date of birth, in common. Who is told no names joins nobody either.
	if first := out.Persons[0]; key.Name != "" && first.Name != "" {
		for _, other := range out.Persons[1:] {
			out.PerhapsOne = append(out.PerhapsOne, [2]string{first.Subscriber, other.Subscriber})
		}
	}
	return out
}

// certificateStates are the states of certificates as a search tells them; those that were never issued are left out.
var certificateStates = map[events.CertificateStatus]string{
	events.CertificateStatus_CERTIFICATE_STATUS_AUTHORIZED: "authorized", events.CertificateStatus_CERTIFICATE_STATUS_ISSUED: "issued",
	events.CertificateStatus_CERTIFICATE_STATUS_VALID: "valid", events.CertificateStatus_CERTIFICATE_STATUS_SUSPENDED: "suspended",
	events.CertificateStatus_CERTIFICATE_STATUS_REVOKED: "revoked", events.CertificateStatus_CERTIFICATE_STATUS_EXPIRED: "expired",
}

var cardStates = map[events.CardStatus]string{
	events.CardStatus_CARD_STATUS_ASSIGNED: "assigned", events.CardStatus_CARD_STATUS_HELD: "held",
	events.CardStatus_CARD_STATUS_SUSPENDED: "suspended", events.CardStatus_CARD_STATUS_CUSTODY: "custody",
	events.CardStatus_CARD_STATUS_VOID: "void", events.CardStatus_CARD_STATUS_EXPIRED: "expired",
}

// findView is the page on which an officer looks for a person.
type findView struct {
	station
	Form    typedForm
	Trouble *alarm
	Found   []foundView
	More    bool
	Pairs   []anchor
}

// foundView is somebody who was found. Begin is what fills the forms that begin with them; empty if nothing is known to fill in.
type foundView struct {
	Who          []row
	Certificates page.Table
	Begin        []row
}

func (d *Desk) showFind(_ call, lang page.Language) (reply, error) {
	return d.findPage(findView{Form: withWrong(url.Values{}, nil)}, nil, lang), nil
}

func (d *Desk) findPage(v findView, wrong []page.FieldError, lang page.Language) reply {
	v.station = d.station(lang, "")
	return show("find", page.View{Title: "find.title", Errors: wrong, Scripts: personalScripts, Data: v})
}

func (d *Desk) postFind(c call, lang page.Language) (reply, error) {
	var asked findRequest
	if err := c.decode(&asked); err != nil {
		return reply{}, err
	}
	if c.program() && d.mustSign() {
		return reply{}, officer.Unsigned // a program has no session, and the number that it gives proves nothing
	}
	var out found
	faults := asked.tidy(civil.Of(d.Counter.Now()))
	err := faultProblem(faults)
	if err == nil {
		out, err = d.find(c.Context(), asked)
	}
	if c.program() {
		return told(http.StatusOK, out), err
	}
	return d.foundPersons(c, asked, out, err, atFields(faults, lang), lang)
}

// foundPersons shows who was found above the form. What is wrong with the search, and that nobody is found, stands there, too.
func (d *Desk) foundPersons(c call, asked findRequest, out found, err error, wrong []page.FieldError, lang page.Language) (reply, error) {
	v, status := findView{Form: withWrong(c.PostForm, wrong), More: out.More}, http.StatusOK
	switch {
	case errors.Is(err, errNobody), errors.Is(err, errFindUnasked), errors.Is(err, errUnindexed):
		problem := problemOf(err)
		what, next := problem.in(lang)
		v.Trouble, status = &alarm{what, next}, problem.status
	case len(wrong) > 0:
		status = http.StatusUnprocessableEntity
	case err != nil:
		return reply{}, err
	}
	for _, p := range out.Persons {
		v.Found = append(v.Found, d.foundView(p, asked, lang))
	}
	for _, pair := range out.PerhapsOne {
		where := "/join?" + url.Values{"first": {pair[0]}, "second": {pair[1]}}.Encode()
		v.Pairs = append(v.Pairs, anchor{d.pages.Say(lang, "find.join", shortID(pair[0]), shortID(pair[1])), where, ""})
	}
	page := d.findPage(v, wrong, lang)
	page.status = status
	return page, nil
}

// shortID is the beginning of a subscriber's id, by which people tell two of one name apart.
func shortID(subscriber string) string {
	const length = 8
	return subscriber[:min(len(subscriber), length)]
}

func (d *Desk) foundView(p foundPerson, asked findRequest, lang page.Language) foundView {
	say := func(key string) string { return d.pages.Say(lang, key) }
	v := foundView{Certificates: d.foundCertificates(p, lang)}
	for _, r := range []row{
		{say("find.number"), shortID(p.Subscriber)},
		{say("person.name"), p.Name},
		{say("person.kana"), p.Kana},
		{say("person.alias"), p.Alias},
		{say("person.birth"), actpage.Day(lang, p.BirthDate)},
		{say("person.municipality"), p.Municipality},
	} {
		if r.Text != "" {
			v.Who = append(v.Who, r)
		}
	}
	if p.Name == "" && p.Initials != "" {
		v.Who = append(v.Who, row{say("find.initials"), p.Initials})
	}
	if p.CardStatus != "" {
		v.Who = append(v.Who, row{say("ending.target.card"), say("find.card." + p.CardStatus)})
		if p.CardLastDay != "" {
			v.Who = append(v.Who, row{say("find.card.last"), actpage.Day(lang, p.CardLastDay)})
		}
	}
	if p.Name == "" {
		return v
	}
	for _, r := range []row{
		{"clerk", asked.Clerk},
		{"resident_code", asked.ResidentCode},
		{"name", p.Name},
		{"kana", p.Kana},
		{"alias", p.Alias},
		{"birth_date", p.BirthDate},
		{"municipality", p.Municipality},
		{"registered", "1"},
	} {
		if r.Text != "" {
			v.Begin = append(v.Begin, r)
		}
	}
	return v
}

func (d *Desk) foundCertificates(p foundPerson, lang page.Language) page.Table {
	say := func(key string) string { return d.pages.Say(lang, key) }
	table := page.Table{Caption: d.pages.Say(lang, "find.certificates", shortID(p.Subscriber)), Empty: say("find.certificates.none"), Columns: []page.Column{
		{Label: say("ending.what")}, {Label: say("held.status"), Short: true}, {Label: say("held.last"), Short: true},
	}}
	for _, c := range p.Certificates {
		what := say("ending.target." + c.Kind)
		if c.Device != "" {
			what = d.pages.Say(lang, "find.phone", what)
		}
		state := "held." + c.Status
		if c.Status == "revoked" || c.Status == "expired" {
			state = "ending.certificate." + c.Status
		}
		table.Rows = append(table.Rows, []page.Cell{{Text: what}, {Text: say(state)}, {Text: actpage.Day(lang, c.LastDay)}})
	}
	return table
}
