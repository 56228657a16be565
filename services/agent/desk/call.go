package desk

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"

	"shomei/pkg/httpd"
	"shomei/pkg/page"
)

// bodyLimit is far more than any request needs.
const bodyLimit = 1 << 20

// call is one request of a page or a program. Its body is read whole and wiped at the end, because it may hold a PIN.
type call struct {
	*http.Request
	body []byte
	// who acts, on a clerk's page.
	who signer
}

// program reports whether a program asks, which sends and gets JSON, and not a page.
func (c call) program() bool { return strings.HasPrefix(c.URL.Path, "/api/") }

// signs reports whether a program signs itself, as the officer it names, what it asks for.
func (c call) signs() bool { return c.program() && c.URL.Query().Get("sign") == "1" }

// decode reads the fields of a request into a struct of the API, by their JSON names, from JSON or a form. A page that
// posts a PIN is read by readForm.
func (c call) decode(into any) error {
	if !c.program() {
		form, err := c.form()
		if err != nil {
			return err
		}
		return fromForm(form, into)
	}
	if len(c.body) == 0 {
		return badRequest("the body is empty")
	}
	return decode(c.body, into)
}

// form returns the form that a clerk's page posted. Whoever is signed in is its clerk.
func (c call) form() (url.Values, error) {
	if err := c.ParseForm(); err != nil {
		return nil, badRequest("the form is too long or broke off")
	}
	if c.who.Code != "" {
		c.PostForm.Set("clerk", c.who.Code)
	}
	return c.PostForm, nil
}

// does handles a request.
type does = func(call, page.Language) (reply, error)

// reply is the response to a request. A program gets the value; a page gets a template with its view, or the URL to
// redirect to.
type reply struct {
	status int
	value  any
	name   string
	view   page.View
	goTo   string
}

// show replies with a page.
func show(name string, view page.View) reply {
	return reply{status: http.StatusOK, name: name, view: view}
}

// goTo redirects after something was done, so that reloading does not repeat it.
func goTo(address string) reply { return reply{goTo: address} }

// told replies to a program.
func told(status int, value any) reply { return reply{status: status, value: value} }

// answer serves what do replies; an error becomes a page, or an error object, that says what to do next.
func (d *Desk) answer(do does) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		at := d.seatOf(r)
		if at == seatResident && r.Method == http.MethodGet {
			d.screen.choose(r.URL.Query().Get("lang"))
		}
		lang := d.languageOf(at, r)
		body, err := httpd.ReadSecret(r, bodyLimit)
		defer clear(body)
		c := call{Request: r, body: body}
		if at != seatResident && !c.program() {
			c.who = d.signer(r)
		}
		var out reply
		if err != nil {
			err = badRequest("what was sent is too long or broke off")
		} else {
			r.Body = io.NopCloser(bytes.NewReader(body))
			out, err = do(c, lang)
		}
		switch {
		case !c.program():
			if err != nil {
				out = d.problemPage(err, backFrom(r.URL.Path), lang, at == seatResident)
			}
			out.view.Lang = lang
			if !out.view.Bare {
				d.greet(&out.view, r, c.who)
			}
			d.render(w, r, out)
		case err != nil:
			d.fail(w, err)
		default:
			d.respond(w, out.status, out.value)
		}
	}
}

func (d *Desk) render(w http.ResponseWriter, r *http.Request, out reply) {
	if out.goTo != "" {
		http.Redirect(w, r, out.goTo, http.StatusSeeOther)
		return
	}
	if err := d.pages.Render(w, r, out.status, out.name, out.view); err != nil {
		d.Logger.Error("could not render a page", "page", out.name, "error", err)
		http.Error(w, d.pages.Say(out.view.Lang, "page.broken"), http.StatusInternalServerError)
	}
}
