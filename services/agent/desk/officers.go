package desk

import (
	"encoding/hex"
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
	// Codes are those of the office's own officers, Keys their passkeys.
	Codes, Keys []choice
	// Required is the day from which officers must sign; empty: they need not.
	Required string
	// Pairs are the acts for which the office can want a second officer, Fixed those that always need one.
	Pairs, Fixed []choice
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
	// SignFrom and PairsFrom are first days of what the office demands; Acts need a second officer, by their words.
	SignFrom  string   `json:"sign_from"`
	PairsFrom string   `json:"pairs_from"`
	Acts      []string `json:"acts"`
	// Key is the credential id of a passkey that is given up, in hexadecimal digits.
	Key string `json:"key"`
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
			v.Keys = append(v.Keys, keysOf(o)...)
		}
	}
	v.demands(d, form, lang)
	out := show("officers", page.View{Title: "officers.title", Errors: wrong, Scripts: personalScripts, Data: v})
	if len(wrong) > 0 {
		out.status = http.StatusUnprocessableEntity
	}
	return out
}

// keysOf returns an officer's passkeys, each by its site and the beginning of its credential id.
func keysOf(o officer.Officer) (keys []choice) {
	for _, k := range o.Passkeys {
		id := hex.EncodeToString(k.Credential)
		keys = append(keys, choice{Value: id, Text: o.Code + " · " + k.RelyingParty + " · " + id[:min(len(id), shownDigits)]})
	}
	return keys
}

// shownDigits is how much of a credential id tells one officer's passkeys apart.
const shownDigits = 8

// demands sets what the office demands of its officers, and what a form chooses instead.
func (v *officersView) demands(d *Desk, form url.Values, lang page.Language) {
	now := d.Counter.Officers()
	if from := now.Required(); from != (civil.Date{}) {
		v.Required = from.String()
	}
	for _, act := range officer.Acts() {
		one := choice{act.Word, d.pages.Say(lang, "act."+act.Word), now.NeedsSecond(act.Word, d.today())}
		if form.Has("pairs_from") {
			one.Chosen = slices.Contains(form["acts"], act.Word)
		}
		switch act.Pairs {
		case officer.Single:
		case officer.Always:
			v.Fixed = append(v.Fixed, one)
		default:
			v.Pairs = append(v.Pairs, one)
		}
	}
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
	if r.Officer, err = events.ParseOfficer(r.Officer); err != nil && r.names() {
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

// names reports whether the request is about the officer whom it names.
func (r officerRequest) names() bool {
	return slices.Contains([]string{"enrol", "invite", "retire"}, r.Do)
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
	case "require", "pairs", "passwords", "no-passwords", "give-up":
		claim, err := d.demand(r)
		return claim, nil, nil, err
	}
	return nil, nil, nil, badRequest("do is enrol, invite, retire, require, pairs, passwords, no-passwords or give-up")
}

// demand returns what an administrator demands of the office's officers, or the passkey that is given up. The error may be an
// *officerFault.
func (d *Desk) demand(r officerRequest) (*events.Claim, error) {
	switch r.Do {
	case "require":
		from, err := d.firstDay("sign_from", r.SignFrom)
		return &events.Claim{Fact: &events.Claim_SignaturesWanted{SignaturesWanted: &events.SignaturesWanted{From: from}}}, err
	case "pairs":
		from, err := d.firstDay("pairs_from", r.PairsFrom)
		if err == nil && officer.CheckChosen(r.Acts) != nil {
			err = badRequest("acts are some that an office can have two officers do")
		}
		return &events.Claim{Fact: &events.Claim_FourEyesWanted{FourEyesWanted: &events.FourEyesWanted{Acts: r.Acts, From: from}}}, err
	}
	if r.Do != "give-up" {
		return &events.Claim{Fact: &events.Claim_PasswordsWanted{PasswordsWanted: &events.PasswordsWanted{Allowed: r.Do == "passwords"}}}, nil
	}
	credential, _ := hex.DecodeString(r.Key) // what is none is nobody's
	whose, err := d.Counter.Officers().Find(credential)
	if err != nil || whose.Home != d.Office {
		return nil, &officerFault{"key", "wrong.no-key"}
	}
	return &events.Claim{Fact: &events.Claim_PasskeyGivenUp{PasskeyGivenUp: &events.PasskeyGivenUp{Officer: whose.Code, Credential: credential}}}, nil
}

// firstDay returns the day that was typed into a field, today or later. The error is an *officerFault.
func (d *Desk) firstDay(field, typed string) (string, error) {
	day, err := civil.ParseDay(typed)
	switch {
	case err != nil || day == (civil.Date{}):
		return "", &officerFault{field, "wrong.term"}
	case day.Before(d.today()):
		return "", &officerFault{field, "wrong.past-day"}
	}
	return day.String(), nil
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
