package desk

import (
	"errors"
	"maps"
	"net/url"
	"sync"
	"time"

	"shomei/events"
	"shomei/pkg/page"
	"shomei/pkg/page/actpage"
	"shomei/services/agent"
)

// What ends something is filed by its review page alone: the page names what ends, and for whom, and its token files
// exactly that.

// reviewTime is how long a review page can file what it shows.
const reviewTime = 10 * time.Minute

var errNoReview = errors.New("the review has ended")

// review is a filing that awaits confirmation.
type review struct {
	// form is what was typed, edit the page to correct it on.
	form url.Values
	edit func(url.Values, page.Language) (reply, error)
	// show returns the page's content; act prepares what it files.
	show func(page.Language) reviewView
	act  func() (*agent.Act, error)

	mu   sync.Mutex
	last *agent.Act // the newest that was prepared
}

// confirm prepares the review's act, to be filed. One that was prepared before can't be filed any more, so that the review is
// filed once; if it is filed already, its procedure is returned instead.
func (v *review) confirm() (act *agent.Act, procedure string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last != nil && v.last.Cancel() {
		return nil, v.last.Procedure(), nil
	}
	if act, err = v.act(); err == nil {
		v.last = act
	}
	return act, "", err
}

// filed returns the procedure once the review is filed, and keeps nothing else of the person then.
func (v *review) filed() (procedure string) {
	if v.last == nil || !v.last.Filed() {
		return ""
	}
	v.form, v.show, v.act = nil, nil, nil
	return v.last.Procedure()
}

// page returns the review page's content, or the procedure once it is filed.
func (v *review) page(lang page.Language) (view reviewView, procedure string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if procedure := v.filed(); procedure != "" {
		return view, procedure
	}
	return v.show(lang), ""
}

// typed returns the form, to be corrected; nil once the review is filed.
func (v *review) typed() url.Values {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.filed()
	return maps.Clone(v.form)
}

// reviewView is the page on which a clerk sees what a filing ends before it is filed.
type reviewView struct {
	station
	Token string
	What  string
	// Who names the person it is about, Facts what else is filed.
	Who, Facts []row
	foretold
	compared
}

func (d *Desk) reviewPage(v *review) reply { return goTo("/review/" + d.reviews.add(v)) }

func (d *Desk) showReview(r call, lang page.Language) (reply, error) {
	token := r.PathValue("token")
	v, ok := d.reviews.find(token)
	if !ok {
		return reply{}, errNoReview
	}
	view, procedure := v.page(lang)
	if procedure != "" {
		return goTo("/procedures/" + procedure), nil
	}
	view.station, view.Token = d.station(lang, ""), token
	return show("review", page.View{Title: "review.title", Scripts: personalScripts, Data: view}), nil
}

func (d *Desk) postReview(r call, lang page.Language) (reply, error) {
	v, ok := d.reviews.find(r.PathValue("token"))
	if !ok {
		return reply{}, errNoReview
	}
	if form := v.typed(); r.PostFormValue("do") == "edit" && form != nil {
		d.reviews.drop(r.PathValue("token"))
		return v.edit(form, lang)
	}
	act, procedure, err := v.confirm()
	if procedure != "" {
		return goTo("/procedures/" + procedure), nil
	}
	return d.file(r, act, err)
}

// whoOf names the person on the review page.
func (d *Desk) whoOf(r *events.ResidentRecord, lang page.Language) []row {
	return rowsOf(d.telling(lang).Person(r))
}

func rowsOf(list []actpage.Row) (rows []row) {
	for _, r := range list {
		rows = append(rows, row(r))
	}
	return rows
}

// telling makes texts about acts.
func (d *Desk) telling(lang page.Language) actpage.Reader {
	return actpage.Reader{Lang: lang, Say: func(key string, args ...any) string { return d.pages.Say(lang, key, args...) }}
}
