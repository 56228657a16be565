package desk

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/officer"
	"shomei/pkg/page"
)

// invitationTime is how long an invitation's code can be used.
const invitationTime = 24 * time.Hour

// officersView is an administrator's page about the office's officers.
type officersView struct {
	station
	Form  typedForm
	List  page.Table
	Roles []choice
	// Codes are those of the office's own officers.
	Codes []choice
}

// invitedView shows the code of an invitation, once.
type invitedView struct {
	station
	Officer, Code, Until string
	// Anew: the officer has a passkey already, so another administrator has to approve.
	Anew bool
}

// officerRequest is what an administrator posts.
type officerRequest struct {
	Do      string   `json:"do"`
	Officer string   `json:"officer"`
	Name    string   `json:"officer_name"`
	Roles   []string `json:"roles"`
	From    string   `json:"from"`
	Until   string   `json:"until"`
}

func (d *Desk) showOfficers(c call, lang page.Language) (reply, error) {
	switch {
	case c.who.Code == "":
		return goTo("/sign-in"), nil
	case !c.who.administers():
		return reply{}, officer.NotAllowed
	}
	return d.officersPage(url.Values{}, nil, lang), nil
}

func (d *Desk) officersPage(form url.Values, wrong []page.FieldError, lang page.Language) reply {
	v := officersView{station: d.station(lang, ""), Form: withWrong(form, wrong), List: d.officerTable(lang)}
	for _, r := range officer.Roles() {
		v.Roles = append(v.Roles, choice{string(r), d.pages.Say(lang, "role."+string(r)), slices.Contains(form["roles"], string(r))})
	}
	for _, o := range d.Counter.Officers().All() {
		if o.Home == d.Office {
			v.Codes = append(v.Codes, choice{o.Code, o.Code, o.Code == form.Get("officer")})
		}
	}
	out := show("officers", page.View{Title: "officers.title", Errors: wrong, Scripts: personalScripts, Data: v})
	if len(wrong) > 0 {
		out.status = http.StatusUnprocessableEntity
	}
	return out
}

func (d *Desk) officerTable(lang page.Language) page.Table {
	say := func(key string, args ...any) string { return d.pages.Say(lang, key, args...) }
	table := page.Table{Caption: say("officers.list"), Empty: say("officers.none"), Columns: []page.Column{
		{Label: say("officers.code"), Short: true},
		{Label: say("officers.home"), Short: true},
		{Label: say("officers.roles")},
		{Label: say("officers.term")},
		{Label: say("officers.keys"), Numeric: true},
	}}
	for _, o := range d.Counter.Officers().All() {
		var roles []string
		for _, r := range o.Roles {
			roles = append(roles, say("role."+string(r)))
		}
		table.Rows = append(table.Rows, []page.Cell{
			{Text: o.Code},
			{Text: o.Home},
			{Text: strings.Join(roles, say("officers.and"))},
			{Text: termOf(o)},
			{Text: say("officers.count", len(o.Passkeys))},
		})
	}
	return table
}

func termOf(o officer.Officer) string {
	var from, until string
	if o.From != (civil.Date{}) {
		from = o.From.String()
	}
	if o.Until != (civil.Date{}) {
		until = o.Until.String()
	}
	return strings.TrimSpace(from + " – " + until)
}

func (d *Desk) postOfficers(c call, lang page.Language) (reply, error) {
	switch {
	case c.who.Code == "":
		return goTo("/sign-in?lost=1"), nil
	case !c.who.administers():
		return reply{}, officer.NotAllowed
	}
	form, err := c.form()
	if err != nil {
		return reply{}, err
	}
	var r officerRequest
	if err := fromForm(form, &r); err != nil {
		return reply{}, err
	}
	if r.Officer, err = events.ParseOfficer(r.Officer); err != nil {
		return d.officersPage(form, []page.FieldError{{Field: "officer", Text: d.pages.Say(lang, "wrong.officer")}}, lang), nil
	}
	claim, personal, then, err := d.officerClaim(r, lang)
	if wrong := (*officerFault)(nil); errors.As(err, &wrong) {
		return d.officersPage(form, []page.FieldError{{Field: wrong.field, Text: d.pages.Say(lang, wrong.word)}}, lang), nil
	}
	if err != nil {
		return reply{}, err
	}
	claim.Officer = c.who.Code
	act, err := d.Counter.Reporting(claim, personal)
	if err != nil {
		return reply{}, err
	}
	if then == nil {
		return d.file(c, act, nil)
	}
	return d.fileThen(c, act, *then)
}

// officerFault is a field of the administrator's form that is wrong, with the word that says how.
type officerFault struct{ field, word string }

func (f *officerFault) Error() string { return f.field + ": " + f.word }

// officerClaim returns what an administrator claims, and the page that follows if it is not the claim's procedure.
func (d *Desk) officerClaim(r officerRequest, lang page.Language) (*events.Claim, *events.Personal, *reply, error) {
	switch r.Do {
	case "enrol":
		claim, personal, err := enrolment(r)
		return claim, personal, nil, err
	case "invite":
		code, until := officer.NewCode(), d.Counter.Now().Add(invitationTime)
		then := show("invited", page.View{Title: "invited.title", Scripts: scripts, Data: invitedView{
			station: d.station(lang, ""), Officer: r.Officer, Code: code, Until: onFace(until), Anew: d.hasKey(r.Officer),
		}})
		return &events.Claim{Fact: &events.Claim_InvitationMade{InvitationMade: &events.InvitationMade{
			Officer: r.Officer, CodeSha256: officer.CodeHash(code), UntilMs: until.UnixMilli(),
		}}}, nil, &then, nil
	case "retire":
		return &events.Claim{Fact: &events.Claim_OfficerLeft{OfficerLeft: &events.OfficerLeft{Officer: r.Officer}}}, nil, nil, nil
	}
	return nil, nil, nil, badRequest("do is enrol, invite or retire")
}

// hasKey reports whether an officer of this office has a passkey, as far as this counter knows.
func (d *Desk) hasKey(code string) bool {
	found, err := d.Counter.Officers().Officer(code)
	return err == nil && found.HasKey()
}

// enrolment returns the claim that enrols an officer. The error is an *officerFault.
func enrolment(r officerRequest) (*events.Claim, *events.Personal, error) {
	if len(r.Roles) == 0 {
		return nil, nil, &officerFault{"roles", "wrong.roles"}
	}
	for _, role := range r.Roles {
		if !slices.Contains(officer.Roles(), officer.Role(role)) {
			return nil, nil, &officerFault{"roles", "wrong.roles"}
		}
	}
	for field, typed := range map[string]*string{"from": &r.From, "until": &r.Until} {
		if *typed == "" {
			continue
		}
		day, err := civil.ParseDay(*typed)
		if err != nil {
			return nil, nil, &officerFault{field, "wrong.term"}
		}
		*typed = day.String()
	}
	return &events.Claim{Fact: &events.Claim_OfficerProposed{OfficerProposed: &events.OfficerProposed{
		Officer: r.Officer, Roles: r.Roles, From: r.From, Until: r.Until,
	}}}, &events.Personal{OfficerName: strings.TrimSpace(r.Name)}, nil
}
