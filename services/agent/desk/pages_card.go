package desk

import (
	"net/http"
	"strconv"

	"shomei/pkg/ca"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
)

// shownCertificate is a certificate as 証明書表示 shows it.
type shownCertificate struct {
	Title    string
	Rows     []row
	Personal bool // names its holder
}

type row struct{ Label, Text string }

func (d *Desk) showCertificate(c certificate, lang page.Language) shownCertificate {
	say := func(key string) string { return d.pages.Say(lang, key) }
	title := say("certificate.auth")
	if c.Holder != nil || c.Kind == string(ca.Sign) || c.Kind == string(ca.Juki) {
		title = say("certificate.sign")
	}
	out := shownCertificate{Title: title, Personal: c.Holder != nil, Rows: []row{
		{say("certificate.origin"), say("origin." + c.Origin)},
		{say("certificate.serial"), c.Serial},
		{say("certificate.subject"), c.Subject},
		{say("certificate.issuer"), c.Issuer},
		{say("certificate.from"), actpage.Day(lang, c.From.String())},
		{say("certificate.last"), actpage.Day(lang, c.LastDay.String())},
	}}
	if h := c.Holder; h != nil {
		out.Rows = append(out.Rows, row{say("person.name"), h.Name}, row{say("person.birth"), h.BirthDate},
			row{say("person.sex"), say("sex." + h.Sex)}, row{say("person.address"), h.Address})
		if h.Substitutes {
			out.Rows = append(out.Rows, row{say("certificate.note"), say("certificate.substitutes")})
		}
	}
	return out
}

// cardView is 証明書表示: what the card on the reader holds.
type cardView struct {
	station
	Facts        []row
	Certificates []shownCertificate
	// AskPIN: the signature certificate can be shown with its PIN; Left are its tries, LastTry asks to confirm the
	// last.
	AskPIN  bool
	Left    int
	LastTry bool
	Blocked bool
}

// cardRequest is the PIN for the signature certificate; LastTry spends the last try on it.
type cardRequest struct {
	PIN     secret `json:"pin"`
	LastTry bool   `json:"last_try"`
}

// cardRequestOf reads a body or a form; the caller wipes the PIN.
func cardRequestOf(c call) (r cardRequest, err error) {
	switch {
	case c.Method == http.MethodGet:
	case c.program():
		err = c.decode(&r)
	default:
		fields := readForm(c.body)
		r = cardRequest{fields.first("pin"), len(fields.first("last_try")) > 0}
	}
	return r, err
}

// showCard shows what the card on the reader holds.
func (d *Desk) showCard(c call, lang page.Language) (reply, error) {
	r, err := cardRequestOf(c)
	defer clear(r.PIN)
	if err != nil {
		return reply{}, err
	}
	read, err := d.readCard(c.Context(), r.PIN, r.LastTry)
	if err != nil {
		return reply{}, err
	}
	d.setReader(ReaderCard) // it was read just now, perhaps before the watch noticed it
	say := func(key string) string { return d.pages.Say(lang, key) }
	view := cardView{station: d.station(lang, ""), Facts: []row{
		{say("card.number"), read.Card},
		{say("card.kind"), say("card.kind." + read.Kind)},
		{say("card.cycle"), say("card.cycle." + read.LifeCycle)},
		{say("card.last"), actpage.Day(lang, read.LastDay)},
	}}
	for _, slot := range []string{"sign", "auth"} {
		if left, ok := read.Tries[slot]; ok && read.LifeCycle == "operational" { // a new card has no PIN yet
			view.Facts = append(view.Facts, row{say("card.tries." + slot), strconv.Itoa(left)})
		}
	}
	for _, c := range read.Certificates {
		view.Certificates = append(view.Certificates, d.showCertificate(c, lang))
	}
	left, has := read.Tries["sign"]
	view.AskPIN, view.Left, view.LastTry, view.Blocked = has && left > 0 && len(r.PIN) == 0, left, left == 1, has && left == 0 && read.LifeCycle == "operational"
	out := show("card", page.View{Title: "card.title", Scripts: personalScripts, Data: view})
	out.value = read
	return out, nil
}
